"""`cenet evaluate`: what a run is worth on labelled images, protocol by protocol."""

import csv
import io
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from cenet.data import Part, WholeImages
from cenet.errors import CenetError
from cenet.images import fingerprint, read_image
from cenet.machine import Machine
from cenet.metrics import (
    Counts,
    accuracy,
    average_precision,
    count,
    dice,
    overlap_error,
    roc_auc,
    sensitivity,
    specificity,
)
from cenet.networks import Network
from cenet.pictures import write_overlay
from cenet.protocols import PROTOCOLS, Protocol, Scored, check_protocol, compare
from cenet.runs import Run, check_place, environment, write
from cenet.tasks import TASKS, Sample

METRICS: dict[str, Callable[[Counts], float]] = {
    "sensitivity": sensitivity,
    "specificity": specificity,
    "accuracy": accuracy,
    "dice": dice,
    "overlap_error": overlap_error,
}


def evaluate(
    path: Path,
    *,
    data: Path | None = None,
    task: str | None = None,
    part: Part | Literal["all"] | None = None,
    protocol: Protocol = "region",
    tta: bool = False,
    output: Path | None = None,
    worst: int = 3,
    machine: Machine,
    group: str | None = None,
) -> dict[str, Any]:
    """Score a run, and write `report.json`, `report.md`, `images.csv` and overlays of the worst images.

    Args:
        path: The run folder.
        data: Labelled images; the run's own by default.
        task: The layout of `data`; the run's own by default.
        part: A part of the run's split, or `all`; the test part by default, and all of other data.
        protocol: What is compared with what, see `PROTOCOLS`.
        tta: Average the eight flips and turns; `authors` always does.
        output: Where to; `RUN/evaluation-PART-PROTOCOL` by default.
        worst: Overlays to write, of the images with the smallest Dice.
        machine: What computes.
        group: A pattern that finds the group in an image's name, for other data.

    Raises:
        CenetError: There is nothing to score, or the protocol does not apply; the reason is said.
    """
    run = Run(path)
    check_protocol(protocol, run.recipe)
    task = task or run.recipe.task
    samples, scope = _samples(run, data, task, part, group)
    tta = tta or protocol == "authors"
    folder = output or run.path / f"evaluation-{scope}-{protocol}{'-tta' if tta and protocol != 'authors' else ''}"
    check_place(folder)
    if not run.facts.finished:
        print(f"note: the training of {run.path} has not come to its end", file=sys.stderr)
    predictor = run.predictor(device=machine.device, tta=tta)
    images, validated = WholeImages(samples, run.recipe.num_classes), run.facts.epoch is not None
    scored = [
        compare(protocol, predictor, image, label=label, region=region, name=str(sample.image), validated=validated)
        for sample, (image, label, region) in zip(samples, tqdm(images, desc="scoring", unit="image"), strict=True)
    ]
    where = (data or Path(run.facts.data or "")).name
    options = f" --data {where} --task {task}" * (data is not None) + " --tta" * (tta and protocol != "authors")
    report: dict[str, Any] = {
        "commands": [
            run.facts.command,
            f"cenet evaluate runs/{run.path.name} --split {scope} --protocol {protocol}{options}",
        ],
        "protocol": {"name": protocol, "description": PROTOCOLS[protocol], "views": 8 if tta else 1},
        "data": {
            "name": where,
            "task": task,
            "part": scope,
            "images": [sample.name for sample in samples],
            "groups": len({sample.group for sample in samples}),
        },
        "run": summary(run, predictor.network),
        "classes": {name: _scores(samples, each) for name, *each in zip(run.facts.classes, *scored, strict=True)},
        "environment": environment(device=machine.device, precision="32-true"),
    }
    _write(folder, report)
    for index in _worst(report)[: max(worst, 0)]:
        image, label, _ = images[index]
        write_overlay(folder / f"{samples[index].name}_overlay.png", image, predictor(image).mask, label=label)
    return {**report, "folder": folder}


def summary(run: Run, network: Network) -> dict[str, Any]:
    """What a report says of the run it scores."""
    facts, recipe = run.facts, run.recipe
    curve, environment = run.path / "curve.csv", run.path / "environment.json"
    rows = list(csv.DictReader(curve.read_text(encoding="utf-8").splitlines())) if curve.exists() else []
    return {
        "name": run.path.name,
        "recipe": recipe.name,
        "network": recipe.network,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "started_from": facts.started_from,
        "seed": recipe.seed,
        "steps": int(rows[-1]["step"]) if rows else None,
        "epoch": facts.epoch,
        "threshold": facts.threshold,
        "validation_dice": facts.validation_dice,
        "unverified": list(recipe.unverified),
        "settings": {**recipe.model_dump(mode="json"), "encoder_weights": Path(recipe.encoder_weights).name},
        "environment": json.loads(environment.read_text(encoding="utf-8")) if environment.exists() else None,
        "curve": rows,
    }


