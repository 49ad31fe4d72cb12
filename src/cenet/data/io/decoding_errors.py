"""What goes wrong while a file is decoded, as one sentence."""

import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from PIL import Image, UnidentifiedImageError, _imaging

from cenet.data.io.limits import max_pixels, too_large
from cenet.data.io.magic import UNSUPPORTED, name_unsupported, read_start
from cenet.errors import CenetError

FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "PPM", "WEBP")  # that Pillow decodes
_PILLOW_LIMIT = threading.Lock()


class UnknownFormatError(CenetError):
    """A file is of no format that is read."""


@contextmanager
def translate_decoding_errors(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a file is decoded into one sentence, and let nothing be printed beside it."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what it has to say comes back as exceptions
    _silence_libtiff()
    try:
        with warnings.catch_warnings(), _giants_allowed():
            warnings.simplefilter("ignore")  # of odd metadata, which does no harm, and of sizes, which are checked here
            yield
    except CenetError:
        raise
    except Image.DecompressionBombError as error:
        raise too_large(path) from error
    except UnidentifiedImageError as error:
        if kind := name_unsupported(read_start(path)):
            raise UnknownFormatError(path, f"this is a {kind}, which is not read", UNSUPPORTED[kind]) from error
        raise UnknownFormatError(path, f"this is no undamaged {', '.join(FORMATS)} file", "export it as PNG") from error
    except Exception as error:  # decoders of foreign files fail in every way there is
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CenetError(path, f"the image cannot be decoded ({reason})", "copy or export it again") from error


@cache
def _silence_libtiff() -> None:
    """Keep libtiff from printing errors, which Pillow raises as exceptions; Windows lacks the way to tell it so."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


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
