"""`cenet compare`: whether one run is better than another on the same images, and what each of them costs."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.files import check_writable, write_text
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError
from cenet.evaluation.differences import draw_differences, metric_title, spread_title
from cenet.evaluation.intervals import (
    FEW,
    MANY,
    MIN_TEST_GROUPS,
    Interval,
    difference_of_means,
    holm,
    interval_of_paired_pooled,
    minimum_p,
    paired_permutation_test,
)
from cenet.evaluation.pooled_metrics import pooled_figures, sums_of, value_of
from cenet.evaluation.report_files import PER_IMAGE, Evaluation, check_comparable, common_folds, cost, read_evaluations
from cenet.evaluation.tables import count_training_images

Floats = NDArray[np.float64]

ALL = "all classes"  # of what a task measures over them together
Difference = tuple[float, Interval, float]  # with its interval and p
NO_DIFFERENCE: Difference = (nan, Interval(nan, nan, ""), nan)  # of the reference to itself
NOT_COMPARED = ("columns_left_out", "found")  # they tell of data and localiser


def compare(
    paths: Sequence[Path],
    *,
    protocol: str = "region",
    part: str | None = None,
    tta: bool = False,
    output: Path | None = None,
) -> dict[str, Any]:
    """Compare runs with the first of them, image by image, over groups.

    Args:
        paths: Folders: of a report, of a run that has one, or of several seeds of one method.
        protocol: Which report of a run.
        part: Which report of a run; by default the first there is of `cenet.evaluation.report_files.PARTS`.
        tta: Which report of a run: that of eight views.
        output: Folder for `compare.json`, `compare.md`, `compare.svg` and `compare.png`; None writes nothing.

    Raises:
        CenetError: A report is missing, torn, foreign or named twice, or the reports do not tell of the same images.

    >>> compare([Path("runs/unet")])
    Traceback (most recent call last):
    cenet.errors.CenetError: runs/unet: is nothing to compare with; name two runs or more
    """
    if len(paths) < 2:
        raise CenetError(paths[0] if paths else "compare", "is nothing to compare with", "name two runs or more")
    if output is not None:
        check_writable(output)
    methods = [read_evaluations(path, protocol=protocol, part=part, tta=tta) for path in paths]
    for place, method in enumerate(methods):
        scored = [{each.folder.resolve() for each in other} for other in methods[: place + 1]]
        if scored[-1] in scored[:-1]:
            raise CenetError(paths[place], "would be compared with itself", "name every run once")
        for evaluation in method:
            check_comparable(methods[0][0], evaluation)
    options = f" --protocol {protocol}" + f" --split {part}" * (part is not None) + " --tta" * tta
    command = "cenet compare " + " ".join(shlex.quote(_shown(path)) for path in paths) + options
    comparison = {"format": 1, "command": command, **compare_reports(methods, _names(paths))}
    if output is not None:
        write_text(output / "compare.json", comparison)
        write_text(output / "compare.md", format_comparison(comparison))
        draw_differences(output, comparison)
    return comparison


def compare_reports(methods: list[list[Evaluation]], names: list[str]) -> dict[str, Any]:
    """What is told of runs beside the first of them; of one alone its figures.

    Args:
        methods: The evaluations of each run's seeds; all are alike, see
            `cenet.evaluation.report_files.check_comparable`.
        names: Of the runs.
    """
    first = methods[0][0]
    rows = [row for name in first.report["classes"] for row in _rows(name, methods, names)]
    rows += _measured_rows(methods, names)
    primary, fitted = (
        _primary(methods),
        max(count_training_images(each.report["data"]) for method in methods for each in method),
    )
    if fitted:  # nothing to test: one of the runs knows the answers
        rows = [{**row, "p": nan} for row in rows]
    questions = [row for row in rows if row["metric"] == primary]
    rows.sort(key=lambda row: row["metric"] != primary)  # the question first, all else as it is
    for row, p in zip(questions, holm([row["p"] for row in questions]), strict=True):
        row["adjusted_p"] = float(p)
    return {
        "protocol": {key: first.report["protocol"][key] for key in ("name", "description")},
        "data": {
            **{key: first.report["data"][key] for key in ("name", "task", "part")},
            "images": len(first.images),
            "groups": len(set(first.groups)),
        },
        "primary": primary,
        "smallest_p": minimum_p(len(set(first.groups))),
        "runs": [
            {"name": name, **cost([each.report for each in method])}
            for name, method in zip(names, methods, strict=True)
        ],
        "rows": rows,
        "notes": _notes(methods, names, rows, primary, fitted),
    }


def format_comparison(comparison: dict[str, Any]) -> str:
    """A comparison as Markdown: the differences, what must be known to read them, and the costs.

    >>> row = {"class": "vessel", "metric": "auc_pooled", "run": "b", "value": 0.98, "seeds_sd": None, "low": 0.005,
    ...        "high": 0.015, "how": "bootstrap", "difference": 0.01, "p": 0.002, "adjusted_p": 0.004}
    >>> data = {"name": "DRIVE", "part": "test", "images": 20, "groups": 20}
    >>> print(format_comparison({"data": data, "primary": "auc_pooled",
    ...              "protocol": {"name": "frame", "description": "all"}, "rows": [row], "notes": [], "runs": []}))
    DRIVE, part test (20 images, 20 groups), protocol frame: all
    <BLANKLINE>
    | class | metric | run | value | difference | 95 % interval | p | p (Holm) |
    |---|---|---|---|---|---|---|---|
    | vessel | **AUC, pooled** | b | 0.9800 | +0.0100 | +0.0050 to +0.0150 | 0.002 | 0.004 |
    <BLANKLINE>
    | run | seeds | views | threshold | parameters | multiply-adds per image | ... | started from |
    |---|---|---|---|---|---|---|---|---|---|---|
    """
    data, protocol = comparison["data"], comparison["protocol"]
    lines = [
        f"{data['name']}, part {data['part']} ({data['images']} images, {data['groups']} groups), "
        f"protocol {protocol['name']}: {protocol['description']}",
        "",
        f"| class | metric | run | value | difference | {spread_title(data['groups'])} | p | p (Holm) |",
        "|---" * 8 + "|",
    ]
    for row in comparison["rows"]:
        metric, spread = metric_title(row["metric"]), _number(row["seeds_sd"], " ± {:.4f}")
        cells = [
            row["class"],
            f"**{metric}**" if row["metric"] == comparison["primary"] else metric,
            row["run"],
            _number(row["value"], "{:.4f}") + spread,
            _number(row["difference"], "{:+.4f}") if row["how"] else "reference",
            _number(row["low"], "{:+.4f} to ") + _number(row["high"], "{:+.4f}"),
            _number(row["p"], "{:.2g}"),
            _number(row["adjusted_p"], "{:.2g}"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- {note}" for note in comparison["notes"])] if comparison["notes"] else []
    lines += [
        "",
        "| run | seeds | views | threshold | parameters | multiply-adds per image | seconds per image | peak memory "
        "| training | device | started from |",
        "|---" * 11 + "|",
    ]
    for run in comparison["runs"]:
        cells = [
            *(run["name"], str(run["seeds"]), run["views"], run["threshold"]),
            _number(run["parameters"], "{:,.0f}"),
            _number(run["multiply_adds_per_image"], "{:.3g}"),
            _number(run["seconds_per_image"], "{:.3g}"),
            _number(run["peak_memory_mib"], "{:.0f} MiB"),
            _number(run["training_seconds"], "{:.0f} s"),
            *(run["device"], run["started_from"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _names(paths: Sequence[Path]) -> list[str]:
    """What the runs are called, in as few words as tell them apart."""
    parts = [path.resolve().parts for path in paths]
    short = [each[-2] if each[-1].startswith("evaluation-") else each[-1] for each in parts]
    long = ["/".join(each[-2:]) for each in parts]
    names = short if len(set(short)) == len(short) else long
    return names if len(set(names)) == len(names) else [f"{name} ({index})" for index, name in enumerate(long, start=1)]


def _shown(path: Path) -> str:
    return path.name if path.is_absolute() else path.as_posix()


def _primary(methods: list[list[Evaluation]]) -> str:
    """The question; of folds no figure in which probabilities of several networks are ranked together."""
    data = methods[0][0].report["data"]
    primary = TASKS[data["task"]].primary if data["task"] in TASKS else "dice"
    if primary != "auc":
        return f"{primary}_per_image"
    if data["part"] != "out-of-fold":
        return "auc_pooled"
    return "auc_within_folds" if common_folds(methods) else "auc_per_image"


def _rows(name: str, methods: list[list[Evaluation]], names: list[str]) -> list[dict[str, Any]]:
    """All that is said of one class: for each metric the reference, then each other run."""
    groups, folds = methods[0][0].groups, common_folds(methods)
    rows: list[dict[str, Any]] = []
    for metric, (source, figure, kept, tested) in pooled_figures(apart=folds is not None).items():
        if not all(each.classes[name][source].any() for method in methods for each in method):
            continue  # nothing is near an edge
        apart = folds if metric.endswith("_within_folds") else None
        arrays = [[each.classes[name][source] for each in method] for method in methods]
        first, *others = (sums_of(seeds, groups, apart) for seeds in arrays)
        values = [value_of(each, figure) for each in (first, *others)]
        found = [
            (
                value - values[0],
                interval_of_paired_pooled(other, first, figure),
                paired_permutation_test(*kept(other, first), tested),
            )
            for value, other in zip(values[1:], others, strict=True)
        ]
        seeds = [[value_of(sums_of([each], groups, apart), figure) for each in method] for method in arrays]
        rows += _told(name, metric, zip(names, values, seeds, [NO_DIFFERENCE, *found], strict=True))
    for metric in PER_IMAGE:
        rows += _per_image(name, metric, names, [[each.classes[name][metric] for each in m] for m in methods], groups)
    return rows


def _measured_rows(methods: list[list[Evaluation]], names: list[str]) -> list[dict[str, Any]]:
    """What the task measures beside its classes, of the measures that all runs have."""
    groups = methods[0][0].groups
    keys = [key for key in methods[0][0].measures if key not in NOT_COMPARED]
    shared = [key for key in keys if all(key in each.measures for method in methods for each in method)]
    scores = {key: [[each.measures[key] for each in method] for method in methods] for key in shared}
    return [row for key, of_key in scores.items() for row in _per_image(ALL, key, names, of_key, groups)]


def _per_image(
    name: str, metric: str, names: list[str], scores: list[list[Floats]], groups: list[str]
) -> list[dict[str, Any]]:
    """What is said of a metric that every image has: `scores` are those of each run's seeds, `(images,)`."""
    means = [np.mean(each, axis=0) for each in scores]
    differences = [difference_of_means(each, means[0], groups) for each in means[1:]]
    found = [(each.value, each.interval, each.p) for each in differences]
    seeds = [[_mean(seed) for seed in each] for each in scores]
    values = [_mean(each) for each in means]
    return _told(name, f"{metric}_per_image", zip(names, values, seeds, [NO_DIFFERENCE, *found], strict=True))


