"""The Python API as a notebook uses it: train, score, report, predict; text and paths are accepted."""

import numpy as np
import pytest
from PIL import Image
from tiny_network import TINY

import cenet
from cenet.phantoms import write_phantoms

SMALL = {"network": TINY, "encoder_weights": "none", "crop_px": 32, "size_px": 64, "batch_size": 2}
SHORT = {"epochs": 1, "steps_per_epoch": 2}


@pytest.fixture(scope="module")
def notebook(keep):
    """What the first cells of a notebook leave: phantoms, a recipe, and a run that was trained on them."""
    folder = keep("notebook")
    write_phantoms(folder / "eyes", task="vessels", count=6, seed=0, size_px=64)
    recipe = cenet.load_recipe("phantom-vessels").replace(**SMALL, **SHORT)
    run = cenet.train(recipe, str(folder / "eyes"), output=str(folder / "run"), device="cpu")
    return folder, recipe, run


def test_a_folder_is_examined(notebook):
    assert cenet.examine(notebook[0] / "eyes").errors == 0


def test_a_run_is_scored_and_reported(notebook, blank_plots, tmp_path):
    run = notebook[2]
    report = cenet.evaluate(run.path, device="cpu", output=tmp_path / "scores")
    assert [image.name for image in report.data.images] == list(run.split.parts["test"])
    page = cenet.report([tmp_path / "scores"], output=tmp_path / "page.html")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    cenet.evaluate(run.path, device="cpu", tta=True, output=tmp_path / "views")
    assert cenet.compare([tmp_path / "scores", tmp_path / "views"], tta=False).rows


def test_a_run_predicts_a_path_and_an_array(notebook):
    folder, _, run = notebook
    predictor = cenet.load(run.path)
    path = folder / "eyes" / "images" / "fundus-000.png"
    mask = predictor(path).mask
    assert mask.shape == (64, 64)
    assert np.array_equal(predictor(np.array(Image.open(path))).mask, mask)


def test_predictions_are_written(notebook, tmp_path):
    folder, _, run = notebook
    images = [folder / "eyes" / "images" / f"fundus-{number:03}.png" for number in (0, 2)]
    cenet.write_predictions(run.path, images, output=tmp_path / "two", device="cpu")
    assert sorted(path.name for path in (tmp_path / "two").glob("*_mask.png")) == [
        "fundus-000_mask.png",
        "fundus-002_mask.png",
    ]
    cenet.write_predictions(str(run.path), str(images[0]), output=str(tmp_path / "one"), device="cpu")
    assert (tmp_path / "one" / "fundus-000_overlay.png").is_file()


def test_folds_are_trained_and_scored(notebook, tmp_path):
    folder, recipe, _ = notebook
    (report,) = cenet.cross_validate(recipe, folder / "eyes", output=tmp_path / "folds", folds=2, device="cpu")
    assert len(report.data.images) == 6
