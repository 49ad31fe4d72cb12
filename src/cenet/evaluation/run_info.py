"""What a report says of a run: its recipe, its weights, how it was trained, and how to train it again."""

import csv
import os
from pathlib import Path
from typing import Any

from pydantic import JsonValue, RootModel

from cenet.config.json_files import read_json, read_regular_file
from cenet.errors import CenetError
from cenet.evaluation.report import CurveRow, RunInfo
from cenet.inference.exported import ExportedModel
from cenet.inference.operating_point import choose_operating_point
from cenet.inference.run import Run


class EnvironmentFile(RootModel[dict[str, JsonValue]]):
    """The content of an `environment.json`."""


def describe_exported(model: ExportedModel, *, views: int = 1) -> RunInfo:
    """What a report says of an exported model: what its file says of itself.

    Args:
        model: The model.
        views: Of how many flips and turns its predictions were the mean.
    """
    return _describe(model, views, parameters=model.info.parameters)


def describe_run(run: Run, folder: Path, *, views: int = 1) -> RunInfo:
    """What a report in a folder says of a run.

    Args:
        run: The run.
        folder: Where the report is saved.
        views: Of how many flips and turns its predictions were the mean.

    Raises:
        CenetError: The run's learning curve or environment is corrupted.
    """
    split, curve = run.split, _read_curve(run.path / "curve.csv")
    return _describe(
        run,
        views,
        parameters=sum(parameter.numel() for parameter in run.network().parameters()),
        folder="" if run.model else _relative(run.path, folder),  # a model is where packages are installed
        steps=curve[-1].step if curve else None,
        split={part: len(names) for part, names in split.parts.items()} if split else None,
        environment=_read_environment(run.path / "environment.json"),
        curve=curve,
        command=run.facts.command,
    )


def _describe(run: Run | ExportedModel, views: int, **more: Any) -> RunInfo:
    """What a run folder and an exported model both say, and more that only one of them does."""
    facts, recipe = run.facts, run.recipe
    point = choose_operating_point(facts.operating_points, views)
    return RunInfo(
        name=run.path.name,
        recipe=recipe.name,
        network=recipe.network,
        started_from=facts.started_from,
        seed=recipe.seed,
        epoch=facts.epoch,
        thresholds=point.thresholds or ((0.5,) * recipe.maps if recipe.sigmoid else ()),
        calibration=point.calibration,
        calibration_reason=point.describe_calibration(),
        post_processing="" if point.post_processing.changes_nothing else point.post_processing.describe(),
        validation_dice=facts.validation_dice,
        unverified=recipe.unverified,
        settings={**recipe.model_dump(mode="json"), "encoder_weights": Path(recipe.encoder_weights).name},
        labels=facts.labels.describe() if facts.labels else None,
        class_share=dict(zip(facts.classes, facts.shares, strict=False)),
        test_scored=facts.test_scored,
        **more,
    )


def _read_curve(path: Path) -> tuple[CurveRow, ...]:
    try:
        content = read_regular_file(path, remedy="copy the run folder again") if path.exists() else b""
        rows = list(csv.DictReader(content.decode("utf-8").splitlines()))
        return tuple(
            CurveRow(
                epoch=int(row["epoch"]),
                step=int(row["step"]),
                loss=float(row["loss"]),
                learning_rate=float(row["learning_rate"]),
                validation_dice=float(row["validation_dice"]),
                validation_thresholds=tuple(float(x) for x in row["validation_threshold"].split() if x != "nan"),
                seconds=float(row["seconds"]),
                skipped=int(row["skipped"]),
            )
            for row in rows
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, csv.Error) as error:
        raise CenetError(path, "is not what cenet writes", "copy the run folder again") from error


def _read_environment(path: Path) -> dict[str, JsonValue] | None:
    if not path.exists():
        return None
    return read_json(path, EnvironmentFile, cause="is not what cenet writes", remedy="copy the run folder again").root


def _relative(path: Path, folder: Path) -> str:
    """Where a run is, seen from its report; of one on another drive only the name."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return path.name
