import shutil
from functools import partial

import numpy as np
import pytest
import reports
from test_build_report import count_images

from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError
from cenet.evaluation.report_files import (
    LoadedEvaluation,
    load_evaluation,
    read_evaluations,
    save_evaluation,
)
from cenet.evaluation.task_metrics import TaskMetric, TaskMetrics
from cenet.metrics.binned import BINS


@pytest.fixture
def write_report(tmp_path):
    return partial(reports.write_report, tmp_path, groups=8)


def names_of(path, **options):
    return [evaluation.folder.name for evaluation in read_evaluations(path, **options)]


# Where the scores are ---------------------------------------------------------------------------------------


def test_an_evaluation_is_found_by_part_protocol_and_views(write_report, tmp_path):
    for name in ("test-region", "test-region-tta", "validation-frame", "test-authors"):
        write_report(f"evaluation-{name}", groups=1)
    assert names_of(tmp_path) == ["evaluation-test-region"]
    assert names_of(tmp_path, tta=True) == ["evaluation-test-region-tta"]
    assert names_of(tmp_path, part="validation", protocol="frame") == ["evaluation-validation-frame"]
    assert names_of(tmp_path, protocol="authors", tta=True) == ["evaluation-test-authors"]
    assert names_of(tmp_path / "evaluation-test-region", tta=True) == ["evaluation-test-region"]


def test_without_a_test_part_what_the_folds_held_out_is_found_and_then_all_images(write_report, tmp_path):
    for part in ("all", "out-of-fold", "test"):
        write_report(f"evaluation-{part}-region", groups=1)
        assert names_of(tmp_path) == [f"evaluation-{part}-region"]


def test_seeds_are_found_in_their_order(write_report, tmp_path):
    for seed in (1, 0):
        write_report(f"seed-{seed}/evaluation-test-region", groups=1)
    assert [evaluation.folder.parent.name for evaluation in read_evaluations(tmp_path)] == ["seed-0", "seed-1"]


@pytest.mark.parametrize(
    ("holds", "options", "command"),
    [
        ("", {}, "evaluate RUN --protocol region"),
        ("", {"part": "validation"}, "evaluate RUN --split validation --protocol region"),
        ("", {"protocol": "frame", "tta": True}, "evaluate RUN --protocol frame --tta"),
        ("", {"protocol": "authors", "tta": True}, "evaluate RUN --protocol authors"),
        ("folds", {"tta": True}, "cross-validate ... --output RUN --protocol region --tta"),
        ("folds", {"part": "all"}, "evaluate RUN --split all --protocol region"),
    ],
)
def test_what_was_not_scored_so_is_an_error_with_the_command(tmp_path, holds, options, command):
    path = tmp_path / "my run"
    (path / holds).mkdir(parents=True)
    command = command.replace("RUN", f"'{path}'")
    with pytest.raises(CenetError) as refusal:
        read_evaluations(path, **options)
    assert (refusal.value.subject, refusal.value.remedy) == (str(path), f"run `cenet {command}` first")


def test_of_several_seeds_the_one_that_was_not_scored_is_named(write_report, tmp_path):
    write_report("seed-0/evaluation-test-region", groups=1)
    (tmp_path / "seed-1").mkdir()
    with pytest.raises(CenetError) as refusal:
        read_evaluations(tmp_path)
    assert refusal.value.subject == str(tmp_path / "seed-1")


# What is saved and read -------------------------------------------------------------------------------------


def equal_counts(one, other):
    np.testing.assert_equal(vars(one), vars(other))


def test_an_evaluation_is_read_as_it_was_saved(write_report, tmp_path):
    loaded = load_evaluation(write_report("one", share=0.1, classes=("disc", "cup")))
    metrics = {TaskMetric("v_rand"): np.arange(8) / 8, TaskMetric("boundary_error", "1"): np.full(8, np.nan)}
    measured = TaskMetrics(tuple(loaded.counts[0].groups), metrics, np.random.default_rng(0).random((8, 100, 6)))
    report = loaded.report.model_copy(update={"task_metrics": measured.compute_scores()})
    saved = save_evaluation(
        OutputFolder(tmp_path / "again", verb="evaluate"), LoadedEvaluation(report, loaded.counts, measured)
    )
    again = load_evaluation(tmp_path / "again")
    assert again.folder == saved.folder == tmp_path / "again"
    assert again.report.model_dump_json() == report.model_dump_json()
    for one, other in zip(again.counts, loaded.counts, strict=True):
        equal_counts(one, other)
    np.testing.assert_equal(vars(again.task_metrics), vars(measured))


