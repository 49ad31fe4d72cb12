"""Render the tables of README, SECURITY.md and docs/results.md; a test fails when they differ."""

import json
import re
from collections import Counter
from functools import partial
from pathlib import Path

from accuracy_tables import accuracy_tables, degraded_photographs_table, trials_table
from int8 import int8_table
from layer_tables import layers_table
from ray_tables import ray_estimate_table, ray_table
from reproduction_tables import reproductions_table
from service_tables import corrections_table, requests_table, service_table
from speed_tables import aims_table, speed_tables
from table_rows import OVERLAPS, ROWS, SETS, SUMMARY_ROWS, TASK_ROWS, Place, report, score_at
from trust_tables import areas_table, degraded_table, expected_dice_table, ranges_table, unfamiliar_table
from window_tables import large_images_table, windows_table

from cenet.evaluation.comparison_report import AblationReport
from cenet.evaluation.report import EvaluationReport, Score
from cenet.reporting.comparison_text import format_ablation
from cenet.reporting.evaluation_text import source_means

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [  # a table is rendered wherever its marker is
    README,
    ROOT / "docs" / "results.md",
    ROOT / "SECURITY.md",
    ROOT / "docs" / "explanation" / "speed.md",
    ROOT / "docs" / "how-to" / "serve.md",
    ROOT / "docs" / "how-to" / "cluster.md",
    ROOT / "docs" / "how-to" / "corrections.md",
    ROOT / "docs" / "how-to" / "predict.md",
    ROOT / "docs" / "reference" / "commands" / "reproduce.md",
]
FOLDS = "drive-folds-cenet"
ABLATIONS = "drive-ablation", "disc-ablation", "lung-ablation"
FIRST_FOLD = "drive-fold-0"
TRAININGS = {"cenet": "CE-Net", "unet": "U-Net", "paper": "CE-Net, the paper's training"}
PIXELS = {"region": "field of view", "frame": "whole frame", "authors": "the authors' 448x448"}
CHOSEN_MARK = " †"
CHOSEN_LEGEND = "† Recipe chosen on these folds: the score is too good by an unknown amount."
LEGEND = "\n\nIn brackets 95 % intervals: bootstrap over the groups for pooled metrics, t for means."


def tasks_table() -> str:
    """The other tasks, each image scored by a network that was not trained on it."""
    lines = ["| task | metric | every image out of fold | target | the paper, on its images |", "|---|---|---|---|---|"]
    sets = {}
    for title, (folder, place, target, paper) in TASK_ROWS.items():
        content, of_folds = report(folder), folder.removesuffix("-tta")
        task = of_folds.removeprefix("tasks/").removesuffix("-folds")
        score, sets[task] = score_at(content, place), f"{task}: {SETS[of_folds]}, {content.data.groups} groups"
        spread = "" if place.average == "pooled" else f" ± {score.sd:.{_digits(score)}f}"
        value = f"{score.value:.{_digits(score)}f}{spread} ({_ends(score)})"
        mark = CHOSEN_MARK if content.notes else ""
        lines.append(f"| {task}{mark} | {title} | {value} | {target} | {paper} |")
    legend = (
        f"{CHOSEN_LEGEND} In brackets 95 % intervals by t over the groups; of few groups their range. "
        f"{'; '.join(sets.values())}."
    )
    return "\n".join([*lines, "", legend])


def summary_table() -> str:
    """One row for each task: what it is judged by, and the paper's number."""
    lines = ["| task | images | metric | score | the paper |", "|---|---|---|---|---|"]
    for task, (folders, images, metric, place, paper) in SUMMARY_ROWS.items():
        content = report(*folders)
        score = score_at(content, place)
        mark = CHOSEN_MARK if content.notes else ""
        value = f"{score.value:.{_digits(score)}f} ({_ends(score)})"
        lines.append(f"| {task}{mark} | {images} | {metric} | {value} | {paper} |")
    return "\n".join([*lines, "", CHOSEN_LEGEND])


def transfer_table() -> str:
    """Vessels on sets that the network has not been trained on."""
    runs = {
        "CE-Net, DRIVE to CHASE_DB1": "vessels-on-chase",
        "CE-Net, 60 phantoms to DRIVE": "phantoms-on-drive",
        "CE-Net lite, phantoms, DRIVE and HRF to CHASE_DB1": "without-chase-on-chase",
        "vessels-open on DRIVE": "vessels-open-on-drive",
        "on CHASE_DB1": "vessels-open-on-chase",
        "on HRF": "vessels-open-on-hrf",
    }
    return _side_by_side({title: report("transfer", run) for title, run in runs.items()}, OVERLAPS) + LEGEND


