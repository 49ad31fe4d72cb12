"""What the validation part decides: the epoch (by its Dice), the calibration, and then the thresholds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cenet.config.recipe import Recipe
from cenet.data.loading import SampleCache
from cenet.data.sample import Sample
from cenet.inference.model_card import write_model_card
from cenet.inference.predictor import Prediction
from cenet.inference.run import Run
from cenet.metrics import dice, multiclass_counts
from cenet.metrics import partition as segments
from cenet.metrics.binned import BINS, best_threshold_of, histogram
from cenet.metrics.calibration import apply, fit_scale_and_bias, fit_temperature
from cenet.metrics.overlap import Counts
from cenet.training.loaders import ImageDataset

SAMPLED = 20_000  # pixels of an image that the temperature is fitted on


class ValidationScores:
    """Dice over all validation pixels that count, and the thresholds that make it largest.

    Args:
        recipe: Says what the maps mean.

    >>> from cenet.config.presets import load_recipe
    >>> scores = ValidationScores(load_recipe("folder"))
    >>> prediction = Prediction(np.array([[[0.2, 0.3]]], np.float32), (0.5,))
    >>> scores.add(prediction, np.array([[0, 1]], np.uint8), np.ones((1, 2), bool))
    >>> thresholds, score = scores.best()
    >>> 0.2 < thresholds[0] <= 0.3, score
    (True, 1.0)
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.histograms = np.zeros((recipe.maps, 2, BINS), np.int64)
        self.counts = [Counts(0, 0, 0, 0)] * (recipe.num_classes - 1)

    def add(self, prediction: Prediction, label: NDArray[Any], region: NDArray[np.bool_]) -> None:
        """Take in one image."""
        if self.recipe.sigmoid:
            for index, probabilities in enumerate(prediction.probabilities):
                self.histograms[index] += histogram(probabilities[region], label[region] > index)
        else:
            mask, truth = prediction.mask[region], label[region]
            counted = multiclass_counts(mask, truth, num_classes=self.recipe.num_classes)
            self.counts = [one + other for one, other in zip(self.counts, counted, strict=True)]

    def best(self) -> tuple[tuple[float, ...], float]:
        """The threshold of each sigmoid map, and the mean Dice of the classes there.

        A class that the validation images do not hold has no say: it would be perfect where nothing is found.
        """
        if not self.recipe.sigmoid:
            return (), _mean([float(dice(counts)) for counts in self.counts if counts.tp + counts.fn])
        thresholds, scores = zip(*(best_threshold_of(each) for each in self.histograms), strict=True)
        held = [bool(each[1].any()) for each in self.histograms]
        return thresholds, _mean([score for score, there in zip(scores, held, strict=True) if there])


def _mean(scores: Sequence[float]) -> float:
    return float(np.mean(scores)) if scores else 0.0


def calibrate_and_set_thresholds(
    run: Run, samples: Sequence[Sample], *, device: str, cache: SampleCache | None = None
) -> None:
    """Fit the calibration of the kept weights on the validation part, then choose the thresholds.

    It is done as the run will be used: in full precision, one view.

    Args:
        run: Where the weights are, and the choice is kept.
        samples: The validation part.
        device: Where to compute.
        cache: Images that were decoded already.
    """
    assert run.facts.labels is not None  # it was trained
    predictor, scores = run.predictor(device=device), ValidationScores(run.recipe)
    sampled: list[tuple[NDArray[Any], NDArray[Any]]] = []
    cells: list[NDArray[np.float64]] = []
    images = tqdm(ImageDataset(samples, run.facts.labels, cache=cache), desc="calibrating", unit="image")
    for image, label, region in images:
        probabilities = predictor.predict_raw(image)
        scores.add(Prediction(probabilities, predictor.thresholds, run.recipe.ordered), label, region)
        if run.recipe.threshold_metric == "v_rand":
            cells.append(segments.sweep(probabilities[0], (label == 0) & region, segments.GRID))
        if not run.recipe.sigmoid:
            step = max(np.count_nonzero(region) // SAMPLED, 1)
            sampled.append((probabilities[:, region][:, ::step], label[region][::step]))
    thresholds, score = scores.best()
    if cells:
        thresholds = (segments.best_of(np.stack(cells), segments.GRID)[0],)
    if run.recipe.sigmoid:
        calibration = tuple(fit_scale_and_bias(each) for each in scores.histograms)
        raw = np.array(thresholds, np.float32)
        thresholds = tuple(float(cut) for cut in apply(raw[:, None], calibration, softmax=False)[:, 0])
    else:
        probabilities, truth = (np.concatenate(each, axis=-1) for each in zip(*sampled, strict=True))
        calibration = ((fit_temperature(probabilities, truth), 0.0),)
    run.update(calibration=calibration, thresholds=thresholds, validation_dice=score, finished=True)
    write_model_card(run)
