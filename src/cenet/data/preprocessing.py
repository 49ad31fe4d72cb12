"""How an image meets the network, and the way back: the one place where anything is resized, padded or cut."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cenet.data.resampling import Shape, resize, resize_label

Window = tuple[slice, slice]
Box = tuple[int, int, int]


@dataclass(frozen=True)
class ResizePolicy:
    """What a recipe says of size, and what the network demands of it.

    Args:
        resize_mode: `native`: the image's size times `scale`; `longest`: the longest side becomes `size_px`;
            `square`: both sides become `size_px`, whatever the aspect; `field-of-view`: the diameter of the field of
            view becomes `size_px`.
        scale: Factor of `native`.
        size_px: Pixels of the others.
        around: Side of the square that is cut out of the image, in diameters of the field of view; None: all of it.
        tile_px: Larger images meet the network in overlapping windows of this side.
        stride: The network's sides are multiples of this.
        min_size: The network's smallest side, in pixels.
        smooth: Smooth an image before it shrinks; off, as the authors' code resizes.
        clip: Least and largest value of an image; what lies beyond becomes it.

    >>> place = ResizePolicy(stride=32, min_size=192).for_image((100, 230))
    >>> place.forward(np.ones((100, 230, 3), np.uint8)).shape
    (192, 256, 3)
    >>> place.inverse(np.ones((1, 192, 256), np.float32)).shape
    (1, 100, 230)
    """

    resize_mode: Literal["native", "longest", "square", "field-of-view"] = "native"
    scale: float = 1.0
    size_px: int = 448
    around: float | None = None
    tile_px: int = 1536
    stride: int = 32
    min_size: int = 192
    smooth: bool = True
    clip: tuple[float, float] = (-np.inf, np.inf)

    @property
    def needs_field_of_view(self) -> bool:
        """Whether it has to know an image's field of view."""
        return self.resize_mode == "field-of-view" or self.around is not None

    def for_image(
        self, shape: Shape, *, diameter: float | None = None, centre: Shape | None = None
    ) -> "SpatialTransform":
        """How an image meets the network.

        Args:
            shape: Its height and width.
            diameter: Of its field of view, in pixels, for a geometry that needs it; else the shorter side.
            centre: Row and column of what it is cut around; else the middle.
        """
        measured, box = diameter, None
        diameter = diameter or float(min(shape))
        if self.around is not None:
            side = max(round(self.around * diameter), 1)
            row, column = centre or (shape[0] // 2, shape[1] // 2)
            box = (row - side // 2, column - side // 2, side)
        height, width = shape if box is None else (box[2], box[2])
        if self.resize_mode == "square":
            inner = (self.size_px, self.size_px)
        else:
            length = max(shape) if self.resize_mode == "longest" else diameter
            factor = self.scale if self.resize_mode == "native" else self.size_px / length
            inner = (max(round(height * factor), 1), max(round(width * factor), 1))
        window = max(self.tile_px // self.stride * self.stride, self.min_size)
        return SpatialTransform(
            shape,
            inner,
            self.round_to_stride(inner[0]),
            self.round_to_stride(inner[1]),
            window,
            self.smooth,
            box,
            measured,
            self.clip,
        )

    def round_to_stride(self, side: int) -> int:
        return max(-(-side // self.stride) * self.stride, self.min_size)


@dataclass(frozen=True)
class SpatialTransform:
    """One image's way to the network and back.

    Args:
        shape: The image's own height and width.
        inner: Height and width after resizing.
        height, width: After padding, legal for the network.
        window: Side of the windows, in pixels.
        smooth: Smooth before shrinking.
        box: The square that is cut out first: its top row, left column and side; it may reach beyond the image.
        diameter: Of the field of view by which the image is scaled or cut; None where it was not measured.
        clip: Least and largest value of the image; what lies beyond becomes it.
    """

    shape: Shape
    inner: Shape
    height: int
    width: int
    window: int
    smooth: bool = True
    box: Box | None = None
    diameter: float | None = None
    clip: tuple[float, float] = (-np.inf, np.inf)

    def forward(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Clip, resize and pad: the image as the network sees it.

        Args:
            image: Its values within `clip` are kept; bilinear, smoothed first where it shrinks.

        Shape:
            `(H, W[, C])` to `(height, width[, C])`. It is reflected into the padding. Where a box reaches beyond the
            image, its border is repeated.
        """
        if self.box is not None:
            image = self._cut(image, mode="edge")
        if self.clip != (-np.inf, np.inf):
            image = np.clip(image.astype(np.float32), *self.clip)
        return self._pad(resize(image, self.inner, smooth=self.smooth))

    def forward_label(self, label: NDArray[np.uint8], *, ordinal: bool) -> NDArray[np.uint8]:
        """Resize and pad a label or a region as its image, by area, see `cenet.data.resampling.resize_label`.

        Args:
            label: Class indices.
            ordinal: Whether each class lies inside or below the one before.

        Shape:
            `(H, W)` to `(height, width)`, reflected into the padding. Where a box reaches beyond the image it is 0.
        """
        if self.box is not None:
            label = self._cut(label, mode="constant")
        return self._pad(resize_label(label, self.inner, ordinal=ordinal))

    def inverse(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut the padding off and resize back: the network's answer in the image's own geometry.

        Shape:
            `(K, height, width)` to `(K, H, W)`; outside a box they are 0.
        """
        shape = self.shape if self.box is None else (self.box[2], self.box[2])
        inside = np.moveaxis(resize(np.moveaxis(self.crop(probabilities), 0, -1), shape, smooth=self.smooth), -1, 0)
        if self.box is None:
            return inside
        whole = np.zeros((len(inside), *self.shape), np.float32)
        ours, theirs = self._overlap
        whole[:, *ours] = inside[:, *theirs]
        return whole

    def _pad(self, array: NDArray[Any]) -> NDArray[Any]:
        return np.pad(array, [*self._padding, *[(0, 0)] * (array.ndim - 2)], mode="symmetric")

    @property
    def _overlap(self) -> tuple[Window, Window]:
        """What box and image share: as part of the image, and as part of the box."""
        assert self.box is not None
        top, left, side = self.box
        starts = [
            (start, max(start, 0), min(start + side, length))
            for start, length in zip((top, left), self.shape, strict=False)
        ]
        rows, columns = (slice(low, max(low, high)) for _, low, high in starts)
        below, beside = (slice(low - start, max(low, high) - start) for start, low, high in starts)
        return (rows, columns), (below, beside)

    def _cut(self, image: NDArray[Any], *, mode: Literal["edge", "constant"]) -> NDArray[Any]:
        assert self.box is not None
        ours, (rows, columns) = self._overlap
        side = self.box[2]
        missing = [(part.start, side - part.stop) for part in (rows, columns)] + [(0, 0)] * (image.ndim - 2)
        return np.pad(image[ours], missing, mode=mode)

    def crop(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut the padding off, and stay at the network's scale: `(K, height, width)` to `(K, *inner)`."""
        (top, _), (left, _) = self._padding
        return probabilities[:, top : top + self.inner[0], left : left + self.inner[1]]

    @property
    def _padding(self) -> tuple[Shape, Shape]:
        vertical, horizontal = self.height - self.inner[0], self.width - self.inner[1]
        return (vertical // 2, vertical - vertical // 2), (horizontal // 2, horizontal - horizontal // 2)

    def windows(self) -> Iterator[Window]:
        """The windows that cover the padded image; one, where it is small enough."""
        for top in window_starts(self.height, self.window):
            for left in window_starts(self.width, self.window):
                yield slice(top, min(top + self.window, self.height)), slice(left, min(left + self.window, self.width))

    @cached_property
    def _taper(self) -> NDArray[np.float32]:
        side = np.minimum(np.arange(self.window) + 1, np.arange(self.window)[::-1] + 1).astype(np.float32)
        return np.minimum(side, self.window / 4)

    def merge_windows(self, answers: Iterator[tuple[Window, NDArray[np.float32]]]) -> NDArray[np.float32]:
        """Join the windows' answers; where windows overlap, the one whose middle is nearer counts more.

        Args:
            answers: Those of `windows`, in its order.

        Shape:
            windows of `(K, h, w)` to `(K, height, width)`.
        """
        merged = np.zeros((0, self.height, self.width), np.float32)
        for rows, band in self.merge_bands(answers):
            if not len(merged):
                merged = np.zeros((len(band), self.height, self.width), np.float32)
            merged[:, rows] = band
        return merged

    def merge_bands(
        self, answers: Iterator[tuple[Window, NDArray[np.float32]]]
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Join the windows' answers row by row of windows, so that no more than one such row is in memory.

        Where all windows agree on a pixel, their mean is that value to the bit: each answer moves the mean towards
        itself by its share of the weight so far.

        Args:
            answers: Those of `windows`, in its order.

        Yields:
            Rows that no later window reaches, and their probabilities, from the top down without gaps.

        Shape:
            windows of `(K, h, w)` to bands of `(K, rows, width)`.
        """
        top, mean, weight = 0, np.zeros((0, 0, self.width), np.float32), np.zeros((0, self.width), np.float32)
        for (rows, columns), answer in answers:
            if rows.start > top:  # a new row of windows: what lies above it is final
                finished = rows.start - top
                yield slice(top, rows.start), mean[:, :finished]
                top, mean, weight = rows.start, mean[:, finished:], weight[finished:]
            missing = rows.stop - top - len(weight)
            if missing > 0:
                below = np.zeros((len(answer), missing, self.width), np.float32)
                mean = np.concatenate([mean, below], axis=1) if len(weight) else below
                weight = np.concatenate([weight, below[0]])
            taper = np.outer(self._taper[: answer.shape[1]], self._taper[: answer.shape[2]])
            weight[:, columns] += taper
            mean[:, :, columns] += (answer - mean[:, :, columns]) * (taper / weight[:, columns])
        yield slice(top, self.height), mean


def window_starts(length: int, window: int) -> list[int]:
    """Evenly spread starts of windows that overlap by a quarter or more.

    >>> window_starts(100, 100), window_starts(150, 100)
    ([0], [0, 50])
    """
    if length <= window:
        return [0]
    count = -(-(length - window) // (window * 3 // 4)) + 1
    return [round(index * (length - window) / (count - 1)) for index in range(count)]


def augment_view(image: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """View `number` of the eight: number % 4 quarter turns, after a left-right flip where it is 4 or more.

    Shape:
        `(..., H, W)` to `(..., H, W)` or `(..., W, H)`.

    Reference:
        The paper's test augmentation, as in the authors' code.

    >>> image = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    >>> sorted(int(augment_view(image, number)[0, 0]) for number in range(8))
    [1, 1, 2, 2, 3, 3, 4, 4]
    """
    flipped = image[..., ::-1] if number >= 4 else image
    return np.rot90(flipped, number % 4, axes=(-2, -1))


def undo_view(image: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Undo `augment_view`.

    >>> image = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    >>> all((undo_view(augment_view(image, number), number) == image).all() for number in range(8))
    True
    """
    turned = np.rot90(image, -(number % 4), axes=(-2, -1))
    return turned[..., ::-1] if number >= 4 else turned
