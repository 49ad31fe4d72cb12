"""Comparisons of reports made up here, so that the truth about every difference is known."""

import math
import shutil
from functools import partial

import numpy as np
import pytest
import reports
from sklearn.metrics import roc_auc_score

from cenet.errors import CenetError
from cenet.evaluation.compare import compare
from cenet.evaluation.comparison_report import ComparedMetric, ComparisonReport, MethodCost
from cenet.evaluation.report_files import load_evaluation
from cenet.metrics import Counts, average_precision_of, calibration_error_of, dice, sensitivity, specificity
from cenet.metrics.binned import BINS, CENTRES, roc_auc_of
from cenet.reporting.comparison_text import format_comparison


@pytest.fixture
def write_report(tmp_path):
    return partial(reports.write_report, tmp_path)


POOLED_RANKS = [
    ComparedMetric(key=key, average=average)
    for key in ("auc", "average_precision")
    for average in ("pooled", "within_folds")
]


def name_of(metric):
    """Key and average of a compared metric in one word, for short tests."""
    return f"{metric.key}_{metric.average}"


def rows_of(comparison, metric, run=None):
    return [row for row in comparison.rows if name_of(row.metric) == metric and row.run == (run or row.run)]


def numbers_of(comparison):
    numbers = []
    for row in comparison.rows:
        difference = row.difference
        ends = (difference.value, difference.low, difference.high) if difference else ()
        numbers.append((name_of(row.metric), row.value, *ends, row.p))
    return numbers


def test_a_clearly_better_run_differs_from_the_reference(write_report):
    comparison = compare([write_report("weak", groups=8, skill=1), write_report("strong", groups=8, skill=4, seed=1)])
    for metric in ("auc_pooled", "average_precision_pooled", "dice_pooled", "auc_per_image", "dice_per_image"):
        reference, strong = rows_of(comparison, metric)
        if metric in ("auc_pooled", "average_precision_pooled"):
            assert math.isnan(strong.p)  # swapped groups would rank probabilities of two networks together
        else:
            assert strong.p == comparison.minimum_p == 2 / 2**8
        assert 0 < strong.difference.low < strong.difference.value < strong.difference.high
        assert strong.difference.value == pytest.approx(strong.value - reference.value)
        assert (reference.run, reference.difference) == ("weak", None)
    assert rows_of(comparison, "calibration_error_pooled", "strong")[0].p >= comparison.minimum_p


def test_every_value_is_that_of_the_reports_pixels(write_report):
    folder = write_report("one")
    comparison = compare([folder, write_report("other", seed=1)])
    images = load_evaluation(folder).report.classes[0].images
    counts = sum((image.thresholds[0].counts for image in images), Counts(0, 0, 0, 0))
    with np.load(folder / "histograms.npz") as arrays:
        pooled = arrays["class0"].sum(axis=0)
    pixels = pooled.ravel()
    truth, scores = np.repeat([0, 1], BINS), np.tile(CENTRES, 2)
    expected = {
        "auc_pooled": roc_auc_score(truth, scores, sample_weight=pixels),
        "average_precision_pooled": float(average_precision_of(pooled)),
        "calibration_error_pooled": float(calibration_error_of(pooled)),
        "brier_pooled": ((truth - scores) ** 2 @ pixels) / pixels.sum(),
        "dice_pooled": dice(counts),
        "sensitivity_pooled": sensitivity(counts),
        "specificity_pooled": specificity(counts),
        "auc_per_image": np.mean([image.auc for image in images]),
        "dice_per_image": np.mean([image.thresholds[0].scores["dice"] for image in images]),
        "iou_per_image": np.mean([image.thresholds[0].scores["iou"] for image in images]),
        "overlap_error_per_image": np.mean([image.thresholds[0].scores["overlap_error"] for image in images]),
    }
    assert {name_of(row.metric): row.value for row in comparison.rows if row.run == "one"} == pytest.approx(expected)


def near_edges(folder, seed):
    """Count some of a report's pixels near edges; the counts that were put there."""
    with np.load(folder / "histograms.npz") as arrays:
        kept = dict(arrays)
    kept["class0_edges"] = np.random.default_rng(seed).binomial(kept["class0"], 0.4).astype(np.uint32)
    np.savez_compressed(folder / "histograms.npz", **kept)
    return kept["class0_edges"].sum(axis=0)


