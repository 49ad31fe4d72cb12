"""Where the frames of DICOM files lie in a patient, and which of them belong to one series."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.dicom import count_header_frames, handle_pydicom_errors, read_header
from cenet.errors import CenetError

_EVEN = 0.01  # of the distance of slices: how much two may differ and count as equal
_TO_RAS = np.array([-1.0, -1.0, 1.0])  # DICOM counts to the left and back, NIfTI to the right and front


@dataclass(frozen=True)
class FrameGeometry:
    """Where a frame lies.

    Args:
        series: What all slices of one volume share, and others do not; made of identifiers, never to be shown. Empty
            where the frame is an image for itself.
        position: Of the centre of its first pixel in mm, to the left, back and head of the patient; None where it is
            not known.
        rows: The direction in which a row runs.
        columns: The direction in which a column runs.
        pixel_mm: Height and width of a pixel.
    """

    series: str = ""
    position: tuple[float, ...] | None = None
    rows: tuple[float, ...] = (1.0, 0.0, 0.0)
    columns: tuple[float, ...] = (0.0, 1.0, 0.0)
    pixel_mm: tuple[float, float] = (1.0, 1.0)


def read_frame_geometries(path: Path) -> list[FrameGeometry]:
    """Read where each frame of a DICOM file lies.

    Raises:
        CenetError: It cannot be read.
    """
    with handle_pydicom_errors(path):
        header = read_header(path, name=path)
        count = count_header_frames(header)
        shared = header.get("SharedFunctionalGroupsSequence")
        groups = header.get("PerFrameFunctionalGroupsSequence")
        if not shared or not groups or len(groups) != count:
            return [_read_geometry(header, [header])] * count if count == 1 else [FrameGeometry()] * count
        return [_read_geometry(header, _flatten(group, shared[0])) for group in groups]


def _flatten(*groups: Any) -> list[Any]:
    """The items of functional groups, those of the frame before those of all frames."""
    return [item for group in groups for element in group if element.VR == "SQ" for item in element.value[:1]]


def _read_geometry(header: Any, items: Sequence[Any]) -> FrameGeometry:
    def find(keyword: str, length: int) -> tuple[float, ...] | None:
        values = next((item.get(keyword) for item in items if item.get(keyword)), None)
        return tuple(float(value) for value in values) if values is not None and len(values) == length else None

    position, directions = find("ImagePositionPatient", 3), find("ImageOrientationPatient", 6)
    spacing = find("PixelSpacing", 2)
    if position is None or directions is None or spacing is None:
        return FrameGeometry()
    keywords = ("SeriesInstanceUID", "FrameOfReferenceUID", "Rows", "Columns")
    shared = [str(header.get(keyword, "")) for keyword in keywords]
    rounded = [f"{value:.3f}" for value in (*directions, *spacing)]
    series = "/".join([*shared, *rounded]) if "FrameOfReferenceUID" in header else ""
    return FrameGeometry(series, position, directions[:3], directions[3:], (spacing[0], spacing[1]))


def stack_slices(name: Path | str, frames: Sequence[FrameGeometry]) -> tuple[list[int], NDArray[np.float64]]:
    """Sort slices of one series along their normal, and find the affine of their volume.

    Args:
        name: What errors call them.
        frames: Where they lie.

    Returns:
        The order of the slices, and the matrix from (column, row, slice) to mm to the right, front and head.

    Raises:
        CenetError: A position is not known, or slices are not evenly spaced.

    >>> frames = [FrameGeometry(position=(0, 0, z), pixel_mm=(0.5, 0.5)) for z in (4, 0, 2)]
    >>> stack_slices("series", frames)[0], stack_slices("series", frames)[1].diagonal().tolist()
    ([1, 2, 0], [-0.5, -0.5, 2.0, 1.0])
    """
    if any(frame.position is None for frame in frames):
        raise CenetError(name, "the DICOM states no position of its slices", "write another format, such as tiff")
    first = frames[0]
    positions = np.array([frame.position for frame in frames], float)
    normal = np.cross(first.rows, first.columns)
    order = [int(index) for index in np.argsort(positions @ normal, kind="stable")]
    steps = np.diff(positions[order], axis=0)
    step = steps.mean(axis=0) if len(steps) else normal
    distance = float(np.linalg.norm(step))
    if distance < 1e-4 or (len(steps) and np.abs(steps - step).max() > max(_EVEN * distance, 0.01)):
        remedy = "write --format dicom-seg, or the slices of one phase alone"
        raise CenetError(name, "the slices of its series are not evenly spaced", remedy)
    affine = np.eye(4)
    affine[:3, 0] = _TO_RAS * np.array(first.rows) * first.pixel_mm[1]
    affine[:3, 1] = _TO_RAS * np.array(first.columns) * first.pixel_mm[0]
    affine[:3, 2] = _TO_RAS * step
    affine[:3, 3] = _TO_RAS * positions[order[0]]
    return order, affine