def together_table() -> str:
    """The vessels of three sets by networks trained on all of them, each set scored apart."""
    content = report("vessels-folds")
    sets = Counter(image.source for image in content.data.images)
    lines = ["| score | " + " | ".join(f"{name}, {count} images" for name, count in sets.items()) + " |"]
    lines.append("|---" * (len(sets) + 1) + "|")
    for title, metric in {"AUC": "auc", "Dice": "dice", "IoU": "iou"}.items():
        cells = [f"{mean.score.value:.4f} ({_ends(mean.score)})" for _, mean in source_means(content, metric)]
        lines.append(f"| {title}, mean of images | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "In brackets 95 % intervals by t over the groups."])


def _side_by_side(reports: dict[str, EvaluationReport], rows: dict[str, Place]) -> str:
    lines = ["| score | " + " | ".join(reports) + " |", "|---" * (len(reports) + 1) + "|"]
    for title, place in rows.items():
        cells = [_cell(content, place) for content in reports.values()]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ablation_table(name: str) -> str:
    """An ablation as `cenet ablate` writes it."""
    return format_ablation(AblationReport.load(ROOT / "results" / name), "markdown")


def task_commands() -> str:
    """The commands that made the reports of tasks, transfers and ablations."""
    places = sorted(
        path.parent
        for part in ("tasks", "disc-folds", "lung-folds", "cells-folds", "cells-folds-tta", "oct-phantoms", "transfer")
        for path in _reports(part)
    )
    lines = [line for place in places for line in report(*place.relative_to(ROOT / "results").parts).commands]
    ablations = [AblationReport.load(ROOT / "results" / name) for name in ABLATIONS]
    return "\n".join(["```", *dict.fromkeys([*lines, *(ablation.command for ablation in ablations)]), "```"])


def _reports(part: str) -> list[Path]:
    return list((ROOT / "results" / part).rglob("report.json"))


def _digits(score: Score) -> int:
    return 2 if score.value > 1 else 4


def _ends(score: Score) -> str:
    ranged = "range " if score.is_range else ""
    return f"{ranged}{score.low:.{_digits(score)}f} to {score.high:.{_digits(score)}f}"


def fold_table() -> str:
    """DRIVE, the first of the four folds: networks and trainings side by side, as columns."""
    runs = [
        (title, report(f"{FIRST_FOLD}/{run}", name)) for run, title in TRAININGS.items() for name in list_protocols(run)
    ]
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
    lines += [
        f"| {name} | {' | '.join(format_fact(content) for _, content in runs)} |" for name, format_fact in facts.items()
    ]
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


def list_protocols(run: str) -> list[str]:
    """The protocols by which a run of the first fold was scored."""
    return sorted(path.parent.name for path in (ROOT / "results" / FIRST_FOLD / run).glob("*/report.json"))


def folds_table() -> str:
    """DRIVE, every photograph scored by a network that was not trained on it: metrics with intervals, as columns."""
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
        f"brackets 95 % intervals: {first.classes[0].pooled['auc'].method} for pooled metrics, "
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


def attacks_table() -> str:
    """What hostile, largest and mutated images came to, as tests/fuzz/fuzz_images.py found it."""
    content = json.loads((ROOT / "results" / "fuzz.json").read_text(encoding="utf-8"))
    header = "| file | tried | read | refused | other outcome | slowest | most memory |"
    lines = [header, "|---|---|---|---|---|---|---|"]
    for title in ("hostile images", "largest images", "mutated images"):
        lines.append(f"| **{title}** | | | | | | |")
        for name, outcomes in content[title].items():
            tried = outcomes["read"] + outcomes["refused"] + len(outcomes["faults"])
            counts = f"{tried:,} | {outcomes['read']:,} | {outcomes['refused']:,} | {len(outcomes['faults'])}"
            lines.append(f"| {name} | {counts} | {outcomes['slowest_s']:.1f} s | {outcomes['peak_mib']:.0f} MiB |")
    environment = ", ".join(f"{name.title()} {version}" for name, version in content["environment"].items())
    return "\n".join([*lines, "", f"`{content['command']}`, on one core with {environment}."])


TABLES = {
    "summary": summary_table,
    "folds": folds_table,
    "fold": fold_table,
    "commands": commands,
    "tasks": tasks_table,
    "transfer": transfer_table,
    "together": together_table,
    "degraded-photographs": degraded_photographs_table,
    **{name: partial(ablation_table, name) for name in ABLATIONS},
    "time-to-accuracy": accuracy_tables,
    "trials": trials_table,
    "reproductions": reproductions_table,
    "task-commands": task_commands,
    "attacks": attacks_table,
    "requests": requests_table,
    "expected-dice": expected_dice_table,
    "degraded": degraded_table,
    "unfamiliar": unfamiliar_table,
    "areas": areas_table,
    "ranges": ranges_table,
    "windows": windows_table,
    "large-images": large_images_table,
    "aims": aims_table,
    "speed": speed_tables,
    "int8": int8_table,
    "layers": layers_table,
    "service": service_table,
    "ray": ray_table,
    "ray-estimate": ray_estimate_table,
    "corrections": corrections_table,
}


def render_page(text: str) -> str:
    """The text with every table between its markers rendered again.

    >>> render_page("no table here")
    'no table here'
    """
    for name, table in TABLES.items():
        pattern = rf"(<!-- {name}: rendered -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda match, make=table: f"{match[1]}{make()}\n{match[2]}", text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(render_page(page.read_text(encoding="utf-8")), encoding="utf-8")
