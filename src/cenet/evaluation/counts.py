"""What is counted of a class, image by image: all that its scores are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.metrics.binned import BINS

Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class PixelCounts:
    """Counts of one class in some images.

    Args:
        images: Names of the images.
        groups: The group of each image.
        auc: `(images,)` area under the ROC curve of each image; NaN where it is undefined.
        thresholds: Names of the thresholds; the first is the one to report.
        confusion: `(images, thresholds, 4)` true positives, false positives, false negatives, true negatives.
        histograms: `(images, 2, BINS)` of the probabilities of all pixels that count.
        edges: The same, of the pixels near a true or predicted edge.
        before: `(2, BINS)` of all images together, before calibration.
        edges_before: The same, near the edges.
    """

    images: tuple[str, ...]
    groups: tuple[str, ...]
    auc: NDArray[np.float64]
    thresholds: tuple[str, ...]
    confusion: NDArray[np.int64]
    histograms: Integers
    edges: Integers
    before: Integers
    edges_before: Integers

    @classmethod
    def concatenate(cls, parts: Sequence["PixelCounts"]) -> "PixelCounts":
        """The counts of several sets of images together; there is at least one, and all have the same thresholds."""
        zero = np.zeros((2, BINS), np.int64)
        return cls(
            images=tuple(name for part in parts for name in part.images),
            groups=tuple(group for part in parts for group in part.groups),
            auc=np.concatenate([part.auc for part in parts]),
            thresholds=parts[0].thresholds,
            confusion=np.concatenate([part.confusion for part in parts]),
            histograms=np.concatenate([part.histograms for part in parts]),
            edges=np.concatenate([part.edges for part in parts]),
            before=sum((part.before for part in parts), zero),
            edges_before=sum((part.edges_before for part in parts), zero),
        )

    def sums_for(self, source: str, *, threshold: int = 0) -> Integers:
        """What a metric of this `cenet.metrics.registry.PixelMetric.source` is computed from, `(images, ...)`."""
        if source == "counts":
            return self.confusion[:, threshold]
        return self.edges if source == "edges" else self.histograms
