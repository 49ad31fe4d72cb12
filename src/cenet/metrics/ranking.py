"""Metrics of scores against the truth, before any threshold is chosen.

Each is counted from two sorted arrays, the scores of the true foreground and those of the background.
"""

from math import nan

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Truth = NDArray[np.bool_]


def roc_auc(scores: Scores, truth: Truth) -> float:
    """Area under the ROC curve: how often a foreground pixel scores above a background pixel.

    It is exact; a tie counts one half. It is nan where the truth lacks one of the two classes.

    Args:
        scores: Higher means more likely foreground, on any scale.
        truth: True where the truth is foreground.

    Shape:
        Both arrays have one shape, whatever it is.

    Raises:
        ValueError: The shapes differ, a type is wrong, or a score is nan.

    Reference:
        Mann-Whitney U / (positives x negatives), with midranks.

    >>> roc_auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    0.875
    """
    positives, negatives = _sorted_by_class(scores, truth)
    if not positives.size or not negatives.size:
        return nan
    below = np.searchsorted(negatives, positives, side="left").sum(dtype=np.int64)
    below_or_equal = np.searchsorted(negatives, positives, side="right").sum(dtype=np.int64)
    return (int(below) + int(below_or_equal)) / (2 * positives.size * negatives.size)


def average_precision(scores: Scores, truth: Truth) -> float:
    """Average precision: the area under the precision-recall curve, as steps.

    It is nan where the truth lacks one of the two classes.

    Args:
        scores: Higher means more likely foreground, on any scale.
        truth: True where the truth is foreground.

    Shape:
        Both arrays have one shape, whatever it is.

    Raises:
        ValueError: The shapes differ, a type is wrong, or a score is nan.

    Reference:
        Sum of (R_n - R_{n-1}) P_n over the distinct thresholds, from high to low. It equals the mean,
        over the foreground pixels, of the precision at the pixel's own score.

    >>> average_precision(np.array([0.1, 0.4, 0.6, 0.8]), np.array([False, True, False, True]))
    0.8333333333333333
    """
    positives, negatives = _sorted_by_class(scores, truth)
    if not positives.size or not negatives.size:
        return nan
    tp, fp = _at_least(positives, positives), _at_least(negatives, positives)
    return float(np.mean(tp / (tp + fp)))


def _sorted_by_class(scores: Scores, truth: Truth) -> tuple[Scores, Scores]:
    """Sort the scores of the foreground, and those of the background."""
    if scores.shape != truth.shape:
        raise ValueError(f"scores have shape {scores.shape} and truth {truth.shape}; they must be equal")
    if not np.issubdtype(scores.dtype, np.floating):
        raise ValueError(f"scores are {scores.dtype}; a floating-point array is needed")
    if truth.dtype != np.bool_:
        raise ValueError(f"truth is {truth.dtype}; a boolean array is needed, such as truth > 0")
    if np.isnan(scores).any():
        raise ValueError("scores contain nan, which has no rank; find out where it comes from")
    return np.sort(scores[truth]), np.sort(scores[~truth])


def _at_least(values: Scores, thresholds: Scores) -> NDArray[np.intp]:
    """Count the sorted values that are at least each threshold."""
    return values.size - np.searchsorted(values, thresholds, side="left")
