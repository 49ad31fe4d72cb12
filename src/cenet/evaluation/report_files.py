"""Reports read back, strictly; and compared image by image, only with their like."""

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError
from cenet.evaluation.scores import PixelCounts, load_tallies
from cenet.metrics.binned import BINS

PER_IMAGE = ("auc", "dice", "overlap_error")
PARTS = ("test", "out-of-fold", "all")  # what a run or a cross-validation has a report of, the first that is there


@dataclass(frozen=True)
class Evaluation:
    """One report and what it counted; all but these two have the images in the order of their fingerprints.

    Args:
        folder: Where it lies.
        report: What `report.json` says.
        tallies: Of each class, in the order of the report.
        images: Fingerprint and name of each image.
        groups: The group of each image.
        folds: The fold that held each image out; None where there are no folds.
        drawn: The fingerprint of each label where it counts; None in reports that do not have it.
        classes: For each class its `histograms` `(images, 2, BINS)`, those near `edges`, its `counts` `(images, 4)` at
            the first cut, and the metrics of `PER_IMAGE`, `(images,)`.
        measures: What the task measures, `(images,)` each.
    """

    folder: Path
    report: dict[str, Any]
    tallies: list[PixelCounts]
    images: list[tuple[str, str]]
    groups: list[str]
    folds: list[int | None]
    drawn: list[str | None]
    classes: dict[str, dict[str, NDArray[Any]]]
    measures: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def read_evaluations(
    path: Path, *, protocol: str = "region", part: str | None = None, tta: bool = False
) -> list[Evaluation]:
    """Read the evaluation that a path stands for, or those of each seed.

    Args:
        path: A folder of a report, a run, a cross-validation, or of several seeds of one.
        protocol: Which report of a run.
        part: Which report of a run; None means the first there is of `PARTS`.
        tta: Which report of a run: that of eight views.

    Raises:
        CenetError: There is none, and the command that makes it is said; or it is torn or foreign.

    >>> read_evaluations(Path("runs/nowhere"))
    Traceback (most recent call last):
    cenet.errors.CenetError: runs/nowhere: holds no such report; run `cenet evaluate runs/nowhere --protocol region` ...
    """
    return [_read(folder) for folder in _folders(path, protocol=protocol, part=part, tta=tta)]


def _folders(path: Path, *, protocol: str, part: str | None, tta: bool) -> list[Path]:
    """Where the reports are."""
    views = "-tta" * (tta and protocol != "authors")
    scored = [path / f"evaluation-{each}-{protocol}{views}" for each in ([part] if part else PARTS)]
    for folder in (path, *scored):
        if (folder / "report.json").is_file():
            return [folder]
    if seeds := sorted(path.glob("seed-*/")):
        return [folder for seed in seeds for folder in _folders(seed, protocol=protocol, part=part, tta=tta)]
    options = f" --protocol {protocol}" + " --tta" * bool(views)
    command = f"evaluate {shlex.quote(str(path))}" + f" --split {part}" * (part is not None) + options
    if (path / "folds").is_dir() and part in (None, "out-of-fold"):
        command = f"cross-validate ... --output {shlex.quote(str(path))}{options}"
    raise CenetError(path, "holds no such report", f"run `cenet {command}` first")


def _read(folder: Path) -> Evaluation:
    """The evaluation in a folder."""
    torn = CenetError(
        folder / "report.json",
        "is torn, or another version of cenet wrote it",
        "score again with `cenet evaluate` or `cenet cross-validate`",
    )
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        if report["format"] != 2:
            raise torn
        cost([report])  # whatever is missing is missed here
        tallies = load_tallies(folder, report)
        images = report["data"]["images"]
        prints = [(image["fingerprint"], image["name"]) for image in images]
        order = sorted(range(len(images)), key=prints.__getitem__)
        scores = [_scores_of(tally) for tally in tallies]
        for tally, of_class in zip(tallies, scores, strict=True):
            counted = of_class["histograms"].sum() == of_class["counts"].sum()
            if tally.histograms.shape != (len(images), 2, BINS) or not counted:
                raise torn
        return Evaluation(
            folder,
            report,
            tallies,
            images=[prints[place] for place in order],
            groups=[images[place]["group"] for place in order],
            folds=[images[place].get("fold") for place in order],
            drawn=[images[place].get("label_fingerprint") for place in order],
            classes={
                name: {key: array[order] for key, array in of_class.items()}
                for name, of_class in zip(report["classes"], scores, strict=True)
            },
            measures=_measures_of(report, order),
        )
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise torn from error


def _measures_of(report: dict[str, Any], order: list[int]) -> dict[str, NDArray[np.float64]]:
    """What the task measured of each image, by the measure."""
    if "measures" not in report:
        return {}
    rows = [report["measures"]["images"][place] for place in order]
    return {
        key: np.array([np.nan if row.get(key) is None else row[key] for row in rows], np.float64)
        for key in report["measures"]["per_image"]
    }


