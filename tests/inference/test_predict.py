"""Predictions: files in the input's geometry, and a remark on those that say nothing."""

import shutil

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from cenet import load
from cenet.data.io.read import read_image, read_label
from cenet.data.io.write import overlay
from cenet.errors import CenetError
from cenet.inference.device import resolve_device
from cenet.inference.operating_point import OperatingPoint
from cenet.inference.overlap import describe_uniform_prediction
from cenet.inference.predict import FailedImagesError, predict, write_predictions
from cenet.inference.prediction import Prediction
from cenet.inference.run import Run

CPU = resolve_device(device="cpu", precision="32-true", workers=0)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".cenet.jsonl")


# Files ------------------------------------------------------------------------------------------------------


def test_a_binary_prediction_is_written_as_0_and_255(run, images, tmp_path):
    image = images / "images" / "eye-0.png"
    assert write_predictions(run, image, output=tmp_path / "out", device=CPU) == []
    assert names(tmp_path / "out") == ["eye-0_mask.png", "eye-0_overlay.png"]
    with Image.open(tmp_path / "out" / "eye-0_mask.png") as mask:
        assert mask.mode == "L"
        values = np.array(mask)
    assert np.array_equal(values, load(run)(image).mask * 255)
    assert set(np.unique(values)) == {0, 255}
    overlay = read_image(tmp_path / "out" / "eye-0_overlay.png")
    assert overlay.shape == read_image(image).shape
    assert (overlay != read_image(image)).any(axis=-1)[values > 0].mean() > 0.9
    assert np.array_equal(overlay[values == 0], read_image(image)[values == 0])


def test_classes_are_written_as_a_palette_whose_value_is_the_class(classes_run, tmp_path):
    image = classes_run.parent / "data" / "images" / "eye-0.png"
    write_predictions(classes_run, image, output=tmp_path, device=CPU, probabilities=True)
    probabilities = tifffile.imread(tmp_path / "eye-0_probability.tif")
    with Image.open(tmp_path / "eye-0_mask.png") as mask:
        assert mask.mode == "P"
        assert np.array_equal(np.array(mask), probabilities.argmax(axis=0))
        colours = np.array(mask.getpalette()).reshape(-1, 3)[:3]
    assert len(np.unique(colours, axis=0)) == 3
    assert colours[0].tolist() == [0, 0, 0]
    assert (colours[1:].max(axis=1) > 200).all()  # each class is visible
    assert np.array_equal(read_label(tmp_path / "eye-0_mask.png"), probabilities.argmax(axis=0))
    assert (probabilities.shape, probabilities.dtype) == ((3, 48, 64), np.float32)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)


def test_probabilities_are_written_where_they_are_asked_for(run, images, tmp_path):
    image = images / "images" / "eye-1.png"
    write_predictions(run, image, output=tmp_path, device=CPU, probabilities=True)
    written = tifffile.imread(tmp_path / "eye-1_probability.tif")
    assert (written.shape, written.dtype) == ((1, 48, 64), np.float32)
    assert np.array_equal(written, load(run)(image).probabilities)


def test_16_bit_grey_images_are_predicted(grey16_run, tmp_path):
    image = grey16_run.parent / "data" / "images" / "eye-0.png"
    write_predictions(grey16_run, image, output=tmp_path, device=CPU)
    assert read_label(tmp_path / "eye-0_mask.png").shape == (48, 64)
    assert read_image(tmp_path / "eye-0_overlay.png").shape == (48, 64, 3)


def test_the_mean_of_eight_views_is_predicted_where_it_is_asked_for(run, images, tmp_path):
    image = images / "images" / "eye-2.png"
    write_predictions(run, image, output=tmp_path, device=CPU, probabilities=True, tta=True)
    pixels, network, total = read_image(image).astype(np.float32), Run(run).network(), np.zeros((48, 64))
    for turns in range(4):
        for flip in (False, True):
            seen = np.rot90(pixels[:, ::-1] if flip else pixels, turns)
            with torch.inference_mode():
                answer = network(torch.from_numpy(seen.copy()).permute(2, 0, 1)[None]).sigmoid()[0, 0].numpy()
            answer = np.rot90(answer, -turns)
            total += answer[:, ::-1] if flip else answer
    written = tifffile.imread(tmp_path / "eye-2_probability.tif")
    np.testing.assert_allclose(written[0], total / 8, atol=1e-5)
    assert np.abs(written - load(run)(image).probabilities).max() > 1e-3


