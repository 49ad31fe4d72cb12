"""The colours of label files as numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

GREY = 0x010101  # times a grey value: the number of that colour


def encode_colours(raw: NDArray[Any]) -> NDArray[Any]:
    """Return colours as numbers 0xRRGGBB, and grey values as the numbers of those greys.

    Args:
        raw: The values of a label file, (H, W) or (H, W, 3).

    Shape:
        (H, W).

    >>> encode_colours(np.array([[[255, 0, 0], [0, 0, 1]]], np.uint8)).tolist()
    [[16711680, 1]]
    """
    if raw.ndim == 2:
        return raw.astype(np.float64) * GREY
    red, green, blue = np.moveaxis(raw.astype(np.int64), -1, 0)
    return np.asarray(red << 16 | green << 8 | blue)
