"""Write masks as TIFF and NIfTI, one or a stack of them, with the pixel size and the geometry of their source."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.dicom_geometry import FrameGeometry, stack_slices
from cenet.data.io.nifti import find_slice_geometry, open_nifti
from cenet.data.io.pixel_size import PixelSize
from cenet.data.io.write import class_colours
from cenet.errors import CenetError

_CM_MM = 10.0


def tiff_resolution(pixel_size: PixelSize | None) -> dict[str, Any]:
    """Return the options of `tifffile.imwrite` that state the size of a pixel.

    Args:
        pixel_size: None where it is unknown.

    >>> tiff_resolution(PixelSize(0.02, 0.01, ""))
    {'resolution': (1000.0, 500.0), 'resolutionunit': 'CENTIMETER'}
    """
    if pixel_size is None:
        return {}
    resolution = _CM_MM / pixel_size.width_mm, _CM_MM / pixel_size.height_mm
    return {"resolution": resolution, "resolutionunit": "CENTIMETER"}


def write_tiff_masks(
    file: IO[bytes],
    masks: NDArray[Any],
    *,
    num_classes: int,
    colours: Sequence[str] = (),
    pixel_size: PixelSize | None = None,
) -> None:
    """Write class indices as compressed TIFF, a page for each mask: binary as grey 0 and 255, else with a palette.

    Args:
        file: An open file.
        masks: Class indices (N, H, W).
        num_classes: 1 for binary masks; otherwise with the background.
        colours: As for `cenet.data.io.write.class_colours`.
        pixel_size: Becomes the resolution, where it is known.

    >>> import io, tifffile
    >>> file = io.BytesIO()
    >>> size = PixelSize(0.02, 0.01, "")
    >>> write_tiff_masks(file, np.eye(3, dtype=np.uint8)[None], num_classes=1, pixel_size=size)
    >>> tags = tifffile.TiffFile(io.BytesIO(file.getvalue())).pages[0].tags
    >>> tags["XResolution"].value, tags["ResolutionUnit"].value
    ((1000, 1), <RESUNIT.CENTIMETER: 3>)
    """
    import tifffile

    options: dict[str, Any] = {"compression": "zlib", "metadata": None, "software": "cenet"}
    options |= tiff_resolution(pixel_size)
    values = masks.astype(np.uint8)
    if num_classes == 1:
        options["photometric"] = "minisblack"
        values = values * np.uint8(255)
    else:
        options["photometric"] = "palette"
        options["colormap"] = class_colours(256, colours).T.astype(np.uint16) * 257
    with tifffile.TiffWriter(file) as writer:
        for page in values:
            writer.write(page, **options)


def encode_nifti_like_nifti(source: Path, masks: NDArray[Any]) -> bytes:
    """Encode masks of all slices of a NIfTI volume as NIfTI in its geometry, compressed.

    Args:
        source: The volume.
        masks: Class indices of each slice, as it was read.

    Shape:
        (N, H, W).

    Raises:
        CenetError: The volume cannot be read.
    """
    volume = open_nifti(source)
    geometry = find_slice_geometry(volume)
    slices = np.stack([geometry.to_slice(mask) for mask in masks], axis=-1)
    image = _to_nifti(slices.reshape(volume.shape[:3]), volume.affine)
    header = volume.header
    image.header.set_zooms(header.get_zooms()[:3])
    image.header.set_xyzt_units(header.get_xyzt_units()[0])
    image.set_qform(*header.get_qform(coded=True))
    image.set_sform(*header.get_sform(coded=True))
    return _compress(image)


def encode_nifti_like_dicom(name: Path | str, masks: NDArray[Any], frames: Sequence[FrameGeometry]) -> bytes:
    """Encode masks of the slices of a DICOM series as one NIfTI volume in the patient's coordinates, compressed.

    Args:
        name: What errors call the series.
        masks: Class indices of each slice.
        frames: Where each lies.

    Shape:
        (N, H, W).

    Raises:
        CenetError: The slices do not form a volume.
    """
    order, affine = stack_slices(name, frames)
    return _encode_in_mm(np.transpose(masks[order], (2, 1, 0)), affine)


def encode_nifti_like_image(masks: NDArray[Any], pixel_size: PixelSize | None) -> bytes:
    """Encode masks of an image, or of a stack of images, as NIfTI with its pixel size, compressed.

    Columns lead to the left and rows to the back, as in an axial slice, which is how ITK converts images. Where the
    size is not known, it is 1 without a unit, and no orientation is stated.

    Args:
        masks: Class indices.
        pixel_size: Where it is known.

    Shape:
        (N, H, W).
    """
    values = np.transpose(masks, (2, 1, 0))
    if pixel_size is None:
        image = _to_nifti(values, np.eye(4))
        image.set_sform(None, 0)
        return _compress(image)
    return _encode_in_mm(values, np.diag([-pixel_size.width_mm, -pixel_size.height_mm, 1.0, 1.0]))


def _encode_in_mm(values: NDArray[Any], affine: NDArray[np.float64]) -> bytes:
    image = _to_nifti(values, affine)
    image.set_sform(affine, 1)
    image.header.set_xyzt_units("mm")
    return _compress(image)


def _to_nifti(values: NDArray[Any], affine: NDArray[Any]) -> Any:
    """A volume with a header of its own, as that of a source may hold names."""
    import nibabel

    kind: Any = nibabel.nifti1.Nifti1Image if max(values.shape) < 2**15 else nibabel.nifti2.Nifti2Image
    return kind(np.ascontiguousarray(values, np.uint8), affine)


def _compress(image: Any) -> bytes:
    return gzip.compress(image.to_bytes(), mtime=0)


def check_nifti_installed() -> None:
    """Check that NIfTI can be written.

    Raises:
        CenetError: nibabel is not installed.
    """
    try:
        import nibabel  # noqa: F401
    except ImportError as error:
        remedy = "install it: pip install 'cenet[medical]'"
        raise CenetError("--format nifti", "needs nibabel", remedy) from error
