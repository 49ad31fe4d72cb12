"""Layers of the retina: how thick each is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cenet.metrics.layer_boundaries import boundaries_of

TOTAL = "total"  # what columns call all layers together


def measure_layers(
    mask: NDArray[np.uint8],
    names: Sequence[str],
    *,
    rows: NDArray[np.float64] | None = None,
    pixel_um: tuple[float, float] | None = None,
) -> dict[str, float]:
    """Mean thickness of each layer: of the distance between its boundaries, over all columns.

    - `thickness_NAME_px`, `thickness_NAME_um`: the second where the height of a pixel is known.
    - `thickness_total_px`, `..._um`: from the first boundary to the last.

    The last class lies below all boundaries and has no thickness. A column in which a boundary is not known does not
    count for the layers beside it.

    Args:
        mask: `(H, W)`: 0 above the layers, then each from top to bottom.
        names: Of the classes from 1, the last of them below the layers; all distinct, and none called total.
        rows: `(boundaries, W)`: where the boundaries lie, in pixels from the top; None: between the pixels of the mask.
        pixel_um: Height and width of a pixel in micrometres, where they are known.

    Reference:
        Thickness along the column, as in Chiu et al., Optics Express 18 (2010); not across the layer, which is thinner
        by the cosine of its tilt.

    >>> mask = np.array([[0, 1, 1, 1, 2]], np.uint8).T
    >>> measure_layers(mask, ("RNFL", "below"), pixel_um=(4, 10))
    {'thickness_RNFL_px': 3.0, 'thickness_RNFL_um': 12.0, 'thickness_total_px': 3.0, 'thickness_total_um': 12.0}
    """
    boundaries = boundaries_of(mask, num_classes=len(names) + 1) if rows is None else rows
    thickness = [*np.diff(boundaries, axis=0), boundaries[-1] - boundaries[0]]
    values = {}
    for name, columns in zip([*names[:-1], TOTAL], thickness, strict=True):
        known = columns[~np.isnan(columns)]
        mean = float(known.mean()) if known.size else float("nan")
        values[f"thickness_{name}_px"] = mean
        if pixel_um:
            values[f"thickness_{name}_um"] = mean * pixel_um[0]
    return values
