"""How sure a score is: intervals over groups (patients, eyes, volumes), never over pixels.

Pixels of an image, and images of a patient, resemble each other; groups are independent. So whole groups are
counted and resampled. docs/explanation/intervals.md says what the intervals mean and how far they hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan, prod
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cenet.safe_text import format_count

MIN_GROUPS = 8  # below, the range of the groups instead of an interval
ENOUGH_GROUPS = 50  # below, an interval of 95 % may hold the truth less often than it says
MAX_UNDEFINED = 0.05  # share of the bootstrap's resamples that may be nan
CHUNK = 2**18  # numbers in memory at once, for each array that a statistic makes
ROUNDING = 1e-12  # by which a metric may leave the range of its groups

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # (R, ...) sums to (R,) values; nan where it is undefined
IntervalKind = Literal["t", "bootstrap", "range", "none"]  # a range has no stated coverage


@dataclass(frozen=True)
class Interval:
    """Where a score may lie, and how that was found.

    Args:
        low: Lower end; nan where there is none.
        high: Upper end.
        method: In words, such as "t over 20 groups", "bootstrap over 20 groups", "range of 5 groups".
        kind: Student's interval, a bootstrap, the range of few groups, or none.
    """

    low: float
    high: float
    method: str
    kind: IntervalKind


def interval_of_mean(values: ArrayLike, groups: Sequence[str], *, confidence: float = 0.95) -> Interval:
    """Interval of the mean over images, where images of one group may resemble each other.

    It is exact for normal scores with one image in each group, and approximate otherwise: with skewed scores and few
    groups it holds the truth less often than it says (results/coverage.md). Below `MIN_GROUPS` groups it is the
    smallest and the largest mean of a group, whose coverage is unknown.

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
    Interval(low=0.729..., high=0.810..., method='t over 8 groups', kind='t')
    >>> interval_of_mean([0.7, 0.8, 0.9], ["left", "left", "right"])
    Interval(low=0.75, high=0.9, method='range of 2 groups', kind='range')
    """
    totals, sizes = sum_and_count_by_group(values, groups)
    count = len(totals)
    if count < MIN_GROUPS:
        return _range(totals / sizes)
    from scipy.special import stdtrit

    mean = totals.sum() / sizes.sum()
    variance = count / (count - 1) * np.square(totals - mean * sizes).sum() / sizes.sum() ** 2
    half = stdtrit(count - 1, (1 + confidence) / 2) * np.sqrt(variance)
    return Interval(float(mean - half), float(mean + half), f"t over {count} groups", "t")


def interval_of_pooled(
    sums: ArrayLike,
    statistic: Statistic,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    between_groups: bool = True,
) -> Interval:
    """Interval of a metric that is counted over all pixels together, by resampling whole groups.

    It is approximate: widened for few groups as t is, yet too narrow for metrics that a few of them decide
    (results/coverage.md). Where the correction for skewness is undefined it is left out; where the metric is undefined
    in more than one resample of 20 the ends are nan. Below `MIN_GROUPS` groups it is the smallest and the largest value
    of a single group, whose coverage is unknown; where the value of all groups is not between these, there is none.

    Args:
        sums: For each group what adds up over groups: counts of pixels, histograms.
        statistic: The metric of each of many sums; nan where it is undefined.
        confidence: Share of such intervals that shall hold the truth.
        resamples: How many times as many groups as there are are drawn, with replacement.
        seed: Of the draws; the same seed gives the same interval.
        between_groups: Whether the metric of all groups must lie among those of single groups; if not, as with metrics
            of ranks or of calibration, the range of few groups says nothing of it and is left out.

    Shape:
        `sums` is `(G, ...)`; `statistic` maps `(R, ...)` to `(R,)`.

    Reference:
        Efron (1987), Better Bootstrap Confidence Intervals: BCa, the acceleration from the jackknife over groups.
        Hesterberg (2015), What Teachers Should Know About the Bootstrap: for the normal quantile, Student's of G - 1
        degrees of freedom, times sqrt(G / (G - 1)), the factor by which draws vary less than samples.

    >>> tp_fp_fn = np.array([[80, 10, 10], [70, 20, 10], [90, 5, 15], [60, 30, 20]] * 3)
    >>> interval_of_pooled(tp_fp_fn, lambda sums: 2 * sums[:, 0] / (2 * sums[:, 0] + sums[:, 1] + sums[:, 2]))
    Interval(low=0.7..., high=0.8..., method='bootstrap over 12 groups', kind='bootstrap')
    """
    sums = np.asarray(sums, np.float64)
    count = len(sums)
    single_groups = np.eye(count, dtype=bool)
    (estimate,) = compute_weighted(np.ones((1, count)), sums, statistic)
    if count < MIN_GROUPS:
        interval = _range(compute_weighted(single_groups, sums, statistic))
        contained = interval.low - ROUNDING <= estimate <= interval.high + ROUNDING
        return interval if between_groups and contained else _no_interval(count)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    drawn = compute_weighted(draws, sums, statistic)
    undefined = int(np.isnan(drawn).sum())
    if undefined > MAX_UNDEFINED * resamples:
        return Interval(nan, nan, f"undefined in {undefined} of {resamples} resamples", "none")
    drawn = drawn[~np.isnan(drawn)]
    low, high = np.quantile(
        drawn, _bca_levels(drawn, estimate, compute_weighted(~single_groups, sums, statistic), confidence)
    )
    return Interval(float(low), float(high), f"bootstrap over {count} groups", "bootstrap")


def interval_of_paired_pooled(
    first: ArrayLike,
    second: ArrayLike,
    statistic: Statistic,
    *,
    between_groups: bool = True,
) -> Interval:
    """Interval of the difference, first minus second, of a pooled metric of the same groups.

    Each draw takes the same groups of both. All else is as in `interval_of_pooled`.

    Shape:
        `first` and `second` are `(G, ...)`, the groups in one order, and may differ in what follows; `statistic` maps
        `(R, ...)` of either to `(R,)`.

    >>> hits = np.array([8, 7, 9, 6, 8, 7, 9, 6])
    >>> interval_of_paired_pooled(hits, hits - 1, lambda sums: sums)
    Interval(low=8.0, high=8.0, method='bootstrap over 8 groups', kind='bootstrap')
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    numbers = prod(first.shape[1:])  # of a group of the first

    def difference(sums: Floats) -> Floats:
        ours = statistic(sums[:, :numbers].reshape(-1, *first.shape[1:]))
        theirs = statistic(sums[:, numbers:].reshape(-1, *second.shape[1:]))
        return ours - theirs

    return interval_of_pooled(
        np.concatenate([array.reshape(len(array), -1) for array in (first, second)], axis=1),
        difference,
        between_groups=between_groups,
    )


