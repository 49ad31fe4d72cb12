"""Where predictions are written: never over a file of the user's, never twice, under a name of their own."""

import shutil
import sys
from pathlib import Path
from subprocess import run as run_process
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cenet.errors import CenetError
from cenet.inference import ensemble
from cenet.inference.predict import write_predictions
from cenet.inference.prediction import Prediction

FIRST, OTHER = "first run", "other run"


@pytest.fixture
def predicted(monkeypatch):
    """Predictions without a network: the brighter half. Lists the images that were predicted."""
    names = []

    def predictor(pixels, *, name, uncertainty=False, pixel_um=None):
        names.append(Path(name).name)
        return Prediction((pixels[..., 0] / np.float32(255))[None], (0.5,))

    recipe = SimpleNamespace(num_classes=1, roi_fraction=None, ordered=False, task="folder")
    facts = SimpleNamespace(
        labels=None, pixel_um=None, channels=(), in_channels=3, dtype="uint8", classes=("foreground",)
    )
    run = SimpleNamespace(recipe=recipe, facts=facts, predictor=lambda **_: predictor)
    monkeypatch.setattr(ensemble, "open_run", lambda *_, **__: run)
    monkeypatch.setattr(ensemble, "fingerprint_run", lambda _: FIRST)
    return names


@pytest.fixture
def photos(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        draw(tmp_path / "photos" / name)
    return tmp_path / "photos"


def draw(path, seed=0):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 24, 3), np.uint8)).save(path)
    return path


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def predict(images, output, **options):
    return write_predictions("run", images, output=output, device="cpu", **options)


# What the user has ------------------------------------------------------------------------------------------


def test_labels_of_the_user_are_never_replaced(predicted, photos, tmp_path):
    masks = tmp_path / "masks"
    for name in "abc":
        draw(masks / f"{name}_mask.png", seed=1)
    before = contents(tmp_path)
    with pytest.raises(CenetError) as error:
        predict(photos, masks)
    assert error.value.subject == str(masks)
    assert "a_mask.png, b_mask.png, c_mask.png" in error.value.cause
    assert contents(tmp_path) == before
    assert not predicted
    predict(photos, masks, overwrite=True)
    assert len(predicted) == 3
    assert contents(masks)["a_mask.png"] != before["masks/a_mask.png"]


def test_an_image_is_not_predicted_over_what_lies_beside_it(predicted, photos, tmp_path):
    (photos / "a_mask.png").write_bytes(b"drawn by hand")
    before = contents(tmp_path)
    with pytest.raises(CenetError):
        predict(photos / "a.png", photos)
    assert contents(tmp_path) == before
    predict(photos / "b.png", photos)
    assert before.items() < contents(tmp_path).items()


def test_an_image_is_never_replaced_by_its_own_prediction(predicted, photos):
    draw(photos / "a_mask.png")
    before = contents(photos)
    for images, output in (([photos / "a.png", photos / "a_mask.png"], photos), ([photos / "a.png"], photos / "a.png")):
        with pytest.raises(CenetError):
            predict(images, output, overwrite=True)
    with pytest.raises(CenetError):
        predict(photos, photos)
    assert contents(photos) == before


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_an_image_under_another_name_is_not_replaced_either(predicted, photos, link):
    getattr(photos / "a_mask.png", link)(photos / "b.png")
    before = contents(photos)
    with pytest.raises(CenetError, match="is an image to predict"):
        predict([photos / "a.png", photos / "b.png"], photos, overwrite=True)
    assert contents(photos) == before


