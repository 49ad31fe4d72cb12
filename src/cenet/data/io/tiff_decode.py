"""Decode the strips and tiles of a TIFF of the kinds that Pillow would damage or refuse."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cenet.data.io.known_types import to_known_type
from cenet.data.io.tiff_layout import UNCOMPRESSED, TiffLayout
from cenet.errors import CenetError

_DEFLATE = (8, 32946)
_BY_LIBTIFF = (5, 32773, 34925, 50000)  # LZW, PackBits, LZMA, Zstandard
_WITH_PREDICTOR = (5, 8, 32946, 34925, 50000)
_KINDS = {1: "u", 2: "i", 3: "f"}
_SURPLUS = 2**16  # bytes that a strip may decode to beyond its due, which some programs write
_BLOCK_BYTES = 2**24  # of rows that are converted at once
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def decode_tiff(path: Path, layout: TiffLayout, rows: slice | None = None) -> NDArray[Any]:
    """Return the values of a page as they are stored, without its alpha.

    Args:
        path: The file.
        layout: Of the page.
        rows: The rows to decode; None for all. Of the others no more is read than shares a strip or tile with them.

    Shape:
        (rows, W, C), uint8, uint16 or float32.

    Raises:
        CenetError: The kind of values or the compression is not read, or a value is none that can be used.
        EOFError: A strip or tile is truncated.
    """
    wanted, rows = rows, rows or slice(0, layout.height)
    stored = _stored_type(path, layout)
    values = np.zeros((rows.stop - rows.start, layout.width, layout.channels), find_decoded_type(path, layout))
    row_bytes = layout.segment_bytes(1)
    step = max(_BLOCK_BYTES // row_bytes, 1)
    for index, row, column, segment in _read_segments(path, layout, wanted):
        planes = slice(index // layout.segments_per_plane, None) if layout.separate else slice(None)
        samples = 1 if layout.separate else layout.samples
        into = values[:, column : column + layout.segment_width, planes]
        into = into[..., :1] if layout.separate else into
        last = min(row + len(segment) // row_bytes, rows.stop)
        for first in range(max(row, rows.start), last, step):
            target = into[first - rows.start : min(first + step, last) - rows.start]
            block = np.frombuffer(segment, np.uint8, len(target) * row_bytes, (first - row) * row_bytes)
            block = block.reshape(len(target), row_bytes)
            decoded = _undo_predictor(path, block, stored, samples, layout)
            target[...] = to_known_type(path, decoded[:, : target.shape[1], : target.shape[2]])
    return values


def find_decoded_type(path: Path, layout: TiffLayout) -> np.dtype[Any]:
    """The type of the values that `decode_tiff` returns.

    Raises:
        CenetError: The kind of values is not read.
    """
    native = _stored_type(path, layout).newbyteorder("=")
    return native if native in (np.uint8, np.uint16) else np.dtype(np.float32)


def check_segments(path: Path, layout: TiffLayout) -> None:
    """Decompress every strip and tile, for a decoder that does not report their damage.

    Args:
        path: The file.
        layout: Of the page.

    Raises:
        CenetError: The compression is none whose damage can be noticed.
        EOFError: A strip or tile is truncated.
    """
    for _ in _read_segments(path, layout, None):
        pass


def _stored_type(path: Path, layout: TiffLayout) -> np.dtype[Any]:
    kind = _KINDS.get(layout.sample_format, "")
    if layout.bits not in (8, 16, 32, 64) or not kind or (kind == "f" and layout.bits == 8):
        cause = f"samples of {layout.bits} bits in TIFF's sample format {layout.sample_format} are not read"
        raise CenetError(path, cause, "save it with 8 or 16 bits")
    return np.dtype(f"{layout.byte_order}{kind}{layout.bits // 8}")


def _read_segments(path: Path, layout: TiffLayout, wanted: slice | None) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield the index, the first row, the first column and the decompressed bytes of strips and tiles.

    Args:
        path: The file.
        layout: Of the page.
        wanted: The rows that are needed: of strips and tiles without them nothing is read, and of those that are not
            compressed these rows alone. None: all strips and tiles, whole.
    """
    size = path.stat().st_size
    counts = layout.byte_counts
    with path.open("rb") as file:
        for index in range(layout.segments_per_plane * (layout.channels if layout.separate else 1)):
            place = index % layout.segments_per_plane
            row = place // layout.segments_across * layout.segment_height
            column = place % layout.segments_across * layout.segment_width
            end = row + layout.segment_height if layout.tiled else min(row + layout.segment_height, layout.height)
            if wanted is not None and (row >= wanted.stop or end <= wanted.start):
                continue
            offset, count = int(layout.offsets[index]), int(counts[index]) if index < len(counts) else 0
            is_empty = offset == count == 0 and len(counts) > 0  # left out, which means zeros
            if wanted is not None and (is_empty or layout.compression == UNCOMPRESSED):
                above = max(wanted.start - row, 0)
                offset, row, end = offset + layout.segment_bytes(above), row + above, min(end, wanted.stop)
            due = layout.segment_bytes(end - row)
            if is_empty:
                yield index, row, column, bytes(due)
                continue
            if layout.compression == UNCOMPRESSED:
                count = due
            if not count or offset + count > size:
                raise EOFError("the file is truncated")
            file.seek(offset)
            yield index, row, column, _decompress(path, file.read(count), layout, due)


