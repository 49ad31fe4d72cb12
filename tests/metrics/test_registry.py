"""Every metric is defined once, with what people need to read it, for all images at once."""

import numpy as np
import pytest

from cenet.metrics.binned import BINS
from cenet.metrics.registry import METRICS, OVERLAP, PIXEL_METRICS


def test_every_metric_has_a_title_and_only_distances_have_units():
    assert all(metric.key == key and metric.title for key, metric in METRICS.items())
    assert {metric.unit for metric in METRICS.values()} == {"", "px", "µm", "columns"}
    assert all(metric.lower_is_better for key, metric in METRICS.items() if "error" in key or "brier" in key)
    assert not any(METRICS[key].lower_is_better for key in ("auc", "dice", "iou", "v_rand", "centre_line_dice"))


@pytest.mark.parametrize("key", PIXEL_METRICS)
def test_a_metric_of_many_sums_is_that_of_each(key):
    metric = PIXEL_METRICS[key]
    shape = (4,) if metric.source == "counts" else (2, BINS)
    sums = np.random.default_rng(1).integers(0, 9, (2, 3, *shape))
    single = [[float(metric.compute(counts)) for counts in row] for row in sums]
    np.testing.assert_allclose(metric.compute(sums), single, rtol=1e-12)


@pytest.mark.parametrize("metric", OVERLAP, ids=lambda metric: metric.key)
def test_where_no_pixel_counts_a_metric_of_masks_is_undefined(metric):
    background, nothing = [0, 0, 0, 3], [0, 0, 0, 0]
    for compute in (metric.compute, metric.compute_condensed):
        values = compute(np.array([[background, nothing]]))
        assert values.shape == (1, 2)
        assert np.isnan(values[0, 1])
    assert metric.key == "sensitivity" or values[0, 0] == (metric.key != "overlap_error")
