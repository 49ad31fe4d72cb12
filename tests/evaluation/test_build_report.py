"""Reports built of counts, against scikit-learn and plain sums over the pixels."""

from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest
import reports
from scipy.special import expit
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from cenet.evaluation.build_report import build_class_report, build_fold_report
from cenet.evaluation.counts import PixelCounts
from cenet.evaluation.report_files import load_evaluation
from cenet.metrics import Counts
from cenet.metrics.binned import BINS, histogram

THRESHOLDS = {"first": 0.4, "second": 0.6}


def draw_pixels(number, *, pixels=400, empty=False):
    """Probabilities, truth and which pixels are near an edge."""
    rng = np.random.default_rng(number)
    truth = rng.random(pixels) < (0 if empty else 0.3)
    scores = expit(rng.normal(0, 1.5, pixels) + 2 * truth - 1).astype(np.float32)
    return scores, truth, rng.random(pixels) < 0.2


def count_image(number, group=None, **options):
    scores, truth, near = draw_pixels(number, **options)
    masks = [scores >= threshold for threshold in THRESHOLDS.values()]
    confusion = [
        [(mask & truth).sum(), (mask & ~truth).sum(), (~mask & truth).sum(), (~mask & ~truth).sum()] for mask in masks
    ]
    rounded = np.round(scores)
    return PixelCounts(
        images=(f"eye{number}",),
        groups=(group or f"patient{number}",),
        auc=np.array([nan if truth.all() or not truth.any() else float(roc_auc_score(truth, scores))]),
        thresholds=tuple(THRESHOLDS),
        confusion=np.array([confusion], np.int64),
        histograms=histogram(scores, truth)[None],
        edges=histogram(scores[near], truth[near])[None],
        before=histogram(rounded, truth).astype(np.int64),
        edges_before=histogram(rounded[near], truth[near]).astype(np.int64),
    )


def count_images(numbers):
    return PixelCounts.concatenate([count_image(number) for number in numbers])


def pixels_of(numbers, *, near_edges=False):
    """Probabilities and truth of several images as one, or of their pixels near an edge."""
    images = [draw_pixels(number) for number in numbers]
    return (np.concatenate([image[part][image[2] | (not near_edges)] for image in images]) for part in (0, 1))


# Scores of a class ------------------------------------------------------------------------------------------


def test_pooled_metrics_are_those_of_all_pixels_together():
    report = build_class_report("vessel", count_images(range(10)))
    scores, truth = pixels_of(range(10))
    assert report.pixels == 4000
    assert report.share == pytest.approx(truth.mean())
    value = {key: score.value for key, score in report.pooled.items()}
    assert value["auc"] == pytest.approx(roc_auc_score(truth, scores), abs=2e-4)
    assert value["average_precision"] == pytest.approx(average_precision_score(truth, scores), abs=2e-3)
    assert value["brier"] == pytest.approx(brier_score_loss(truth, scores), abs=1e-4)
    scores, truth = pixels_of(range(10), near_edges=True)
    assert value["brier_edges"] == pytest.approx(brier_score_loss(truth, scores), abs=1e-4)
    assert set(value) == {
        "auc", "average_precision", "brier", "calibration_error", "brier_edges", "calibration_error_edges",
    }  # fmt: skip
    for score in report.pooled.values():
        assert score.low < score.value < score.high
        assert score.method == "bootstrap over 10 groups"


def test_calibration_before_is_that_of_the_raw_probabilities():
    before = build_class_report("vessel", count_images(range(10))).before_calibration
    assert set(before) == {"brier", "calibration_error", "brier_edges", "calibration_error_edges"}
    for suffix in ("", "_edges"):
        scores, truth = pixels_of(range(10), near_edges=bool(suffix))
        assert before[f"brier{suffix}"] == pytest.approx((np.round(scores) != truth).mean(), abs=1e-5)
        # all say 0 or 1: of each of the two the share that is otherwise
        sides = [(truth[np.round(scores) == side].mean(), (np.round(scores) == side).mean()) for side in (0, 1)]
        expected = sum(abs(side - share) * weight for side, (share, weight) in enumerate(sides))
        assert before[f"calibration_error{suffix}"] == pytest.approx(expected, abs=1e-5)


def test_every_threshold_is_scored_pooled_and_per_image():
    numbers = range(9)
    report = build_class_report("vessel", count_images(numbers))
    assert [threshold.name for threshold in report.thresholds] == list(THRESHOLDS)
    for scored, threshold in zip(report.thresholds, THRESHOLDS.values(), strict=True):
        scores, truth = pixels_of(numbers)
        mask = scores >= threshold
        pooled_dice = 2 * sum(mask & truth) / (sum(mask) + sum(truth))
        assert scored.pooled["dice"].value == pytest.approx(pooled_dice)
        assert scored.pooled["iou"].value == pytest.approx(sum(mask & truth) / sum(mask | truth))
        assert scored.pooled["accuracy"].value == pytest.approx((mask == truth).mean())
        four = [sum(mask & truth), sum(mask & ~truth), sum(~mask & truth), sum(~mask & ~truth)]
        assert scored.counts == Counts(*four)
        images = [draw_pixels(number) for number in numbers]
        values = [((scores >= threshold) & truth).sum() / truth.sum() for scores, truth, _ in images]
        assert scored.per_image["sensitivity"].value == pytest.approx(np.mean(values))
        assert scored.per_image["sensitivity"].sd == pytest.approx(np.std(values, ddof=1))
    aucs = [roc_auc_score(*reversed(draw_pixels(number)[:2])) for number in numbers]
    assert report.per_image["auc"].value == pytest.approx(np.mean(aucs))
    assert [image.image for image in report.images] == [f"eye{number}" for number in numbers]


