"""Simulated networks whose pixels are ranked: for the coverage of a pooled AUC, and the power of tests of it.

The logits of a photograph are normal in each class, and its histograms their expectation. They are calibrated in the
mean of photographs; a single one is brighter or darker, and easier or harder. Two networks agree in most of that. Each
network of a fold may state all its logits higher or lower, which changes no rank within it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from cenet.evaluation.intervals import interval_of_pooled
from cenet.evaluation.scores import within_folds
from cenet.evaluation.significance import paired_permutation_test, sign_flip_test

Array = NDArray[Any]
Rng = np.random.Generator

BINS = 128
EDGES = np.linspace(-12, 12, BINS + 1)
CENTRES = expit((EDGES[1:] + EDGES[:-1]) / 2)
CALIBRATION_BINS = 15
SHARE = 0.12  # of foreground pixels, as of vessels
SEPARATION = 6.0  # of the classes' mean logits: an AUC of 0.96
SEPARATION_SD, BRIGHTNESS_SD = 0.6, 0.5  # of photographs, for both networks
OWN_SEPARATION_SD, OWN_BRIGHTNESS_SD = 0.15, 0.15  # of photographs, for each network apart
GAIN = 0.12  # by which the better network separates the classes further
SHIFTS = (0.0, 0.2, 0.5)  # standard deviation of how much higher one network of a fold states its logits
GROUPS, FOLDS = 24, 4
POWER_DATA_SETS = 300
SWAPS = 399
COVERAGE_RESAMPLES = 1000
COVERAGE_DATA_SETS = {8: 1000, 20: 1000, 50: 1000, 200: 300}  # simulated, for each number of groups
COVERED = ("pooled AUC", "pooled calibration error, of networks that are calibrated in the mean")


def draw_histograms(separation: Array, brightness: Array) -> Array:
    """Histograms `(..., 2, BINS)` of photographs, as shares of their pixels."""
    edges = np.concatenate([[-np.inf], EDGES[1:-1], [np.inf]])
    spread = np.sqrt(SEPARATION)  # with it the logits are calibrated
    classes = []
    for truth, share in ((0, 1 - SHARE), (1, SHARE)):
        middle = logit(SHARE) + brightness + separation * (truth - 0.5)
        classes.append(share * np.diff(ndtr((edges - middle[..., None]) / spread), axis=-1))
    return np.stack(classes, axis=-2)


def draw_photographs(rng: Rng, groups: int) -> tuple[Array, Array]:
    """Separation and brightness of some photographs."""
    return rng.normal(SEPARATION, SEPARATION_SD, groups), rng.normal(0, BRIGHTNESS_SD, groups)


def auc(histograms: Array) -> Array:
    background, foreground = histograms[..., 0, :], histograms[..., 1, :]
    below = np.cumsum(background, axis=-1) - background / 2
    return (foreground * below).sum(axis=-1) / (foreground.sum(axis=-1) * background.sum(axis=-1))


def calibration_gaps(histograms: Array) -> Array:
    """Summed probability minus foreground in each of 15 bins, `(..., 15)`; a photograph has one pixel in all."""
    member = np.floor(CENTRES * CALIBRATION_BINS)[:, None] == np.arange(CALIBRATION_BINS)
    return (histograms.sum(axis=-2) * CENTRES - histograms[..., 1, :]) @ member.astype(float)


def calibration_error(sums: Array) -> Array:
    """Of gaps with the number of photographs after them."""
    return np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1]


def simulate_coverage(rng: Rng, groups: int) -> dict[str, tuple[Array, float]]:
    """Intervals `(data sets, 2)` of a pooled AUC and calibration error, and the truth: that of 200,000 photographs."""
    population = np.mean(
        [draw_histograms(*draw_photographs(np.random.default_rng(part), 5000)).mean(axis=0) for part in range(40)],
        axis=0,
    )
    truths = float(auc(population)), float(np.abs(calibration_gaps(population)).sum())
    ends: tuple[list[tuple[float, float]], ...] = ([], [])
    for _ in range(COVERAGE_DATA_SETS[groups]):
        histograms = draw_histograms(*draw_photographs(rng, groups))
        gaps = np.column_stack([calibration_gaps(histograms), np.ones(groups)])
        for intervals, sums, statistic in zip(ends, (histograms, gaps), (auc, calibration_error), strict=True):
            interval = interval_of_pooled(sums, statistic, resamples=COVERAGE_RESAMPLES)
            intervals.append((interval.low, interval.high))
    return {name: (np.array(found), truth) for name, found, truth in zip(COVERED, ends, truths, strict=True)}


def rank_within(histograms: Array) -> Array:
    """Replace the logits of one network by their ranks, evenly among both classes."""
    background, foreground = histograms.sum(axis=0)
    weights = background / background.sum() + foreground / foreground.sum()
    ranks = ((np.cumsum(weights) - weights / 2) / weights.sum() * BINS).astype(int)
    return histograms @ (ranks[:, None] == np.arange(BINS)).astype(float)


def keep_scales(histograms: Array) -> Array:
    return histograms


def swap_groups(first: Array, second: Array, fold: Array, prepare: Callable[[Array], Array]) -> float:
    """The p of swapping groups between two networks, of the AUC pooled within folds."""
    sums = []
    for histograms in (first, second):
        of_folds = np.zeros((GROUPS, FOLDS, 2, BINS))
        for number in range(FOLDS):
            of_folds[fold == number, number] = prepare(histograms[fold == number])
        sums.append(of_folds)
    return paired_permutation_test(*sums, within_folds(auc), resamples=SWAPS)


TESTS: dict[str, Callable[[Array, Array, Array], float]] = {
    "swap, both ranked together": lambda a, b, fold: swap_groups(a, b, fold, keep_scales),
    "swap, each ranked within itself and fold": lambda a, b, fold: swap_groups(a, b, fold, rank_within),
    "sign-flip of each image's AUC (ours)": lambda a, b, _: sign_flip_test(auc(b) - auc(a)),
}


def simulate_power(seed: int) -> list[dict[str, Any]]:
    """Share of data sets with p at most 0.05, of each test, without and with a true gain, for each shift of scales."""
    rows = [{"test": test, "without gain": {}, "with gain": {}} for test in TESTS]
    fold = np.arange(GROUPS) % FOLDS
    for shift in SHIFTS:
        for column, gain in (("without gain", 0.0), ("with gain", GAIN)):
            rng = np.random.default_rng(seed)  # the same photographs, whatever shift and gain
            hits = np.zeros((POWER_DATA_SETS, len(TESTS)), bool)
            for row in hits:
                separation, brightness = draw_photographs(rng, GROUPS)
                networks = []
                for better in (0, 1):
                    own_separation = rng.normal(better * gain, OWN_SEPARATION_SD, GROUPS)
                    own_brightness = rng.normal(0, OWN_BRIGHTNESS_SD, GROUPS)
                    scale = shift * rng.normal(0, np.sqrt(0.5), FOLDS)[fold]  # two of them differ by `shift`
                    networks.append(draw_histograms(separation + own_separation, brightness + own_brightness + scale))
                row[:] = [test(networks[0], networks[1], fold) <= 0.05 for test in TESTS.values()]
            for row, share in zip(rows, hits.mean(axis=0).tolist(), strict=True):
                row[column][str(shift)] = {
                    "share": share,
                    "standard_error": float(np.sqrt(share * (1 - share) / POWER_DATA_SETS)),
                }
    return rows
