"""Comparisons of reports made up here, so that the truth about every difference is known."""

import json
import math
import shutil
from functools import partial

import numpy as np
import pytest
import reports
from reports import CUT
from sklearn.metrics import roc_auc_score

from cenet.errors import CenetError
from cenet.evaluation.compare import compare, format_comparison, metric_title
from cenet.evaluation.pooled_metrics import sums_of
from cenet.metrics import Counts, average_precision_of, calibration_error_of, dice, sensitivity, specificity
from cenet.metrics.binned import BINS, CENTRES, roc_auc_of


@pytest.fixture
def write_report(tmp_path):
    return partial(reports.write_report, tmp_path)


def rows_of(comparison, metric, run=None):
    return [row for row in comparison["rows"] if row["metric"] == metric and row["run"] == (run or row["run"])]


def figures(comparison):
    return [
        (row["metric"], row["value"], row["difference"], row["low"], row["high"], row["p"])
        for row in comparison["rows"]
    ]


def test_a_clearly_better_run_is_told_from_the_reference(write_report):
    comparison = compare([write_report("weak", skill=1), write_report("strong", skill=4, seed=1)])
    for metric in ("auc_pooled", "average_precision_pooled", "dice_pooled", "auc_per_image", "dice_per_image"):
        reference, strong = rows_of(comparison, metric)
        assert strong["p"] == comparison["smallest_p"] == 2 / 2**8
        assert 0 < strong["low"] < strong["difference"] < strong["high"]
        assert strong["difference"] == pytest.approx(strong["value"] - reference["value"])
        assert (reference["run"], reference["how"]) == ("weak", "")
    assert rows_of(comparison, "calibration_error_pooled", "strong")[0]["p"] >= comparison["smallest_p"]


def test_every_value_is_that_of_the_reports_pixels(write_report):
    folder = write_report("one")
    comparison = compare([folder, write_report("other", seed=1)])
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))["classes"]["vessel"]["images"]
    counts = sum(
        (Counts(*(row[f"{key} @ {CUT}"] for key in ("tp", "fp", "fn", "tn"))) for row in report), Counts(0, 0, 0, 0)
    )
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
        "auc_per_image": np.mean([row["auc"] for row in report]),
        "dice_per_image": np.mean([row[f"dice @ {CUT}"] for row in report]),
        "overlap_error_per_image": np.mean([row[f"overlap_error @ {CUT}"] for row in report]),
    }
    assert {row["metric"]: row["value"] for row in comparison["rows"] if row["run"] == "one"} == pytest.approx(expected)


def near_edges(folder, seed):
    """Count some of a report's pixels near edges; the counts that were put there."""
    with np.load(folder / "histograms.npz") as arrays:
        kept = dict(arrays)
    kept["class0_edges"] = np.random.default_rng(seed).binomial(kept["class0"], 0.4).astype(np.uint32)
    np.savez_compressed(folder / "histograms.npz", **kept)
    return kept["class0_edges"].sum(axis=0)


def test_calibration_near_edges_is_explored_where_all_runs_counted_it(write_report):
    one, other = write_report("one"), write_report("other", seed=1)
    pooled = near_edges(one, 1)
    assert not {row["metric"] for row in compare([one, other])["rows"]} & {"brier_edges_pooled"}
    near_edges(other, 2)
    comparison = compare([one, other])
    squares = (CENTRES - np.array([[0], [1]])) ** 2
    expected = {
        "brier_edges_pooled": (squares * pooled).sum() / pooled.sum(),
        "calibration_error_edges_pooled": float(calibration_error_of(pooled)),
    }
    for metric, value in expected.items():
        reference, row = rows_of(comparison, metric)
        assert reference["value"] == pytest.approx(value)
        assert row["low"] < row["difference"] < row["high"]
        assert 2 / 2**8 <= row["p"] <= 1
        assert math.isnan(row["adjusted_p"])  # it is no question
    assert "| vessel | calibration error near edges, pooled (lower is better) | other |" in format_comparison(
        comparison
    )


@pytest.mark.parametrize("name", ["one", "one/../one", "run"])
def test_a_run_named_twice_is_refused(write_report, tmp_path, name):
    one, other = write_report("one"), write_report("other", seed=1)
    shutil.copytree(one, tmp_path / "run" / "evaluation-test-region")
    first = tmp_path / "run" / "evaluation-test-region" if name == "run" else one  # the same report by another name
    with pytest.raises(CenetError) as error:
        compare([first, other, tmp_path / name], output=tmp_path / "compared")
    assert str(error.value) == f"{tmp_path / name}: would be compared with itself; name every run once"
    assert not (tmp_path / "compared").exists()


