"""How files of images are decoded: by Pillow, or by tifffile where Pillow would damage or refuse a TIFF."""

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

MAX_PIXELS = 80_000_000  # unless the environment variable CENET_MAX_PIXELS says otherwise

_FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PILLOW_LIMIT = threading.Lock()
_ORIENTATION = 0x0112  # the tag that EXIF and TIFF share


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
    with _one_sentence(path):
        values = _by_tifffile(path, page=page) if start.startswith(_TIFF_STARTS) else None
        if values is None:
            values = _by_pillow(path, indices=indices, page=page)
    return np.ascontiguousarray(values if values.ndim == 3 else values[..., None])


def page_count(path: Path) -> int:
    """Return how many images a file holds: the pages of a TIFF, the frames of a GIF; one of any other.

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
    with _one_sentence(path):
        if start.startswith(_TIFF_STARTS):
            import tifffile

            with tifffile.TiffFile(path) as file:
                if not file.pages:
                    raise EOFError("the file is truncated")
                return len(file.pages)
        with path.open("rb") as opened, Image.open(opened, formats=_FORMATS) as image:
            return _frames(image)


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


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a file is decoded into one sentence."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it has to say comes back as exceptions
    try:
        with warnings.catch_warnings(), _giants_allowed():
            warnings.simplefilter("ignore")  # of odd metadata, which does no harm, and of sizes, which are checked here
            yield
    except CenetError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        raise CenetError(path, f"this is no undamaged {', '.join(_FORMATS)} file", "export it as PNG") from error
    except Exception as error:  # decoders of foreign files fail in every way there is
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CenetError(path, f"the image cannot be decoded ({reason})", "copy or export it again") from error


def _start(path: Path) -> bytes:
    """Return the first bytes of a file that is there and not empty."""
    if path.is_dir():
        raise CenetError(path, "this is a folder", "name an image file")
    if path.exists() and not path.is_file():
        raise CenetError(path, "this is not a regular file", "name an image file")
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CenetError(path, f"the file cannot be read ({reason})", "check name and permissions") from error
    if not start:
        raise CenetError(path, "the file is empty", "copy it again")
    return start


def _by_pillow(path: Path, *, indices: bool, page: int | None) -> NDArray[Any]:
    """Decode what Pillow decodes without loss."""
    # by name, Pillow 13 maps a grey TIFF into memory before it turns it, and garbles it
    with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
        _check_size(path, image.width, image.height)
        count = _frames(image)
        _check_page(path, count, page if count == 1 or image.format == "TIFF" else None)
        image.seek(page or 0)
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
            raise CenetError(path, f"images of mode {mode} are not read", "save it as grey or RGB")
        # a TIFF has been turned by Pillow, which takes the tag away
        return _upright(values, image.getexif().get(_ORIENTATION, 1))


def _by_tifffile(path: Path, *, page: int | None) -> NDArray[Any] | None:
    """Decode a TIFF that Pillow would damage or refuse; return None for one that Pillow reads rightly."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if not file.pages:  # its directory, which may lie at the end, is gone
            raise EOFError("the file is truncated")
        _check_page(path, len(file.pages), page)
        image = file.pages[page or 0].aspage()
        if image.imagedepth > 1:
            raise CenetError(path, "the TIFF holds a volume", "save every slice as one image")
        alphas = [extra in (1, 2) for extra in image.extrasamples]  # associated or not; 0 is a channel
        channels = image.samplesperpixel - sum(alphas)
        black_is_zero, rgb = image.photometric == 1, image.photometric == 2
        if image.sampleformat == 1 and all(alphas):  # unsigned integers
            if image.bitspersample <= 8 and (channels == 1 or image.photometric > 1):
                return None
            if image.bitspersample == 16 and image.samplesperpixel == 1 and black_is_zero:
                return None
        if not (black_is_zero or rgb):
            raise CenetError(path, "a TIFF of this colour kind is not read", "save it as grey or RGB")
        _check_size(path, image.imagewidth * max(image.samplesperpixel // 4, 1), image.imagelength)
        if max(map(sum, zip(image.dataoffsets, image.databytecounts, strict=True))) > path.stat().st_size:
            raise EOFError("the file is truncated")  # tifffile would fill a tile with zeros
        values = image.asarray()
        if image.axes == "SYX":
            values = np.moveaxis(values, 0, -1)
        values = values.reshape(*values.shape[:2], -1)[..., :channels]
        return _upright(_as_known_type(path, values), int(image.tags.valueof(_ORIENTATION, 1)))


def _as_known_type(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """Return values as uint8, uint16 or float32 without loss (of doubles, all that float32 holds)."""
    if values.dtype in (np.uint8, np.uint16):
        return values
    with np.errstate(over="ignore"):
        floats = values.astype(np.float32)
    if not np.isfinite(floats).all():
        raise CenetError(path, "some pixels are NaN or infinite", "replace them by numbers")
    if values.dtype.kind != "f" and (floats.astype(np.float64) != values).any():
        raise CenetError(path, f"its large {values.dtype} values do not fit float32", "save it with 16 bits")
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
        raise CenetError(path, reason, "save it as grey PNG")
    return colours[indices, 0] if image.format == "GIF" else indices


def _frames(image: Image.Image) -> int:
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: a JPEG with further pictures inside


def _check_page(path: Path, count: int, page: int | None) -> None:
    if page is None and count != 1:
        raise CenetError(path, f"the file holds {count} images", "save every page or frame as one image")
    if page is not None and not 0 <= page < count:
        held = f"it holds {count}, counted from 0"
        raise CenetError(path, f"there is no page {page} in it, {held}", "use stacks of the same length")


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > max_pixels():
        raise _too_large(path)


def _too_large(path: Path) -> CenetError:
    return CenetError(path, f"the image has over {max_pixels():,} pixels", "crop it, or raise --max-pixels")


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
