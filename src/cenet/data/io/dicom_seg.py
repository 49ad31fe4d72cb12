"""Masks as DICOM segmentations (SEG): coded segments that refer to their source, with its patient and study.

These files are the only place that a tag of a source reaches.
"""

import io
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.dicom import count_header_frames, handle_pydicom_errors, read_header
from cenet.data.io.write import class_colours
from cenet.errors import CenetError

_OTHER_FORMAT = "write another format, such as --format png or tiff"
_LOCAL_SCHEME = "99CENET"  # "99" begins the names of schemes that DICOM does not define
_ANATOMY, _TISSUE = ("91723000", "Anatomical Structure"), ("85756007", "Tissue")
_CODES = {  # SNOMED CT, of names that differ from those of DICOM's own lists
    "vessel": ("59820001", "Blood vessel"),
    "disc": ("81016008", "Optic nerve head"),
    "optic disc": ("81016008", "Optic nerve head"),
    "nucleus": ("84640000", "Nucleus"),
}
_LISTS = ("cid7192", "cid7166", "cid7151")  # of DICOM: anatomical structures, tissues, and both in short
_REQUIRED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "SliceThickness"),
)


@dataclass(frozen=True, kw_only=True)
class SegmentedClasses:
    """What the values of masks mean, and what made them.

    Args:
        names: Of the foreground classes: the value 1, 2, ...
        nested: Whether each class lies inside the one before, and its segment inside that one's.
        colours: As for `cenet.data.io.write.class_colours`.
        model: What made the masks.
        version: Of the model.
        corrected: Whether somebody has changed the masks by hand.
    """

    names: tuple[str, ...]
    nested: bool = False
    colours: tuple[str, ...] = ()
    model: str = "cenet"
    version: str = ""
    corrected: bool = False


def encode_dicom_segmentation(
    sources: Path | bytes | Sequence[Path | bytes],
    masks: NDArray[Any],
    classes: SegmentedClasses,
    *,
    name: Path | str | None = None,
) -> bytes:
    """Encode masks as one DICOM SEG object: a binary segment for each class, in the geometry of the source.

    Segments are coded in SNOMED CT where their name is known there, else under the local scheme 99CENET. Patient and
    study are those of the source. The object is new at every call, with identifiers of its own.

    Args:
        sources: The DICOM file that was segmented, or its content; or those of all slices of one series.
        masks: Class indices: of the one image, of each of its frames, or of each slice in the order of `sources`.
        classes: What they mean.
        name: What errors call the source; by default its path.

    Shape:
        (H, W) or (N, H, W).

    Returns:
        The content of a DICOM file.

    Raises:
        CenetError: A source is no DICOM, is damaged, or lacks what a segmentation refers to; or highdicom is missing.
        ValueError: The masks do not fit the sources or the classes.
    """
    files = [sources] if isinstance(sources, Path | bytes) else list(sources)
    first = files[0]
    subject = name if name is not None else first if isinstance(first, Path) else "image"
    stack = masks[None] if masks.ndim == 2 else masks
    if stack.ndim != 3 or not np.isin(stack, range(len(classes.names) + 1)).all():
        raise ValueError(f"masks are (H, W) or (N, H, W) with values up to {len(classes.names)}")
    check_highdicom_installed()
    logging.getLogger("highdicom").setLevel(logging.CRITICAL + 1)  # its messages hold identifiers
    with handle_pydicom_errors(subject):
        headers = [_read_source(file, subject) for file in files]
        frames = sum(count_header_frames(header) for header in headers)
        size = int(headers[0].get("Rows") or 0), int(headers[0].get("Columns") or 0)
    if stack.shape != (frames, *size):
        raise ValueError(f"masks of {stack.shape} do not fit {frames} frames of {size}")
    with handle_pydicom_errors(subject, cause="a segmentation cannot refer to this DICOM", remedy=_OTHER_FORMAT):
        if frames > 1 and "FrameOfReferenceUID" not in headers[0]:
            raise CenetError(subject, "its frames have no position in a patient", _OTHER_FORMAT)
        return _encode(headers, stack, classes)


