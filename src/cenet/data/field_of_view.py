"""The field of view of a fundus photograph: the round part that shows the eye, in its dark surround."""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.preprocessing import PixelSource
from cenet.errors import CenetError

Binary = NDArray[np.bool_]
Floats = NDArray[np.float64]

SEARCH_SIZE_PX = 512  # longest side, in pixels, of the copy on which the field of view is sought
MIN_CONTRAST = 0.1  # contrast below which an image shows nothing
MAX_SURROUND = 0.2  # a surround is darker than this share of the brightest parts
EDGE_RISE = 0.08  # share of the way from the surround to the brightest parts at which the field of view begins
MIN_SHARE = 0.05  # smallest share of the image that a field of view covers
MIN_CIRCLE_IOU = 0.85  # overlap (IoU) from which the field of view counts as a circle
BAND_PX = 256  # rows or columns that are handled at once, where parts are read
TRIALS = 400  # circles through three points of the outline


def find_field_of_view(image: NDArray[Any], *, name: str = "image") -> Binary:
    """Find the field of view on a fundus photograph.

    It is assumed to be a circle, cut straight at the sides where the photograph shows it so, and filled: dark vessels,
    a shadow at the rim, text and a tab beside the circle do not change it. Where a circle does not agree with what
    is bright, it is the convex hull of that. A photograph without a dark corner shows the eye everywhere.

    Args:
        image: The photograph, in any type and exposure.
        name: What an error calls the photograph, such as its file.

    Shape:
        (H, W, C) to (H, W).

    Raises:
        CenetError: There is no field of view, as in a black image.

    >>> rows, columns = np.mgrid[:90, :120]
    >>> circle = np.hypot(rows - 44.5, columns - 59.5) < 40
    >>> region = find_field_of_view(np.where(circle, 180, 4)[..., None].astype(np.uint8))
    >>> bool((region != circle).mean() < 0.01), round(measure_diameter(region))
    (True, 80)
    """
    shape = image.shape[0], image.shape[1]
    return _find_outline(_shrink_brightest_channel(image), name=name).draw(shape, slice(0, shape[1]))


def measure_large_diameter(image: PixelSource, *, name: str = "image") -> float:
    """Diameter of the field of view of an image of which parts are read, as `measure_diameter` gives it.

    Args:
        image: The photograph.
        name: What an error calls it.

    Shape:
        (H, W, C).

    Raises:
        CenetError: There is no field of view, as in a black image.
    """
    height, width = image.shape[:2]
    outline = _find_outline(_shrink_in_bands(image), name=name)
    rows, columns = np.zeros(height, bool), np.zeros(width, bool)
    for left in range(0, width, BAND_PX):
        part = slice(left, min(left + BAND_PX, width))
        drawn = outline.draw((height, width), part)
        rows |= drawn.any(1)
        columns[part] = drawn.any(0)
    return float(max(_extent(rows), _extent(columns)))