def test_calibration_near_edges_is_explored_where_all_runs_counted_it(write_report):
    one, other = write_report("one", groups=8), write_report("other", groups=8, seed=1)
    pooled = near_edges(one, 1)
    assert "brier_edges" not in {row.metric.key for row in compare([one, other]).rows}
    near_edges(other, 2)
    comparison = compare([one, other])
    squares = (CENTRES - np.array([[0], [1]])) ** 2
    expected = {
        "brier_edges_pooled": (squares * pooled).sum() / pooled.sum(),
        "calibration_error_edges_pooled": float(calibration_error_of(pooled)),
    }
    for metric, value in expected.items():
        reference, row = rows_of(comparison, metric)
        assert reference.value == pytest.approx(value)
        assert row.difference.low < row.difference.value < row.difference.high
        assert 2 / 2**8 <= row.p <= 1
        assert math.isnan(row.adjusted_p)  # it is exploratory


@pytest.mark.parametrize("name", ["one", "one/../one", "run"])
def test_a_run_named_twice_is_refused(write_report, tmp_path, name):
    one, other = write_report("one"), write_report("other", seed=1)
    shutil.copytree(one, tmp_path / "run" / "evaluation-test-region")
    first = tmp_path / "run" / "evaluation-test-region" if name == "run" else one  # the same report by another name
    with pytest.raises(CenetError) as error:
        compare([first, other, tmp_path / name], output=tmp_path / "compared")
    assert error.value.subject == str(tmp_path / name)
    assert "with itself" in error.value.cause
    assert not (tmp_path / "compared").exists()


def test_a_run_does_not_differ_from_its_copy(write_report, tmp_path):
    folder = write_report("same", groups=8)
    comparison = compare([folder, shutil.copytree(folder, tmp_path / "copy")])
    for row in comparison.rows:
        if row.difference:
            assert (row.difference.value, row.difference.low, row.difference.high) == (0, 0, 0)
            assert row.p == 1 or row.metric in POOLED_RANKS
    assert len({run.name for run in comparison.runs}) == 2


def test_the_order_of_the_images_does_not_matter(write_report):
    one, other = write_report("one"), write_report("other", skill=3, seed=1)
    shuffled = write_report("shuffled", skill=3, seed=1, order=[5, 0, 2, 1, 4, 3])
    np.testing.assert_equal(numbers_of(compare([one, shuffled])), numbers_of(compare([one, other])))


def test_images_of_one_patient_are_swapped_together(write_report):
    images = [f"p{patient}_{eye}" for patient in range(6) for eye in ("left", "right")]
    comparison = compare([write_report("a", images=images, skill=1), write_report("b", images=images, skill=4)])
    assert (comparison.data.images, comparison.data.groups) == (12, 6)
    assert {row.p for row in rows_of(comparison, "dice_per_image", "b")} == {2 / 2**6}


def test_holm_adjusts_the_primary_metric_over_all_runs_and_leaves_the_rest_raw(write_report):
    comparison = compare(
        [write_report(f"run-{skill}", skill=skill, seed=int(100 * skill)) for skill in (2, 3, 4, 2.05)]
    )
    tested = [row for row in rows_of(comparison, "auc_per_image") if row.difference]
    p = sorted(row.p for row in tested)
    adjusted = np.minimum(np.maximum.accumulate([3 * p[0], 2 * p[1], p[2]]), 1)
    assert sorted(row.adjusted_p for row in tested) == pytest.approx(adjusted)
    assert all(math.isnan(row.adjusted_p) for row in comparison.rows if row.metric != comparison.primary)


def test_the_primary_metric_of_other_tasks_is_dice_per_image(write_report):
    comparison = compare([write_report("a", task="folder"), write_report("b", seed=1, task="folder")])
    assert name_of(comparison.primary) == "dice_per_image"
    assert comparison.rows[0].metric == comparison.primary


