"""Render what was tried: networks in the same time, and changes of the recipes."""

import json
from itertools import compress
from typing import Any, NamedTuple

from table_rows import RESULTS, Place, report, score_at
from tabulate import tabulate

TASKS = {"drive": "DRIVE", "lung": "Lungs in CT"}
HEADER = (
    "method",
    "parameters",
    "minutes",
    "rate",
    "steps",
    "validation Dice",
    "AUC",
    "AUC of the frame",
    "Dice",
    "E",
    "cenet-lite was there after",
)
REFERENCE = "cenet-lite"
MAX_NAMED = 6  # images of a split that are named


class Trial(NamedTuple):
    """A change of a training, judged by one score.

    Args:
        change: In words.
        images: On which it was judged.
        score: Its name.
        place: Where it stands in both reports.
        before: The report without the change.
        after: The report with it.
        outcome: What was done with the change, and what else differs.
    """

    change: str
    images: str
    score: str
    place: Place
    before: str
    after: str
    outcome: str


DICE, OVERLAP_ERROR = Place("per_image", "dice"), Place("per_image", "overlap_error")
TRIALS = (
    Trial(
        "the slim network for the whole, in 300 steps of each",
        "DRIVE, first fold",
        "Dice",
        DICE,
        "drive-fold-0/cenet/region",
        "drive-fold-0/cenet-lite/region",
        "kept, for its speed",
    ),
    Trial(
        "the average of the weights, clipped gradients, any rotation, more light and colour, 600 steps",
        "DRIVE, first fold",
        "Dice",
        DICE,
        "drive-fold-0/cenet-lite/region",
        "drive-fold-0/cenet-lite-600-steps/region",
        "kept: `vessels-lite`",
    ),
    Trial(
        "1000 steps in place of 600",
        "DRIVE, CHASE_DB1 and HRF, four folds",
        "Dice",
        DICE,
        "vessels-folds-600-steps",
        "vessels-folds-1000-steps",
        "kept: `vessels` 1.2",
    ),
    Trial(
        "2500 steps in place of 1000",
        "DRIVE, CHASE_DB1 and HRF, four folds",
        "Dice",
        DICE,
        "vessels-folds-1000-steps",
        "vessels-folds",
        "kept: `vessels` 1.4; 51 of 63 photographs gain, by AUC 62",
    ),
    Trial(
        "an image skip, on photographs of their own size, 500 steps, both with shading",
        "DRIVE, first fold",
        "Dice",
        DICE,
        "trials/own-size",
        "trials/own-size-image-skip",
        "an option: `--use-image-skip`; four of the five photographs gain, one loses 0.0002",
    ),
    Trial(
        "1500 steps in place of 500, with the image skip, at their own size",
        "DRIVE, first fold",
        "Dice",
        DICE,
        "trials/own-size-image-skip",
        "trials/own-size-1500-steps",
        "not taken: two of five gain clearly, the one with atrophy loses as much",
    ),
    Trial(
        "an image skip, and shading in training, 1000 steps",
        "DRIVE, CHASE_DB1 and HRF, first fold",
        "Dice",
        DICE,
        "trials/vessels",
        "trials/vessels-image-skip",
        "not taken: at twice the size of DRIVE the skip adds nothing",
    ),
    Trial(
        "900 steps in place of 300",
        "lungs, three folds",
        "E",
        OVERLAP_ERROR,
        "lung-folds",
        "trials/lungs-900-steps",
        "not taken: 128 of 170 slices gain (median 0.024 to 0.020), but two dense lungs are no longer found",
    ),
    Trial(
        "an image skip",
        "lungs, first fold",
        "E",
        OVERLAP_ERROR,
        "trials/lungs",
        "trials/lungs-image-skip",
        "not taken",
    ),
    Trial(
        "eight views in place of one",
        "DRIVE, four folds",
        "Dice",
        DICE,
        "drive-folds-cenet/region",
        "drive-folds-cenet/region-tta",
        "left to the user: `--tta` takes eight times as long",
    ),
    Trial(
        "drawn photographs in place of real ones of another set",
        "CHASE_DB1",
        "Dice",
        DICE,
        "transfer/vessels-on-chase",
        "transfer/vessels-open-on-chase",
        "kept: `vessels-open`; the networks and augmentations differ too",
    ),
    Trial(
        "the slim network at 320 px in place of the whole at 256 px",
        "Drishti-GS1",
        "E of the disc",
        Place("per_image", "overlap_error", "disc"),
        "tasks/disc",
        "disc-folds",
        "kept: `disc-lite`",
    ),
    Trial(
        "the slim network, gaps weighed in the loss, any rotation, 1000 steps instead of 600",
        "ISBI 2012, eight views",
        "V_Rand of the challenge",
        Place("pooled", "v_rand_challenge"),
        "tasks/cells-tta",
        "cells-folds-tta",
        "kept for its speed: `cells-lite`",
    ),
)


