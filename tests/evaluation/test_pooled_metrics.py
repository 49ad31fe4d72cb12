from itertools import product

import numpy as np
import pytest

from cenet.evaluation.intervals import paired_permutation_test
from cenet.evaluation.pooled_metrics import (
    POOLED,
    coarse,
    each_fold,
    finer_on_top,
    gaps,
    pooled_figures,
    ratio,
    sums_of,
    within_folds,
)
from cenet.metrics import Counts, calibration_error_of, dice, sensitivity, specificity
from cenet.metrics.binned import BINS, COARSE_BINS, best_threshold_of, brier_of, histogram, roc_curve_of


def of_networks(count, *, share, spread, gap, seed=0):
    """Histograms of images, as of a network whose logits are normal in each class."""
    found = []
    for image in range(count):
        rng = np.random.default_rng((seed, image))
        truth = rng.random(50_000) < share
        logits = rng.normal(gap * (truth - 0.7), spread)
        found.append(histogram(1 / (1 + np.exp(-logits)), truth))
    return np.array(found, float)


@pytest.mark.parametrize("metric", POOLED)
def test_the_test_of_a_pooled_figure_tries_every_swap(metric):
    source, _, kept, tested = POOLED[metric]
    rng = np.random.default_rng(7)
    first, second = rng.integers(0, 9, (2, 6, *((4,) if source == "counts" else (2, BINS)))).astype(float)
    second[:, 0] *= 2 if source == "counts" else 1.01
    first, second = kept(first, second)

    def difference(swapped):
        chosen = np.array(swapped, bool).reshape(-1, *[1] * (first.ndim - 1))
        one, other = np.where(chosen, second, first).sum(axis=0), np.where(chosen, first, second).sum(axis=0)
        return abs(float(tested(one[None])[0] - tested(other[None])[0]))

    differences = [difference(swapped) for swapped in product([False, True], repeat=6)]
    expected = np.mean([each >= differences[0] - 1e-12 for each in differences])
    assert paired_permutation_test(first, second, tested) == expected


@pytest.mark.parametrize("share", [0.01, 0.1, 0.4])
@pytest.mark.parametrize(("spread", "gap"), [(1, 4), (2, 2), (3, 4), (1.5, 7), (0.3, 1)])
@pytest.mark.parametrize(("metric", "within"), [("auc", 1e-4), ("average_precision", 1e-3)])
def test_merged_bins_change_a_figure_by_less_than_is_told(metric, within, share, spread, gap):
    first = of_networks(3, share=share, spread=spread, gap=gap)
    second = of_networks(3, share=share, spread=1.2 * spread, gap=gap, seed=1)
    _, figure, kept, tested = POOLED[metric]
    for whole, merged in zip((first, second), kept(first, second), strict=True):
        assert merged.shape == (3, 2, COARSE_BINS)
        np.testing.assert_array_equal(merged.sum(axis=2), whole.sum(axis=2))
        assert tested(merged.sum(axis=0)) == pytest.approx(figure(whole.sum(axis=0)), abs=within)


@pytest.mark.parametrize("metric", ["auc", "average_precision"])
@pytest.mark.parametrize("gap", [4, 4.1, 4.3])
def test_merged_bins_leave_the_p_nearly_as_it_is(metric, gap):
    first = of_networks(8, share=0.1, spread=1.5, gap=4)
    second = of_networks(8, share=0.1, spread=1.5, gap=gap, seed=1)
    _, figure, kept, tested = POOLED[metric]
    assert paired_permutation_test(*kept(first, second), tested) == pytest.approx(
        paired_permutation_test(first, second, figure), abs=0.02
    )


@pytest.mark.parametrize("merge", [coarse, finer_on_top])
def test_the_bins_are_those_of_both_runs_together_whichever_swapped_what(merge):
    first, second = of_networks(2, share=0.1, spread=1, gap=3), of_networks(2, share=0.1, spread=2, gap=3, seed=1)
    one, other = merge(first, second)
    swapped = merge(np.stack([second[0], first[1]]), np.stack([first[0], second[1]]))
    np.testing.assert_array_equal(swapped[0], [other[0], one[1]])
    np.testing.assert_array_equal(swapped[1], [one[0], other[1]])


def test_only_ranks_are_told_of_merged_bins():
    merged = np.ones((2, COARSE_BINS))
    for figure in (calibration_error_of, brier_of, best_threshold_of, roc_curve_of):
        with pytest.raises(ValueError, match="h has shape"):
            figure(merged)


