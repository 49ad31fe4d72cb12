"""How files of images are decoded: by Pillow, or strip by strip where Pillow would damage or refuse a TIFF."""

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cenet.data.io.decoding_errors import FORMATS, translate_decoding_errors
from cenet.data.io.dicom import count_frames, decode_dicom
from cenet.data.io.files import check_regular_file
from cenet.data.io.limits import (
    check_bytes,
    check_jpeg_scans,
    check_run_lengths,
    check_size,
    max_bytes,
)
from cenet.data.io.magic import is_dicom, is_nifti, read_start
from cenet.data.io.nifti import count_slices, decode_nifti
from cenet.data.io.npy import NPY_START, decode_npy
from cenet.data.io.ome import find_tiff_images
from cenet.data.io.tiff_decode import check_segments, decode_tiff
from cenet.data.io.tiff_layout import YCBCR, TiffLayout, read_tiff_layout
from cenet.data.io.tiff_tags import BIG_ENDIAN_BIGTIFF, TIFF_STARTS, TURNED, TiffDirectory
from cenet.errors import CenetError

_GZIP_MARGIN, _PNM_HEADER = 2**16, 2**10  # bytes
_ORIENTATION = 0x0112  # the tag that EXIF and TIFF share
PALETTE = 3  # as PNG and TIFF number it
_OLD_JPEG, _NEW_JPEG = 6, 7  # compressions of TIFF
_RUN_LENGTH_BMP = (1, 2)  # compressions of BMP


def decode(path: Path, *, indices: bool, page: int | None = None) -> NDArray[Any]:
    """Return the values of an image, upright.

    Args:
        path: The file.
        indices: Whether a palette keeps its indices, and one bit is 0 or 1.
        page: Which one of a TIFF with several pages, from 0; None for the only one.

    Shape:
        (H, W, C), C-contiguous, uint8, uint16 or float32.

    Raises:
        CenetError: The file is missing, damaged, too large, no such image, or several images.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "slices.tif")
    ...     first, second = (Image.new("L", (4, 3), value) for value in (7, 9))
    ...     first.save(path, save_all=True, append_images=[second])
    ...     decode(path, indices=False, page=1)[0, 0]
    array([9], dtype=uint8)
    """
    start = _start(path)
    if start.startswith(b"\x89PNG") and start[24:26] in (b"\x10\x02", b"\x10\x04", b"\x10\x06"):
        raise CenetError(path, "Pillow cuts a 16-bit PNG with colour or alpha to 8 bits", "save it as 16-bit TIFF")
    with translate_decoding_errors(path):
        if start.startswith(b"\xff\xd8"):
            check_jpeg_scans(path)
        _check_pnm(path, start)
        if is_dicom(path):  # before TIFF, whose header may stand in the preamble
            values = decode_dicom(path, indices=indices, page=page)
        elif is_nifti(path):
            values = decode_nifti(path, page=page)
        elif start.startswith(NPY_START):
            values = decode_npy(path)
        elif start.startswith(TIFF_STARTS):
            values = _decode_tiff(path, indices=indices, page=page)
        else:
            values = _decode_by_pillow(path, indices=indices, page=page)
    return np.ascontiguousarray(values if values.ndim == 3 else values[..., None])


def page_count(path: Path) -> int:
    """Return how many images a file holds: pages of a TIFF (slices, where OME names channels), frames of a GIF.

    Args:
        path: The file.

    Raises:
        CenetError: The file is missing, damaged or no image.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "slices.tif")
    ...     Image.new("L", (4, 3)).save(path, save_all=True, append_images=[Image.new("L", (4, 3))] * 4)
    ...     page_count(path)
    5
    """
    start = _start(path)
    with translate_decoding_errors(path):
        if is_dicom(path):
            return count_frames(path)
        if is_nifti(path):
            return count_slices(path)
        if start.startswith(NPY_START):
            return 1
        if start.startswith(TIFF_STARTS):
            return len(find_tiff_images(path))
        with _open_content(path) as opened, Image.open(opened, formats=FORMATS) as image:
            return _count_frames(image)


