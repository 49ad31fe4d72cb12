"""Scores with their intervals over groups: of all pixels together, as a mean of images, as a mean of folds."""

from collections.abc import Callable, Sequence
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.evaluation.intervals import interval_of_mean, interval_of_pooled
from cenet.evaluation.report import Score

Floats = NDArray[np.float64]
Compute = Callable[[NDArray[Any]], Floats]  # (..., 4) or (..., 2, BINS) to (...)


def pooled_score(sums: NDArray[Any], groups: Sequence[str], compute: Compute, *, between_groups: bool = True) -> Score:
    """A metric of all pixels together, with its interval over groups.

    Args:
        sums: What each image adds, `(images, ...)`.
        groups: Of the images.
        compute: The metric, from `(R, ...)` sums to `(R,)` values.
        between_groups: As in `interval_of_pooled`.

    >>> from cenet.metrics import dice
    >>> pooled_score(np.array([[3, 1, 0, 6]] * 2), ["a", "b"], dice).value
    0.8571428571428571
    """
    by_group = sum_by_group([sums], groups)
    interval = interval_of_pooled(by_group, compute, between_groups=between_groups)
    value = float(compute(by_group.sum(axis=0, keepdims=True))[0])
    return Score(value=value, low=interval.low, high=interval.high, method=interval.method, interval_kind=interval.kind)


def mean_score(values: Sequence[float] | Floats, groups: Sequence[str], *, highest: float = 1.0) -> Score:
    """Mean and standard deviation over images; an image where a metric is undefined is left out and counted.

    Args:
        values: Of the images, 0 or more.
        groups: Of the images.
        highest: The largest value that there is.

    >>> mean_score([0.5, 0.7, nan], ["a", "b", "c"]).undefined
    1
    """
    defined = np.array([value for value in values if not np.isnan(value)])
    interval = interval_of_mean(values, groups)
    return Score(
        value=float(defined.mean()) if defined.size else nan,
        low=max(interval.low, 0.0),
        high=min(interval.high, highest),
        method=interval.method,
        interval_kind=interval.kind,
        sd=float(defined.std(ddof=1)) if defined.size > 1 else nan,
        undefined=len(values) - int(defined.size),
    )


def fold_score(
    sums: NDArray[Any], groups: Sequence[str], folds: Sequence[int], compute: Compute, *, between_groups: bool = True
) -> Score:
    """A metric pooled within each fold, then averaged over the folds that have it.

    No probability of one network is ranked among those of another. The interval resamples groups, each in its fold.

    Args:
        sums: What each image adds, `(images, ...)`.
        groups: Of the images.
        folds: Of the images.
        compute: The metric.
        between_groups: As in `interval_of_pooled`.
    """
    by_group = sum_by_group([sums], groups, folds)
    with np.errstate(divide="ignore", invalid="ignore"):  # nan is the answer where a fold has no value
        values = compute(by_group.sum(axis=0))
    defined = values[~np.isnan(values)]
    interval = interval_of_pooled(by_group, within_folds(compute), between_groups=between_groups)
    return Score(
        value=float(defined.mean()) if defined.size else nan,
        low=interval.low,
        high=interval.high,
        method=interval.method,
        interval_kind=interval.kind,
        sd=float(defined.std(ddof=1)) if defined.size > 1 else nan,
        undefined=len(values) - len(defined),
        values=tuple(values.tolist()),
    )


def within_folds(compute: Compute) -> Compute:
    """A metric of each fold, averaged over the folds that have it.

    Shape:
        It maps `(R, F, ...)` to `(R,)`.

    >>> from cenet.metrics import sensitivity
    >>> within_folds(sensitivity)(np.array([[[3, 0, 1, 5], [1, 0, 3, 5]]])).tolist()
    [0.5]
    """

    def mean_over_folds(sums: NDArray[Any]) -> Floats:
        values = compute(sums)
        defined = ~np.isnan(values)
        mean: Floats = np.where(defined, values, 0).sum(axis=-1) / defined.sum(axis=-1)
        return mean

    return mean_over_folds


def sum_by_group(seeds: Sequence[NDArray[Any]], groups: Sequence[str], folds: Sequence[int] | None = None) -> Floats:
    """Average the seeds of a method image by image, then add up the images of each group.

    Args:
        seeds: `(images, ...)` each.
        groups: Of the images.
        folds: Of the images; with them the sums of each fold stand apart.

    Returns:
        `(G, ...)`, or with folds `(G, F, ...)`.

    >>> sum_by_group([np.array([1, 2, 4])], ["a", "b", "a"]).tolist()
    [5.0, 2.0]
    >>> sum_by_group([np.array([1, 2, 4])], ["a", "b", "a"], [0, 1, 0]).tolist()
    [[5.0, 0.0], [0.0, 2.0]]
    """
    mean = np.mean(seeds, axis=0) if len(seeds) > 1 else seeds[0]
    indices = [np.unique(names, return_inverse=True)[1] for names in (groups, folds) if names is not None]
    sums = np.zeros((*(index.max() + 1 for index in indices), *mean.shape[1:]))
    np.add.at(sums, tuple(indices), mean)
    return sums


def compute_pooled(sums: Floats, compute: Compute) -> float:
    """The metric of all groups together.

    >>> from cenet.metrics import sensitivity
    >>> compute_pooled(np.array([[3, 0, 1, 5], [1, 0, 3, 5]]), sensitivity)
    0.5
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(compute(sums.sum(axis=0, dtype=np.float64)[None])[0])
