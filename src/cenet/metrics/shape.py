"""Whether thin structures hang together: the overlap of centre lines."""

import numpy as np
from numpy.typing import NDArray

from cenet.metrics.overlap import count, sensitivity

Binary = NDArray[np.bool_]


def centre_line_dice(mask: Binary, label: Binary) -> float:
    """Centre-line Dice (clDice): how much of each centre line lies in the other mask, whatever the widths are.

    An empty mask of an empty truth is perfect: 1. If only one of them is empty, it is 0.

    Args:
        mask: True where the prediction is foreground.
        label: True where the truth is foreground.

    Shape:
        (H, W) and (H, W) -> a number.

    Raises:
        ValueError: The shapes differ, or an array is not boolean.

    Reference:
        2 P S / (P + S), where P is the share of the mask's centre line that lies in the truth and S the share of the
        truth's centre line that lies in the mask: Shit et al., CVPR 2021. Centre lines are those of Zhang and Suen.

    >>> label = np.zeros((21, 60), bool)
    >>> label[8:13] = True
    >>> broken = label.copy()
    >>> broken[:, 20:40] = False
    >>> centre_line_dice(label, label), centre_line_dice(broken, label) < 0.9
    (1.0, True)
    """
    if not mask.any() or not label.any():
        return float(mask.any() == label.any())
    precise = sensitivity(count(label, _centre_line(mask)))
    complete = sensitivity(count(mask, _centre_line(label)))
    return 2 * precise * complete / (precise + complete) if precise + complete else 0.0


def _centre_line(array: Binary) -> Binary:
    from skimage.morphology import skeletonize

    return np.asarray(skeletonize(array), bool)
