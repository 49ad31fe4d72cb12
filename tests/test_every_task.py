"""Each of the paper's five tasks on drawn images, from the command line: draw, train, score, compare, predict."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_network import TINY

from cenet import load
from cenet.data.io.read import read_image
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError
from cenet.evaluation.comparison_report import ComparisonReport
from cenet.evaluation.report import EvaluationReport
from cenet.inference.run import Run

SHORT = ("--network", TINY, "--encoder-weights", "none", "--epochs", 1, "--steps-per-epoch", 2, "--batch-size", 2)
CPU = ("--device", "cpu", "--precision", "32-true", "--workers", 0)
COUNTS = {"vessels": 6, "disc": 6, "lung": 6, "cells": 15, "oct": 6}
RECIPES = {"vessels": ("vessels", "--size-px", 96)}
MORE = {
    "vessels": ("--crop-px", 64),
    "disc": ("--size-px", 64, "--localiser-size-px", 64, "--localiser-epochs", 1, "--validate-every", 1),
    "lung": ("--size-px", 96, "--crop-px", 64),
    "cells": ("--crop-px", 64),
    "oct": ("--crop-px", 64, "--scale", 1),
}
MEASURED = {
    "vessels": ("centre_line_dice",),
    "disc": ("hd95 disc", "hd95 cup", "cup_to_disc_error", "found"),
    "lung": ("hd95", "assd"),
    "cells": ("v_rand", "v_info", "v_rand_merge", "pixel_error"),
    "oct": ("boundary_error", "boundary_error_um", "boundary_error 11", "thickness_error", "columns_left_out"),
}


def train(cenet, task, data, output, *more):
    words = (*RECIPES.get(task, (task,)), "--data", data, "--output", output)
    return cenet("train", *words, *SHORT, *MORE[task], *CPU, "--test-fraction", 0.34, *more)


@pytest.fixture(scope="module")
def trained(cenet, keep):
    """Gives the folder of a task's drawn images and a run on them, made once."""
    folders = {}

    def folder_of(task):
        if task not in folders:
            folder = keep(task)
            assert cenet("phantoms", task, folder / "data", "--count", COUNTS[task], "--size", 96) == 0
            if task == "oct":
                (folder / "data" / "pixels.json").write_text('{"height_um": 4, "width_um": 11.5}')
            assert train(cenet, task, folder / "data", folder / "run") == 0
            folders[task] = folder
        return folders[task]

    return folder_of


@pytest.fixture(params=COUNTS)
def begun(request, trained):
    """A task, and its folder."""
    return request.param, trained(request.param)


@pytest.fixture
def disc(trained):
    return trained("disc")


