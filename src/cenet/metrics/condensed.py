"""Histograms of two runs made short, so that a permutation test can compute a metric a million times.

What is kept still adds up over groups, and the metric of it is that of the whole histograms. Metrics of ranks are not
tested so: swapped groups would rank the probabilities of two networks together.
"""

import numpy as np
from numpy.typing import NDArray

from cenet.metrics.binned import CENTRES

Floats = NDArray[np.float64]
CALIBRATION_BINS = 15


def keep_both(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Keep the sums of two runs as they are: counts of pixels are short already."""
    return first, second


def keep_calibration_gaps(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Keep of each run what `calibration_error_from_gaps` needs."""
    return calibration_gaps(first), calibration_gaps(second)


def calibration_gaps(histograms: Floats) -> Floats:
    """Summed probability minus foreground pixels in each of 15 bins, then the number of all pixels.

    Shape:
        `(G, 2, BINS)` gives `(G, 16)`.

    >>> histograms = np.zeros((1, 2, 2048))
    >>> histograms[0, :, 1024] = 6, 4
    >>> calibration_gaps(histograms)[0, [7, -1]].round(2).tolist()
    [1.02, 10.0]
    """
    member = (np.floor(CENTRES * CALIBRATION_BINS)[:, None] == np.arange(CALIBRATION_BINS)).astype(float)
    gaps = (histograms.sum(axis=1) * CENTRES - histograms[:, 1]) @ member
    return np.column_stack([gaps, histograms.sum(axis=(1, 2))])


def calibration_error_from_gaps(sums: Floats) -> Floats:
    """The expected calibration error of summed `calibration_gaps`: `(R, 16)` to `(R,)`."""
    error: Floats = np.abs(sums[:, :-1]).sum(axis=-1) / sums[:, -1]
    return error


def keep_squared_errors(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Keep of each run what `brier_from_squared_errors` needs."""
    return squared_errors(first), squared_errors(second)


def squared_errors(histograms: Floats) -> Floats:
    """Summed square of probability minus truth, and the number of all pixels.

    Shape:
        `(G, 2, BINS)` gives `(G, 2)`.

    >>> histograms = np.zeros((1, 2, 2048))
    >>> histograms[0, :, 1024] = 6, 4
    >>> squared_errors(histograms).round(2).tolist()
    [[2.5, 10.0]]
    """
    errors = histograms[:, 0] @ CENTRES**2 + histograms[:, 1] @ (1 - CENTRES) ** 2
    return np.column_stack([errors, histograms.sum(axis=(1, 2))])


def brier_from_squared_errors(sums: Floats) -> Floats:
    """The Brier score of summed `squared_errors`: `(R, 2)` to `(R,)`."""
    mean: Floats = sums[:, 0] / sums[:, 1]
    return mean
