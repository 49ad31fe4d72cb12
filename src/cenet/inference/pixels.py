"""From whatever a user has of an image (a file, a PIL image, an array) to its pixels."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cenet.data.io.ome import read_channel_names
from cenet.data.io.read import read_image
from cenet.errors import CenetError
from cenet.inference.adapt_image import adapt_to_run, choose_channels

MAX_16_BIT = 65535

InputImage = NDArray[Any] | Image.Image | Path | str
InputImages = list[Any] | tuple[InputImage, ...]  # a list of any of them


def to_pixels(
    image: InputImage, *, name: str = "image", expects: tuple[int, str] | None = None, channels: Sequence[str] = ()
) -> tuple[NDArray[Any], str]:
    """The pixels of an image `(H, W, C)`, and what errors call it.

    A PIL image gives what its file would: upright, a palette as RGB, one bit as 0 and 255, without alpha; 16 bits as
    uint16, also where Pillow holds them in 32 (mode I); and floating-point numbers as float32 (mode F).

    Args:
        image: A file, a PIL image, or an array, which stays as it is.
        name: What errors call an image that is not a file.
        expects: Channels and type of the values that the network was trained on: a file or a PIL image of another kind
            is converted with a warning, where there is one way to do so. An array stays as it is.
        channels: What the channels are called that the network was trained on, to choose those of a file by name.

    Raises:
        CenetError: A file cannot be read, a PIL image is neither grey nor RGB, or has values beyond 16 bits, an array
            is empty, or it is something else.

    >>> to_pixels(Image.new("L", (4, 3)))[0].shape
    (3, 4, 1)
    """
    if isinstance(image, Path | str):
        pixels = read_image(Path(image))
        names = read_channel_names(Path(image))
        indices, remarks = choose_channels(pixels.shape[2], names, trained=channels, name=str(image))
        for remark in remarks:
            warnings.warn(f"{image}: {remark}", stacklevel=3)
        return _adapt(pixels[..., indices], str(image), Path(image), expects), str(image)
    if isinstance(image, Image.Image):
        return _adapt(_convert_pil_image(ImageOps.exif_transpose(image), name), name, None, expects), name
    if not isinstance(image, np.ndarray):
        cause = f"is a {type(image).__name__}, and no file, PIL image or array of numpy"
        raise CenetError(name, cause, "convert it, such as by numpy.asarray(image)")
    if not image.size:
        raise CenetError(name, f"has no pixels, as its shape is {image.shape}", "give (H, W, C)")
    return image, name


def _adapt(pixels: NDArray[Any], name: str, path: Path | None, expects: tuple[int, str] | None) -> NDArray[Any]:
    if expects is None:
        return pixels
    pixels, remarks = adapt_to_run(pixels, path, in_channels=expects[0], dtype=expects[1])
    for remark in remarks:
        warnings.warn(f"{name}: {remark}", stacklevel=4)
    return pixels


def _convert_pil_image(image: Image.Image, name: str) -> NDArray[Any]:
    if image.mode.startswith("I;16"):
        return np.array(image).astype(np.uint16)[..., None]
    if image.mode in ("I", "F"):
        return _convert_wide_image(np.array(image), name)[..., None]
    modes = {"1": "L", "L": "L", "LA": "L", "P": "RGB", "PA": "RGB", "RGB": "RGB", "RGBX": "RGB", "RGBA": "RGB"}
    if image.mode not in modes:
        remedy = 'convert it, such as by image.convert("RGB"), and look at its colours'
        raise CenetError(name, f"images of mode {image.mode} are not read", remedy)
    pixels = np.array(image.convert(modes[image.mode]))
    return pixels.reshape(*pixels.shape[:2], -1)


def _convert_wide_image(pixels: NDArray[Any], name: str) -> NDArray[Any]:
    """Pixels of mode I, in which Pillow holds 16-bit images too, as these; those of mode F as they are."""
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all():
            raise CenetError(name, "holds NaN or infinite values", "replace them")
        return pixels.astype(np.float32)
    if pixels.size and (pixels.min() < 0 or pixels.max() > MAX_16_BIT):
        cause = f"its values go from {pixels.min()} to {pixels.max()}, beyond 16 bits, and what is white is not known"
        raise CenetError(name, cause, "scale them to 0 to 65535, or pass numpy.asarray(image, numpy.float32)")
    return pixels.astype(np.uint16)
