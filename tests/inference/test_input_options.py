"""Images that are resampled for the network to the pixel size of the training images."""

import json
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from cenet import InputOptions, load, predict
from cenet.errors import CenetError
from cenet.inference.compare_pixel_size import find_zoom
from cenet.inference.predict import FailedImagesError, write_predictions

MATCH = InputOptions(match_pixel_size=True)


def write_tiff(path, *, um, shape=(100, 140, 3)):
    values = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    height, width = um if isinstance(um, tuple) else (um, um)
    resolution = {"resolution": (1e4 / width, 1e4 / height), "resolutionunit": "CENTIMETER"} if um else {}
    tifffile.imwrite(path, values, photometric="rgb", metadata=None, **resolution)
    return path


@pytest.fixture
def trained_at(run, tmp_path):
    """Copies the run as one of images with pixels of a known size."""

    def copy(um, **recipe):
        folder = tmp_path / f"trained-{um}-{len(recipe)}"
        shutil.copytree(run, folder, ignore=shutil.ignore_patterns("*.ckpt", ".lock"))
        facts = json.loads((run / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps({**facts, "pixel_um": um and (um, um)}))
        kept = json.loads((run / "recipe.json").read_text())
        (folder / "recipe.json").write_text(json.dumps({**kept, **recipe}))
        return folder

    return copy


def notes(folder):
    lines = map(json.loads, (folder / ".cenet.jsonl").read_text().splitlines())
    return [line["note"] for line in lines if "note" in line]


def test_matching_is_the_scale_of_a_recipe(trained_at, tmp_path):
    image = write_tiff(tmp_path / "image.tif", um=5)
    scaled = load(trained_at(None, scale=0.5), device="cpu")(image)
    folder = trained_at(10)
    matched = predict(folder, image, device="cpu", reading=MATCH)
    assert np.array_equal(matched.probabilities, scaled.probabilities)
    assert matched.mask.shape == (100, 140)
    assert not np.array_equal(matched.probabilities, load(folder, device="cpu")(image).probabilities)


def test_an_image_of_the_same_pixel_size_stays_as_it_is(trained_at, tmp_path):
    image = write_tiff(tmp_path / "image.tif", um=10)
    folder = trained_at(10)
    matched = predict(folder, [image], device="cpu", reading=InputOptions(match_pixel_size=True, pixel_um=(10, 10)))
    assert np.array_equal(matched[0].probabilities, load(folder, device="cpu")(image).probabilities)


def test_height_and_width_are_matched_each(trained_at):
    pixels = np.random.default_rng(0).integers(0, 256, (100, 90, 3)).astype(np.uint8)
    predictor = load(trained_at(10), device="cpu")
    maps, placement = predictor.predict_network_scale(pixels, pixel_um=(5, 20))
    assert placement.inner == (50, 180)
    assert placement.inverse(maps).shape == (1, 100, 90)


def test_a_folder_notes_sizes_and_goes_on_where_one_is_not_known(trained_at, tmp_path):
    (tmp_path / "images").mkdir()
    write_tiff(tmp_path / "images" / "known.tif", um=5)
    write_tiff(tmp_path / "images" / "unknown.tif", um=None)
    folder, call = trained_at(10), {"output": tmp_path / "out", "device": "cpu"}
    with pytest.raises(FailedImagesError) as error:
        write_predictions(folder, tmp_path / "images", reading=MATCH, **call)
    assert [failure.subject.endswith("unknown.tif") for failure in error.value.failures] == [True]
    assert any("5 µm" in remark and "10 µm" in remark for remark in error.value.remarks)
    assert not any("has not seen" in remark for remark in error.value.remarks)
    (note,) = notes(tmp_path / "out")
    assert (note["image"], note["match-pixel-size"], note["pixel_um"]) == ("known.tif", True, "5 x 5")
    with Image.open(tmp_path / "out" / "known_mask.png") as mask:
        assert mask.size == (140, 100)
    with pytest.raises(CenetError, match="match-pixel-size"):  # it is no prediction of the image as it is
        write_predictions(folder, tmp_path / "images", **call)


def test_an_image_that_is_read_in_parts_is_matched_to_the_bit(trained_at, tmp_path, monkeypatch):
    image = write_tiff(tmp_path / "large.tif", um=5, shape=(413, 307, 3))
    folder = trained_at(7, tile_px=192)
    options = {"device": "cpu", "probabilities": True, "reading": MATCH}
    write_predictions(folder, image, output=tmp_path / "at_once", **options)
    monkeypatch.setenv("CENET_MAX_PIXELS", "100000")
    remarks = write_predictions(folder, image, output=tmp_path / "in_parts", **options)
    assert any("band by band" in remark for remark in remarks)
    assert any("7 µm" in remark for remark in remarks)
    assert notes(tmp_path / "in_parts")[0]["pixel_um"] == "5 x 5"
    one, other = (tifffile.imread(tmp_path / name / "large_probability.tif") for name in ("at_once", "in_parts"))
    assert np.array_equal(one.squeeze(), other)


@pytest.mark.parametrize("is_ensemble", [False, True])
def test_windows_of_one_call_leave_the_loaded_predictor_as_it_is(trained_at, tmp_path, is_ensemble):
    folder = trained_at(None)
    if is_ensemble:
        (tmp_path / "ensemble.json").write_text(json.dumps({"members": [folder.name, folder.name]}))
        folder = tmp_path
    predictor = load(folder, device="cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (250, 300, 3)).astype(np.uint8)
    before = predictor(pixels)
    assert predict(predictor, pixels, reading=InputOptions(tile_px=192)).windows > before.windows
    after = predict(predictor, pixels)
    assert (after.windows, after.window_px) == (before.windows, before.window_px)
    np.testing.assert_array_equal(after.probabilities, before.probabilities)


def test_members_of_an_ensemble_match_too(trained_at, tmp_path):
    image = write_tiff(tmp_path / "image.tif", um=5)
    (tmp_path / "folds").mkdir()
    member = trained_at(10)
    for name in "01":
        shutil.copytree(member, tmp_path / "folds" / name)
    (tmp_path / "folds" / "ensemble.json").write_text('{"members": ["0", "1"]}')
    one = predict(member, image, device="cpu", reading=MATCH)
    both = predict(tmp_path / "folds", image, device="cpu", reading=MATCH)
    np.testing.assert_allclose(both.probabilities, one.probabilities, atol=1e-6)


@pytest.mark.parametrize(
    ("um", "changes"), [(None, {}), (10, {"resize_mode": "longest"}), (10, {"resize_mode": "square", "crop_px": None})]
)
def test_a_run_that_cannot_match_is_refused_before_any_work(trained_at, tmp_path, um, changes):
    folder = trained_at(um, **changes)
    image = write_tiff(tmp_path / "image.tif", um=5)
    with pytest.raises(CenetError) as error:
        write_predictions(folder, image, output=tmp_path / "out", device="cpu", reading=MATCH)
    assert error.value.subject == str(folder)
    assert not (tmp_path / "out").exists()
    with pytest.raises(CenetError):
        predict(folder, image, device="cpu", reading=MATCH)


def test_an_array_has_no_pixel_size_of_its_own(trained_at):
    pixels = np.zeros((40, 40, 3), np.uint8)
    with pytest.raises(CenetError):
        predict(trained_at(10), pixels, device="cpu", reading=MATCH)


@pytest.mark.parametrize(
    "own", [(1e6, 1e6), (0.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0), (float("inf"), 1.0)], ids=str
)
@pytest.mark.parametrize("in_parts", [False, True])
def test_a_size_that_cannot_be_true_is_refused(own, in_parts):
    with pytest.raises(CenetError) as error:
        find_zoom((1000, 1000), own, (1, 1), name="image.tif", in_parts=in_parts)
    assert error.value.subject == "image.tif"


def test_the_command_line_states_a_size(cenet, trained_at, tmp_path, capsys):
    image, folder = write_tiff(tmp_path / "image.tif", um=None), trained_at(10)
    options = ("predict", folder, image, "--output", tmp_path / "out", "--device", "cpu")
    assert cenet(*options, "--pixel-size", "5um") == 1  # for what?
    assert "--match-pixel-size" in capsys.readouterr().err
    assert cenet(*options, "--pixel-size", "5um", "--match-pixel-size") == 0
    (note,) = notes(tmp_path / "out")
    assert note["pixel_um"] == "5 x 5"
    with Image.open(tmp_path / "out" / "image_mask.png") as mask:
        written = np.array(mask) > 0
    stated = InputOptions(match_pixel_size=True, pixel_um=(5, 5))
    assert np.array_equal(written, predict(folder, image, device="cpu", reading=stated).mask > 0)


def test_height_and_width_of_a_file_are_not_confused(tmp_path):
    path = write_tiff(tmp_path / "image.tif", um=(5, 20))
    assert MATCH.find_pixel_um(path, name="image") == pytest.approx((5, 20), rel=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        *({"tile_px": tile_px} for tile_px in (0, 100, 10**9, 256.5)),
        *({"pixel_um": pixel_um} for pixel_um in (10.0, "7.5um", (9,), (0, 1), (1, float("nan")))),
        {"channels": "red"},
    ],
)
def test_options_without_a_meaning_are_refused(options):
    with pytest.raises(CenetError):
        InputOptions(**options)
