"""The eight views of an image: its flips and quarter turns, and the way back from each."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

ValueT = TypeVar("ValueT", bound=np.generic)


def augment_view(image: NDArray[ValueT], number: int) -> NDArray[ValueT]:
    """View `number` of the eight: number % 4 quarter turns, after a left-right flip where it is 4 or more.

    Shape:
        `(..., H, W)` to `(..., H, W)` or `(..., W, H)`.

    Reference:
        The paper's test augmentation, as in the authors' code.

    >>> image = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    >>> sorted(int(augment_view(image, number)[0, 0]) for number in range(8))
    [1, 1, 2, 2, 3, 3, 4, 4]
    """
    flipped = image[..., ::-1] if number >= 4 else image
    return np.rot90(flipped, number % 4, axes=(-2, -1))


def undo_view(image: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Undo `augment_view`.

    >>> image = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    >>> all((undo_view(augment_view(image, number), number) == image).all() for number in range(8))
    True
    """
    turned = np.rot90(image, -(number % 4), axes=(-2, -1))
    return turned[..., ::-1] if number >= 4 else turned
