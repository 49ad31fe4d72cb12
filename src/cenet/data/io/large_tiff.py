"""Read a TIFF that is too large for the memory in parts: the rows that are needed, and no others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.decode import check_page
from cenet.data.io.decoding_errors import translate_decoding_errors
from cenet.data.io.limits import max_bytes, max_pixels
from cenet.data.io.magic import is_dicom, read_start
from cenet.data.io.ome import find_tiff_images
from cenet.data.io.tiff_decode import decode_tiff, find_decoded_type
from cenet.data.io.tiff_layout import TiffLayout, read_tiff_layout
from cenet.data.io.tiff_tags import TIFF_STARTS
from cenet.errors import CenetError

ROWS_AT_ONCE = 256  # in a pass over the whole image
MAX_COPY_PX = 2048  # longest side of the small copy of an image


class LargeTiff:
    """A page of a TIFF of which parts are read: `tiff[rows, columns]` with two slices.

    The rows that were read last stay in memory, so that windows that lie beside each other are decoded once.

    Args:
        path: The file.
        layouts: Of the page, or of the pages that hold a channel each.
    """

    def __init__(self, path: Path, layouts: Sequence[TiffLayout]) -> None:
        self.path, self.layouts = path, layouts
        layout = layouts[0]
        self.shape = (layout.height, layout.width, sum(each.channels for each in layouts))
        self.dtype = find_decoded_type(path, layout)
        self._first_row, self._rows = 0, np.zeros((0, *self.shape[1:]), self.dtype)

    def __getitem__(self, part: tuple[slice, slice]) -> NDArray[Any]:
        rows, columns = part
        first, last = self._first_row, self._first_row + len(self._rows)
        if not first <= rows.start <= last:  # nothing of what is held is needed
            first = last = rows.start
            self._rows = self._rows[:0]
        if rows.stop > last:
            with translate_decoding_errors(self.path):
                channels = [decode_tiff(self.path, layout, slice(last, rows.stop)) for layout in self.layouts]
                below = np.concatenate(channels, axis=2) if len(channels) > 1 else channels[0]
            kept = self._rows[rows.start - first :]
            self._rows = np.concatenate([kept, below]) if len(kept) else below
            first = rows.start
        self._first_row = first
        return self._rows[rows.start - first : rows.stop - first, columns]

    def iterate_bands(self, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield the rows of the whole image from the top, and their pixels."""
        for top in range(0, self.shape[0], rows_at_once):
            rows = slice(top, min(top + rows_at_once, self.shape[0]))
            yield rows, self[rows, slice(0, self.shape[1])]


def open_large_tiff(path: Path, *, page: int | None = None) -> LargeTiff | None:
    """Open an image that is to be read in parts: a TIFF above the limits of what is read at once.

    Args:
        path: The file.
        page: Which page, from 0; None for the only one.

    Returns:
        The image; None where it is within the limits, or no TIFF.

    Raises:
        CenetError: It is above the limits, and is damaged or stored in a way that cannot be read in parts.

    >>> import tempfile, tifffile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(Path(folder, "small.tif"), np.zeros((20, 30), np.uint8))
    ...     open_large_tiff(Path(folder, "small.tif"))
    """
    if not path.is_file() or not read_start(path).startswith(TIFF_STARTS) or is_dicom(path):
        return None
    with translate_decoding_errors(path):
        images = find_tiff_images(path)
        check_page(path, len(images), page)
        layouts = [read_tiff_layout(path, each, in_parts=True) for each in images[page or 0]]
        layout = layouts[0]
        pixels, pixel_bytes = layout.width * layout.height, layout.samples * ceil(layout.bits / 8) * len(layouts)
        if pixels <= max_pixels() and pixels * pixel_bytes <= max_bytes():
            return None
        if len({(each.width, each.height, each.bits, each.sample_format, each.samples) for each in layouts}) > 1:
            raise CenetError(path, "its channels differ in size or type", "save all of them alike")
        if layout.photometric not in (1, 2) or layout.orientation != 1:
            cause = "is too large to be read at once, and neither upright grey nor RGB, as which it is read in parts"
            raise CenetError(path, cause, "save it as grey or RGB, upright, in tiles, or crop it")
        return LargeTiff(path, layouts)


def is_large_tiff(path: Path, *, page: int | None = None) -> bool:
    """Whether an image is to be read in parts; one that is damaged is not, and its reading is refused later.

    Args:
        path: The file.
        page: Which page, from 0; None for the only one.
    """
    try:
        return open_large_tiff(path, page=page) is not None
    except CenetError:
        return False


@dataclass(frozen=True)
class SmallCopy:
    """A small copy of a large image, with what is known once all of its pixels were read.

    Args:
        pixels: Means over squares, (h, w, C), in the type of the image.
        factor: Side of these squares, in pixels.
        is_uniform: Whether all pixels of the image are equal.
        has_equal_channels: Whether the image is grey, though it may have several channels.
    """

    pixels: NDArray[Any]
    factor: int
    is_uniform: bool
    has_equal_channels: bool


def make_small_copy(image: LargeTiff) -> SmallCopy:
    """Read a large image once, from the top, and shrink it; what lies at its edges and fills no square is left out.

    Raises:
        CenetError: It is damaged.
    """
    factor = min(ceil(max(image.shape[:2]) / MAX_COPY_PX), *image.shape[:2])
    first_pixel, is_uniform, has_equal_channels = image[slice(0, 1), slice(0, 1)][0, 0], True, True
    bands = []
    for _, band in image.iterate_bands(factor * max(ROWS_AT_ONCE // factor, 1)):
        is_uniform = is_uniform and bool((band == first_pixel).all())
        has_equal_channels = has_equal_channels and bool((band == band[..., :1]).all())
        rows, columns = band.shape[0] // factor, band.shape[1] // factor
        squares = band[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, -1)
        means = squares.mean((1, 3), dtype=np.float32)
        bands.append(means if image.dtype == np.float32 else np.rint(means).astype(image.dtype))
    return SmallCopy(np.concatenate(bands), factor, is_uniform, has_equal_channels)
