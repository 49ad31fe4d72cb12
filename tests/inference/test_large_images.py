"""Images that are too large for the memory: predicted band by band, to the bit as in memory."""

import json
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from cenet.data.io.large_tiff import make_small_copy, open_large_tiff
from cenet.data.io.read import read_image
from cenet.errors import CenetError
from cenet.inference.large_images import AdaptedImage, BandStatistics
from cenet.inference.predict import write_predictions
from cenet.inference.prediction import Prediction
from cenet.inference.run_metadata import RunMetadata
from cenet.inference.trust import MeasurementOptions, estimate_prediction_dice


@pytest.fixture
def windowed(tmp_path):
    """Copies a run, and lets it predict in windows of 192 px."""

    def copy(run):
        shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("*.ckpt"))
        recipe = json.loads((run / "recipe.json").read_text())
        (tmp_path / "run" / "recipe.json").write_text(json.dumps({**recipe, "tile_px": 192}))
        return tmp_path / "run"

    return copy


@pytest.fixture
def predict_twice(tmp_path, monkeypatch):
    """Predicts an image in memory and in parts; gives both folders, and the remarks on the second."""

    def predict(run, image, **options):
        at_once, in_parts = tmp_path / "at_once", tmp_path / "in_parts"
        monkeypatch.delenv("CENET_MAX_PIXELS", raising=False)
        write_predictions(run, image, output=at_once, device="cpu", probabilities=True)
        monkeypatch.setenv("CENET_MAX_PIXELS", "3000")
        remarks = write_predictions(run, image, output=in_parts, device="cpu", probabilities=True, **options)
        return at_once, in_parts, remarks

    return predict


def read_png(path):
    with Image.open(path) as image:
        return np.array(image)


