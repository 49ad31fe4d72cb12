"""Images and labels at another size; neither is shifted by it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.labels.inspect import IGNORED

Shape = tuple[int, int]

TIE = 1e-6  # shares of a pixel that differ by less are equal


def resize(image: NDArray[Any], shape: Shape, *, smooth: bool = True) -> NDArray[np.float32]:
    """Resize an image with pixel centres at halves: bilinear, smoothed first where it shrinks.

    Args:
        image: Its values are kept.
        shape: The new height and width, in pixels.
        smooth: Whether it is smoothed where it shrinks.

    Shape:
        `(H, W)` or `(H, W, C)` to `(*shape)` or `(*shape, C)`.

    >>> resize(np.array([[0.0, 4.0]]), (1, 4)).round(1).tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    if image.shape[:2] == shape:
        return image.astype(np.float32)
    from skimage import transform

    shrinks = shape[0] < image.shape[0] or shape[1] < image.shape[1]
    values = image.astype(np.float32)
    channels = [  # each alone: together they take twice the time, as each is mixed with the next by the weight 0
        transform.resize(
            values[(..., *channel)],
            shape,
            order=1,
            mode="edge",
            preserve_range=True,
            anti_aliasing=shrinks and smooth,
            clip=False,
        )
        for channel in np.ndindex(image.shape[2:])
    ]
    resized = np.stack(channels, axis=-1).reshape(*shape, *image.shape[2:]).astype(np.float32)
    return np.clip(resized, np.nanmin(values), np.nanmax(values), out=resized)


def resize_label(label: NDArray[np.uint8], shape: Shape, *, ordinal: bool) -> NDArray[np.uint8]:
    """Resize a label by area: a new pixel is of the class that covers most of it.

    Where two classes cover equal parts of a pixel, the lower and the higher one alternate like the squares of a
    chessboard. So no edge is shifted on average, as it is by taking the nearest pixel (by half a pixel at half the
    size, by a tenth of a pixel from 256 to 320), and a line of one pixel becomes a dotted one rather than nothing.

    A pixel is `IGNORED` where unannotated ones cover most of it; elsewhere they have no say.

    Args:
        label: Class indices.
        shape: The new height and width, in pixels.
        ordinal: Each class lies inside or below the one before, as the cup in the disc, or a layer below another: a
            pixel is of class k or a later one where these together cover most of it.

    Shape:
        `(H, W)` to `shape`.

    >>> edge = np.repeat(np.uint8([[0], [0], [0], [1]]), 4, axis=1)
    >>> resize_label(edge, (2, 4), ordinal=False).tolist()
    [[0, 0, 0, 0], [1, 0, 1, 0]]
    """
    if label.shape == shape:
        return label.copy()
    ignored = _area_shares(label == IGNORED, shape)
    higher = np.indices(shape).sum(axis=0) % 2 == 1  # which of two equal classes a pixel is of
    classes = np.unique(label[label != IGNORED])
    resized = np.full(shape, classes[0] if classes.size else IGNORED)
    if ordinal:
        for index in classes[1:]:
            share = _area_shares((label >= index) & (label != IGNORED), shape)
            resized = np.where(_is_more(share, (1 - ignored) / 2, equal=higher), index, resized)
    elif classes.size:
        shares = np.stack([_area_shares(label == index, shape) for index in classes])
        is_largest = shares >= shares.max(axis=0) - TIE
        first = is_largest.argmax(axis=0)
        last = len(classes) - 1 - is_largest[::-1].argmax(axis=0)
        resized = classes[np.where(higher, last, first)]
    return np.where(_is_more(ignored, np.float64(0.5), equal=higher), IGNORED, resized).astype(np.uint8)


def _is_more(share: NDArray[np.float64], than: Any, *, equal: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Compare shares with others; where they are the same, `equal` decides."""
    return np.asarray(np.where(np.abs(share - than) <= TIE, equal, share > than))


def _area_shares(mask: NDArray[np.bool_], shape: Shape) -> NDArray[np.float64]:
    """Return the share of each new pixel that a mask covers: (H, W) to `shape`."""
    rows_done = _mean_of_intervals(mask.astype(np.float64), shape[0])
    return _mean_of_intervals(rows_done.T, shape[1]).T


def _mean_of_intervals(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the means of `count` equal intervals of the first axis; a pixel is cut where an interval ends in it."""
    length = len(values)
    ends = np.arange(count + 1) * (length / count)
    whole = np.minimum(ends.astype(int), length - 1)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    sums_at_ends = sums[whole] + (ends - whole)[:, None] * values[whole]
    return np.asarray(np.diff(sums_at_ends, axis=0) * (count / length))
