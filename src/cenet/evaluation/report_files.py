"""Evaluations as folders: written whole, read back strictly, and found by the path of a run.

An evaluation's folder holds

    report.json      `cenet.evaluation.report.EvaluationReport`, format 4
    histograms.npz   of class N (from 0, in the report's order): `classN` and `classN_edges`, `(images, 2, BINS)`;
                     `classN_before` and `classN_edges_before`, `(2, BINS)`, see `cenet.evaluation.counts`
    cells.npz        for cells only: `cells`, see `cenet.evaluation.task_metrics.TaskMetrics`
    cases/NAME.npz   images to show, see `cenet.evaluation.cases.Case`

and what `cenet.reporting` makes of them: `report.md`, `images.csv`, `task_metrics.csv`, `NAME_overlay.png`.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.arrays import INTEGERS, ArraySpec, read_arrays
from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError
from cenet.evaluation.counts import PixelCounts
from cenet.evaluation.report import ClassReport, EvaluationReport, ImageInfo
from cenet.evaluation.task_metrics import TaskMetric, TaskMetrics
from cenet.metrics.binned import BINS
from cenet.metrics.partition import GRID
from cenet.models.installed import evaluations_root

PARTS = ("test", "out-of-fold", "all")  # what a run or a cross-validation has a report of, the first that is there
HISTOGRAMS, CELLS = "histograms.npz", "cells.npz"
FILES = ("report.json", HISTOGRAMS, CELLS, "report.md", "images.csv", "task_metrics.csv")  # beside those of images
VERB = "evaluate"  # what writes them
REMEDY = "score again with `cenet evaluate` or `cenet cross-validate`"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LoadedEvaluation:
    """A report with what its scores were computed from.

    Args:
        report: The report.
        counts: Of each class, the images in the report's order.
        task_metrics: What the task measures, in the same order; None where it measures nothing.
    """

    report: EvaluationReport
    counts: tuple[PixelCounts, ...]
    task_metrics: TaskMetrics | None = None

    @cached_property
    def order(self) -> list[int]:
        """The images in the order of their fingerprints, in which two evaluations of the same images are compared."""
        images = self.report.data.images
        return sorted(range(len(images)), key=lambda index: (images[index].fingerprint, images[index].name))

    @property
    def folder(self) -> Path:
        """Where it is; of one that was not saved, the name of its run."""
        return self.report.folder or Path(self.report.runs[0].name)

    @property
    def images(self) -> list[ImageInfo]:
        """The images, by fingerprint."""
        return [self.report.data.images[index] for index in self.order]

    @property
    def groups(self) -> list[str]:
        """The group of each image, by fingerprint."""
        return [image.group for image in self.images]

    @property
    def folds(self) -> list[int | None]:
        """The fold that held each image out, by fingerprint; None where there are no folds."""
        return [image.fold for image in self.images]

    def sums_for(self, class_index: int, source: str) -> NDArray[Any]:
        """What a pixel metric at the first threshold is computed from, `(images, ...)`, by fingerprint."""
        sums = self.counts[class_index].sums_for(source)[self.order]
        return sums.astype(np.int64)

    def image_values(self, class_index: int, key: str) -> Floats:
        """A metric of each image at the first threshold, `(images,)`, by fingerprint."""
        images = self.report.classes[class_index].images
        values = [image.auc if key == "auc" else image.thresholds[0].scores[key] for image in images]
        return np.array(values, np.float64)[self.order]

    def task_values(self, metric: TaskMetric) -> Floats:
        """A task's metric of each image, `(images,)`, by fingerprint."""
        assert self.task_metrics is not None
        return self.task_metrics.values[metric][self.order]


def save_evaluation(output: OutputFolder, evaluation: LoadedEvaluation) -> LoadedEvaluation:
    """Write what an evaluation found, and return it with the folder it is in.

    Raises:
        CenetError: The folder cannot be written, or holds files of others.
    """
    arrays: dict[str, Any] = {}
    for number, counts in enumerate(evaluation.counts):
        arrays[f"class{number}"] = counts.histograms
        arrays[f"class{number}_edges"] = counts.edges
        arrays[f"class{number}_before"] = counts.before
        arrays[f"class{number}_edges_before"] = counts.edges_before
    with output.open(HISTOGRAMS) as file:
        np.savez_compressed(file, **arrays)
    if evaluation.task_metrics is not None and evaluation.task_metrics.cells.size:
        with output.open(CELLS) as file:
            np.savez_compressed(file, cells=evaluation.task_metrics.cells)
    else:
        output.remove_earlier(CELLS)
    report = evaluation.report.save(output)  # last: a folder with a report is complete
    return LoadedEvaluation(report, evaluation.counts, evaluation.task_metrics)


def check_evaluation_folder(folder: Path, images: Iterable[str] = (), *, overwrite: bool = False) -> None:
    """Refuse, before anything is scored, a folder that holds files of others under the names of an evaluation.

    Args:
        folder: Where the evaluation is to be saved.
        images: The names of its images, as far as they are known.
        overwrite: Replace such files.

    Raises:
        CenetError: It does, or cannot be written.

    >>> check_evaluation_folder(Path("runs/eyes/scores"), ["eye-0"])
    """
    names = [name for image in images for name in (f"{image}_overlay.png", f"cases/{image}.npz")]
    OutputFolder(folder, verb=VERB, overwrite=overwrite).check([*FILES, *names])


