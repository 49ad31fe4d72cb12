"""Images and labels at another size; neither is shifted by it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.labels.inspect import IGNORED

Shape = tuple[int, int]

GAUSSIAN_TRUNCATE = 4.0  # standard deviations, where scipy ends a Gaussian
MAX_PIXELS_READ = 2**24  # of an image, to compute a part of the resized one
BAND_ROWS = 64
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
    pixels = image.reshape(*image.shape[:2], -1)
    whole = slice(0, shape[0]), slice(0, shape[1])
    old = image.shape[0], image.shape[1]
    resized = resize_part(lambda *part: pixels[part], old, shape, whole, smooth=smooth)
    return resized.reshape(*shape, *image.shape[2:])


def resize_part(
    read: Callable[[slice, slice], NDArray[Any]], old: Shape, new: Shape, part: tuple[slice, slice], *, smooth: bool
) -> NDArray[np.float32]:
    """Compute a part of what `resize` gives, to the bit, from those pixels alone that it depends on.

    Args:
        read: Gives the pixels (rows, columns, C) of the image in these rows and columns.
        old: The image's height and width, in pixels.
        new: Height and width after resizing.
        part: The rows and columns of the resized image.
        smooth: As for `resize`.

    Shape:
        (rows, columns, C).

    >>> image = np.random.default_rng(0).random((90, 70, 1))
    >>> part = resize_part(lambda *where: image[where], (90, 70), (40, 80), (slice(8, 30), slice(0, 9)), smooth=True)
    >>> bool((part == resize(image, (40, 80))[8:30, :9]).all())
    True
    """
    if old == new:
        return read(*part).astype(np.float32)
    rows = part[0].stop - part[0].start
    at_once = max(int(MAX_PIXELS_READ / old[1] * new[0] / old[0]), 1)
    if rows > at_once:  # of an image that shrinks much, the pixels would not fit into memory
        tops = range(part[0].start, part[0].stop, at_once)
        pieces = [slice(top, min(top + at_once, part[0].stop)) for top in tops]
        return np.concatenate([resize_part(read, old, new, (piece, part[1]), smooth=smooth) for piece in pieces])
    needed = [find_needed_part(*axis, smooth=smooth) for axis in zip(part, old, new, strict=True)]
    pixels = read(needed[0], needed[1]).astype(np.float32)
    sigmas = [_blur_sigma(*sides, smooth=smooth) for sides in zip(old, new, strict=True)]
    if any(sigmas):
        from scipy import ndimage

        pixels = np.asarray(ndimage.gaussian_filter(pixels, (*sigmas, 0.0), mode="nearest"))
    rows_at, columns_at = (
        _source_positions(axis, before, after) - first.start
        for axis, before, after, first in zip(part, old, new, needed, strict=True)
    )
    resized = np.empty((len(rows_at), len(columns_at), pixels.shape[2]), np.float32)
    for top in range(0, len(rows_at), BAND_ROWS):  # what is computed in between stays in the cache
        band = slice(top, top + BAND_ROWS)
        resized[band] = _interpolate(_interpolate(pixels, 0, rows_at[band]), 1, columns_at)
    return resized


def _interpolate(values: NDArray[np.float32], axis: int, positions: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values at positions along an axis, linearly between its elements; beyond its ends those at the ends.

    Several times as fast as `scipy.ndimage.zoom`. In float64 no value leaves the range of those it lies between.
    """
    last = values.shape[axis] - 1
    positions = np.clip(positions, 0, last)
    lower = np.floor(positions).astype(np.intp)
    below = np.take(values, lower, axis)
    result: NDArray[np.float64] = np.take(values, np.minimum(lower + 1, last), axis).astype(np.float64)
    result -= below
    result *= (positions - lower).reshape(-1, *(1,) * (values.ndim - axis - 1))
    result += below
    return result.astype(np.float32)


def find_needed_part(part: slice, old: int, new: int, *, smooth: bool) -> slice:
    """Which rows (or columns) of an image those of the resized one depend on.

    Args:
        part: The rows of the resized image.
        old: How many the image has.
        new: How many the resized image has.
        smooth: As for `resize`.

    >>> find_needed_part(slice(4, 8), 20, 10, smooth=False), find_needed_part(slice(4, 8), 20, 20, smooth=True)
    (slice(8, 16, None), slice(4, 8, None))
    """
    if old == new:
        return part
    positions = _source_positions(part, old, new)
    radius = int(GAUSSIAN_TRUNCATE * _blur_sigma(old, new, smooth=smooth) + 0.5)
    return slice(max(math.floor(positions[0]) - radius, 0), min(math.floor(positions[-1]) + 2 + radius, old))


def _source_positions(part: slice, old: int, new: int) -> NDArray[np.float64]:
    """Where the centres of pixels of the resized image lie in the image."""
    return (np.arange(part.start, part.stop) + 0.5) * (old / new) - 0.5


def _blur_sigma(old: int, new: int, *, smooth: bool) -> float:
    """The width of the Gaussian that smooths an axis that shrinks, in pixels, as in `skimage.transform.resize`."""
    return max(0.0, (old / new - 1) / 2) if smooth else 0.0


def resize_label(label: NDArray[np.uint8], shape: Shape, *, ordinal: bool) -> NDArray[np.uint8]:
    """Resize a label by area: a new pixel is of the class that covers most of it.

    Where two classes cover equal parts of a pixel, the lower and the higher one alternate like the squares of a
    chessboard. So no edge is shifted on average, as it is by taking the nearest pixel (by half a pixel at half the
    size, by a tenth of a pixel from 256 to 320), and a line of one pixel becomes a dotted one rather than nothing.

    A pixel is `IGNORED` where unannotated ones cover most of it; elsewhere they do not count.

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
