"""The directories of a TIFF, one for each page, and the whole numbers that their tags give."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from cenet.errors import CenetError

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BIG_ENDIAN_BIGTIFF = b"MM\0+"  # which Pillow does not read
TURNED = (5, 6, 7, 8)  # orientations, also of EXIF, in which columns are stored as rows

_WHOLE_NUMBERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}  # types of values that are never negative
_REAL_NUMBERS = {3: "H", 4: "I", 5: "II", 10: "ii", 11: "f", 12: "d"}  # a pair is a fraction
_RESOLUTION = (282, 283)  # across and down
_DESCRIPTION, _TEXT = 270, 2  # the tag, and its type of values
_MAX_DESCRIPTION = 2**24  # bytes
_SUBFILE_TYPE, _REDUCED, _TRANSPARENCY = 254, 1, 4  # the tag, and bits of its value
_SEVERAL_ARE = "are reduced copies or transparency masks, and were"
_MAX_TAGS = 4096
_MAX_VALUES = 2**20  # of one tag
_TAGS = {
    "ImageWidth": 256,
    "ImageLength": 257,
    "BitsPerSample": 258,
    "Compression": 259,
    "PhotometricInterpretation": 262,
    "FillOrder": 266,
    "StripOffsets": 273,
    "Orientation": 274,
    "SamplesPerPixel": 277,
    "RowsPerStrip": 278,
    "StripByteCounts": 279,
    "PlanarConfiguration": 284,
    "ResolutionUnit": 296,
    "Predictor": 317,
    "TileWidth": 322,
    "TileLength": 323,
    "TileOffsets": 324,
    "TileByteCounts": 325,
    "ExtraSamples": 338,
    "SampleFormat": 339,
    "YCbCrSubSampling": 530,
    "ImageDepth": 32997,
}


def list_tiff_pages(path: Path) -> list[int]:
    """Return which pages of a TIFF, from 0, are images: reduced copies and transparency masks are none.

    Raises:
        EOFError: The file is truncated.
    """
    pages, _ = _divide_pages(path)
    return pages


def describe_left_out_pages(path: Path) -> list[str]:
    """A remark on the pages of a TIFF that are no images, where there are any.

    Raises:
        EOFError: The file is truncated.
    """
    pages, others = _divide_pages(path)
    if not others:
        return []
    count = len(pages) + len(others)
    are = "is a reduced copy or a transparency mask, and was" if len(others) == 1 else _SEVERAL_ARE
    return [f"{len(others)} of its {count} pages {are} left out"]


def _divide_pages(path: Path) -> tuple[list[int], list[int]]:
    """The pages that are images, and the others; where all say to be no images, they are images."""
    with path.open("rb") as file:
        form = _Form.read(file)
        kinds = [_read_subfile_type(file, form, offset) for offset in _directory_offsets(file, form)]
    others = [page for page, kind in enumerate(kinds) if kind & (_REDUCED | _TRANSPARENCY)]
    others = others if len(others) < len(kinds) else []
    return sorted(set(range(len(kinds))) - set(others)), others


def _read_subfile_type(file: IO[bytes], form: "_Form", offset: int) -> int:
    """The bits that say what a page is; 0 where it does not say it."""
    file.seek(offset)
    (count,) = _read_struct(file, form.tag_count)
    content = file.read(count * struct.calcsize(form.tag))
    for code, kind, _, value in struct.iter_unpack(form.tag, content):
        if code == _SUBFILE_TYPE and kind in _WHOLE_NUMBERS:
            return int(np.frombuffer(value, form.byte_order + _WHOLE_NUMBERS[kind], 1)[0])
    return 0


class TiffDirectory:
    """The tags of one page.

    Args:
        path: The file.
        page: From 0.

    Raises:
        CenetError: A tag occurs twice.
        EOFError: The file is truncated.
    """

    def __init__(self, path: Path, page: int) -> None:
        self.path = path
        self.tags: dict[int, tuple[int, int, bytes]] = {}  # the type, the number and the bytes (or place) of values
        with path.open("rb") as file:
            self.form = _Form.read(file)
            file.seek(next(islice(_directory_offsets(file, self.form), page, None)))
            (count,) = _read_struct(file, self.form.tag_count)
            for _ in range(count):
                code, kind, number, value = _read_struct(file, self.form.tag)
                if code in self.tags and code in _TAGS.values():  # decoders differ in which one they take
                    raise self.refuse(f"tag {code} occurs twice in it")
                self.tags[code] = kind, number, value

    @property
    def byte_order(self) -> str:
        """`<` or `>`."""
        return self.form.byte_order

    def has(self, name: str) -> bool:
        """Whether a tag is there."""
        return _TAGS[name] in self.tags

    def number(self, name: str, default: int) -> int:
        """Return the one whole number of a tag."""
        values = self.numbers(name, (default,))
        if len(values) != 1:
            raise self.refuse(f"its {name} has {len(values)} values, not one")
        return values[0]

    def number_of_all_samples(self, name: str, samples: int) -> int:
        """Return the whole number that a tag gives for every sample; 1 where it is missing."""
        values = set(self.numbers(name, (1,))[:samples])
        if len(values) != 1:
            raise self.refuse(f"its {name} differs between the channels")
        return values.pop()

    def numbers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """Return the whole numbers of a tag, or the default where it is missing.

        Raises:
            CenetError: They are of another kind, or very many.
            EOFError: The file is truncated.
        """
        if not self.has(name):
            return default
        kind, count, value = self.tags[_TAGS[name]]
        if kind not in _WHOLE_NUMBERS or count > _MAX_VALUES:
            raise self.refuse(
                f"its {name} is no whole number" if count == 1 else f"its {name} is no list of whole numbers"
            )
        dtype = np.dtype(self.byte_order + _WHOLE_NUMBERS[kind])
        return tuple(np.frombuffer(self._read_values(value, count * dtype.itemsize), dtype).tolist())

    def read_resolution(self) -> tuple[float, float] | None:
        """How many pixels, across and down, are in a unit; None where the file does not say it.

        Raises:
            EOFError: The file is truncated.
        """
        sides = []
        for code in _RESOLUTION:
            kind, count, value = self.tags.get(code, (0, 0, b""))
            if kind not in _REAL_NUMBERS or count != 1:
                return None
            form = self.byte_order + _REAL_NUMBERS[kind]
            number, divisor, *_ = (*struct.unpack(form, self._read_values(value, struct.calcsize(form))), 1)
            sides.append(number / divisor if divisor else 0.0)
        return sides[0], sides[1]

    def _read_values(self, value: bytes, size: int) -> bytes:
        """The bytes of a tag's values, which lie in the tag if they fit, else where it says."""
        if size <= len(value):
            return value[:size]
        (offset,) = struct.unpack(self.form.offset, value)
        with self.path.open("rb") as file:
            file.seek(offset)
            return b"".join(_read_struct(file, f"{size}s"))

    def read_description(self) -> str:
        """The text that describes the image; empty where there is none."""
        kind, count, value = self.tags.get(_DESCRIPTION, (_TEXT, 0, b""))
        if kind != _TEXT:
            return ""
        if count > len(value):
            (offset,) = struct.unpack(self.form.offset, value)
            with self.path.open("rb") as file:
                file.seek(offset)
                value = file.read(min(count, _MAX_DESCRIPTION))
        try:
            return value[:count].decode("utf-8")
        except UnicodeDecodeError:
            return value[:count].decode("latin-1")

    def refuse(self, cause: str) -> CenetError:
        """Return an error about what the directory says."""
        return CenetError(self.path, f"the TIFF is corrupted, {cause}", "copy or export it again")


