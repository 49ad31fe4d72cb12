"""Metrics of a mask against the truth: count the pixels once; every metric is a function of the counts.

The metrics take `Counts`, or an array `(..., 4)` of true positives, false positives, false negatives and true
negatives, and return a number for each: of many images, groups or resamples at once.
"""

from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Floats = NDArray[np.float64]
Binary = NDArray[np.bool_]
Classes = NDArray[np.integer]


@dataclass(frozen=True)
class Counts:
    """How many pixels agree and disagree; the sum of two images' counts pools them.

    Args:
        tp: Foreground in the mask and in the truth, in pixels.
        fp: Foreground in the mask alone, in pixels.
        fn: Foreground in the truth alone, in pixels.
        tn: Background in both, in pixels.

    >>> Counts(tp=1, fp=2, fn=3, tn=4) + Counts(tp=10, fp=0, fn=0, tn=0)
    Counts(tp=11, fp=2, fn=3, tn=4)
    >>> np.asarray(Counts(tp=1, fp=2, fn=3, tn=4)).tolist()
    [1, 2, 3, 4]
    """

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """The four counts in order, so that every metric takes them."""
        return np.array([self.tp, self.fp, self.fn, self.tn], dtype)


def count(mask: Binary, label: Binary, *, region: Binary | None = None) -> Counts:
    """Count the pixels of a binary mask against the truth.

    Args:
        mask: True where the prediction is foreground.
        label: True where the truth is foreground.
        region: True where pixels count; None means everywhere.

    Shape:
        All arrays have one shape, whatever it is.

    Raises:
        ValueError: The shapes differ, or an array is not boolean.

    >>> count(np.array([True, True, False]), np.array([True, False, False]))
    Counts(tp=1, fp=1, fn=0, tn=1)
    """
    arrays = {"mask": mask, "label": label} | ({} if region is None else {"region": region})
    for name, array in arrays.items():
        if array.dtype != np.bool_:
            raise ValueError(f"{name} is {array.dtype}; a boolean array is needed, such as {name} > 0")
        if array.shape != mask.shape:
            raise ValueError(f"{name} has shape {array.shape} and mask {mask.shape}; they must be equal")
    if region is not None:
        mask, label = mask[region], label[region]
    tp = int(np.count_nonzero(mask & label))
    fp = int(np.count_nonzero(mask)) - tp
    fn = int(np.count_nonzero(label)) - tp
    return Counts(tp, fp, fn, tn=mask.size - tp - fp - fn)


def multiclass_counts(mask: Classes, label: Classes, *, num_classes: int, region: Binary | None = None) -> list[Counts]:
    """Count each foreground class against all the rest: classes 1 to num_classes - 1, in order.

    Args:
        mask: Predicted class of each pixel.
        label: True class of each pixel.
        num_classes: How many classes there are, with the background (class 0).
        region: True where pixels count; None means everywhere.

    Shape:
        All arrays have one shape, whatever it is.

    Raises:
        ValueError: The shapes differ, a type is wrong, or a class lies outside 0 to num_classes - 1.

    >>> multiclass_counts(np.array([0, 1, 2]), np.array([0, 1, 1]), num_classes=3)
    [Counts(tp=1, fp=0, fn=1, tn=1), Counts(tp=0, fp=1, fn=0, tn=2)]
    """
    if num_classes < 2:
        raise ValueError(f"num_classes is {num_classes}; at least 2 are needed, the background and one more")
    for name, array in {"mask": mask, "label": label}.items():
        if not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"{name} is {array.dtype}; an array of integer class indices is needed")
        if np.any((array < 0) | (array >= num_classes)):
            raise ValueError(f"{name} has a class outside 0 to {num_classes - 1}; check num_classes")
    return [count(mask == k, label == k, region=region) for k in range(1, num_classes)]


