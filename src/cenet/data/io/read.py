"""Read any 2D medical image upright, with the values that its file holds."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.decode import decode, page_count
from cenet.data.io.dicom import has_burned_in_annotation
from cenet.data.io.files import check_regular_file, compose_accents
from cenet.data.io.limits import check_bytes
from cenet.data.io.magic import is_dicom, is_nifti, read_start
from cenet.data.io.nifti import describe_plane
from cenet.data.io.tiff_tags import TIFF_STARTS, describe_left_out_pages
from cenet.errors import CenetError

__all__ = ["IMAGE_SUFFIXES", "check_usable", "describe_file", "fingerprint", "has_image_suffix", "image_stem"]
__all__ += ["keep_decoded_labels", "page_count", "read_image", "read_label", "read_region", "read_rows"]

MIN_SIDE_PX = 8  # below it nothing is left after the network's first halvings
IMAGE_SUFFIXES: tuple[str, ...] = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp", ".ppm", ".pgm", ".webp"),
    *(".dcm", ".nii", ".nii.gz", ".ppm.gz", ".pgm.gz"),
)


def has_image_suffix(path: Path) -> bool:
    """Whether a name ends as those of images do; `.npy` files hold images unless they are named as boundaries.

    >>> [has_image_suffix(Path(name)) for name in ("eye.PNG", "scan.nii.gz", "notes.gz", "boundaries/eye.npy")]
    [True, True, False, False]
    """
    name = path.name.lower()
    if name.endswith(".npy"):
        return path.parent.name.lower() != "boundaries" and not name.endswith("_boundaries.npy")
    return name.endswith(IMAGE_SUFFIXES)


def image_stem(path: Path) -> str:
    """The name of an image without its ending, also where that is two, as `.nii.gz`; accents as one character (NFC).

    >>> image_stem(Path("eye.1.png")), image_stem(Path("scan.nii.gz"))
    ('eye.1', 'scan')
    """
    path = Path(compose_accents(str(path)))
    for ending in (".nii.gz", ".ppm.gz", ".pgm.gz"):
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.stem


def describe_file(path: Path) -> list[str]:
    """Remarks on what a user must know of an image file: text in its pixels, the plane of slices, pages left out.

    Args:
        path: The file; one that is damaged has no remarks, as its reading is refused.
    """
    with suppress(CenetError, OSError, EOFError, ValueError):
        if is_dicom(path):
            named = has_burned_in_annotation(path)
            return ["its pixels hold burned-in text, which may name the patient"] if named else []
        if is_nifti(path):
            return [describe_plane(path)]
        if read_start(path).startswith(TIFF_STARTS):
            return describe_left_out_pages(path)
    return []


def read_image(path: Path, *, page: int | None = None) -> NDArray[Any]:
    """Read the one image of a file, or a page of a stack, upright, with the values that the file holds.

    PNG, JPEG, TIFF, GIF, BMP, PPM, WebP, DICOM, NIfTI and `.npy` are recognised by content. A palette becomes RGB, one
    bit becomes 0 and 255, alpha is dropped. Integers other than uint8 and uint16 become float32 where that is exact.
    Of a JPEG with further images inside (previews, gain maps) the main one is read.

    Args:
        path: The file.
        page: Which page of a TIFF, frame of a DICOM or slice of a NIfTI, from 0; None for the only one.

    Shape:
        (H, W, C), C-contiguous, uint8, uint16 or float32.

    Raises:
        CenetError: The file is missing, damaged, too large, no such image, or several images; or has no such page.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "eye.png")
    ...     Image.new("RGB", (4, 3), (9, 8, 7)).save(path)
    ...     image = read_image(path)
    >>> image.shape, image[0, 0].tolist()
    ((3, 4, 3), [9, 8, 7])
    """
    return decode(path, indices=False, page=page)


def read_label(path: Path, *, page: int | None = None) -> NDArray[Any]:
    """Read a label as the values that its file holds; `cenet.data.labels.detect` says which class each value means.

    A palette image gives its indices, not its colours (a grey GIF its greys), and one bit 0 and 1. Channels that are
    all equal are one.

    Args:
        path: The file.
        page: Which page of a TIFF, frame of a DICOM or slice of a NIfTI, from 0; None for the only one.

    Shape:
        (H, W), or (H, W, 3) of uint8 where the file is coloured.

    Raises:
        CenetError: The file cannot be read, or has a number of channels that no label has.

    >>> import tempfile
    >>> from cenet.data.io.write import write_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "vessels.png")
    ...     write_mask(path, np.eye(2, dtype=np.uint8))
    ...     read_label(path)
    array([[255,   0],
           [  0, 255]], dtype=uint8)
    """
    cache = _label_cache.get()
    if cache is None:
        return _decode_label(path, page=page)
    if (path, page) not in cache.arrays:
        values = np.ascontiguousarray(_decode_label(path, page=page))
        if values.nbytes > cache.free_bytes:
            return values
        values.flags.writeable = False
        cache.arrays[path, page] = values
        cache.free_bytes -= values.nbytes
    return cache.arrays[path, page]


@dataclass
class _LabelCache:
    """Decoded labels by path and page."""

    free_bytes: int
    arrays: dict[tuple[Path, int | None], NDArray[Any]] = field(default_factory=dict)


_label_cache: ContextVar[_LabelCache | None] = ContextVar("label_cache", default=None)


@contextmanager
def keep_decoded_labels(max_bytes: int) -> Iterator[None]:
    """Let `read_label` decode each file only once within a `with` block, as far as the memory allows.

    What the values of label files mean is known when all files have been read; then each is read again, as class
    indices. The arrays are read-only. A block within a block shares its memory.

    Args:
        max_bytes: How many bytes of decoded labels are kept.

    >>> import tempfile
    >>> from cenet.data.io.write import write_mask
    >>> with tempfile.TemporaryDirectory() as folder, keep_decoded_labels(1000):
    ...     path = Path(folder, "vessels.png")
    ...     write_mask(path, np.eye(2, dtype=np.uint8))
    ...     read_label(path) is read_label(path)
    True
    """
    token = _label_cache.set(_label_cache.get() or _LabelCache(max_bytes))
    try:
        yield
    finally:
        _label_cache.reset(token)


def _decode_label(path: Path, *, page: int | None) -> NDArray[Any]:
    values = decode(path, indices=True, page=page)
    if (values == values[..., :1]).all():
        return values[..., 0]
    if values.shape[2] != 3 or values.dtype != np.uint8:
        kind = f"{values.shape[2]} different channels of {values.dtype}"
        raise CenetError(path, f"a label is grey or 8-bit RGB, not {kind}", "save class indices as grey PNG")
    return values


def read_region(path: Path) -> NDArray[np.bool_]:
    """Read where pixels count: a file with the value 0 outside and one other value inside.

    Args:
        path: The file.

    Shape:
        (H, W), True where pixels count.

    Raises:
        CenetError: The file cannot be read, is 0 everywhere, or holds several other values.

    >>> import tempfile
    >>> from cenet.data.io.write import write_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "region.png")
    ...     write_mask(path, np.eye(2, dtype=np.uint8))
    ...     read_region(path)
    array([[ True, False],
           [False,  True]])
    """
    values = _decode_label(path, page=None)
    if values.ndim > 2:
        raise CenetError(path, "a region must not be coloured", "save it as a PNG with 0 and 255")
    found = np.unique(values)
    inside = found[found != 0]
    if inside.size == 0:
        raise CenetError(path, "the region is 0 everywhere, so no pixel counts", "mark the inside or remove it")
    if inside.size > 1 or inside[0] < 0:
        cause = f"the region holds the values {_listed(found)}, but a region is 0 outside and one value inside"
        raise CenetError(path, cause, "save it as a PNG with 0 and 255")
    return np.array(values != 0, np.bool_)


def read_rows(path: Path) -> NDArray[np.float64]:
    """Read the rows of boundaries from an `.npy` file.

    Args:
        path: The file: a row for each boundary, a column for each column of the image, in pixels from its top.

    Shape:
        (B, W), NaN where a boundary is not annotated.

    Raises:
        CenetError: The file cannot be read, or holds something else.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "scan.npy")
    ...     np.save(path, np.array([[1.5, 2.0], [3.0, np.nan]], np.float32))
    ...     read_rows(path).tolist()
    [[1.5, 2.0], [3.0, nan]]
    """
    check_regular_file(path)
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)  # of a map no more is read than the file holds
    except OSError as error:
        reason = error.strerror or "it is no .npy file"
        raise CenetError(path, f"the rows of boundaries cannot be read ({reason})", "check the file") from error
    except Exception as error:  # a corrupted header fails in every way that a parser of Python can
        remedy = "save them as numbers with numpy.save"
        raise CenetError(path, "this is no undamaged .npy file of numbers", remedy) from error
    if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "iuf":
        raise CenetError(path, "rows of boundaries are one array of numbers", "save them as such with numpy.save")
    if rows.ndim != 2 or not rows.size:
        shape = " x ".join(map(str, rows.shape)) or "a single number"
        raise CenetError(
            path, f"its shape is {shape}, but rows of boundaries are (boundaries, columns)", "save them so"
        )
    check_bytes(path, rows.size * 8)
    with np.errstate(all="ignore"):  # a bit pattern that is no number becomes NaN
        return np.array(rows, np.float64)


def check_usable(image: NDArray[Any], *, name: str, min_side_px: int = MIN_SIDE_PX) -> None:
    """Refuse an image in which there is nothing to see.

    Args:
        image: `(H, W, C)`.
        name: What an error calls it.
        min_side_px: What each side must have, in pixels.

    Raises:
        CenetError: A side is shorter, or all pixels are equal.

    >>> check_usable(np.zeros((9, 8, 3), np.uint8), name="black.png")
    Traceback (most recent call last):
    cenet.errors.CenetError: black.png: every one of its 8 x 9 pixels has the same value; export it again, or remove it
    """
    height, width = image.shape[:2]
    if min(height, width) < min_side_px:
        cause = f"it has only {width} x {height} px, and an image needs {min_side_px} px a side"
        raise CenetError(name, cause, "export it larger, or remove it")
    if (image[::16, ::16] == image[0, 0]).all() and (image == image[0, 0]).all():
        cause = f"every one of its {width} x {height} pixels has the same value"
        raise CenetError(name, cause, "export it again, or remove it")


def fingerprint(image: NDArray[Any]) -> str:
    """Return the SHA-256 of an image's shape, dtype and pixels, the same on every machine.

    Args:
        image: Any array.

    >>> fingerprint(np.zeros((1, 2, 3), np.uint8))[:8]
    'bb63a6af'
    """
    pixels = np.ascontiguousarray(image, image.dtype.newbyteorder("<"))
    return hashlib.sha256(f"{image.shape} {pixels.dtype.str} ".encode() + pixels.tobytes()).hexdigest()


def _listed(values: NDArray[Any]) -> str:
    return ", ".join(f"{value:g}" for value in values[:8]) + (", ..." if values.size > 8 else "")