@dataclass(frozen=True)
class _Form:
    """How a file writes its numbers: `struct` formats of an offset, of the number of tags, and of a tag."""

    byte_order: str
    offset: str
    tag_count: str
    tag: str
    first_directory_at: int

    @classmethod
    def read(cls, file: IO[bytes]) -> "_Form":
        start = file.read(4)
        order = "<" if start[:1] == b"I" else ">"
        if start[2:] in (b"+\0", b"\0+"):  # a BigTIFF
            return cls(order, f"{order}Q", f"{order}Q", f"{order}HHQ8s", 8)
        return cls(order, f"{order}I", f"{order}H", f"{order}HHI4s", 4)


def _directory_offsets(file: IO[bytes], form: _Form) -> Iterator[int]:
    """Yield where the directories of a file begin, one for each page."""
    file.seek(form.first_directory_at)
    (offset,) = _read_struct(file, form.offset)
    seen: set[int] = set()
    while offset and offset not in seen:
        seen.add(offset)
        file.seek(offset)
        (count,) = _read_struct(file, form.tag_count)
        if count > _MAX_TAGS:
            raise ValueError(f"a directory of {count} tags")
        file.seek(count * struct.calcsize(form.tag), os.SEEK_CUR)
        (following,) = _read_struct(file, form.offset)
        yield offset
        offset = following
    if not seen:
        raise EOFError("the file is truncated")


def _read_struct(file: IO[bytes], form: str) -> tuple[Any, ...]:
    content = file.read(struct.calcsize(form))
    if len(content) < struct.calcsize(form):
        raise EOFError("the file is truncated")
    return struct.unpack(form, content)
