"""What a task measures in each image beside the overlap of its classes: distances, discs, cells and layers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cenet.config.recipe import Recipe
from cenet.data.labels.detect import IGNORED
from cenet.datasets.registry import TASKS
from cenet.evaluation.protocol import ClassView
from cenet.evaluation.report import Score, TaskMetricScores
from cenet.evaluation.scores import mean_score, pooled_score
from cenet.metrics import layer_boundaries as layers
from cenet.metrics import partition
from cenet.metrics.registry import METRICS
from cenet.metrics.shape import centre_line_dice, vertical_cup_to_disc_ratio
from cenet.metrics.surface_distance import assd, hd95

if TYPE_CHECKING:  # an annotation alone: reports are read and compared without torch
    from cenet.inference.prediction import Prediction

Binary = NDArray[np.bool_]
Floats = NDArray[np.float64]


class TaskMetric(NamedTuple):
    """A metric of an image, and which class, layer or boundary it is of, if it is not of the image as a whole."""

    key: str
    part: str = ""


Values = dict[TaskMetric, float]


@dataclass(frozen=True)
class EvaluatedImage:
    """One image, its label and its prediction.

    Args:
        names: Of the foreground classes.
        views: What the protocol compares, of each class.
        mask: `(H, W)` predicted class indices.
        label: `(H, W)` true class indices; `IGNORED` where it is unannotated, or where no pixel counts.
        prediction: What the network says; for layers with their boundaries.
        rows: The boundaries between layers, `(boundaries, W)`, where they were annotated so: NaN where one was not.
        pixel_um: Height and width of a pixel in micrometres, where they are known.
    """

    names: tuple[str, ...]
    views: Sequence[ClassView]
    mask: NDArray[np.uint8]
    label: NDArray[np.uint8]
    prediction: "Prediction"
    rows: Floats | None = None
    pixel_um: tuple[float, float] | None = None

    def compute_for_classes(self, key: str, metric: Callable[[Binary, ClassView], float]) -> Values:
        """A metric of the mask and of what is known of the truth, for each class; NaN where no pixel counts."""
        values = {}
        for name, view in zip(self.names, self.views, strict=True):
            mask = next(iter(view.masks.values()))
            part = name if len(self.names) > 1 else ""
            values[TaskMetric(key, part)] = metric(mask, view) if view.inside.any() else np.nan
        return values


def _compute_hd95(image: EvaluatedImage) -> Values:
    return image.compute_for_classes("hd95", lambda mask, view: _measure_distance(hd95, mask, view))


def _compute_assd(image: EvaluatedImage) -> Values:
    return image.compute_for_classes("assd", lambda mask, view: _measure_distance(assd, mask, view))


def _measure_distance(metric: Callable[..., float], mask: Binary, view: ClassView) -> float:
    """A distance of the borders inside the region, whose edge is a border; that of unannotated pixels is none."""
    if view.region is None:
        return metric(mask, view.truth, inside=view.inside)
    return metric(mask & view.region, view.truth & view.region, inside=view.inside)


def _compute_centre_line_dice(image: EvaluatedImage) -> Values:
    return image.compute_for_classes(
        "centre_line_dice", lambda mask, view: centre_line_dice(mask & view.inside, view.truth & view.inside)
    )


def _compute_cup_to_disc_error(image: EvaluatedImage) -> Values:
    masks = [np.where(image.label == IGNORED, 0, classes) for classes in (image.mask, image.label)]
    ratio, truth = map(vertical_cup_to_disc_ratio, masks)
    predicted = 0.0 if np.isnan(ratio) else ratio  # without a predicted disc all of it is missed
    return {TaskMetric("cup_to_disc_error"): abs(predicted - truth)}


def _compute_localiser_hit(image: EvaluatedImage) -> Values:
    """Whether the whole of the true disc lies in the square that the localiser cut out."""
    hit, box = TaskMetric("found"), image.prediction.box
    rows, columns = np.nonzero((image.label > 0) & (image.label != IGNORED))
    if not rows.size:
        return {hit: np.nan}
    if box is None:
        return {hit: 0.0}
    top, left, side = box
    inside = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
    return {hit: float(inside.all())}


def _compute_partition_metrics(image: EvaluatedImage) -> Values:
    statistics = partition.statistics(*_cell_interiors(image))
    view = image.views[0]
    mask = next(iter(view.masks.values()))
    wrong = float(np.mean((mask != view.truth)[view.inside])) if view.inside.any() else np.nan
    return {
        TaskMetric("v_rand"): float(partition.v_rand(statistics)),
        TaskMetric("v_info"): float(partition.v_info(statistics)),
        TaskMetric("v_rand_split"): float(partition.v_rand_split(statistics)),
        TaskMetric("v_rand_merge"): float(partition.v_rand_merge(statistics)),
        TaskMetric("v_info_split"): float(partition.v_info_split(statistics)),
        TaskMetric("v_info_merge"): float(partition.v_info_merge(statistics)),
        TaskMetric("pixel_error"): wrong,
    }


def _cell_interiors(image: EvaluatedImage) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the prediction is inside a cell, and where the truth is."""
    return ~next(iter(image.views[0].masks.values())), image.label == 0


