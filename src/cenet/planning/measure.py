"""What is measured of one labelled image: widths of its objects, its colour, and where its classes lie."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.labels.encoding import IGNORED

COARSE_PX = 512  # longest side of the copy on which wide objects are measured
FINE_PX = 1024  # side of the part in which thin ones are measured
WIDE_PX = 5  # on the coarse copy: wide enough to be measured there
MAP_PX = 16  # side of the map of where the classes lie

Binary = NDArray[np.bool_]


@dataclass(frozen=True)
class ImageMeasurements:
    """What is measured of one image and its label.

    Args:
        height, width: In pixels.
        class_px: The pixels of the background and of each foreground class.
        widths_px: The median width of each foreground class; NaN where the image has none of it.
        channel_means: The mean of each channel inside the region, as a share of the image's own range of values.
        class_map: The share of each foreground class in each cell of a coarse grid, (K, MAP_PX, MAP_PX).
        region_share: The share of the image that counts.
    """

    height: int
    width: int
    class_px: tuple[int, ...]
    widths_px: tuple[float, ...]
    channel_means: tuple[float, ...]
    class_map: NDArray[np.float32]
    region_share: float


def measure_image(
    image: NDArray[Any], label: NDArray[np.uint8], region: Binary | None, *, num_foregrounds: int, nested: bool = False
) -> ImageMeasurements:
    """Measure an image that was read.

    Args:
        image: Its values.
        label: Class indices.
        region: Where pixels count; None means everywhere.
        num_foregrounds: The number of foreground classes.
        nested: Whether each class lies inside the one before, so that it counts with what is inside it.

    Shape:
        Image (H, W, C), label and region (H, W).
    """
    inside = label != IGNORED if region is None else region & (label != IGNORED)
    classes = range(1, num_foregrounds + 1)
    masks = [inside & (label >= k if nested else label == k) for k in classes]
    return ImageMeasurements(
        height=label.shape[0],
        width=label.shape[1],
        class_px=(int((inside & (label == 0)).sum()), *(int(mask.sum()) for mask in masks)),
        widths_px=tuple(measure_width(mask) for mask in masks),
        channel_means=_mean_of_channels(image, inside),
        class_map=np.stack([_shrink_to_grid(mask) for mask in masks]),
        region_share=1.0 if region is None else float(region.mean()),
    )


def measure_width(mask: Binary) -> float:
    """Return the median width of the objects in a mask, in pixels: twice the distance to the edge, along their middle.

    An even width is measured as one less. Wide objects are measured on a coarse copy, thin ones in the part of the
    image that holds most of them.

    Shape:
        (H, W).

    >>> mask = np.zeros((64, 64), bool)
    >>> mask[10:15] = True
    >>> measure_width(mask), measure_width(np.zeros((4, 4), bool))
    (5.0, nan)
    """
    if not mask.any():
        return float("nan")
    factor = -(-max(mask.shape) // COARSE_PX)
    if factor > 1:
        coarse = _median_width(mask[factor // 2 :: factor, factor // 2 :: factor])
        if coarse >= WIDE_PX:
            return float(coarse * factor)
    return _median_width(_densest_part(mask))


def _median_width(mask: Binary) -> float:
    from scipy import ndimage
    from skimage.morphology import skeletonize

    if not mask.any():
        return 0.0
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return float(np.median(2 * distance[skeletonize(mask)] - 1))


def _densest_part(mask: Binary) -> Binary:
    """Return the square of FINE_PX, of those on a grid that reaches every border, that holds most of a mask."""
    height, width = mask.shape
    rows, columns = (
        sorted({*range(0, max(side - FINE_PX, 0), FINE_PX // 2), max(side - FINE_PX, 0)}) for side in (height, width)
    )
    parts = [mask[row : row + FINE_PX, column : column + FINE_PX] for row in rows for column in columns]
    return max(parts, key=np.count_nonzero)


def _mean_of_channels(image: NDArray[Any], inside: Binary) -> tuple[float, ...]:
    step = -(-max(image.shape[:2]) // COARSE_PX)
    values = image[::step, ::step][inside[::step, ::step]].astype(np.float64)
    if not len(values):
        return ()
    low, high = np.percentile(image[::step, ::step], (0.5, 99.5))
    return tuple(((values.mean(axis=0) - low) / max(high - low, 1e-6)).clip(0, 1).tolist())


def _shrink_to_grid(mask: Binary) -> NDArray[np.float32]:
    from PIL import Image

    shares = Image.fromarray(mask.astype(np.float32)).resize((MAP_PX, MAP_PX), Image.Resampling.BOX)
    return np.asarray(shares, np.float32)
