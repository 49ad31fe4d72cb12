"""Render the tables of README and docs/results.md: `python benchmarks/tables.py`; a test fails when they differ."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cenet.evaluation.comparison_report import AblationReport, ComparisonReport
from cenet.evaluation.report import EvaluationReport, Score
from cenet.evaluation.report_files import load_evaluation
from cenet.metrics import partition

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (README, ROOT / "docs" / "results.md")
FOLDS = "drive-folds-cenet"
FIRST_FOLD = "drive-fold-0"
TRAININGS = {"cenet": "CE-Net", "unet": "U-Net", "paper": "CE-Net, the paper's training"}
PIXELS = {"region": "field of view", "frame": "whole frame", "authors": "the authors' 448x448"}


class Place(NamedTuple):
    """Where a score stands in a report.

    Args:
        average: `pooled`, `per_image`, `folds` or `before_calibration`.
        metric: Its key.
        part: The class, or the part of a task's metric; empty where there is one class.
    """

    average: str
    metric: str
    part: str = ""


ROWS = {
    "AUC, mean of folds ± sd": Place("folds", "auc"),
    "AUC, pooled": Place("pooled", "auc"),
    "AUC, mean of images": Place("per_image", "auc"),
    "average precision, pooled": Place("pooled", "average_precision"),
    "Dice, mean of folds ± sd": Place("folds", "dice"),
    "Dice, pooled": Place("pooled", "dice"),
    "Dice, mean of images": Place("per_image", "dice"),
    "sensitivity, pooled": Place("pooled", "sensitivity"),
    "specificity, pooled": Place("pooled", "specificity"),
    "accuracy, pooled": Place("pooled", "accuracy"),
    "calibration error, pooled": Place("pooled", "calibration_error"),
    "calibration error, pooled, before calibration": Place("before_calibration", "calibration_error"),
    "calibration error, within 3 px of edges": Place("pooled", "calibration_error_edges"),
    "the same before calibration": Place("before_calibration", "calibration_error_edges"),
}

SETS = {"disc": "Drishti-GS1", "lung": "Kaggle lungs", "cells": "ISBI 2012", "oct": "eight layers"}
FIGURES = {  # of the tasks: what, where in which report, our aim, and the paper's number on the paper's images
    "E of the disc": (
        "disc",
        Place("per_image", "overlap_error", "disc"),
        "0.06 or less",
        "0.058 (ORIGA), 0.051 (Messidor)",
    ),
    "E of the cup": ("disc", Place("per_image", "overlap_error", "cup"), "", ""),
    "Dice of the disc": ("disc", Place("per_image", "dice", "disc"), "", ""),
    "HD95 of the disc, px": ("disc", Place("per_image", "hd95", "disc"), "", ""),
    "cup-to-disc ratio, error": ("disc", Place("per_image", "cup_to_disc_error"), "", ""),
    "localiser's hit rate": ("disc", Place("per_image", "found"), "", ""),
    "E": ("lung", Place("per_image", "overlap_error", "lung"), "0.05 or less", "0.038"),
    "accuracy": ("lung", Place("per_image", "accuracy", "lung"), "", "0.990"),
    "sensitivity": ("lung", Place("per_image", "sensitivity", "lung"), "", ""),
    "HD95, px": ("lung", Place("per_image", "hd95"), "", ""),
    "V_Rand, best of all thresholds, 8 views": (
        "cells-tta",
        Place("pooled", "v_rand_maximum"),
        "0.97 or more",
        "0.9743",
    ),
    "V_Info, best of all thresholds, 8 views": (
        "cells-tta",
        Place("pooled", "v_info_maximum"),
        "0.98 or more",
        "0.9878",
    ),
    "V_Rand, validation threshold, 8 views": ("cells-tta", Place("pooled", "v_rand"), "", ""),
    "V_Info, validation threshold, 8 views": ("cells-tta", Place("pooled", "v_info"), "", ""),
    "V_Rand, best of all thresholds, 1 view": ("cells", Place("pooled", "v_rand_maximum"), "", ""),
    "boundary error, px": ("oct", Place("per_image", "boundary_error"), "2 or less", "1.68 (Topcon, 12 classes)"),
    "thickness error, px": ("oct", Place("per_image", "thickness_error"), "", ""),
}
LEGEND = "\n\nIn brackets 95 % intervals: bootstrap over the groups for pooled figures, t for means."
OVERLAPS = {
    "AUC, pooled": Place("pooled", "auc"),
    "average precision, pooled": Place("pooled", "average_precision"),
    "Dice, mean of images": Place("per_image", "dice"),
    "sensitivity, pooled": Place("pooled", "sensitivity"),
    "specificity, pooled": Place("pooled", "specificity"),
}
LUNGS = {
    "E, mean of images": Place("per_image", "overlap_error"),
    "Dice, mean of images": Place("per_image", "dice"),
    "sensitivity, mean of images": Place("per_image", "sensitivity"),
}


def report(*folders: str) -> EvaluationReport:
    """One committed report."""
    return EvaluationReport.load(ROOT.joinpath("results", *folders))


def score_at(content: EvaluationReport, place: Place) -> Score:
    """The score that stands at a place: of a metric of the task, of a class's probabilities, or of its first mask."""
    for each in content.task_metrics:
        if (each.metric, each.part) == (place.metric, place.part):
            return getattr(each, place.average)
    (of_class,) = [each for each in content.classes if place.part in ("", each.name)]
    if place.average == "before_calibration":
        return Score(value=of_class.before_calibration[place.metric])
    if place.average == "folds":
        return of_class.folds[place.metric]
    first = of_class.thresholds[0]
    return {**getattr(of_class, place.average), **getattr(first, place.average)}[place.metric]


