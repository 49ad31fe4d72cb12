"""`cenet evaluate`: what a run is worth on labelled images, protocol by protocol."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from cenet.data.io.files import check_writable
from cenet.data.io.read import fingerprint
from cenet.data.io.write import write_overlay
from cenet.data.labels.detect import IGNORED, LabelEncoding
from cenet.data.loading import load_sample
from cenet.data.sample import Sample
from cenet.data.splits import Part
from cenet.datasets.registry import TASKS, label_encoding_for
from cenet.errors import CenetError
from cenet.evaluation.protocol import PROTOCOLS, Protocol, apply_protocol, check_protocol
from cenet.evaluation.scores import PixelCounts, class_scores
from cenet.evaluation.tables import ordinal, write_report
from cenet.evaluation.task_metrics import EvaluatedImage, TaskMetrics, compute_task_metrics, save, task_metric_names
from cenet.inference.device import DeviceConfig, peak_memory_mib, reset_peak_memory
from cenet.inference.ensemble import Ensemble, open_run
from cenet.inference.predictor import AnyPredictor, Predictor
from cenet.inference.run import Run, describe_environment
from cenet.inference.run_summary import summarise_run


@dataclass(frozen=True)
class EvaluationSet:
    """What is scored.

    Args:
        samples: The labelled images.
        labels: How their label files are read.
        name: A part of the run's split, or `all`.
        where: The name of their folder.
        task: Its layout.
        tests: Whether an image of the run's test part is among them.
    """

    samples: list[Sample]
    labels: LabelEncoding
    name: str
    where: str
    task: str
    tests: bool


def evaluate(
    path: Path,
    *,
    data: Path | None = None,
    task: str | None = None,
    part: Part | Literal["all"] | None = None,
    protocol: Protocol = "region",
    tta: bool = False,
    output: Path | None = None,
    overlays: int = 3,
    machine: DeviceConfig,
    group_pattern: str | None = None,
    ignore_value: int | None = None,
) -> dict[str, Any]:
    """Score a run, and write `report.json`, `report.md`, `images.csv`, `histograms.npz` and overlays.

    Args:
        path: The run folder, or an ensemble's.
        data: Labelled images; the run's own by default.
        task: The layout of `data`; the run's own by default.
        part: A part of the run's split, or `all`; the test part by default, and all of other data.
        protocol: What is compared with what, see `PROTOCOLS`.
        tta: Average the eight flips and turns; `authors` always does.
        output: Where to; `RUN/evaluation-PART-PROTOCOL` by default.
        overlays: Overlays to write, of the images with the smallest Dice.
        machine: What computes.
        group_pattern: A pattern that finds the group in an image's name, for other data.
        ignore_value: The label value of pixels that nobody drew, for other data.

    Raises:
        CenetError: There is nothing to score, or the protocol does not apply; the reason is said.
    """
    run = open_run(path)
    if isinstance(run, Ensemble) and protocol == "authors":
        raise CenetError(path, "the protocol authors is defined for one network", "evaluate a member")
    check_protocol(protocol, run.recipe)
    scope = _scope(run, data, task=task, part=part, group_pattern=group_pattern, ignore_value=ignore_value)
    tta = tta or protocol == "authors"
    folder = output or run.path / f"evaluation-{scope.name}-{protocol}{'-tta' * (tta and protocol != 'authors')}"
    check_writable(folder)
    if not run.facts.finished:
        print(f"note: the training of {run.path} has not come to its end", file=sys.stderr)
    reset_peak_memory(machine.device)
    predictor = run.predictor(device=machine.device, tta=tta)
    images, tallies, measured = _look_at_all(run, scope, predictor, protocol)
    if isinstance(run, Run) and scope.tests:  # before anybody sees a score
        print(f"{run.path}: its test part is scored for the {ordinal(run.count_test())} time", file=sys.stderr)
    where = f" --data {scope.where} --task {scope.task}" if data else ""
    grouping = f" --group-pattern {group_pattern}" if group_pattern else ""
    options = where + grouping + " --tta" * (tta and protocol != "authors")
    if measured and (left_out := sum(row.get("columns_left_out", 0) for row in measured.rows)):
        print(f"note: {left_out:g} columns count for nothing, as nobody drew there", file=sys.stderr)
    members = run.members if isinstance(run, Ensemble) else [run]
    runs = [{**summarise_run(member), "folder": _relative(member.path, folder)} for member in members]
    report: dict[str, Any] = {
        "format": 2,
        "commands": [
            *dict.fromkeys(member.facts.command for member in members),
            f"cenet evaluate runs/{run.path.name} --split {scope.name} --protocol {protocol}{options}",
        ],
        "protocol": {
            "name": protocol,
            "description": PROTOCOLS[protocol],
            "views": len(run.recipe.views) if tta else 1,
        },
        "data": {
            "name": scope.where,
            "task": scope.task,
            "part": scope.name,
            "groups": len({sample.group for sample in scope.samples}),
            "grouping": TASKS[scope.task].grouping,
            "labels": scope.labels.model_dump(mode="json"),
            "images": images,
        },
        "runs": runs,
        "cost": cost(runs, predictor, images, machine),
        "classes": {name: class_scores(each) for name, each in zip(run.facts.classes, tallies, strict=True)},
        **({"measures": measured.scores()} if measured else {}),
        "environment": describe_environment(device=machine.device, precision="32-true"),
    }
    write_report(folder, report, tallies)
    if measured:
        save(folder, measured)
    for index in _worst(report)[: max(overlays, 0)]:
        image, label, region = load_sample(scope.samples[index], scope.labels)
        assert label is not None
        mask = apply_protocol(protocol, predictor, image, label=label, region=region).mask
        write_overlay(folder / f"{scope.samples[index].name}_overlay.png", image, mask, label=label)
    return {**report, "folder": folder}


def _look_at_all(
    run: Run | Ensemble, scope: EvaluationSet, predictor: AnyPredictor, protocol: Protocol
) -> tuple[list[dict[str, Any]], list[PixelCounts], TaskMetrics | None]:
    """Predict and count every image, and measure what its task measures."""
    images, tallies, measured = [], [], list[TaskMetrics]()
    names = task_metric_names(scope.task, run.recipe)
    for sample in tqdm(scope.samples, desc="scoring", unit="image"):
        image, label, region = load_sample(sample, scope.labels)
        assert label is not None  # the scope has seen to it
        began, name, validated = time.monotonic(), str(sample.image), run.facts.epoch is not None
        looked = apply_protocol(protocol, predictor, image, label=label, region=region, name=name, validated=validated)
        took, diameter = time.monotonic() - began, looked.prediction and looked.prediction.field_of_view_px
        drawn = np.where(looked.seen[0].inside, label, IGNORED)
        images.append(
            {
                "name": sample.name,
                "group": sample.group,
                "part": run.part_of(fingerprint(image)),
                "fingerprint": fingerprint(image),
                "label_fingerprint": fingerprint(drawn),
                "size_px": [image.shape[1], image.shape[0]],
                "seconds": round(took, 3),
                **({"field_of_view_px": round(diameter, 1)} if diameter else {}),
            }
        )
        tallies.append([each.tally(sample.name, sample.group) for each in looked.seen])
        if looked.prediction is not None and names:
            scene = EvaluatedImage(
                run.facts.classes,
                looked.seen,
                looked.mask,
                drawn,
                looked.prediction,
                rows=scope.labels.rows(sample),
                pixel_um=sample.pixel_um,
            )
            measured.append(compute_task_metrics(names, scene, image=sample.name, group=sample.group))
    return (
        images,
        [PixelCounts.of(each) for each in zip(*tallies, strict=True)],
        TaskMetrics.of(measured) if measured else None,
    )


def _scope(
    run: Run | Ensemble,
    data: Path | None,
    *,
    task: str | None,
    part: Part | Literal["all"] | None,
    group_pattern: str | None,
    ignore_value: int | None,
) -> EvaluationSet:
    """What is scored: a part of the run's split, the whole of it; or all images, known and unknown."""
    folder = data or (Path(run.facts.data) if run.facts.data else None)
    if folder is None:
        raise CenetError(run.path, "does not know its images", "name them with --data")
    task = task or run.recipe.task
    samples = TASKS[task].read(folder, group_pattern=group_pattern or (None if data else run.facts.group_pattern))
    if not any(sample.label for sample in samples):
        raise CenetError(folder, "holds no labels to score against", "use cenet predict")
    parts = {s.name: run.part_of(fingerprint(load_sample(s)[0])) for s in samples}
    seen = [name for name, where in parts.items() if where in ("train", "validation")]
    if isinstance(run, Ensemble) and seen:
        raise CenetError(
            folder,
            f"{seen[0]} is an image that a member of {run.path} was trained on",
            "score the ensemble on other images, its members' own scores are in its report.json",
        )
    if part == "all" or (part is None and not any(parts.values())):
        name, chosen = "all", [sample for sample in samples if sample.label]
        if seen:
            print(f"note: {run.path} was trained on {len(seen)} of these images, such as {seen[0]}", file=sys.stderr)
    else:
        name, chosen = part or "test", [sample for sample in samples if parts[sample.name] == (part or "test")]
        split = run.split if isinstance(run, Run) else None
        expected = len(split.parts[part or "test"]) if split else 0
        if split and not expected:
            raise CenetError(run.path, f"its {name} part is empty", "name a part with --split")
        if not chosen or len(chosen) != expected:
            raise CenetError(
                folder,
                f"holds {len(chosen)} of the {expected} images in the {name} part of {run.path}, as they were",
                "name the folder that it was trained on, or --split all",
            )
        if unlabelled := [sample for sample in chosen if not sample.label]:
            raise CenetError(
                unlabelled[0].image, "has no label to score against", "draw one, or score another part with --split"
            )
    return EvaluationSet(
        chosen,
        _labels(run, chosen, folder if data and name == "all" else None, task=task, ignore_value=ignore_value),
        name,
        folder.name,
        task,
        tests="test" in [parts[sample.name] for sample in chosen],
    )


