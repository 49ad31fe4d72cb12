"""How sure a score is: intervals and paired tests over groups (patients, eyes, volumes), never over pixels.

Pixels of an image, and images of a patient, resemble each other; groups do not know of each other. So whole groups are
what is counted, resampled and swapped. docs/explanation/intervals.md tells what the figures mean and how far they hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan, prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEW = 8  # groups; below, the range of the groups instead of an interval
MANY = 50  # groups; below, an interval of 95 % may hold the truth less often than it says
MIN_TEST_GROUPS = 6  # below, no test can reach p < 0.05
EXACT_GROUPS = 20  # up to here a test tries every swap
RESAMPLES = 10_000  # random swaps of more groups than that
UNDEFINED = 0.05  # share of the bootstrap's resamples that may be nan
TIE = 1e-10  # relative; statistics that differ by less are equal but for rounding
CHUNK = 2**18  # numbers in memory at once, for each array that a statistic makes

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # (R, ...) sums to (R,) values; nan where it is undefined


@dataclass(frozen=True)
class Interval:
    """Where a score may lie, and how that was found."""

    low: float  # nan where there is none
    high: float
    how: str  # "t over 20 groups", "bootstrap over 20 groups", "range of 5 groups"


@dataclass(frozen=True)
class Difference:
    """How much higher the first of two scores is than the second, in the mean over images."""

    value: float
    interval: Interval
    p: float  # of the sign-flip test over groups; nan below `MIN_TEST_GROUPS`
    smallest_p: float  # what p would be if every group agreed
    groups: int


def interval_of_mean(values: ArrayLike, groups: Sequence[str], *, confidence: float = 0.95) -> Interval:
    """Interval of the mean over images, where images of one group may resemble each other.

    It is exact for normal scores with one image in each group, and approximate otherwise: with skewed scores and few
    groups it holds the truth less often than it says (results/coverage.md). Below `FEW` groups it is the smallest and
    the largest mean of a group, which promises nothing.

    Args:
        values: A score for each image; nan, where the score is undefined, is left out.
        groups: The group of each image.
        confidence: Share of such intervals that shall hold the truth.

    Raises:
        ValueError: There is not one group for each value.

    Reference:
        m = sum(x) / n;  variance = G / (G - 1) sum over groups of (sum of x - m in the group)^2 / n^2;  t with G - 1
        degrees of freedom. It is the cluster-robust variance of Cameron, Gelbach and Miller (2008), and with one image
        in each group Student's interval.

    >>> interval_of_mean([0.70, 0.72, 0.74, 0.76, 0.78, 0.80, 0.82, 0.84], list("abcdefgh"))
    Interval(low=0.729..., high=0.810..., how='t over 8 groups')
    >>> interval_of_mean([0.7, 0.8, 0.9], ["left", "left", "right"])
    Interval(low=0.75, high=0.9, how='range of 2 groups')
    """
    totals, sizes = _by_group(values, groups)
    count = len(totals)
    if count < FEW:
        return _range(totals / sizes)
    from scipy.special import stdtrit

    mean = totals.sum() / sizes.sum()
    variance = count / (count - 1) * np.square(totals - mean * sizes).sum() / sizes.sum() ** 2
    half = stdtrit(count - 1, (1 + confidence) / 2) * np.sqrt(variance)
    return Interval(float(mean - half), float(mean + half), f"t over {count} groups")


def interval_of_pooled(
    sums: ArrayLike, statistic: Statistic, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Interval of a figure that is counted over all pixels together, by drawing whole groups anew.

    It is approximate: widened for few groups as t is, yet too narrow for figures that a few of them decide
    (results/coverage.md). Where the correction for skewness is undefined it is left out; where the figure is undefined
    in more than one resample of 20 the ends are nan. Below `FEW` groups it is the smallest and the largest figure of a
    single group, which promises nothing.

    Args:
        sums: For each group what adds up over groups: counts of pixels, histograms.
        statistic: The figure of each of many sums; nan where it is undefined.
        confidence: Share of such intervals that shall hold the truth.
        resamples: How many times as many groups as there are are drawn, with replacement.
        seed: Of the draws; the same seed gives the same interval.

    Shape:
        `sums` is `(G, ...)`; `statistic` maps `(R, ...)` to `(R,)`.

    Reference:
        Efron (1987), Better Bootstrap Confidence Intervals: BCa, the acceleration from the jackknife over groups.
        Hesterberg (2015), What Teachers Should Know About the Bootstrap: for the normal quantile, Student's of G - 1
        degrees of freedom, times sqrt(G / (G - 1)), the factor by which draws vary less than samples.

    >>> tp_fp_fn = np.array([[80, 10, 10], [70, 20, 10], [90, 5, 15], [60, 30, 20]] * 3)
    >>> interval_of_pooled(tp_fp_fn, lambda sums: 2 * sums[:, 0] / (2 * sums[:, 0] + sums[:, 1] + sums[:, 2]))
    Interval(low=0.7..., high=0.8..., how='bootstrap over 12 groups')
    """
    sums = np.asarray(sums, np.float64)
    count = len(sums)
    each = np.eye(count, dtype=bool)
    if count < FEW:
        return _range(_figures(each, sums, statistic))
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    drawn = _figures(draws, sums, statistic)
    undefined = int(np.isnan(drawn).sum())
    if undefined > UNDEFINED * resamples:
        return Interval(nan, nan, f"undefined in {undefined} of {resamples} resamples")
    drawn = drawn[~np.isnan(drawn)]
    (figure,) = _figures(np.ones((1, count)), sums, statistic)
    low, high = np.quantile(drawn, _bca_levels(drawn, figure, _figures(~each, sums, statistic), confidence))
    return Interval(float(low), float(high), f"bootstrap over {count} groups")


