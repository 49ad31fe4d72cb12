"""The lungs in a slice: the area of each."""

import numpy as np
from numpy.typing import NDArray

from cenet.measurements.areas import measure_area

Binary = NDArray[np.bool_]


def measure_lungs(mask: Binary, *, pixel_um: tuple[float, float] | None = None) -> dict[str, float]:
    """Area and pieces of the lung on either side of the image.

    Left and right are those of the image as it is stored: in the usual view from the feet, the lung on the left of the
    image is the patient's right one. See `find_midline` for what parts them.

    - `left_in_image_area_px`, `left_in_image_area_mm2`, `left_in_image_pieces_count`; `right_in_image_...` likewise.

    Args:
        mask: `(H, W)`, where lung is.
        pixel_um: Height and width of a pixel in micrometres, where they are known.

    >>> mask = np.zeros((8, 20), bool)
    >>> mask[2:6, 2:8] = mask[2:6, 11:18] = True
    >>> values = measure_lungs(mask)
    >>> values["left_in_image_area_px"], values["right_in_image_area_px"]
    (24.0, 28.0)
    """
    line = find_midline(mask)
    sides = {"left_in_image": mask.copy(), "right_in_image": mask.copy()}
    sides["left_in_image"][:, line:] = False
    sides["right_in_image"][:, :line] = False
    return {
        f"{name}_{key}": value
        for name, side in sides.items()
        for key, value in measure_area(side, pixel_um=pixel_um).items()
    }


def find_midline(mask: Binary) -> int:
    """The first column that belongs to the right side of the image.

    It is the column with the fewest pixels of lung in the middle third of what is lung, where this reaches across the
    middle of the image by a tenth of its width at least; of several such columns the middle one. So lungs that touch in
    front of the heart are parted where they touch. Else all that is lung lies on one side, and the line is the middle
    of the image.

    Args:
        mask: `(H, W)`, where lung is.
    """
    width = int(mask.shape[1])
    columns = np.flatnonzero(mask.any(axis=0))
    middle = width // 2
    if not columns.size:
        return middle
    first, last = int(columns[0]), int(columns[-1]) + 1
    if min(middle - first, last - middle) < width / 10:
        return middle
    third = (last - first) // 3
    heights = mask[:, first + third : last - third].sum(axis=0)
    lowest = np.flatnonzero(heights == heights.min())
    return first + third + int(lowest[lowest.size // 2])
