"""What a task measures in each image beside the overlap of its classes: distances, discs, cells and layers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.config.recipe import Recipe
from cenet.data.io.files import atomic_write
from cenet.data.labels.detect import IGNORED
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError
from cenet.evaluation.protocol import ClassView
from cenet.evaluation.scores import Score, per_image, pooled
from cenet.inference.predictor import Prediction
from cenet.metrics import layer_boundaries as layers
from cenet.metrics import partition as segments
from cenet.metrics.disc import vertical_cup_to_disc_ratio
from cenet.metrics.shape import centre_line_dice
from cenet.metrics.surface_distance import assd, hd95

Figures = dict[str, float]


@dataclass(frozen=True)
class EvaluatedImage:
    """One image as a measure sees it.

    Args:
        names: Of the foreground classes.
        seen: What the protocol sees of each.
        mask: `(H, W)` predicted class indices.
        label: `(H, W)` true class indices; `IGNORED` where nobody drew, or where no pixel counts.
        prediction: What the network says; for layers with their boundaries.
        rows: The boundaries between layers, `(boundaries, W)`, where they were drawn so: NaN where one was not.
        pixel_um: Height and width of a pixel in micrometres, where they are known.
    """

    names: tuple[str, ...]
    seen: Sequence[ClassView]
    mask: NDArray[np.uint8]
    label: NDArray[np.uint8]
    prediction: Prediction
    rows: NDArray[np.float64] | None = None
    pixel_um: tuple[float, float] | None = None

    def each(self, name: str, metric: Callable[[NDArray[np.bool_], NDArray[np.bool_]], float]) -> Figures:
        """A metric of mask and truth, for each class."""
        figures = {}
        for title, seen in zip(self.names, self.seen, strict=True):
            found = next(iter(seen.masks.values())) & seen.inside
            figures[name + f" {title}" * (len(self.names) > 1)] = metric(found, seen.truth & seen.inside)
        return figures


def _cup_to_disc(scene: EvaluatedImage) -> Figures:
    ratio = vertical_cup_to_disc_ratio(scene.mask)
    truth = vertical_cup_to_disc_ratio(np.where(scene.label == IGNORED, 0, scene.label))
    return {"cup_to_disc_error": abs((0.0 if np.isnan(ratio) else ratio) - truth)}  # no disc found: all of it is missed


def _found(scene: EvaluatedImage) -> Figures:
    """Whether the whole of the true disc lies in the square that the localiser cut out."""
    box, (rows, columns) = scene.prediction.box, np.nonzero((scene.label > 0) & (scene.label != IGNORED))
    if not rows.size:
        return {"found": np.nan}
    if box is None:
        return {"found": 0.0}
    top, left, side = box
    held = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
    return {"found": float(held.all())}


def _cells(scene: EvaluatedImage) -> Figures:
    statistics = segments.statistics(*_insides(scene))
    parts = {"v_rand": segments.v_rand, "v_info": segments.v_info}
    parts |= {"v_rand_split": segments.v_rand_split, "v_rand_merge": segments.v_rand_merge}
    parts |= {"v_info_split": segments.v_info_split, "v_info_merge": segments.v_info_merge}
    seen = scene.seen[0]
    found = next(iter(seen.masks.values()))
    wrong = float(np.mean((found != seen.truth)[seen.inside])) if seen.inside.any() else np.nan
    return {name: float(part(statistics)) for name, part in parts.items()} | {"pixel_error": wrong}


def _insides(scene: EvaluatedImage) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the prediction is inside a cell, and where the truth is."""
    return ~next(iter(scene.seen[0].masks.values())), scene.label == 0


def _layers(scene: EvaluatedImage) -> Figures:
    _, found = scene.prediction.layers
    truth = _boundaries(scene)
    each, thickness = layers.boundary_errors(found, truth), layers.thickness_errors(found, truth)
    known = thickness[~np.isnan(thickness)]
    overall = {
        "boundary_error": layers.overall_boundary_error(found, truth),
        "thickness_error": float(np.mean(known)) if known.size else np.nan,
    }
    um = scene.pixel_um[0] if scene.pixel_um else np.nan
    figures = overall | {f"{name}_um": value * um for name, value in overall.items() if scene.pixel_um}
    figures |= {f"boundary_error {number}": float(value) for number, value in enumerate(each, start=1)}
    figures |= {f"thickness_error {name}": float(value) for name, value in zip(scene.names, thickness, strict=False)}
    return figures | {"columns_left_out": float(truth.shape[1] - layers.annotated_columns(truth))}


def _boundaries(scene: EvaluatedImage) -> NDArray[np.float64]:
    """The true boundaries: as drawn between pixels, or those of the map; NaN where a column does not count."""
    truth = layers.boundaries_of(scene.label, num_classes=len(scene.names) + 1)
    if scene.rows is None:
        return truth
    excluded = np.isnan(truth).any(axis=0) & ~np.isnan(scene.rows).any(axis=0)
    return np.where(excluded, np.nan, scene.rows)


MEASURES: dict[str, Callable[[EvaluatedImage], Figures]] = {
    "hd95": lambda scene: scene.each("hd95", hd95),
    "assd": lambda scene: scene.each("assd", assd),
    "centre_line_dice": lambda scene: scene.each("centre_line_dice", centre_line_dice),
    "cup_to_disc": _cup_to_disc,
    "found": _found,
    "cells": _cells,
    "layers": _layers,
}
UNITS = {"hd95": "px", "assd": "px", "boundary_error_um": "µm", "thickness_error_um": "µm"}
UNITS |= {"boundary_error": "px", "thickness_error": "px", "columns_left_out": "columns"}
TITLES = {"hd95": "HD95", "assd": "ASSD", "v_rand": "V_Rand", "v_info": "V_Info", "centre_line_dice": "clDice"}
TITLES |= {f"v_{of}_{part}": f"V_{of.title()} {part}" for of in ("rand", "info") for part in ("split", "merge")}
TITLES |= {f"v_{of}_maximum": f"V_{of.title()} at the best of all thresholds" for of in ("rand", "info")}
TITLES |= {"found": "localiser's hit rate"}
LOWER = ("error", "brier", "hd95", "assd", "left_out")  # is better, of what has this in its name


