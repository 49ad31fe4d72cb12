"""Metrics of shape: whether thin structures are connected, and how large the optic cup is in its disc."""

from math import nan

import numpy as np
from numpy.typing import NDArray

from cenet.metrics.overlap import count, sensitivity

Binary = NDArray[np.bool_]


def centre_line_dice(mask: Binary, label: Binary) -> float:
    """Centre-line Dice (clDice): how much of each centre line lies in the other mask, whatever the widths are.

    An empty mask of an empty truth is perfect: 1. If only one of them is empty, it is 0.

    Args:
        mask: True where the prediction is foreground.
        label: True where the truth is foreground.

    Shape:
        (H, W) and (H, W) -> a number.

    Raises:
        ValueError: The shapes differ, or an array is not boolean.

    Reference:
        2 P S / (P + S), where P is the share of the mask's centre line that lies in the truth and S the share of the
        truth's centre line that lies in the mask: Shit et al., CVPR 2021. Centre lines are those of Zhang and Suen.

    >>> label = np.zeros((21, 60), bool)
    >>> label[8:13] = True
    >>> broken = label.copy()
    >>> broken[:, 20:40] = False
    >>> centre_line_dice(label, label), centre_line_dice(broken, label) < 0.9
    (1.0, True)
    """
    if not mask.any() or not label.any():
        return float(mask.any() == label.any())
    precise = float(sensitivity(count(label, _centre_line(mask))))
    complete = float(sensitivity(count(mask, _centre_line(label))))
    return 2 * precise * complete / (precise + complete) if precise + complete else 0.0


def vertical_cup_to_disc_ratio(label: NDArray[np.integer]) -> float:
    """Height of the optic cup over that of the disc, a sign of glaucoma.

    Without a disc it is undefined: nan. A disc without a cup has the ratio 0.

    Args:
        label: Class of each pixel, nested: 0 background, 1 disc, 2 cup, which is a part of the disc.

    Shape:
        (H, W) -> a number.

    Raises:
        ValueError: The array is not of integers, or holds another class.

    Reference:
        (last row - first row + 1) of the cup / the same of the disc.

    >>> vertical_cup_to_disc_ratio(np.array([[0, 1, 0], [1, 2, 1], [0, 1, 1], [0, 1, 0], [0, 0, 0]]))
    0.25
    """
    if not np.issubdtype(label.dtype, np.integer):
        raise ValueError(f"label is {label.dtype}; an array of integer class indices is needed")
    if np.any((label < 0) | (label > 2)):
        raise ValueError("label has a class outside 0 to 2; 0 background, 1 disc and 2 cup are needed")
    disc = _height(label > 0)
    return _height(label == 2) / disc if disc else nan


def _centre_line(array: Binary) -> Binary:
    from skimage.morphology import skeletonize

    return np.asarray(skeletonize(array), bool)


def _height(region: NDArray[np.bool_]) -> int:
    rows = np.flatnonzero(region.any(axis=1))
    return int(rows[-1] - rows[0] + 1) if rows.size else 0
