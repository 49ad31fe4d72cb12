"""Whether masks get better when small pieces are removed and holes are filled, tried on the validation part."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.inference.post_processing import NO_POST_PROCESSING, PostProcessing, PostProcessingTrial
from cenet.metrics import count, dice
from cenet.metrics.binned import EDGES
from cenet.metrics.calibration import MIN_IMAGES

SHARES = (0.001, 0.01, 0.1, 1.0)  # of the largest piece, that are tried
MIN_GAIN = 0.001  # of the Dice; a smaller one is not worth a step
KEEP_BYTES = 500_000_000  # of validation images; those beyond are not tried


@dataclass(frozen=True)
class KeptImage:
    """A validation image whose mask can be made at any threshold, in two bytes for each probability.

    Args:
        bins: `(maps, H, W)` uint16, the bin of each probability in `cenet.metrics.binned`.
        label: `(H, W)` class indices.
        region: `(H, W)`, which pixels count.
    """

    bins: NDArray[np.uint16]
    label: NDArray[Any]
    region: NDArray[np.bool_]


class PostProcessingChoice:
    """Keeps validation images as they are predicted, and chooses what to do to their masks.

    Args:
        maps: How many sigmoid maps there are.
    """

    def __init__(self, maps: int) -> None:
        self.maps = maps
        self._images: list[KeptImage] = []
        self._bytes = 0

    def add(self, probabilities: NDArray[np.float32], label: NDArray[Any], region: NDArray[np.bool_]) -> None:
        """Keep an image, as far as there is room.

        Args:
            probabilities: `(maps, H, W)`, before calibration.
            label: `(H, W)` class indices.
            region: `(H, W)`, which pixels count.
        """
        self._bytes += 2 * probabilities.size
        if self._bytes <= KEEP_BYTES:
            bins = np.searchsorted(EDGES[1:-1].astype(np.float32), probabilities, side="right")
            self._images.append(KeptImage(bins.astype(np.uint16), label, region))

    def choose(self, thresholds: Sequence[float]) -> tuple[PostProcessing, tuple[PostProcessingTrial, ...]]:
        """Choose the smallest piece, then the largest hole, each only where it helps on images that were left out.

        Args:
            thresholds: Of the probabilities that were added.
        """
        masks = [self._make_mask(image, thresholds) for image in self._images]
        chosen, trials = NO_POST_PROCESSING, []
        before = self._score(masks, chosen)
        for field in ("min_piece", "max_hole"):
            candidates = [chosen.model_copy(update={field: share}) for share in SHARES]
            scores = np.stack([before, *(self._score(masks, candidate) for candidate in candidates)])
            best, trial = try_candidates(scores)
            trials.append(trial)
            if trial.kept:
                chosen, before = candidates[best - 1], scores[best]
        return chosen, tuple(trials)

    def _make_mask(self, image: KeptImage, thresholds: Sequence[float]) -> NDArray[np.uint8]:
        lowest = np.searchsorted(EDGES[1:-1].astype(np.float32), np.array(thresholds, np.float32), side="right")
        inside = np.logical_and.accumulate(image.bins >= lowest[:, None, None])
        return np.asarray(inside.sum(axis=0), np.uint8)

    def _score(self, masks: Sequence[NDArray[np.uint8]], processing: PostProcessing) -> NDArray[np.float64]:
        """The Dice of each image, the mean over its classes."""
        scores = []
        for image, mask in zip(self._images, masks, strict=True):
            processed, truth = processing.apply(mask)[image.region], image.label[image.region]
            scores.append([float(dice(count(processed >= k, truth >= k))) for k in range(1, self.maps + 1)])
        return np.asarray(np.array(scores, np.float64).reshape(len(scores), self.maps).mean(axis=1))


def try_candidates(scores: NDArray[np.float64]) -> tuple[int, PostProcessingTrial]:
    """Choose the best candidate, and judge the choice on images that were left out of it.

    Each image is left out once, and gets the candidate that is best on the others. The choice is kept where the mean
    gain is more than its standard error over the images, of which there must be three, and more than `MIN_GAIN`.

    Args:
        scores: `(candidates, images)`; the first candidate is to do nothing.

    >>> best, trial = try_candidates(np.array([[0.5, 0.6, 0.7], [0.6, 0.7, 0.8]]))
    >>> best, trial.kept, round(trial.dice_after, 3)
    (1, True, 0.7)
    """
    images = scores.shape[1]
    if images < MIN_IMAGES:
        return 0, PostProcessingTrial(images=images)
    best_on_others = [int(np.delete(scores, index, axis=1).mean(axis=1).argmax()) for index in range(images)]
    after = scores[best_on_others, np.arange(images)]
    gains = after - scores[0]
    margin = max(float(gains.std(ddof=1)) / sqrt(images), MIN_GAIN)
    best = int(scores.mean(axis=1).argmax())
    trial = PostProcessingTrial(
        images=images,
        dice_before=float(scores[0].mean()),
        dice_after=float(after.mean()),
        margin=margin,
        kept=bool(gains.mean() > margin and best > 0),
    )
    return best, trial