def test_a_run_does_not_differ_from_its_copy(write_report, tmp_path):
    folder = write_report("same")
    comparison = compare([folder, shutil.copytree(folder, tmp_path / "copy")])
    for row in comparison["rows"]:
        if row["how"]:
            assert (row["difference"], row["low"], row["high"], row["p"]) == (0, 0, 0, 1)
    assert len({run["name"] for run in comparison["runs"]}) == 2


def test_the_order_of_the_images_does_not_matter(write_report):
    one, other = write_report("one"), write_report("other", skill=3, seed=1)
    shuffled = write_report("shuffled", skill=3, seed=1, order=[5, 0, 7, 2, 1, 6, 4, 3])
    assert figures(compare([one, shuffled])) == figures(compare([one, other]))


def test_images_of_one_patient_are_swapped_together(write_report):
    images = [f"p{patient}_{eye}" for patient in range(6) for eye in ("left", "right")]
    comparison = compare([write_report("a", images=images, skill=1), write_report("b", images=images, skill=4)])
    assert (comparison["data"]["images"], comparison["data"]["groups"]) == (12, 6)
    assert {row["p"] for row in rows_of(comparison, "dice_per_image", "b")} == {2 / 2**6}


def test_holm_adjusts_the_question_over_all_runs_and_leaves_the_rest_raw(write_report):
    comparison = compare(
        [write_report(f"run-{skill}", skill=skill, seed=int(100 * skill)) for skill in (2, 3, 4, 2.05)]
    )
    questions = [row for row in rows_of(comparison, "auc_pooled") if row["how"]]
    p = sorted(row["p"] for row in questions)
    adjusted = np.minimum(np.maximum.accumulate([3 * p[0], 2 * p[1], p[2]]), 1)
    assert sorted(row["adjusted_p"] for row in questions) == pytest.approx(adjusted)
    assert all(math.isnan(row["adjusted_p"]) for row in comparison["rows"] if row["metric"] != "auc_pooled")
    assert "3 comparisons" in format_comparison(comparison)


def test_the_question_of_other_tasks_is_dice_per_image(write_report):
    comparison = compare([write_report("a", task="folder"), write_report("b", seed=1, task="folder")])
    assert comparison["primary"] == "dice_per_image"
    assert "**Dice, per image**" in format_comparison(comparison)


def test_seeds_are_averaged_image_by_image_and_their_spread_is_told(write_report, tmp_path):
    reference = write_report("reference", skill=1)
    seeds = [
        write_report(f"s{seed}", skill=3, seed=seed, folder=tmp_path / "method" / f"seed-{seed}") for seed in (1, 2, 3)
    ]
    comparison = compare([reference, tmp_path / "method"])
    single = [rows_of(compare([reference, seed]), "auc_per_image")[1]["value"] for seed in seeds]
    (together,) = rows_of(comparison, "auc_per_image", "method")
    assert together["value"] == pytest.approx(np.mean(single))
    assert together["seeds_sd"] == pytest.approx(np.std(single, ddof=1))
    assert [run["seeds"] for run in comparison["runs"]] == [1, 3]
    assert math.isnan(rows_of(comparison, "auc_per_image", "reference")[0]["seeds_sd"])


def test_methods_of_few_and_many_seeds_weigh_alike():
    for seeds in (1, 2, 3):
        np.testing.assert_array_equal(sums_of([np.array([[1], [2], [4]])] * seeds, ["a", "b", "a"]), [[5], [2]])


def test_seeds_alike_are_one_seed(write_report, tmp_path):
    reference, one = write_report("reference", skill=1), write_report("method/seed-0", skill=3, seed=1)
    alone = figures(compare([reference, one]))
    shutil.copytree(one, tmp_path / "method" / "seed-1")
    for (metric, *few), (same, *many) in zip(alone, figures(compare([reference, tmp_path / "method"])), strict=True):
        assert metric == same
        assert few == pytest.approx(many, nan_ok=True)


def test_fewer_than_six_groups_are_not_tested_and_it_is_said_why(write_report):
    comparison = compare([write_report("a", groups=5), write_report("b", groups=5, seed=1)])
    assert all(math.isnan(row["p"]) for row in comparison["rows"])
    assert {row["how"] for row in comparison["rows"]} == {"", "range of 5 groups"}
    text = format_comparison(comparison)
    assert "No test: with 5 groups the smallest p that one can reach is 0.062" in text
    assert "Fewer than 8 groups" in text