def _told(name: str, metric: str, runs: Iterable[tuple[str, float, list[float], Difference]]) -> list[dict[str, Any]]:
    """A row for each run, the reference first: its name, its value, those of its seeds and how it differs."""
    rows = []
    for run, value, own, (difference, interval, p) in runs:
        sd = float(np.std(own, ddof=1)) if len(own) > 1 else nan
        row = {"class": name, "metric": metric, "run": run, "value": value, "seeds_sd": sd}
        rows.append({**row, "difference": difference, **asdict(interval), "p": p, "adjusted_p": nan})
    return rows


def _mean(scores: Floats) -> float:
    defined = scores[~np.isnan(scores)]
    return float(defined.mean()) if defined.size else nan


def _notes(
    methods: list[list[Evaluation]], names: list[str], rows: list[dict[str, Any]], primary: str, fitted: int
) -> list[str]:
    """What must be known to read the differences."""
    first = methods[0][0].report["data"]
    groups = len(set(methods[0][0].groups))
    questions = sum(row["metric"] == primary and row["p"] >= 0 for row in rows)
    intervals = ", ".join(sorted({row["how"] for row in rows} - {""}))
    notes = [
        f"Each difference is a run's value minus that of {names[0]}, the reference, on the same images."
        + f" Intervals: {intervals}." * (groups >= FEW),
        f"The question is {metric_title(primary)} (bold); all other metrics are exploratory.",
    ]
    if fitted:
        notes.append(
            f"Warning: {fitted} of these {len(first['images'])} images were trained or validated on: no test of "
            "anything, and no p."
        )
    elif groups < MIN_TEST_GROUPS:
        notes.append(
            f"No test: with {groups} groups the smallest p that one can reach is {minimum_p(groups):.2g}; "
            f"it takes {MIN_TEST_GROUPS} groups to reach 0.05."
        )
    else:
        notes.append(
            "p is how often chance alone, swapping the two runs in whole groups, makes so large a difference; the "
            f"smallest that {groups} groups can reach is {minimum_p(groups):.2g}. That of the question is adjusted by "
            f"Holm's rule for {questions} comparison{'s' * (questions > 1)}; every other p is as it is."
        )
    if groups < FEW:
        notes.append(
            f"Fewer than {FEW} groups: no interval, only the smallest and the largest difference of a single group."
        )
    elif groups < MANY:
        notes.append(
            f"Warning: fewer than {MANY} groups; an interval of 95 % may hold the truth less often than it says."
        )
    if first["part"] == "out-of-fold":
        notes.append(
            "Approximate: the networks of any two folds share training images, so groups are not independent, and "
            "neither interval nor p tells how another training set would do."
        )
    if any(each.folds != methods[0][0].folds for method in methods for each in method):
        notes.append(
            "Warning: the images were dealt into folds differently, so the runs learned from different ones; pooled "
            "figures mix the probabilities of several networks."
        )
    if any(len(method) > 1 for method in methods):
        notes.append(
            "Seeds of one run are averaged image by image before all else; ± is the standard deviation of the seeds' "
            "values. The intervals are over groups, and do not tell how other seeds would do."
        )
    if len({each.report["protocol"]["views"] for method in methods for each in method}) > 1:
        notes.append("Warning: the runs were used with different numbers of views (see below).")
    return notes


def _number(value: float | None, form: str) -> str:
    return "" if value is None or isnan(value) else form.format(value)
