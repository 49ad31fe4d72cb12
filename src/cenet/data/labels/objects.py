"""Label files in which each object has a number or a colour of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.labels.colours import GREY, encode_colours
from cenet.errors import CenetError

MAX_NUMBER = 65535  # of an object in an image
MIN_OBJECT_PX = 5  # mean area of a colour that may be that of an object
MAX_OBJECTS = 64  # whose pieces are counted in an image
MAX_SINGLE_STEPS = 0.8  # share of the borders between values at which the next value follows, as in a gradient
OBJECTS_CAUSE = "each is one piece, like the number or the colour of an object, not of a class"
JOIN_OBJECTS = "`cenet convert DATA OUT --objects` makes one class of all objects"
OBJECTS_REMEDY = f"{JOIN_OBJECTS}; if they are classes, pass --num-classes K"


def number_colours(held: NDArray[Any], colours: NDArray[Any]) -> NDArray[Any]:
    """Number the colours from 1, black with 0; all are 0 in a photograph, whose colours have a few pixels each."""
    if np.count_nonzero(held) < MIN_OBJECT_PX * colours.size:
        return np.zeros_like(held)
    return np.searchsorted(colours[colours > 0], held) + (held > 0)


def is_numbered(raw: NDArray[Any]) -> bool:
    """Return whether each value but 0 is one connected piece, for nine in ten of up to `MAX_OBJECTS` of them.

    A gradient, whose values are stripes or rings in their order, is no numbering.

    Args:
        raw: Grey values (H, W).

    >>> is_numbered(np.array([[1, 1, 0, 2], [0, 0, 0, 2]])), is_numbered(np.array([[1, 0, 1], [0, 0, 0]]))
    (True, False)
    >>> is_numbered(np.array([[0, 3, 6, 9, 12]]))
    False
    """
    from scipy import ndimage

    numbers = raw.astype(np.int64)
    if (numbers != raw).any() or numbers.min() < 0 or numbers.max() > MAX_NUMBER:
        return False
    ranks = np.unique(numbers, return_inverse=True)[1].reshape(numbers.shape)
    steps = np.concatenate([np.abs(np.diff(ranks, axis=axis)).ravel() for axis in (0, 1)])
    if ranks.max() > 2 and (steps == 1).sum() > MAX_SINGLE_STEPS * (steps > 0).sum():
        return False
    boxes = [(number, box) for number, box in enumerate(ndimage.find_objects(numbers), start=1) if box]
    boxes = boxes[:: -(-len(boxes) // MAX_OBJECTS) or 1]
    whole = sum(ndimage.label(numbers[box] == number, np.ones((3, 3)))[1] == 1 for number, box in boxes)
    return bool(boxes) and whole >= 0.9 * len(boxes)


def label_objects(path: Path, raw: NDArray[Any], *, ignore: Sequence[float], ignored: int) -> NDArray[np.uint8]:
    """Label all objects as one class.

    Args:
        path: The file.
        raw: Its values, 0 for the background; or its colours, black for the background.
        ignore: The values, or the greys, of unannotated pixels.
        ignored: What these become.

    Shape:
        (H, W) or (H, W, 3) to (H, W).

    Raises:
        CenetError: Colours are mixed, as in JPEG, or none is black.

    >>> label_objects(Path("cells.png"), np.array([[0, 3, 7, 255]]), ignore=(255,), ignored=255).tolist()
    [[0, 1, 1, 255]]
    """
    coloured = raw.ndim > 2
    held = encode_colours(raw) if coloured else raw
    if coloured and path.suffix.lower() in (".jpg", ".jpeg"):
        cause = "JPEG mixes the colours of objects and of the background"
        raise CenetError(path, cause, "save it as PNG from its source")
    if coloured and held.all():
        raise CenetError(path, "no pixel is black, and black is the background", "make the background black")
    unannotated = np.isin(held, [value * GREY for value in ignore] if coloured else ignore)
    return np.where(unannotated, ignored, held != 0).astype(np.uint8)
