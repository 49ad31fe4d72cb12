"""How unsure a prediction is of each pixel, from the views of an image or from the members of an ensemble."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Uncertainty:
    """How unsure several predictions of one image are of each pixel.

    Args:
        total: `(H, W)` float32, from 0 to 1: the entropy of the mean of the probabilities over the largest that there
            is. 0: certain; 1: all classes are equally likely.
        disagreement: `(H, W)` float32, from 0 to `total`: how much of it comes from predictions that contradict each
            other. The rest is what each of them is unsure of by itself.
    """

    total: NDArray[np.float32]
    disagreement: NDArray[np.float32]


def estimate_uncertainty(predictions: Sequence[NDArray[np.floating]], *, softmax: bool) -> Uncertainty:
    """Estimate how unsure predictions of one image are.

    The total is the entropy of their mean, and the disagreement what this exceeds the mean of their entropies by, the
    mutual information. Of several sigmoid maps, as of a disc and its cup, the less certain counts.

    Args:
        predictions: Calibrated probabilities of each, `(maps, H, W)`.
        softmax: Whether the maps are of classes that exclude each other.

    Reference:
        Smith and Gal, Understanding Measures of Uncertainty for Adversarial Example Detection, UAI 2018.

    >>> sure, unsure = np.float32([0.0, 0.5]).reshape(1, 1, 2), np.float32([1.0, 0.5]).reshape(1, 1, 2)
    >>> uncertainty = estimate_uncertainty([sure, unsure], softmax=False)
    >>> uncertainty.total.tolist(), uncertainty.disagreement.tolist()
    ([[1.0, 1.0]], [[1.0, 0.0]])
    """
    mean = np.mean(predictions, axis=0)
    total = compute_entropy(mean, softmax=softmax)
    own = np.mean([compute_entropy(probabilities, softmax=softmax) for probabilities in predictions], axis=0)
    return Uncertainty(total.max(axis=0), np.maximum(total - own, 0).max(axis=0))


def compute_entropy(probabilities: NDArray[np.floating], *, softmax: bool) -> NDArray[np.float32]:
    """The entropy of each sigmoid map, or of all softmax maps together, from 0 to 1.

    Args:
        probabilities: `(maps, H, W)`.
        softmax: Whether the maps are of classes that exclude each other.

    Shape:
        `(maps, H, W)` to the same, or to `(1, H, W)` of softmax maps.

    >>> round(float(compute_entropy(np.float32([0.5, 0.25, 0.25]).reshape(3, 1, 1), softmax=True).max()), 3)
    0.946
    """
    from scipy.special import entr

    values = np.asarray(probabilities, np.float32)
    if softmax:
        nats, largest = entr(values).sum(axis=0, keepdims=True), np.log(len(values))
    else:
        nats, largest = entr(values) + entr(1 - values), np.log(2)
    return np.asarray(np.clip(nats / largest, 0, 1), np.float32)
