"""Distances between the borders of a mask and of the truth.

A border pixel is foreground with a background pixel, or the edge of the image, above, beneath, left or right of it.
Distances run between pixel centres, from each border pixel of the one to the nearest border pixel of the other.

Two empty masks agree: 0. If only one is empty, the distance is the image's diagonal, so that a miss counts and does
not vanish from the mean.

Where some pixels do not count, as they are unannotated, mask and truth are whole there too, so that no border runs
around them. Distances are those of the border pixels that count, to the nearest border pixel of the other wherever that
lies. A mask is empty where none of its pixels counts; where no border pixel counts, a distance is undefined: NaN.
"""

from math import hypot, nan

import numpy as np
from numpy.typing import NDArray

Binary = NDArray[np.bool_]
Distances = NDArray[np.float64]


def hd95(
    mask: Binary, label: Binary, *, spacing: tuple[float, float] = (1.0, 1.0), inside: Binary | None = None
) -> float:
    """Hausdorff distance of the borders at the 95th percentile: the larger of the two directed ones.

    Both empty: 0. One empty: the image's diagonal.

    Args:
        mask: True where the prediction is foreground.
        label: True where the truth is foreground.
        spacing: Height and width of a pixel; the distance has their unit, pixels unless given.
        inside: True where pixels count; None means everywhere.

    Shape:
        Arrays (H, W) -> a number.

    Raises:
        ValueError: The shapes differ, there are not two axes, or an array is not boolean.

    Reference:
        max(P95_a min_b |a - b|, P95_b min_a |a - b|) over border pixels a and b; P95 is interpolated linearly.

    >>> hd95(np.array([[True, False, False, False]]), np.array([[False, False, False, True]]), spacing=(1, 0.5))
    1.5
    """
    ways = _directed(mask, label, spacing, inside)
    return float(max((np.percentile(way, 95) for way in ways if way.size), default=nan))


def assd(
    mask: Binary, label: Binary, *, spacing: tuple[float, float] = (1.0, 1.0), inside: Binary | None = None
) -> float:
    """Average symmetric surface distance: the mean over the pixels of both borders together.

    Both empty: 0. One empty: the image's diagonal.

    Args:
        mask: True where the prediction is foreground.
        label: True where the truth is foreground.
        spacing: Height and width of a pixel; the distance has their unit, pixels unless given.
        inside: True where pixels count; None means everywhere.

    Shape:
        Arrays (H, W) -> a number.

    Raises:
        ValueError: As in `hd95`.

    Reference:
        (sum_a min_b |a - b| + sum_b min_a |a - b|) / (|A| + |B|) over border pixels a in A and b in B.

    >>> assd(np.array([[True, False, True, False]]), np.array([[True, False, False, False]]))
    0.6666666666666666
    """
    distances = np.concatenate(_directed(mask, label, spacing, inside))
    return float(np.mean(distances)) if distances.size else nan


def _directed(
    mask: Binary, label: Binary, spacing: tuple[float, float], inside: Binary | None
) -> tuple[Distances, Distances]:
    """The distance of each border pixel of the mask from the truth's border, and the other way round."""
    from scipy.spatial import KDTree

    inside = np.ones_like(mask, bool) if inside is None else inside
    for name, array in {"mask": mask, "label": label, "inside": inside}.items():
        if array.dtype != np.bool_:
            raise ValueError(f"{name} is {array.dtype}; a boolean array is needed, such as {name} > 0")
        if array.shape != mask.shape or array.ndim != 2:
            raise ValueError(f"{name} has shape {array.shape} and mask {mask.shape}; all must be (H, W)")
    held = [bool((array & inside).any()) for array in (mask, label)]
    if not all(held):
        missed = hypot(mask.shape[0] * spacing[0], mask.shape[1] * spacing[1]) if any(held) else 0.0
        return np.array([missed]), np.array([missed])
    borders = [_border(array) for array in (mask, label)]
    found, truth = (KDTree(np.argwhere(border) * spacing) for border in borders)
    from_mask, from_truth = (np.argwhere(border & inside) * spacing for border in borders)
    return truth.query(from_mask)[0], found.query(from_truth)[0]


def _border(array: Binary) -> Binary:
    around = np.pad(array, 1)
    return array & ~(around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:])
