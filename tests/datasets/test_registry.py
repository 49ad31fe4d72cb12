from pathlib import Path

import pytest

from cenet.datasets.registry import TASKS

# the layouts that docs/reference/datasets.md gives for data sets without a reader of their own
OTHER_LAYOUTS = {
    "stare": (
        "vessels",
        ["images/im0001.png", "masks/im0001.png"],
    ),
    "origa": (
        "disc",
        ["images/001.jpg", "masks/disc/001.png", "masks/cup/001.png"],
    ),
    "messidor": (
        "disc",
        ["images/20051020_43808_0100_PP.tif", "masks/disc/20051020_43808_0100_PP.png"],
    ),
    "rim-one-r1": (
        "disc",
        [
            "images/Im001.bmp",
            "experts/1/Im001.png",
            "experts/2/Im001.png",
            "experts/3/Im001.png",
            "experts/4/Im001.png",
            "experts/5/Im001.png",
        ],
    ),
    "kaggle-lungs": (
        "lung",
        ["images/ID_0000_Z_0142.tif", "masks/ID_0000_Z_0142.tif"],
    ),
    "topcon": (
        "oct",
        ["images/eye-01_000.png", "boundaries/eye-01_000.npy", "pixels.json"],
    ),
    "duke-dme": (
        "oct",
        ["images/Subject-01_11.png", "boundaries/Subject-01_11.npy", "pixels.json"],
    ),
}


def test_every_task_describes_its_data():
    for task in TASKS.values():
        assert task.title
        assert task.source
        assert task.layout
        assert task.grouping
        assert callable(task.read)


def test_the_papers_tasks_have_its_results_and_more_metrics_than_overlap():
    for name in ("drive", "chase", "hrf", "disc", "lung", "cells", "oct"):
        assert TASKS[name].published
        assert TASKS[name].task_metrics
        assert TASKS[name].primary_metric != "dice"


def test_vessels_have_the_same_metrics_in_every_layout():
    for task in map(TASKS.get, ("drive", "chase", "hrf", "vessels")):
        assert (task.classes, task.task_metrics, task.primary_metric) == (("vessel",), ("centre_line_dice",), "auc")


def test_every_task_metric_exists():
    from cenet.evaluation.task_metrics import MEASURES

    assert {name for task in TASKS.values() for name in task.task_metrics} <= set(MEASURES)


@pytest.mark.parametrize(("task", "files"), OTHER_LAYOUTS.values(), ids=OTHER_LAYOUTS)
def test_the_layout_of_another_data_set_is_read_by_its_task(task, files, tmp_path):
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"height_um": 3.5, "width_um": 11.0}' if path.suffix == ".json" else "")
    (sample,) = TASKS[task].read(tmp_path)
    labels = [name for name in files if Path(name).parts[0] in ("masks", "boundaries", "experts")]
    assert [path.relative_to(tmp_path).as_posix() for path in sample.label] == labels
    assert sample.image.relative_to(tmp_path).as_posix() in files
    assert (sample.region is not None) == any(name.startswith("regions/") for name in files)
    assert (sample.pixel_um is not None) == ("pixels.json" in files)


def test_the_documentation_has_every_layout_of_another_data_set():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "datasets.md").read_text()
    for _, files in OTHER_LAYOUTS.values():
        assert "\n".join(f"DATA/{name}" for name in files) in page