def test_seeds_are_averaged_image_by_image_and_their_spread_is_kept(write_report, tmp_path):
    reference = write_report("reference", skill=1)
    seeds = [
        write_report(f"s{seed}", skill=3, seed=seed, folder=tmp_path / "method" / f"seed-{seed}") for seed in (1, 2, 3)
    ]
    comparison = compare([reference, tmp_path / "method"])
    single = [rows_of(compare([reference, seed]), "auc_per_image")[1].value for seed in seeds]
    (together,) = rows_of(comparison, "auc_per_image", "method")
    assert together.value == pytest.approx(np.mean(single))
    assert together.seeds_sd == pytest.approx(np.std(single, ddof=1))
    assert [run.seeds for run in comparison.runs] == [1, 3]
    assert math.isnan(rows_of(comparison, "auc_per_image", "reference")[0].seeds_sd)


def test_seeds_alike_are_one_seed(write_report, tmp_path):
    reference, one = write_report("reference", skill=1), write_report("method/seed-0", skill=3, seed=1)
    alone = numbers_of(compare([reference, one]))
    shutil.copytree(one, tmp_path / "method" / "seed-1")
    for (metric, *few), (same, *many) in zip(alone, numbers_of(compare([reference, tmp_path / "method"])), strict=True):
        assert metric == same
        assert few == pytest.approx(many, nan_ok=True)


def test_fewer_than_six_groups_are_not_tested(write_report):
    comparison = compare([write_report("a", groups=5), write_report("b", groups=5, seed=1)])
    assert all(math.isnan(row.p) for row in comparison.rows)
    kinds = {row.metric in POOLED_RANKS: row.difference.interval_kind for row in comparison.rows if row.difference}
    assert kinds == {True: "none", False: "range"}
    assert comparison.minimum_p == 2 / 2**5


def test_the_smallest_p_is_that_of_the_groups_that_have_the_primary_metric(write_report):
    few = [1.0, 2.0, 3.0, *[math.nan] * 6]
    options = {"groups": 9, "task": "oct"}
    near = write_report("near", task_metrics={"boundary_error": few}, **options)
    far = write_report("far", seed=1, task_metrics={"boundary_error": [value + 1 for value in few]}, **options)
    comparison = compare([near, far])
    groups = {name_of(row.metric): row.groups for row in comparison.rows if row.difference}
    assert (groups["boundary_error_per_image"], groups["dice_per_image"], groups["dice_pooled"]) == (3, 9, 9)
    assert comparison.minimum_p == 2 / 2**3
    assert comparison.rows[0].groups is None


def test_whether_folds_are_the_same_is_noted(write_report):
    same = [write_report(name, part="out-of-fold", folds=[0, 1] * 3) for name in "ab"]
    assert compare(same).same_folds
    assert not compare([same[0], write_report("c", part="out-of-fold", folds=[1, 0] * 3)]).same_folds


def scale_folds(folder, folds):
    """Give the probabilities of each fold a scale of their own."""
    with np.load(folder / "histograms.npz") as arrays:
        kept = dict(arrays)
    kept["class0"] = np.array([np.roll(h, 200 * fold, axis=1) for h, fold in zip(kept["class0"], folds, strict=True)])
    np.savez_compressed(folder / "histograms.npz", **kept)
    return kept["class0"]


def test_of_folds_ranks_are_pooled_within_each_and_averaged(write_report):
    folds = [0, 0, 0, 1, 1, 1, 2, 2, 2]
    options = {"groups": 9, "part": "out-of-fold", "folds": folds}
    paths = [write_report(name, skill=skill, **options) for name, skill in (("a", 1), ("b", 2))]
    first, second = (scale_folds(path, folds) for path in paths)
    comparison = compare(paths)
    for name, metric in (("auc", roc_auc_of), ("average_precision", average_precision_of)):
        values = [
            np.mean([metric(h[np.array(folds) == fold].sum(axis=0)) for fold in range(3)]) for h in (first, second)
        ]
        rows = rows_of(comparison, f"{name}_within_folds")
        assert [row.value for row in rows] == pytest.approx(values)
        difference = rows[1].difference
        assert difference.value == pytest.approx(values[1] - values[0])
        assert difference.low < difference.value < difference.high
        assert difference.method == "bootstrap over 9 groups"
        assert math.isnan(rows[1].p)
        assert rows_of(comparison, f"{name}_pooled") == []
    assert name_of(comparison.primary) == "auc_per_image"
    assert rows_of(comparison, "auc_per_image", "b")[0].p == 2 / 2**9  # every group is better


