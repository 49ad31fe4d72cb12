"""Areas: how large each class is, and in how many pieces."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

EIGHT = np.ones((3, 3), bool)  # pixels touch at corners too


def measure_area(
    mask: NDArray[np.bool_], *, pixel_um: tuple[float, float] | None = None, suffix: str = ""
) -> dict[str, float]:
    """Area and number of pieces of one class.

    - `area_px`, `area_mm2`: the number of its pixels, and times the area of a pixel.
    - `pieces_count`: connected components; pixels that touch at a corner are connected.

    Args:
        mask: `(H, W)`, where the class is.
        pixel_um: Height and width of a pixel in micrometres, where they are known.
        suffix: What the names of the values end in, such as `_cup`.

    >>> measure_area(np.array([[1, 1, 0, 0, 1]], bool), pixel_um=(500, 2000))
    {'area_px': 3.0, 'area_mm2': 3.0, 'pieces_count': 2.0}
    """
    area_px = float(np.count_nonzero(mask))
    values = {f"area{suffix}_px": area_px}
    if pixel_um:
        values[f"area{suffix}_mm2"] = area_px * pixel_um[0] * pixel_um[1] / 1e6
    values[f"pieces{suffix}_count"] = float(ndimage.label(mask, EIGHT)[1])
    return values


def split_classes(mask: NDArray[np.integer], names: Sequence[str], *, nested: bool) -> dict[str, NDArray[np.bool_]]:
    """Where each foreground class is, by its name; a nested class belongs to those around it too.

    >>> split_classes(np.array([[0, 1, 2]]), ("disc", "cup"), nested=True)["disc"]
    array([[False,  True,  True]])
    """
    return {name: mask >= number if nested else mask == number for number, name in enumerate(names, start=1)}


def find_largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected piece of a mask; of equally large ones the first from the top."""
    pieces, count = ndimage.label(mask, EIGHT)
    if count < 2:
        return mask
    return np.asarray(pieces == 1 + np.bincount(pieces.ravel())[1:].argmax())
