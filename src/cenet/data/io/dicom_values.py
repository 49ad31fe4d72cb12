"""What the stored values of a DICOM frame mean: rescale and window, which enhanced files state frame by frame."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError

_CT_IMAGES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
_UNCHANGED = (1.0, 0.0)


def rescale_frame(path: Path, values: NDArray[Any], dataset: Any, page: int) -> NDArray[Any]:
    """Apply the modality's table, or slope and intercept; where those of no frame change anything, values stay.

    Args:
        path: The file.
        values: Of the frame, as they are stored.
        dataset: What the file states.
        page: Which frame, from 0.

    Shape:
        (H, W), float32; of another modality than CT as it was, where nothing is to be changed.

    Raises:
        CenetError: It is a CT that states no rescale, or a rescale is not stated by two numbers.
    """
    from pydicom.pixels import apply_modality_lut

    if dataset.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(values, dataset), np.float32)
    rescale = _read_rescale(path, dataset, page)
    if str(dataset.get("SOPClassUID", "")) in _CT_IMAGES or dataset.get("Modality") == "CT":
        if rescale is None:
            remedy = "export it again with slope and intercept, or save it as PNG where they do not matter"
            raise CenetError(path, "the CT states no rescale, without which its Hounsfield units are unknown", remedy)
    elif (rescale or _UNCHANGED) == _UNCHANGED:
        frames = range(len(dataset.get("PerFrameFunctionalGroupsSequence") or ()))
        if all((_read_rescale(path, dataset, frame) or _UNCHANGED) == _UNCHANGED for frame in frames):
            return values
    slope, intercept = rescale or _UNCHANGED
    return np.asarray(values.astype(np.float64) * slope + intercept, np.float32)


def read_window(header: Any, page: int) -> tuple[float, float] | None:
    """Return centre and width of the first window that is stated of a frame; None where none is.

    Args:
        header: What the file states.
        page: Which frame, from 0.
    """
    for stated in _list_statements(header, "FrameVOILUTSequence", page):
        centre, width = stated.get("WindowCenter"), stated.get("WindowWidth")
        if centre is not None and width is not None:
            first = [value if isinstance(value, float) else value[0] for value in (centre, width)]
            return float(first[0]), float(first[1])
    return None


def _read_rescale(path: Path, dataset: Any, page: int) -> tuple[float, float] | None:
    """Slope and intercept of a frame; None where the file states neither."""
    for stated in _list_statements(dataset, "PixelValueTransformationSequence", page):
        pair = stated.get("RescaleSlope"), stated.get("RescaleIntercept")
        if pair == (None, None):
            continue
        if not all(isinstance(value, int | float) for value in pair):  # one is missing or empty, or they are several
            raise CenetError(path, "its rescale slope and intercept are not two numbers", "export it again")
        return float(pair[0]), float(pair[1])
    return None


def _list_statements(dataset: Any, keyword: str, page: int) -> Iterator[Any]:
    """What may state something of a frame, the nearest first: its own group, that of all frames, the file itself."""
    own, shared = (dataset.get(f"{which}FunctionalGroupsSequence") or () for which in ("PerFrame", "Shared"))
    for group in (*own[page : page + 1], *shared[:1]):
        yield from (group.get(keyword) or ())[:1]
    yield dataset
