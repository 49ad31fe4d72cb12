"""Pooled figures that are compared, and what a test of each keeps so that it can count it a million times."""

from collections.abc import Callable, Sequence
from math import nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cenet.metrics import average_precision_of, calibration_error_of, roc_auc_of
from cenet.metrics.binned import CENTRES, COARSE_BINS, brier_of

Floats = NDArray[np.float64]
Figure = Callable[[NDArray[Any]], Floats]
Kept = Callable[[Floats, Floats], tuple[Floats, Floats]]


def coarse(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Merge neighbouring bins of two runs' histograms, into `COARSE_BINS` that hold about as much of each class.

    No swap of groups changes what both runs hold together, from which the bins are told: a test stays as valid as it
    was. The area under the ROC curve changes by less than 0.0001.

    Shape:
        Both are `(G, 2, BINS)`, and become `(G, 2, COARSE_BINS)`.

    >>> histograms = np.ones((20, 2, 2048))
    >>> coarse(histograms, 3 * histograms)[1][0, 0, :4].tolist()
    [48.0, 48.0, 48.0, 48.0]
    """
    background, foreground = (first + second).sum(axis=0)
    return _merged(first, second, _shares(background) + _shares(foreground))


def finer_on_top(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Merge bins as `coarse` does, finely where few pixels rank above: the average precision changes by below 0.001.

    Shape:
        Both are `(G, 2, BINS)`, and become `(G, 2, COARSE_BINS)`.

    >>> histograms = np.ones((20, 2, 2048))
    >>> finer_on_top(histograms, histograms)[0][0, 0, [0, 64]].tolist()
    [30.0, 21.0]
    """
    background, foreground = (first + second).sum(axis=0)
    above = np.append(np.cumsum((background + foreground)[::-1])[::-1], 1)
    return _merged(first, second, _shares(foreground) + _shares(-np.diff(np.log(np.maximum(above, 1)))))


def _shares(weights: Floats) -> Floats:
    shares: Floats = weights / max(weights.sum(), 1)
    return shares


def _merged(first: Floats, second: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Merge neighbouring bins into some of about equal weight."""
    below = (np.cumsum(weights) - weights / 2) / max(weights.sum(), 1)
    member = (below * COARSE_BINS).astype(int)[:, None] == np.arange(COARSE_BINS)
    return first @ member, second @ member


def gaps(histograms: Floats) -> Floats:
    """What `calibration_error_of` adds up in each of its 15 bins, and all pixels.

    Shape:
        `(G, 2, BINS)` gives `(G, 16)`.

    >>> histograms = np.zeros((1, 2, 2048))
    >>> histograms[0, :, 1024] = 6, 4
    >>> gaps(histograms)[0, [7, -1]].round(2).tolist()
    [1.02, 10.0]
    """
    member = (np.floor(CENTRES * 15)[:, None] == np.arange(15)).astype(float)
    each = (histograms.sum(axis=1) * CENTRES - histograms[:, 1]) @ member
    return np.column_stack([each, histograms.sum(axis=(1, 2))])


def ratio(part: ArrayLike, whole: ArrayLike, *, otherwise: float = nan) -> Figure:
    """A metric of counts, of many at once: how the true and false positives and negatives weigh in a quotient.

    Args:
        part: Weights of tp, fp, fn and tn above the line.
        whole: Likewise below it.
        otherwise: What the metric is where there is nothing below the line.

    >>> ratio([1, 0, 0, 0], [1, 0, 1, 0])(np.array([[3, 0, 1, 5]])).tolist()
    [0.75]
    """

    def figure(counts: NDArray[Any]) -> Floats:
        below = counts @ np.asarray(whole, np.float64)
        return np.where(below > 0, counts @ np.asarray(part, np.float64) / below, otherwise)

    return figure


def _gaps_of_both(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    return gaps(first), gaps(second)


def _gap(sums: Floats) -> Floats:
    gap: Floats = np.abs(sums[:, :-1]).sum(axis=-1) / sums[:, -1]
    return gap


def squares(histograms: Floats) -> Floats:
    """What `brier_of` adds up, and all pixels.

    Shape:
        `(G, 2, BINS)` gives `(G, 2)`.

    >>> histograms = np.zeros((1, 2, 2048))
    >>> histograms[0, :, 1024] = 6, 4
    >>> squares(histograms).round(2).tolist()
    [[2.5, 10.0]]
    """
    errors = histograms[:, 0] @ CENTRES**2 + histograms[:, 1] @ (1 - CENTRES) ** 2
    return np.column_stack([errors, histograms.sum(axis=(1, 2))])


def _squares_of_both(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    return squares(first), squares(second)


def _mean_square(sums: Floats) -> Floats:
    mean: Floats = sums[:, 0] / sums[:, 1]
    return mean


def within_folds(figure: Figure) -> Figure:
    """A figure of each fold, averaged over the folds that have it: no probability of one network meets another's.

    Shape:
        It maps `(R, F, ...)` to `(R,)`.

    >>> within_folds(ratio([1, 0, 0, 0], [1, 0, 1, 0]))(np.array([[[3, 0, 1, 5], [1, 0, 3, 5]]])).tolist()
    [0.5]
    """

    def mean(sums: NDArray[Any]) -> Floats:
        each = figure(sums)
        defined = ~np.isnan(each)
        total: Floats = np.where(defined, each, 0).sum(axis=-1) / defined.sum(axis=-1)
        return total

    return mean


def each_fold(kept: Kept) -> Kept:
    """What a test keeps of two runs, fold by fold: `(G, F, ...)` each, as `kept` does of `(G, ...)`.

    >>> each_fold(coarse)(np.ones((6, 3, 2, 2048)), np.ones((6, 3, 2, 2048)))[0].shape
    (6, 3, 2, 128)
    """

    def of_both(first: Floats, second: Floats) -> tuple[Floats, Floats]:
        folds = [kept(first[:, fold], second[:, fold]) for fold in range(first.shape[1])]
        one, other = (np.stack(each, axis=1) for each in zip(*folds, strict=True))
        return one, other

    return of_both


def sums_of(seeds: Sequence[NDArray[Any]], groups: Sequence[str], folds: Sequence[int] | None = None) -> Floats:
    """Average the seeds of a method image by image, then add up the images of each group.

    Args:
        seeds: `(images, ...)` each.
        groups: Of the images.
        folds: Of the images; with them the sums of each fold stand apart.

    Returns:
        `(G, ...)`, or with folds `(G, F, ...)`.

    >>> sums_of([np.array([1, 2, 4])], ["a", "b", "a"]).tolist()
    [5.0, 2.0]
    >>> sums_of([np.array([1, 2, 4])], ["a", "b", "a"], [0, 1, 0]).tolist()
    [[5.0, 0.0], [0.0, 2.0]]
    """
    mean = np.mean(seeds, axis=0)
    places = [np.unique(each, return_inverse=True)[1] for each in (groups, folds) if each is not None]
    sums = np.zeros((*(place.max() + 1 for place in places), *mean.shape[1:]))
    np.add.at(sums, tuple(places), mean)
    return sums


def value_of(sums: Floats, figure: Figure) -> float:
    """The figure of all groups together.

    >>> value_of(np.array([[3, 0, 1, 5], [1, 0, 3, 5]]), ratio([1, 0, 0, 0], [1, 0, 1, 0]))
    0.5
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(figure(sums.sum(axis=0, dtype=np.float64)[None])[0])


def _same(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    return first, second


_DICE = ratio([2, 0, 0, 0], [2, 1, 1, 0], otherwise=1)
_SENSITIVITY = ratio([1, 0, 0, 0], [1, 0, 1, 0])
_SPECIFICITY = ratio([0, 0, 0, 1], [0, 1, 0, 1])

# Of what, the figure, and for the test: what is kept of two runs, and the figure of that.
POOLED: dict[str, tuple[str, Figure, Kept, Figure]] = {
    "auc": ("histograms", roc_auc_of, coarse, roc_auc_of),
    "average_precision": ("histograms", average_precision_of, finer_on_top, average_precision_of),
    "calibration_error": ("histograms", calibration_error_of, _gaps_of_both, _gap),
    "calibration_error_edges": ("edges", calibration_error_of, _gaps_of_both, _gap),
    "brier": ("histograms", brier_of, _squares_of_both, _mean_square),
    "brier_edges": ("edges", brier_of, _squares_of_both, _mean_square),
    "dice": ("counts", _DICE, _same, _DICE),
    "sensitivity": ("counts", _SENSITIVITY, _same, _SENSITIVITY),
    "specificity": ("counts", _SPECIFICITY, _same, _SPECIFICITY),
}
RANKED = ("auc", "average_precision")  # which say nothing where probabilities of several networks are ranked together


def pooled_figures(*, apart: bool = False) -> dict[str, tuple[str, Figure, Kept, Figure]]:
    """`POOLED` by the names that a comparison has for them.

    Args:
        apart: Sums have an axis of folds; what ranks is counted within each, and averaged.

    >>> list(pooled_figures(apart=True))[:3]
    ['auc_within_folds', 'average_precision_within_folds', 'calibration_error_pooled']
    """
    return {
        f"{name}_within_folds" if apart and name in RANKED else f"{name}_pooled": (
            (source, within_folds(figure), each_fold(kept), within_folds(tested))
            if apart and name in RANKED
            else (source, figure, kept, tested)
        )
        for name, (source, figure, kept, tested) in POOLED.items()
    }