def sum_and_count_by_group(values: ArrayLike, groups: Sequence[str]) -> tuple[Floats, Floats]:
    """Sum the values of each group, and count them; NaN is left out.

    Raises:
        ValueError: There is not one group for each value.

    >>> sum_and_count_by_group([1, 2, 4], ["a", "b", "a"])
    (array([5., 2.]), array([2., 1.]))
    """
    values = np.asarray(values, np.float64)
    if values.shape != (len(groups),):
        raise ValueError(f"values have shape {values.shape} and there are {len(groups)} groups; give each its own")
    kept = ~np.isnan(values)
    _, member = np.unique(np.asarray(groups, str)[kept], return_inverse=True)
    return np.bincount(member, values[kept]).astype(np.float64), np.bincount(member).astype(np.float64)


def compute_weighted(weights: NDArray[np.generic], sums: Floats, statistic: Statistic) -> Floats:
    """The statistic of each weighted sum of groups, in chunks that fit into memory.

    Shape:
        `(R, G)` weights and `(G, ...)` sums give `(R,)`.

    >>> compute_weighted(np.array([[1, 0], [1, 1]]), np.array([[2.0], [3.0]]), lambda sums: sums[:, 0]).tolist()
    [2.0, 5.0]
    """
    flat = sums.reshape(len(sums), prod(sums.shape[1:]))
    rows = max(CHUNK // max(*flat.shape, 1), 1)
    values = [np.zeros(0)]
    with np.errstate(divide="ignore", invalid="ignore"):  # nan is the answer where a statistic is undefined
        for start in range(0, len(weights), rows):
            chunk = weights[start : start + rows].astype(np.float64) @ flat
            values.append(statistic(chunk.reshape(-1, *sums.shape[1:])))
    return np.concatenate(values)


def _range(values: Floats) -> Interval:
    """The smallest and the largest value of one group."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return _no_interval(0)
    return Interval(
        float(defined.min()), float(defined.max()), f"range of {format_count(len(defined), 'group')}", "range"
    )


def _no_interval(groups: int) -> Interval:
    return Interval(nan, nan, f"no interval of {format_count(groups, 'group')}", "none")


def _bca_levels(drawn: Floats, estimate: float, without: Floats, confidence: float) -> Floats:
    """Which quantiles of the drawn values are the ends; `without` holds the values of all groups but one."""
    from scipy.special import ndtr, ndtri, stdtrit

    count = len(without)
    ends = np.sqrt(count / (count - 1)) * stdtrit(count - 1, [(1 - confidence) / 2, (1 + confidence) / 2])
    below = (np.mean(drawn < estimate) + np.mean(drawn <= estimate)) / 2
    pulls = without.mean() - without
    spread = np.square(pulls).sum() ** 1.5
    if 0 < below < 1 and spread > 0:  # not so where a value is nan
        shifted = ndtri(below) + ends
        stretch = 1 - (pulls**3).sum() / (6 * spread) * shifted
        if (stretch > 0).all():
            ends = ndtri(below) + shifted / stretch
    levels: Floats = ndtr(ends)
    return levels