def noise(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


STORED = {
    "compressed tiles": {"tile": (64, 48), "compression": "zlib", "predictor": True},
    "strips": {"rowsperstrip": 10},
    "memory-mapped": {"rowsperstrip": 413},
}


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_a_mask_is_that_of_the_image_in_memory(run, windowed, predict_twice, tmp_path, stored):
    tifffile.imwrite(tmp_path / "large.tif", noise((413, 307, 3)), photometric="rgb", **stored)
    at_once, in_parts, remarks = predict_twice(windowed(run), tmp_path / "large.tif")
    mask = read_png(at_once / "large_mask.png")
    assert set(np.unique(mask)) == {0, 255}
    assert np.array_equal(tifffile.imread(in_parts / "large_mask.tif"), mask)
    one, other = (tifffile.imread(folder / "large_probability.tif") for folder in (at_once, in_parts))
    assert np.array_equal(one.squeeze(), other)
    assert any("band by band" in remark for remark in remarks)
    names = sorted(path.name for path in in_parts.iterdir())
    assert names == [".cenet.jsonl", "large_mask.tif", "large_overlay.png", "large_probability.tif"]


def test_classes_keep_their_values_and_colours(classes_run, windowed, predict_twice, tmp_path):
    tifffile.imwrite(tmp_path / "large.tif", noise((250, 333, 3)), photometric="rgb", tile=(32, 32))
    at_once, in_parts, _ = predict_twice(windowed(classes_run), tmp_path / "large.tif")
    assert np.array_equal(
        tifffile.imread(in_parts / "large_mask.tif"), tifffile.imread(in_parts / "large_probability.tif").argmax(0)
    )
    one, other = (tifffile.imread(folder / "large_probability.tif") for folder in (at_once, in_parts))
    assert np.array_equal(one, other)


def test_a_recipe_that_resizes_is_exact_too(run, windowed, predict_twice, tmp_path):
    folder = windowed(run)
    recipe = json.loads((folder / "recipe.json").read_text())
    (folder / "recipe.json").write_text(json.dumps({**recipe, "scale": 0.7}))
    tifffile.imwrite(tmp_path / "large.tif", noise((601, 307, 3)), photometric="rgb", rowsperstrip=20)
    at_once, in_parts, _ = predict_twice(folder, tmp_path / "large.tif")
    one, other = (tifffile.imread(folder / "large_probability.tif") for folder in (at_once, in_parts))
    assert np.array_equal(one.squeeze(), other)


def test_a_grey_image_is_given_to_an_rgb_run(run, windowed, predict_twice, tmp_path):
    tifffile.imwrite(tmp_path / "large.tif", noise((250, 200)), tile=(32, 32))
    at_once, in_parts, remarks = predict_twice(windowed(run), tmp_path / "large.tif")
    assert np.array_equal(tifffile.imread(in_parts / "large_mask.tif"), read_png(at_once / "large_mask.png"))
    assert any("three equal channels" in remark for remark in remarks)


def test_members_of_an_ensemble_are_averaged(run, windowed, predict_twice, tmp_path):
    member = windowed(run)
    folds = tmp_path / "folds"
    for name in "01":
        shutil.copytree(member, folds / name)
    (folds / "ensemble.json").write_text('{"members": ["0", "1"]}')
    tifffile.imwrite(tmp_path / "large.tif", noise((230, 210, 3)), photometric="rgb")
    at_once, in_parts, _ = predict_twice(folds, tmp_path / "large.tif")
    assert np.array_equal(tifffile.imread(in_parts / "large_mask.tif"), read_png(at_once / "large_mask.png"))


def test_the_overlay_is_small_and_loses_nothing_that_was_found(run, windowed, predict_twice, tmp_path, monkeypatch):
    monkeypatch.setattr("cenet.data.io.large_tiff.MAX_COPY_PX", 60)
    tifffile.imwrite(tmp_path / "large.tif", noise((240, 180, 3)), photometric="rgb")
    _, in_parts, remarks = predict_twice(windowed(run), tmp_path / "large.tif")
    assert read_image(in_parts / "large_overlay.png").shape == (60, 45, 3)
    assert any("shows 4 x 4" in remark for remark in remarks)


def test_a_large_image_is_not_measured_and_a_finished_one_is_skipped(run, windowed, tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "large.tif", noise((100, 120, 3)), photometric="rgb")
    monkeypatch.setenv("CENET_MAX_PIXELS", "3000")
    call = {"output": tmp_path / "out", "device": "cpu", "measure": MeasurementOptions()}
    folder = windowed(run)
    assert any("not measured" in remark for remark in write_predictions(folder, tmp_path / "large.tif", **call))
    assert any("skipped" in remark for remark in write_predictions(folder, tmp_path / "large.tif", **call))


def test_windows_are_noted(run, windowed, tmp_path):
    tifffile.imwrite(tmp_path / "wide.tif", noise((150, 333, 3)), photometric="rgb")
    remarks = write_predictions(windowed(run), tmp_path / "wide.tif", output=tmp_path / "out", device="cpu")
    assert [remark for remark in remarks if "2 overlapping windows" in remark]


@pytest.mark.parametrize("trouble", ["truncated", "uniform", "another kind", "a name for a PNG"])
def test_what_cannot_be_predicted_leaves_nothing_behind(run, tmp_path, monkeypatch, trouble):
    monkeypatch.setenv("CENET_MAX_PIXELS", "3000")
    image = {"uniform": np.full((100, 100, 3), 7, np.uint8), "another kind": noise((100, 100, 3), np.uint16)}
    tifffile.imwrite(tmp_path / "large.tif", image.get(trouble, noise((100, 100, 3))), photometric="rgb")
    if trouble == "truncated":
        (tmp_path / "large.tif").write_bytes((tmp_path / "large.tif").read_bytes()[:-9000])
    output = tmp_path / "out" / ("mask.png" if trouble == "a name for a PNG" else "")
    with pytest.raises(CenetError):
        write_predictions(run, tmp_path / "large.tif", output=output, device="cpu")
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("output", ["masks", "one.tif"])
def test_a_large_mask_in_the_format_tiff_is_the_file_itself(run, windowed, tmp_path, monkeypatch, output):
    tifffile.imwrite(tmp_path / "large.tif", noise((250, 333, 3)), photometric="rgb", tile=(32, 32))
    monkeypatch.setenv("CENET_MAX_PIXELS", "3000")
    options = {"device": "cpu", "mask_format": "tiff"}
    write_predictions(windowed(run), tmp_path / "large.tif", output=tmp_path / output, **options)
    written = tmp_path / output
    assert tifffile.imread(written / "large_mask.tif" if written.is_dir() else written).shape == (250, 333)


@pytest.mark.parametrize(("count", "thresholds"), [(1, (0.4,)), (2, (0.4, 0.6)), (3, ())])
def test_what_is_expected_of_bands_is_expected_of_the_whole(count, thresholds):
    maps = np.random.default_rng(0).random((count, 40, 30)).astype(np.float32)
    maps = maps if thresholds else maps / maps.sum(axis=0)
    whole, statistics = Prediction(maps, thresholds), BandStatistics()
    for rows in (slice(0, 17), slice(17, 40)):
        statistics.add(Prediction(maps[:, rows], thresholds))
    assert statistics.expected_dice() == pytest.approx(estimate_prediction_dice(whole))
    assert (statistics.lowest, statistics.highest) == (whole.mask.min(), whole.mask.max())


def test_a_small_copy_has_the_channels_of_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("CENET_MAX_PIXELS", "3000")
    for name, shape, channels in (("grey", (100, 90), 3), ("equal", (100, 90, 3), 1)):
        pixels = np.broadcast_to(noise((100, 90))[..., None] if len(shape) == 3 else noise((100, 90)), shape)
        photometric = "rgb" if len(shape) == 3 else "minisblack"
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, photometric=photometric)
        image = open_large_tiff(tmp_path / f"{name}.tif")
        copy = make_small_copy(image)
        facts = RunMetadata(command="x", started_from="x", in_channels=channels)
        adapted = AdaptedImage(image, copy, facts=facts, chosen=(), name=name)
        assert adapted.convert(copy.pixels).shape == (100, 90, channels)