def degraded_photographs_table() -> str:
    """What blur, noise and little light cost a fold of `vessels`, after each length of its training."""
    content = json.loads((RESULTS / "degraded_photographs.json").read_text(encoding="utf-8"))
    first, second = content["steps"]
    lines = [f"| photographs | Dice after {first} steps | after {second} steps | difference |", "|---" * 4 + "|"]
    for change, row in content["changes"].items():
        value, low, high = row["difference"]
        cells = f"{row['before']:.3f} | {row['after']:.3f} | {value:+.3f} ({low:+.3f} to {high:+.3f})"
        lines.append(f"| {change} | {cells} |")
    legend = (
        f"The first fold: means of {content['groups']} groups of photographs, of differences with 95 % intervals by t. "
        "Blur: Gaussian, in pixels; of HRF, whose photographs are 3504 px wide, four times as many."
    )
    return "\n".join([*lines, "", legend])


def trials_table() -> str:
    """What was changed in the recipes, the score without and with it, and what was done with the change."""
    rows = []
    for trial in TRIALS:
        before, after = (score_at(report(folder), trial.place).value for folder in (trial.before, trial.after))
        rows.append([trial.change, trial.images, trial.score, f"{before:.4f}", f"{after:.4f}", trial.outcome])
    header = ["change", "images", "score", "without", "with", "outcome"]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def format_accuracy(content: dict[str, Any]) -> str:
    """What each method reaches in each budget, as Markdown.

    Args:
        content: Of a file in results/time-to-accuracy.
    """
    courses = [training["validation"] for training in content["methods"].get(REFERENCE, {}).get("budgets", ())]
    rows = [
        [method, *_format_training(training), "" if method == REFERENCE else _compare_times(training, courses)]
        for method, result in content["methods"].items()
        for training in result["budgets"]
    ]
    filled = [any(row[column] for row in rows) for column in range(len(HEADER))]  # where there is no frame, no column
    table = [list(compress(row, filled)) for row in rows]
    return tabulate(table, list(compress(HEADER, filled)), tablefmt="github", disable_numparse=True)


def _compare_times(training: dict[str, Any], courses: list[list[tuple[float, float]]]) -> str:
    """When the reference first had the validation Dice that a training ended with, and how many times as fast."""
    if not training["steps"]:
        return ""
    seconds, target = training["validation"][-1]
    reached = [second for course in courses for second, value in course if value >= target]
    return f"{min(reached) / 60:.1f} min, {seconds / min(reached):.1f} times as fast" if reached else "not reached"


def _format_training(training: dict[str, Any]) -> list[str]:
    minutes, rate = f"{training['minutes']:g}", f"{training['learning_rate']:g}"
    if not training["steps"]:
        return ["", minutes, rate, "no time for a step", "", "", "", "", ""]
    scores = training["held_out"]
    return [
        f"{training['parameters'] / 1e6:.1f} M",
        minutes,
        rate,
        str(training["steps"]),
        f"{training['validation'][-1][1]:.4f}",
        f"{scores['auc']:.4f}",
        f"{scores['frame_auc']:.4f}" if "frame_auc" in scores else "",
        f"{scores['dice']:.4f}",
        f"{scores['overlap_error']:.4f}",
    ]


def accuracy_tables() -> str:
    """The table of each task with its command and its machine, for docs/results.md."""
    sections = []
    for task, title in TASKS.items():
        path = RESULTS / "time-to-accuracy" / f"{task}.json"
        if not path.exists():
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        environment = content["environment"]
        trained = f"On one core, {environment['precision']}, {environment['precision_reason']}"
        notes = f"{_format_split(content['split'])}{_format_share(content)} {trained}. `{content['command']}`"
        sections.append(f"**{title}**\n\n{format_accuracy(content)}\n\n{notes}")
    return "\n\n".join(sections)


def _format_split(parts: dict[str, list[str]]) -> str:
    held_out = parts["test"]
    names = f" ({', '.join(held_out)})" if len(held_out) <= MAX_NAMED else ""
    counts = f"{len(parts['train'])} images train, {len(parts['validation'])} validate"
    return f"{counts}, {len(held_out)} are scored{names}: the split of seed 0."


def _format_share(content: dict[str, Any]) -> str:
    """How much of its core a training had, at least; nothing where that was not measured."""
    trainings = [training for method in content["methods"].values() for training in method["budgets"]]
    shares = [training.get("processor_share") for training in trainings if training["steps"]]
    return "" if None in shares else f" Each training had at least {min(shares):.0%} of its core."