def _labels(
    run: Run | Ensemble, samples: list[Sample], other: Path | None, *, task: str, ignore_value: int | None
) -> LabelEncoding:
    """How the labels are read: as in the training; those of other data by their own values, for the same classes."""
    if run.facts.labels is not None and other is None:
        return run.facts.labels
    recipe, names = run.recipe, run.facts.classes
    labels = label_encoding_for(
        task,
        samples,
        num_classes=recipe.num_classes,
        nested=recipe.nested,
        ignore_value=ignore_value,
        names=names,
        folder=other,
    )
    if len(names) > 1 and labels.names != names:
        raise CenetError(
            other,
            f"its classes are {', '.join(labels.names)} where the run's are {', '.join(names)}",
            "name them alike, in the same order, in a classes.json",
        )
    return labels


def cost(
    runs: list[dict[str, Any]], predictor: AnyPredictor, images: list[dict[str, Any]], machine: DeviceConfig
) -> dict[str, Any]:
    """What a prediction of these images took, and the training before it, of runs as `summarise_run` tells of them."""
    engines = predictor.members if not isinstance(predictor, Predictor) else (predictor,)
    width, height = images[0]["size_px"]
    curves = [run["curve"] for run in runs]
    return {
        "parameters": sum(run["parameters"] for run in runs),
        "multiply_adds_per_image": sum(engine.multiply_adds((height, width)) for engine in engines),
        "seconds_per_image": float(np.median([image["seconds"] for image in images])),
        "peak_memory_mib": peak_memory_mib(machine.device),
        "training_seconds": sum(float(row["seconds"]) for rows in curves for row in rows) if all(curves) else None,
        "device": machine.device,
    }


def _worst(report: dict[str, Any]) -> list[int]:
    """The images in the order of their Dice, averaged over the classes, the smallest first."""
    classes = [scores["images"] for scores in report["classes"].values()]
    key = next(name for name in classes[0][0] if name.startswith("dice @"))
    return [int(index) for index in np.argsort(np.mean([[row[key] for row in rows] for rows in classes], axis=0))]


def _relative(path: Path, folder: Path) -> str:
    """Where a run lies, seen from its report; of one on another drive only the name."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return path.name
