"""The channels that an OME-TIFF names: what they are called, and on which pages of the file they lie."""

import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from cenet.data.io.magic import is_dicom, read_start
from cenet.data.io.tiff_tags import TIFF_STARTS, TiffDirectory, list_tiff_pages
from cenet.errors import CenetError

_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b([^>]*)>(.*?)</(?:\w+:)?Pixels>", re.DOTALL)
_CHANNEL = re.compile(r"<(?:\w+:)?Channel\b([^>]*)>")
_PLANES = re.compile(r"<(?:\w+:)?TiffData\b([^>]*)>")


@dataclass(frozen=True)
class NamedChannels:
    """The channels of an OME-TIFF.

    Args:
        names: What they are called.
        pages: Of each image (slice, time) the pages that hold its channels; a single one may hold all of them.
    """

    names: tuple[str, ...]
    pages: tuple[tuple[int, ...], ...]


def find_tiff_images(path: Path) -> tuple[tuple[int, ...], ...]:
    """The pages of each image of a TIFF: one for each, or where OME names the channels, one for each channel.

    Pages are numbered from 0, with those that are reduced copies or transparency masks, which are no images.

    Args:
        path: The file.

    Raises:
        CenetError: OME says something else than the file holds.
        EOFError: The file is truncated.
    """
    named = _read_named_channels(path)
    return named.pages if named else tuple((page,) for page in list_tiff_pages(path))


def read_channel_names(path: Path) -> tuple[str, ...]:
    """What the channels of an image are called; empty where its file does not name them.

    Args:
        path: The file; of one that is damaged nothing is known, as its reading is refused.
    """
    with suppress(CenetError, EOFError, OSError, ValueError, struct.error):
        if path.is_file() and read_start(path).startswith(TIFF_STARTS) and not is_dicom(path):
            named = _read_named_channels(path)
            return named.names if named else ()
    return ()


def _read_named_channels(path: Path) -> NamedChannels | None:
    """The channels of an OME-TIFF that holds one series and names all of its channels differently."""
    description = TiffDirectory(path, 0).read_description()
    series = _PIXELS.findall(description) if "<OME" in description else []
    if len(series) != 1:
        return None
    pixels, content = series[0]
    names = tuple(unescape(_read(channel, "Name")).strip() for channel in _CHANNEL.findall(content))
    sizes = {axis: _read_number(pixels, f"Size{axis}", 1) for axis in "CZT"}
    order = _read(pixels, "DimensionOrder")[2:]
    if len(names) != sizes["C"] or len(set(names)) < len(names) or not all(names) or sorted(order) != ["C", "T", "Z"]:
        return None
    images, held = sizes["Z"] * sizes["T"], list_tiff_pages(path)
    if len(held) == images:  # each page holds all channels
        return NamedChannels(names, tuple((page,) for page in held))
    if len(held) != images * sizes["C"]:
        return None

    def find_page(**position: int) -> int:
        page, step = 0, 1
        for axis in order:
            page += position[axis] * step
            step *= sizes[axis]
        return held[page] if page < len(held) else page

    for planes in _PLANES.findall(content):
        page = find_page(**{axis: _read_number(planes, f"First{axis}", 0) for axis in "CZT"})
        if _read_number(planes, "IFD", page) != page:
            cause = "its planes lie in another order than their DimensionOrder says"
            raise CenetError(path, cause, "save it again, such as with Fiji")
    pages = tuple(
        tuple(find_page(C=c, Z=z, T=t) for c in range(sizes["C"])) for t in range(sizes["T"]) for z in range(sizes["Z"])
    )
    return NamedChannels(names, pages)


def _read_number(tag: str, name: str, default: int) -> int:
    text = _read(tag, name)
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else default


def _read(tag: str, name: str) -> str:
    value = re.search(rf'\b{name}\s*=\s*"([^"]*)"', tag)
    return value[1] if value else ""
