"""What a permutation test computes of condensed sums is the metric of the whole histograms."""

from itertools import product

import numpy as np
import pytest

from cenet.evaluation.significance import paired_permutation_test
from cenet.metrics.binned import BINS
from cenet.metrics.condensed import calibration_gaps
from cenet.metrics.registry import PIXEL_METRICS


@pytest.mark.parametrize("key", [key for key, metric in PIXEL_METRICS.items() if metric.condense])
def test_the_permutation_test_of_a_metric_tries_every_swap(key):
    metric = PIXEL_METRICS[key]
    rng = np.random.default_rng(7)
    counts = metric.source == "counts"
    first, second = rng.integers(0, 9, (2, 6, *((4,) if counts else (2, BINS)))).astype(float)
    second[:, 0] *= 2 if counts else 1.01
    first, second = metric.condense(first, second)

    def difference(swapped):
        chosen = np.array(swapped, bool).reshape(-1, *[1] * (first.ndim - 1))
        one, other = np.where(chosen, second, first).sum(axis=0), np.where(chosen, first, second).sum(axis=0)
        return abs(float(metric.compute_condensed(one[None])[0] - metric.compute_condensed(other[None])[0]))

    differences = [difference(swapped) for swapped in product([False, True], repeat=6)]
    expected = np.mean([value >= differences[0] - 1e-12 for value in differences])
    assert paired_permutation_test(first, second, metric.compute_condensed) == expected


@pytest.mark.parametrize("key", ["brier", "brier_edges", "calibration_error", "calibration_error_edges"])
def test_condensed_sums_add_up_to_the_metric(key):
    metric = PIXEL_METRICS[key]
    first, second = (np.random.default_rng(seed).integers(0, 50, (4, 2, BINS)).astype(float) for seed in (3, 4))
    for whole, condensed in zip((first, second), metric.condense(first, second), strict=True):
        np.testing.assert_allclose(metric.compute_condensed(condensed), metric.compute(whole), rtol=1e-9)
        together = metric.compute_condensed(condensed.sum(axis=0)[None])
        np.testing.assert_allclose(together, metric.compute(whole.sum(axis=0)), rtol=1e-9)
    np.testing.assert_allclose(
        calibration_gaps(first).sum(axis=0), calibration_gaps(first.sum(axis=0, keepdims=True))[0]
    )