def load_evaluation(folder: Path) -> LoadedEvaluation:
    """Read the evaluation in a folder.

    Raises:
        CenetError: A file is missing, corrupted, or does not belong to the report.
    """
    report = EvaluationReport.load(folder)
    path, images = folder / HISTOGRAMS, len(report.data.images)
    of_images, together = ArraySpec(INTEGERS, (images, 2, BINS)), ArraySpec(INTEGERS, (2, BINS))
    kinds = {"": of_images, "_edges": of_images, "_before": together, "_edges_before": together}
    specs = {f"class{number}{kind}": spec for number in range(len(report.classes)) for kind, spec in kinds.items()}
    arrays = read_arrays(path, specs, remedy=REMEDY)
    counts = tuple(_restore_counts(class_report, arrays, number) for number, class_report in enumerate(report.classes))
    if any(of_class.histograms.sum() != of_class.confusion[:, 0].sum() for of_class in counts):
        raise CenetError(path, "does not belong to the report.json beside it", REMEDY)
    return LoadedEvaluation(report, counts, _restore_task_metrics(folder, report))


def _restore_counts(report: ClassReport, arrays: Mapping[str, NDArray[Any]], number: int) -> PixelCounts:
    thresholds = [
        [image.thresholds[index].counts for image in report.images] for index in range(len(report.thresholds))
    ]
    return PixelCounts(
        images=tuple(image.image for image in report.images),
        groups=tuple(image.group for image in report.images),
        auc=np.array([image.auc for image in report.images], np.float64),
        thresholds=tuple(threshold.name for threshold in report.thresholds),
        confusion=np.stack([np.array([np.asarray(counts) for counts in row], np.int64) for row in thresholds], axis=1),
        histograms=arrays[f"class{number}"],
        edges=arrays[f"class{number}_edges"],
        before=arrays[f"class{number}_before"],
        edges_before=arrays[f"class{number}_edges_before"],
    )


def _restore_task_metrics(folder: Path, report: EvaluationReport) -> TaskMetrics | None:
    if not report.task_metrics:
        return None
    groups = tuple(image.group for image in report.data.images)
    values = {
        TaskMetric(stored.metric, stored.part): np.array(stored.values, np.float64)
        for stored in report.task_metrics
        if stored.values
    }
    path, cells = folder / CELLS, np.zeros((len(groups), 0, 6))
    if path.exists():
        spec = ArraySpec(("f8",), (len(groups), 1 + len(GRID), 6))
        cells = read_arrays(path, {"cells": spec}, remedy=REMEDY)["cells"]
    return TaskMetrics(groups, values, cells)


def read_evaluations(
    path: Path, *, protocol: str = "region", part: str | None = None, tta: bool = False
) -> list[LoadedEvaluation]:
    """Read the evaluation that a path stands for, or those of each seed.

    Args:
        path: A folder of a report, a run, a released model, a cross-validation, or of several seeds of one.
        protocol: Which report of a run.
        part: Which report of a run; None means the first there is of `PARTS`.
        tta: Which report of a run: that of eight flips and turns.

    Raises:
        CenetError: There is none, and the command that makes it is named; or it is corrupted.

    >>> read_evaluations(Path("runs/nowhere"))
    Traceback (most recent call last):
    cenet.errors.CenetError: runs/nowhere: holds no such report; run `cenet evaluate runs/nowhere --protocol region` ...
    """
    folders = _find_folders(evaluations_root(path), protocol=protocol, part=part, tta=tta)
    return [load_evaluation(folder) for folder in folders]


def evaluation_folder(run: Path, *, part: str, protocol: str, tta: bool) -> Path:
    """The folder of a run's evaluation by default.

    >>> evaluation_folder(Path("runs/eyes"), part="test", protocol="region", tta=True).as_posix()
    'runs/eyes/evaluation-test-region-tta'
    """
    views = "-tta" if tta and protocol != "authors" else ""  # that protocol always takes eight views
    return run / f"evaluation-{part}-{protocol}{views}"


def _find_folders(path: Path, *, protocol: str, part: str | None, tta: bool) -> list[Path]:
    """Where the reports are."""
    parts = [part] if part else PARTS
    folders = [path, *(evaluation_folder(path, part=name, protocol=protocol, tta=tta) for name in parts)]
    for folder in folders:
        if (folder / "report.json").is_file():
            return [folder]
    if seeds := sorted(path.glob("seed-*/")):
        return [found for seed in seeds for found in _find_folders(seed, protocol=protocol, part=part, tta=tta)]
    flags = f" --protocol {protocol}" + (" --tta" if tta and protocol != "authors" else "")
    command = f"evaluate {shlex.quote(str(path))}" + (f" --split {part}" if part else "") + flags
    if (path / "folds").is_dir() and part in (None, "out-of-fold"):
        command = f"cross-validate ... --output {shlex.quote(str(path))}{flags}"
    raise CenetError(path, "holds no such report", f"run `cenet {command}` first")