def test_without_cells_no_file_of_them_is_written(write_report):
    folder = write_report("one", task_metrics={"hd95": range(8)})
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["histograms.npz", "report.json"]
    assert load_evaluation(folder).task_metrics.cells.shape == (8, 0, 6)


def test_histograms_are_small_integers_by_class(write_report, tmp_path):
    loaded = load_evaluation(write_report("one"))
    counts = count_images(range(8))
    save_evaluation(OutputFolder(tmp_path / "two", verb="evaluate"), LoadedEvaluation(loaded.report, (counts, counts)))
    with np.load(tmp_path / "two" / "histograms.npz", allow_pickle=False) as arrays:
        single, together = ((8, 2, BINS), np.uint32), ((2, BINS), np.int64)
        kinds = {"": single, "_edges": single, "_before": together, "_edges_before": together}
        layout = {name: (array.shape, array.dtype) for name, array in arrays.items()}
        assert layout == {f"class{number}{kind}": what for number in range(2) for kind, what in kinds.items()}
    assert (tmp_path / "two" / "histograms.npz").stat().st_size < 200_000


def test_images_are_compared_in_the_order_of_their_fingerprints(write_report):
    images = ["c_left", "a_left", "b_left"]
    loaded = load_evaluation(write_report("one", images=images, folds=[2, 0, 1]))
    assert [image.name for image in loaded.images] == sorted(images)
    assert (loaded.groups, loaded.folds) == (["a", "b", "c"], [0, 1, 2])
    (counts,) = loaded.counts
    assert counts.images == tuple(images)
    np.testing.assert_array_equal(loaded.sums_for(0, "histograms"), counts.histograms[[1, 2, 0]])
    np.testing.assert_array_equal(loaded.sums_for(0, "counts"), counts.confusion[[1, 2, 0], 0])
    assert loaded.image_values(0, "auc").tolist() == counts.auc[[1, 2, 0]].tolist()
    dice = [image.thresholds[0].scores["dice"] for image in loaded.report.classes[0].images]
    assert loaded.image_values(0, "dice").tolist() == [dice[index] for index in (1, 2, 0)]


def test_an_undefined_score_is_nan(write_report):
    assert np.isnan(load_evaluation(write_report("one", share=0)).image_values(0, "auc")).all()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 2}', "\xff"])
def test_a_foreign_report_is_refused(write_report, content):
    folder = write_report("one")
    (folder / "report.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(CenetError) as refusal:
        load_evaluation(folder)
    assert refusal.value.subject == str(folder / "report.json")
    assert "cenet evaluate" in refusal.value.remedy


@pytest.mark.parametrize(
    "damage", ["cut", "missing", "empty", "flipped", "of other images", "one pixel more", "pickled"]
)
def test_corrupted_histograms_are_refused(write_report, damage):
    folder = write_report("one")
    path = folder / "histograms.npz"
    content = path.read_bytes()
    middle = len(content) // 2
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "of other images":
        shutil.copy(write_report("more", groups=9) / "histograms.npz", path)
    elif damage == "one pixel more":
        loaded = load_evaluation(folder)
        loaded.counts[0].histograms[0, 0, BINS // 2] += 1
        save_evaluation(OutputFolder(folder, verb="evaluate"), loaded)
    elif damage == "cut":
        path.write_bytes(content[:middle])
    elif damage == "pickled":
        np.savez(path, **{f"class0{kind}": np.array([{}]) for kind in ("", "_edges", "_before", "_edges_before")})
    else:
        flipped = bytes(255 - byte for byte in content[middle : middle + 40])
        path.write_bytes(content[:middle] + flipped + content[middle + 40 :])
    with pytest.raises(CenetError) as refusal:
        load_evaluation(folder)
    assert refusal.value.subject == str(path)


def test_a_corrupted_file_of_cells_is_refused(write_report):
    folder = write_report("one", task_metrics={"v_rand": range(8)})
    (folder / "cells.npz").write_bytes(b"PK corrupted")
    with pytest.raises(CenetError) as refusal:
        load_evaluation(folder)
    assert refusal.value.subject == str(folder / "cells.npz")
