"""`cenet compare`: whether one run is better than another on the same images, and what each of them costs."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError
from cenet.evaluations import PER_IMAGE, Evaluation, check_alike, common_folds, cost, read
from cenet.figures import pooled_figures, sums_of, value_of
from cenet.files import check_place, replacing, write
from cenet.scoreboard import trained_on
from cenet.statistics import (
    FEW,
    MANY,
    MIN_TEST_GROUPS,
    Interval,
    difference_of_means,
    holm,
    interval_of_paired_pooled,
    smallest_p,
    swap,
)

Floats = NDArray[np.float64]

PRIMARY = {"drive": "auc_pooled", "chase": "auc_pooled"}  # what a task's papers report first
OTHERWISE = "dice_per_image"
HOW = {"_pooled": "pooled", "_within_folds": "pooled within folds", "_per_image": "per image"}


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
        part: Which report of a run; by default the first there is of `cenet.evaluations.PARTS`.
        tta: Which report of a run: that of eight views.
        output: Folder for `compare.json`, `compare.md`, `compare.svg` and `compare.png`; None writes nothing.

    Raises:
        CenetError: A report is missing, torn or foreign, or the reports do not tell of the same images.

    >>> compare([Path("runs/unet")])
    Traceback (most recent call last):
    cenet.errors.CenetError: runs/unet: is nothing to compare with; name two runs or more
    """
    if len(paths) < 2:
        raise CenetError(f"{paths[0] if paths else 'compare'}: is nothing to compare with; name two runs or more")
    if output is not None:
        check_place(output)
    methods = [read(path, protocol=protocol, part=part, tta=tta) for path in paths]
    first = methods[0][0]
    for method in methods:
        for evaluation in method:
            check_alike(first, evaluation)
    names = _names(paths)
    rows = [row for name in first.report["classes"] for row in _rows(name, methods, names)]
    primary, fitted = _primary(methods), max(trained_on(each.report["data"]) for method in methods for each in method)
    if fitted:  # nothing to test: one of the runs knows the answers
        rows = [{**row, "p": nan} for row in rows]
    questions = [row for row in rows if row["metric"] == primary]
    rows.sort(key=lambda row: row["metric"] != primary)  # the question first, all else as it is
    for row, p in zip(questions, holm([row["p"] for row in questions]), strict=True):
        row["adjusted_p"] = float(p)
    options = f" --protocol {protocol}" + f" --split {part}" * (part is not None) + " --tta" * tta
    comparison = {
        "format": 1,
        "command": "cenet compare " + " ".join(shlex.quote(_shown(path)) for path in paths) + options,
        "protocol": {key: first.report["protocol"][key] for key in ("name", "description")},
        "data": {
            **{key: first.report["data"][key] for key in ("name", "task", "part")},
            "images": len(first.images),
            "groups": len(set(first.groups)),
        },
        "primary": primary,
        "smallest_p": smallest_p(len(set(first.groups))),
        "runs": [
            {"name": name, **cost([each.report for each in method])}
            for name, method in zip(names, methods, strict=True)
        ],
        "rows": rows,
        "notes": _notes(methods, names, rows, primary, fitted),
    }
    if output is not None:
        write(output / "compare.json", comparison)
        write(output / "compare.md", table(comparison))
        _draw(output, comparison)
    return comparison


