"""Render the README's tables from results/: `python benchmarks/tables.py`; a test fails when they differ."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
FOLDS = "drive-folds-cenet"
FIRST_FOLD = "drive-fold-0"
TRAININGS = {"cenet": "CE-Net", "unet": "U-Net", "paper": "CE-Net, the paper's training"}
PIXELS = {"region": "field of view", "frame": "whole frame", "authors": "the authors' 448x448"}
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


def report(run: str, name: str) -> dict[str, Any]:
    """One committed report."""
    content: dict[str, Any] = json.loads((ROOT / "results" / run / name / "report.json").read_text(encoding="utf-8"))
    return content


def fold_table() -> str:
    """DRIVE, the first of the four folds: networks and trainings side by side, as columns."""
    runs = [(title, report(f"{FIRST_FOLD}/{run}", name)) for run, title in TRAININGS.items() for name in scored(run)]
    lines = [
        "| score | " + " | ".join(f"{title}; {PIXELS[r['protocol']['name']]}, {_views(r)}" for title, r in runs) + " |",
        "|---" * (len(runs) + 1) + "|",
        *[
            f"| {row} | {' | '.join(f'{_value(content, place):.4f}' for _, content in runs)} |"
            for row, place in ROWS.items()
            if "folds" not in place
        ],
    ]
    facts = {
        "parameters": lambda content: f"{content['cost']['parameters'] / 1e6:.1f} M",
        "steps": lambda content: str(content["runs"][0]["steps"]),
        "training, minutes": lambda content: f"{content['cost']['training_seconds'] / 60:.0f}",
        "started from": lambda content: content["runs"][0]["started_from"].split(":")[0],
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


def _value(content: dict[str, Any], place: str) -> float:
    (scores,) = content["classes"].values()
    value: Any = {**scores, "cut": next(iter(scores["cuts"].values()))}  # at the threshold from validation
    for word in place.split():
        value = value[word]
    return value if isinstance(value, float) else value["value"]


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


def commands() -> str:
    """The commands that made the reports."""
    lines = ["```"]
    for folder in sorted(path.name for path in (ROOT / "results" / FOLDS).iterdir()):
        lines += report(FOLDS, folder)["commands"]
    lines += (ROOT / "results" / FIRST_FOLD / "commands.txt").read_text(encoding="utf-8").splitlines()
    return "\n".join([*dict.fromkeys(lines), "```"])


def rendered(text: str) -> str:
    """The text with every table between its markers made anew.

    >>> rendered("no table here")
    'no table here'
    """
    for name, table in {"folds": folds_table, "fold": fold_table, "commands": commands}.items():
        pattern = rf"(<!-- {name}: rendered -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda match, make=table: f"{match[1]}{make()}\n{match[2]}", text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    README.write_text(rendered(README.read_text(encoding="utf-8")), encoding="utf-8")