def tasks_table() -> str:
    """The other tasks, each image scored by a network that has never met it."""
    lines = ["| task | figure | every image out of fold | aim | the paper, on its images |", "|---|---|---|---|---|"]
    sets = {}
    for title, (folder, place, aim, paper) in FIGURES.items():
        content, task = report("tasks", folder), folder.removesuffix("-tta")
        score, sets[task] = score_at(content, place), f"{task}: {SETS[task]}, {content.data.groups} groups"
        spread = "" if place.average == "pooled" else f" ± {score.sd:.{_digits(score)}f}"
        value = f"{score.value:.{_digits(score)}f}{spread} ({_ends(score)})"
        lines.append(f"| {task} | {title} | {value} | {aim} | {paper} |")
    told = f"In brackets 95 % intervals by t over the groups; of few groups their range. {'; '.join(sets.values())}."
    return "\n".join([*lines, "", told])


def blocks_table() -> str:
    """The cells' figure if each network had its own best threshold, as one has whose test is by one network alone."""
    task_metrics = load_evaluation(ROOT / "results" / "tasks" / "cells-tta").task_metrics
    assert task_metrics is not None  # cells have them
    cells, groups = task_metrics.cells[:, 1:], np.array(task_metrics.groups)  # (slices, thresholds, statistics)
    lines = ["| thresholds | V_Rand | V_Info |", "|---|---|---|"]
    for title, parts in (("one for all blocks", [np.ones(len(groups), bool)]), ("one for each block", _each(groups))):
        figures = []
        for metric in (partition.v_rand, partition.v_info):
            chosen = [cells[part][:, int(metric(cells[part].mean(axis=0)).argmax())] for part in parts]
            figures.append(f"{float(metric(np.concatenate(chosen).mean(axis=0))):.4f}")
        lines.append(f"| {title} | {' | '.join(figures)} |")
    return "\n".join(lines)


def _each(groups: Any) -> list[Any]:
    return [groups == group for group in np.unique(groups)]


def transfer_table() -> str:
    """Vessels on sets that the network has not been trained on."""
    runs = {"DRIVE to CHASE_DB1": "vessels-on-chase", "phantoms to DRIVE": "phantoms-on-drive"}
    return _side_by_side({title: report("transfer", run) for title, run in runs.items()}, OVERLAPS) + LEGEND


def start_table() -> str:
    """Random start beside the pretrained encoder, on the lungs; that of DRIVE is among the ablations."""
    runs = {"bundled encoder": ("tasks", "lung"), "random start": ("random-start", "lung")}
    comparison = ComparisonReport.load(ROOT / "results" / "random-start")
    row = next(row for row in comparison.rows if row.difference and row.metric == comparison.primary)
    assert row.difference  # it was chosen so
    interval = f"{row.difference.low:+.4f} to {row.difference.high:+.4f}"
    sentence = f"The difference in E is {row.difference.value:+.4f} ({interval}, p = {row.p:.1g})."
    return _side_by_side({title: report(*run) for title, run in runs.items()}, LUNGS) + f"{LEGEND} {sentence}"


def _side_by_side(reports: dict[str, EvaluationReport], rows: dict[str, Place]) -> str:
    lines = ["| score | " + " | ".join(reports) + " |", "|---" * (len(reports) + 1) + "|"]
    for title, place in rows.items():
        cells = [_cell(content, place) for content in reports.values()]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ablation_table() -> str:
    """The ablations as `cenet ablate` tells them."""
    return (ROOT / "results" / "drive-ablation" / "ablation.md").read_text(encoding="utf-8").strip()


def task_commands() -> str:
    """The commands that made the reports of tasks, transfers, random start and ablations."""
    places = sorted(path.parent for part in ("tasks", "transfer", "random-start") for path in _reports(part))
    lines = [line for place in places for line in report(*place.relative_to(ROOT / "results").parts).commands]
    ablation = AblationReport.load(ROOT / "results" / "drive-ablation")
    start = ComparisonReport.load(ROOT / "results" / "random-start")
    return "\n".join(["```", *dict.fromkeys([*lines, start.command, ablation.command]), "```"])