def test_every_image_has_its_own_scores():
    report = build_class_report("vessel", count_images(range(3)))
    for number, image in enumerate(report.images):
        scores, truth, _ = draw_pixels(number)
        assert image.auc == pytest.approx(roc_auc_score(truth, scores))
        for scored, threshold in zip(image.thresholds, THRESHOLDS.values(), strict=True):
            mask = scores >= threshold
            assert scored.counts.tp == sum(mask & truth)
            assert scored.scores["dice"] == 2 * sum(mask & truth) / (sum(mask) + sum(truth))


def test_an_image_without_foreground_has_no_auc_and_is_counted_as_such():
    counts = PixelCounts.concatenate([*(count_image(number) for number in range(8)), count_image(8, empty=True)])
    report = build_class_report("vessel", counts)
    auc, means = report.per_image["auc"], report.thresholds[0].per_image
    assert auc.undefined == means["sensitivity"].undefined == 1
    assert means["specificity"].undefined == 0
    assert auc.value == pytest.approx(np.mean([count_image(number).auc[0] for number in range(8)]))
    assert auc.method == "t over 8 groups"


@pytest.mark.parametrize("key", ["dice", "iou", "overlap_error", "accuracy", "specificity"])
def test_an_image_in_which_no_pixel_counts_is_left_out_of_every_mean_and_counted(key):
    counts = PixelCounts.concatenate([*(count_image(number) for number in range(8)), count_image(8, pixels=0)])
    report, without = build_class_report("vessel", counts), build_class_report("vessel", count_images(range(8)))
    for scored, expected in zip(report.thresholds, without.thresholds, strict=True):
        assert scored.per_image[key] == expected.per_image[key].model_copy(update={"undefined": 1})
        assert scored.pooled[key].value == expected.pooled[key].value
    assert all(isnan(of_mask.scores[key]) for of_mask in report.images[-1].thresholds)
    alone = build_class_report("vessel", count_image(8, pixels=0)).thresholds[0]
    assert isnan(alone.per_image[key].value)
    assert isnan(alone.pooled[key].value)


def test_a_set_without_any_edge_has_no_metrics_at_edges():
    parts = [count_image(number) for number in range(8)]
    zero = np.zeros((1, 2, BINS), np.uint32)
    flat = [
        PixelCounts(p.images, p.groups, p.auc, p.thresholds, p.confusion, p.histograms, zero, p.before, zero[0])
        for p in parts
    ]
    report = build_class_report("vessel", PixelCounts.concatenate(flat))
    assert set(report.pooled) == {"auc", "average_precision", "brier", "calibration_error"}
    assert isnan(report.before_calibration["brier_edges"])


def test_one_image_has_scores_and_no_spread():
    report = build_class_report("vessel", count_image(0))
    assert report.pooled["auc"].method == "no interval of 1 group"
    auc = report.per_image["auc"]
    assert auc.low == auc.high == auc.value == pytest.approx(roc_auc_score(*reversed(draw_pixels(0)[:2])))
    assert isnan(auc.sd)


# Folds ------------------------------------------------------------------------------------------------------


def write_folds(place, *, seconds):
    """The evaluations of two folds, whose trainings took so many seconds."""
    folders = [reports.write_report(place, f"fold-{n}", images=[f"eye-{n}{k}" for k in range(3)]) for n in (0, 1)]
    for folder, of_fold in zip(folders, seconds, strict=True):
        reports.change(folder, cost={"training_seconds": of_fold})
    return folders


@pytest.mark.parametrize(("seconds", "total"), [((60, 30.5), 90.5), ((60, None), None), ((None, None), None)])
def test_the_trainings_of_folds_took_their_sum_where_all_are_known(tmp_path, seconds, total):
    folds = [load_evaluation(folder) for folder in write_folds(tmp_path, seconds=seconds)]
    assert build_fold_report(folds, numbers=[0, 1]).report.cost.training_seconds == total


def test_the_notes_of_all_folds_are_kept_once(tmp_path):
    folds = [load_evaluation(folder) for folder in write_folds(tmp_path, seconds=(60, 60))]
    noted = [
        replace(fold, report=fold.report.model_copy(update={"notes": notes}))
        for fold, notes in zip(folds, [("tuned on fold 0", "eye-00: is grey"), ("tuned on fold 0",)], strict=True)
    ]
    assert build_fold_report(noted, numbers=[0, 1]).report.notes == ("tuned on fold 0", "eye-00: is grey")
    assert build_fold_report(folds, numbers=[0, 1]).report.notes == ()
