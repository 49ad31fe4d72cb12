"""DICOM images: values with rescale, MONOCHROME1 and palettes applied, frame by frame. No tag is logged or reported."""

import hashlib
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.dicom_values import read_window, rescale_frame
from cenet.data.io.known_types import to_known_type
from cenet.data.io.limits import check_size
from cenet.errors import CenetError

INSTALL = "install the decoders: pip install 'cenet[medical]'"
_DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.8.1")
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_FRAME_START = 2**16  # bytes of a compressed frame within which its size is found


@dataclass(frozen=True)
class DisplayWindow:
    """The range of values that the source shows from black to white."""

    low: float
    high: float


def decode_dicom(path: Path, *, indices: bool, page: int | None) -> NDArray[Any]:
    """Return the values of a frame: rescaled (CT: Hounsfield units), black is low, colours as RGB.

    Values without a rescale keep their type, uint8 or uint16; signed or rescaled ones become float32. No display
    window is applied.

    Args:
        path: The file.
        indices: Whether a palette keeps its indices.
        page: Which frame, from 0; None for the only one.

    Shape:
        (H, W, C), uint8, uint16 or float32.

    Raises:
        CenetError: It holds no image, several where none is named, is truncated or too large, or its transfer syntax
            cannot be decoded; or it is a CT without a rescale.
    """
    with handle_pydicom_errors(path):
        header = read_header(path, name=path)
        count = count_header_frames(header)
        if page is None and count != 1:
            raise CenetError(path, f"the file holds {count} frames", "save every frame as one image")
        if page is not None and not 0 <= page < count:
            raise CenetError(path, f"there is no frame {page} in it, it holds {count}", "use stacks of the same length")
        _check_header(path, header)
        return _decode_frame(path, page or 0, indices=indices)


def count_frames(path: Path) -> int:
    """Return how many frames a DICOM file holds.

    Raises:
        CenetError: It cannot be read.
    """
    with handle_pydicom_errors(path):
        return count_header_frames(read_header(path, name=path))


def read_spacing(path: Path) -> tuple[float, float, str]:
    """Return height and width of a pixel in mm, and the attribute that states them.

    Raises:
        ValueError: The file states none.
    """
    with handle_pydicom_errors(path):
        header = read_header(path, name=path)
        for name in _SPACINGS:
            if header.get(name):
                rows, columns = (float(value) for value in header.get(name))
                return rows, columns, f"DICOM {name}"
        for groups in (header.get("SharedFunctionalGroupsSequence"), header.get("PerFrameFunctionalGroupsSequence")):
            for item in groups or ():
                for measures in item.get("PixelMeasuresSequence") or ():
                    rows, columns = (float(value) for value in measures.PixelSpacing)
                    return rows, columns, "DICOM PixelSpacing"
    raise ValueError("no spacing")


def has_burned_in_annotation(path: Path) -> bool:
    """Whether a DICOM file says that text, which may name the patient, is part of its pixels."""
    with handle_pydicom_errors(path):
        return str(read_header(path, name=path).get("BurnedInAnnotation", "")).upper() == "YES"


def read_patient_digest(path: Path) -> str:
    """A digest of the patient's identifier, which files of one patient share; empty where the file states none.

    Raises:
        CenetError: It cannot be read.
    """
    with handle_pydicom_errors(path):
        header = read_header(path, name=path)
        patient, issuer = (str(header.get(name) or "").strip() for name in ("PatientID", "IssuerOfPatientID"))
    return hashlib.sha256(f"{patient}\n{issuer}".encode()).hexdigest() if patient else ""


def read_display_window(path: Path, *, page: int | None = None) -> DisplayWindow | None:
    """Return the first window that a DICOM file names for a frame, in rescaled values; None where it names none.

    Args:
        path: The file.
        page: Which frame, from 0; None for the only one.
    """
    with handle_pydicom_errors(path):
        header = read_header(path, name=path)
        window = None if _is_inverted(header) else read_window(header, page or 0)
        return window and DisplayWindow(window[0] - window[1] / 2, window[0] + window[1] / 2)


@contextmanager
def handle_pydicom_errors(path: Path | str, *, cause: str | None = None, remedy: str | None = None) -> Iterator[None]:
    """Let pydicom print and log nothing, as its messages hold values of tags, and say what is wrong without them.

    Args:
        path: The file.
        cause: What is wrong where something is; by default what kinds of exceptions mean in reading.
        remedy: What helps then.

    Raises:
        CenetError: Something is wrong.
    """
    try:
        import pydicom
    except ImportError as error:
        raise CenetError(path, "reading DICOM needs pydicom", INSTALL) from error
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except CenetError:
        raise
    except Exception as error:  # its own words may hold values of tags
        if cause is not None:
            raise CenetError(path, f"{cause} ({type(error).__name__})", remedy or _REMEDY) from None
        if isinstance(error, pydicom.errors.InvalidDicomError | EOFError | ValueError):
            raise CenetError(path, "the DICOM file is truncated or damaged", "copy or export it again") from None
        if isinstance(error, RuntimeError):
            raise CenetError(path, "its pixels are damaged, or of a kind that cannot be decoded", _NO_DECODER) from None
        raise CenetError(path, f"the DICOM file cannot be decoded ({type(error).__name__})", _REMEDY) from None


_NO_DECODER = "install python-gdcm, or convert it to an uncompressed transfer syntax, such as with dcmdjpeg"
_REMEDY = "copy or export it again, or convert it to an uncompressed transfer syntax"


