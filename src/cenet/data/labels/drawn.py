"""Labels that an annotation tool stores as shapes in a file of its own, drawn as class indices when they are read."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.limits import check_size
from cenet.data.io.read import read_image
from cenet.data.labels.shapes import Shape
from cenet.errors import CenetError

if TYPE_CHECKING:
    from cenet.data.sample import Sample

MAX_OVERSHOOT_PX = 1.0  # an outline may reach so far beyond the image without a remark


@dataclass(frozen=True, eq=False)
class DrawnObject:
    """An object that somebody outlined.

    Args:
        value: Its class, from 1; 0 for background, 255 for what counts for nothing.
        shape: What it covers.
        name: What messages call it.
        layer: Objects of a higher layer lie on top.
    """

    value: int
    shape: Shape
    name: str
    layer: int = 0


@dataclass(frozen=True, eq=False)
class DrawnLabel:
    """The objects of an image.

    Args:
        objects: All of them.
        size: Height and width of the image that they were drawn on, where the tool says it.
    """

    objects: tuple[DrawnObject, ...]
    size: tuple[int, int] | None = None

    def values(self) -> tuple[float, ...]:
        """Return the values that the label holds, without drawing it."""
        return tuple(sorted({0.0, *(float(item.value) for item in self.objects)}))

    def digest(self) -> str:
        """Return a checksum of the objects."""
        content = [f"{item.value} {item.layer} ".encode() + item.shape.digest() for item in self.objects]
        return hashlib.sha256(b"|".join([repr(self.size).encode(), *content])).hexdigest()


@dataclass(frozen=True)
class DrawingRemark:
    """Something that is remarkable of a drawn label.

    Args:
        cause: What it is.
        remedy: What the user can do.
        may_be_wrong: Whether it should be checked; otherwise it is for information.
    """

    cause: str
    remedy: str
    may_be_wrong: bool = True


@dataclass
class Drawing:
    """A label as it was drawn, and what was remarkable about it.

    Args:
        label: Class indices (H, W).
        overlap_px: How many pixels two classes claim.
        clipped: The objects that reach beyond the image.
        empty: The objects that cover no pixel.
    """

    label: NDArray[np.uint8]
    overlap_px: int = 0
    clipped: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    def remarks(self) -> list[DrawingRemark]:
        """Return what is remarkable, and what the user can do about it."""
        remarks = []
        if self.overlap_px:
            cause = "objects of two classes overlap, where the smaller one is on top"
            remarks.append(DrawingRemark(cause, "nothing need be done, if this is meant", may_be_wrong=False))
        if self.clipped:
            cause = f"it reaches beyond the image with {', '.join(self.clipped[:3])}"
            remarks.append(DrawingRemark(cause, "check that the label belongs to this image"))
        if self.empty:
            cause = f"no pixel is covered by {', '.join(self.empty[:3])}"
            remarks.append(DrawingRemark(cause, "outline it again, or remove it"))
        return remarks


def draw_sample_label(sample: "Sample", *, shape: tuple[int, int] | None = None) -> Drawing:
    """Draw the label of a sample, at the size that its tool says, or else that of its image.

    Args:
        sample: One with a drawn label.
        shape: Height and width of its image; without them the image is decoded where the tool does not say the size.

    Raises:
        CenetError: It has no drawn label, its image cannot be read, or an object cannot be drawn.
    """
    if sample.drawn is None:
        raise CenetError(sample.image, "it has no label of shapes", "read its label files")
    size = sample.drawn.size or shape or read_image(sample.image, page=sample.page).shape[:2]
    return draw_label(sample.drawn, (size[0], size[1]), name=label_name(sample))


def label_name(sample: "Sample") -> str:
    """What messages call the drawn label of a sample: its file, and its image.

    Args:
        sample: One with a drawn label.
    """
    return f"{sample.label[0]}, {sample.image.name}"


def draw_label(drawn: DrawnLabel, shape: tuple[int, int], *, name: str) -> Drawing:
    """Draw the objects of an image as class indices.

    Where objects overlap, that of the higher layer is on top, and of one layer the smaller, so that a cup is seen on
    its disc; of two that are equally large the later.

    Args:
        drawn: The objects.
        shape: Height and width of the image.
        name: What messages call the label: its file, and its image.

    Raises:
        CenetError: An object cannot be drawn, or lies outside the image.

    >>> from cenet.data.labels.shapes import Outlines, rectangle
    >>> disc = DrawnObject(1, Outlines((rectangle(0, 0, 3, 1),)), "disc")
    >>> cup = DrawnObject(2, Outlines((rectangle(1, 0, 2, 1),)), "cup")
    >>> draw_label(DrawnLabel((cup, disc)), (1, 4), name="eyes.json, eye.png").label.tolist()
    [[1, 2, 1, 0]]
    """
    height, width = shape
    check_size(Path(name), width=width, height=height)
    drawing = Drawing(np.zeros(shape, np.uint8))
    areas: list[tuple[int, float, DrawnObject]] = []
    for item in drawn.objects:
        with _translate_errors(item, shape, name):
            areas.append((item.layer, -item.shape.area(height, width), item))
    for _, _, item in sorted(areas, key=lambda entry: entry[:2]):
        with _translate_errors(item, shape, name):
            _draw_object(item, drawing)
    return drawing


@contextmanager
def _translate_errors(item: DrawnObject, shape: tuple[int, int], name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        cause = f"{item.name} cannot be drawn on {shape[1]} x {shape[0]} pixels: {error}"
        raise CenetError(name, cause, "correct it in the tool that made it") from error


def _draw_object(item: DrawnObject, drawing: Drawing) -> None:
    height, width = drawing.label.shape
    left, top, right, bottom = item.shape.box(height, width)
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise ValueError(f"it lies outside, from {left:g}, {top:g} to {right:g}, {bottom:g}")
    if min(left, top) < -MAX_OVERSHOOT_PX or right > width + MAX_OVERSHOOT_PX or bottom > height + MAX_OVERSHOOT_PX:
        drawing.clipped.append(item.name)
    patch = item.shape.fill(height, width)
    if not patch.mask.any():
        drawing.empty.append(item.name)
        return
    rows, columns = patch.mask.shape
    part = drawing.label[patch.top : patch.top + rows, patch.left : patch.left + columns]
    covered = part[patch.mask]
    drawing.overlap_px += int(((covered != 0) & (covered != item.value)).sum())
    part[patch.mask] = item.value
