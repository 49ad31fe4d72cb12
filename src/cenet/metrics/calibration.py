"""Probabilities that mean what they say: fit a correction on validation images, apply it, find the pixels it is for.

A sigmoid map becomes `expit(scale * logit(p) + bias)`, softmax maps become `p ** scale`, renormalised. Neither changes
which of two pixels of a sigmoid map is higher, nor which class is the largest.
"""

from collections.abc import Sequence
from math import exp

import numpy as np
from numpy.typing import NDArray

from cenet.metrics.binned import BINS, LOGIT_RANGE, LOGITS, Histogram

Probabilities = NDArray[np.floating]
Classes = NDArray[np.integer] | NDArray[np.bool_]

SCALE_RANGE = (0.05, 20.0)
RIDGE = 1.0  # prior of scale and bias: normal, of unit variance, around (1, 0); its weight is about a pixel's


def fit_scale_and_bias(h: Histogram) -> tuple[float, float]:
    """Fit the scale and bias for which `expit(scale * logit(p) + bias)` has the smallest log loss.

    It always ends well. A prior around (1, 0), of about a pixel's weight, settles what the pixels leave open, as where
    the classes are separable. The scale stays within `SCALE_RANGE`, with the bias that is best for it, so that the
    order of the pixels is kept even where the probabilities mislead. Where a class is missing it is (1, 0): no change.

    Args:
        h: Counts by class and probability, of `cenet.metrics.binned`.

    Shape:
        `(2, BINS)`.

    Raises:
        ValueError: The shape is wrong.

    Reference:
        Platt scaling: logistic regression of the truth on logit(p).

    >>> from cenet.metrics.binned import histogram
    >>> h = histogram(np.repeat([0.2, 0.6], 1000), np.arange(2000) % 1000 < np.repeat([100, 300], 1000))
    >>> calibration = [fit_scale_and_bias(h)]
    >>> apply(np.array([[0.2, 0.6]]), calibration, softmax=False).round(2)
    array([[0.1, 0.3]], dtype=float32)
    """
    from scipy.optimize import brentq
    from scipy.special import expit

    if h.shape != (2, BINS):
        raise ValueError(f"h has shape {h.shape}; one histogram is (2, {BINS})")
    background, foreground = h.astype(float)
    if not (background.any() and foreground.any()):
        return 1.0, 0.0
    low, high = SCALE_RANGE
    limit = high * LOGIT_RANGE + 40  # beyond it every probability is 0, or every one is 1

    def surplus(scale: float, bias: float) -> NDArray[np.float64]:
        return np.asarray((background + foreground) * expit(scale * LOGITS + bias) - foreground)

    def best_bias(scale: float) -> float:
        return float(brentq(lambda bias: surplus(scale, bias).sum() + RIDGE * bias, -limit, limit))

    def slope(scale: float) -> float:
        return float(surplus(scale, best_bias(scale)) @ LOGITS + RIDGE * (scale - 1))

    # The loss is convex, and so it stays when each scale has its best bias: its slope rises with the scale.
    scale = low if slope(low) >= 0 else high if slope(high) <= 0 else float(brentq(slope, low, high))
    return scale, best_bias(scale)


def fit_temperature(probabilities: Probabilities, label: Classes) -> float:
    """Fit the scale for which `p ** scale`, renormalised over the classes, has the smallest log loss.

    It lies within `SCALE_RANGE`. A prior around 1, of about a pixel's weight, settles what the pixels leave open, as
    where there are none, or all are right. A probability counts as `exp(-LOGIT_RANGE)` at least.

    Args:
        probabilities: Softmax probabilities of K classes at N pixels.
        label: True class of each pixel, 0 to K - 1.

    Shape:
        `(K, N)` and `(N,)`.

    Raises:
        ValueError: The shapes do not fit, or a class lies outside 0 to K - 1.

    Reference:
        Temperature scaling, the temperature being 1 / scale.

    >>> probabilities, label = np.tile([[0.9], [0.1]], 1000), np.arange(1000) % 4 == 0
    >>> calibration = [(fit_temperature(probabilities, label), 0.0)]
    >>> apply(np.array([[0.9], [0.1]]), calibration, softmax=True).round(2)
    array([[0.75],
           [0.25]], dtype=float32)
    """
    from scipy.optimize import minimize_scalar

    if probabilities.ndim != 2 or label.shape != probabilities.shape[1:]:
        raise ValueError(f"probabilities have shape {probabilities.shape} and label {label.shape}; not (K, N) and (N,)")
    if np.any((label < 0) | (label >= len(probabilities))):
        raise ValueError(f"label has a class outside 0 to {len(probabilities) - 1}")
    logarithms = np.log(np.maximum(probabilities, exp(-LOGIT_RANGE)))
    logarithms -= logarithms.max(axis=0)  # relative to the largest: no power overflows, no sum vanishes
    chosen = np.take_along_axis(logarithms, label[None].astype(np.intp), axis=0).sum(dtype=float)

    def loss(log_scale: float) -> float:
        scale = exp(log_scale)
        normalisers = np.log(np.exp(scale * logarithms).sum(axis=0)).sum(dtype=float)
        return float(normalisers - scale * chosen + RIDGE * (scale - 1) ** 2 / 2)

    found = minimize_scalar(loss, bounds=np.log(SCALE_RANGE), method="bounded", options={"xatol": 1e-4})
    return exp(found.x)


