"""Render what results/expected_dice.json says of the expected Dice and of the ranges of measurements."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"
RESULT, UNFAMILIAR = RESULTS / "expected_dice.json", RESULTS / "unfamiliar_images.json"
SETS = {
    "drive": "DRIVE",
    "chase": "CHASE_DB1",
    "hrf": "HRF",
    "drive + chase + hrf": "these three together",
    "disc": "Drishti-GS1",
    "lung": "finding-lungs",
    "cells": "ISBI 2012",
    "vessels": "drawn photographs",
}
VALUES = {
    "area": "area_px",
    "density": "density_ratio",
    "length": "length_px",
    "mean calibre": "calibre_mean_px",
    "tortuosity": "tortuosity_ratio",
    "fractal dimension": "fractal_dimension",
}


def expected_dice_table() -> str:
    """How the expected Dice ranks masks: of committed reports, and of phantoms, clean and degraded."""
    content = _read()
    lines = [
        "| masks of | images | rank correlation | expected Dice | true Dice | worst fifth, found |",
        "|---" * 6 + "|",
    ]
    lines += [_describe(title, row) for title, row in content["out_of_fold"].items()]
    for model, row in content["phantoms"]["models"].items():
        lines.append(_describe(f"{model} on phantoms, clean and degraded", row))
    legend = (
        "Rank correlation after Spearman, in brackets the 95 % interval of resampled groups. Worst fifth, found: how "
        "many of the fifth of the images with the lowest true Dice are in the fifth with the lowest expected Dice."
    )
    return "\n".join([*lines, "", legend])


def degraded_table() -> str:
    """Expected and true Dice after each change of the phantoms, and how many are called unfamiliar."""
    models = _read()["phantoms"]["models"]
    titles = [f"{model}: {column}" for model in models for column in ("expected", "true", "unfamiliar")]
    lines = ["| phantoms | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for change in next(iter(models.values()))["changes"]:
        cells = []
        for row in (model["changes"][change] for model in models.values()):
            cells += [f"{row['expected']:.3f}", f"{row['true']:.3f}", f"{row['unfamiliar']} of {row['images']}"]
        lines.append(f"| {change} | {' | '.join(cells)} |")
    return "\n".join(lines)


def unfamiliar_table() -> str:
    """How many images of each set are called unfamiliar: unchanged, changed, and those of the other sets."""
    sets = json.loads(UNFAMILIAR.read_text(encoding="utf-8"))["sets"]
    changes = [change for change in sets["drive"]["detected"] if change not in SETS]  # the first is harmless
    titles = ["images", "unchanged", *changes, "least of another set"]
    lines = ["| compared with | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for name, title in SETS.items():
        row = sets[name]
        others = min(share for other, share in row["detected"].items() if other in SETS)
        detected = [row["detected"].get(change) for change in changes]  # colours of grey images are not swapped
        shares = ["" if share is None else f"{share:.0%}".replace("%", " %") for share in (*detected, others)]
        lines.append(f"| {title} | {row['images']} | {row['false_alarms']} | {' | '.join(shares)} |")
    return "\n".join(lines)


def areas_table() -> str:
    """In how many images of committed reports the range holds the true area, and how far areas are off."""
    header = "| area of | images | in the range | width of the range | error of the mask | of the expected area |"
    lines = [header, "|---" * 6 + "|"]
    for title, row in _read()["areas"].items():
        numbers = [f"{row[name]:.0%}".replace("%", " %") for name in ("range", "mask_error", "expected_error")]
        lines.append(f"| {title} | {row['images']} | {row['held']} | {' | '.join(numbers)} |")
    legend = (
        "In the range: images whose true area it holds. Width and errors: medians over the images, as shares of the "
        "true area. Expected area: the sum of the calibrated probabilities."
    )
    return "\n".join([*lines, "", legend])


def ranges_table() -> str:
    """In how many phantoms the range over thresholds, or over the eight views, holds the truth's value."""
    content = _read()["ranges"]
    lines = ["| value | " + " | ".join(content) + " |", "|---" * (len(content) + 1) + "|"]
    for title, name in VALUES.items():
        cells = [f"{row['held'][name]} of {row['images']}" for row in content.values()]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _describe(title: str, row: dict[str, Any]) -> str:
    low, high = row["rank_interval"]
    rank = f"{row['rank_correlation']:.2f} ({low:.2f} to {high:.2f})"
    found = f"{row['worst_fifth_listed']} of {row['worst_fifth']}"
    return f"| {title} | {row['images']} | {rank} | {row['expected']:.3f} | {row['true']:.3f} | {found} |"


def _read() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return content