def sensitivity(counts: Counts | ArrayLike) -> Floats:
    """Share of the true foreground that was found.

    Without foreground in the truth it is undefined: NaN, to be left out of means.

    Shape:
        `(..., 4)` gives `(...)`, here and in all that follow.

    Reference:
        TP / (TP + FN).

    >>> float(sensitivity(Counts(tp=3, fp=0, fn=1, tn=0)))
    0.75
    >>> sensitivity([[3, 0, 1, 0], [0, 0, 0, 4]])
    array([0.75,  nan])
    """
    tp, _, fn, _ = _columns(counts)
    return _ratio(tp, tp + fn, otherwise=nan)


def specificity(counts: Counts | ArrayLike) -> Floats:
    """Share of the true background that was predicted as background.

    Without background in the truth it is undefined: NaN, to be left out of means.

    Reference:
        TN / (TN + FP).

    >>> float(specificity(Counts(tp=0, fp=1, fn=0, tn=3)))
    0.75
    """
    _, fp, _, tn = _columns(counts)
    return _ratio(tn, tn + fp, otherwise=nan)


def accuracy(counts: Counts | ArrayLike) -> Floats:
    """Share of all pixels that are right; NaN where there is no pixel.

    Reference:
        (TP + TN) / (TP + FP + FN + TN).

    >>> float(accuracy(Counts(tp=1, fp=1, fn=0, tn=2)))
    0.75
    """
    tp, fp, fn, tn = _columns(counts)
    return _ratio(tp + tn, tp + fp + fn + tn, otherwise=nan)


def dice(counts: Counts | ArrayLike) -> Floats:
    """Dice coefficient, also called F1.

    An empty mask of an empty truth is perfect: 1. If only one of them is empty, it is 0.

    Reference:
        2 TP / (2 TP + FP + FN).

    >>> dice([Counts(tp=1, fp=1, fn=1, tn=0), Counts(tp=0, fp=0, fn=0, tn=9)]).tolist()
    [0.5, 1.0]
    """
    tp, fp, fn, _ = _columns(counts)
    return _ratio(2 * tp, 2 * tp + fp + fn, otherwise=1.0)


def iou(counts: Counts | ArrayLike) -> Floats:
    """Intersection over union of mask and truth, also called Jaccard index.

    An empty mask of an empty truth is perfect: 1. If only one of them is empty, it is 0.

    Reference:
        TP / (TP + FP + FN).

    >>> iou([Counts(tp=3, fp=1, fn=0, tn=0), Counts(tp=0, fp=0, fn=0, tn=9)]).tolist()
    [0.75, 1.0]
    """
    tp, fp, fn, _ = _columns(counts)
    return _ratio(tp, tp + fp + fn, otherwise=1.0)


def overlap_error(counts: Counts | ArrayLike) -> Floats:
    """Overlap error of mask S and truth G, the paper's metric of the optic disc.

    An empty mask of an empty truth is perfect: 0. If only one of them is empty, it is 1.

    Reference:
        E = 1 - |S and G| / |S or G| = (FP + FN) / (TP + FP + FN), that is 1 - IoU.

    >>> overlap_error([Counts(tp=3, fp=1, fn=0, tn=0), Counts(tp=0, fp=0, fn=0, tn=9)]).tolist()
    [0.25, 0.0]
    """
    tp, fp, fn, _ = _columns(counts)
    return _ratio(fp + fn, tp + fp + fn, otherwise=0.0)


def _columns(counts: Counts | ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
    """True positives, false positives, false negatives, true negatives: float64 is exact to 2**53."""
    array = np.asarray(counts, np.float64)
    if array.shape[-1:] != (4,):
        raise ValueError(f"counts have shape {array.shape}; (..., 4) is needed: tp, fp, fn, tn")
    return array[..., 0], array[..., 1], array[..., 2], array[..., 3]


def _ratio(part: Floats, whole: Floats, *, otherwise: float) -> Floats:
    """Divide; where there is nothing to divide by, take what the metric says."""
    ratio: Floats = np.divide(part, whole, out=np.full(np.shape(whole), otherwise), where=whole > 0)
    return ratio[()]  # of one image's counts a number, not an array without axes
