"""What a permutation test computes of condensed sums is the metric of the whole histograms."""

from itertools import product

import numpy as np
import pytest

from cenet.evaluation.significance import paired_permutation_test
from cenet.metrics.binned import (
    BINS,
    COARSE_BINS,
    best_threshold_of,
    brier_of,
    calibration_error_of,
    histogram,
    roc_curve_of,
)
from cenet.metrics.condensed import calibration_gaps, merge_bins_for_precision, merge_bins_for_ranking
from cenet.metrics.registry import PIXEL_METRICS


def of_networks(count, *, share, spread, gap, seed=0):
    """Histograms of images, as of a network whose logits are normal in each class."""
    histograms = []
    for image in range(count):
        rng = np.random.default_rng((seed, image))
        truth = rng.random(50_000) < share
        logits = rng.normal(gap * (truth - 0.7), spread)
        histograms.append(histogram(1 / (1 + np.exp(-logits)), truth))
    return np.array(histograms, float)


@pytest.mark.parametrize("key", PIXEL_METRICS)
def test_the_permutation_test_of_a_metric_tries_every_swap(key):
    metric = PIXEL_METRICS[key]
    rng = np.random.default_rng(7)
    counts = metric.source == "counts"
    first, second = rng.integers(0, 9, (2, 6, *((4,) if counts else (2, BINS)))).astype(float)
    second[:, 0] *= 2 if counts else 1.01
    first, second = metric.condense(first, second)

    def difference(swapped):
        chosen = np.array(swapped, bool).reshape(-1, *[1] * (first.ndim - 1))
        one, other = np.where(chosen, second, first).sum(axis=0), np.where(chosen, first, second).sum(axis=0)
        return abs(float(metric.compute_condensed(one[None])[0] - metric.compute_condensed(other[None])[0]))

    differences = [difference(swapped) for swapped in product([False, True], repeat=6)]
    expected = np.mean([each >= differences[0] - 1e-12 for each in differences])
    assert paired_permutation_test(first, second, metric.compute_condensed) == expected


@pytest.mark.parametrize("share", [0.01, 0.1, 0.4])
@pytest.mark.parametrize(("spread", "gap"), [(1, 4), (2, 2), (3, 4), (1.5, 7), (0.3, 1)])
@pytest.mark.parametrize(("key", "within"), [("auc", 1e-4), ("average_precision", 1e-3)])
def test_merged_bins_change_a_ranking_metric_by_less_than_is_documented(key, within, share, spread, gap):
    metric = PIXEL_METRICS[key]
    first = of_networks(3, share=share, spread=spread, gap=gap)
    second = of_networks(3, share=share, spread=1.2 * spread, gap=gap, seed=1)
    for whole, merged in zip((first, second), metric.condense(first, second), strict=True):
        assert merged.shape == (3, 2, COARSE_BINS)
        np.testing.assert_array_equal(merged.sum(axis=2), whole.sum(axis=2))
        expected = metric.compute(whole.sum(axis=0))
        assert metric.compute_condensed(merged.sum(axis=0)) == pytest.approx(expected, abs=within)


@pytest.mark.parametrize("key", ["auc", "average_precision"])
@pytest.mark.parametrize("gap", [4, 4.1, 4.3])
def test_merged_bins_leave_the_p_nearly_as_it_is(key, gap):
    metric = PIXEL_METRICS[key]
    first = of_networks(8, share=0.1, spread=1.5, gap=4)
    second = of_networks(8, share=0.1, spread=1.5, gap=gap, seed=1)
    p = paired_permutation_test(*metric.condense(first, second), metric.compute_condensed)
    assert p == pytest.approx(paired_permutation_test(first, second, metric.compute), abs=0.02)


@pytest.mark.parametrize("merge", [merge_bins_for_ranking, merge_bins_for_precision])
def test_the_bins_are_those_of_both_runs_together_whichever_swapped_what(merge):
    first, second = of_networks(2, share=0.1, spread=1, gap=3), of_networks(2, share=0.1, spread=2, gap=3, seed=1)
    one, other = merge(first, second)
    swapped = merge(np.stack([second[0], first[1]]), np.stack([first[0], second[1]]))
    np.testing.assert_array_equal(swapped[0], [other[0], one[1]])
    np.testing.assert_array_equal(swapped[1], [one[0], other[1]])


def test_merged_bins_tell_nothing_but_ranks():
    merged = np.ones((2, COARSE_BINS))
    for metric in (calibration_error_of, brier_of, best_threshold_of, roc_curve_of):
        with pytest.raises(ValueError, match="h has shape"):
            metric(merged)


@pytest.mark.parametrize("lacking", [(0, 1), (0,), (1,)])
def test_a_class_without_pixels_has_no_rank_before_or_after(lacking):
    histograms = of_networks(6, share=0.1, spread=1, gap=3)
    histograms[:, lacking] = 0
    for key in ("auc", "average_precision"):
        metric = PIXEL_METRICS[key]
        condensed = metric.condense(histograms, histograms)
        assert all(np.isnan(metric.compute_condensed(merged)).all() for merged in condensed)
        assert np.isnan(paired_permutation_test(*condensed, metric.compute_condensed))


@pytest.mark.parametrize("key", ["brier", "brier_edges", "calibration_error", "calibration_error_edges"])
def test_condensed_sums_add_up_to_the_metric(key):
    metric = PIXEL_METRICS[key]
    first, second = (np.random.default_rng(seed).integers(0, 50, (4, 2, BINS)).astype(float) for seed in (3, 4))
    for whole, condensed in zip((first, second), metric.condense(first, second), strict=True):
        np.testing.assert_allclose(metric.compute_condensed(condensed), metric.compute(whole), rtol=1e-9)
        together = metric.compute_condensed(condensed.sum(axis=0)[None])
        np.testing.assert_allclose(together, metric.compute(whole.sum(axis=0)), rtol=1e-9)
    np.testing.assert_allclose(
        calibration_gaps(first).sum(axis=0), calibration_gaps(first.sum(axis=0, keepdims=True))[0]
    )