def apply(
    probabilities: NDArray[np.float32], calibration: Sequence[tuple[float, float]], *, softmax: bool
) -> NDArray[np.float32]:
    """Calibrate probability maps; an exact 0 stays 0, and an exact 1 stays 1.

    Args:
        probabilities: Sigmoid maps, or the softmax maps of all classes.
        calibration: Scale and bias: a pair for each sigmoid map; one pair, its bias 0, for all softmax maps.
            Without any the probabilities are returned as they are.
        softmax: Whether the maps are softmax maps.

    Shape:
        `(maps, ...)` gives the same, in float32.

    Raises:
        ValueError: The pairs do not fit the maps, or a scale is not above 0.

    >>> apply(np.array([[0.0, 0.5, 0.9, 1.0]]), [(2.0, 0.0)], softmax=False).round(3)
    array([[0.   , 0.5  , 0.988, 1.   ]], dtype=float32)
    """
    from scipy.special import expit, logit

    if not calibration:
        return probabilities
    if any(scale <= 0 for scale, _ in calibration):
        raise ValueError(f"calibration is {list(calibration)}; a scale must be above 0")
    if softmax:
        if len(calibration) != 1 or calibration[0][1]:
            raise ValueError(f"calibration is {list(calibration)}; softmax maps take one scale, and a bias of 0")
        powers = (probabilities / probabilities.max(axis=0)) ** calibration[0][
            0
        ]  # by the largest: no underflow to 0 / 0
        return np.asarray(powers / powers.sum(axis=0), np.float32)
    if len(calibration) != len(probabilities):
        raise ValueError(f"there are {len(calibration)} pairs of scale and bias for {len(probabilities)} sigmoid maps")
    calibrated = np.empty(probabilities.shape, np.float32)
    for out, values, (scale, bias) in zip(calibrated, probabilities, calibration, strict=True):
        out[...] = expit(scale * logit(values.astype(float)) + bias)
    return calibrated


def edges(mask: Classes, label: Classes, *, width: float = 3) -> NDArray[np.bool_]:
    """Find the pixels near an edge of the mask or of the label: there calibration is hardest, and matters.

    An edge lies between two pixels that share a side and differ. The distance is Euclidean, between the centres of
    pixels, to the nearest pixel that touches an edge; it is less than `width`, so that a straight edge has a band of
    `width` pixels on each side.

    Args:
        mask: Predicted class of each pixel.
        label: True class of each pixel.
        width: How far from an edge a pixel may lie, in pixels.

    Shape:
        `(H, W)` each.

    Raises:
        ValueError: The shapes differ or are not `(H, W)`.

    >>> disc = np.array([[0, 0, 0, 0, 1, 1, 1, 1]])
    >>> edges(disc, disc, width=2).astype(int)
    array([[0, 0, 1, 1, 1, 1, 0, 0]])
    """
    from scipy.ndimage import distance_transform_edt

    if mask.ndim != 2 or mask.shape != label.shape:
        raise ValueError(f"mask has shape {mask.shape} and label {label.shape}; they must be equal, and (H, W)")
    touching = np.zeros(mask.shape, bool)
    for classes in (mask, label):
        for turned, found in ((classes, touching), (classes.T, touching.T)):
            differ = turned[1:] != turned[:-1]
            found[1:] |= differ
            found[:-1] |= differ
    return np.asarray(distance_transform_edt(~touching) < width) if touching.any() else touching
