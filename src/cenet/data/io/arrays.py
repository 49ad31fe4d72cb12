"""The one door through which `.npz` files are read: regular files of bounded size, with arrays of the due shapes."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cenet.config.json_files import read_regular_file
from cenet.data.io.limits import format_bytes
from cenet.errors import CenetError

MAX_FILE_BYTES = 2**30
MAX_DECODED_BYTES = 2**31  # of all arrays together, such as 80 megapixels with label, mask and twenty classes
MAX_ENTRIES = 2000  # in an archive; of 254 classes four arrays each are kept
MAX_HEADER = 10_000  # characters


@dataclass(frozen=True)
class ArraySpec:
    """What an array must be.

    Args:
        kinds: The allowed types, as `numpy.dtype.kind` and size: `u1` is uint8, `iu` any whole number.
        shape: The length of each axis; a name stands for any length, the same wherever it is used.
    """

    kinds: tuple[str, ...]
    shape: tuple[int | str, ...]

    def allows(self, dtype: np.dtype[Any]) -> bool:
        """Whether an array may have a type.

        >>> ArraySpec(("u1", "f"), (3,)).allows(np.dtype("<f4")), ArraySpec(("u1",), (3,)).allows(np.dtype("u2"))
        (True, False)
        """
        return f"{dtype.kind}{dtype.itemsize}" in self.kinds or dtype.kind in self.kinds


INTEGERS = ("i", "u")


def read_arrays(
    path: Path,
    specs: Mapping[str, ArraySpec],
    *,
    remedy: str,
    max_bytes: int = MAX_FILE_BYTES,
    max_decoded_bytes: int = MAX_DECODED_BYTES,
) -> dict[str, NDArray[Any]]:
    """Read arrays from an `.npz` file; what their headers claim is checked before anything is decompressed.

    Args:
        path: The file.
        specs: The arrays to read, by name; others are left out.
        remedy: What the user can do about a file that is missing or wrong.
        max_bytes: The size above which the file is refused.
        max_decoded_bytes: The size above which its arrays are refused.

    Raises:
        CenetError: It cannot be read, is no regular file, is too large, or holds other arrays.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "counts.npz")
    ...     np.savez_compressed(path, counts=np.arange(3))
    ...     read_arrays(path, {"counts": ArraySpec(INTEGERS, ("images",))}, remedy="")["counts"].tolist()
    [0, 1, 2]
    """
    content = read_regular_file(path, remedy=remedy, max_bytes=max_bytes)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _read_archive(archive, specs, max_decoded_bytes)
    except Exception as error:  # a corrupted archive fails in every way there is
        cause = str(error) if isinstance(error, _WrongArraysError) else "is corrupted"
        raise CenetError(path, cause, remedy) from error


class _WrongArraysError(Exception):
    """An archive that is sound, but holds other arrays than it should."""


def _read_archive(
    archive: zipfile.ZipFile, specs: Mapping[str, ArraySpec], max_decoded_bytes: int
) -> dict[str, NDArray[Any]]:
    entries = {name: archive.getinfo(f"{name}.npy") for name in specs}
    if len(archive.infolist()) > MAX_ENTRIES or any(
        entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries.values()
    ):
        raise _WrongArraysError("is no archive that cenet writes")
    decoded = sum(entry.file_size for entry in entries.values())
    if decoded > max_decoded_bytes:
        limit = format_bytes(max_decoded_bytes)
        raise _WrongArraysError(f"decodes to {format_bytes(decoded)}, over the limit of {limit}")
    lengths: dict[str, int] = {}
    arrays = {}
    for name, entry in entries.items():
        with archive.open(entry) as file:
            header = _read_header(file)
            _check_header(name, header, specs[name], entry.file_size, lengths)
        with archive.open(entry) as file:
            arrays[name] = npy.read_array(file, allow_pickle=False, max_header_size=MAX_HEADER)
    return arrays


def _read_header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape and type that an array's header claims, and the length of the header in bytes."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file, max_header_size=MAX_HEADER)
    return shape, dtype, file.tell()


def _check_header(
    name: str,
    header: tuple[tuple[int, ...], np.dtype[Any], int],
    spec: ArraySpec,
    entry_bytes: int,
    lengths: dict[str, int],
) -> None:
    """Refuse an array that is not as `spec` says; `lengths` are those of the named axes, as far as they are known."""
    shape, dtype, header_bytes = header
    if not spec.allows(dtype):
        raise _WrongArraysError(f"{name} holds {dtype}, not {' or '.join(spec.kinds)}")
    fits = len(shape) == len(spec.shape)
    for axis, length in zip(spec.shape, shape, strict=False):
        due = lengths.setdefault(axis, length) if isinstance(axis, str) else axis
        fits = fits and length == due
    if not fits:
        raise _WrongArraysError(f"{name} has the shape {shape}, not ({', '.join(map(str, spec.shape))})")
    if prod(shape) * dtype.itemsize + header_bytes != entry_bytes:
        raise _WrongArraysError(f"{name} is not as long as its shape {shape}")
