"""Measures of the optic disc."""

from math import nan

import numpy as np
from numpy.typing import NDArray


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


def _height(region: NDArray[np.bool_]) -> int:
    rows = np.flatnonzero(region.any(axis=1))
    return int(rows[-1] - rows[0] + 1) if rows.size else 0
