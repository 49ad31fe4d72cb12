"""How much a file may decode to: pixels, bytes and passes, checked before anything is decoded."""

import os
import re
from pathlib import Path

from cenet.errors import CenetError

MAX_PIXELS = 80_000_000  # unless the environment variable CENET_MAX_PIXELS says otherwise
MAX_BYTES_PER_PIXEL = 6  # of the largest image: three channels of 16 bits
MAX_JPEG_SCANS = 40  # a progressive JPEG has some 10; each is a pass over the whole image
MAX_TIFF_SEGMENTS = 2**18  # strips or tiles
MAX_PIXELS_IN_PARTS = 10**10  # of an image that is never in memory as a whole
MAX_ROW_BYTES = 2**19  # of a row of such an image, of which some thousand are in memory at once
MAX_PART_BYTES = 2**28  # of a strip or tile of such an image
RUN_LENGTH_SHARE = 8  # Pillow decodes run-length coded BMP files in Python, so they may have so many times fewer pixels

_RAISE = "crop or scale it, or raise --max-pixels"


class ImageTooLargeError(CenetError):
    """An image has more pixels, or takes more memory, than the limits allow."""


def max_pixels() -> int:
    """Return how many pixels an image may have: the environment variable CENET_MAX_PIXELS, or `MAX_PIXELS`.

    The limit keeps a damaged or hostile header from filling the memory.

    Raises:
        CenetError: The variable is no whole number above 0.

    >>> max_pixels()
    80000000
    """
    text = os.environ.get("CENET_MAX_PIXELS", "")
    if not text:
        return MAX_PIXELS
    if not re.fullmatch("[0-9]{1,18}", text) or int(text) == 0:
        raise CenetError(
            "CENET_MAX_PIXELS", f"{text!r} is no number of pixels", "give a whole number such as 200000000"
        )
    return int(text)


def max_bytes() -> int:
    """Return how many bytes the pixels of an image may take.

    >>> max_bytes() // 2**20
    457
    """
    return max_pixels() * MAX_BYTES_PER_PIXEL


def check_size(path: Path, *, width: int, height: int, pixel_bytes: int = 1) -> None:
    """Refuse an image that is too large.

    Args:
        path: The file.
        width: In pixels.
        height: In pixels.
        pixel_bytes: What one pixel takes with all its channels.

    Raises:
        ImageTooLargeError: It has more pixels, or takes more bytes, than the limits allow.

    >>> check_size(Path("slide.tif"), width=12000, height=9000)
    Traceback (most recent call last):
    cenet.data.io.limits.ImageTooLargeError: slide.tif: the image has 12000 x 9000 px (108 megapixels), over the limit \
of 80 megapixels; crop or scale it, or raise --max-pixels
    """
    if width * height > max_pixels():
        raise too_large(path, f"{width} x {height} px ({format_pixels(width * height)})")
    check_bytes(path, width * height * pixel_bytes)


def check_size_in_parts(path: Path, *, width: int, height: int, pixel_bytes: int) -> None:
    """Refuse an image that is too large even if no more than some rows of it are in memory at once.

    Args:
        path: The file.
        width: In pixels.
        height: In pixels.
        pixel_bytes: What one pixel takes with all its channels.

    Raises:
        ImageTooLargeError: It has more pixels, or wider rows, than the limits allow.
    """
    if width * height > MAX_PIXELS_IN_PARTS or width * pixel_bytes > MAX_ROW_BYTES:
        limits = f"{format_pixels(MAX_PIXELS_IN_PARTS)} and {format_bytes(MAX_ROW_BYTES)} in a row"
        cause = f"the image has {width} x {height} px of {pixel_bytes} bytes, over the limits of {limits}"
        raise ImageTooLargeError(path, cause, "cut it into several images")