def _decompress(path: Path, content: bytes, layout: TiffLayout, due: int) -> bytes:
    """Return the `due` bytes that a strip or tile decompresses to; no more are ever made."""
    if layout.fill_order == 2:
        content = content.translate(_REVERSED_BITS)
    if layout.compression == UNCOMPRESSED:
        decoded = content
    elif layout.compression in _DEFLATE:
        decompressor = zlib.decompressobj()
        decoded = decompressor.decompress(content, max(due, layout.segment_bytes(layout.segment_height)) + _SURPLUS)
        if not decompressor.eof:
            whole = len(decoded) > due
            cause = "holds more than its pixels" if whole else "is truncated"
            raise EOFError(f"a strip or tile {cause}")
    elif layout.compression in _BY_LIBTIFF:
        decoded = _decompress_by_libtiff(content, layout.compression, due)
    else:
        cause = f"a TIFF of this kind with compression {layout.compression} is not read"
        raise CenetError(path, cause, "save it uncompressed, or with deflate or LZW")
    if len(decoded) < due:
        raise EOFError("a strip or tile is truncated")
    return decoded[:due]


def _decompress_by_libtiff(content: bytes, compression: int, due: int) -> bytes:
    """Let Pillow decompress a strip as one row of `due` grey pixels: that reports damage, and makes no more bytes."""
    tags = {256: due, 257: 1, 258: 8, 259: compression, 262: 1, 273: 122, 277: 1, 278: 1, 279: len(content)}
    entries = b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in tags.items())
    header = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    with Image.open(BytesIO(header + content), formats=("TIFF",)) as image:
        try:
            return image.tobytes()
        except OSError as error:
            raise ValueError("a strip or tile is corrupted") from error


def _undo_predictor(
    path: Path, block: NDArray[np.uint8], stored: np.dtype[Any], samples: int, layout: TiffLayout
) -> NDArray[Any]:
    """Turn rows of bytes into the values (rows, columns, samples) in the byte order of this machine."""
    rows, size = len(block), stored.itemsize
    native = stored.newbyteorder("=")
    predictor = layout.predictor if layout.compression in _WITH_PREDICTOR else 1
    if predictor == 1:
        return block.view(stored).astype(native, copy=False).reshape(rows, -1, samples)
    if predictor == 2:
        words = block.view(f"{layout.byte_order}u{size}").astype(f"=u{size}").reshape(rows, -1, samples)
        return np.cumsum(words, axis=1, dtype=words.dtype).view(native)
    if predictor == 3 and stored.kind == "f":  # the bytes of a row lie by significance, the highest first
        differences = block.reshape(rows, -1, samples)
        planes = np.cumsum(differences, axis=1, dtype=np.uint8).reshape(rows, size, -1)
        words = np.ascontiguousarray(planes.swapaxes(1, 2)).view(f">f{size}")
        return words.astype(native).reshape(rows, -1, samples)
    raise CenetError(path, f"TIFF's predictor {predictor} is not read", "save it without a predictor")
