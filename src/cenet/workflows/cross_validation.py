"""`cenet cross-validate`: every image is scored once, by a network that has never met it."""

import json
import sys
from collections.abc import Sequence
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from cenet import splits as dividing
from cenet.ensembles import MEMBERS
from cenet.errors import CenetError
from cenet.evaluate import evaluate
from cenet.files import check_place, write
from cenet.fit import alone
from cenet.machine import Machine
from cenet.measures import Measured, load, save
from cenet.protocols import Protocol, check_protocol
from cenet.recipe import Recipe
from cenet.recipes import command_line
from cenet.scoreboard import write_report
from cenet.scores import OVERLAP, RANKING, Tally, class_scores, load_tallies, of_counts
from cenet.splits import Split
from cenet.tasks import TASKS, labels_for
from cenet.workflows.going_on import begin, ensure, goes_on


def cross_validate(
    recipe: Recipe,
    data: Path,
    *,
    output: Path,
    machine: Machine,
    folds: int = 4,
    seeds: int = 1,
    only: Sequence[int] = (),
    group: str | None = None,
    ignore: int | None = None,
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
        only: Numbers of the folds to do now; none means all.
        group: A pattern that finds the group in an image's name.
        ignore: The label value of pixels that nobody drew.
        protocol: What is scored, see `cenet.protocols`.
        tta: Average the eight flips and turns when scoring.
        deterministic: As for `cenet.train.train`.

    Returns:
        The report of each seed; none while folds are missing.

    Raises:
        CenetError: Data, recipe or place cannot be used, or the folder holds a cross-validation of something else.
    """
    if wrong := [number for number in only if not 0 <= number < folds]:
        raise CenetError(f"--only {wrong[0]}: there is no such fold; number them from 0 to {folds - 1}")
    if seeds < 1:
        raise CenetError(f"--seeds {seeds}: is nothing to train; give 1 or more")
    check_protocol(protocol, recipe)
    check_place(output)
    parts = _parts(recipe, data, output, folds=folds, group=group, ignore=ignore)
    options = {"group": group, "ignore": ignore, "folds": folds, "seeds": seeds if seeds > 1 else None}
    command = command_line(recipe, data.name, verb="cross-validate", output=f"runs/{output.name}", **options)
    command += f" --protocol {protocol}" * (protocol != "region") + " --tta" * tta + " --deterministic" * deterministic
    reports = []
    for seed in range(recipe.seed, recipe.seed + seeds):
        place = output / f"seed-{seed}" if seeds > 1 else output
        for number in only or range(folds):
            print(f"fold {number} of {folds}" + f", seed {seed}" * (seeds > 1))
            run = place / f"fold-{number}"
            learning: dict[str, Any] = {"machine": machine, "deterministic": deterministic}
            taken = f"{run}: another process does fold {number}; wait for its end, or choose others with --only"
            with alone(place / f".fold-{number}.lock", taken):
                ensure(
                    recipe.replace(seed=seed), data, run, splits=parts[number], group=group, ignore=ignore, **learning
                )
                if not (_scores(run, protocol, tta) / "report.json").exists():
                    evaluate(run, data=data, part="test", protocol=protocol, tta=tta, machine=machine, group=group)
        runs = [place / f"fold-{number}" for number in range(folds)]
        missing = [run.name for run in runs if not (_scores(run, protocol, tta) / "report.json").exists()]
        if missing:
            print(f"note: {', '.join(missing)} of {place} to be done; the report follows the last", file=sys.stderr)
            continue
        write(place / MEMBERS, {"members": [run.name for run in runs]})
        reports.append(_report(place, runs, protocol, tta, command=command))
    if seeds > 1 and len(reports) == seeds:
        members = [f"seed-{seed}/fold-{n}" for seed in range(recipe.seed, recipe.seed + seeds) for n in range(folds)]
        write(output / MEMBERS, {"members": members})
    return reports


def _parts(
    recipe: Recipe, data: Path, output: Path, *, folds: int, group: str | None, ignore: int | None
) -> list[Split]:
    """The split of each fold: made once, then read back."""
    listing, options = output / "folds", {"group": group, "ignore": ignore, "folds": folds}
    begun, there = goes_on(output, recipe, **options), [listing / f"{number}.json" for number in range(folds)]
    if begun and all(path.exists() for path in there):
        return [Split.from_json(path) for path in there]
    task = TASKS[recipe.task]
    samples = task.read(data, group=group)
    if unlabelled := [sample for sample in samples if not sample.label]:
        raise CenetError(
            f"{unlabelled[0].image}: has no label, and in a cross-validation every image is scored; "
            "draw one, or remove the image"
        )
    labels = labels_for(
        recipe.task,
        samples,
        num_classes=recipe.num_classes,
        nested=recipe.nested,
        ignore=ignore,
        names=task.classes,
        folder=data,
    )
    survey = dividing.survey(tqdm(samples, desc="checking", unit="image"), labels)
    held_out = dividing.folds(samples, folds, seed=recipe.seed, survey=survey)
    splits = [
        dividing.split(
            samples,
            recipe.replace(seed=recipe.seed + number),  # another inner validation part for each fold
            tests=tests,
            fingerprints=survey.fingerprints,
            survey=survey,
        )
        for number, tests in enumerate(held_out)
    ]
    if not begun:
        begin(output, recipe, **options)
    for path, split in zip(there, splits, strict=True):
        write(path, split.to_json())
    return splits


def _scores(run: Path, protocol: Protocol, tta: bool) -> Path:
    return run / f"evaluation-test-{protocol}{'-tta' * (tta and protocol != 'authors')}"


def _report(place: Path, runs: list[Path], protocol: Protocol, tta: bool, *, command: str) -> dict[str, Any]:
    """The scores of all images, each from the fold that held it out."""
    folders = [_scores(run, protocol, tta) for run in runs]
    folds = [json.loads((folder / "report.json").read_text(encoding="utf-8")) for folder in folders]
    by_fold = [load_tallies(folder, fold) for folder, fold in zip(folders, folds, strict=True)]
    tallies = [Tally.of(each) for each in zip(*by_fold, strict=True)]
    first = folds[0]
    images = [{**image, "fold": number} for number, fold in enumerate(folds) for image in fold["data"]["images"]]
    classes = {
        name: {**class_scores(tally), "folds": _over_folds([each[number] for each in by_fold])}
        for number, (name, tally) in enumerate(zip(first["classes"], tallies, strict=True))
    }
    measured = [load(folder, fold) for folder, fold in zip(folders, folds, strict=True) if "measures" in fold]
    together = Measured.of(measured) if measured else None
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


def _over_folds(tallies: list[Tally]) -> dict[str, Any]:
    """Pooled within each fold, then averaged over the folds: no threshold and no scale of one fold meets another's."""
    cut = tallies[0].cuts[0]
    figures = {
        name: [float(metric(each.histograms.sum(axis=0))) for each in tallies] for name, metric in RANKING.items()
    }
    figures |= {
        name: [float(of_counts(metric)(each.counts(cut).sum(axis=0, keepdims=True))[0]) for each in tallies]
        for name, metric in OVERLAP.items()
    }
    return {name: _spread(values) for name, values in figures.items()}


def _spread(values: list[float]) -> dict[str, Any]:
    """The mean and range of the folds in which a figure is defined."""
    defined = [value for value in values if not isnan(value)]
    return {
        "value": float(np.mean(defined)) if defined else nan,
        "sd": float(np.std(defined, ddof=1)) if len(defined) > 1 else nan,
        "values": values,
        "low": min(defined, default=nan),
        "high": max(defined, default=nan),
        "how": f"range of {len(defined)} folds",
        "undefined": len(values) - len(defined),
    }