def check_bytes_in_parts(path: Path, decoded_bytes: int) -> None:
    """Refuse a strip or tile that takes too much memory.

    Args:
        path: The file.
        decoded_bytes: What it takes when it is decompressed.

    Raises:
        ImageTooLargeError: It takes more than `MAX_PART_BYTES`.
    """
    if decoded_bytes > MAX_PART_BYTES:
        size = f"{format_bytes(decoded_bytes)}, over the limit of {format_bytes(MAX_PART_BYTES)}"
        cause = f"one of its strips or tiles decodes to {size}"
        raise ImageTooLargeError(path, cause, "save it in tiles of 512 x 512 px")


def too_large(path: Path, size: str = "too many pixels") -> ImageTooLargeError:
    """The error about an image with more pixels than are allowed."""
    return ImageTooLargeError(path, f"the image has {size}, over the limit of {format_pixels(max_pixels())}", _RAISE)


def check_bytes(path: Path, decoded_bytes: int) -> None:
    """Refuse an image whose pixels take too much memory.

    Args:
        path: The file.
        decoded_bytes: What they take as they are stored, with the margins of tiles.

    Raises:
        ImageTooLargeError: They take more than `max_bytes`.
    """
    if decoded_bytes > max_bytes():
        size = f"the image decodes to {format_bytes(decoded_bytes)}, over the limit of {format_bytes(max_bytes())}"
        raise ImageTooLargeError(path, size, "store fewer channels or bits, " + _RAISE)


def check_run_lengths(path: Path, *, width: int, height: int) -> None:
    """Refuse a large BMP with run lengths, which Pillow decodes slowly.

    Args:
        path: The file.
        width: In pixels.
        height: In pixels.

    Raises:
        ImageTooLargeError: It has more pixels than `RUN_LENGTH_SHARE` of the limit.
    """
    limit = max_pixels() // RUN_LENGTH_SHARE
    if width * height > limit:
        size = f"a BMP with run lengths of {format_pixels(width * height)}, over the limit of {format_pixels(limit)}"
        raise ImageTooLargeError(path, f"the file is {size}", "save it as PNG")


def format_pixels(pixels: int) -> str:
    """A number of pixels, in megapixels from the first one on.

    >>> format_pixels(53), format_pixels(108_000_000)
    ('53 pixels', '108 megapixels')
    """
    return f"{pixels:,} pixels" if pixels < 10**6 else f"{pixels / 10**6:,.4g} megapixels"


def format_bytes(size: int) -> str:
    """A number of bytes, in MiB from the first one on.

    >>> format_bytes(324), format_bytes(480_000_000)
    ('324 bytes', '458 MiB')
    """
    return f"{size:,} bytes" if size < 2**20 else f"{size / 2**20:,.0f} MiB"


def check_jpeg_scans(path: Path) -> None:
    """Refuse a JPEG that takes very many passes to decode.

    Args:
        path: The file, whose first bytes are those of a JPEG.

    Raises:
        CenetError: It has more than `MAX_JPEG_SCANS` scans.
    """
    content = path.read_bytes()
    scans = _count_jpeg_scans(content) if content.count(b"\xff\xda") > MAX_JPEG_SCANS else 0
    if scans > MAX_JPEG_SCANS:
        cause = f"the JPEG has {scans} scans, over the limit of {MAX_JPEG_SCANS}, so that decoding it takes very long"
        raise CenetError(path, cause, "export it again as baseline JPEG or PNG")


def _count_jpeg_scans(content: bytes) -> int:
    r"""Count the scans of the first image of a file.

    >>> _count_jpeg_scans(b"\xff\xd8" + b"\xff\xda\0\2data\xff\0" * 3 + b"\xff\xd9" + b"\xff\xda\0\2")
    3
    """
    marker = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # neither a stuffed 0xff nor a restart within a scan
    position = scans = 0
    while match := marker.search(content, position):
        position, code = match.end(), match[1][0]
        if code == 0xD9:  # the end of the image; previews may follow
            break
        if code not in (0x01, 0xD8):  # all others name the length of what follows
            position += int.from_bytes(content[position : position + 2], "big")
        scans += code == 0xDA
    return scans
