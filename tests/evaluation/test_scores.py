"""Tallies and the scores that come of them, against scikit-learn and plain sums over the pixels."""

import json
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from cenet.data.io.files import write_text
from cenet.errors import CenetError
from cenet.evaluation.intervals import interval_of_mean
from cenet.evaluation.scores import (
    COUNTS,
    OVERLAP,
    PixelCounts,
    class_scores,
    load_tallies,
    of_counts,
    per_image,
    pooled,
    save_histograms,
)
from cenet.metrics.binned import BINS, histogram, roc_auc_of
from cenet.metrics.overlap import Counts, dice

CUTS = {"first": 0.4, "second": 0.6}


def drawn(number, *, pixels=400, empty=False):
    """Probabilities, truth and which pixels are near an edge."""
    rng = np.random.default_rng(number)
    truth = rng.random(pixels) < (0 if empty else 0.3)
    scores = expit(rng.normal(0, 1.5, pixels) + 2 * truth - 1).astype(np.float32)
    return scores, truth, rng.random(pixels) < 0.2


def tally_of(number, group=None, **options):
    scores, truth, near = drawn(number, **options)
    row = {"image": f"eye{number}", "group": group or f"patient{number}"}
    row["auc"] = nan if truth.all() or not truth.any() else float(roc_auc_score(truth, scores))
    for cut, threshold in CUTS.items():
        mask = scores >= threshold
        four = [(mask & truth).sum(), (mask & ~truth).sum(), (~mask & truth).sum(), (~mask & ~truth).sum()]
        row |= {f"{name} @ {cut}": int(count) for name, count in zip(COUNTS, four, strict=True)}
        row |= {f"{name} @ {cut}": metric(Counts(*map(int, four))) for name, metric in OVERLAP.items()}
    sharper = np.round(scores)
    return PixelCounts(
        [row],
        histogram(scores, truth)[None],
        histogram(scores[near], truth[near])[None],
        histogram(sharper, truth).astype(np.int64),
        histogram(sharper[near], truth[near]).astype(np.int64),
    )


def same(one, other):
    return json.dumps(one.rows) == json.dumps(other.rows) and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("histograms", "edges", "before", "edges_before")
    )


def pixels_of(numbers, what=slice(None)):
    """Probabilities and truth of several images as one, or of their pixels near an edge."""
    images = [drawn(number) for number in numbers]
    where = [near if what == "edges" else slice(None) for _, _, near in images]
    return (np.concatenate([image[part][at] for image, at in zip(images, where, strict=True)]) for part in (0, 1))


# --- tallies -----------------------------------------------------------------------------------------------


def test_tallies_add_up_in_any_bracketing():
    one, two, three = (tally_of(number) for number in range(3))
    assert same(one + two + three, one + (two + three))
    assert same(one + two + three, PixelCounts.of([one, two, three]))
    assert [row["image"] for row in (one + two + three).rows] == ["eye0", "eye1", "eye2"]
    scores, truth = pixels_of(range(3))
    assert np.array_equal(PixelCounts.of([one, two, three]).histograms.sum(axis=0), histogram(scores, truth))
    assert np.array_equal((one + two).before, one.before + two.before)
    assert np.array_equal((one + two).edges_before, one.edges_before + two.edges_before)


def test_a_tally_is_added_without_being_changed():
    one, two = tally_of(0), tally_of(1)
    _ = one + two
    assert same(one, tally_of(0))
    assert same(two, tally_of(1))


def test_nothing_added_changes_nothing():
    some, none = tally_of(0), PixelCounts.of([])
    assert same(some + none, some)
    assert same(none + some, some)
    assert none.histograms.shape == none.edges.shape == (0, 2, BINS)


def test_what_a_tally_knows_of_its_images():
    tally = tally_of(3, "left") + tally_of(4, "right")
    assert tally.groups == ["left", "right"]
    assert tally.cuts == ["first", "second"]
    for cut, threshold in CUTS.items():
        for number, counts in zip((3, 4), tally.counts(cut), strict=True):
            scores, truth, _ = drawn(number)
            mask = scores >= threshold
            assert counts.tolist() == [
                sum(mask & truth), sum(mask & ~truth), sum(~mask & truth), sum(~mask & ~truth),
            ]  # fmt: skip


# --- scores of a class -------------------------------------------------------------------------------------


def test_pooled_figures_are_those_of_all_pixels_together():
    found = class_scores(PixelCounts.of([tally_of(number) for number in range(10)]))
    scores, truth = pixels_of(range(10))
    assert found["pixels"] == 4000
    assert found["share"] == pytest.approx(truth.mean())
    value = {name: score["value"] for name, score in found["pooled"].items()}
    assert value["auc"] == pytest.approx(roc_auc_score(truth, scores), abs=2e-4)
    assert value["average_precision"] == pytest.approx(average_precision_score(truth, scores), abs=2e-3)
    assert value["brier"] == pytest.approx(brier_score_loss(truth, scores), abs=1e-4)
    scores, truth = pixels_of(range(10), "edges")
    assert value["brier_edges"] == pytest.approx(brier_score_loss(truth, scores), abs=1e-4)
    assert value.keys() == {
        "auc", "average_precision", "brier", "calibration_error", "brier_edges", "calibration_error_edges",
    }  # fmt: skip
    for score in found["pooled"].values():
        assert score["low"] < score["value"] < score["high"]
        assert score["how"] == "bootstrap over 10 groups"


