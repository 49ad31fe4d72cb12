"""Probabilities that mean what they say: fit a correction on validation images, try it on others, apply it.

A sigmoid map becomes `expit(scale * logit(p) + bias)`, softmax maps become `p ** scale`, renormalised. Neither changes
which of two pixels of a sigmoid map is higher, nor which class is the largest.

The pixels of an image are not independent, so each image has the same weight, and `PRIOR_IMAGES` more in which the
network's own probabilities come true draw a fit towards no change. A correction is kept only where it lowers the log
loss of images that it was not fitted on, see `CalibrationTrial`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
from numpy.typing import NDArray

from cenet.metrics.binned import BINS, CENTRES, LOGIT_RANGE, LOGITS, Histogram

Probabilities = NDArray[np.floating]
Classes = NDArray[np.integer] | NDArray[np.bool_]
Floats = NDArray[np.float64]

SCALE_RANGE = (0.05, 20.0)
TEMPERATURE_SCALES: Floats = np.geomspace(0.25, 4, 97)
TEMPERATURE_SCALES[48] = 1  # the middle one, exactly
PRIOR_IMAGES = 1.0  # the weight of the prior, in images
RIDGE = 1e-6  # settles what images and prior leave open, as where all probabilities are the same
MIN_IMAGES = 3  # fewer say nothing of others


@dataclass(frozen=True)
class CalibrationTrial:
    """Whether a correction helps on images that it was not fitted on.

    Each image is left out once: the correction is fitted on the others, and the log loss of the image is compared with
    that of the network's own probabilities. It is kept where the mean gain is more than `margin`, its standard error
    over the images, of which there must be `MIN_IMAGES`.

    Args:
        images: How many images there are.
        scale: Of the correction that is fitted on all of them.
        bias: Likewise; 0 for softmax maps.
        log_loss_before: Mean over the images of the log loss of a pixel, in nats; None where there are too few images.
        log_loss_after: The same with the correction.
        margin: What their difference must exceed.
        kept: Whether it does.
    """

    images: int
    scale: float
    bias: float = 0.0
    log_loss_before: float | None = None
    log_loss_after: float | None = None
    margin: float | None = None
    kept: bool = False


def try_scale_and_bias(histograms: Sequence[Histogram]) -> CalibrationTrial:
    """Fit scale and bias of a sigmoid map, and try them on each image in turn.

    Args:
        histograms: Of each image, counts by class and probability, of `cenet.metrics.binned`.

    Shape:
        `(2, BINS)` each.

    >>> from cenet.metrics.binned import histogram
    >>> p, came_true = np.repeat([0.2, 0.6], 1000), np.arange(2000) % 1000 < np.repeat([100, 300], 1000)
    >>> trial = try_scale_and_bias([histogram(p, came_true)] * 5)
    >>> trial.kept, trial.log_loss_after < trial.log_loss_before
    (True, True)
    """
    images = np.stack([h / max(h.sum(), 1) for h in histograms])

    def loss(image: Floats, correction: tuple[float, float]) -> float:
        logits = correction[0] * LOGITS + correction[1]
        return float(image[0] @ np.logaddexp(0, logits) + image[1] @ np.logaddexp(0, -logits))

    return _try_on_each(images, fit_scale_and_bias, loss)


def try_temperature(losses: Sequence[Floats]) -> CalibrationTrial:
    """Fit the scale of softmax maps, and try it on each image in turn.

    Args:
        losses: Of each image, of `temperature_losses`.

    Shape:
        `(2, 97)` each.
    """

    def loss(image: Floats, correction: tuple[float, float]) -> float:
        return float(np.interp(correction[0], TEMPERATURE_SCALES, image[0]))

    return _try_on_each(np.stack(losses), lambda images: (fit_temperature(images), 0.0), loss)


def _try_on_each(
    images: Floats,
    fit: Callable[[Floats], tuple[float, float]],
    loss: Callable[[Floats, tuple[float, float]], float],
) -> CalibrationTrial:
    """Fit on all images, and on all but each."""
    scale, bias = fit(images)
    count = len(images)
    if count < MIN_IMAGES:
        return CalibrationTrial(count, scale, bias)
    before = np.array([loss(image, (1.0, 0.0)) for image in images])
    after = np.array([loss(image, fit(np.delete(images, index, axis=0))) for index, image in enumerate(images)])
    gains = before - after
    margin = float(gains.std(ddof=1)) / sqrt(count)
    kept = bool(gains.mean() > margin and (scale, bias) != (1, 0))
    return CalibrationTrial(count, scale, bias, float(before.mean()), float(after.mean()), margin, kept)


def fit_scale_and_bias(histograms: NDArray[np.floating] | NDArray[np.integer]) -> tuple[float, float]:
    """Fit the scale and bias for which `expit(scale * logit(p) + bias)` has the smallest log loss.

    Each image counts the same, and the prior as `PRIOR_IMAGES`. The scale stays within `SCALE_RANGE`, with the bias
    that is best for it, so that the order of the pixels is kept even where the probabilities mislead. Where a class is
    missing it is (1, 0): no change.

    Args:
        histograms: Counts by class and probability of each image, of `cenet.metrics.binned`.

    Shape:
        `(N, 2, BINS)`.

    Raises:
        ValueError: The shape is wrong.

    Reference:
        Platt scaling: logistic regression of the truth on logit(p), with a prior of additional data.

    >>> from cenet.metrics.binned import histogram
    >>> h = histogram(np.repeat([0.2, 0.6], 1000), np.arange(2000) % 1000 < np.repeat([100, 300], 1000))
    >>> calibration = [fit_scale_and_bias(np.stack([h] * 100))]
    >>> apply(np.array([[0.2, 0.6]]), calibration, softmax=False).round(2)
    array([[0.1, 0.3]], dtype=float32)
    """
    from scipy.optimize import brentq
    from scipy.special import expit

    if histograms.shape[1:] != (2, BINS):
        raise ValueError(f"histograms have shape {histograms.shape}; those of N images are (N, 2, {BINS})")
    if not histograms.sum(axis=(0, 2)).all():
        return 1.0, 0.0
    pixels = np.maximum(histograms.sum(axis=(1, 2), keepdims=True), 1e-300)
    shares = (histograms / pixels).sum(axis=0)
    prior = shares.sum(axis=0) * PRIOR_IMAGES / len(histograms)
    background, foreground = shares[0] + prior * (1 - CENTRES), shares[1] + prior * CENTRES
    low, high = SCALE_RANGE
    limit = high * LOGIT_RANGE + 40  # beyond it every probability is 0, or every one is 1

    def surplus(scale: float, bias: float) -> Floats:
        return np.asarray((background + foreground) * expit(scale * LOGITS + bias) - foreground)

    def best_bias(scale: float) -> float:
        return float(brentq(lambda bias: surplus(scale, bias).sum() + RIDGE * bias, -limit, limit))

    def slope(scale: float) -> float:
        return float(surplus(scale, best_bias(scale)) @ LOGITS + RIDGE * (scale - 1))

    # The loss is convex, and so it stays when each scale has its best bias: its slope rises with the scale.
    scale = low if slope(low) >= 0 else high if slope(high) <= 0 else float(brentq(slope, low, high))
    return scale, best_bias(scale)


def temperature_losses(probabilities: Probabilities, label: Classes) -> Floats:
    """Compute the mean log loss of an image's pixels at each of `TEMPERATURE_SCALES`.

    Args:
        probabilities: Softmax probabilities of K classes at N pixels; one counts as `exp(-LOGIT_RANGE)` at least.
        label: True class of each pixel, 0 to K - 1.

    Returns:
        The loss by the label, and that if the network's own probabilities came true.

    Shape:
        `(K, N)` and `(N,)` to `(2, 97)`.

    Raises:
        ValueError: The shapes do not fit, or a class lies outside 0 to K - 1.
    """
    if probabilities.ndim != 2 or label.shape != probabilities.shape[1:]:
        raise ValueError(f"probabilities have shape {probabilities.shape} and label {label.shape}; not (K, N) and (N,)")
    if np.any((label < 0) | (label >= len(probabilities))):
        raise ValueError(f"label has a class outside 0 to {len(probabilities) - 1}")
    if not label.size:
        return np.zeros((2, len(TEMPERATURE_SCALES)))
    logarithms = np.log(np.maximum(probabilities, exp(-LOGIT_RANGE)))
    logarithms -= logarithms.max(axis=0)  # relative to the largest: no power overflows, no sum vanishes
    of_label = np.take_along_axis(logarithms, label[None].astype(np.intp), axis=0).mean(dtype=float)
    expected = (probabilities * logarithms).sum(axis=0, dtype=float).mean()
    normalisers = [np.log(np.exp(scale * logarithms).sum(axis=0)).mean(dtype=float) for scale in TEMPERATURE_SCALES]
    return np.stack([normalisers - TEMPERATURE_SCALES * of_label, normalisers - TEMPERATURE_SCALES * expected])


def fit_temperature(losses: Floats) -> float:
    """Fit the scale for which `p ** scale`, renormalised over the classes, has the smallest log loss.

    Each image counts the same, and the prior as `PRIOR_IMAGES`.

    Args:
        losses: Of each image, of `temperature_losses`.

    Shape:
        `(N, 2, 97)`.

    Reference:
        Temperature scaling, the temperature being 1 / scale.

    >>> probabilities, label = np.tile([[0.9], [0.1]], 1000), np.arange(1000) % 4 == 0
    >>> calibration = [(fit_temperature(np.stack([temperature_losses(probabilities, label)] * 100)), 0.0)]
    >>> apply(np.array([[0.9], [0.1]]), calibration, softmax=True).round(2)
    array([[0.75],
           [0.25]], dtype=float32)
    """
    by_label, by_network = losses.sum(axis=0)
    total = by_label + by_network * PRIOR_IMAGES / len(losses)
    # of equal ones, as without pixels, the one that changes least
    return float(TEMPERATURE_SCALES[np.lexsort((np.abs(np.log(TEMPERATURE_SCALES)), total))[0]])


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
        ((scale, _),) = calibration
        powers = (probabilities / probabilities.max(axis=0)) ** scale  # by the largest: no underflow to 0 / 0
        return np.asarray(powers / powers.sum(axis=0), np.float32)
    if len(calibration) != len(probabilities):
        raise ValueError(f"there are {len(calibration)} pairs of scale and bias for {len(probabilities)} sigmoid maps")
    calibrated = np.empty(probabilities.shape, np.float32)
    for out, values, (scale, bias) in zip(calibrated, probabilities, calibration, strict=True):
        unchanged = (scale, bias) == (1, 0)
        out[...] = values if unchanged else expit(scale * logit(values.astype(float)) + bias)
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
        for turned, border in ((classes, touching), (classes.T, touching.T)):
            differ = turned[1:] != turned[:-1]
            border[1:] |= differ
            border[:-1] |= differ
    return np.asarray(distance_transform_edt(~touching) < width) if touching.any() else touching
