"""The optic disc and its cup."""

import numpy as np
from numpy.typing import NDArray

from cenet.measurements.areas import find_largest_piece, measure_area
from cenet.metrics.shape import vertical_cup_to_disc_ratio


def measure_disc(
    mask: NDArray[np.integer], *, has_cup: bool = True, pixel_um: tuple[float, float] | None = None
) -> dict[str, float]:
    """Measure the optic disc, and its cup where the mask has that class.

    The disc is the largest connected piece of classes 1 and 2; what lies elsewhere does not count. The cup is what is 2
    in it, again the largest piece.

    - `disc_area_px`, `disc_area_mm2`: of the disc, with its cup; `cup_area_...` likewise.
    - `disc_height_px`: rows from its first to its last.
    - `cup_to_disc_vertical_ratio`: the height of the cup over that of the disc, a sign of glaucoma above 0.6 or so;
      0 of a disc without a cup, NaN without a disc.

    Args:
        mask: `(H, W)`: 0 outside, 1 disc, 2 cup.
        has_cup: Whether the cup is one of the classes; if not, nothing is said of it, as 0 would read as healthy.
        pixel_um: Height and width of a pixel in micrometres, where they are known.

    Reference:
        Vertical cup-to-disc ratio: as in the REFUGE challenge, Orlando et al., Medical Image Analysis 59 (2020).

    >>> mask = np.zeros((12, 12), int)
    >>> mask[1:11, 3:9], mask[4:8, 4:8], mask[0, 0] = 1, 2, 1
    >>> measure_disc(mask)["cup_to_disc_vertical_ratio"]
    0.4
    """
    disc = find_largest_piece(mask > 0)
    values = _measure_region(disc, "disc", pixel_um)
    if not has_cup:
        return values
    cup = find_largest_piece(disc & (mask > 1))
    values |= _measure_region(cup, "cup", pixel_um)
    values["cup_to_disc_vertical_ratio"] = vertical_cup_to_disc_ratio(disc.astype(np.uint8) + cup)
    return values


def _measure_region(region: NDArray[np.bool_], name: str, pixel_um: tuple[float, float] | None) -> dict[str, float]:
    area, rows = measure_area(region, pixel_um=pixel_um), np.flatnonzero(region.any(axis=1))
    values = {f"{name}_{key}": value for key, value in area.items() if key != "pieces_count"}
    return {**values, f"{name}_height_px": float(rows[-1] - rows[0] + 1) if rows.size else 0.0}
