"""Write how unsure a prediction is: as numbers for a program, and as an image with its scale for a person."""

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cenet.data.io.write import overlay

# Matplotlib's inferno at ten evenly spaced values: dark where certain, bright where not, in equal steps to the eye.
_INFERNO = np.frombuffer(bytes.fromhex("0000041b0c414a0c6b781c6da52c60cf4446ed6925fb9b06f7d13dfcffa4"), np.uint8)
_DIMMED = 0.7  # how bright the image is under the colours
_SCALE_PX = 20  # least height of the strip with the scale
_SCALE_SHARE = 0.02  # of the width of the image, where that is more
_MIN_LABELLED_PX = 160  # a narrower strip has no room for words


def write_uncertainty(file: IO[bytes], total: NDArray[np.floating], disagreement: NDArray[np.floating]) -> None:
    """Write a float32 TIFF of two pages, both from 0 to 1: the total uncertainty, and the part from disagreement.

    Args:
        file: Open for writing.
        total: `(H, W)`.
        disagreement: `(H, W)`.

    >>> import io, tifffile
    >>> file = io.BytesIO()
    >>> write_uncertainty(file, np.eye(2), np.zeros((2, 2)))
    >>> tifffile.imread(io.BytesIO(file.getvalue())).shape
    (2, 2, 2)
    """
    import tifffile

    tifffile.imwrite(
        file,
        np.stack([total, disagreement]).astype(np.float32),
        photometric="minisblack",
        compression="zlib",
        metadata={"axes": "CYX", "pages": ["total", "disagreement"], "unit": "entropy, 0 certain to 1 undecided"},
    )


def write_uncertainty_picture(file: IO[bytes], image: NDArray[Any], total: NDArray[np.floating]) -> None:
    """Write an 8-bit RGB PNG of `draw_uncertainty`.

    Args:
        file: Open for writing.
        image: `(H, W, C)`.
        total: `(H, W)`, from 0 to 1.
    """
    Image.fromarray(draw_uncertainty(image, total)).save(file, "PNG")


def draw_uncertainty(image: NDArray[Any], total: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Draw uncertainty over its image in grey: the less certain a pixel, the brighter and the more yellow it is.

    A strip below the image shows the scale, from 0 (certain) to 1 (undecided).

    Args:
        image: `(H, W, C)`.
        total: `(H, W)`, from 0 to 1.

    Shape:
        `(H + 20, W, 3)`; of an image wider than 1000 pixels the strip has 2 % of its width.

    >>> draw_uncertainty(np.full((2, 2, 1), 200, np.uint8), np.array([[0, 1], [0, 1]]))[0].tolist()
    [[140, 140, 140], [252, 255, 164]]
    """
    height, width = total.shape
    grey = _DIMMED * overlay(image, np.zeros((height, width), np.uint8)).mean(axis=2, keepdims=True)
    share = np.clip(total, 0, 1)[..., None]
    drawn = grey * (1 - share) + _colour(total) * share
    scale_px = max(_SCALE_PX, round(_SCALE_SHARE * width))
    scale = np.broadcast_to(_colour(np.linspace(0, 1, width)), (scale_px, width, 3))
    strip = Image.fromarray(np.asarray(np.rint(scale), np.uint8))
    if width >= _MIN_LABELLED_PX:
        words, font = ImageDraw.Draw(strip), ImageFont.load_default(size=0.6 * scale_px)
        words.text((4, scale_px / 2), "0: certain", fill="white", font=font, anchor="lm")
        words.text((width - 4, scale_px / 2), "1: undecided", fill="black", font=font, anchor="rm")
    return np.concatenate([np.asarray(np.rint(drawn), np.uint8), np.asarray(strip)])


def _colour(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The colours of values from 0 to 1: `(...)` to `(..., 3)`."""
    table = _INFERNO.reshape(-1, 3)
    places = np.linspace(0, 1, len(table))
    return np.stack([np.interp(values, places, table[:, channel]) for channel in range(3)], axis=-1)