def _reports(part: str) -> list[Path]:
    return list((ROOT / "results" / part).rglob("report.json"))


def _digits(score: Score) -> int:
    return 2 if score.value > 1 else 4


def _ends(score: Score) -> str:
    ranged = "range " if score.method.startswith("range") else ""
    return f"{ranged}{score.low:.{_digits(score)}f} to {score.high:.{_digits(score)}f}"


def fold_table() -> str:
    """DRIVE, the first of the four folds: networks and trainings side by side, as columns."""
    runs = [(title, report(f"{FIRST_FOLD}/{run}", name)) for run, title in TRAININGS.items() for name in scored(run)]
    lines = [
        "| score | " + " | ".join(f"{title}; {PIXELS[r.protocol.name]}, {_views(r)}" for title, r in runs) + " |",
        "|---" * (len(runs) + 1) + "|",
        *[
            f"| {row} | {' | '.join(f'{score_at(content, place).value:.4f}' for _, content in runs)} |"
            for row, place in ROWS.items()
            if place.average != "folds"
        ],
    ]
    facts = {
        "parameters": lambda content: f"{content.cost.parameters / 1e6:.1f} M",
        "steps": lambda content: str(content.runs[0].steps),
        "training, minutes": lambda content: f"{content.cost.training_seconds / 60:.0f}",
        "started from": lambda content: content.runs[0].started_from.split(":")[0],
    }
    lines += [f"| {name} | {' | '.join(told(content) for _, content in runs)} |" for name, told in facts.items()]
    cost = json.loads((ROOT / "results" / "cost.json").read_text(encoding="utf-8"))
    seconds = [f"{title} {row['seconds_per_step']:.2f}" for title, row in cost["rows"].items()]
    batch, environment = cost["batch"], cost["environment"]
    lines += [
        "",
        f"Trained on one core. Side by side on {environment['cores']} cores in {environment['precision']}, seconds "
        f"for the forward and backward pass of {batch['images']} crops of {batch['side_px']} px: {', '.join(seconds)} "
        f"(`{cost['command']}`).",
    ]
    return "\n".join(lines)


def scored(run: str) -> list[str]:
    """The protocols by which a run of the first fold was scored."""
    return sorted(path.parent.name for path in (ROOT / "results" / FIRST_FOLD / run).glob("*/report.json"))


def folds_table() -> str:
    """DRIVE, every photograph scored by a network that has never met it: figures with their intervals, as columns."""
    reports = [report(FOLDS, path.name) for path in sorted((ROOT / "results" / FOLDS).iterdir())]
    lines = [
        "| score | " + " | ".join(f"{PIXELS[r.protocol.name]}, {_views(r)}" for r in reports) + " |",
        "|---" * (len(reports) + 1) + "|",
    ]
    for title, place in ROWS.items():
        cells = [_cell(content, place) for content in reports]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    first = reports[0]
    runs = first.runs
    lines += [
        "",
        f"{len(runs)} folds of {first.data.groups} photographs, one a patient; each network: "
        f"{runs[0].steps} steps, started from {runs[0].started_from.split(',')[0]}, seed {runs[0].seed}. In "
        f"brackets 95 % intervals: {first.classes[0].pooled['auc'].method} for pooled figures, "
        "t for means.",
    ]
    return "\n".join(lines)


def _views(content: EvaluationReport) -> str:
    return f"{content.protocol.views} view" + ("s" if content.protocol.views > 1 else "")


def _cell(content: EvaluationReport, place: Place) -> str:
    score = score_at(content, place)
    if place.average == "before_calibration":
        return f"{score.value:.4f}"
    if place.average == "folds":
        return f"{score.value:.4f} ± {score.sd:.4f}"
    return f"{score.value:.4f} ({score.low:.4f} to {score.high:.4f})"


def commands() -> str:
    """The commands that made the reports."""
    lines = ["```"]
    for folder in sorted(path.name for path in (ROOT / "results" / FOLDS).iterdir()):
        lines += report(FOLDS, folder).commands
    lines += (ROOT / "results" / FIRST_FOLD / "commands.txt").read_text(encoding="utf-8").splitlines()
    return "\n".join([*dict.fromkeys(lines), "```"])


TABLES = {
    "folds": folds_table,
    "fold": fold_table,
    "commands": commands,
    "tasks": tasks_table,
    "blocks": blocks_table,
    "transfer": transfer_table,
    "start": start_table,
    "ablation": ablation_table,
    "task-commands": task_commands,
}


def rendered(text: str) -> str:
    """The text with every table between its markers made anew.

    >>> rendered("no table here")
    'no table here'
    """
    for name, table in TABLES.items():
        pattern = rf"(<!-- {name}: rendered -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda match, make=table: f"{match[1]}{make()}\n{match[2]}", text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(rendered(page.read_text(encoding="utf-8")), encoding="utf-8")
