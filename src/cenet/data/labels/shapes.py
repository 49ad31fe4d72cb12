"""The shapes in which annotation tools store an object: outlines, run lengths, brush strokes and small masks."""

import hashlib
import io
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cenet.data.labels.polygons import Patch, fill_polygon
from cenet.data.labels.run_lengths import decode_brush, decode_runs

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels

MIN_CORNERS, MAX_CORNERS = 32, 4096  # of the polygon that stands for an ellipse


class Shape(Protocol):
    """What an object covers, as it is stored."""

    def fill(self, height: int, width: int) -> Patch:
        """Return which pixels of an image of this size it covers.

        Raises:
            ValueError: It cannot be drawn there.
        """

    def area(self, height: int, width: int) -> float:
        """Return about how many pixels it covers, by which objects are ordered."""

    def box(self, height: int, width: int) -> Box:
        """Return the rectangle around it, which may reach beyond the image."""

    def digest(self) -> bytes:
        """Return a checksum of what is stored."""


@dataclass(frozen=True, eq=False)
class Outlines:
    """Polygons that together cover an object.

    Args:
        polygons: The corners of each, x and y, (N, 2).
        relative: Whether they are shares of the image's sides, not pixels.
    """

    polygons: tuple[NDArray[np.float64], ...]
    relative: bool = False

    def fill(self, height: int, width: int) -> Patch:
        patches = [fill_polygon(points, height, width) for points in self._in_pixels(height, width)]
        return patches[0] if len(patches) == 1 else _unite(patches)

    def area(self, height: int, width: int) -> float:
        total = 0.0
        for points in self._in_pixels(height, width):
            x, y = points[:, 0], points[:, 1]
            total += abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
        return total

    def box(self, height: int, width: int) -> Box:
        points = np.concatenate(self._in_pixels(height, width))
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        return float(left), float(top), float(right), float(bottom)

    def digest(self) -> bytes:
        content = b"".join(np.ascontiguousarray(points, "<f8").tobytes() + b"|" for points in self.polygons)
        return hashlib.sha256(content + bytes([self.relative])).digest()

    def _in_pixels(self, height: int, width: int) -> list[NDArray[np.float64]]:
        return [points * [width, height] if self.relative else points for points in self.polygons]


@dataclass(frozen=True, eq=False)
class Runs:
    """Run lengths within a rectangle, outside and inside in turn.

    Args:
        counts: The lengths.
        left: The first column of the rectangle.
        top: Its first row.
        width: Its width in pixels.
        height: Its height.
        by_rows: Whether they run along rows, not columns.
        whole_image: Whether the rectangle is the image, whose size it must then have.
    """

    counts: tuple[int, ...]
    left: int
    top: int
    width: int
    height: int
    by_rows: bool = False
    whole_image: bool = False

    def fill(self, height: int, width: int) -> Patch:
        if self.whole_image and (self.height, self.width) != (height, width):
            raise ValueError(f"its run lengths are of {self.width} x {self.height} pixels")
        if self.width * self.height > height * width:
            raise ValueError(f"its run lengths are of {self.width} x {self.height} pixels, more than the image has")
        if self.by_rows:
            mask = decode_runs(self.counts, self.width, self.height).T
        else:
            mask = decode_runs(self.counts, self.height, self.width)
        return _clip(Patch(self.top, self.left, mask), height, width)

    def area(self, height: int, width: int) -> float:
        return float(min(sum(self.counts[1::2]), height * width))

    def box(self, height: int, width: int) -> Box:
        return float(self.left), float(self.top), float(self.left + self.width), float(self.top + self.height)

    def digest(self) -> bytes:
        return hashlib.sha256(repr(self).encode()).digest()


@dataclass(frozen=True, eq=False)
class BrushStroke:
    """A brush stroke of Label Studio, over the whole image.

    Args:
        stroke: As for `cenet.data.labels.run_lengths.decode_brush`.
    """

    stroke: bytes

    def fill(self, height: int, width: int) -> Patch:
        return Patch(0, 0, decode_brush(self.stroke, height, width))

    def area(self, height: int, width: int) -> float:
        return float(decode_brush(self.stroke, height, width).sum())

    def box(self, height: int, width: int) -> Box:
        return 0.0, 0.0, float(width), float(height)

    def digest(self) -> bytes:
        return hashlib.sha256(self.stroke).digest()