def test_a_run_is_scored_by_what_its_task_measures_compared_by_it_and_shown(begun, cenet, blank_plots, tmp_path):
    task, folder = begun
    scores, views = tmp_path / "scores", tmp_path / "views"
    for output, options in ((scores, ()), (views, ("--tta",))):
        assert cenet("evaluate", folder / "run", "--output", output, "--device", "cpu", *options) == 0
    report = EvaluationReport.load(scores)
    per_image = {f"{scored.metric} {scored.part}".strip() for scored in report.task_metrics if scored.per_image}
    assert set(MEASURED[task]) <= per_image
    with (scores / "task_metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [image.name for image in report.data.images]
    assert set(MEASURED[task]) <= rows[0].keys()
    if task == "oct":
        values = {scored.metric: scored.per_image.value for scored in report.task_metrics if not scored.part}
        assert values["boundary_error_um"] == pytest.approx(4 * values["boundary_error"])
    if task == "cells":
        pooled = {scored.metric: scored.pooled for scored in report.task_metrics}
        assert 10 * pooled["v_rand_challenge"].threshold in range(1, 10)
        assert (scores / "cells.npz").is_file()

    assert cenet("compare", scores, views, "--output", tmp_path / "compared") == 0
    assert ComparisonReport.load(tmp_path / "compared").primary.key == TASKS[task].primary_metric
    assert cenet("report", scores, "--output", tmp_path / "page.html") == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_an_image_of_it_is_segmented_in_its_own_size(begun, cenet, tmp_path):
    task, place = begun
    if task == "cells":  # as slices of a stack a microscope's images are seldom kept apart
        rng = np.random.default_rng(0)
        file = tmp_path / "slice.png"
        Image.fromarray(rng.integers(0, 255, (96, 96)).astype(np.uint8)).save(file)
    else:
        file = sorted((place / "data" / "images").iterdir())[0]
    assert cenet("predict", place / "run", file, "--output", tmp_path / "out", "--device", "cpu") == 0
    with Image.open(tmp_path / "out" / f"{file.stem}_mask.png") as mask:
        assert np.array(mask).shape == read_image(file).shape[:2]
    boundaries = tmp_path / "out" / f"{file.stem}_boundaries.npy"
    assert boundaries.exists() == (task == "oct")
    if task == "oct":
        rows = np.load(boundaries)
        assert rows.shape == (11, 96)
        assert (np.diff(rows, axis=0) >= 0).all()
        with Image.open(tmp_path / "out" / f"{file.stem}_mask.png") as mask:
            assert (np.diff(np.array(mask).astype(int), axis=0) >= 0).all()


# The localiser -------------------------------------------------------------------------------------------------


def test_the_localiser_is_a_run_in_the_run_and_moves_with_it(disc, tmp_path):
    localiser = Run(disc / "run" / "localiser")
    assert localiser.facts.finished
    assert localiser.recipe.roi_fraction is None
    assert localiser.recipe.size_px == 64
    assert localiser.split == Run(disc / "run").split
    moved = shutil.copytree(disc / "run", tmp_path / "moved")
    image = read_image(sorted((disc / "data" / "images").iterdir())[0])
    here, there = load(disc / "run")(image), load(moved)(image)
    assert (here.probabilities == there.probabilities).all()
    assert here.box == there.box


def test_a_run_without_its_localiser_is_refused(disc, tmp_path):
    copy = shutil.copytree(disc / "run", tmp_path / "copy")
    shutil.rmtree(copy / "localiser")
    with pytest.raises(CenetError, match="localiser"):
        load(copy)


def test_a_run_stopped_after_its_localiser_resumes_to_the_same_weights(disc, cenet, tmp_path, monkeypatch):
    from cenet.training import train as training

    def stop_after_the_localiser(run, *words, **options):
        assert Run(run.path / "localiser").facts.finished
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "run_training", stop_after_the_localiser)
    assert train(cenet, "disc", disc / "data", tmp_path / "run") == 130
    monkeypatch.undo()
    assert cenet("train", "--resume", tmp_path / "run", *CPU) == 0
    one, other = (Run(place / "run").network().state_dict() for place in (disc, tmp_path))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_from_another_that_was_stopped_after_its_localiser_is_resumed_from_the_same_weights(
    disc, cenet, tmp_path, monkeypatch
):
    from cenet.training import train as training

    weights = []

    def stop_after_the_localiser(run, network, *words, **options):
        weights.append({name: value.clone() for name, value in network.state_dict().items()})
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "run_training", stop_after_the_localiser)
    start = ("--init-from", disc / "run", "--splits", disc / "run" / "splits.json", "--seed", 5)
    assert train(cenet, "disc", disc / "data", tmp_path / "run", *start) == 130
    assert cenet("train", "--resume", tmp_path / "run", *CPU) == 130
    first, again = weights
    assert all(torch.equal(first[name], again[name]) for name in first)
    Run(tmp_path / "run").update(init_from=str(disc / "run" / "localiser"))
    assert cenet("train", "--resume", tmp_path / "run", *CPU) == 1
    assert len(weights) == 2


def test_the_labels_of_scored_images_do_not_move_the_box(disc, cenet, tmp_path):
    data = shutil.copytree(disc / "data", tmp_path / "data")
    for mask in (data / "masks").rglob("*.png"):
        with Image.open(mask) as image:
            turned = image.transpose(Image.Transpose.ROTATE_180)
        turned.save(mask)
    boxes = []
    for folder in (disc / "data", data):
        predict = load(disc / "run")
        boxes.append([predict(path).box for path in sorted((folder / "images").iterdir())])
    assert boxes[0] == boxes[1]


def test_what_is_not_found_is_reported_and_empty(disc, cenet, tmp_path, monkeypatch, capsys):
    from cenet.inference.predictor import Predictor

    monkeypatch.setattr(Predictor, "find", lambda *_, **__: None)
    file: Path = sorted((disc / "data" / "images").iterdir())[0]
    assert cenet("predict", disc / "run", file, "--output", tmp_path / "out", "--device", "cpu") == 0
    assert f"{file.name}: the localiser finds nothing" in capsys.readouterr().err
    with Image.open(tmp_path / "out" / f"{file.stem}_mask.png") as mask:
        assert not np.array(mask).any()
    assert cenet("evaluate", disc / "run", "--output", tmp_path / "scores", "--device", "cpu") == 0
    report = EvaluationReport.load(tmp_path / "scores")
    (hits,) = [scores.per_image for scores in report.task_metrics if scores.metric == "found"]
    assert hits.value == 0
    assert {threshold.per_image["overlap_error"].value for threshold in report.classes[0].thresholds} == {1.0}
