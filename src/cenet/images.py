"""Read any 2D medical image upright, with the values that its file holds."""

import hashlib
import logging
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cenet.errors import CenetError

IMAGE_SUFFIXES: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp")
MAX_PIXELS = 80_000_000  # unless the environment variable CENET_MAX_PIXELS says otherwise

_FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PILLOW_LIMIT = threading.Lock()
_ORIENTATION = 0x0112  # the tag that EXIF and TIFF share


def read_image(path: Path) -> NDArray[Any]:
    """Read the one image of a file, upright, with the values that the file holds.

    PNG, JPEG, TIFF, GIF and BMP are told by content. A palette becomes RGB, one bit becomes 0 and 255, alpha
    is dropped. TIFF integers other than uint8 and uint16 become float32 where that is exact. Of a JPEG with
    further pictures inside (previews, gain maps) the main one is read.

    Args:
        path: The file.

    Shape:
        (H, W, C), C-contiguous, uint8, uint16 or float32.

    Raises:
        CenetError: The file is missing, damaged, too large, no such image, or several images.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "eye.png")
    ...     Image.new("RGB", (4, 3), (9, 8, 7)).save(path)
    ...     image = read_image(path)
    >>> image.shape, image[0, 0].tolist()
    ((3, 4, 3), [9, 8, 7])
    """
    return _decode(path, indices=False)


def read_label(path: Path) -> NDArray[Any]:
    """Read a label as the values that its file holds; `cenet.tasks.labels` says which class each value means.

    A palette image gives its indices, not its colours (a grey GIF its greys), and one bit 0 and 1. Channels that are
    all equal are one.

    Args:
        path: The file.

    Shape:
        (H, W), or (H, W, 3) of uint8 where the file is coloured.

    Raises:
        CenetError: The file cannot be read, or has a number of channels that no label has.

    >>> import tempfile
    >>> from cenet.pictures import write_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "vessels.png")
    ...     write_mask(path, np.eye(2, dtype=np.uint8))
    ...     read_label(path)
    array([[255,   0],
           [  0, 255]], dtype=uint8)
    """
    values = _decode(path, indices=True)
    if (values == values[..., :1]).all():
        return values[..., 0]
    if values.shape[2] != 3 or values.dtype != np.uint8:
        kind = f"{values.shape[2]} different channels of {values.dtype}"
        raise CenetError(f"{path}: a label is grey or 8-bit RGB, not {kind}; save class indices as grey PNG")
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
    >>> from cenet.pictures import write_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "region.png")
    ...     write_mask(path, np.eye(2, dtype=np.uint8))
    ...     read_region(path)
    array([[ True, False],
           [False,  True]])
    """
    values = read_label(path)
    if values.ndim > 2:
        raise CenetError(f"{path}: a region must not be coloured; save it as a PNG with 0 and 255")
    found = np.unique(values)
    inside = found[found != 0]
    if inside.size == 0:
        raise CenetError(f"{path}: the region is 0 everywhere, so no pixel counts; mark the inside or remove it")
    if inside.size > 1 or inside[0] < 0:
        rule = "a region is 0 outside and one value inside; save it as a PNG with 0 and 255"
        raise CenetError(f"{path}: the region holds the values {_listed(found)}, but {rule}")
    return np.array(values != 0, np.bool_)


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
        raise CenetError(f"CENET_MAX_PIXELS: {text!r} is no number of pixels; give a whole number such as 200000000")
    return int(text)


def fingerprint(image: NDArray[Any]) -> str:
    """Return the SHA-256 of an image's shape, dtype and pixels, the same on every machine.

    Args:
        image: Any array.

    >>> fingerprint(np.zeros((1, 2, 3), np.uint8))[:8]
    'bb63a6af'
    """
    pixels = np.ascontiguousarray(image, image.dtype.newbyteorder("<"))
    return hashlib.sha256(f"{image.shape} {pixels.dtype.str} ".encode() + pixels.tobytes()).hexdigest()


def _decode(path: Path, *, indices: bool) -> NDArray[Any]:
    """Return the values (H, W, C) of a file; with `indices` a palette keeps them and one bit is 0 or 1."""
    start = _start(path)
    if start.startswith(b"\x89PNG") and start[24:26] in (b"\x10\x02", b"\x10\x04", b"\x10\x06"):
        raise CenetError(f"{path}: Pillow cuts a 16-bit PNG with colour or alpha to 8 bits; save it as 16-bit TIFF")
    try:
        with warnings.catch_warnings(), _giants_allowed():
            warnings.simplefilter("ignore")  # of odd metadata, which does no harm, and of sizes, which are checked here
            values = _by_tifffile(path) if start.startswith(_TIFF_STARTS) else None
            if values is None:
                values = _by_pillow(path, indices=indices)
    except CenetError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        raise CenetError(f"{path}: this is no undamaged {', '.join(_FORMATS)} file; export it as PNG") from error
    except Exception as error:  # decoders of foreign files fail in every way there is
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CenetError(f"{path}: the image cannot be decoded ({reason}); copy or export it again") from error
    return np.ascontiguousarray(values if values.ndim == 3 else values[..., None])


def _start(path: Path) -> bytes:
    """Return the first bytes of a file that is there and not empty."""
    if path.is_dir():
        raise CenetError(f"{path}: this is a folder; name an image file")
    if path.exists() and not path.is_file():
        raise CenetError(f"{path}: this is not a regular file; name an image file")
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CenetError(f"{path}: the file cannot be read ({reason}); check name and permissions") from error
    if not start:
        raise CenetError(f"{path}: the file is empty; copy it again")
    return start


def _by_pillow(path: Path, *, indices: bool) -> NDArray[Any]:
    """Decode what Pillow decodes without loss."""
    # by name, Pillow 13 maps a grey TIFF into memory before it turns it, and garbles it
    with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
        _check_size(path, image.width, image.height)
        if image.format != "MPO":  # a JPEG with further pictures inside
            _check_single(path, getattr(image, "n_frames", 1))
        image.load()
        mode = image.mode
        if mode in ("P", "PA") and not indices:
            values = np.array(image.convert("RGB"))
        elif mode in ("P", "PA"):
            values = np.array(image).reshape(image.height, image.width, -1)[..., 0]
            values = _meant(path, values, image)
        elif mode == "1":
            values = np.array(image, np.uint8) * np.uint8(1 if indices else 255)
        elif mode in ("L", "LA", "RGB", "RGBA"):
            values = np.array(image).reshape(image.height, image.width, -1)[..., : 1 if mode[0] == "L" else 3]
        elif mode.startswith("I;16"):
            values = np.array(image).astype(np.uint16)
        else:
            raise CenetError(f"{path}: images of mode {mode} are not read; save it as grey or RGB")
        # a TIFF has been turned by Pillow, which takes the tag away
        return _upright(values, image.getexif().get(_ORIENTATION, 1))


def _by_tifffile(path: Path) -> NDArray[Any] | None:
    """Decode a TIFF that Pillow would damage or refuse; return None for one that Pillow reads rightly."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it has to say comes back as exceptions
    with tifffile.TiffFile(path) as file:
        _check_single(path, len(file.pages))
        page = file.pages.first
        if page.imagedepth > 1:
            raise CenetError(f"{path}: the TIFF holds a volume; save every slice as one image")
        alphas = [extra in (1, 2) for extra in page.extrasamples]  # associated or not; 0 is a channel
        channels = page.samplesperpixel - sum(alphas)
        black_is_zero, rgb = page.photometric == 1, page.photometric == 2
        if page.sampleformat == 1 and all(alphas):  # unsigned integers
            if page.bitspersample <= 8 and (channels == 1 or page.photometric > 1):
                return None
            if page.bitspersample == 16 and page.samplesperpixel == 1 and black_is_zero:
                return None
        if not (black_is_zero or rgb):
            raise CenetError(f"{path}: a TIFF of this colour kind is not read; save it as grey or RGB")
        _check_size(path, page.imagewidth * max(page.samplesperpixel // 4, 1), page.imagelength)
        if max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))) > path.stat().st_size:
            raise EOFError("the file is truncated")  # tifffile would fill a tile with zeros
        values = page.asarray()
        if page.axes == "SYX":
            values = np.moveaxis(values, 0, -1)
        values = values.reshape(*values.shape[:2], -1)[..., :channels]
        return _upright(_as_known_type(path, values), int(page.tags.valueof(_ORIENTATION, 1)))