def test_figures_before_calibration_are_those_of_the_raw_probabilities():
    found = class_scores(PixelCounts.of([tally_of(number) for number in range(10)]))["before_calibration"]
    assert found.keys() == {"brier", "calibration_error", "brier_edges", "calibration_error_edges"}
    for suffix in ("", "_edges"):
        scores, truth = pixels_of(range(10), suffix.removeprefix("_") or slice(None))
        wrong = (np.round(scores) != truth).mean()
        assert found[f"brier{suffix}"] == pytest.approx(wrong, abs=1e-5)
        # all say 0 or 1: of each of the two the share that is otherwise
        sides = [(truth[np.round(scores) == side].mean(), (np.round(scores) == side).mean()) for side in (0, 1)]
        expected = sum(abs(side - share) * weight for side, (share, weight) in enumerate(sides))
        assert found[f"calibration_error{suffix}"] == pytest.approx(expected, abs=1e-5)


def test_every_cut_is_scored_pooled_and_per_image():
    numbers = range(9)
    found = class_scores(PixelCounts.of([tally_of(number) for number in numbers]))
    assert list(found["cuts"]) == ["first", "second"]
    for cut, threshold in CUTS.items():
        scores, truth = pixels_of(numbers)
        mask = scores >= threshold
        pooled_dice = 2 * sum(mask & truth) / (sum(mask) + sum(truth))
        assert found["cuts"][cut]["pooled"]["dice"]["value"] == pytest.approx(pooled_dice)
        assert found["cuts"][cut]["pooled"]["accuracy"]["value"] == pytest.approx((mask == truth).mean())
        assert found["cuts"][cut]["counts"] == {
            "tp": sum(mask & truth), "fp": sum(mask & ~truth), "fn": sum(~mask & truth), "tn": sum(~mask & ~truth),
        }  # fmt: skip
        each = []
        for number in numbers:
            scores, truth, _ = drawn(number)
            each.append((((scores >= threshold) & truth).sum()) / truth.sum())
        assert found["cuts"][cut]["per_image"]["sensitivity"]["value"] == pytest.approx(np.mean(each))
        assert found["cuts"][cut]["per_image"]["sensitivity"]["sd"] == pytest.approx(np.std(each, ddof=1))
    aucs = [roc_auc_score(*reversed(drawn(number)[:2])) for number in numbers]
    assert found["per_image"]["auc"]["value"] == pytest.approx(np.mean(aucs))
    assert [row["image"] for row in found["images"]] == [f"eye{number}" for number in numbers]


def test_an_image_without_foreground_has_no_area_under_the_curve_and_is_counted_as_such():
    tally = PixelCounts.of([*(tally_of(number) for number in range(8)), tally_of(8, empty=True)])
    found = class_scores(tally)
    auc, sensitivity = found["per_image"]["auc"], found["cuts"]["first"]["per_image"]["sensitivity"]
    assert auc["undefined"] == sensitivity["undefined"] == 1
    assert found["cuts"]["first"]["per_image"]["specificity"]["undefined"] == 0
    assert auc["value"] == pytest.approx(np.mean([tally_of(number).rows[0]["auc"] for number in range(8)]))
    assert auc["how"] == "t over 8 groups"


def test_a_set_without_any_edge_has_no_figures_at_edges():
    tally = PixelCounts.of([tally_of(number) for number in range(8)])
    found = class_scores(
        PixelCounts(tally.rows, tally.histograms, tally.edges * 0, tally.before, tally.edges_before * 0)
    )
    assert set(found["pooled"]) == {"auc", "average_precision", "brier", "calibration_error"}
    assert isnan(found["before_calibration"]["brier_edges"])


def test_one_image_has_scores_and_no_spread():
    found = class_scores(tally_of(0))
    assert found["pooled"]["auc"]["how"] == "range of 1 group"
    auc = found["per_image"]["auc"]
    assert auc["low"] == auc["high"] == auc["value"] == pytest.approx(roc_auc_score(*reversed(drawn(0)[:2])))
    assert isnan(auc["sd"])


# --- intervals ---------------------------------------------------------------------------------------------


def test_images_of_a_group_are_one_in_the_interval_of_a_pooled_figure():
    images = [tally_of(number) for number in range(16)]
    groups = [f"patient{number // 2}" for number in range(16)]
    sums = np.concatenate([image.histograms for image in images])
    found = pooled(sums, groups, roc_auc_of)
    assert found["how"] == "bootstrap over 8 groups"
    together = pooled(sums[::2] + sums[1::2], list("abcdefgh"), roc_auc_of)
    assert found == pytest.approx(together)
    apart = pooled(sums, [str(number) for number in range(16)], roc_auc_of)
    assert apart["value"] == pytest.approx(found["value"])
    assert apart["how"] == "bootstrap over 16 groups"


