"""Whether a difference may be chance: paired tests over groups (patients, eyes, volumes), never over pixels.

The null hypothesis is that the two runs are exchangeable in each group, so whole groups are swapped.
docs/explanation/intervals.md says what a p means and how far it holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cenet.evaluation.intervals import Interval, Statistic, compute_weighted, interval_of_mean, sum_and_count_by_group

MIN_TEST_GROUPS = 6  # below, no test can reach p < 0.05
EXACT_GROUPS = 20  # up to here a test tries every swap
RESAMPLES = 10_000  # random swaps of more groups than that
TIE = 1e-10  # relative; statistics that differ by less are equal but for rounding

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """How much higher the first of two scores is than the second, in the mean over images.

    Args:
        value: The difference.
        interval: Of the difference.
        p: Of the sign-flip test over groups; nan below `MIN_TEST_GROUPS`.
        groups: How many there are.
    """

    value: float
    interval: Interval
    p: float
    groups: int


def difference_of_means(first: ArrayLike, second: ArrayLike, groups: Sequence[str]) -> Difference:
    """Compare two scores of the same images, in the mean over the images where both are defined.

    The interval is that of `interval_of_mean`, the test `sign_flip_test` of the groups' summed differences.

    Args:
        first: A score for each image.
        second: Another one for each, the images in the same order.
        groups: The group of each image.

    >>> first, second = [0.82, 0.79, 0.85, 0.80, 0.77, 0.83], [0.80, 0.78, 0.82, 0.79, 0.75, 0.80]
    >>> result = difference_of_means(first, second, list("abcdef"))
    >>> round(result.value, 3), result.p
    (0.02, 0.03125)
    """
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    totals, sizes = sum_and_count_by_group(differences, groups)
    return Difference(
        value=float(totals.sum() / sizes.sum()) if len(totals) else nan,
        interval=interval_of_mean(differences, groups),
        p=sign_flip_test(totals),
        groups=len(totals),
    )


def sign_flip_test(differences: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """Two-sided p of one difference for each group: how often chance alone puts their sum as far from 0.

    If neither of two methods is better, each difference might as well have had the other sign. Every choice of signs is
    tried up to `EXACT_GROUPS` groups, random ones beyond. The p is valid for any number of groups and any distribution,
    provided that groups are independent and, under the hypothesis, the two methods exchangeable in each of them.

    Raises:
        ValueError: A difference is not finite.

    Reference:
        Fisher (1935), The Design of Experiments; Pitman (1937). Random signs: (hits + 1) / (resamples + 1).

    >>> sign_flip_test([0.02, 0.01, 0.03, 0.01, 0.02, -0.01])
    0.125
    """
    differences = np.asarray(differences, np.float64)
    if not np.isfinite(differences).all():
        raise ValueError("differences must be finite; leave out the groups where a score is undefined")
    return paired_permutation_test(
        differences, np.zeros_like(differences), lambda sums: sums, seed=seed, resamples=resamples
    )


def paired_permutation_test(
    first: ArrayLike, second: ArrayLike, statistic: Statistic, *, seed: int = 0, resamples: int = RESAMPLES
) -> float:
    """Two-sided p of the difference of a pooled metric: how often swapped groups make it as large.

    If neither of two runs is better, each group's sums might as well have come from the other one. Every choice of
    groups to swap is tried up to `EXACT_GROUPS` groups, random ones beyond; the metric is computed anew for both runs.
    It is valid as `sign_flip_test` is. A choice that leaves the metric undefined counts against a difference.

    20 groups mean a million values: shorten histograms first, see `cenet.metrics.condensed`.

    Args:
        first: For each group what adds up over groups, of one run.
        second: That of the other run, the groups in the same order.
        statistic: The metric of each of many sums; nan where it is undefined.
        seed: Of the random choices.
        resamples: How many random choices.

    Returns:
        The p, at least `minimum_p`; nan below `MIN_TEST_GROUPS` and where the difference is undefined.

    Shape:
        `first` and `second` are `(G, ...)`; `statistic` maps `(R, ...)` to `(R,)`.

    Raises:
        ValueError: The shapes differ.

    >>> hits = np.array([[80.0], [70], [90], [60], [85], [75], [95], [65]])
    >>> paired_permutation_test(hits, hits - 5, lambda sums: sums[:, 0])
    0.0078125
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"first has shape {first.shape} and second {second.shape}; they must be equal")
    if len(first) < MIN_TEST_GROUPS:
        return nan
    choices = _choices(len(first), seed, resamples)
    # What one run gets by a choice the other gets by the opposite choice: a place as far from the other end.
    choices = np.concatenate([choices, ~choices[::-1]])
    total = first.sum(axis=0)
    values = compute_weighted(choices, second - first, lambda moved: statistic(total + moved))
    differences = np.abs(values - values[::-1])[: len(choices) // 2]
    if np.isnan(differences[0]):
        return nan
    enough = differences[0] - TIE * np.nanmax(np.abs(values))
    return float(np.mean(~(differences < enough)))


def minimum_p(groups: int) -> float:
    """The smallest p that `sign_flip_test` and `paired_permutation_test` can reach: all of so many groups agree.

    >>> minimum_p(5), minimum_p(6), minimum_p(20)
    (0.0625, 0.03125, 1.9073486328125e-06)
    """
    return min(2 / 2**groups, 1.0) if groups <= EXACT_GROUPS else 1 / (RESAMPLES + 1)


def holm(p_values: ArrayLike) -> Floats:
    """Adjust p-values of several tests, so that any of them is below 0.05 by chance at most once in 20 times.

    It holds however the tests depend on each other, and keeps their order. A nan is no test, and stays nan.

    Reference:
        Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure: of m sorted p, the k-th times m + 1 - k;
        no less than the one before, at most 1.

    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]  # nan sorts last
    adjusted = np.full_like(p, nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def _choices(groups: int, seed: int, resamples: int) -> NDArray[np.bool_]:
    """Which groups to swap, `(R, G)`: none first, then every choice but for its opposite, or random ones."""
    if groups <= EXACT_GROUPS:
        numbers = np.arange(2 ** (groups - 1), dtype=np.uint32)
        return (numbers[:, None] >> np.arange(groups, dtype=np.uint32) & 1).astype(bool)
    random = np.random.default_rng(seed).random((resamples, groups)) < 0.5
    return np.concatenate([np.zeros((1, groups), bool), random])
