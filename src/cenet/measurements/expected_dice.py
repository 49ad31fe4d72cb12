"""The Dice that a mask is expected to have, from its calibrated probabilities alone."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def estimate_dice(probabilities: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """Estimate the Dice of one mask, without its truth.

    If each pixel is foreground with its probability, the expected number of true positives is the sum of the
    probabilities inside the mask, and the expected number of foreground pixels that over the whole image. Their ratio
    is close to the expectation of the Dice. It is as good as the probabilities are: of images unlike those of the
    training they, and so this, may be too high. An empty mask is expected to be right where no foreground is: 1 minus
    the probability of any is not known, so that it has the Dice of one more pixel, `1 / (1 + sum of probabilities)`.

    Args:
        probabilities: `(H, W)`, calibrated.
        mask: `(H, W)`, what was decided.

    Reference:
        2 sum(p m) / (sum(p) + sum(m)): Soft Dice Confidence of Borges, Pacheco and Silva, arXiv:2402.10665 (2024).

    >>> estimate_dice(np.array([0.9, 0.9, 0.1, 0.1]), np.array([True, True, False, False]))
    0.9
    """
    total, inside = float(probabilities.sum(dtype=float)), float(probabilities[mask].sum(dtype=float))
    return estimate_dice_from_sums(total, inside, int(np.count_nonzero(mask)))


def estimate_dice_from_sums(total: float, inside: float, size: int) -> float:
    """Estimate the Dice as `estimate_dice` does, from sums that were taken piece by piece.

    Args:
        total: The sum of the probabilities.
        inside: Their sum inside the mask.
        size: How many pixels the mask has.

    >>> estimate_dice_from_sums(2.0, 1.8, 2)
    0.9
    """
    return 2 * inside / (total + size) if size else 1 / (1 + total)


def estimate_mean_dice(classes: Iterable[tuple[NDArray[np.floating], NDArray[np.bool_]]]) -> float:
    """The mean of `estimate_dice` over classes.

    Args:
        classes: Probabilities and mask of each foreground class.
    """
    return float(np.mean([estimate_dice(probabilities, mask) for probabilities, mask in classes]))
