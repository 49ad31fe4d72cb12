"""What a file is, by its first bytes and never by its name alone."""

from pathlib import Path

DICOM_PREAMBLE = 128  # bytes, which may be those of a TIFF, before the letters DICM
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis", b"avif")
_STARTS = {
    b"\0\0\0\x0cjP  ": "JPEG 2000 file",
    b"\xff\x4f\xff\x51": "JPEG 2000 file",
    b"\xff\x0a": "JPEG XL file",
    b"\0\0\0\x0cJXL ": "JPEG XL file",
    b"%PDF": "PDF document",
    b"\xd0\xcf\x11\xe0": "microscope or office file in an OLE container",
    b"\x89HDF": "HDF5 or MATLAB file",
    b"MATLAB": "HDF5 or MATLAB file",
    b"PK\x03\x04": "ZIP archive",
    b"NRRD": "NRRD volume",
    b"ObjectType =": "MetaImage header",
    b"<svg": "text file, such as SVG or HTML,",
    b"<?xml": "text file, such as SVG or HTML,",
    b"<html": "text file, such as SVG or HTML,",
    b"<!DOC": "text file, such as SVG or HTML,",
}
UNSUPPORTED = {  # what a file is: how it is made readable
    "HEIC or AVIF photograph": "export it as JPEG or PNG",
    "PDF document": "export its image as PNG",
    "JPEG 2000 file": "convert it to TIFF",
    "JPEG XL file": "convert it to PNG",
    "microscope or office file in an OLE container": "export its image as TIFF",
    "HDF5 or MATLAB file": "save each image as TIFF or .npy",
    "ZIP archive": "unpack it",
    "text file, such as SVG or HTML,": "export its image as PNG",
    "NRRD volume": "save it as NIfTI",
    "MetaImage header": "save it as NIfTI",
}


def read_start(path: Path) -> bytes:
    """Return the first bytes of a file, as many as any format needs."""
    with path.open("rb") as file:
        return file.read(352)


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM: with its letters after the preamble, or without a preamble but with a DICOM group first.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "scan")
    ...     _ = path.write_bytes(b"II*" + bytes(125) + b"DICM")
    ...     is_dicom(path)
    True
    """
    start = read_start(path)
    if start[DICOM_PREAMBLE : DICOM_PREAMBLE + 4] == b"DICM":
        return True
    # without a preamble: group 2 or 8 in little or big endian, and an element that files begin with
    little = start[:2] in (b"\x02\0", b"\x08\0") and start[3:4] == b"\0" and start[2] in (0, 1, 5, 8, 0x16, 0x18)
    big = start[:2] in (b"\0\x02", b"\0\x08") and start[2:3] == b"\0" and start[3] in (0, 1, 5, 8, 0x16, 0x18)
    return len(start) > 16 and (little or big)


def is_nifti(path: Path) -> bool:
    """Whether a file is a single-file NIfTI, compressed or not."""
    start = read_start(path)
    if start[:2] == b"\x1f\x8b":
        return path.name.lower().endswith(".nii.gz")
    return start[344:348] == b"n+1\0" or start[4:8] == b"n+2\0"


def name_unsupported(start: bytes) -> str | None:
    """Return the key of `UNSUPPORTED` that first bytes belong to, or None.

    >>> name_unsupported(b"%PDF-1.7")
    'PDF document'
    """
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS:
        return "HEIC or AVIF photograph"
    return next((kind for first, kind in _STARTS.items() if start.lstrip().startswith(first)), None)


def is_dicom_without_suffix(path: Path) -> bool:
    """Whether a file is DICOM though its name does not say so, as on discs from a hospital."""
    is_named = path.suffix and not path.suffix[1:].isdigit()  # such as 1.2.840.113619
    if is_named or path.name == "DICOMDIR" or not path.is_file():
        return False
    try:
        return read_start(path)[DICOM_PREAMBLE : DICOM_PREAMBLE + 4] == b"DICM"
    except OSError:
        return False
