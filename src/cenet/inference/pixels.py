"""From whatever a user has of an image (a file, a PIL image, an array) to its pixels."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cenet.data.io.read import read_image
from cenet.errors import CenetError

InputImage = NDArray[Any] | Image.Image | Path | str
InputImages = list[Any] | tuple[InputImage, ...]  # a list of any of them


def to_pixels(image: InputImage, *, name: str = "image") -> tuple[NDArray[Any], str]:
    """The pixels of an image `(H, W, C)`, and what errors call it.

    A PIL image gives what its file would: upright, a palette as RGB, one bit as 0 and 255, without alpha.

    Args:
        image: A file, a PIL image, or an array, which stays as it is.
        name: What errors call an image that is not a file.

    Raises:
        CenetError: A file cannot be read, or a PIL image is neither grey nor RGB.

    >>> to_pixels(Image.new("L", (4, 3)))[0].shape
    (3, 4, 1)
    """
    if isinstance(image, Path | str):
        return read_image(Path(image)), str(image)
    if isinstance(image, Image.Image):
        return _convert_pil_image(ImageOps.exif_transpose(image), name), name
    return image, name


def _convert_pil_image(image: Image.Image, name: str) -> NDArray[Any]:
    if image.mode.startswith("I;16"):
        return np.array(image).astype(np.uint16)[..., None]
    modes = {"1": "L", "L": "L", "LA": "L", "P": "RGB", "PA": "RGB", "RGB": "RGB", "RGBA": "RGB"}
    if image.mode not in modes:
        raise CenetError(name, f"images of mode {image.mode} are not read", "convert it to grey or RGB")
    pixels = np.array(image.convert(modes[image.mode]))
    return pixels.reshape(*pixels.shape[:2], -1)
