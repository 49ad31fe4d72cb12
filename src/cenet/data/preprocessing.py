"""How an image meets the network, and the way back: the one place where anything is resized, padded or cut."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cenet.data.resampling import Shape, find_needed_part, resize, resize_label, resize_part
from cenet.data.windows import Window, WindowGrid

Box = tuple[int, int, int]

BAND_ROWS = 256  # of an image, that are put back at once


class PixelSource(Protocol):
    """An image `(H, W, C)` of which parts can be read: an array, or what reads them from a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __getitem__(self, part: Window, /) -> NDArray[Any]: ...


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
        self,
        shape: Shape,
        *,
        diameter: float | None = None,
        centre: Shape | None = None,
        zoom: tuple[float, float] = (1.0, 1.0),
    ) -> "SpatialTransform":
        """How an image meets the network.

        Args:
            shape: Its height and width.
            diameter: Of its field of view, in pixels, for a geometry that needs it; else the shorter side.
            centre: Row and column of what it is cut around; else the middle.
            zoom: Further factors of height and width of `native`.
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
            down, across = zoom if self.resize_mode == "native" else (1.0, 1.0)
            inner = (max(round(height * factor * down), 1), max(round(width * factor * across), 1))
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
        return self._pad(resize(self._clip(image), self.inner, smooth=self.smooth))

    def _clip(self, image: NDArray[Any]) -> NDArray[Any]:
        return image if self.clip == (-np.inf, np.inf) else np.clip(image.astype(np.float32), *self.clip)

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

    @cached_property
    def windows(self) -> WindowGrid:
        """The windows that cover the padded image; one, where it is small enough."""
        return WindowGrid(self.height, self.width, self.window)

    def iterate_windows(self, image: PixelSource) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        """Yield each window with what the network sees in it: that part of `forward`, to the bit.

        Args:
            image: Its pixels, `(H, W, C)`; of one that is no array only the parts that a window needs are read.

        Shape:
            windows of `(h, w, C)`.
        """
        if isinstance(image, np.ndarray) and (self.box is not None or len(self.windows) == 1):
            entered = self.forward(image)
            yield from ((window, entered[window]) for window in self.windows)
            return
        self._refuse_box()
        for window in self.windows:
            yield window, self._forward_window(image, window)

    def _forward_window(self, image: PixelSource, window: Window) -> NDArray[np.float32]:
        rows, columns = (
            np.pad(np.arange(side), padding, mode="symmetric")[part]
            for side, padding, part in zip(self.inner, self._padding, window, strict=True)
        )
        top, left = int(rows.min()), int(columns.min())
        part = slice(top, int(rows.max()) + 1), slice(left, int(columns.max()) + 1)
        resized = resize_part(lambda *where: self._clip(image[where]), self.shape, self.inner, part, smooth=self.smooth)
        return resized[np.ix_(rows - top, columns - left)]

    def inverse_bands(
        self, bands: Iterator[tuple[slice, NDArray[np.float32]]]
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Put the network's answer back into the image's own geometry, as `inverse` does to the bit, band by band.

        Args:
            bands: Rows at the network's scale and their probabilities, from the top down without gaps.

        Yields:
            Rows of the image and their probabilities, likewise.

        Shape:
            bands of `(K, rows, width)` to bands of `(K, rows, W)`.
        """
        self._refuse_box()
        (top, _), (left, _) = self._padding
        height, width = self.inner
        held, start = np.zeros((0, width, 0), np.float32), 0  # rows of the network's scale (rows, width, K)

        def read(rows: slice, columns: slice) -> NDArray[np.float32]:
            return held[rows.start - start : rows.stop - start, columns]

        for first in range(0, self.shape[0], BAND_ROWS):
            rows = slice(first, min(first + BAND_ROWS, self.shape[0]))
            needed = find_needed_part(rows, height, self.shape[0], smooth=self.smooth)
            while start + len(held) < needed.stop:
                band_rows, band = next(bands)
                inside = band[:, max(top - band_rows.start, 0) : top + height - band_rows.start, left : left + width]
                inside = np.moveaxis(inside, 0, -1)
                held = np.concatenate([held, inside]) if held.size else inside
            held, start = held[needed.start - start :], needed.start
            part = rows, slice(0, self.shape[1])
            yield rows, np.moveaxis(resize_part(read, self.inner, self.shape, part, smooth=self.smooth), -1, 0)

    def _refuse_box(self) -> None:
        if self.box is not None:
            raise ValueError("a square is cut out of an image in memory only")