def _find_outline(light: NDArray[np.float32], *, name: str) -> "_Outline":
    coarse = _shrink(light, 16)
    if np.ptp(coarse) <= MIN_CONTRAST * coarse.max():
        raise CenetError(name, "it is black or the same all over, so there is no field of view", "remove the image")
    side = max(max(light.shape) // 64, 2)
    corners = [light[rows, columns] for rows in _ends(side) for columns in _ends(side)]
    surround = min(corners, key=np.median)
    dark, bright = float(np.median(surround)), float(np.percentile(light, 95))
    if dark > MAX_SURROUND * bright:
        return _Outline()
    body = _keep_largest_part(light > max(dark + EDGE_RISE * (bright - dark), dark + 5 * float(surround.std())))
    if body.mean() < MIN_SHARE:
        raise CenetError(name, "hardly anything on it is bright, so there is no field of view", "remove the image")
    return _fit_outline(body)


def measure_diameter(region: Binary) -> float:
    """Diameter of a field of view in pixels: the longer side of the box around it.

    So it is the width of a circle that is cut at top and bottom. A region without pixels has none: 0.

    Args:
        region: True inside the field of view.

    Shape:
        (H, W).

    >>> measure_diameter(np.array([[False, True, True, True], [False, True, False, False]]))
    3.0
    """
    return float(max(_extent(np.asarray(region.any(axis))) for axis in (0, 1)))


def _extent(line: Binary) -> int:
    inside = np.flatnonzero(line)
    return int(inside[-1] - inside[0] + 1) if inside.size else 0


def _ends(side: int) -> tuple[slice, slice]:
    return slice(None, side), slice(-side, None)


def _shrink_brightest_channel(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return the brightest channel, from zero, with a longest side of SEARCH_SIZE_PX or its own."""
    light = _find_brightest_channel(image)
    return _shrink(light - min(float(light.min()), 0.0), SEARCH_SIZE_PX)


def _find_brightest_channel(image: NDArray[Any]) -> NDArray[np.float32]:
    channels = (image[..., channel] for channel in range(image.shape[2]))
    brightest: NDArray[Any] = reduce(np.maximum, channels)  # much faster than `image.max(axis=2)`
    return brightest.astype(np.float32)


def _shrink_in_bands(image: PixelSource) -> NDArray[np.float32]:
    """What `_shrink_brightest_channel` returns, to the bit, of an image of which parts are read."""
    height, width = image.shape[:2]
    bands = [(slice(top, min(top + BAND_PX, height)), slice(0, width)) for top in range(0, height, BAND_PX)]
    lowest = 0.0
    if image.dtype.kind == "f":
        lowest = min(0.0, *(float(_find_brightest_channel(image[band]).min()) for band in bands))
    factor = min(SEARCH_SIZE_PX / max(height, width), 1.0)
    shrunk = max(round(height * factor), 1), max(round(width * factor), 1)
    narrow = [_make_narrow(_find_brightest_channel(image[band]) - lowest, shrunk[1]) for band in bands]
    return _resize(np.concatenate(narrow), shrunk)  # Pillow too makes an image narrower first, and lower then


def _make_narrow(light: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    return _resize(light, (len(light), width))


def _shrink(light: NDArray[np.float32], longest: int) -> NDArray[np.float32]:
    factor = min(longest / max(light.shape), 1.0)
    height, width = (max(round(side * factor), 1) for side in light.shape)
    return _resize(light, (height, width))


def _resize(light: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    from PIL import Image

    return np.asarray(Image.fromarray(light).resize(shape[::-1], Image.Resampling.BOX))


def _keep_largest_part(bright: Binary) -> Binary:
    """Keep the largest 4-connected part without specks, filled."""
    from scipy import ndimage

    parts, count = ndimage.label(ndimage.binary_opening(bright, iterations=2))
    if not count:
        return np.zeros_like(bright)
    sizes = np.bincount(parts.ravel())[1:]
    return np.asarray(ndimage.binary_fill_holes(parts == 1 + sizes.argmax()))


@dataclass(frozen=True)
class _Outline:
    """A field of view at the size at which it was sought; without circle and hull it is everywhere.

    Args:
        size: Height and width at that size.
        circle: Row, column and radius.
        bounds: The first and last row, and column, where the circle is cut straight.
        hull: The convex hull of what is bright, where no circle agrees with it.
    """

    size: tuple[int, int] = (0, 0)
    circle: Floats | None = None
    bounds: tuple[tuple[float, float], ...] = ()
    hull: Binary | None = None

    def draw(self, shape: tuple[int, int], columns: slice) -> Binary:
        """Draw these columns of it at a size: (H, columns)."""
        if self.hull is not None:
            wide = _resize(self.hull.astype(np.float32), (self.size[0], shape[1]))
            return _resize(np.ascontiguousarray(wide[:, columns]), (shape[0], columns.stop - columns.start)) > 0.5
        if self.circle is None:
            return np.ones((shape[0], columns.stop - columns.start), bool)
        row, column, radius = self.circle
        line = [(np.arange(n) + 0.5) * small / n - 0.5 for n, small in zip(shape, self.size, strict=True)]
        line[1] = line[1][columns]
        within = [(low - 0.5 <= at) & (at <= high + 0.5) for at, (low, high) in zip(line, self.bounds, strict=True)]
        inside = np.hypot(line[0][:, None] - row, line[1] - column) <= radius
        return np.asarray(inside & within[0][:, None] & within[1])


def _fit_outline(body: Binary) -> _Outline:
    """Fit a circle to the outline of a body, cut where the outline is straight."""
    from scipy import ndimage
    from skimage.morphology import convex_hull_image

    outline = np.argwhere(body & ~ndimage.binary_erosion(body, border_value=1)).astype(np.float64)
    if len(outline) < 3:
        return _Outline()
    circle = _find_circle(outline)
    size = body.shape[0], body.shape[1]
    fitted = _Outline(size, circle, tuple(_find_straight_cuts(outline, circle, axis) for axis in (0, 1)))
    small = fitted.draw(size, slice(0, size[1]))
    if (small & body).sum() >= MIN_CIRCLE_IOU * (small | body).sum():
        return fitted
    return _Outline(size, hull=convex_hull_image(body))


def _find_circle(points: Floats) -> Floats:
    """Row, column and radius of the circle on which most points lie, whatever the others are.

    The best of TRIALS circles through three points is fitted to the points within a pixel of it, by least squares.
    """
    triplets = points[np.random.default_rng(0).integers(len(points), size=(TRIALS, 3))]
    candidates = _circles_through_triplets(triplets)
    counts = np.count_nonzero(_are_near(points, candidates, 1), axis=1)
    best: Floats = candidates[int(np.argmax(counts))]
    for _ in range(3):
        best = _fit_circle(points[_are_near(points, best[None], 1.5)[0]])
    best[2] += 0.5  # the outline's pixels lie inside
    return best


def _are_near(points: Floats, circles: Floats, distance: float) -> Binary:
    """Which points lie within a distance of each circle, in pixels: (circles, points)."""
    rows, columns, radii = circles.T[..., None]
    return np.asarray(np.abs(np.hypot(points[:, 0] - rows, points[:, 1] - columns) - radii) <= distance)


def _circles_through_triplets(triplets: Floats) -> Floats:
    """Row, column and radius of the circle through each triplet of points; NaN where they lie on a line."""
    first = triplets[:, 0]
    (row_b, column_b), (row_c, column_c) = (triplets[:, corner].T - first.T for corner in (1, 2))
    square_b, square_c = row_b**2 + column_b**2, row_c**2 + column_c**2
    divisor = 2 * (row_b * column_c - column_b * row_c)  # four times the area of the triangle
    divisor[divisor == 0] = np.nan
    row = (column_c * square_b - column_b * square_c) / divisor
    column = (row_b * square_c - row_c * square_b) / divisor
    return np.stack([row + first[:, 0], column + first[:, 1], np.hypot(row, column)], axis=1)


def _fit_circle(points: Floats) -> Floats:
    """Row, column and radius of the circle of least squares: |p|^2 = 2 p c + r^2 - |c|^2."""
    middle = points.mean(0)
    p = points - middle
    row, column, rest = np.linalg.lstsq(np.c_[2 * p, np.ones(len(p))], (p**2).sum(1), rcond=None)[0]
    return np.array([row + middle[0], column + middle[1], np.sqrt(max(rest + row**2 + column**2, 0.0))])


def _find_straight_cuts(outline: Floats, circle: Floats, axis: int) -> tuple[float, float]:
    """Where the circle is cut on both sides: the rows (axis 0) or columns in which most of a chord is outline."""
    middle, radius = circle[axis], circle[2]
    counts = np.bincount(outline[:, axis].astype(int))
    counts = np.convolve(counts, [1, 1, 1], mode="same")
    offset = np.arange(len(counts)) - middle
    chord = 2 * np.sqrt(np.maximum(radius**2 - offset**2, 0))
    straight = offset[(np.abs(offset) < radius - max(3, 0.02 * radius)) & (counts > 0.6 * chord)]
    low = max(straight[straight < 0], default=-np.inf)
    high = min(straight[straight > 0], default=np.inf)
    return middle + low, middle + high
