"""Images kept from an evaluation, so that overlays and pages need neither the network nor the data set.

`cases/NAME.npz` in an evaluation's folder holds one image:

    image          (H, W, C), with its own values
    label          (H, W) uint8, class indices, 255 where it is unannotated
    inside         (H, W) bool, which pixels count
    mask           (H, W) uint8, predicted class indices
    probabilities  (classes, H, W) uint8, 255 times the calibrated probability of each foreground class
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.config.json_files import read_regular_file
from cenet.data.io.arrays import MAX_FILE_BYTES, ArraySpec, read_arrays
from cenet.data.io.files import atomic_write
from cenet.data.io.outputs import OutputFolder
from cenet.data.labels.inspect import IGNORED
from cenet.errors import CenetError
from cenet.evaluation.report import EvaluationReport

FOLDER = "cases"
REMEDY = "run the evaluation again"
ARRAYS = {
    "image": ArraySpec(("u1", "u2", "f4"), ("height", "width", "channels")),
    "label": ArraySpec(("u1",), ("height", "width")),
    "inside": ArraySpec(("b",), ("height", "width")),
    "mask": ArraySpec(("u1",), ("height", "width")),
    "probabilities": ArraySpec(("u1",), ("classes", "height", "width")),
}
SPREAD = 6  # cases that are kept evenly from the worst to the best


@dataclass(frozen=True)
class Case:
    """One scored image; see the module for the arrays."""

    image: NDArray[Any]
    label: NDArray[np.uint8]
    inside: NDArray[np.bool_]
    mask: NDArray[np.uint8]
    probabilities: NDArray[np.uint8]


def save_case(path: Path, case: Case) -> None:
    """Write a case, with the fastest compression.

    Raises:
        CenetError: The file cannot be written.
    """
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for field in fields(case):
            with archive.open(f"{field.name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, getattr(case, field.name), allow_pickle=False)


def load_case(folder: Path, name: str) -> Case | None:
    """Read the case of an image from an evaluation's folder; None where it was not kept.

    Args:
        folder: The evaluation's.
        name: The image's.

    Raises:
        CenetError: The file is corrupted.
    """
    path = _case_path(folder, name)
    if not path.exists():
        return None
    case = Case(**read_arrays(path, ARRAYS, remedy=REMEDY))
    largest = max(case.mask.max(initial=0), case.label[case.label != IGNORED].max(initial=0))
    if not case.image.size or largest > len(case.probabilities):
        raise CenetError(path, "is not what cenet writes", REMEDY)
    return case


def rank_images(report: EvaluationReport) -> list[int]:
    """The images from the smallest to the largest Dice at the first threshold, averaged over the classes.

    Those in which no pixel counts have none, and are left out.
    """
    dice = np.mean(
        [[image.thresholds[0].scores["dice"] for image in of_class.images] for of_class in report.classes], axis=0
    )
    return [int(index) for index in np.argsort(dice) if not np.isnan(dice[index])]


def spread_evenly(ranked: Sequence[int], count: int) -> list[int]:
    """Choose some of a ranking evenly, its two ends among them.

    >>> spread_evenly([7, 3, 9, 4, 8], 3)
    [7, 9, 8]
    """
    count = max(min(count, len(ranked)), 0)
    return [ranked[index * (len(ranked) - 1) // max(count - 1, 1)] for index in range(count)]


def nearest_kept(kept: Sequence[int], total: int, count: int) -> list[int]:
    """Of a ranking of which only some were kept, the ranks that are nearest to an even spread over all.

    Args:
        kept: Ranks that were kept.
        total: How many ranks there are.
        count: How many to choose; fewer come back where several have the same nearest rank.

    >>> nearest_kept([0, 1, 6, 9], 10, 3)
    [0, 6, 9]
    """
    if not kept:
        return []
    targets = np.array(spread_evenly(range(total), count), int)
    nearest = np.abs(np.subtract.outer(targets, kept)).argmin(axis=1)
    return sorted({kept[index] for index in nearest})


def keep_cases(report: EvaluationReport, source: Path, output: OutputFolder, *, worst: int) -> None:
    """Keep the cases to show in an evaluation's folder: the worst ones, and some evenly from the worst to the best.

    Args:
        report: Of the evaluation.
        source: The folder that has a case of every image.
        output: The evaluation's.
        worst: How many of the worst to keep.
    """
    ranked = rank_images(report)
    names = [report.data.images[index].name for index in {*ranked[: max(worst, 0)], *spread_evenly(ranked, SPREAD)}]
    _replace_cases(output, [source / f"{name}.npz" for name in names])


def collect_cases(report: EvaluationReport, folders: Sequence[Path], output: OutputFolder) -> None:
    """Gather cases of several evaluations: those nearest to an even spread over all their images.

    Args:
        report: Of all images together.
        folders: The evaluations'.
        output: Where the report is.
    """
    ranked = [report.data.images[index].name for index in rank_images(report)]
    paths = {path.stem: path for folder in folders for path in sorted((folder / FOLDER).glob("*.npz"))}
    kept = [rank for rank, name in enumerate(ranked) if name in paths]
    chosen = nearest_kept(kept, len(ranked), SPREAD)
    _replace_cases(output, [paths[ranked[rank]] for rank in chosen])


def _replace_cases(output: OutputFolder, paths: Sequence[Path]) -> None:
    """Copy case files into an evaluation's folder, in place of those of an earlier evaluation."""
    names = {f"{FOLDER}/{path.name}": path for path in paths}
    output.remove_earlier(f"{FOLDER}/*.npz", keep=names)
    for name, path in names.items():
        content = read_regular_file(path, remedy=REMEDY, max_bytes=MAX_FILE_BYTES)
        with output.open(name) as target:
            target.write(content)


def _case_path(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{name}.npz"