def _compute_layer_errors(image: EvaluatedImage) -> Values:
    _, predicted = image.prediction.layers
    truth = _true_boundaries(image)
    boundary, thickness = layers.boundary_errors(predicted, truth), layers.thickness_errors(predicted, truth)
    known = thickness[~np.isnan(thickness)]
    overall = {
        "boundary_error": layers.overall_boundary_error(predicted, truth),
        "thickness_error": float(np.mean(known)) if known.size else np.nan,
    }
    values = {TaskMetric(key): value for key, value in overall.items()}
    if image.pixel_um:
        values |= {TaskMetric(f"{key}_um"): value * image.pixel_um[0] for key, value in overall.items()}
    values |= {TaskMetric("boundary_error", f"{number}"): float(v) for number, v in enumerate(boundary, start=1)}
    values |= {TaskMetric("thickness_error", n): float(v) for n, v in zip(image.names, thickness, strict=False)}
    left_out = truth.shape[1] - layers.annotated_columns(truth)
    return {**values, TaskMetric("columns_left_out"): float(left_out)}


def _true_boundaries(image: EvaluatedImage) -> Floats:
    """The true boundaries: as annotated between pixels, or those of the map; NaN where a column does not count."""
    truth = layers.boundaries_of(image.label, num_classes=len(image.names) + 1)
    if image.rows is None:
        return truth
    excluded = np.isnan(truth).any(axis=0) & ~np.isnan(image.rows).any(axis=0)
    return np.where(excluded, np.nan, image.rows)


MEASURES: dict[str, Callable[[EvaluatedImage], Values]] = {
    "hd95": _compute_hd95,
    "assd": _compute_assd,
    "centre_line_dice": _compute_centre_line_dice,
    "cup_to_disc": _compute_cup_to_disc_error,
    "found": _compute_localiser_hit,
    "cells": _compute_partition_metrics,
    "layers": _compute_layer_errors,
}


@dataclass(frozen=True)
class TaskMetrics:
    """What a task measures in some images.

    Args:
        groups: The group of each image.
        values: `(images,)` of each metric; NaN where it is undefined.
        cells: `(images, 1 + thresholds, 6)`: the statistics of V_Rand and V_Info at the chosen threshold, then at those
            of `cenet.metrics.partition.GRID` from uncalibrated probabilities; no columns for other tasks.
    """

    groups: tuple[str, ...]
    values: dict[TaskMetric, Floats]
    cells: Floats

    @classmethod
    def concatenate(cls, parts: Sequence["TaskMetrics"]) -> "TaskMetrics":
        """The metrics of several sets of images together; there is at least one."""
        metrics = dict.fromkeys(metric for part in parts for metric in part.values)
        return cls(
            groups=tuple(group for part in parts for group in part.groups),
            values={
                metric: np.concatenate([part.values.get(metric, np.full(len(part.groups), np.nan)) for part in parts])
                for metric in metrics
            },
            cells=np.concatenate([part.cells for part in parts]),
        )

    def compute_scores(self) -> tuple[TaskMetricScores, ...]:
        """What a report says of them: means over images, and what is averaged over slices before it is divided."""
        pooled = self._pool_slices() if self.cells.size else {}
        scores = [
            TaskMetricScores(
                metric=metric.key,
                part=metric.part,
                pooled=pooled.get(metric),
                per_image=mean_score(values, self.groups, highest=METRICS[metric.key].highest),
                values=tuple(values.tolist()),
            )
            for metric, values in self.values.items()
        ]
        return (
            *scores,
            *(TaskMetricScores(metric=m.key, pooled=score) for m, score in pooled.items() if m not in self.values),
        )

    def _pool_slices(self) -> dict[TaskMetric, Score]:
        scores = {}
        for key, metric in (("v_rand", partition.v_rand), ("v_info", partition.v_info)):
            scores[TaskMetric(key)] = pooled_score(self.cells[:, 0], self.groups, metric)
            scores[TaskMetric(f"{key}_challenge")] = self._score_as_challenge(metric)
        return scores

    def _score_as_challenge(self, metric: Callable[[Floats], Floats]) -> Score:
        """The best of the challenge's thresholds, one for all slices; the interval is that of the metric there."""
        swept = self.cells[:, 1:][:, np.isin(partition.GRID, partition.CHALLENGE_THRESHOLDS)]
        threshold, _ = partition.best_of(swept, partition.CHALLENGE_THRESHOLDS, metric=metric)
        (index,) = np.flatnonzero(threshold == partition.CHALLENGE_THRESHOLDS)
        score = pooled_score(swept[:, index], self.groups, metric)
        return score.model_copy(update={"threshold": threshold})


def task_metric_names(task: str, recipe: Recipe) -> tuple[str, ...]:
    """What is measured of a task's images by a run with this recipe.

    >>> from cenet.config.presets import load_recipe
    >>> task_metric_names("folder", load_recipe("folder").replace(num_classes=4, ordered=True))
    ('layers',)
    """
    has_cup = recipe.nested and recipe.num_classes == 3
    names = [name for name in TASKS[task].task_metrics if name != "cup_to_disc" or has_cup]
    if recipe.ordered:
        names.append("layers")
    if recipe.roi_fraction is not None:
        names.append("found")
    return tuple(dict.fromkeys(names))


def compute_task_metrics(names: Sequence[str], image: EvaluatedImage, *, group: str) -> TaskMetrics:
    """Compute what a task measures in one image.

    Args:
        names: Of `MEASURES`.
        image: The image.
        group: Its group.
    """
    values: Values = {}
    for name in names:
        values |= MEASURES[name](image)
    cells = np.zeros((1, 0, 6))
    if "cells" in names:
        predicted, truth = _cell_interiors(image)
        swept = partition.sweep(image.views[0].raw, truth, partition.GRID)
        cells = np.concatenate([partition.statistics(predicted, truth)[None], swept])[None]
    return TaskMetrics((group,), {metric: np.array([value]) for metric, value in values.items()}, cells)
