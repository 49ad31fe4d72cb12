"""Metrics of a mask against the truth: count the pixels once; every metric is a function of the counts."""

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

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
    """

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)


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


def sensitivity(c: Counts) -> float:
    """Share of the true foreground that was found.

    Without foreground in the truth it is undefined: nan, to be left out of means.

    Reference:
        TP / (TP + FN).

    >>> sensitivity(Counts(tp=3, fp=0, fn=1, tn=0))
    0.75
    """
    return _share(c.tp, c.tp + c.fn, otherwise=nan)


def specificity(c: Counts) -> float:
    """Share of the true background that was left alone.

    Without background in the truth it is undefined: nan, to be left out of means.

    Reference:
        TN / (TN + FP).

    >>> specificity(Counts(tp=0, fp=1, fn=0, tn=3))
    0.75
    """
    return _share(c.tn, c.tn + c.fp, otherwise=nan)


def accuracy(c: Counts) -> float:
    """Share of all pixels that are right; nan where there is no pixel.

    Reference:
        (TP + TN) / (TP + FP + FN + TN).

    >>> accuracy(Counts(tp=1, fp=1, fn=0, tn=2))
    0.75
    """
    return _share(c.tp + c.tn, c.tp + c.fp + c.fn + c.tn, otherwise=nan)


def dice(c: Counts) -> float:
    """Dice coefficient, also called F1.

    An empty mask of an empty truth is perfect: 1. If only one of them is empty, it is 0.

    Reference:
        2 TP / (2 TP + FP + FN).

    >>> dice(Counts(tp=1, fp=1, fn=1, tn=0)), dice(Counts(tp=0, fp=0, fn=0, tn=9))
    (0.5, 1.0)
    """
    return _share(2 * c.tp, 2 * c.tp + c.fp + c.fn, otherwise=1.0)


def overlap_error(c: Counts) -> float:
    """Overlap error of mask S and truth G, the paper's measure of the optic disc.

    An empty mask of an empty truth is perfect: 0. If only one of them is empty, it is 1.

    Reference:
        E = 1 - |S and G| / |S or G| = (FP + FN) / (TP + FP + FN), that is 1 - IoU.

    >>> overlap_error(Counts(tp=3, fp=1, fn=0, tn=0)), overlap_error(Counts(tp=0, fp=0, fn=0, tn=9))
    (0.25, 0.0)
    """
    return _share(c.fp + c.fn, c.tp + c.fp + c.fn, otherwise=0.0)


def _share(part: int, whole: int, *, otherwise: float) -> float:
    return part / whole if whole else otherwise
