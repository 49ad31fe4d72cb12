"""`cenet cross-validate`: every image is scored once, by a network that has never met it."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cenet.config.presets import format_command
from cenet.config.recipe import Recipe
from cenet.data import splits as dividing
from cenet.data.io.files import check_writable, write_text
from cenet.data.splits import Split
from cenet.datasets.registry import TASKS, label_encoding_for
from cenet.errors import CenetError
from cenet.evaluation.evaluate import evaluate
from cenet.evaluation.intervals import interval_of_pooled
from cenet.evaluation.pooled_metrics import Figure, sums_of, within_folds
from cenet.evaluation.protocol import Protocol, check_protocol
from cenet.evaluation.scores import OVERLAP, RANKING, PixelCounts, class_scores, load_tallies, of_counts
from cenet.evaluation.tables import write_report
from cenet.evaluation.task_metrics import TaskMetrics, load, save
from cenet.experiments.resume import resumable_experiment, train_or_resume
from cenet.inference.device import DeviceConfig
from cenet.inference.ensemble import MEMBERS
from cenet.metrics import Counts
from cenet.training.trainer import file_lock


def cross_validate(
    recipe: Recipe,
    data: Path,
    *,
    output: Path,
    machine: DeviceConfig,
    folds: int = 4,
    seeds: int = 1,
    fold: Sequence[int] = (),
    group_pattern: str | None = None,
    ignore_value: int | None = None,
    init_from: Path | None = None,
    protocol: Protocol = "region",
    tta: bool = False,
    deterministic: bool = False,
) -> list[dict[str, Any]]:
    """Train and score every fold, skipping what is done; then report on all images together.

    A fold is only scored by the network that was trained without it: epoch, calibration and thresholds come from an
    inner validation part of the other folds. The folds are dealt out once, with the recipe's own seed, and kept.

    Args:
        recipe: What to train; its `test_fraction` has no part in this.
        data: The folder, laid out as the recipe's task says.
        output: The folder to make, or to go on with.
        machine: What computes.
        folds: How many.
        seeds: How many times, each with another seed of the network on the same folds.
        fold: Numbers of the folds to do now; none means all.
        group_pattern: A pattern that finds the group in an image's name.
        ignore_value: The label value of pixels that nobody drew.
        init_from: A run whose weights every fold starts from; it must not have learnt from any of these images.
        protocol: What is scored, see `cenet.evaluation.protocol`.
        tta: Average the eight flips and turns when scoring.
        deterministic: As for `cenet.training.train.train`.

    Returns:
        The report of each seed; none while folds are missing.

    Raises:
        CenetError: Data, recipe or place cannot be used, or the folder holds a cross-validation of something else.
    """
    check_folds(fold, folds)
    if seeds < 1:
        raise CenetError(f"--seeds {seeds}", "is nothing to train", "give 1 or more")
    check_protocol(protocol, recipe)
    check_writable(output)
    start = init_from and f"runs/{init_from.name}"
    given: dict[str, Any] = {
        "group_pattern": group_pattern,
        "ignore_value": ignore_value,
        "folds": folds,
        "init_from": start,
    }
    options = {**given, "seeds": seeds if seeds > 1 else None}
    command = format_command(recipe, data.name, verb="cross-validate", output=f"runs/{output.name}", **options)
    command += f" --protocol {protocol}" * (protocol != "region") + " --tta" * tta + " --deterministic" * deterministic
    learning: dict[str, Any] = {"machine": machine, "deterministic": deterministic, "init_from": init_from}
    numbers = range(recipe.seed, recipe.seed + seeds)
    places = {seed: output / f"seed-{seed}" if seeds > 1 else output for seed in numbers}
    reports = []
    with resumable_experiment(output, recipe, **given):
        parts = _parts(recipe, data, output, folds=folds, group_pattern=group_pattern, ignore_value=ignore_value)
        for seed, place in places.items():
            for number in fold or range(folds):
                print(f"fold {number} of {folds}" + f", seed {seed}" * (seeds > 1))
                own, run = recipe.replace(seed=seed), place / f"fold-{number}"
                remedy = "wait for its end, or choose others with --fold"
                busy = CenetError(run, f"another process trains fold {number}", remedy)
                with file_lock(place / f".{run.name}.lock", busy):
                    train_or_resume(
                        own,
                        data,
                        run,
                        splits=parts[number],
                        group_pattern=group_pattern,
                        ignore_value=ignore_value,
                        **learning,
                    )
                    if not (_scores(run, protocol, tta) / "report.json").exists():
                        evaluate(
                            run,
                            data=data,
                            part="test",
                            protocol=protocol,
                            tta=tta,
                            machine=machine,
                            group_pattern=group_pattern,
                        )
            runs = [place / f"fold-{number}" for number in range(folds)]
            missing = [run.name for run in runs if not (_scores(run, protocol, tta) / "report.json").exists()]
            if missing:
                print(f"note: {', '.join(missing)} of {place} to be done; the report follows the last", file=sys.stderr)
                continue
            write_text(place / MEMBERS, {"members": [run.name for run in runs]})
            reports.append(_report(place, runs, protocol, tta, command=command))
    if seeds > 1 and len(reports) == seeds:
        members = [f"{place.name}/fold-{n}" for place in places.values() for n in range(folds)]
        write_text(output / MEMBERS, {"members": members})
    return reports


def check_folds(fold: Sequence[int], folds: int) -> None:
    """Refuse numbers of folds that there are not.

    Raises:
        CenetError: There is one.

    >>> check_folds([0, 3], 4)
    """
    if wrong := [number for number in fold if not 0 <= number < folds]:
        raise CenetError(f"--fold {wrong[0]}", "there is no such fold", f"number them from 0 to {folds - 1}")


def _parts(
    recipe: Recipe, data: Path, output: Path, *, folds: int, group_pattern: str | None, ignore_value: int | None
) -> list[Split]:
    """The split of each fold: made once, then read back."""
    there = [output / "folds" / f"{number}.json" for number in range(folds)]
    if there and all(path.exists() for path in there):
        return [Split.from_json(path) for path in there]
    task = TASKS[recipe.task]
    samples = task.read(data, group_pattern=group_pattern)
    if unlabelled := [sample for sample in samples if not sample.label]:
        raise CenetError(
            unlabelled[0].image,
            "has no label, and in a cross-validation every image is scored",
            "draw one, or remove the image",
        )
    labels = label_encoding_for(
        recipe.task,
        samples,
        num_classes=recipe.num_classes,
        nested=recipe.nested,
        ignore_value=ignore_value,
        names=task.classes,
        folder=data,
    )
    survey = dividing.compute_statistics(tqdm(samples, desc="checking", unit="image"), labels)
    held_out = dividing.make_folds(samples, folds, seed=recipe.seed, statistics=survey)
    splits = [
        dividing.make_split(
            samples,
            recipe.replace(seed=recipe.seed + number),  # another inner validation part for each fold
            tests=tests,
            fingerprints=survey.fingerprints,
            statistics=survey,
        )
        for number, tests in enumerate(held_out)
    ]
    for path, split in zip(there, splits, strict=True):
        write_text(path, split.to_json())
    return splits


def _scores(run: Path, protocol: Protocol, tta: bool) -> Path:
    return run / f"evaluation-test-{protocol}{'-tta' * (tta and protocol != 'authors')}"


def _report(place: Path, runs: list[Path], protocol: Protocol, tta: bool, *, command: str) -> dict[str, Any]:
    """The scores of all images, each from the fold that held it out."""
    folders = [_scores(run, protocol, tta) for run in runs]
    folds = [json.loads((folder / "report.json").read_text(encoding="utf-8")) for folder in folders]
    by_fold = [load_tallies(folder, fold) for folder, fold in zip(folders, folds, strict=True)]
    tallies = [PixelCounts.of(each) for each in zip(*by_fold, strict=True)]
    first = folds[0]
    images = [{**image, "fold": number} for number, fold in enumerate(folds) for image in fold["data"]["images"]]
    classes = {
        name: {**class_scores(tally), "folds": _over_folds([each[number] for each in by_fold])}
        for number, (name, tally) in enumerate(zip(first["classes"], tallies, strict=True))
    }
    measured = [load(folder, fold) for folder, fold in zip(folders, folds, strict=True) if "measures" in fold]
    together = TaskMetrics.of(measured) if measured else None
    cost = {
        **first["cost"],
        "seconds_per_image": float(np.median([image["seconds"] for image in images])),
        "training_seconds": sum(fold["cost"]["training_seconds"] or 0 for fold in folds),
    }
    report = {
        "format": 2,
        "commands": [command],
        "protocol": first["protocol"],
        "data": {
            **first["data"],
            "part": "out-of-fold",
            "groups": len({image["group"] for image in images}),
            "images": images,
        },
        "runs": [
            {**run, "folder": f"../{path.name}"} for fold, path in zip(folds, runs, strict=True) for run in fold["runs"]
        ],
        "cost": cost,
        "classes": classes,
        **({"measures": together.scores()} if together else {}),
        "environment": first["environment"],
    }
    folder = place / _scores(place, protocol, tta).name.replace("-test-", "-out-of-fold-")
    write_report(folder, report, tallies)
    if together:
        save(folder, together)
    return {**report, "folder": folder}


def _over_folds(tallies: list[PixelCounts]) -> dict[str, Any]:
    """Pooled within each fold, then averaged over the folds: no threshold and no scale of one fold meets another's."""
    groups = [group for each in tallies for group in each.groups]
    folds = [number for number, each in enumerate(tallies) for _ in each.rows]
    histograms = sums_of([np.concatenate([each.histograms for each in tallies])], groups, folds)
    counts = sums_of([np.concatenate([each.counts(tallies[0].cuts[0]) for each in tallies])], groups, folds)
    return {
        **{name: _mean_of_folds(histograms, metric) for name, metric in RANKING.items()},
        **{name: _mean_of_folds(counts, _of_any(metric)) for name, metric in OVERLAP.items()},
    }


def _mean_of_folds(sums: NDArray[np.float64], figure: Figure) -> dict[str, Any]:
    """A figure's mean over the folds that have it, their spread, and an interval over groups, each drawn in its fold.

    `sums` is `(G, F, ...)`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # nan is the answer where a fold has no value
        values = figure(sums.sum(axis=0))
    defined = values[~np.isnan(values)]
    return {
        "value": float(defined.mean()) if defined.size else nan,
        "sd": float(defined.std(ddof=1)) if defined.size > 1 else nan,
        "values": values.tolist(),
        **asdict(interval_of_pooled(sums, within_folds(figure))),
        "undefined": len(values) - len(defined),
    }


def _of_any(metric: Callable[[Counts], float]) -> Figure:
    """A metric of counts, `(..., 4)` to `(...)`; a fold of which no group was drawn has none."""

    def figure(sums: NDArray[Any]) -> NDArray[np.float64]:
        each = of_counts(metric)(sums.reshape(-1, 4)).reshape(sums.shape[:-1])
        return np.where(sums.any(axis=-1), each, nan)

    return figure
