"""The fingerprint of a data set: what its images have in common, as far as a training depends on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cenet.planning.measure import ImageMeasurements
from cenet.safe_text import format_count, format_digits

MIN_COMPARED = 6  # images with a foreground, below which nothing is said of where classes lie


@dataclass(frozen=True)
class Symmetry:
    """How alike the images are in where their classes lie: correlations of coarse maps with those of the others.

    Args:
        upright: As they are.
        mirrored: One of the two mirrored left to right.
        upside_down: One of the two turned upside down.
        prefer_upright: The share of the images that fit the others better as they are than upside down.
    """

    upright: float
    mirrored: float
    upside_down: float
    prefer_upright: float


@dataclass(frozen=True)
class DataFingerprint:
    """What was measured of the training and validation images of a data set.

    Args:
        images: How many there are.
        groups: How many groups they form.
        test_images: How many more are held out, of which nothing was measured.
        test_groups: How many groups those form.
        height_px, width_px: The median size.
        longest_px: The longest side of the smallest and of the largest image.
        channels: Of each image.
        dtype: Type of their values.
        value_range: Their darkest and brightest value.
        classes: The foreground classes.
        nested: Whether each class lies inside the one before.
        class_shares: The share of each foreground class in the pixels that count.
        widths_px: The median width of each foreground class.
        width_spread: How much that differs from image to image: the standard deviation of its logarithm, for the
            class that differs least.
        relative_width_spread: Likewise of the width as a share of the longest side.
        empty_images: How many have no foreground.
        region_share: The share of the images inside their regions or fields of view; None where they have none.
        colour_spread: How much the colour differs from image to image: the standard deviation of the channels' means,
            each without the image's own brightness, as a share of the range of values.
        symmetry: Where the classes lie; None where that says nothing.
        fundus: Whether the images are fundus photographs with a field of view.
    """

    images: int
    groups: int
    height_px: int
    width_px: int
    longest_px: tuple[int, int]
    channels: int
    classes: tuple[str, ...]
    class_shares: tuple[float, ...]
    widths_px: tuple[float, ...]
    test_images: int = 0
    test_groups: int = 0
    dtype: str = "uint8"
    value_range: tuple[float, float] = (0.0, 255.0)
    nested: bool = False
    width_spread: float = 0.0
    relative_width_spread: float = 0.0
    empty_images: int = 0
    region_share: float | None = None
    colour_spread: float = 0.0
    symmetry: Symmetry | None = None
    fundus: bool = False

    def describe(self) -> list[str]:
        """Return the fingerprint in a few lines.

        >>> for line in DataFingerprint(20, 20, 584, 565, (584, 584), 3, ("vessel",), (0.1,), (2.0,)).describe():
        ...     print(line)
        20 images in 20 groups, 565 x 584 px, 3 channels of uint8 from 0 to 255
        vessel: 10 % of the pixels, 2 px wide
        """
        low, high = self.longest_px
        size = f"{self.width_px} x {self.height_px} px"
        if low != high:
            size += f" in the middle, the longest side from {low} to {high} px"
        channels, (lowest, highest) = format_count(self.channels, "channel"), self.value_range
        values = f"{channels} of {self.dtype} from {lowest:g} to {highest:g}"
        images = f"{format_count(self.images, 'image')} in {format_count(self.groups, 'group')}"
        if self.test_images:
            images += " outside the test part"
        lines = [f"{images}, {size}, {values}"]
        for name, share, width in zip(self.classes, self.class_shares, self.widths_px, strict=True):
            extent = f"{format_digits(width, 3)} px wide" if np.isfinite(width) else "in no image"
            lines.append(f"{name}: {format_digits(100 * share, 2)} % of the pixels, {extent}")
        return lines


def summarise_measurements(
    measured: Sequence[ImageMeasurements],
    *,
    groups: int,
    channels: int,
    dtype: str,
    value_range: tuple[float, float],
    classes: Sequence[str],
    nested: bool = False,
    test_images: int = 0,
    test_groups: int = 0,
    fundus: bool = False,
    has_regions: bool = False,
) -> DataFingerprint:
    """Return the fingerprint of a data set from what was measured of each image.

    Args:
        measured: Of each image; at least one.
        groups: How many groups they form.
        channels: Of each image.
        dtype: Type of their values.
        value_range: Their darkest and brightest value.
        classes: The foreground classes.
        nested: Whether each class lies inside the one before.
        test_images: How many more are held out.
        test_groups: How many groups those form.
        fundus: Whether they are fundus photographs.
        has_regions: Whether pixels count in a part of each image only.
    """
    longest = [max(item.height, item.width) for item in measured]
    pixels = np.array([item.class_px for item in measured], np.float64)
    total = pixels[:, :2].sum() if nested else pixels.sum()  # a nested class holds those inside it
    widths = np.array([item.widths_px for item in measured])
    return DataFingerprint(
        images=len(measured),
        groups=groups,
        test_images=test_images,
        test_groups=test_groups,
        height_px=round(float(np.median([item.height for item in measured]))),
        width_px=round(float(np.median([item.width for item in measured]))),
        longest_px=(min(longest), max(longest)),
        channels=channels,
        dtype=dtype,
        value_range=value_range,
        classes=tuple(classes),
        nested=nested,
        class_shares=tuple((pixels[:, 1:].sum(axis=0) / max(total, 1)).tolist()),
        widths_px=tuple(_median(column) for column in widths.T),
        width_spread=_least_spread(widths),
        relative_width_spread=_least_spread(widths / np.array(longest)[:, None]),
        empty_images=int((pixels[:, 1:].sum(axis=1) == 0).sum()),
        region_share=float(np.mean([item.region_share for item in measured])) if has_regions else None,
        colour_spread=_spread_of_colour([item.channel_means for item in measured]),
        symmetry=_compare_maps([item.class_map for item in measured if sum(item.class_px[1:])]),
        fundus=fundus,
    )


def _median(values: NDArray[np.float64]) -> float:
    present = values[np.isfinite(values)]
    return float(np.median(present)) if present.size else float("nan")


def _least_spread(widths: NDArray[np.float64]) -> float:
    """Return the standard deviation of the logarithm of the class whose width differs least; 0 where it is unknown."""
    spreads = [np.log(column[column > 0]).std() for column in widths.T if (column > 0).sum() > 1]
    return float(min(spreads, default=0.0))


def _spread_of_colour(means: Sequence[tuple[float, ...]]) -> float:
    present = np.array([mean for mean in means if mean])
    if present.ndim < 2 or len(present) < 2 or present.shape[1] < 2:
        return 0.0
    return float((present - present.mean(axis=1, keepdims=True)).std(axis=0).max())


def _compare_maps(maps: Sequence[NDArray[np.float32]]) -> Symmetry | None:
    """Correlate each image's map with the mean of the others, as it is, mirrored and upside down."""
    if len(maps) < MIN_COMPARED:
        return None
    stack = np.stack(maps).astype(np.float64)
    others = (stack.sum(axis=0) - stack) / (len(stack) - 1)
    upright, mirrored, upside_down = (
        np.array([_correlate(one, other) for one, other in zip(turned, others, strict=True)])
        for turned in (stack, stack[..., ::-1], stack[..., ::-1, :])
    )
    prefer_upright = (upright > upside_down).mean()
    return Symmetry(float(upright.mean()), float(mirrored.mean()), float(upside_down.mean()), float(prefer_upright))


def _correlate(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the correlation of two maps over all cells of all classes, each class without its mean."""
    centred = [item - item.mean(axis=(-2, -1), keepdims=True) for item in (one, other)]
    norm = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return float((centred[0] * centred[1]).sum() / norm) if norm > 0 else 0.0