def test_few_groups_show_their_range():
    sums = np.array([[8, 1, 1, 5], [6, 2, 2, 5], [1, 1, 0, 9]])
    found = pooled(sums, ["left", "right", "left"], of_counts(dice))
    assert found["value"] == pytest.approx(2 * 15 / (2 * 15 + 4 + 3))
    assert (found["low"], found["high"]) == pytest.approx((2 * 6 / 16, 2 * 9 / 21))
    assert found["how"] == "range of 2 groups"


def test_the_order_of_the_images_changes_no_pooled_score():
    sums = np.random.default_rng(0).integers(1, 50, (12, 4))
    groups = [f"g{number % 9}" for number in range(12)]
    order = np.random.default_rng(1).permutation(12)
    one = pooled(sums, groups, of_counts(dice))
    assert pooled(sums[order], [groups[index] for index in order], of_counts(dice)) == one


some_values = st.lists(st.floats(0, 1) | st.just(nan), min_size=1, max_size=20)


@given(some_values, st.integers(1, 20))
def test_a_mean_over_images_lies_in_an_interval_that_scores_can_reach(values, count):
    groups = [str(number % count) for number in range(len(values))]
    found = per_image(values, groups)
    defined = [value for value in values if not isnan(value)]
    assert found["undefined"] == len(values) - len(defined)
    if not defined:
        assert isnan(found["value"])
        assert isnan(found["low"])
        assert isnan(found["high"])
        return
    assert found["value"] == pytest.approx(np.mean(defined))
    assert 0 <= found["low"] <= found["high"] <= 1
    interval = interval_of_mean(values, groups)
    assert found["low"] == max(interval.low, 0)
    assert found["high"] == min(interval.high, 1)
    assert isnan(found["sd"]) if len(defined) == 1 else found["sd"] == pytest.approx(np.std(defined, ddof=1))


def test_an_interval_is_cut_where_no_score_can_be():
    values, groups = [0.0, 1.0, 0.98, 1.0, 1.0, 1.0, 1.0, 1.0], list("abcdefgh")
    assert interval_of_mean(values, groups).high > 1
    assert per_image(values, groups)["high"] == 1
    low = per_image([1 - value for value in values], groups)
    assert (low["low"], low["how"]) == (0, "t over 8 groups")


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 4), min_size=1, max_size=5))
def test_a_statistic_of_many_counts_is_the_metric_of_each(counts):
    for metric in OVERLAP.values():
        found = of_counts(metric)(np.array(counts))
        np.testing.assert_array_equal(found, [metric(Counts(*each)) for each in counts])


# --- files -------------------------------------------------------------------------------------------------


def report_of(tallies):
    return {"classes": {f"class {number}": class_scores(tally) for number, tally in enumerate(tallies)}}


@pytest.fixture
def tallies():
    return [
        PixelCounts.of([tally_of(10 * number + index, empty=index == 1) for index in range(3)]) for number in range(2)
    ]


def test_tallies_come_back_as_they_were_written(tallies, tmp_path):
    save_histograms(tmp_path / "histograms.npz", tallies)
    write_text(tmp_path / "report.json", report_of(tallies))
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["classes"]["class 0"]["images"][1]["auc"] is None
    found = load_tallies(tmp_path, report)
    assert len(found) == 2
    assert all(same(one, other) for one, other in zip(found, tallies, strict=True))
    np.testing.assert_equal(report_of(found), report_of(tallies))
    assert list(tmp_path.glob("*.npz")) == [tmp_path / "histograms.npz"]


def test_histograms_are_small_integers_by_class(tallies, tmp_path):
    save_histograms(tmp_path / "histograms.npz", tallies)
    with np.load(tmp_path / "histograms.npz", allow_pickle=False) as arrays:
        each, together = ((3, 2, BINS), np.uint32), ((2, BINS), np.int64)
        kinds = {"": each, "_edges": each, "_before": together, "_edges_before": together}
        found = {name: (array.shape, array.dtype) for name, array in arrays.items()}
        assert found == {f"class{number}{kind}": what for number in range(2) for kind, what in kinds.items()}
        assert np.array_equal(arrays["class1_edges"], tallies[1].edges)
    assert (tmp_path / "histograms.npz").stat().st_size < 100_000


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "flipped", "another", "pickled"])
def test_a_file_of_histograms_that_is_not_whole_is_told(tallies, tmp_path, damage):
    path, report = tmp_path / "histograms.npz", report_of(tallies)
    save_histograms(path, tallies)
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        path.write_bytes(whole[:200] + bytes(255 - byte for byte in whole[200:260]) + whole[260:])
    elif damage == "another":
        np.savez(path, class0=tallies[0].histograms)
    else:
        np.savez(path, **{f"class0{kind}": np.array([{}]) for kind in ("", "_edges", "_before", "_edges_before")})
    with pytest.raises(CenetError) as told:
        load_tallies(tmp_path, report)
    assert str(told.value) == f"{path}: is missing or torn; run the evaluation again"


def test_a_place_that_takes_no_histograms_is_told(tallies, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CenetError, match=r"histograms\.npz: the file cannot be written"):
        save_histograms(tmp_path / "file" / "histograms.npz", tallies)
