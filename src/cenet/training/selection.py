"""What the validation part decides: the epoch (by its Dice), calibration, thresholds, and post-processing."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cenet.config.recipe import Recipe
from cenet.data.loading import SampleCache
from cenet.data.sample import Sample
from cenet.inference.model_card import write_model_card
from cenet.inference.operating_point import OperatingPoint
from cenet.inference.post_processing import NO_POST_PROCESSING
from cenet.inference.prediction import Prediction
from cenet.inference.predictor import Predictor
from cenet.inference.run import Run
from cenet.metrics import dice, multiclass_counts
from cenet.metrics import partition as segments
from cenet.metrics.binned import BINS, EDGES, best_threshold_of, histogram
from cenet.metrics.calibration import apply, temperature_losses, try_scale_and_bias, try_temperature
from cenet.metrics.overlap import Counts
from cenet.training.choose_post_processing import PostProcessingChoice
from cenet.training.loaders import ImageDataset

FITTED_PIXELS = 10_000  # pixels of an image that the temperature is fitted on


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

    def merge(self, add_up: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> None:
        """Take in the images of other processes.

        Args:
            add_up: From the counts of this process to the sum of those of all.
        """
        self.histograms = add_up(self.histograms)
        if self.counts:
            summed = add_up(np.array([np.asarray(counts) for counts in self.counts], np.int64))
            self.counts = [Counts(*row) for row in summed.tolist()]

    def best(self) -> tuple[tuple[float, ...], float]:
        """The threshold of each sigmoid map, and the mean Dice of the classes there.

        A class that the validation images do not hold does not count: its Dice would be 1 where nothing is found.
        """
        if not self.recipe.sigmoid:
            return (), _mean([float(dice(counts)) for counts in self.counts if counts.tp + counts.fn])
        thresholds, scores = zip(*(best_threshold_of(histogram) for histogram in self.histograms), strict=True)
        held = [bool(histogram[1].any()) for histogram in self.histograms]
        return thresholds, _mean([score for score, is_held in zip(scores, held, strict=True) if is_held])


def _dice_at(threshold: float, counted: NDArray[np.int64]) -> float:
    """The Dice at a threshold, 0 without foreground; one between two edges of the bins counts as the upper one.

    Shape:
        `(2, BINS)`.
    """
    above = counted[:, np.searchsorted(EDGES[1:-1], threshold) + 1 :].sum(axis=1)
    if not counted[1].any():
        return 0.0
    background, foreground = above.tolist()
    return float(dice(Counts(tp=foreground, fp=background, fn=int(counted[1].sum()) - foreground, tn=0)))


def _mean(scores: Sequence[float]) -> float:
    return float(np.mean(scores)) if scores else 0.0


def calibrate_and_set_thresholds(
    run: Run, samples: Sequence[Sample], *, device: str, cache: SampleCache | None = None
) -> None:
    """Choose how probabilities of the kept weights become masks on the validation part, as the run will be used.

    That is in full precision, at the recipe's scale and in its windows, from one view, and if the recipe says so from
    the mean of all its views too. Without validation images nothing is calibrated, and each threshold is 0.5.

    Args:
        run: Where the weights are, and the choice is kept.
        samples: The validation part.
        device: Where to compute.
        cache: Images that were decoded already.
    """
    assert run.facts.labels is not None  # it was trained
    images = ImageDataset(samples, run.facts.labels, cache=cache)
    score: float | None = None
    points = [OperatingPoint(thresholds=(0.5,) * run.recipe.maps if run.recipe.sigmoid else ())]
    if samples:
        points[0], score = _choose_operating_point(run.recipe, run.predictor(device=device), images)
    if samples and len(run.recipe.validated_views) > 1:
        points.append(_choose_operating_point(run.recipe, run.predictor(device=device, tta=True), images)[0])
    run.update(operating_points=tuple(points), validation_dice=score)
    write_model_card(run)
    run.update(finished=True)  # last: nothing is left to do


def _choose_operating_point(recipe: Recipe, predictor: Predictor, images: ImageDataset) -> tuple[OperatingPoint, float]:
    """Choose calibration, thresholds and post-processing for a predictor; with the Dice before post-processing."""
    scores, views = ValidationScores(recipe), len(predictor.views)
    histograms: list[NDArray[Any]] = []  # (maps, 2, BINS) of each image
    losses: list[NDArray[np.float64]] = []
    cells: list[NDArray[np.float64]] = []
    processing = PostProcessingChoice(recipe.maps) if recipe.sigmoid and recipe.threshold_metric == "dice" else None
    title = "calibrating" if views == 1 else f"calibrating {views} views"
    for image, label, region in tqdm(images, desc=title, unit="image"):
        before = scores.histograms.copy()
        probabilities = predictor.predict_raw(image)
        scores.add(Prediction(probabilities, predictor.thresholds, recipe.ordered), label, region)
        histograms.append(scores.histograms - before)
        if processing is not None:
            processing.add(probabilities, label, region)
        if recipe.threshold_metric == "v_rand":
            cells.append(segments.sweep(probabilities[0], (label == 0) & region, segments.GRID))
        if not recipe.sigmoid:
            step = max(np.count_nonzero(region) // FITTED_PIXELS, 1)
            losses.append(temperature_losses(probabilities[:, region][:, ::step], label[region][::step]))
    thresholds, score = scores.best()
    if cells:
        thresholds = (segments.best_of(np.stack(cells), segments.GRID)[0],)
        score = _dice_at(thresholds[0], scores.histograms[0])
    if recipe.sigmoid:
        trials = tuple(try_scale_and_bias([of_image[index] for of_image in histograms]) for index in range(recipe.maps))
    else:
        trials = (try_temperature(losses),)
    calibration = tuple((trial.scale, trial.bias) if trial.kept else (1.0, 0.0) for trial in trials)
    if not any(trial.kept for trial in trials):
        calibration = ()
    post_processing, processing_trials = (
        processing.choose(thresholds) if processing is not None else (NO_POST_PROCESSING, ())
    )
    if recipe.sigmoid:
        raw = np.array(thresholds, np.float32)
        thresholds = tuple(float(threshold) for threshold in apply(raw[:, None], calibration, softmax=False)[:, 0])
    point = OperatingPoint(
        views=views,
        thresholds=thresholds,
        calibration=calibration,
        trials=trials,
        post_processing=post_processing,
        post_processing_trials=processing_trials,
    )
    return point, score