@pytest.mark.parametrize("size", [(300, 40), (1, 70), (33, 47)], ids=str)
def test_any_size_comes_back_in_its_own(run, size, tmp_path):
    Image.effect_noise(size, 60).convert("RGB").save(tmp_path / "odd.png")
    write_predictions(run, tmp_path / "odd.png", output=tmp_path / "out", device=CPU, probabilities=True)
    for suffix in ("mask", "overlay"):
        with Image.open(tmp_path / "out" / f"odd_{suffix}.png") as written:
            assert written.size == size
    assert tifffile.imread(tmp_path / "out" / "odd_probability.tif").shape == (1, size[1], size[0])


def test_a_photograph_that_lies_on_its_side_is_predicted_upright(run, images, tmp_path):
    with Image.open(images / "images" / "eye-0.png") as image:
        exif = Image.Exif()
        exif[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    write_predictions(run, tmp_path / "turned.png", output=tmp_path / "out", device=CPU)
    write_predictions(run, images / "images" / "eye-0.png", output=tmp_path / "out", device=CPU)
    turned, upright = (read_label(tmp_path / "out" / f"{name}_mask.png") for name in ("turned", "eye-0"))
    assert np.array_equal(turned, upright)


def test_classes_are_drawn_in_the_colours_of_their_labels(classes_run, tmp_path):
    shutil.copytree(classes_run, tmp_path / "run", ignore=shutil.ignore_patterns("*.ckpt"))
    run, image = Run(tmp_path / "run"), classes_run.parent / "data" / "images" / "eye-0.png"
    run.update(labels=run.facts.labels.model_copy(update={"colours": ("#ff8000", "#0080ff")}))
    write_predictions(tmp_path / "run", image, output=tmp_path / "out", device=CPU)
    mask = load(run.path)(image).mask
    colours = np.array([[0, 0, 0], [255, 128, 0], [0, 128, 255]])
    assert np.array_equal(read_image(tmp_path / "out" / "eye-0_mask.png"), colours[mask])
    assert mask.max() > 0
    expected = overlay(read_image(image), mask, colours=("#ff8000", "#0080ff"))
    assert np.array_equal(read_image(tmp_path / "out" / "eye-0_overlay.png"), expected)


def test_an_ensemble_predicts_the_mean_of_its_members(run, images, tmp_path):
    image, members = images / "images" / "eye-0.png", tmp_path / "folds"
    for number, calibration in enumerate([(1.0, -1.0), (0.5, 0.5)]):
        shutil.copytree(run, members / str(number), ignore=shutil.ignore_patterns("*.ckpt"))
        point = OperatingPoint(thresholds=(0.45,), calibration=(calibration,))
        Run(members / str(number)).update(operating_points=(point,))
    (members / "ensemble.json").write_text('{"members": ["0", "1"]}')
    write_predictions(members, image, output=tmp_path / "out", device=CPU, probabilities=True)
    written = tifffile.imread(tmp_path / "out" / "eye-0_probability.tif")
    one, other = (load(members / name)(image).probabilities for name in "01")
    np.testing.assert_allclose(written, (one + other) / 2, rtol=1e-5)
    assert np.abs(one - other).max() > 0.05
    mask = read_label(tmp_path / "out" / "eye-0_mask.png")
    assert np.array_equal(mask > 0, written[0] >= np.float32(0.45))


# Folders ----------------------------------------------------------------------------------------------------


@pytest.fixture
def album(images, tmp_path):
    """A folder of three images with what else lies in folders."""
    folder = tmp_path / "album"
    folder.mkdir()
    for name, source in {"a.png": "eye-0", "b.PNG": "eye-1", "c.png": "eye-2"}.items():
        shutil.copy(images / "images" / f"{source}.png", folder / name)
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden.png").write_bytes(b"not an image")
    (folder / "more").mkdir()
    return folder


def test_every_image_of_a_folder_is_predicted(run, album, tmp_path, capsys):
    write_predictions(run, album, output=tmp_path / "out", device=CPU)
    assert names(tmp_path / "out") == [f"{stem}_{what}.png" for stem in "abc" for what in ("mask", "overlay")]
    assert "predicting: 100%" in capsys.readouterr().err
    assert np.array_equal(read_label(tmp_path / "out" / "b_mask.png"), load(run)(album / "b.PNG").mask * 255)


def test_all_images_that_fail_are_listed_and_the_others_are_written(cenet, run, album, tmp_path, capsys):
    (album / "b.PNG").write_bytes((album / "b.PNG").read_bytes()[:500])
    Image.new("RGB", (40, 30)).save(album / "d.png")
    assert cenet("predict", run, album, "--output", tmp_path / "out", "--device", "cpu") == 1
    assert names(tmp_path / "out") == ["a_mask.png", "a_overlay.png", "c_mask.png", "c_overlay.png"]
    *_, note, first, second, last = capsys.readouterr().err.splitlines()
    assert note.startswith("note: more, notes.txt: passed over")
    assert first.startswith(f"failed: {album / 'b.PNG'}: ")
    assert second.startswith(f"failed: {album / 'd.png'}: every one of its 40 x 30 pixels has the same")
    assert last.startswith("cenet: 2 of 4 images: cannot be predicted")


def test_images_that_failed_are_predicted_when_they_are_fixed(run, album, images, tmp_path):
    (album / "b.PNG").write_bytes(b"")
    with pytest.raises(FailedImagesError) as error:
        write_predictions(run, album, output=tmp_path / "out", device=CPU)
    assert [failure.subject for failure in error.value.failures] == [str(album / "b.PNG")]
    assert error.value.remarks[0].startswith("more, notes.txt: passed over")
    shutil.copy(images / "images" / "eye-1.png", album / "b.PNG")
    remarks = write_predictions(run, album, output=tmp_path / "out", device=CPU)
    assert remarks[1:] == ["2 of 3 images were predicted before and are skipped"]
    assert len(names(tmp_path / "out")) == 6


def test_files_and_folders_are_predicted_together_and_each_image_once(run, album, images, tmp_path):
    image = images / "images" / "eye-3.png"
    write_predictions(run, [album, image, album / "a.png", image], output=tmp_path / "out", device=CPU)
    stems = ("a", "b", "c", "eye-3")
    assert names(tmp_path / "out") == [f"{stem}_{what}.png" for stem in stems for what in ("mask", "overlay")]


@pytest.mark.parametrize("size", [(40, 30), (1, 1)], ids=str)
def test_an_image_that_shows_nothing_is_refused(run, size, tmp_path):
    Image.new("RGB", size, (9, 99, 9)).save(tmp_path / "empty.png")
    with pytest.raises(CenetError, match=f"empty.png: every one of its {size[0]} x {size[1]} pixels has the same"):
        write_predictions(run, tmp_path / "empty.png", output=tmp_path / "out", device=CPU)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_images_is_refused(run, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CenetError, match="empty: holds no image"):
        write_predictions(run, tmp_path / "empty", output=tmp_path / "out", device=CPU)
    assert not (tmp_path / "out").exists()


# Stacks -----------------------------------------------------------------------------------------------------


@pytest.fixture
def stack(images, tmp_path):
    """Three drawn images as the pages of one file."""
    pages = [read_image(images / "images" / f"eye-{number}.png") for number in range(3)]
    tifffile.imwrite(tmp_path / "stack.tif", np.stack(pages), photometric="rgb")
    return tmp_path / "stack.tif"


def test_every_page_of_a_stack_is_predicted_as_an_image_of_its_own(run, images, stack, tmp_path):
    assert write_predictions(run, stack, output=tmp_path / "out", device=CPU, probabilities=True) == []
    suffixes = ("mask.png", "overlay.png", "probability.tif")
    assert names(tmp_path / "out") == [f"stack-0{page}_{suffix}" for page in range(3) for suffix in suffixes]
    for page in range(3):
        expected = load(run)(images / "images" / f"eye-{page}.png")
        assert np.array_equal(read_label(tmp_path / "out" / f"stack-0{page}_mask.png"), expected.mask * 255)
        written = tifffile.imread(tmp_path / "out" / f"stack-0{page}_probability.tif")
        assert np.array_equal(written, expected.probabilities)


def test_the_page_of_an_empty_prediction_is_named(run_copy, stack, tmp_path):
    Run(run_copy).update(operating_points=(OperatingPoint(thresholds=(0.999,)),))
    remarks = write_predictions(run_copy, stack, output=tmp_path / "out", device=CPU)
    assert [remark.split(":")[0] for remark in remarks] == [f"stack.tif, page {page}" for page in range(3)]


def test_a_stack_lies_among_the_images_of_a_folder(run, album, stack, tmp_path):
    stack.rename(album / "d.tif")
    shutil.copy(album / "a.png", album / "d-03.png")
    write_predictions(run, album, output=tmp_path / "out", device=CPU)
    stems = ("a", "b", "c", "d-00", "d-01", "d-02", "d-03")
    assert names(tmp_path / "out") == [f"{stem}_{what}.png" for stem in stems for what in ("mask", "overlay")]


def test_a_page_and_an_image_of_one_name_are_kept_apart(run, album, stack, tmp_path):
    stack.rename(album / "d.tif")
    shutil.copy(album / "a.png", album / "d-01.png")
    write_predictions(run, album, output=tmp_path / "out", device=CPU)
    stems = ("a", "b", "c", "d-01.png", "d.tif-00", "d.tif-01", "d.tif-02")
    assert names(tmp_path / "out") == [f"{stem}_{what}.png" for stem in stems for what in ("mask", "overlay")]


@pytest.mark.parametrize("suffix", ["tif", "gif"])
def test_a_stack_that_cannot_be_read_is_reported(run, stack, tmp_path, suffix):
    file = tmp_path / f"odd.{suffix}"
    if suffix == "tif":
        file.write_bytes(stack.read_bytes()[:500])
    else:
        frames = [Image.new("L", (40, 40), value) for value in (0, 99)]
        frames[0].save(file, save_all=True, append_images=frames[1:])
    with pytest.raises(CenetError, match=rf"odd\.{suffix}: "):
        write_predictions(run, file, output=tmp_path / "out", device=CPU)
    assert not (tmp_path / "out").exists()


# Remarks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("threshold", "what"), [(0.999, "empty"), (0.0, "full")])
def test_an_empty_or_full_prediction_is_called_out(cenet, run_copy, images, threshold, what, tmp_path, capsys):
    Run(run_copy).update(operating_points=(OperatingPoint(thresholds=(threshold,)),))
    image = images / "images" / "eye-0.png"
    capsys.readouterr()
    assert cenet("predict", run_copy, image, "--output", tmp_path / "out", "--device", "cpu") == 0
    printed = capsys.readouterr()
    largest = load(run_copy)(image).probabilities.max()
    assert printed.err == (
        f"note: eye-0.png: the prediction is {what}; the largest foreground probability is {largest:.3f}, "
        f"the threshold {threshold:g}\n"
    )
    assert printed.out == f"predictions: {tmp_path / 'out'}\n"
    assert set(np.unique(read_label(tmp_path / "out" / "eye-0_mask.png"))) == {255 * (what == "full")}


@pytest.mark.parametrize(
    ("probabilities", "thresholds", "remark"),
    [
        ([[[0.2, 0.7]]], (0.5,), None),
        (
            [[[0.2, 0.3]]],
            (0.5,),
            "the prediction is empty; the largest foreground probability is 0.300, the threshold 0.5",
        ),
        (
            [[[0.5, 0.9]]],
            (0.5,),
            "the prediction is full; the largest foreground probability is 0.900, the threshold 0.5",
        ),
        ([[[0.8, 0.6]], [[0.2, 0.4]]], (), "the prediction is empty; the largest foreground probability is 0.400"),
        (
            [[[0.1, 0.1]], [[0.2, 0.4]], [[0.7, 0.5]]],
            (),
            "the prediction is class 2 everywhere; the largest foreground probability is 0.700",
        ),
        ([[[0.8, 0.1]], [[0.2, 0.9]]], (), None),
        (
            [[[0.3, 0.2]], [[0.1, 0.7]]],
            (0.45, 0.6),
            "the prediction is empty; the largest foreground probability is 0.300, the threshold 0.45",
        ),
        (
            [[[0.9, 0.8]], [[0.1, 0.2]]],
            (0.45, 0.6),
            "the prediction is class 1 everywhere; the largest foreground probability is 0.900, the threshold 0.45",
        ),
        ([[[0.9, 0.8]], [[0.1, 0.7]]], (0.45, 0.6), None),
    ],
)
def test_what_is_said_of_a_prediction(probabilities, thresholds, remark):
    assert describe_uniform_prediction(Prediction(np.array(probabilities, np.float32), thresholds)) == remark


def test_the_folder_of_the_images_takes_no_masks(run, images):
    before = sorted((images / "images").iterdir())
    with pytest.raises(CenetError, match="holds the images, and masks would be taken for images; choose another"):
        write_predictions(run, images / "images", output=images / "images", device=CPU)
    assert sorted((images / "images").iterdir()) == before


# Without files ----------------------------------------------------------------------------------------------


def test_an_image_may_be_a_file_a_pil_image_or_an_array(run, images):
    path = images / "images" / "eye-0.png"
    expected = load(run)(path).probabilities
    with Image.open(path) as opened:
        forms = [path, str(path), opened, read_image(path)]
        predictions = predict(run, forms, device="cpu")
    assert len(predictions) == 4
    for prediction in predictions:
        assert np.array_equal(prediction.probabilities, expected)
    assert np.array_equal(predict(run, path).probabilities, expected)
    assert np.array_equal(predict(load(run), (path,))[0].probabilities, expected)


def test_an_image_of_a_list_that_does_not_fit_is_named_by_its_number(run):
    fits, wrong = np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40, 1), np.uint8)
    with pytest.raises(CenetError) as error:
        predict(run, [fits, wrong])
    assert error.value.subject == "image 1"