def _samples(
    run: Run, data: Path | None, task: str, part: Part | Literal["all"] | None, group: str | None
) -> tuple[list[Sample], str]:
    """What is scored, and its name: a part of the run's split, the whole of it; or all images, known and unknown."""
    folder = data or (Path(run.facts.data) if run.facts.data else None)
    if folder is None:
        raise CenetError(f"{run.path}: does not know its images; name them with --data")
    samples = [s for s in TASKS[task].read(folder, group=group or (None if data else run.facts.group)) if s.label]
    if not samples:
        raise CenetError(f"{folder}: holds no labels to score against; use cenet predict")
    split = run.split
    parts = {s.name: split.part_of(fingerprint(read_image(s.image))) if split else None for s in samples}
    if part == "all" or (part is None and not any(parts.values())):
        if seen := [name for name, where in parts.items() if where in ("train", "validation")]:
            print(f"note: {run.path} was trained on {len(seen)} of these images, such as {seen[0]}", file=sys.stderr)
        return samples, "all"
    part = part or "test"
    chosen = [sample for sample in samples if parts[sample.name] == part]
    expected = len(split.parts[part]) if split else 0
    if not chosen or len(chosen) != expected:
        raise CenetError(
            f"{folder}: holds {len(chosen)} of the {expected} images in the {part} part of {run.path}, as they were; "
            "name the folder that it was trained on, or --split all"
        )
    return chosen, part


def _scores(samples: list[Sample], scored: list[Scored]) -> dict[str, Any]:
    scores = np.concatenate([each.scores for each in scored])
    truth = np.concatenate([each.truth for each in scored])
    rows = []
    cuts: dict[str, dict[str, Any]] = {}
    for sample, each in zip(samples, scored, strict=True):
        row: dict[str, Any] = {"image": sample.name, "group": sample.group, "auc": roc_auc(each.scores, each.truth)}
        for cut, mask in each.masks.items():
            counts = count(mask, each.truth)
            row |= {f"{name} @ {cut}": metric(counts) for name, metric in METRICS.items()}
            pooled = cuts.setdefault(cut, {"counts": Counts(0, 0, 0, 0)})
            pooled["counts"] += counts
        rows.append(row)
    return {
        "pixels": int(truth.size),
        "share": float(truth.mean()),
        "auc_pooled": roc_auc(scores, truth),
        "auc_per_image": _spread([row["auc"] for row in rows]),
        "average_precision_pooled": average_precision(scores, truth),
        "cuts": {
            cut: {
                "pooled": {name: metric(pooled["counts"]) for name, metric in METRICS.items()},
                "per_image": {name: _spread([row[f"{name} @ {cut}"] for row in rows]) for name in METRICS},
                "counts": asdict(pooled["counts"]),
            }
            for cut, pooled in cuts.items()
        },
        "images": rows,
    }


def _spread(values: list[float]) -> dict[str, float]:
    """Mean and standard deviation over images; images where the metric is undefined are left out and counted."""
    defined = np.array([value for value in values if not np.isnan(value)])
    return {
        "mean": float(defined.mean()) if defined.size else float("nan"),
        "sd": float(defined.std(ddof=1)) if defined.size > 1 else float("nan"),
        "undefined": len(values) - int(defined.size),
    }


def table(report: dict[str, Any]) -> str:
    """A report as Markdown, with the protocol beside its numbers.

    >>> print(table({"protocol": {"name": "frame", "description": "all", "views": 1}, "classes": {},
    ...              "data": {"name": "d", "part": "test", "images": ["a"], "groups": 1},
    ...              "run": {"name": "r", "started_from": "random weights", "unverified": []}}))
    run r on d, part test (1 images, 1 groups), started from random weights
    protocol frame: all; 1 view
    """
    data, run, protocol = report["data"], report["run"], report["protocol"]
    lines = [
        f"run {run['name']} on {data['name']}, part {data['part']} ({len(data['images'])} images, "
        f"{data['groups']} groups), started from {run['started_from']}",
        f"protocol {protocol['name']}: {protocol['description']}; {protocol['views']} view"
        + "s" * (protocol["views"] > 1),
    ]
    if run["unverified"]:
        lines.append(f"recipe values that the paper's record does not confirm: {', '.join(run['unverified'])}")
    for name, scores in report["classes"].items():
        auc = scores["auc_per_image"]
        lines += [
            "",
            f"| {name} | AUC | average precision | {' | '.join(name.replace('_', ' ') for name in METRICS)} |",
            "|---" * (len(METRICS) + 3) + "|",
        ]
        for cut, each in scores["cuts"].items():
            pooled = " | ".join(f"{each['pooled'][metric]:.4f}" for metric in METRICS)
            means = " | ".join(
                f"{each['per_image'][metric]['mean']:.4f} ± {each['per_image'][metric]['sd']:.4f}" for metric in METRICS
            )
            lines += [
                f"| pooled, {cut} | {scores['auc_pooled']:.4f} | {scores['average_precision_pooled']:.4f} | {pooled} |",
                f"| mean of images ± sd, {cut} | {auc['mean']:.4f} ± {auc['sd']:.4f} | | {means} |",
            ]
    return "\n".join(lines)


def _write(folder: Path, report: dict[str, Any]) -> None:
    for stale in folder.glob("*_overlay.png"):
        stale.unlink()
    write(folder / "report.json", report)
    write(folder / "report.md", table(report))
    images = [{"class": name, **row} for name, scores in report["classes"].items() for row in scores["images"]]
    text = io.StringIO()
    rows = csv.DictWriter(text, fieldnames=images[0], lineterminator="\n")
    rows.writeheader()
    rows.writerows(images)
    write(folder / "images.csv", text.getvalue())


def _worst(report: dict[str, Any]) -> list[int]:
    """The images in the order of their Dice, averaged over the classes, the smallest first."""
    classes = [scores["images"] for scores in report["classes"].values()]
    key = next(name for name in classes[0][0] if name.startswith("dice @"))
    return [int(index) for index in np.argsort(np.mean([[row[key] for row in rows] for rows in classes], axis=0))]
