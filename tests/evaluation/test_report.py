"""A report says the same before it is saved and after it is read, and refuses what it cannot mean."""

import json
from math import nan

import pytest

from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError
from cenet.evaluation.report import (
    ClassReport,
    Cost,
    DatasetInfo,
    EvaluationReport,
    ImageInfo,
    ImageScores,
    ImageThresholdScores,
    ProtocolInfo,
    RunInfo,
    Score,
    TaskMetricScores,
    ThresholdScores,
)
from cenet.metrics import Counts


def small_report(**changes):
    counts = Counts(tp=3, fp=1, fn=1, tn=5)
    dice = Score(value=0.75, low=nan, high=nan, method="range of 1 group", sd=nan)
    fields = {
        "commands": ("cenet evaluate runs/eyes",),
        "protocol": ProtocolInfo(name="region", description="inside the region", views=1),
        "data": DatasetInfo(
            name="eyes",
            task="folder",
            part="test",
            groups=1,
            images=(
                ImageInfo(
                    name="a",
                    group="a",
                    part="test",
                    fingerprint="f",
                    label_fingerprint="l",
                    size_px=(5, 2),
                    seconds=0.1,
                ),
            ),
        ),
        "runs": (RunInfo(name="eyes", recipe="folder", network="unet", parameters=7, started_from="random", seed=0),),
        "cost": Cost(
            parameters=7,
            multiply_adds_per_image=10,
            seconds_per_image=0.1,
            peak_memory_mib=None,
            training_seconds=None,
            device="cpu",
        ),
        "classes": (
            ClassReport(
                name="vessel",
                pixels=10,
                share=0.4,
                pooled={"auc": Score(value=1 / 3)},
                per_image={"auc": Score(value=nan, undefined=1)},
                thresholds=(
                    ThresholdScores(
                        name="threshold 0.5", pooled={"dice": dice}, per_image={"dice": dice}, counts=counts
                    ),
                ),
                before_calibration={"brier": 0.25},
                images=(
                    ImageScores(
                        image="a",
                        group="a",
                        auc=nan,
                        thresholds=(ImageThresholdScores(counts=counts, scores={"dice": 0.75}),),
                    ),
                ),
            ),
        ),
        "task_metrics": (TaskMetricScores(metric="hd95", per_image=Score(value=1.5), values=(1.5,)),),
    }
    return EvaluationReport(**{**fields, **changes})


def test_a_report_is_the_same_after_it_is_saved_and_read(tmp_path):
    saved = small_report().save(OutputFolder(tmp_path, verb="evaluate"))
    read = EvaluationReport.load(tmp_path)
    assert read.folder == saved.folder == tmp_path
    assert read.model_dump_json() == saved.model_dump_json()
    assert read.classes[0].pooled["auc"].value == 1 / 3  # to the last bit


def test_what_is_undefined_is_null_in_the_file_and_nan_in_python(tmp_path):
    small_report().save(OutputFolder(tmp_path, verb="evaluate"))
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert content["classes"][0]["images"][0]["auc"] is None
    image = EvaluationReport.load(tmp_path).classes[0].images[0]
    assert image.auc != image.auc  # nan


def test_the_file_does_not_know_its_folder(tmp_path):
    small_report().save(OutputFolder(tmp_path, verb="evaluate"))
    assert "folder" not in json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("classes", 0, "share"), 1.5),
        (("classes", 0, "thresholds", 0, "counts", "tp"), -1),
        (("classes", 0, "images", 0, "thresholds", 0, "scores", "dice"), -0.1),
        (("classes", 0, "images", 0, "image"), "b"),
        (("classes", 0, "thresholds"), []),
        (("data", "images"), []),
        (("data", "images", 0, "size_px"), [0, 5]),
        (("data", "part"), "training"),
        (("protocol", "views"), 0),
        (("cost", "seconds_per_image"), -1.0),
        (("task_metrics", 0, "values"), [1.0, 2.0]),
        (("runs",), []),
        (("unknown",), 1),
        (("task_metrics", 0, "metric"), "no-such-metric"),
        (("classes", 0, "images", 0, "thresholds"), []),
        (("classes", 0, "thresholds", 0, "per_image"), {}),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path, path, value):
    small_report().save(OutputFolder(tmp_path, verb="evaluate"))
    file = tmp_path / "report.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(CenetError) as refusal:
        EvaluationReport.load(tmp_path)
    assert refusal.value.subject == str(file)
    assert "again" in refusal.value.remedy


def test_a_missing_file_is_refused_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(CenetError) as refusal:
        EvaluationReport.load(tmp_path)
    assert "cenet evaluate" in refusal.value.remedy


def test_images_that_were_trained_on_are_counted():
    image = small_report().data.images[0]
    images = tuple(image.model_copy(update={"part": part}) for part in ("train", "validation", "test", None))
    assert small_report().data.model_copy(update={"images": images}).count_training_images() == 2
