"""Layers that lie above each other in every column of an image: as a map of their values, or as rows of boundaries."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.labels.inspect import IGNORED
from cenet.errors import CenetError

STRAY_PX = 3  # in a column so many pixels of a map may be settled; where more disagree, it counts as not drawn


def layer_names(boundaries: int) -> tuple[str, ...]:
    """What the classes below the uppermost boundary are called, from top to bottom.

    Args:
        boundaries: How many there are.

    >>> layer_names(3)
    ('layer 1', 'layer 2', 'below')
    """
    return (*(f"layer {number}" for number in range(1, boundaries)), "below")


def label_from_rows(rows: NDArray[np.float64], shape: tuple[int, int], *, path: Path) -> NDArray[np.uint8]:
    """Return the number of boundaries above each pixel.

    A row is measured from the upper edge of the image, so that the middle of the first pixel lies at 0.5. A column in
    which a boundary is NaN was not annotated.

    Args:
        rows: The boundaries from top to bottom, in pixels.
        shape: Height and width of the image, in pixels.
        path: The file of the rows, for errors.

    Shape:
        (B, W) to (H, W).

    Raises:
        CenetError: The rows are as wide as another image, out of order, or off the image.

    >>> label_from_rows(np.array([[1.2, np.nan], [2.0, 2.0]]), (3, 2), path=Path("scan.npy")).tolist()
    [[0, 255], [1, 255], [2, 255]]
    """
    height, width = shape
    if rows.shape[1] != width:
        raise CenetError(
            path, f"it has {rows.shape[1]} columns but the image has {width}", "use the rows of this image"
        )
    off, crossed = (rows < 0) | (rows > height), rows[1:] < rows[:-1]
    if off.any():
        boundary, column = np.argwhere(off)[0]
        told = f"boundary {boundary + 1} stands at {rows[boundary, column]:g} in column {column}"
        raise CenetError(path, f"{told}, off the image of {height} rows", "mend it, or write NaN where nobody drew")
    if crossed.any():
        boundary, column = np.argwhere(crossed)[0]
        told = f"boundary {boundary + 2} lies above boundary {boundary + 1} in column {column}"
        raise CenetError(path, told, "put the boundaries in order from top to bottom")
    middles = np.arange(height)[:, None] + 0.5
    label = sum((middles > row).astype(np.uint8) for row in rows)
    return np.where(np.isnan(rows).any(axis=0), IGNORED, label).astype(np.uint8)


def order_columns(drawn: NDArray[np.uint8], *, num_classes: int, one_outside: bool) -> NDArray[np.uint8]:
    """Put the classes of every column in order, from top to bottom.

    Most columns of a map are in order as they are. In the others, where a hole was left between layers or pixels
    strayed, the ordered labelling that differs from the map in the fewest pixels is taken; where that is more than
    `STRAY_PX`, the whole column counts as not drawn, as does one that holds no layer. (Of 15,198 columns of 18 maps of
    eight layers 58 hold no layer, 3 are settled, and 20 left out.)

    Args:
        drawn: Class indices from top to bottom; `IGNORED` where nobody drew.
        num_classes: How many there are, with those above and below.
        one_outside: Whether 0 stands for what is above and for what is below.

    Shape:
        (H, W) to (H, W).

    >>> drawn = np.array([[0, 1, 1, 0, 2, 2, 0], [0] * 7], np.uint8).T
    >>> order_columns(drawn, num_classes=4, one_outside=True).T.tolist()
    [[0, 1, 1, 1, 2, 2, 3], [255, 255, 255, 255, 255, 255, 255]]
    """
    ignored, last = drawn == IGNORED, num_classes - 1
    label = drawn.copy()
    if one_outside:
        label[np.logical_or.accumulate((drawn > 0) & ~ignored, axis=0) & (drawn == 0)] = last
    disordered = ((label < np.maximum.accumulate(np.where(ignored, 0, label), axis=0)) & ~ignored).any(axis=0)
    blank = np.any([((label == outside) | ignored).all(axis=0) for outside in (0, last)], axis=0)
    if disordered.any():
        cost = _differences(drawn[:, disordered], num_classes=num_classes, one_outside=one_outside)
        label[:, disordered], count = _cheapest(cost)
        blank[disordered] = count > STRAY_PX
    return np.where(ignored | blank, IGNORED, label).astype(np.uint8)


def _differences(drawn: NDArray[np.uint8], *, num_classes: int, one_outside: bool) -> NDArray[np.int64]:
    """Return whether each pixel was drawn otherwise than as each class, (H, K, W)."""
    classes = np.arange(num_classes)
    if one_outside:
        classes[-1] = 0
    drawn = drawn[:, None]
    return np.asarray((drawn != classes[:, None]) & (drawn != IGNORED), np.int64)


def _cheapest(cost: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Return in every column the classes, from top to bottom, of the least cost (H, K, W), and that cost."""
    height, num_classes, width = cost.shape
    best = cost.copy()  # of all that is above, if a pixel is of a class
    for row in range(1, height):
        best[row] += np.minimum.accumulate(best[row - 1], axis=0)
    label = np.empty((height, width), np.uint8)
    label[-1] = best[-1].argmin(axis=0)
    for row in range(height - 2, -1, -1):
        allowed = np.arange(num_classes)[:, None] <= label[row + 1]
        label[row] = np.where(allowed, best[row], height + 1).argmin(axis=0)
    return label, best[-1].min(axis=0)
