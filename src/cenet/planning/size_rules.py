"""The rules of size: at which resolution the network sees the images, and in which crops and batches."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cenet.planning.fingerprint import DataFingerprint
from cenet.planning.machine import STEP_PX, Machine
from cenet.safe_text import format_digits

THIN_PX, WIDE_PX = 4, 64  # widths of objects at the network between which an image keeps its size
MAX_ENLARGEMENT = 2.0
SMALLEST_PX = 192  # side of the smallest image that the networks take
LARGEST_CROP_PX = 448
PIXEL_PASSES = 8  # over all pixels, which are too few for a larger scale
DIFFERENT_SIZES = 1.25  # ratio of longest sides
FOLLOWS_SIZE = 0.7  # the width that is a share of the image differs less than this times the width in pixels
ALIKE_WIDTHS = 0.15  # of the logarithm; below it sizes say nothing

Choose = Callable[[str, Any, str], Any]


@dataclass(frozen=True)
class ImageSize:
    """How the network sees the images.

    Args:
        height_px, width_px: The median image at the network's scale.
        crop_px: Side of a training crop; that of the whole image where it is not cropped.
        batch_size: Crops in a batch.
    """

    height_px: float
    width_px: float
    crop_px: int
    batch_size: int

    @property
    def image_px(self) -> float:
        """Pixels of an image."""
        return self.height_px * self.width_px

    @property
    def step_px(self) -> int:
        """Pixels of a batch."""
        return self.batch_size * self.crop_px**2


def choose_size(data: DataFingerprint, machine: Machine, *, pixels: float, choose: Choose) -> ImageSize:
    """Choose resize mode, scale, crop and batch.

    Args:
        data: What was measured of the data set.
        machine: What is known of the machine.
        pixels: How many the network can see in training.
        choose: Notes a choice, and returns the value that counts.
    """
    mode = _choose_mode(data, choose)
    longest = max(data.height_px, data.width_px)
    if mode == "native":
        scale = choose("scale", *_fit_scale(data, pixels))
        height, width = data.height_px * scale, data.width_px * scale
    else:
        scale, reason = _fit_scale(data, pixels)
        measured = longest if mode == "longest" else min(data.height_px, data.width_px)
        size_px = choose("size_px", min(max(_round_to_32(measured * scale), 64), 4096), reason)
        height, width = (side * size_px / measured for side in (data.height_px, data.width_px))
        if mode == "square":
            height = width = size_px
    side = min(max(_round_up_to_32(max(height, width)), SMALLEST_PX), LARGEST_CROP_PX)
    extent = f"the images have {width:.0f} x {height:.0f} px at this scale"
    covers = "a crop holds all of it" if side >= max(height, width) else "a crop holds a part"
    crop_px = choose("crop_px", side, f"{extent}: {covers}") or round(max(height, width))
    share, reason = _memory_share(machine)
    fitting = round(share * STEP_PX / crop_px**2)
    batch_size = choose("batch_size", min(max(fitting, 2), 32), f"crops of {crop_px} px, on {reason}")
    return ImageSize(height, width, crop_px, batch_size)


def _choose_mode(data: DataFingerprint, choose: Choose) -> str:
    low, high = data.longest_px
    if high < DIFFERENT_SIZES * low:
        reason = f"the images have much the same size (longest side {low} to {high} px)"
        return str(choose("resize_mode", "native", reason))
    sizes = f"the longest sides are {low} to {high} px"
    if data.fundus:
        return str(choose("resize_mode", "field-of-view", f"{sizes}, and the eye fills each field of view"))
    absolute, relative = data.width_spread, data.relative_width_spread
    if absolute > ALIKE_WIDTHS and relative < FOLLOWS_SIZE * absolute:
        reason = f"{sizes}, and larger images show larger objects (widths differ by {absolute:.0%} in pixels, by "
        return str(choose("resize_mode", "longest", f"{reason}{relative:.0%} as a share of the image)"))
    reason = f"{sizes}, but their objects do not grow with them (widths differ by {absolute:.0%} in pixels, by "
    return str(choose("resize_mode", "native", f"{reason}{relative:.0%} as a share of the image)"))


def _fit_scale(data: DataFingerprint, pixels: float) -> tuple[float, str]:
    """Return the factor on the images' own size, and why."""
    longest = max(data.height_px, data.width_px)
    measured = [(width, name) for width, name in zip(data.widths_px, data.classes, strict=True) if width > 0]
    if not measured:
        return 1.0, "no object was measured, so the images keep their size"
    width, name = min(measured)
    scale, reason = _scale_for_width(width, name)
    if longest * scale < SMALLEST_PX:
        scale = min(SMALLEST_PX / longest, 2 * MAX_ENLARGEMENT)
        return _round(scale), f"the longest side is {longest} px, and the networks take {SMALLEST_PX} px or more"
    passes = pixels / (data.images * data.height_px * data.width_px * scale**2)
    if passes < PIXEL_PASSES:
        least = min(max(width / 4, 2), WIDE_PX / 2)  # of the width, at the network
        smaller = max(scale * math.sqrt(passes / PIXEL_PASSES), least / width)
        if smaller < scale:
            seen = f"all pixels of {data.images} images of {data.width_px} x {data.height_px} px are seen"
            reason = f"{seen} {passes:.1f} times in this time at scale {scale:.2g}: smaller, with {name} still "
            reason += f"{width * smaller:.2g} px wide"
            scale = smaller
    return _round(scale), reason


def _scale_for_width(width: float, name: str) -> tuple[float, str]:
    measured = f"{name} is {format_digits(width, 3)} px wide in the middle"
    if width < THIN_PX:
        scale = min(THIN_PX / width, MAX_ENLARGEMENT)
        limit = " (the most that is done)" if scale == MAX_ENLARGEMENT < THIN_PX / width else ""
        return scale, f"{measured}, and details narrower than {THIN_PX} px are lost: enlarged {scale:.2g} times{limit}"
    if width > WIDE_PX:
        return WIDE_PX / width, f"{measured}, and {WIDE_PX} px show its shape: smaller images see more around it"
    return 1.0, f"{measured}, between {THIN_PX} and {WIDE_PX}: the images keep their size"


def _memory_share(machine: Machine) -> tuple[float, str]:
    """Return how many times STEP_PX a batch may have, and why."""
    if machine.device == "cpu":
        share = 1.0 if machine.memory_gib >= 6 else 0.5
    else:
        share = 2.0 if machine.memory_gib >= 12 else 1.0
    return share, machine.describe()


def _round(scale: float) -> float:
    return round(scale, 2) if scale >= 0.1 else round(scale, 4)


def _round_to_32(side: float) -> int:
    return max(round(side / 32), 1) * 32


def _round_up_to_32(side: float) -> int:
    return math.ceil(side / 32) * 32