def interval_of_paired_pooled(
    first: ArrayLike, second: ArrayLike, statistic: Statistic, *, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Interval of the difference, first minus second, of a pooled figure of the same groups.

    Each draw takes the same groups of both. All else is as in `interval_of_pooled`.

    Shape:
        `first` and `second` are `(G, ...)`, the groups in one order; `statistic` maps `(R, ...)` to `(R,)`.

    >>> hits = np.array([8, 7, 9, 6, 8, 7, 9, 6])
    >>> interval_of_paired_pooled(hits, hits - 1, lambda sums: sums)
    Interval(low=8.0, high=8.0, how='bootstrap over 8 groups')
    """
    both = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)], axis=1)
    return interval_of_pooled(
        both, lambda sums: statistic(sums[:, 0]) - statistic(sums[:, 1]), confidence=confidence, seed=seed
    )


def difference_of_means(
    first: ArrayLike, second: ArrayLike, groups: Sequence[str], *, confidence: float = 0.95, seed: int = 0
) -> Difference:
    """Compare two scores of the same images, in the mean over the images where both are defined.

    The interval is that of `interval_of_mean`, the test `sign_flip_test` of the groups' summed differences.

    Args:
        first: A score for each image.
        second: Another one for each, the images in the same order.
        groups: The group of each image.
        confidence: Share of such intervals that shall hold the truth.
        seed: Of the random flips of more than `EXACT_GROUPS` groups.

    >>> first, second = [0.82, 0.79, 0.85, 0.80, 0.77, 0.83], [0.80, 0.78, 0.82, 0.79, 0.75, 0.80]
    >>> found = difference_of_means(first, second, list("abcdef"))
    >>> round(found.value, 3), found.p, found.smallest_p
    (0.02, 0.03125, 0.03125)
    """
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    totals, sizes = _by_group(differences, groups)
    return Difference(
        value=float(totals.sum() / sizes.sum()) if len(totals) else nan,
        interval=interval_of_mean(differences, groups, confidence=confidence),
        p=sign_flip_test(totals, seed=seed),
        smallest_p=minimum_p(len(totals)),
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
    """Two-sided p of the difference of a pooled figure: how often swapped groups make it as large.

    If neither of two runs is better, each group's sums might as well have come from the other one. Every choice of
    groups to swap is tried up to `EXACT_GROUPS` groups, random ones beyond; the figure is counted anew for both runs.
    It is valid as `sign_flip_test` is. A choice that leaves the figure undefined counts against a difference.

    20 groups mean a million figures: coarsen long histograms first.

    Args:
        first: For each group what adds up over groups, of one run.
        second: That of the other run, the groups in the same order.
        statistic: The figure of each of many sums; nan where it is undefined.
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
    figures = _figures(choices, second - first, lambda moved: statistic(total + moved))
    differences = np.abs(figures - figures[::-1])[: len(choices) // 2]
    if np.isnan(differences[0]):
        return nan
    enough = differences[0] - TIE * np.nanmax(np.abs(figures))
    return float(np.mean(~(differences < enough)))


def minimum_p(groups: int) -> float:
    """The smallest p that `sign_flip_test` and `paired_permutation_test` can reach: all of so many groups agree.

    >>> minimum_p(5), minimum_p(6), minimum_p(20)
    (0.0625, 0.03125, 1.9073486328125e-06)
    """
    return min(2 / 2**groups, 1.0) if groups <= EXACT_GROUPS else 1 / (RESAMPLES + 1)


def holm(p_values: ArrayLike) -> Floats:
    """Adjust the p of several questions, so that below 0.05 stands by chance, of all of them, at most once in 20 times.

    It holds however the questions depend on each other, and keeps their order. A nan is no question, and stays nan.

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


def _by_group(values: ArrayLike, groups: Sequence[str]) -> tuple[Floats, Floats]:
    """Sum the values of each group, and count them; nan left out."""
    values = np.asarray(values, np.float64)
    if values.shape != (len(groups),):
        raise ValueError(f"values have shape {values.shape} and there are {len(groups)} groups; give each its own")
    kept = ~np.isnan(values)
    _, member = np.unique(np.asarray(groups, str)[kept], return_inverse=True)
    return np.bincount(member, values[kept]).astype(np.float64), np.bincount(member).astype(np.float64)


def _range(figures: Floats) -> Interval:
    """The smallest and the largest figure of one group."""
    defined = figures[~np.isnan(figures)]
    how = f"range of {len(defined)} group{'' if len(defined) == 1 else 's'}"
    return Interval(float(defined.min()), float(defined.max()), how) if len(defined) else Interval(nan, nan, how)


def _figures(weights: NDArray[np.generic], sums: Floats, statistic: Statistic) -> Floats:
    """The statistic of each weighted sum of groups: `(R, G)` weights, `(G, ...)` sums, `(R,)` figures."""
    flat = sums.reshape(len(sums), prod(sums.shape[1:]))
    rows = max(CHUNK // max(*flat.shape, 1), 1)
    figures = [np.zeros(0)]
    with np.errstate(divide="ignore", invalid="ignore"):  # nan is the answer where a figure is undefined
        for start in range(0, len(weights), rows):
            chunk = weights[start : start + rows].astype(np.float64) @ flat
            figures.append(statistic(chunk.reshape(-1, *sums.shape[1:])))
    return np.concatenate(figures)


def _bca_levels(drawn: Floats, figure: float, without: Floats, confidence: float) -> Floats:
    """Which quantiles of the drawn figures are the ends; `without` holds the figures of all groups but one."""
    from scipy.special import ndtr, ndtri, stdtrit

    count = len(without)
    ends = np.sqrt(count / (count - 1)) * stdtrit(count - 1, [(1 - confidence) / 2, (1 + confidence) / 2])
    below = (np.mean(drawn < figure) + np.mean(drawn <= figure)) / 2
    pulls = without.mean() - without
    spread = np.square(pulls).sum() ** 1.5
    if 0 < below < 1 and spread > 0:  # not so where a figure is nan
        shifted = ndtri(below) + ends
        stretch = 1 - (pulls**3).sum() / (6 * spread) * shifted
        if (stretch > 0).all():
            ends = ndtri(below) + shifted / stretch
    levels: Floats = ndtr(ends)
    return levels


def _choices(groups: int, seed: int, resamples: int) -> NDArray[np.bool_]:
    """Which groups to swap, `(R, G)`: none first, then every choice but for its opposite, or random ones."""
    if groups <= EXACT_GROUPS:
        numbers = np.arange(2 ** (groups - 1), dtype=np.uint32)
        return (numbers[:, None] >> np.arange(groups, dtype=np.uint32) & 1).astype(bool)
    random = np.random.default_rng(seed).random((resamples, groups)) < 0.5
    return np.concatenate([np.zeros((1, groups), bool), random])