def test_what_cannot_be_written_is_refused_before_torch_is_imported(photos, tmp_path):
    draw(tmp_path / "out" / "b_mask.png")
    (tmp_path / "run").mkdir()
    code = (
        "import sys; from cenet.cli.main import main; status = main(sys.argv[1:]); "
        "sys.exit('torch was imported' if 'torch' in sys.modules else status)"
    )
    arguments = ["predict", tmp_path / "run", photos, "--output", tmp_path / "out"]
    done = run_process([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"cenet: {tmp_path / 'out'}: ")


# What is finished -------------------------------------------------------------------------------------------


def test_a_prediction_that_was_killed_is_resumed(predicted, photos, tmp_path, monkeypatch):
    out, whole = tmp_path / "out", tmp_path / "whole"
    predict(photos, whole)
    predicted.clear()
    with monkeypatch.context() as patch:
        patch.setattr("cenet.inference.overlap.write_overlay", raise_at_overlay(2))
        with pytest.raises(KeyboardInterrupt):
            predict(photos, out)
    assert predict(photos, out) == ["1 of 3 images were predicted before and are skipped"]
    assert predicted[:2] + predicted[-2:] == ["a.png", "b.png", "b.png", "c.png"]  # c may be predicted before b fails
    masks, expected = contents(out), contents(whole)
    del masks[".cenet.jsonl"], expected[".cenet.jsonl"]
    assert masks == expected
    assert predict(photos, out) == ["3 of 3 images were predicted before and are skipped"]


def raise_at_overlay(number):
    written = []

    def write_overlay(file, *_, **__):
        written.append(file)
        if len(written) == number:
            raise KeyboardInterrupt
        file.write(b"overlay")

    return write_overlay


@pytest.fixture(autouse=True)
def plain_overlays(monkeypatch):
    monkeypatch.setattr("cenet.inference.overlap.write_overlay", lambda file, *_, **__: file.write(b"overlay"))


def test_a_mask_that_the_user_corrected_is_kept(predicted, photos, tmp_path):
    out = tmp_path / "out"
    predict(photos, out)
    (out / "a_mask.png").write_bytes(b"corrected")
    (out / "b_mask.png").unlink()
    predicted.clear()
    predict(photos, out)
    assert (predicted, (out / "a_mask.png").read_bytes()) == (["b.png"], b"corrected")
    (out / "a_overlay.png").unlink()  # so the image would be predicted again
    with pytest.raises(CenetError):
        predict(photos, out)
    assert (out / "a_mask.png").read_bytes() == b"corrected"


def test_a_folder_holds_predictions_of_one_run_with_the_same_options(predicted, photos, tmp_path, monkeypatch):
    out = tmp_path / "out"
    predict(photos / "a.png", out)
    before = contents(out)
    for options in ({"tta": True}, {"probabilities": True}):
        with pytest.raises(CenetError) as error:
            predict(photos / "b.png", out, **options)
        assert f"without --{next(iter(options))}" in error.value.cause
    monkeypatch.setattr(ensemble, "fingerprint_run", lambda _: OTHER)
    with pytest.raises(CenetError) as error:
        predict(photos, out)
    assert "--overwrite" in error.value.remedy
    assert contents(out) == before
    predict(photos, out, overwrite=True)
    assert predict(photos, out) == ["3 of 3 images were predicted before and are skipped"]


# Names ------------------------------------------------------------------------------------------------------


def masks(folder):
    return sorted(path.name for path in folder.glob("*_mask.png"))


@pytest.mark.parametrize("calls", [[["eye.bmp", "eye.png"]], [["eye.bmp"], ["eye.png"]], [["eye.bmp"], ["Eye.png"]]])
def test_images_of_one_stem_are_kept_apart(predicted, tmp_path, calls):
    out = tmp_path / "out"
    for call in calls:
        predict([draw(tmp_path / "photos" / name) for name in call], out)
    together = len(calls) == 1
    assert masks(out) == sorted(["eye.bmp_mask.png" if together else "eye_mask.png", f"{calls[-1][-1]}_mask.png"])
    (skipped,) = predict([tmp_path / "photos" / name for call in calls for name in call], out)
    assert skipped.startswith("2 of 2 images")


def test_two_images_of_one_name_go_into_two_folders(predicted, photos, tmp_path):
    other = draw(tmp_path / "others" / "a.png", seed=1)
    with pytest.raises(CenetError):
        predict([photos, other], tmp_path / "out")
    predict(photos, tmp_path / "out")
    before = contents(tmp_path)
    with pytest.raises(CenetError) as error:
        predict(other, tmp_path / "out")
    assert "a.png" in error.value.cause
    assert contents(tmp_path) == before
    shutil.copy(photos / "a.png", other)
    assert predict(other, tmp_path / "out")[0].startswith("1 of 1 images")


def test_the_name_of_a_file_is_the_mask_of_one_image(predicted, photos, tmp_path):
    file = tmp_path / "new" / "eye.png"
    predict(photos / "a.png", file)
    predict(photos / "a.png", tmp_path / "out")
    assert file.read_bytes() == (tmp_path / "out" / "a_mask.png").read_bytes()
    assert sorted(path.name for path in file.parent.iterdir()) == [".cenet.jsonl", "eye.png"]
    predict(photos / "b.png", file)  # it is our own
    file.write_bytes(b"drawn by hand")
    for images, output, options in (
        (photos / "b.png", file, {}),
        (photos, tmp_path / "two.png", {}),
        ([photos / "a.png", photos / "b.png"], tmp_path / "two.png", {}),
        (photos / "a.png", tmp_path / "eye.jpg", {}),
        (photos / "a.png", tmp_path / "eye.png", {"probabilities": True}),
    ):
        with pytest.raises(CenetError) as error:
            predict(images, output, **options)
        assert str(output).startswith(error.value.subject)
    assert file.read_bytes() == b"drawn by hand"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "out", "photos"]
