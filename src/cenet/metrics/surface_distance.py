"""Distances between the borders of a mask and of the truth.

A border pixel is foreground with a background pixel, or the edge of the image, above, beneath, left or right of it.
Distances run between pixel centres, from each border pixel of the one to the nearest border pixel of the other.

Two empty masks agree: 0. If only one is empty, the distance is the image's diagonal, so that a miss counts and does
not vanish from the mean.
"""

from math import hypot

import numpy as np
from numpy.typing import NDArray

Binary = NDArray[np.bool_]
Distances = NDArray[np.float64]


def hd95(mask: Binary, label: Binary, *, spacing: tuple[float, float] = (1.0, 1.0)) -> float:
    """Hausdorff distance of the borders at the 95th percentile: the larger of the two directed ones.

    Both empty: 0. One empty: the image's diagonal.

    Args:
        mask: True where the prediction is foreground.
        label: True where the truth is foreground.
        spacing: Height and width of a pixel; the distance has their unit, pixels unless given.

    Shape:
        (H, W) and (H, W) -> a number.

    Raises:
        ValueError: The shapes differ, there are not two axes, or an array is not boolean.

    Reference:
        max(P95_a min_b |a - b|, P95_b min_a |a - b|) over border pixels a and b; P95 is interpolated linearly.

    >>> hd95(np.array([[True, False, False, False]]), np.array([[False, False, False, True]]), spacing=(1, 0.5))
    1.5
    """
    return float(max(np.percentile(directed, 95) for directed in _directed(mask, label, spacing)))


def assd(mask: Binary, label: Binary, *, spacing: tuple[float, float] = (1.0, 1.0)) -> float:
    """Average symmetric surface distance: the mean over the pixels of both borders together.

    Both empty: 0. One empty: the image's diagonal.

    Args:
        mask: True where the prediction is foreground.
        label: True where the truth is foreground.
        spacing: Height and width of a pixel; the distance has their unit, pixels unless given.

    Shape:
        (H, W) and (H, W) -> a number.

    Raises:
        ValueError: As in `hd95`.

    Reference:
        (sum_a min_b |a - b| + sum_b min_a |a - b|) / (|A| + |B|) over border pixels a in A and b in B.

    >>> assd(np.array([[True, False, True, False]]), np.array([[True, False, False, False]]))
    0.6666666666666666
    """
    return float(np.mean(np.concatenate(_directed(mask, label, spacing))))


def _directed(mask: Binary, label: Binary, spacing: tuple[float, float]) -> tuple[Distances, Distances]:
    """The distance of each border pixel of the mask from the truth's border, and the other way round."""
    from scipy.spatial import KDTree

    for name, array in {"mask": mask, "label": label}.items():
        if array.dtype != np.bool_:
            raise ValueError(f"{name} is {array.dtype}; a boolean array is needed, such as {name} > 0")
        if array.shape != mask.shape or array.ndim != 2:
            raise ValueError(f"{name} has shape {array.shape} and mask {mask.shape}; both must be (H, W)")
    borders = [np.argwhere(_border(array)) * spacing for array in (mask, label)]
    if not all(map(len, borders)):
        missed = hypot(mask.shape[0] * spacing[0], mask.shape[1] * spacing[1]) if any(map(len, borders)) else 0.0
        return np.array([missed]), np.array([missed])
    found, truth = map(KDTree, borders)
    return truth.query(found.data)[0], found.query(truth.data)[0]


def _border(array: Binary) -> Binary:
    around = np.pad(array, 1)
    return array & ~(around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:])
