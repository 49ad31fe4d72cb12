"""Every pixel of a data set in a few kilobytes: counts by probability and class, and the metrics of those counts.

A histogram is `(..., 2, BINS)` integers: row 0 counts background pixels, row 1 foreground pixels. The histogram of two
images together is the sum of theirs. Metrics are computed over all leading axes at once.
"""

from math import nan

import numpy as np
from numpy.typing import NDArray

Histogram = NDArray[np.integer]
Floats = NDArray[np.float64]

BINS = 2048
LOGIT_RANGE = 16  # the float32 nearest to 1 has a logit of 16.6
LOGITS: Floats = (np.arange(BINS, dtype=np.float64) + 0.5) * (2 * LOGIT_RANGE / BINS) - LOGIT_RANGE
CENTRES: Floats = 1 / (1 + np.exp(-LOGITS))
# Rounded to float32, so that float32 and float64 scores compare alike with them; above a logit of 12 some coincide.
EDGES: Floats = (1 / (1 + np.exp(-np.linspace(-LOGIT_RANGE, LOGIT_RANGE, BINS + 1)))).astype(np.float32).astype(float)
EDGES[[0, -1]] = 0, np.inf
CURVE_POINTS = 200


def histogram(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Count the pixels of each class by probability, in bins evenly spaced in logit.

    It is exact: a score lies in bin b or above if and only if `score >= EDGES[b]`.

    Args:
        scores: Probability of foreground, 0 to 1.
        truth: True where the truth is foreground.

    Shape:
        Both arrays have one shape, whatever it is; the histogram is `(2, BINS)`.

    Raises:
        ValueError: The shapes differ, a type is wrong, or a score is nan or outside 0 to 1.

    >>> histogram(np.array([0.5, 0.5, 0.9]), np.array([False, True, True]))[:, BINS // 2 :].sum(axis=1)
    array([1, 2], dtype=uint64)
    """
    if scores.shape != truth.shape:
        raise ValueError(f"scores have shape {scores.shape} and truth {truth.shape}; they must be equal")
    if not np.issubdtype(scores.dtype, np.floating):
        raise ValueError(f"scores are {scores.dtype}; a floating-point array is needed")
    if truth.dtype != np.bool_:
        raise ValueError(f"truth is {truth.dtype}; a boolean array is needed, such as truth > 0")
    if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError("scores contain nan or lie outside 0 to 1; probabilities are needed")
    inner = EDGES[1:-1].astype(np.float32 if scores.dtype == np.float32 else float)
    bins = np.searchsorted(inner, scores.ravel(), side="right")
    bins += BINS * truth.ravel()
    return np.bincount(bins, minlength=2 * BINS).reshape(2, BINS).astype(np.uint32)


def roc_auc_of(h: Histogram) -> Floats:
    """Area under the ROC curve; a tie, which is two pixels in one bin, counts one half.

    It is nan where the truth lacks one of the two classes.

    Shape:
        `(..., 2, BINS)` gives `(...)`.

    Raises:
        ValueError: The shape is wrong.

    >>> h = histogram(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    >>> float(roc_auc_of(h))
    0.875
    """
    background, foreground = _classes(h)
    below = np.cumsum(background, axis=-1) - background / 2
    return _ratio((foreground * below).sum(axis=-1), foreground.sum(axis=-1) * background.sum(axis=-1))


def average_precision_of(h: Histogram) -> Floats:
    """Average precision: the area under the precision-recall curve, as steps, one for each foreground pixel.

    The pixels of a bin count as evenly mixed: with one step for each bin it would come out too low by some 0.001.
    It is nan where the truth lacks one of the two classes.

    Shape:
        `(..., 2, BINS)` gives `(...)`.

    Raises:
        ValueError: The shape is wrong.

    Reference:
        The mean, over the foreground pixels, of the precision at the pixel's own rank. On average half of the others
        in its bin rank above it.

    >>> h = histogram(np.array([0.1, 0.4, 0.6, 0.8]), np.array([False, True, False, True]))
    >>> round(float(average_precision_of(h)), 4)
    0.8333
    """
    background, foreground = _classes(h)
    pixels = background + foreground
    found_above, all_above = _at_or_above(foreground) - foreground, _at_or_above(pixels) - pixels
    precision = (found_above + (foreground + 1) / 2) / (all_above + (pixels + 1) / 2)
    mean = _ratio((foreground * precision).sum(axis=-1), foreground.sum(axis=-1))
    return np.where(background.any(axis=-1), mean, nan)


def brier_of(h: Histogram) -> Floats:
    """Brier score: the mean square of probability minus truth; 0 is perfect. It is nan without pixels.

    A pixel has the probability of the centre of its bin.

    Shape:
        `(..., 2, BINS)` gives `(...)`.

    Raises:
        ValueError: The shape is wrong.

    >>> round(float(brier_of(histogram(np.array([0.1, 0.8]), np.array([False, True])))), 3)
    0.025
    """
    background, foreground = _classes(h)
    errors = background @ CENTRES**2 + foreground @ (1 - CENTRES) ** 2
    return _ratio(errors, (background + foreground).sum(axis=-1))


def calibration_error_of(h: Histogram, *, bins: int = 15) -> Floats:
    """Expected calibration error of the foreground probability; 0 is perfect. It is nan without pixels.

    A pixel has the probability of the centre of its bin.

    Args:
        h: Counts by class and probability.
        bins: How many bins of equal width the probabilities 0 to 1 are cut into.

    Shape:
        `(..., 2, BINS)` gives `(...)`.

    Raises:
        ValueError: The shape is wrong.

    Reference:
        Sum over the bins of (share of the pixels) x |mean probability - observed frequency|.

    >>> round(float(calibration_error_of(histogram(np.array([0.3, 0.3]), np.array([False, True])))), 2)
    0.2
    """
    pixels, foreground, expected = _by_probability(h, bins)
    return _ratio(np.abs(expected - foreground).sum(axis=-1), pixels.sum(axis=-1))


def best_threshold_of(h: Histogram) -> tuple[float, float]:
    """Find the threshold of the highest Dice of `scores >= threshold`, and that Dice.

    The thresholds are the inner edges of the bins, so the counts are exact, for float32 as for float64 scores.
    Of equally good ones the nearest to 0.5 in logit is chosen, and the lower of two equally near.
    Where the truth is empty there is nothing to choose: 0.5, and the Dice there.

    Shape:
        `(2, BINS)`.

    Raises:
        ValueError: The shape is wrong.

    >>> best_threshold_of(histogram(np.array([0.1, 0.4, 0.3, 0.8]), np.array([False, False, True, True])))[1]
    0.8
    """
    background, foreground = _single(h)
    fp, tp, middle = _at_or_above(background), _at_or_above(foreground), BINS // 2
    if not tp[0]:
        return float(EDGES[middle]), float(fp[middle] == 0)
    dice = (2 * tp / (tp + fp + tp[0]))[1:]
    best = np.flatnonzero(dice == dice.max()) + 1
    return float(EDGES[best[np.argmin(np.abs(best - middle))]]), float(dice.max())


def roc_curve_of(h: Histogram) -> tuple[Floats, Floats]:
    """The ROC curve to draw, from (0, 0) to (1, 1): false positive rates and sensitivities.

    Some 200 of all thresholds are kept, evenly along the curve. Without one of the classes there are no points.

    Shape:
        `(2, BINS)` gives two arrays of one length, `CURVE_POINTS` at most.

    Raises:
        ValueError: The shape is wrong.

    >>> roc_curve_of(histogram(np.array([0.1, 0.8]), np.array([False, True])))
    (array([0., 0., 1.]), array([0., 1., 1.]))
    """
    background, foreground = _single(h)
    if not (background.any() and foreground.any()):
        return np.zeros(0), np.zeros(0)
    fp, tp = (np.append(0, _at_or_above(counts)[::-1]) for counts in (background, foreground))
    return _thinned(fp / fp[-1], tp / tp[-1])


def precision_recall_curve_of(h: Histogram) -> tuple[Floats, Floats]:
    """The precision-recall curve to draw, from the highest threshold to the lowest: recalls and precisions.

    Some 200 of all thresholds are kept, evenly along the curve. Without one of the classes there are no points.

    Shape:
        `(2, BINS)` gives two arrays of one length, `CURVE_POINTS` at most.

    Raises:
        ValueError: The shape is wrong.

    >>> precision_recall_curve_of(histogram(np.array([0.1, 0.8]), np.array([False, True])))
    (array([1., 1.]), array([1. , 0.5]))
    """
    background, foreground = _single(h)
    if not (background.any() and foreground.any()):
        return np.zeros(0), np.zeros(0)
    fp, tp = _at_or_above(background)[::-1], _at_or_above(foreground)[::-1]
    fp, tp = fp[fp + tp > 0], tp[fp + tp > 0]
    return _thinned(tp / tp[-1], tp / (tp + fp))


def reliability_of(h: Histogram, *, bins: int = 15) -> Floats:
    """The rows of a reliability diagram: mean probability, observed frequency and pixels; empty bins are left out.

    Args:
        h: Counts by class and probability.
        bins: How many bins of equal width the probabilities 0 to 1 are cut into.

    Shape:
        `(2, BINS)` gives `(rows, 3)`, `bins` rows at most.

    Raises:
        ValueError: The shape is wrong.

    >>> reliability_of(histogram(np.array([0.3, 0.3, 0.9]), np.array([False, True, True]))).round(2)
    array([[0.3, 0.5, 2. ],
           [0.9, 1. , 1. ]])
    """
    _single(h)
    pixels, foreground, expected = _by_probability(h, bins)
    some = pixels > 0
    return np.stack([expected[some] / pixels[some], foreground[some] / pixels[some], pixels[some]], axis=-1)


def _classes(h: Histogram) -> tuple[Floats, Floats]:
    """The counts of the background and of the foreground: float64 is exact to 2**53 and does not overflow."""
    if h.shape[-2:] != (2, BINS):
        raise ValueError(f"h has shape {h.shape}; a histogram is (..., 2, {BINS})")
    counts = h.astype(float, copy=False)
    return counts[..., 0, :], counts[..., 1, :]


def _single(h: Histogram) -> tuple[Floats, Floats]:
    """The counts of the two classes in one histogram."""
    if h.ndim != 2:
        raise ValueError(f"h has shape {h.shape}; one histogram is (2, {BINS})")
    return _classes(h)


def _at_or_above(counts: Floats) -> Floats:
    """Count the pixels at or above the lower edge of each bin."""
    return np.asarray(np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1])


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Divide, to nan where the whole is nothing."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), nan), where=whole > 0))


def _by_probability(h: Histogram, bins: int) -> tuple[Floats, Floats, Floats]:
    """Pixels, foreground pixels and summed probability in each bin of equal width in probability."""
    background, foreground = _classes(h)
    member = (np.floor(CENTRES * bins)[:, None] == np.arange(bins)).astype(float)
    pixels = background + foreground
    return pixels @ member, foreground @ member, (pixels * CENTRES) @ member


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Keep at most `CURVE_POINTS` points, evenly along the curve, its two ends among them."""
    length = np.append(0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    keep = np.unique(np.searchsorted(length, np.linspace(0, length[-1], CURVE_POINTS)))
    return x[keep], y[keep]
