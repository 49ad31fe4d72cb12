"""What a network says of one image."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cenet.data.preprocessing import Box
from cenet.inference.post_processing import NO_POST_PROCESSING, PostProcessing
from cenet.inference.uncertainty import Uncertainty
from cenet.metrics.layer_boundaries import decode


@dataclass(frozen=True)
class Prediction:
    """What a network says of one image, in the image's own geometry.

    Args:
        probabilities: `(maps, H, W)` float32; sigmoid maps of one foreground or of nested regions, or softmax maps of
            every class.
        thresholds: Where each sigmoid map becomes foreground; softmax maps have none, the largest decides.
        ordered: Whether softmax maps are of classes below each other: the most probable such order decides.
        box: The square that was looked at, by top row, left column and side; None where it was the whole image.
        field_of_view_px: The diameter by which a fundus photograph was scaled or cut; None where none was measured.
        unfamiliar: How the image differs from those of the training; None where it does not, or nothing is known.
        uncertainty: How unsure it is of each pixel; None where this was not asked for.
        post_processing: What is done to the mask after the thresholds.
        windows: In how many overlapping windows the network saw the image.
        window_px: The side of such a window.

    >>> Prediction(np.array([[[0.2, 0.6]]], np.float32), (0.5,)).mask.tolist()
    [[0, 1]]
    """

    probabilities: NDArray[np.float32]
    thresholds: tuple[float, ...] = ()
    ordered: bool = False
    box: Box | None = None
    field_of_view_px: float | None = None
    unfamiliar: str | None = None
    uncertainty: Uncertainty | None = None
    post_processing: PostProcessing = NO_POST_PROCESSING
    windows: int = 1
    window_px: int = 0

    @cached_property
    def layers(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Ordered classes, `(H, W)`, and the boundaries between them, `(maps - 1, W)`, in rows from the top."""
        return decode(self.probabilities)

    @cached_property
    def mask(self) -> NDArray[np.uint8]:
        """Class indices, `(H, W)`; a nested region counts only inside those around it."""
        if self.ordered:
            return self.layers[0]
        if not self.thresholds:
            return np.asarray(self.probabilities.argmax(axis=0), np.uint8)
        mask, inside = np.zeros(self.probabilities.shape[1:], np.uint8), np.True_
        for probabilities, threshold in zip(self.probabilities, self.thresholds, strict=True):
            inside = inside & (probabilities >= threshold)
            mask += inside
        return self.post_processing.apply(mask)
