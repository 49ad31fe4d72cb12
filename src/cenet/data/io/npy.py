"""Images in `.npy` files."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.arrays import MAX_HEADER
from cenet.data.io.known_types import to_known_type
from cenet.data.io.limits import check_size
from cenet.errors import CenetError

NPY_START = b"\x93NUMPY"


def decode_npy(path: Path) -> NDArray[Any]:
    """Read an image (H, W) or (H, W, C) from an `.npy` file; nothing in it is ever executed.

    Shape:
        (H, W) or (H, W, C), uint8, uint16 or float32.

    Raises:
        CenetError: It is damaged, too large, or holds something else.
    """
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False, max_header_size=MAX_HEADER)
    except Exception as error:
        raise CenetError(path, "this is no undamaged .npy file of numbers", "save it with numpy.save") from error
    if values.ndim not in (2, 3) or not values.size or values.dtype.kind not in "iufb":
        shape = " x ".join(map(str, values.shape)) or "a single number"
        raise CenetError(path, f"it holds {shape} of {values.dtype}, but an image is (H, W) or (H, W, C)", "save it so")
    channels = values.shape[2] if values.ndim == 3 else 1
    check_size(path, width=values.shape[1], height=values.shape[0], pixel_bytes=channels * values.dtype.itemsize)
    image = to_known_type(path, np.array(values))
    return image * np.uint8(255) if values.dtype == np.bool_ else image
