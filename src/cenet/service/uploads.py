"""The images of a request: received in memory within limits, and decoded by `cenet.data.io`."""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from cenet.data.io.decoding_errors import UnknownFormatError
from cenet.data.io.limits import ImageTooLargeError
from cenet.data.io.magic import is_dicom
from cenet.data.io.ome import read_channel_names
from cenet.data.io.pixel_size import read_pixel_size
from cenet.data.io.read import IMAGE_SUFFIXES, check_usable, describe_file, page_count, read_image
from cenet.errors import CenetError
from cenet.inference.adapt_image import adapt_to_run, choose_channels
from cenet.service.limits import ServiceLimits
from cenet.service.problems import ProblemError
from cenet.service.served_model import ServedModel

MAX_FIELD_BYTES = 2**20
MAX_FIELDS = 20
SHARED_MEMORY = Path("/dev/shm")  # what lies there is on no disk


@dataclass(frozen=True)
class Upload:
    """A file of a request.

    Args:
        content: Its bytes.
        suffix: The end of its name where that is the suffix of an image, else empty; the name itself is not kept.
    """

    content: bytes = field(repr=False)
    suffix: str


@dataclass(frozen=True)
class DecodedImage:
    """The image in an upload.

    Args:
        pixels: Its values, (H, W, C).
        notes: What to know of its file, and of what was converted for the model.
        pixel_um: Height and width of a pixel in micrometres, where the file states them.
        dicom: The content of the file, where it is DICOM.
    """

    pixels: NDArray[Any] = field(repr=False)
    notes: tuple[str, ...] = ()
    pixel_um: tuple[float, float] | None = None
    dicom: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Form:
    """The parts of a request's body.

    Args:
        files: By the names of their fields.
    """

    files: dict[str, list[Upload]]

    def one(self, name: str) -> Upload:
        """The only file of a field.

        Raises:
            ProblemError: There is none, or there are several.
        """
        uploads = self.files.get(name, [])
        if len(uploads) != 1:
            detail = f"the field {name} holds {len(uploads)} files; send one file in it"
            raise ProblemError(422, "missing-image", detail)
        return uploads[0]


class _InMemoryParser(MultiPartParser):
    """Keeps files in memory whatever their size, which is limited before; nothing is written to a disk.

    Attributes:
        is_whole: Whether the body has come to its end, and was not cut off.
    """

    spool_max_size = 2**62
    is_whole = False

    def on_end(self) -> None:
        self.is_whole = True

    def on_headers_finished(self) -> None:
        try:
            super().on_headers_finished()
        except MultiPartException as error:
            if self._current_files > self.max_files:
                detail = f"the body holds more than {self.max_files} files; send fewer"
                raise ProblemError(422, "too-many-files", detail) from error
            raise

    def close(self) -> None:
        """Close every file, those of a body that breaks off too: the base class does so after some errors only."""
        for file in self._files_to_close_on_error:
            file.close()