def check_highdicom_installed() -> None:
    """Check that DICOM segmentations can be written.

    Raises:
        CenetError: highdicom is not installed.
    """
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        remedy = "install it: pip install 'cenet[medical]'"
        raise CenetError("DICOM segmentations", "need highdicom to be written", remedy) from error


def _read_source(file: Path | bytes, subject: Path | str) -> Any:
    """Read the header of a source; what DICOM lets a source leave empty may also be missing."""
    header = read_header(file, name=subject)
    if missing := [keyword for keyword in _REQUIRED if not header.get(keyword)]:
        raise CenetError(subject, f"the DICOM lacks {missing[0]}, which a segmentation refers to", _OTHER_FORMAT)
    for keyword in _MAY_BE_EMPTY:
        if keyword not in header:
            setattr(header, keyword, None)
    for keyword, mark in (("StudyDate", "."), ("StudyTime", ":")):  # 2004.01.19 and 11:20:00 were written before 1993
        setattr(header, keyword, str(header.get(keyword) or "").replace(mark, "", 2) or None)
    if "Modality" not in header:
        header.Modality = "OT"
    return header


def _encode(headers: Sequence[Any], masks: NDArray[Any], classes: SegmentedClasses) -> bytes:
    import highdicom
    from highdicom.seg import Segmentation

    numbers = np.arange(1, len(classes.names) + 1)
    is_inside = np.greater_equal if classes.nested else np.equal
    series_number = min(int(headers[0].get("SeriesNumber") or 0), 10**6) + 1000
    segmentation = Segmentation(
        source_images=list(headers),
        pixel_array=is_inside(masks[..., None], numbers).astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=_describe_segments(classes),
        series_instance_uid=highdicom.UID(),
        series_number=max(series_number, 1),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="cenet",
        manufacturer_model_name=classes.model[:64],
        software_versions=metadata.version("cenet"),
        device_serial_number=classes.version[:64] or "none",
        series_description=f"Segmentation by {classes.model}"[:64],
        content_label="SEGMENTATION",
    )
    file = io.BytesIO()
    segmentation.save_as(file)
    return file.getvalue()


def _describe_segments(classes: SegmentedClasses) -> list[Any]:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    algorithm = AlgorithmIdentificationSequence(
        name=classes.model[:64],
        family=codes.DCM.ArtificialIntelligence,
        version=classes.version[:64] or metadata.version("cenet"),
    )
    colours = class_colours(len(classes.names) + 1, classes.colours)[1:]
    descriptions = []
    for number, (class_name, colour) in enumerate(zip(classes.names, colours.tolist(), strict=True), start=1):
        category, kind = find_segment_codes(class_name)
        descriptions.append(
            SegmentDescription(
                segment_number=number,
                segment_label=class_name[:64],
                segmented_property_category=category,
                segmented_property_type=kind,
                algorithm_type="SEMIAUTOMATIC" if classes.corrected else "AUTOMATIC",
                algorithm_identification=algorithm,
                display_color=CIELabColor.from_rgb(*colour),
            )
        )
    return descriptions


def find_segment_codes(class_name: str) -> tuple[Any, Any]:
    """Find category and type of a segment, as codes, by the name of its class.

    Args:
        class_name: Such as `vessel` or `Left Kidney`; also in the plural.

    >>> [code.value for code in find_segment_codes("Liver")], find_segment_codes("OPL")[1].scheme_designator
    (['91723000', '10200004'], '99CENET')
    """
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes

    words = re.sub(r"[\W_]+", " ", class_name).strip().lower()
    anatomy = CodedConcept(_ANATOMY[0], "SCT", _ANATOMY[1])
    for singular in (words, words.removesuffix("s")):
        if singular in _CODES:
            value, meaning = _CODES[singular]
            return anatomy, CodedConcept(value, "SCT", meaning)
        keyword = singular.title().replace(" ", "")
        for group in _LISTS:
            if keyword in dir(getattr(codes, group)):
                code = getattr(getattr(codes, group), keyword)
                return anatomy, CodedConcept(code.value, code.scheme_designator, code.meaning)
    tissue = CodedConcept(_TISSUE[0], "SCT", _TISSUE[1])
    return tissue, CodedConcept(words.upper()[:64] or "CLASS", _LOCAL_SCHEME, class_name[:64])