def test_the_scale_of_a_fold_does_not_matter_within_folds(write_report):
    folds = [0, 0, 0, 1, 1, 1]
    numbers = []
    for name, scales in (("x", folds), ("y", [0] * 6)):
        pair = [write_report(f"{name}{skill}", part="out-of-fold", skill=skill, folds=folds) for skill in (1, 2)]
        for folder in pair:
            scale_folds(folder, scales)
        numbers.append([row[1:] for row in numbers_of(compare(pair)) if row[0] == "auc_within_folds"])
    for one, other in zip(*numbers, strict=True):
        assert one == pytest.approx(other, nan_ok=True)


@pytest.mark.parametrize("part", ["test", "out-of-fold"])
def test_a_scale_of_ones_own_costs_no_power(write_report, part):
    folds = [0, 0, 0, 1, 1, 1]
    paths = [write_report(f"{skill}", skill=skill, seed=5, part=part, folds=folds) for skill in (2, 2.5)]
    scale_folds(paths[1], folds)  # as if two networks said the same by other numbers
    (row,) = rows_of(compare(paths), "auc_per_image", "2.5")
    assert row.metric == compare(paths).primary
    assert row.p == 2 / 2**6  # every group is better


def test_no_seed_is_ranked_among_the_probabilities_of_another(write_report, tmp_path):
    reference = write_report("reference", skill=1)
    seeds = [
        write_report(f"s{seed}", skill=3, seed=seed, folder=tmp_path / "method" / f"seed-{seed}") for seed in (1, 2)
    ]
    scale_folds(seeds[1], [1] * 6)
    (together,) = rows_of(compare([reference, tmp_path / "method"]), "auc_pooled", "method")
    single = [rows_of(compare([reference, seed]), "auc_pooled")[1].value for seed in seeds]
    assert together.value == pytest.approx(np.mean(single))
    assert together.seeds_sd == pytest.approx(np.std(single, ddof=1))


def test_views_may_differ_and_are_kept(write_report):
    comparison = compare([write_report("a"), write_report("b", views=8)])
    assert [run.views for run in comparison.runs] == [(1,), (8,)]


def test_training_images_are_not_tested(write_report):
    comparison = compare([write_report("a", part="train"), write_report("b", part="train")])
    assert comparison.data.training_images == 6
    assert all(math.isnan(row.p) and math.isnan(row.adjusted_p) for row in comparison.rows)


def test_one_image_that_one_run_was_trained_on_is_enough(write_report):
    paths = [write_report("a", part="all"), write_report("b", part="all", seed=1)]
    assert compare(paths).data.training_images == 0
    reports.change_images(paths[1], part=[*["test"] * 3, "train", *["test"] * 2])
    comparison = compare(paths)
    assert comparison.data.training_images == 1
    assert all(math.isnan(row.p) for row in comparison.rows)


@pytest.mark.parametrize("count", [0, 1])
def test_one_run_has_nothing_to_be_compared_with(write_report, count):
    with pytest.raises(CenetError, match="two runs or more"):
        compare([write_report("a")][:count])


def test_what_is_written_is_what_was_returned_and_the_same_every_time(write_report, tmp_path):
    paths = [write_report("a"), write_report("b", seed=1)]
    comparison = compare(paths, output=tmp_path / "first")
    compare(paths, output=tmp_path / "second")
    written = [(tmp_path / name / "compare.json").read_bytes() for name in ("first", "second")]
    assert written[0] == written[1]
    assert str(tmp_path).encode() not in written[0]
    assert ComparisonReport.load(tmp_path / "first").model_dump_json() == comparison.model_dump_json()
    assert comparison.folder == tmp_path / "first"


def test_the_command_names_what_was_compared_and_not_what_was_asked_for(write_report, tmp_path):
    paths = [write_report("a"), write_report("b", seed=1)]
    command = compare(paths, protocol="frame", part="all", tta=True).command
    assert command == "cenet compare a b --protocol region --split test"
    runs = [tmp_path / "runs" / name for name in "cd"]
    for run in runs:
        write_report(run.name, protocol="frame", views=8, folder=run / "evaluation-test-frame-tta")
    assert compare(runs, protocol="frame", tta=True).command == "cenet compare c d --protocol frame --tta"


