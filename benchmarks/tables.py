"""Render the README's tables from results/: `python benchmarks/tables.py`; a test fails when they differ."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RUNS = {"drive-cenet": "CE-Net", "drive-unet": "U-Net"}
FOLDS = "drive-folds-cenet"
PIXELS = {"region": "field of view", "frame": "whole frame"}
ROWS = {
    "AUC, mean of folds ± sd": "folds auc",
    "AUC, pooled": "pooled auc",
    "AUC, mean of images": "per_image auc",
    "average precision, pooled": "pooled average_precision",
    "Dice, mean of folds ± sd": "folds dice",
    "Dice, pooled": "cut pooled dice",
    "Dice, mean of images": "cut per_image dice",
    "sensitivity, pooled": "cut pooled sensitivity",
    "specificity, pooled": "cut pooled specificity",
    "accuracy, pooled": "cut pooled accuracy",
    "calibration error, pooled": "pooled calibration_error",
    "calibration error, pooled, before calibration": "before_calibration calibration_error",
    "calibration error, within 3 px of edges": "pooled calibration_error_edges",
    "the same before calibration": "before_calibration calibration_error_edges",
}
COLUMNS = {
    "AUC": lambda scores, _: scores["auc_pooled"],
    "AUC per image": lambda scores, _: scores["auc_per_image"]["mean"],
    "average precision": lambda scores, _: scores["average_precision_pooled"],
    "Dice": lambda _, cut: cut["pooled"]["dice"],
    "sensitivity": lambda _, cut: cut["pooled"]["sensitivity"],
    "specificity": lambda _, cut: cut["pooled"]["specificity"],
    "accuracy": lambda _, cut: cut["pooled"]["accuracy"],
}


def report(run: str, name: str) -> dict[str, Any]:
    """One committed report."""
    content: dict[str, Any] = json.loads((ROOT / "results" / run / name / "report.json").read_text(encoding="utf-8"))
    return content


def scores_table() -> str:
    """DRIVE: both networks, both protocols, one view and eight."""
    lines = [
        f"| network | pixels | views | {' | '.join(COLUMNS)} |",
        "|---" * (len(COLUMNS) + 3) + "|",
    ]
    for run, title in RUNS.items():
        for folder in sorted(path.name for path in (ROOT / "results" / run).iterdir()):
            content = report(run, folder)
            (scores,) = content["classes"].values()
            cut = next(iter(scores["cuts"].values()))  # at the threshold from validation
            protocol = PIXELS[content["protocol"]["name"]]
            values = " | ".join(f"{column(scores, cut):.4f}" for column in COLUMNS.values())
            lines.append(f"| {title} | {protocol} | {content['protocol']['views']} | {values} |")
    return "\n".join(lines)


def folds_table() -> str:
    """DRIVE, every photograph scored by a network that has never met it: figures with their intervals, as columns."""
    reports = [report(FOLDS, path.name) for path in sorted((ROOT / "results" / FOLDS).iterdir())]
    lines = [
        "| score | " + " | ".join(f"{PIXELS[r['protocol']['name']]}, {_views(r)}" for r in reports) + " |",
        "|---" * (len(reports) + 1) + "|",
    ]
    for title, place in ROWS.items():
        cells = []
        for content in reports:
            (scores,) = content["classes"].values()
            score = {**scores, "cut": next(iter(scores["cuts"].values()))}  # at the threshold from validation
            for word in place.split():
                score = score[word]
            cells.append(_cell(score))
        lines.append(f"| {title} | {' | '.join(cells)} |")
    runs = reports[0]["runs"]
    lines += [
        "",
        f"{len(runs)} folds of {reports[0]['data']['groups']} photographs, one a patient; each network: "
        f"{runs[0]['steps']} steps, started from {runs[0]['started_from'].split(',')[0]}, seed {runs[0]['seed']}. In "
        f"brackets 95 % intervals: {reports[0]['classes']['vessel']['pooled']['auc']['how']} for pooled figures, "
        "t for means.",
    ]
    return "\n".join(lines)


def _views(content: dict[str, Any]) -> str:
    views = content["protocol"]["views"]
    return f"{views} view{'s' * (views > 1)}"


def _cell(score: dict[str, Any] | float) -> str:
    if isinstance(score, float):
        return f"{score:.4f}"
    if "values" in score:  # of folds
        return f"{score['value']:.4f} ± {score['sd']:.4f}"
    return f"{score['value']:.4f} ({score['low']:.4f} to {score['high']:.4f})"


def runs_table() -> str:
    """How each network began, what it took, and what validation chose."""
    cost = json.loads((ROOT / "results" / "cost.json").read_text(encoding="utf-8"))
    lines = [
        "| network | parameters | started from | steps | seconds a step | epoch | threshold | validation Dice |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run, title in RUNS.items():
        facts = report(run, "region")["run"]
        lines.append(
            f"| {title} | {facts['parameters'] / 1e6:.1f} M | {facts['started_from'].split(',')[0]} | {facts['steps']} "
            f"| {cost['rows'][title]['seconds_per_step']:.2f} | {facts['epoch']} | {facts['threshold']:g} "
            f"| {facts['validation_dice']:.4f} |"
        )
    environment, batch = cost["environment"], cost["batch"]
    lines += [
        "",
        f"Seconds: forward and backward of {batch['images']} crops of {batch['side_px']} px, measured in turn on "
        f"{environment['cores']} CPU cores in {environment['precision']} (`{cost['command']}`).",
    ]
    return "\n".join(lines)


def commands() -> str:
    """The commands that made the reports."""
    lines = ["```"]
    for run in (FOLDS, *RUNS):
        for folder in sorted(path.name for path in (ROOT / "results" / run).iterdir()):
            lines += report(run, folder)["commands"]
    return "\n".join([*dict.fromkeys(lines), "```"])


def rendered(text: str) -> str:
    """The text with every table between its markers made anew.

    >>> rendered("no table here")
    'no table here'
    """
    for name, table in {"folds": folds_table, "scores": scores_table, "runs": runs_table, "commands": commands}.items():
        pattern = rf"(<!-- {name}: rendered -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda match, make=table: f"{match[1]}{make()}\n{match[2]}", text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    README.write_text(rendered(README.read_text(encoding="utf-8")), encoding="utf-8")
