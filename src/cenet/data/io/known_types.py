"""The three types of values that all readers return."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError


def to_known_type(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as uint8, uint16 or float32 without loss (of doubles, what float32 holds).

    Raises:
        CenetError: Some are NaN or infinite, or whole numbers that float32 does not hold.
    """
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype in (np.uint8, np.uint16):
        return values
    with np.errstate(over="ignore"):
        floats = values.astype(np.float32)
    if not np.isfinite(floats).all():
        raise CenetError(path, "some pixels are NaN or infinite", "replace them by numbers")
    if values.dtype.kind in "iu" and (floats.astype(np.float64) != values).any():
        raise CenetError(path, f"its large {values.dtype} values do not fit float32", "save it with 16 bits")
    return floats
