"""What a report says of a run: its recipe, its weights, how they were learnt, and how to learn them again."""

import csv
import json
from pathlib import Path
from typing import Any

from cenet.errors import CenetError
from cenet.inference.run import Run


def summarise_run(run: Run) -> dict[str, Any]:
    """What a report says of a run that it scores.

    Args:
        run: The run.

    Raises:
        CenetError: Its curve or its environment is torn.
    """
    facts, recipe = run.facts, run.recipe
    split, rows, environment = run.split, _curve(run.path / "curve.csv"), _environment(run.path / "environment.json")
    return {
        "name": run.path.name,
        "recipe": recipe.name,
        "network": recipe.network,
        "parameters": sum(parameter.numel() for parameter in run.network().parameters()),
        "started_from": facts.started_from,
        "seed": recipe.seed,
        "steps": int(rows[-1]["step"]) if rows else None,
        "epoch": facts.epoch,
        "thresholds": list(facts.thresholds),
        "calibration": [list(pair) for pair in facts.calibration],
        "validation_dice": facts.validation_dice,
        "unverified": list(recipe.unverified),
        "settings": {**recipe.model_dump(mode="json"), "encoder_weights": Path(recipe.encoder_weights).name},
        "labels": facts.labels.describe() if facts.labels else None,
        "split": {part: len(names) for part, names in split.parts.items()} if split else None,
        "class_share": dict(zip(facts.classes, facts.shares, strict=False)),
        "environment": environment,
        "curve": rows,
        "test_scored": facts.test_scored,
        "command": facts.command,
    }


def _curve(path: Path) -> list[dict[str, str]]:
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []
        for row in rows:
            int(row["step"]), float(row["seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CenetError(path, "is not what cenet writes", "copy the run folder again") from error
    return rows


def _environment(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    except (OSError, ValueError) as error:
        raise CenetError(path, "is not what cenet writes", "copy the run folder again") from error