def test_nothing_is_written_unless_a_place_is_named(write_report, tmp_path):
    paths = [write_report("a"), write_report("b", seed=1)]
    before = sorted(tmp_path.rglob("*"))
    assert compare(paths).folder is None
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_that_takes_no_files_is_refused_first(write_report, tmp_path):
    (tmp_path / "file").write_text("taken", encoding="utf-8")
    with pytest.raises(CenetError, match="cannot be written"):
        compare([write_report("a"), write_report("b")], output=tmp_path / "file")


def test_every_class_is_compared_and_adjusted_for(write_report):
    paths = [write_report(name, classes=("disc", "cup"), task="folder", seed=seed) for seed, name in enumerate("ab")]
    comparison = compare(paths)
    assert {row.class_name for row in comparison.rows} == {"disc", "cup"}
    tested = [row for row in rows_of(comparison, "dice_per_image") if row.difference]
    smaller, larger = sorted(row.p for row in tested)
    assert sorted(row.adjusted_p for row in tested) == pytest.approx(
        [min(2 * smaller, 1), min(max(2 * smaller, larger), 1)]
    )


def test_an_undefined_metric_is_nan(write_report):
    comparison = compare([write_report("a", share=0), write_report("b", share=0, seed=1)])
    assert all(math.isnan(row.value) for row in rows_of(comparison, "auc_pooled"))


def test_runs_of_one_name_are_distinguished(write_report, tmp_path):
    paths = [write_report("unet", seed=seed, folder=tmp_path / where / "unet") for seed, where in enumerate("xy")]
    assert [run.name for run in compare(paths).runs] == ["x/unet", "y/unet"]


def test_what_the_task_measures_is_compared_and_may_be_primary(write_report):
    errors = [1 + number / 10 for number in range(6)]
    near = write_report("near", task="oct", task_metrics={"boundary_error": errors, "hd95": errors, "found": errors})
    far = write_report(
        "far", task="oct", task_metrics={"boundary_error": [error + 2 for error in errors], "found": errors}
    )
    comparison = compare([near, far])
    assert name_of(comparison.primary) == "boundary_error_per_image"
    reference, other = rows_of(comparison, "boundary_error_per_image")
    assert (reference.class_name, reference.value) == ("all classes", pytest.approx(1.25))
    assert other.difference.value == pytest.approx(2)
    assert other.p == comparison.minimum_p
    assert rows_of(comparison, "hd95_per_image") == []  # which the other run does not have
    assert rows_of(comparison, "found_per_image") == []  # by which no run is compared


# What it costs ----------------------------------------------------------------------------------------------


def test_seeds_cost_their_mean_and_different_values_are_all_kept(write_report):
    folders = [write_report("a"), write_report("b", views=8)]
    reports.change(folders[1], cost={"seconds_per_image": 0.3, "device": "cuda", "training_seconds": 60})
    cost = MethodCost.average([load_evaluation(folder).report for folder in folders], name="both")
    assert cost.model_dump() == {
        "name": "both",
        "seeds": 2,
        "views": (1, 8),
        "thresholds": (0.5,),
        "parameters": 1_000_000,
        "multiply_adds_per_image": 2.5e9,
        "seconds_per_image": pytest.approx(0.2),
        "peak_memory_mib": 300,
        "training_seconds": 60,
        "devices": ("cpu", "cuda"),
        "started_from": ("random weights",),
    }


def test_a_cost_that_is_not_known_is_blank(write_report, tmp_path):
    folders = [write_report("a"), write_report("exported", seed=1)]
    reports.change(folders[1], cost={"multiply_adds_per_image": None, "peak_memory_mib": None})
    comparison = compare(folders, output=tmp_path / "compared")
    costs = [(run.multiply_adds_per_image, run.training_seconds) for run in comparison.runs]
    assert costs == [(2.5e9, None), (None, None)]
    assert ComparisonReport.load(tmp_path / "compared").runs == comparison.runs
    (row,) = [line for line in format_comparison(comparison).splitlines() if "multiply-adds" in line]
    assert row.split("per image")[1].split() == ["2.5e+09"]