@pytest.mark.parametrize("lacking", [(0, 1), (0,), (1,)])
def test_a_class_without_pixels_has_no_rank_before_or_after(lacking):
    histograms = of_networks(6, share=0.1, spread=1, gap=3)
    histograms[:, lacking] = 0
    for metric in ("auc", "average_precision"):
        _, _, kept, tested = POOLED[metric]
        assert all(np.isnan(tested(merged)).all() for merged in kept(histograms, histograms))
        assert np.isnan(paired_permutation_test(*kept(histograms, histograms), tested))


def test_the_gaps_add_up_to_the_calibration_error():
    first, second = (np.random.default_rng(seed).integers(0, 50, (4, 2, BINS)).astype(float) for seed in (3, 4))
    _, figure, kept, tested = POOLED["calibration_error"]
    assert figure is calibration_error_of
    for whole, merged in zip((first, second), kept(first, second), strict=True):
        np.testing.assert_allclose(tested(merged), calibration_error_of(whole), rtol=1e-9)
        np.testing.assert_allclose(gaps(whole).sum(axis=0), gaps(whole.sum(axis=0, keepdims=True))[0])


def test_the_squares_add_up_to_the_brier_score():
    first, second = (np.random.default_rng(seed).integers(0, 50, (4, 2, BINS)).astype(float) for seed in (3, 4))
    for metric in ("brier", "brier_edges"):
        _, figure, kept, tested = POOLED[metric]
        assert figure is brier_of
        for whole, merged in zip((first, second), kept(first, second), strict=True):
            np.testing.assert_allclose(tested(merged), brier_of(whole), rtol=1e-9)
            np.testing.assert_allclose(tested(merged.sum(axis=0)[None]), brier_of(whole.sum(axis=0)), rtol=1e-9)


@pytest.mark.parametrize(
    ("metric", "reference"), [("dice", dice), ("sensitivity", sensitivity), ("specificity", specificity)]
)
@pytest.mark.parametrize("counts", [(3, 2, 1, 4), (0, 0, 0, 9), (0, 3, 0, 9), (0, 0, 3, 9), (5, 0, 0, 0)])
def test_figures_of_counts_are_the_librarys(metric, reference, counts):
    with np.errstate(invalid="ignore"):
        assert POOLED[metric][1](np.array([counts], float))[0] == pytest.approx(reference(Counts(*counts)), nan_ok=True)


def test_within_folds_a_figure_is_the_mean_of_the_folds_that_have_it():
    histograms = of_networks(3, share=0.2, spread=2, gap=3)
    histograms[2, 1] = 0
    figure = POOLED["auc"][1]
    assert within_folds(figure)(histograms[None])[0] == pytest.approx(np.mean([figure(h) for h in histograms[:2]]))


@pytest.mark.parametrize("metric", ["auc", "average_precision"])
def test_a_test_within_folds_swaps_groups_inside_their_fold(metric):
    folds = [0, 1, 0, 1, 0, 1]
    images = [of_networks(6, share=0.1, spread=1.5, gap=gap, seed=seed) for seed, gap in enumerate((4, 4.1))]
    _, figure, kept, tested = pooled_figures(apart=True)[f"{metric}_within_folds"]
    whole = [sums_of([each], list("abcdef"), folds) for each in images]
    first, second = kept(*whole)
    for sums, merged in zip(whole, (first, second), strict=True):
        assert merged.shape == (6, 2, 2, COARSE_BINS)
        assert all(not merged[group, 1 - fold].any() for group, fold in enumerate(folds))
        assert tested(merged.sum(axis=0)[None])[0] == pytest.approx(figure(sums.sum(axis=0)[None])[0], abs=1e-3)
    plain = POOLED[metric][3]

    def difference(swapped):
        chosen = np.array(swapped).reshape(6, 1, 1, 1)
        runs = np.where(chosen, second, first), np.where(chosen, first, second)
        one, other = (np.mean([plain(run.sum(axis=0)[fold]) for fold in (0, 1)]) for run in runs)
        return abs(one - other)

    differences = [difference(swapped) for swapped in product([False, True], repeat=6)]
    assert paired_permutation_test(first, second, tested) == np.mean(
        [each >= differences[0] - 1e-12 for each in differences]
    )


def test_each_fold_has_bins_of_its_own():
    first, second = np.random.default_rng(1).integers(0, 9, (2, 6, 3, 2, BINS)).astype(float)
    one, other = each_fold(coarse)(first, second)
    for fold in range(3):
        expected = coarse(first[:, fold], second[:, fold])
        np.testing.assert_array_equal((one[:, fold], other[:, fold]), expected)


def test_a_ratio_of_many_counts_is_that_of_each():
    counts = np.random.default_rng(0).integers(1, 9, (3, 4))
    tp, fp, fn, _ = counts.T
    np.testing.assert_allclose(ratio([1, 0, 0, 0], [1, 1, 1, 0])(counts), tp / (tp + fp + fn))
