"""What is counted of images, alone and together."""

import numpy as np
from test_build_report import THRESHOLDS, count_image, pixels_of

from cenet.evaluation.counts import PixelCounts
from cenet.metrics.binned import histogram


def test_counts_of_images_stand_together_in_their_order():
    parts = [count_image(number) for number in range(3)]
    together = PixelCounts.concatenate(parts)
    assert together.images == ("eye0", "eye1", "eye2")
    assert together.thresholds == ("first", "second")
    scores, truth = pixels_of(range(3))
    assert np.array_equal(together.histograms.sum(axis=0), histogram(scores, truth))
    assert np.array_equal(together.before, sum(part.before for part in parts))
    for index, threshold in enumerate(THRESHOLDS.values()):
        mask = scores >= threshold
        four = [sum(mask & truth), sum(mask & ~truth), sum(~mask & truth), sum(~mask & ~truth)]
        assert together.sums_for("counts", threshold=index).sum(axis=0).tolist() == four


def test_what_a_metric_is_computed_from_goes_by_its_source():
    counts = count_image(0)
    assert counts.sums_for("histograms") is counts.histograms
    assert counts.sums_for("edges") is counts.edges
    assert counts.sums_for("counts").tolist() == counts.confusion[:, 0].tolist()
