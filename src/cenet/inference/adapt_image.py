"""Convert an image into the kind that a run was trained on, where there is one way to do so."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.dicom import read_display_window
from cenet.data.io.magic import is_dicom
from cenet.errors import CenetError


def adapt_to_run(
    image: NDArray[Any], path: Path | None, *, in_channels: int, dtype: str
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Convert an image where that is unambiguous; what is not is left as it is, for the predictor to refuse.

    A grey image becomes three equal channels, three equal channels become grey, and the grey values of a DICOM file
    that names its display window become 8 bits by it.

    Args:
        image: The image (H, W, C).
        path: Its file, where it has one.
        in_channels: Of the images that the run was trained on.
        dtype: Of their values.

    Returns:
        The image, and a remark for each conversion.

    >>> image, remarks = adapt_to_run(np.zeros((2, 2, 1), np.uint8), Path("x-ray.png"), in_channels=3, dtype="uint8")
    >>> image.shape, remarks
    ((2, 2, 3), ('the image is grey, and was given to the RGB run as three equal channels',))
    """
    remarks = []
    is_wide_grey = image.dtype != np.uint8 and image.shape[2] == 1
    if dtype == "uint8" and is_wide_grey and path is not None and path.is_file() and is_dicom(path):
        with suppress(CenetError):
            window = read_display_window(path)
            if window is not None:
                image = np.asarray(np.rint(np.interp(image, (window.low, window.high), (0, 255))), np.uint8)
                remarks.append(f"its display window, {window.low:g} to {window.high:g}, was applied for the 8-bit run")
    if str(image.dtype) != dtype:
        return image, tuple(remarks)
    if in_channels == 3 and image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
        remarks.append("the image is grey, and was given to the RGB run as three equal channels")
    elif in_channels == 1 and image.shape[2] == 3 and (image == image[..., :1]).all():
        image = np.ascontiguousarray(image[..., :1])
        remarks.append("its three channels are equal, and one was given to the grey run")
    return image, tuple(remarks)