def _as_known_type(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """Return values as uint8, uint16 or float32 without loss (of doubles, all that float32 holds)."""
    if values.dtype in (np.uint8, np.uint16):
        return values
    with np.errstate(over="ignore"):
        floats = values.astype(np.float32)
    if not np.isfinite(floats).all():
        raise CenetError(f"{path}: some pixels are NaN or infinite; replace them by numbers")
    if values.dtype.kind != "f" and (floats.astype(np.float64) != values).any():
        raise CenetError(f"{path}: its large {values.dtype} values do not fit float32; save it with 16 bits")
    return floats


def _upright(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo an EXIF or TIFF orientation; anything but 2 to 8 means upright."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values[::-1] if orientation in (3, 4, 7, 8) else values


def _meant(path: Path, indices: NDArray[Any], image: Image.Image) -> NDArray[Any]:
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
        raise CenetError(f"{path}: {reason}; save it as grey PNG")
    return colours[indices, 0] if image.format == "GIF" else indices


def _check_single(path: Path, count: int) -> None:
    if count != 1:
        raise CenetError(f"{path}: the file holds {count} images; save every page or frame as one image")


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > max_pixels():
        raise _too_large(path)


def _too_large(path: Path) -> CenetError:
    return CenetError(f"{path}: the image has over {max_pixels():,} pixels; crop it, or raise --max-pixels")


@contextmanager
def _giants_allowed() -> Iterator[None]:
    """Keep Pillow from refusing what `max_pixels` allows; its own limit is one for the whole process."""
    own, wanted = Image.MAX_IMAGE_PIXELS, max_pixels()
    if own is None or wanted <= own:
        yield
        return
    with _PILLOW_LIMIT:
        own, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, wanted
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = own


def _listed(values: NDArray[Any]) -> str:
    return ", ".join(f"{value:g}" for value in values[:8]) + (", ..." if values.size > 8 else "")