@dataclass(frozen=True, eq=False)
class MaskInBox:
    """A mask that is stored as a PNG within a rectangle, as LabelMe does.

    Args:
        content: The bytes of the PNG.
        left: The first column of the rectangle.
        top: Its first row.
    """

    content: bytes
    left: int
    top: int

    def fill(self, height: int, width: int) -> Patch:
        return _clip(Patch(self.top, self.left, self._decode(height, width)), height, width)

    def area(self, height: int, width: int) -> float:
        return float(self._decode(height, width).sum())

    def box(self, height: int, width: int) -> Box:
        rows, columns = self._decode(height, width).shape
        return float(self.left), float(self.top), float(self.left + columns), float(self.top + rows)

    def digest(self) -> bytes:
        return hashlib.sha256(self.content + f"{self.left} {self.top}".encode()).digest()

    def _decode(self, height: int, width: int) -> NDArray[np.bool_]:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self.content), formats=("PNG",)) as image:
                if image.width * image.height > height * width:
                    raise ValueError(f"its mask has {image.width} x {image.height} pixels, more than the image")
                return np.asarray(image.convert("L")) > 0
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError("its mask is no undamaged PNG") from error


def rectangle(left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
    """Return the corners of a rectangle.

    >>> rectangle(1, 2, 4, 6).tolist()
    [[1.0, 2.0], [4.0, 2.0], [4.0, 6.0], [1.0, 6.0]]
    """
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def ellipse(x: float, y: float, radius_x: float, radius_y: float, *, turn_deg: float = 0.0) -> NDArray[np.float64]:
    """Return the corners of a polygon that stands for an ellipse, about one for each pixel of its outline.

    Args:
        x: Of its centre.
        y: Likewise.
        radius_x: Half its width.
        radius_y: Half its height.
        turn_deg: How far it is turned clockwise about its centre, in degrees.

    Shape:
        (N, 2).
    """
    longest = max(abs(radius_x), abs(radius_y))
    count = int(np.clip(2 * math.pi * longest, MIN_CORNERS, MAX_CORNERS)) if math.isfinite(longest) else MIN_CORNERS
    angles = np.linspace(0, 2 * math.pi, count, endpoint=False)
    outline = np.stack([radius_x * np.cos(angles), radius_y * np.sin(angles)], axis=1)
    return np.asarray(turn(outline, turn_deg) + np.array([x, y]))


def turn(points: NDArray[np.float64], turn_deg: float) -> NDArray[np.float64]:
    """Turn points clockwise about the origin, as seen on an image, whose rows count downwards.

    >>> turn(np.array([[1.0, 0.0]]), 90).round(6).tolist()
    [[0.0, 1.0]]
    """
    angle = math.radians(turn_deg)
    matrix = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return np.asarray(points @ matrix, np.float64)


def _unite(patches: list[Patch]) -> Patch:
    filled = [patch for patch in patches if patch.mask.size]
    if not filled:
        return patches[0]
    top, left = min(patch.top for patch in filled), min(patch.left for patch in filled)
    bottom = max(patch.top + patch.mask.shape[0] for patch in filled)
    right = max(patch.left + patch.mask.shape[1] for patch in filled)
    mask = np.zeros((bottom - top, right - left), np.bool_)
    for patch in filled:
        rows = slice(patch.top - top, patch.top - top + patch.mask.shape[0])
        mask[rows, patch.left - left : patch.left - left + patch.mask.shape[1]] |= patch.mask
    return Patch(top, left, mask)


def _clip(patch: Patch, height: int, width: int) -> Patch:
    top, left = max(patch.top, 0), max(patch.left, 0)
    bottom, right = min(patch.top + patch.mask.shape[0], height), min(patch.left + patch.mask.shape[1], width)
    if bottom <= top or right <= left:
        return Patch(0, 0, np.zeros((0, 0), np.bool_))
    return Patch(top, left, patch.mask[top - patch.top : bottom - patch.top, left - patch.left : right - patch.left])