def table(comparison: dict[str, Any]) -> str:
    """A comparison as Markdown: the differences, what must be known to read them, and the costs.

    >>> row = {"class": "vessel", "metric": "auc_pooled", "run": "b", "value": 0.98, "seeds_sd": None, "low": 0.005,
    ...        "high": 0.015, "how": "bootstrap", "difference": 0.01, "p": 0.002, "adjusted_p": 0.004}
    >>> print(table({"data": {"name": "DRIVE", "part": "test", "images": 20, "groups": 20}, "primary": "auc_pooled",
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
        f"| class | metric | run | value | difference | {_spread(data['groups'])} | p | p (Holm) |",
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


def metric_title(metric: str) -> str:
    """A metric's name for people.

    >>> metric_title("calibration_error_pooled"), metric_title("dice_per_image")
    ('calibration error, pooled (lower is better)', 'Dice, per image')
    """
    name, how = next((metric.removesuffix(end), how) for end, how in HOW.items() if metric.endswith(end))
    title = {"auc": "AUC", "dice": "Dice"}.get(name, name.replace("_", " "))
    return f"{title}, {how}" + " (lower is better)" * (name == "calibration_error")


def _spread(groups: int) -> str:
    return "range of groups" if groups < FEW else "95 % interval"


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
    primary = PRIMARY.get(data["task"], OTHERWISE)
    if primary != "auc_pooled" or data["part"] != "out-of-fold":
        return primary
    return "auc_within_folds" if common_folds(methods) else "auc_per_image"


def _rows(name: str, methods: list[list[Evaluation]], names: list[str]) -> list[dict[str, Any]]:
    """All that is said of one class: for each metric the reference, then each other run."""
    groups, folds = methods[0][0].groups, common_folds(methods)
    rows: list[dict[str, Any]] = []

    def tell(
        metric: str, values: list[float], seeds: list[list[float]], found: list[tuple[float, Interval, float]]
    ) -> None:
        reference = (nan, Interval(nan, nan, ""), nan)
        for run, value, own, (difference, interval, p) in zip(names, values, seeds, [reference, *found], strict=True):
            sd = float(np.std(own, ddof=1)) if len(own) > 1 else nan
            row = {"class": name, "metric": metric, "run": run, "value": value, "seeds_sd": sd}
            rows.append({**row, "difference": difference, **asdict(interval), "p": p, "adjusted_p": nan})

    for metric, (source, figure, kept, tested) in pooled_figures(apart=folds is not None).items():
        apart = folds if metric.endswith("_within_folds") else None
        arrays = [[each.classes[name][source] for each in method] for method in methods]
        first, *others = (sums_of(seeds, groups, apart) for seeds in arrays)
        values = [value_of(each, figure) for each in (first, *others)]
        found = [
            (value - values[0], interval_of_paired_pooled(other, first, figure), swap(*kept(other, first), tested))
            for value, other in zip(values[1:], others, strict=True)
        ]
        seeds = [[value_of(sums_of([each], groups, apart), figure) for each in method] for method in arrays]
        tell(metric, values, seeds, found)
    for metric in PER_IMAGE:
        scores = [[each.classes[name][metric] for each in method] for method in methods]
        means = [np.mean(each, axis=0) for each in scores]
        differences = [difference_of_means(each, means[0], groups) for each in means[1:]]
        found = [(each.value, each.interval, each.p) for each in differences]
        tell(
            f"{metric}_per_image", [_mean(each) for each in means], [[_mean(s) for s in each] for each in scores], found
        )
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
            f"No test: with {groups} groups the smallest p that one can reach is {smallest_p(groups):.2g}; "
            f"it takes {MIN_TEST_GROUPS} groups to reach 0.05."
        )
    else:
        notes.append(
            "p is how often chance alone, swapping the two runs in whole groups, makes so large a difference; the "
            f"smallest that {groups} groups can reach is {smallest_p(groups):.2g}. That of the question is adjusted by "
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


def _draw(folder: Path, comparison: dict[str, Any]) -> None:
    """Draw the differences with their intervals, the same bytes for the same numbers."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = [row for row in comparison["rows"] if row["how"]]
    with rc_context({"svg.hashsalt": "cenet", "font.size": 8}):
        figure = Figure(figsize=(8, 1 + 0.22 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for height, row in enumerate(rows):
            primary = row["metric"] == comparison["primary"]
            axes.plot([row["low"], row["high"]], [height, height], color="black", linewidth=1.5 if primary else 0.7)
            axes.plot(row["difference"], height, "o", color="black", markerfacecolor="black" if primary else "white")
        labels = [f"{row['run']}: {row['class']}, {metric_title(row['metric'])}" for row in rows]
        axes.set_yticks(range(len(rows)), labels)
        axes.invert_yaxis()
        axes.axvline(0, color="grey", linewidth=0.7, linestyle="--")
        axes.set_xlabel(
            f"difference from {comparison['runs'][0]['name']}, {_spread(comparison['data']['groups'])}; "
            "filled: the question, hollow: exploratory"
        )
        for suffix, metadata in {"svg": {"Date": None}, "png": {"Software": None}}.items():
            with replacing(folder / f"compare.{suffix}") as file:
                figure.savefig(file, format=suffix, dpi=150, metadata=metadata)


def _number(value: float | None, form: str) -> str:
    return "" if value is None or isnan(value) else form.format(value)
