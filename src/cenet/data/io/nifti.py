"""Slices of NIfTI volumes, turned as a radiologist sees them where the file states its orientation."""

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.known_types import to_known_type
from cenet.data.io.limits import check_bytes, check_size
from cenet.errors import CenetError

_PLANES = ("sagittal", "coronal", "axial")
_UNIT_MM = {"unknown": 1.0, "meter": 1000.0, "mm": 1.0, "micron": 0.001}
_TOWARDS = ((1, 2), (0, 2), (0, 1))  # of each plane the axes of the body that columns and rows follow


@dataclass(frozen=True)
class SliceGeometry:
    """How a slice of a volume becomes an image.

    Args:
        plane: `axial`, `coronal` or `sagittal`, or `unknown` where the file states no orientation.
        swap: Whether the first axis of the volume becomes the rows.
        flip_rows: Whether the rows are turned around, after the swap.
        flip_columns: Likewise the columns.
        height_mm: Of a pixel.
        width_mm: Of a pixel.
    """

    plane: str
    swap: bool
    flip_rows: bool
    flip_columns: bool
    height_mm: float
    width_mm: float

    def to_image(self, slice_: NDArray[Any]) -> NDArray[Any]:
        """Turn a slice (first axis, second axis) of the volume into an image (H, W)."""
        image = slice_ if self.swap else slice_.T
        image = image[::-1] if self.flip_rows else image
        return image[:, ::-1] if self.flip_columns else image

    def to_slice(self, image: NDArray[Any]) -> NDArray[Any]:
        """Undo `to_image`."""
        slice_ = image[::-1] if self.flip_rows else image
        slice_ = slice_[:, ::-1] if self.flip_columns else slice_
        return slice_ if self.swap else slice_.T


def decode_nifti(path: Path, *, page: int | None) -> NDArray[Any]:
    """Return the values of a slice along the third axis of a volume, upright.

    Shape:
        (H, W, C), uint8, uint16 or float32.

    Raises:
        CenetError: It is damaged, too large, has four axes or more, or several slices where none is named.
    """
    volume = open_nifti(path)
    count = _slice_count(path, volume)
    if page is None and count != 1:
        raise CenetError(path, f"the file holds {count} slices", "save every slice as one image")
    if page is not None and not 0 <= page < count:
        raise CenetError(path, f"there is no slice {page} in it, it holds {count}", "use stacks of the same length")
    data = volume.dataobj
    height, width = volume.shape[1], volume.shape[0]
    check_size(path, width=width, height=height, pixel_bytes=8)
    if path.name.lower().endswith(".gz"):
        check_bytes(path, int(np.prod(volume.shape)) * volume.get_data_dtype().itemsize)
    at = (slice(None), slice(None), page or 0, *[0] * (len(volume.shape) - 3))[: len(volume.shape)]
    try:
        values = np.asarray(data[at])
    except Exception as error:
        raise CenetError(path, "the NIfTI file is truncated or damaged", "copy or export it again") from error
    if values.dtype.kind not in "iuf":
        raise CenetError(path, f"values of {values.dtype} are not read", "save it with one number a voxel")
    image = find_slice_geometry(volume).to_image(values)
    return to_known_type(path, image)[..., None]


def count_slices(path: Path) -> int:
    """Return how many slices lie along the third axis of a volume.

    Raises:
        CenetError: It is damaged, or has four axes.
    """
    return _slice_count(path, open_nifti(path))


def read_slice_spacing(path: Path) -> tuple[float, float, str]:
    """Return height and width of a pixel of a slice in mm, and what states them; without a unit, mm are meant.

    Raises:
        CenetError: It is damaged.
        ValueError: The file states none: no unit, no orientation, and 1 for every side.
    """
    volume = open_nifti(path)
    geometry = find_slice_geometry(volume)
    unit = volume.header.get_xyzt_units()[0]
    sides = geometry.height_mm * _UNIT_MM[unit], geometry.width_mm * _UNIT_MM[unit]
    if unit == "unknown" and geometry.plane == "unknown" and sides == (1, 1):
        raise ValueError("no spacing")
    return *sides, "NIfTI pixdim"


def describe_plane(path: Path) -> str:
    """A remark on which slices of a volume are read.

    Raises:
        CenetError: It is damaged.
    """
    plane = find_slice_geometry(open_nifti(path)).plane
    if plane == "unknown":
        return "the file states no orientation, its slices are read as they are stored, along the third axis"
    return f"its slices along the third axis are read, which are {plane}"


def open_nifti(path: Path) -> Any:
    """Open a volume without reading its voxels.

    Raises:
        CenetError: It is no NIfTI, is damaged, or nibabel is not installed.
    """
    try:
        import nibabel
    except ImportError as error:
        raise CenetError(path, "reading NIfTI needs nibabel", "install it: pip install 'cenet[medical]'") from error
    try:
        return nibabel.nifti1.load(path) if not _is_second(path) else nibabel.nifti2.load(path)
    except Exception as error:
        raise CenetError(path, "the NIfTI file is truncated or damaged", "copy or export it again") from error


def find_slice_geometry(volume: Any) -> SliceGeometry:
    """Find how slices along the third axis of a volume become images.

    Columns lead to the patient's left (sagittal: posterior), rows to posterior (coronal and sagittal: inferior).
    """
    from nibabel.orientations import io_orientation

    header = volume.header
    first, second = (abs(float(size)) for size in header["pixdim"][1:3])
    orientation = io_orientation(volume.affine) if int(header["sform_code"]) or int(header["qform_code"]) else None
    if orientation is None or len(orientation) < 3 or not np.isfinite(orientation[:3]).all():
        return SliceGeometry("unknown", False, False, False, second, first)
    axes, signs = orientation[:3, 0].astype(int), orientation[:3, 1]
    across, _ = _TOWARDS[axes[2]]
    swap = axes[0] != across
    column_axis, row_axis = (1, 0) if swap else (0, 1)
    return SliceGeometry(
        plane=_PLANES[axes[2]],
        swap=bool(swap),
        flip_rows=bool(signs[row_axis] > 0),
        flip_columns=bool(signs[column_axis] > 0),
        height_mm=(first, second)[row_axis],
        width_mm=(first, second)[column_axis],
    )


def _slice_count(path: Path, volume: Any) -> int:
    shape = volume.shape
    if len(shape) < 2 or any(size != 1 for size in shape[3:]):
        raise CenetError(path, f"the NIfTI has {len(shape)} axes", "save each volume of a series for itself")
    return int(shape[2]) if len(shape) > 2 else 1


def _is_second(path: Path) -> bool:
    """Whether a file is NIfTI-2."""
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        start = file.read(4)
    return len(start) == 4 and 540 in (struct.unpack("<i", start)[0], struct.unpack(">i", start)[0])
