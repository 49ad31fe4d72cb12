"""Layers that lie above each other in every column of an image: as a map of their values, or as rows of boundaries."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.labels.inspect import IGNORED
from cenet.errors import CenetError

MAX_STRAY_PX = 3  # pixels that may be corrected in a column of a map; a column with more counts as unannotated


def layer_names(boundaries: int) -> tuple[str, ...]:
    """Return the names of the classes below the uppermost boundary, from top to bottom.

    Args:
        boundaries: The number of boundaries.

    >>> layer_names(3)
    ('layer 1', 'layer 2', 'below')
    """
    return (*(f"layer {number}" for number in range(1, boundaries)), "below")


def label_from_rows(rows: NDArray[np.float64], shape: tuple[int, int], *, path: Path) -> NDArray[np.uint8]:
    """Return the number of boundaries above each pixel.

    Rows are measured from the upper edge of the image, so that the centre of the first pixel lies at 0.5. A column in
    which a boundary is NaN is unannotated.

    Args:
        rows: The boundaries from top to bottom, in pixels.
        shape: Height and width of the image, in pixels.
        path: The file of the rows, for errors.

    Shape:
        (B, W) to (H, W).

    Raises:
        CenetError: The rows have another width than the image, are out of order, or lie outside the image.

    >>> label_from_rows(np.array([[1.2, np.nan], [2.0, 2.0]]), (3, 2), path=Path("scan.npy")).tolist()
    [[0, 255], [1, 255], [2, 255]]
    """
    height, width = shape
    if rows.shape[1] != width:
        raise CenetError(
            path, f"it has {rows.shape[1]} columns, but the image has {width}", "use the rows of this image"
        )
    outside, crossed = (rows < 0) | (rows > height), rows[1:] < rows[:-1]
    if outside.any():
        boundary, column = np.argwhere(outside)[0]
        cause = f"boundary {boundary + 1} is at row {rows[boundary, column]:g} in column {column}, outside the image"
        raise CenetError(path, f"{cause} of {height} rows", "fix it, or write NaN where it is unannotated")
    if crossed.any():
        boundary, column = np.argwhere(crossed)[0]
        cause = f"boundary {boundary + 2} lies above boundary {boundary + 1} in column {column}"
        raise CenetError(path, cause, "put the boundaries in order from top to bottom")
    middles = np.arange(height)[:, None] + 0.5
    label = sum((middles > row).astype(np.uint8) for row in rows)
    return np.where(np.isnan(rows).any(axis=0), IGNORED, label).astype(np.uint8)


def order_columns(label: NDArray[np.uint8], *, num_classes: int, one_outside: bool) -> NDArray[np.uint8]:
    """Put the classes of every column in order, from top to bottom.

    Most columns of a map are in order. The others, with holes between layers or stray pixels, get the ordered labelling
    that differs from the map in the fewest pixels. Where these are more than `MAX_STRAY_PX`, the whole column counts as
    unannotated, as does a column without layers. (Of 15,198 columns of 18 maps of eight layers, 58 have no layer, 3 are
    corrected, and 20 count as unannotated.)

    Args:
        label: Class indices from top to bottom; `IGNORED` where unannotated.
        num_classes: The number of classes, with those above and below.
        one_outside: Whether 0 means both the class above and the one below.

    Shape:
        (H, W) to (H, W).

    >>> label = np.array([[0, 1, 1, 0, 2, 2, 0], [0] * 7], np.uint8).T
    >>> order_columns(label, num_classes=4, one_outside=True).T.tolist()
    [[0, 1, 1, 1, 2, 2, 3], [255, 255, 255, 255, 255, 255, 255]]
    """
    ignored, last = label == IGNORED, num_classes - 1
    ordered = label.copy()
    if one_outside:
        ordered[np.logical_or.accumulate((label > 0) & ~ignored, axis=0) & (label == 0)] = last
    disordered = ((ordered < np.maximum.accumulate(np.where(ignored, 0, ordered), axis=0)) & ~ignored).any(axis=0)
    blank = np.any([((ordered == outside) | ignored).all(axis=0) for outside in (0, last)], axis=0)
    if disordered.any():
        cost = _count_differences(label[:, disordered], num_classes=num_classes, one_outside=one_outside)
        ordered[:, disordered], differences = _minimise_differences(cost)
        blank[disordered] = differences > MAX_STRAY_PX
    return np.where(ignored | blank, IGNORED, ordered).astype(np.uint8)


def _count_differences(label: NDArray[np.uint8], *, num_classes: int, one_outside: bool) -> NDArray[np.int64]:
    """Return 1 where a pixel is labelled as another class than each of the K classes, otherwise 0: (H, K, W)."""
    classes = np.arange(num_classes)
    if one_outside:
        classes[-1] = 0
    label = label[:, None]
    return np.asarray((label != classes[:, None]) & (label != IGNORED), np.int64)


def _minimise_differences(cost: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Return the ordered classes of the least cost (H, K, W) in every column, and that cost; by dynamic programming."""
    height, num_classes, width = cost.shape
    best = cost.copy()  # least cost of this pixel and all above it, if it is of a class
    for row in range(1, height):
        best[row] += np.minimum.accumulate(best[row - 1], axis=0)
    label = np.empty((height, width), np.uint8)
    label[-1] = best[-1].argmin(axis=0)
    for row in range(height - 2, -1, -1):
        allowed = np.arange(num_classes)[:, None] <= label[row + 1]
        label[row] = np.where(allowed, best[row], height + 1).argmin(axis=0)
    return label, best[-1].min(axis=0)