async def read_form(request: Request, limits: ServiceLimits) -> Form:
    """Receive the body of a request, of type `multipart/form-data`.

    Args:
        request: The request.
        limits: For size, number of files and time.

    Raises:
        ProblemError: The body is of another type, too large, too slow, or damaged.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        detail = "the body is not multipart/form-data; send the image as a file in the field image"
        raise ProblemError(415, "body-not-multipart", detail)
    stream = _limited_stream(request, limits.max_body_bytes)
    headers = Headers({"content-type": request.headers["content-type"]})
    options = {"max_files": limits.max_batch + 2, "max_fields": MAX_FIELDS, "max_part_size": MAX_FIELD_BYTES}
    files: dict[str, list[Upload]] = {}
    with closing(_InMemoryParser(headers, stream, **options)) as parser:
        for name, value in (await _parse(parser, limits.body_timeout_s)).multi_items():
            if isinstance(value, UploadFile):
                files.setdefault(name, []).append(Upload(await value.read(), _image_suffix(value.filename or "")))
    return Form(files)


async def _parse(parser: _InMemoryParser, timeout_s: float) -> FormData:
    damaged = ProblemError(422, "body-damaged", "the body is no whole multipart/form-data; send it again")
    try:
        async with asyncio.timeout(timeout_s):
            form = await parser.parse()
    except TimeoutError as error:
        detail = f"the body did not arrive within {timeout_s:g} s; send it faster, or a smaller image"
        raise ProblemError(408, "body-too-slow", detail) from error
    except ClientDisconnect as error:
        raise ProblemError(400, "disconnected", "the body was not sent to its end") from error
    except (MultiPartException, ValueError, LookupError) as error:
        raise damaged from error
    if not parser.is_whole:
        raise damaged
    return form


async def _limited_stream(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    too_large = ProblemError(
        413, "body-too-large", f"the body has more than {max_bytes} bytes; send a smaller image, or fewer"
    )
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:20]) > max_bytes:
        raise too_large
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > max_bytes:
            raise too_large
        yield chunk


def _image_suffix(name: str) -> str:
    """The suffix of an image's name; longer ones such as `.ome.tif` first.

    >>> _image_suffix("Jane Doe.TIF"), _image_suffix("notes.pdf")
    ('.tif', '')
    """
    lower = name.lower()
    return max((suffix for suffix in IMAGE_SUFFIXES if lower.endswith(suffix)), key=len, default="")


def decode_upload(upload: Upload, *, page: int | None = None, model: ServedModel | None = None) -> DecodedImage:
    """Decode an image as `cenet predict` does, with the same limits and conversions.

    While it is decoded it lies in a private file: in memory on Linux, elsewhere in the system's temporary folder.

    Args:
        upload: The file.
        page: Which one of a TIFF with several pages, from 0.
        model: For which the image is converted where that is unambiguous, such as from grey to RGB; None: as it is.

    Raises:
        ProblemError: It is no image that is read, damaged, too large, or all of one value and no page of several.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="cenet-", dir=_memory_folder(len(upload.content))) as folder:
            path = Path(folder, f"image{upload.suffix}")
            path.write_bytes(upload.content)
            try:
                pixels = read_image(path, page=page)
                if page is None or page_count(path) == 1:  # a volume may begin and end with slices that show nothing
                    check_usable(pixels, name="image", min_side_px=1)
                notes = tuple(describe_file(path))
                if model is not None and model.in_channels is not None:
                    names, trained = read_channel_names(path), model.channels
                    indices, chosen = choose_channels(pixels.shape[2], names, trained=trained)
                    pixels = np.ascontiguousarray(pixels[..., indices])
                    pixels, adapted = adapt_to_run(
                        pixels, path, in_channels=model.in_channels, dtype=model.dtype, page=page
                    )
                    notes += (*chosen, *adapted)
                size, dicom = read_pixel_size(path), upload.content if is_dicom(path) else None
            except CenetError as error:
                raise to_problem(error, folder=folder) from error
    except OSError as error:
        detail = "there is no room to decode the image; try again later"
        raise ProblemError(503, "no-room", detail, retry_after_s=10) from error
    return DecodedImage(pixels, notes, size.um if size else None, dicom)


def to_problem(error: CenetError, *, folder: str = "") -> ProblemError:
    """What to answer where an image cannot be read or does not fit the model.

    Args:
        error: What was raised.
        folder: A folder of ours, which the answer does not name.
    """
    detail = f"{error.cause}; {error.remedy}"
    if folder:
        detail = detail.replace(f"{folder}{os.sep}", "")
    if isinstance(error, ImageTooLargeError):
        return ProblemError(413, "image-too-large", detail)
    if isinstance(error, UnknownFormatError):
        return ProblemError(415, "image-format", detail)
    return ProblemError(422, "image-refused", detail)


def _memory_folder(size: int) -> str | None:
    """Where a file of a size lies in memory; None, which is the system's temporary folder, where there is no room."""
    try:
        free = os.statvfs(SHARED_MEMORY)
    except (OSError, AttributeError):
        return None
    has_room = free.f_bavail * free.f_frsize > 2 * size and os.access(SHARED_MEMORY, os.W_OK)
    return str(SHARED_MEMORY) if has_room else None


def check_decoding_folder() -> None:
    """Check that images can be decoded, which needs a private file for a moment.

    Raises:
        CenetError: No such file can be written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="cenet-", dir=_memory_folder(0)):
            pass
    except OSError as error:
        cause = "images are decoded in it, and it cannot be written"
        raise CenetError("temporary folder", cause, "set TMPDIR to a folder that can, such as a tmpfs") from error