def read_header(source: Path | bytes, *, name: Path | str) -> Any:
    """Read the tags before the pixels; what is deflated is refused, as it may grow without bound.

    Args:
        source: The file, or its content.
        name: What errors call it.

    Raises:
        CenetError: It is deflated.
    """
    import pydicom

    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        if file.read(132)[128:] == b"DICM":
            meta = pydicom.filereader.read_dataset(file, False, True, stop_when=lambda tag, *_: tag.group != 2)
            if str(meta.get("TransferSyntaxUID", "")) in _DEFLATED:
                raise CenetError(name, "deflated DICOM is not read", "convert it, such as with dcmconv +te")
        file.seek(0)
        return pydicom.dcmread(file, force=True, stop_before_pixels=True)


def count_header_frames(header: Any) -> int:
    """Return how many frames a header states."""
    return max(int(header.get("NumberOfFrames") or 1), 1)


def _is_inverted(header: Any) -> bool:
    return str(header.get("PhotometricInterpretation", "")) == "MONOCHROME1"


def _check_header(path: Path, header: Any) -> None:
    """Refuse what holds no image, or too large a one, before anything is decoded."""
    rows, columns = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    if not rows or not columns:
        if "SOPClassUID" not in header:
            raise CenetError(path, "the DICOM file is truncated or damaged", "copy or export it again")
        raise CenetError(path, "the DICOM file holds no image", "name a file with pixels")
    samples, bits = int(header.get("SamplesPerPixel") or 1), int(header.get("BitsAllocated") or 8)
    if samples not in (1, 3):
        raise CenetError(path, f"the DICOM image has {samples} samples a pixel", "save it as grey or RGB")
    check_size(path, width=columns, height=rows, pixel_bytes=samples * max(bits // 8, 1))


def _decode_frame(path: Path, page: int, *, indices: bool) -> NDArray[Any]:
    import pydicom
    from pydicom.pixels import apply_color_lut, pixel_array

    dataset = pydicom.dcmread(path, force=True, defer_size=2**16)
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise CenetError(path, "the DICOM file holds no pixel data", "name a file with pixels, or export it again")
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    if syntax is None:
        little, implicit = dataset.original_encoding[1], dataset.original_encoding[0]
        uid = pydicom.uid
        explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        syntax = uid.ImplicitVRLittleEndian if implicit else explicit
        dataset.ensure_file_meta()
        dataset.file_meta.TransferSyntaxUID = syntax
    _check_frame(path, dataset, page, syntax)
    values = pixel_array(dataset, index=page)
    if values.shape[:2] != (int(dataset.Rows), int(dataset.Columns)):
        raise CenetError(path, "its pixels have another size than its header states", _REMEDY)
    if str(dataset.PhotometricInterpretation) == "PALETTE COLOR" and not indices:
        values = apply_color_lut(values, dataset)
        values = np.asarray(values >> 8, np.uint8) if values.dtype == np.uint16 else values
    if values.ndim == 3:
        return to_known_type(path, values)
    if _is_inverted(dataset):
        bits = int(dataset.BitsStored)
        top = -1 if int(dataset.PixelRepresentation) else 2**bits - 1
        values = np.asarray(top - values.astype(np.int64)).astype(values.dtype)
    return to_known_type(path, values if indices else rescale_frame(path, values, dataset, page))[..., None]


def _check_frame(path: Path, dataset: Any, page: int, syntax: Any) -> None:
    """Refuse a compressed frame whose decoder is missing, or that is larger than the header states."""
    from pydicom.encaps import get_frame
    from pydicom.pixels import get_decoder

    if not syntax.is_compressed:
        return
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        name = syntax.name if syntax.is_transfer_syntax else "unknown"
        raise CenetError(path, f"the transfer syntax {name} cannot be decoded", _REMEDY) from None
    if not decoder.is_available:
        cause = f"the transfer syntax {syntax.name} cannot be decoded by what is installed"
        is_in_extra = any(word in syntax.name for word in ("2000", "JPEG-LS"))
        raise CenetError(path, cause, INSTALL if is_in_extra else _NO_DECODER)
    frame = get_frame(dataset.PixelData, page, number_of_frames=count_header_frames(dataset))
    size = _compressed_size(frame[:_FRAME_START])
    if size is not None and size != (int(dataset.Columns), int(dataset.Rows)):
        check_size(path, width=size[0], height=size[1])
        raise CenetError(path, "its pixels have another size than its header states", _REMEDY)


def _compressed_size(frame: bytes) -> tuple[int, int] | None:
    r"""Width and height that a JPEG, JPEG-LS or JPEG 2000 frame states; None where it is of another kind.

    >>> _compressed_size(b"\xff\xd8\xff\xc0\0\x11\x08\0\x03\0\x04")
    (4, 3)
    """
    if frame.startswith(b"\xff\x4f\xff\x51"):
        fields = [int.from_bytes(frame[at : at + 4], "big") for at in (8, 12, 16, 20)]
        return fields[0] - fields[2], fields[1] - fields[3]
    position = 2
    while frame.startswith(b"\xff\xd8") and position + 9 <= len(frame) and frame[position] == 0xFF:
        code, length = frame[position + 1], int.from_bytes(frame[position + 2 : position + 4], "big")
        if code == 0xF7 or (0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC)):
            height, width = (int.from_bytes(frame[position + at : position + at + 2], "big") for at in (5, 7))
            return width, height
        position += 2 + length
    return None