def _scores_of(tally: PixelCounts) -> dict[str, NDArray[Any]]:
    """The numbers of each image of a class."""
    cut = tally.cuts[0]
    per_image = {name: [row.get(name, row.get(f"{name} @ {cut}")) for row in tally.rows] for name in PER_IMAGE}
    histograms, edges = tally.histograms.astype(np.int64), tally.edges.astype(np.int64)
    return {"histograms": histograms, "edges": edges, "counts": tally.counts(cut)} | {
        name: np.array(values, np.float64) for name, values in per_image.items()
    }


def check_comparable(first: Evaluation, other: Evaluation) -> None:
    """Refuse two reports that do not tell of the same pixels.

    Raises:
        CenetError: They differ; the difference is named.

    >>> report = {"data": {"task": "drive", "part": "test"}, "protocol": {"name": "region"}}
    >>> about = {"groups": ["p"], "folds": [None], "drawn": [None], "classes": {}}
    >>> first = Evaluation(Path("a"), report, [], images=[("print", "eye")], **about)
    >>> check_comparable(first, first)
    >>> check_comparable(first, Evaluation(Path("b"), report, [], images=[], **about))
    Traceback (most recent call last):
    cenet.errors.CenetError: b: cannot be compared with a, 1 images only in the latter (such as eye); score both ...
    """
    where = f"cannot be compared with {first.folder}"
    for what, section, key in (("task", "data", "task"), ("protocol", "protocol", "name"), ("part", "data", "part")):
        ours, theirs = first.report[section][key], other.report[section][key]
        if ours != theirs:
            raise CenetError(other.folder, f"{where}, {what} {theirs} and {ours}", "score both alike")
    ours, theirs = list(first.classes), list(other.classes)
    if ours != theirs:
        cause = f"{where}, classes {', '.join(theirs)} and {', '.join(ours)}"
        raise CenetError(other.folder, cause, "score both alike")
    ours, theirs = (Counter(fingerprint for fingerprint, _ in each.images) for each in (first, other))
    if ours != theirs:
        alone = [
            f"{sum(more.values())} images only in the {place}" + f" (such as {dict(each.images)[next(iter(more))]})"
            for place, each, more in (("former", other, theirs - ours), ("latter", first, ours - theirs))
            if more
        ]
        raise CenetError(other.folder, f"{where}, {' and '.join(alone)}", "score both on the same images")
    redrawn = [None not in both and both[0] != both[1] for both in zip(first.drawn, other.drawn, strict=True)]
    for name in first.classes:
        pixels, others = (each.classes[name]["histograms"].sum(axis=-1) for each in (first, other))
        differ = (pixels != others).any(axis=-1) | redrawn
        if differ.any():
            image = first.images[int(differ.argmax())][1]
            cause = f"{where}, their labels or regions differ in {differ.sum()} images, such as {image} ({name})"
            raise CenetError(other.folder, cause, "score both with the same labels")
    ours, theirs = ([each.groups.index(group) for group in each.groups] for each in (first, other))
    if ours != theirs:
        cause = f"{where}, their images are grouped differently"
        raise CenetError(other.folder, cause, "score both with the same --group-pattern")


def common_folds(methods: Sequence[Sequence[Evaluation]]) -> list[int] | None:
    """The fold of each image where all reports have the same ones, else None.

    >>> common_folds([])
    """
    folds = [each.folds for method in methods for each in method]
    known = [fold for each in folds[:1] for fold in each if fold is not None]
    return known if known and all(each == known for each in folds) else None


def cost(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a method costs, in the mean over the reports of its seeds, and how it was used.

    >>> run = {"thresholds": [0.4], "started_from": "random weights"}
    >>> money = {"multiply_adds_per_image": 2e9, "peak_memory_mib": 300, "training_seconds": None, "device": "cpu"}
    >>> report = {"runs": [run], "protocol": {"views": 1}, "cost": {**money, "parameters": 7, "seconds_per_image": 0.1}}
    >>> found = cost([report, report])
    >>> found["seeds"], found["views"], found["threshold"], found["parameters"], found["training_seconds"]
    (2, '1', '0.4', 7.0, None)
    """
    runs = [run for report in reports for run in report["runs"]]
    cuts = sorted({threshold for run in runs for threshold in run["thresholds"]})
    figures: dict[str, Any] = {}
    for key in ("parameters", "multiply_adds_per_image", "seconds_per_image", "peak_memory_mib", "training_seconds"):
        known = [report["cost"][key] for report in reports if report["cost"][key] is not None]
        figures[key] = sum(known) / len(known) if known else None
    return {
        "seeds": len(reports),
        "views": " or ".join(str(views) for views in sorted({report["protocol"]["views"] for report in reports})),
        "threshold": " to ".join(f"{cut:.3g}" for cut in dict.fromkeys(cuts[:1] + cuts[-1:])) or "largest probability",
        **figures,
        "device": ", ".join(sorted({report["cost"]["device"] for report in reports})),
        "started_from": ", ".join(sorted({run["started_from"] for run in runs})),
    }