def test_fewer_than_fifty_groups_are_warned_of(write_report):
    few, many = (
        compare([write_report(f"a{groups}", groups=groups), write_report(f"b{groups}", groups=groups, seed=1)])
        for groups in (10, 50)
    )
    assert "fewer than 50 groups" in format_comparison(few)
    assert "fewer than 50 groups" not in format_comparison(many)


def test_folds_make_a_comparison_approximate(write_report):
    paths = [write_report(name, part="out-of-fold") for name in "ab"]
    text = format_comparison(compare(paths))
    assert "share training images" in text
    assert "dealt into folds differently" not in text
    report = json.loads((paths[1] / "report.json").read_text(encoding="utf-8"))
    report["data"]["images"][0]["fold"] = 1
    (paths[1] / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert "dealt into folds differently" in format_comparison(compare(paths))


def in_folds(folder, folds):
    """Give a report's images their folds, and the probabilities of each fold a scale of their own."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    for image, fold in zip(report["data"]["images"], folds, strict=True):
        image["fold"] = fold
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    with np.load(folder / "histograms.npz") as arrays:
        kept = dict(arrays)
    kept["class0"] = np.array([np.roll(h, 200 * fold, axis=1) for h, fold in zip(kept["class0"], folds, strict=True)])
    np.savez_compressed(folder / "histograms.npz", **kept)
    return folder, kept["class0"]


def test_of_folds_ranks_are_pooled_within_each_and_averaged(write_report):
    folds = [0, 0, 0, 1, 1, 1, 2, 2, 2]
    (one, first), (other, second) = (
        in_folds(write_report(name, groups=9, part="out-of-fold", skill=skill), folds)
        for name, skill in (("a", 1), ("b", 2))
    )
    comparison = compare([one, other])
    for name, figure in (("auc", roc_auc_of), ("average_precision", average_precision_of)):
        values = [
            np.mean([figure(h[np.array(folds) == fold].sum(axis=0)) for fold in range(3)]) for h in (first, second)
        ]
        rows = rows_of(comparison, f"{name}_within_folds")
        assert [row["value"] for row in rows] == pytest.approx(values)
        assert rows[1]["difference"] == pytest.approx(values[1] - values[0])
        assert rows[1]["low"] < rows[1]["difference"] < rows[1]["high"]
        assert rows[1]["how"] == "bootstrap over 9 groups"
        assert rows[1]["p"] == 2 / 2**9  # every group is better
        assert rows_of(comparison, f"{name}_pooled") == []
    assert comparison["primary"] == "auc_within_folds"
    assert "**AUC, pooled within folds**" in format_comparison(comparison)


def test_the_scale_of_a_fold_does_not_matter_within_folds(write_report):
    folds, plain = [0, 0, 0, 0, 1, 1, 1, 1], [0] * 8
    found = []
    for where, shifted in (("x", folds), ("y", plain)):
        pair = [write_report(f"{where}{skill}", part="out-of-fold", skill=skill) for skill in (1, 2)]
        for folder in pair:
            in_folds(folder, shifted)
            report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            for image, fold in zip(report["data"]["images"], folds, strict=True):
                image["fold"] = fold
            (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
        found.append(rows_of(compare(pair), "auc_within_folds"))
    for one, other in zip(*found, strict=True):
        assert [one[key] for key in ("value", "difference", "low", "high", "p")] == pytest.approx(
            [other[key] for key in ("value", "difference", "low", "high", "p")], nan_ok=True
        )


def test_of_different_folds_the_question_is_the_auc_of_each_image(write_report):
    one, other = (write_report(name, part="out-of-fold", skill=skill) for name, skill in (("a", 1), ("b", 2)))
    in_folds(one, [0, 0, 0, 0, 1, 1, 1, 1])
    in_folds(other, [0, 1, 0, 1, 0, 1, 0, 1])
    comparison = compare([one, other])
    assert comparison["primary"] == "auc_per_image"
    assert "pooled figures mix the probabilities of several networks" in format_comparison(comparison)


def test_views_may_differ_and_are_shown(write_report):
    comparison = compare([write_report("a"), write_report("b", views=8)])
    assert [run["views"] for run in comparison["runs"]] == ["1", "8"]
    assert "different numbers of views" in format_comparison(comparison)


def test_training_images_are_no_test(write_report):
    comparison = compare([write_report("a", part="train"), write_report("b", part="train")])
    assert "8 of these 8 images were trained or validated on: no test of anything" in format_comparison(comparison)
    assert all(math.isnan(row["p"]) and math.isnan(row["adjusted_p"]) for row in comparison["rows"])


def test_one_image_that_one_run_was_trained_on_is_enough(write_report):
    paths = [write_report("a", part="all"), write_report("b", part="all", seed=1)]
    report = json.loads((paths[1] / "report.json").read_text(encoding="utf-8"))
    assert "no test of anything" not in format_comparison(compare(paths))
    report["data"]["images"][3]["part"] = "train"
    (paths[1] / "report.json").write_text(json.dumps(report), encoding="utf-8")
    comparison = compare(paths)
    assert "1 of these 8 images were trained or validated on" in format_comparison(comparison)
    assert all(math.isnan(row["p"]) for row in comparison["rows"])


@pytest.mark.parametrize("count", [0, 1])
def test_one_run_has_nothing_to_be_compared_with(write_report, count):
    with pytest.raises(CenetError, match="two runs or more"):
        compare([write_report("a")][:count])


def test_what_is_written_is_the_same_every_time(write_report, tmp_path):
    paths = [write_report("a"), write_report("b", seed=1)]
    comparison = compare(paths, output=tmp_path / "first")
    compare(paths, output=tmp_path / "second")
    names = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    assert set(names) == {"compare.json", "compare.md", "compare.svg", "compare.png"}
    assert names == {path.name: path.read_bytes() for path in (tmp_path / "second").iterdir()}
    assert names["compare.md"].decode() == format_comparison(comparison) + "\n"
    assert format_comparison(json.loads(names["compare.json"])) == format_comparison(comparison)
    assert str(tmp_path).encode() not in b"".join(names.values())


def test_nothing_is_written_unless_a_place_is_named(write_report, tmp_path):
    paths = [write_report("a"), write_report("b", seed=1)]
    before = sorted(tmp_path.rglob("*"))
    compare(paths)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_that_takes_no_files_is_refused_first(write_report, tmp_path):
    (tmp_path / "file").write_text("taken", encoding="utf-8")
    with pytest.raises(CenetError, match="cannot be written"):
        compare([write_report("a"), write_report("b")], output=tmp_path / "file")


def test_several_classes_are_all_asked(write_report):
    paths = [write_report(name, classes=("disc", "cup"), task="folder", seed=seed) for seed, name in enumerate("ab")]
    comparison = compare(paths)
    assert {row["class"] for row in comparison["rows"]} == {"disc", "cup"}
    assert "2 comparisons" in format_comparison(comparison)


def test_an_undefined_figure_is_an_empty_cell(write_report, tmp_path):
    comparison = compare([write_report("a", share=0), write_report("b", share=0, seed=1)], output=tmp_path / "out")
    assert all(math.isnan(row["value"]) for row in rows_of(comparison, "auc_pooled"))
    assert "nan" not in format_comparison(comparison)


def test_runs_of_one_name_are_told_apart(write_report, tmp_path):
    paths = [write_report("unet", seed=seed, folder=tmp_path / where / "unet") for seed, where in enumerate("xy")]
    assert [run["name"] for run in compare(paths)["runs"]] == ["x/unet", "y/unet"]


def test_every_metric_has_a_title():
    assert metric_title("average_precision_pooled") == "average precision, pooled"


def test_what_the_task_measures_is_compared_and_may_be_the_question(write_report):
    folders = []
    for name, shift in (("near", 0.0), ("far", 2.0)):
        folder = write_report(name, task="oct")
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        rows = [
            {"image": each["name"], "group": each["group"], "boundary_error": 1 + number / 10 + shift}
            for number, each in enumerate(report["data"]["images"])
        ]
        if not shift:
            rows = [{**row, "odd": 0.0} for row in rows]  # a figure that the other run does not have
        keys = [key for key in rows[0] if key not in ("image", "group")]
        report["measures"] = {"images": rows, "pooled": {}, "per_image": {key: {} for key in keys}}
        (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
        folders.append(folder)
    comparison = compare(folders)
    assert comparison["primary"] == "boundary_error_per_image"
    near, far = rows_of(comparison, "boundary_error_per_image")
    assert (near["class"], near["value"]) == ("all classes", pytest.approx(1.35))
    assert far["difference"] == pytest.approx(2)
    assert far["p"] == comparison["smallest_p"]
    assert rows_of(comparison, "odd_per_image") == []
