"""Polygons as pixels, to the bit as pycocotools draws them.

A pixel is inside where its centre is; corners are rounded to a fifth of a pixel first. The coordinate 0 is the outer
edge of the first pixel, so the centre of that pixel lies at 0.5. Where an outline crosses itself, what it surrounds an
even number of times is outside.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEPS_PER_PIXEL = 5
MAX_STEPS = 20_000_000  # along one outline: 4 million pixels
MAX_OVERSHOOT = 10  # a corner may lie so many image sides outside


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of an image, and which of its pixels are inside an object.

    Args:
        top: Its first row.
        left: Its first column.
        mask: (H, W) of the part.
    """

    top: int
    left: int
    mask: NDArray[np.bool_]


def fill_polygon(points: NDArray[np.float64], height: int, width: int) -> Patch:
    """Return the pixels of an image whose centres lie inside a polygon.

    Args:
        points: The corners, x and y in pixels, (N, 2); the last is joined to the first.
        height: Of the image.
        width: Likewise.

    Raises:
        ValueError: The outline is too long, lies too far outside, or is not made of numbers.

    >>> patch = fill_polygon(np.array([[1.0, 0.0], [3.0, 0.0], [3.0, 2.0], [1.0, 2.0]]), 4, 4)
    >>> patch.top, patch.left, patch.mask.tolist()
    (0, 1, [[True, True], [True, True]])
    """
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise ValueError(f"a polygon has at least 3 corners, not {len(points)}")
    if not np.isfinite(points).all():
        raise ValueError("a corner is not a number")
    if (np.abs(points) > MAX_OVERSHOOT * np.array([width, height])).any():
        raise ValueError("a corner lies far outside the image")
    corners = np.trunc(STEPS_PER_PIXEL * points + 0.5).astype(np.int64)
    columns, rows = _find_crossings(corners, height, width)
    if not columns.size:
        return Patch(0, 0, np.zeros((0, 0), np.bool_))
    left, top = int(columns.min()), int(rows.min())
    shape = int(rows.max()) - top + 1, int(columns.max()) - left + 1
    crossings = np.bincount((rows - top) * shape[1] + columns - left, minlength=shape[0] * shape[1]).reshape(shape)
    inside = np.cumsum(crossings, axis=0) % 2 == 1
    return Patch(top, left, inside[:-1])  # nothing is inside below the last crossing


def _find_crossings(corners: NDArray[np.int64], height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where an outline crosses the centre of a column: the columns, and the first rows below the crossings.

    Args:
        corners: In fifths of a pixel, (N, 2).
        height: Of the image.
        width: Likewise.
    """
    starts, ends = corners, np.roll(corners, -1, axis=0)
    leftmost, rightmost = np.minimum(starts[:, 0], ends[:, 0]), np.maximum(starts[:, 0], ends[:, 0])
    outside = (rightmost < 0) | (leftmost > STEPS_PER_PIXEL * width)
    starts, ends = starts[~outside], ends[~outside]
    if np.abs(ends - starts).max(axis=1, initial=0).sum() > MAX_STEPS:
        raise ValueError("the outline is too long")
    all_columns, all_rows = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start, end in zip(starts, ends, strict=True):
        columns, rows = _cross_edge(start, end)
        all_columns.append(columns)
        all_rows.append(rows)
    columns, rows = np.concatenate(all_columns), np.concatenate(all_rows)
    in_image = (columns >= 0) & (columns < width)
    return columns[in_image], rows[in_image].clip(0, height)


def _cross_edge(start: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Walk along an edge in fifths of a pixel, and return the columns whose centres it crosses, and the rows there."""
    delta = end - start
    flat = abs(delta[0]) >= abs(delta[1])
    main, other = (0, 1) if flat else (1, 0)
    length = int(abs(delta[main]))
    first, last = (start, end) if delta[main] >= 0 else (end, start)  # walked upwards, so that both ways are equal
    slope = (last[other] - first[other]) / length if length else 0.0
    steps = np.arange(length + 1)
    along = steps + first[main]
    across = np.trunc(first[other] + slope * steps + 0.5).astype(np.int64)
    x, y = (along, across) if flat else (across, along)
    changes = x[1:] != x[:-1]
    crossed = np.minimum(x[1:], x[:-1])[changes]
    lower = np.minimum(y[1:], y[:-1])[changes]
    centred = crossed % STEPS_PER_PIXEL == STEPS_PER_PIXEL // 2
    columns = crossed[centred] // STEPS_PER_PIXEL
    rows = np.ceil((lower[centred] + 0.5) / STEPS_PER_PIXEL - 0.5).astype(np.int64)
    return columns, rows