def has_palette(path: Path) -> bool:
    """Return whether a file is a PNG or TIFF with a palette, whose values are indices rather than greys.

    Args:
        path: A file that can be decoded.

    Raises:
        CenetError: It cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "mask.png")
    ...     Image.new("P", (4, 3)).save(path)
    ...     has_palette(path)
    True
    """
    start = _start(path)
    if start.startswith(TIFF_STARTS) and not is_dicom(path):
        return read_tiff_layout(path, 0).photometric == PALETTE
    return start.startswith(b"\x89PNG") and start[25] == PALETTE


def read_page_sizes(path: Path) -> list[tuple[int, int]]:
    """Return height and width of each image of a TIFF, upright; of other files, and of one that is damaged, none.

    Args:
        path: The file; its pixels are not decoded.
    """
    sizes = []
    with suppress(CenetError, OSError, EOFError, ValueError):
        if read_start(path).startswith(TIFF_STARTS) and not is_dicom(path):
            for pages in find_tiff_images(path):
                tags = TiffDirectory(path, pages[0])
                size = tags.number("ImageLength", 0), tags.number("ImageWidth", 0)
                sizes.append(size[::-1] if tags.number("Orientation", 1) in TURNED else size)
    return sizes


def _start(path: Path) -> bytes:
    """Return the first bytes of a file that is there and not empty."""
    check_regular_file(path)
    try:
        with path.open("rb") as file:
            start = file.read(_PNM_HEADER)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CenetError(path, f"the file cannot be read ({reason})", "check name and permissions") from error
    if not start:
        raise CenetError(path, "the file is empty", "copy it again")
    return start


def _decode_tiff(path: Path, *, indices: bool, page: int | None) -> NDArray[Any]:
    """Decode an image of a TIFF, whose channels may lie on a page each."""
    images = find_tiff_images(path)
    check_page(path, len(images), page)
    pages = images[page or 0]
    first = _decode_page(path, pages[0], indices=indices)
    if len(pages) == 1:
        return first
    check_bytes(path, first.nbytes * len(pages))
    channels = [first, *(_decode_page(path, number, indices=indices) for number in pages[1:])]
    if len({(channel.shape, channel.dtype) for channel in channels}) > 1:
        raise CenetError(path, "its channels differ in size or type", "save all of them alike")
    return np.concatenate([np.atleast_3d(channel) for channel in channels], axis=2)


def _decode_page(path: Path, page: int, *, indices: bool) -> NDArray[Any]:
    """Decode a page of a TIFF: by Pillow what it decodes without loss, else strip by strip."""
    layout = read_tiff_layout(path, page)
    black_is_zero, rgb = layout.photometric == 1, layout.photometric == 2
    by_pillow = not read_start(path).startswith(BIG_ENDIAN_BIGTIFF)
    if (
        by_pillow and layout.sample_format == 1 and all(layout.alphas)
    ):  # unsigned integers, without a channel of unknown meaning
        whole_bytes = layout.bits <= 8 and (layout.channels == 1 or layout.photometric > 1)
        if whole_bytes or (layout.bits == 16 and layout.samples == 1 and black_is_zero):
            _check_ycbcr(path, layout)
            return _decode_by_pillow(path, indices=indices, page=page, layout=layout)
    if not (black_is_zero or rgb):
        kind = "TIFF" if by_pillow else "big-endian BigTIFF"
        raise CenetError(path, f"a {kind} of this colour kind is not read", "save it as grey or RGB")
    return _upright(decode_tiff(path, layout), layout.orientation)


def _check_ycbcr(path: Path, layout: TiffLayout) -> None:
    """Refuse a damaged YCbCr TIFF: unless the new kind of JPEG is within, libtiff reads it without an error."""
    if layout.photometric != YCBCR or (layout.compression == _NEW_JPEG and not layout.separate):
        return
    if layout.compression == _OLD_JPEG or layout.separate:
        raise CenetError(path, "damage cannot be noticed in a YCbCr TIFF of this kind", "save it as RGB")
    check_segments(path, layout)