def title(key: str) -> str:
    """A measure for people, with its unit.

    >>> title("hd95 disc"), title("boundary_error_um"), title("v_info_split")
    ('HD95 disc [px]', 'boundary error [µm]', 'V_Info split')
    """
    name, _, which = key.partition(" ")
    shown = TITLES.get(name, name.removesuffix("_um").replace("_", " "))
    return " ".join([shown, which]).strip() + (f" [{UNITS[name]}]" if name in UNITS else "")


def is_error(key: str) -> bool:
    """Whether lower is better.

    >>> is_error("hd95 disc"), is_error("calibration_error"), is_error("v_rand_merge")
    (True, True, False)
    """
    return any(word in key for word in LOWER)


@dataclass(frozen=True)
class TaskMetrics:
    """What was measured image by image; that of two sets of images adds up.

    Args:
        rows: For each image its name, group and figures.
        cells: `(images, 1 + thresholds, 6)`: the statistics of V_Rand and V_Info at the chosen threshold, then at those
            of `metrics.segments.GRID` from uncalibrated probabilities; nothing for other tasks.
    """

    rows: list[dict[str, Any]]
    cells: NDArray[np.float64]

    @classmethod
    def of(cls, parts: Sequence["TaskMetrics"]) -> "TaskMetrics":
        """Several together."""
        return cls([row for each in parts for row in each.rows], np.concatenate([each.cells for each in parts]))

    def scores(self) -> dict[str, Any]:
        """What a report says of it: means over images, and what is averaged over slices before it is divided."""
        groups = [row["group"] for row in self.rows]
        figures = list(dict.fromkeys(key for row in self.rows for key in row if key not in ("image", "group")))
        means = {
            key: per_image([row.get(key, np.nan) for row in self.rows], groups, highest=inf if is_error(key) else 1.0)
            for key in figures
        }
        return {
            "per_image": means,
            "pooled": self._of_all_slices(groups) if self.cells.size else {},
            "images": self.rows,
        }

    def _of_all_slices(self, groups: list[str]) -> dict[str, Score]:
        scores: dict[str, Score] = {}
        for name, metric in (("v_rand", segments.v_rand), ("v_info", segments.v_info)):
            scores[name] = pooled(self.cells[:, 0], groups, metric)
            best = pooled(self.cells[:, 1:], groups, partial(_maximum, metric=metric))
            at, _ = segments.best_of(self.cells[:, 1:], segments.GRID, metric=metric)
            scores[f"{name}_maximum"] = {**best, "threshold": float(at)}
        return scores


def _maximum(cells: NDArray[np.float64], metric: Callable[[segments.Floats], segments.Floats]) -> NDArray[np.float64]:
    return np.asarray(metric(cells).max(axis=-1))


def task_metric_names(task: str, recipe: Recipe) -> tuple[str, ...]:
    """What is measured of a task's images by a run with this recipe.

    >>> from cenet.config.presets import load_recipe
    >>> task_metric_names("folder", load_recipe("folder").replace(num_classes=4, ordered=True))
    ('layers',)
    """
    names = [name for name in TASKS[task].measures if name != "cup_to_disc" or recipe.maps == 2]
    more = ("layers",) * recipe.ordered + ("found",) * (recipe.roi_fraction is not None)
    return tuple(dict.fromkeys((*names, *more)))


def compute_task_metrics(names: Sequence[str], scene: EvaluatedImage, *, image: str, group: str) -> TaskMetrics:
    """Measure one image.

    Args:
        names: Of `MEASURES`.
        scene: The image.
        image: Its name.
        group: Its group.
    """
    figures = [MEASURES[name](scene) for name in names]
    row = {"image": image, "group": group} | {key: value for each in figures for key, value in each.items()}
    cells = np.zeros((1, 0, 6))
    if "cells" in names:
        inside, truth = _insides(scene)
        swept = segments.sweep(scene.seen[0].raw, truth, segments.GRID)
        cells = np.concatenate([segments.statistics(inside, truth)[None], swept])[None]
    return TaskMetrics([row], cells)


def save(folder: Path, measured: TaskMetrics) -> None:
    """Write what the figures of all slices together are made of, where there are any.

    Raises:
        CenetError: The place cannot be written.
    """
    if measured.cells.size:
        with atomic_write(folder / "cells.npz") as file:
            np.savez_compressed(file, cells=measured.cells)


def load(folder: Path, report: Mapping[str, Any]) -> TaskMetrics:
    """Read back what an evaluation measured.

    Args:
        folder: Where `cells.npz` is, if there is one.
        report: The `report.json` beside it.

    Raises:
        CenetError: The file is torn.
    """
    rows = report.get("measures", {}).get("images", [])
    rows = [{key: np.nan if value is None else value for key, value in row.items()} for row in rows]
    path = folder / "cells.npz"
    if not path.exists():
        return TaskMetrics(rows, np.zeros((len(rows), 0, 6)))
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return TaskMetrics(rows, arrays["cells"])
    except Exception as error:  # a torn archive fails in every way there is
        raise CenetError(path, "is torn", "run the evaluation again") from error