def _decode_by_pillow(path: Path, *, indices: bool, page: int | None, layout: TiffLayout | None = None) -> NDArray[Any]:
    """Decode what Pillow decodes without loss; of a TIFF a page whose layout has been checked."""
    # by name, Pillow 13 maps a grey TIFF into memory before it turns it, and garbles it
    with _open_content(path) as file, Image.open(file, formats=FORMATS) as image:
        if layout is None:
            check_size(path, width=image.width, height=image.height)
            count = _count_frames(image)
            check_page(path, count, page if count == 1 else None)
        image.seek(page or 0)
        if layout and {image.width, image.height} != {layout.width, layout.height}:
            raise ValueError("decoders differ about its size")
        if image.format == "BMP" and image.info.get("compression") in _RUN_LENGTH_BMP:
            check_run_lengths(path, width=image.width, height=image.height)
        image.load()
        mode = image.mode
        if mode in ("P", "PA") and not indices:
            values = np.array(image.convert("RGB"))
        elif mode in ("P", "PA"):
            values = np.array(image).reshape(image.height, image.width, -1)[..., 0]
            values = _map_indices(path, values, image)
        elif mode == "1":
            values = np.array(image, np.uint8) * np.uint8(1 if indices else 255)
        elif mode in ("L", "LA", "RGB", "RGBA"):
            values = np.array(image).reshape(image.height, image.width, -1)[..., : 1 if mode[0] == "L" else 3]
        elif mode.startswith("I;16") or (mode == "I" and image.format == "PPM"):
            values = np.array(image).astype(np.uint16)
        else:
            raise CenetError(path, f"images of mode {mode} are not read", "save it as grey or RGB")
        # a TIFF has been turned by Pillow, which takes the tag away
        return _upright(values, image.getexif().get(_ORIENTATION, 1))


def _upright(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo an EXIF or TIFF orientation; anything but 2 to 8 means upright."""
    if orientation in TURNED:
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values[::-1] if orientation in (3, 4, 7, 8) else values


def _map_indices(path: Path, indices: NDArray[Any], image: Image.Image) -> NDArray[Any]:
    """Return what the indices of a palette stand for: themselves, or in a grey GIF the greys.

    Programs that save a mask as GIF may number its greys in any order. So a grey palette that does not show index 0
    black and higher indices brighter is refused in every file: white may have become index 0.
    """
    colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    used = np.unique(indices)
    if (colours != colours[:, :1]).any():
        return indices
    greys = colours[used, 0].astype(np.int16)
    if (np.diff(greys) < 0).any() or (used[0] == 0 and greys[0] > 0):
        reason = "its grey palette does not rise from black, so it is unclear which value is the background"
        raise CenetError(path, reason, "save it as grey PNG")
    return colours[indices, 0] if image.format == "GIF" else indices


def _count_frames(image: Image.Image) -> int:
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: a JPEG with further images inside


@contextmanager
def _open_content(path: Path) -> Iterator[IO[bytes]]:
    """Open a file; of one that gzip has compressed the content, as far as the limits allow."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            yield file
            return
        file.seek(0)
        content = zlib.decompressobj(wbits=31).decompress(file.read(), max_bytes() + _GZIP_MARGIN)
    check_bytes(path, max(len(content) - _GZIP_MARGIN // 2, 0))
    _check_pnm(path, content[:_PNM_HEADER])
    yield BytesIO(content)


def _check_pnm(path: Path, start: bytes) -> None:
    """Refuse a PPM of 16 bits, which Pillow cuts to 8."""
    header = re.match(rb"P[36]\s(?:\s|#[^\n]*\n)*\d+\s(?:\s|#[^\n]*\n)*\d+\s(?:\s|#[^\n]*\n)*(\d+)\s", start)
    if header and int(header[1]) > 255:
        raise CenetError(path, "Pillow cuts a 16-bit PPM with colour to 8 bits", "save it as 16-bit TIFF")


def check_page(path: Path, count: int, page: int | None) -> None:
    """Refuse a page that is not among the `count` of a file, or no choice among several."""
    if page is None and count != 1:
        raise CenetError(path, f"the file holds {count} images", "save every page or frame as one image")
    if page is not None and not 0 <= page < count:
        held = f"it holds {count}, counted from 0"
        raise CenetError(path, f"there is no page {page} in it, {held}", "use stacks of the same length")
