"""`cenet ablate`: what each part of CE-Net is worth, trained alike on the same folds and compared pair by pair."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from cenet.config.presets import format_command
from cenet.config.recipe import Recipe
from cenet.data.io.files import check_writable
from cenet.errors import CenetError
from cenet.evaluation.comparison_report import AblationReport
from cenet.evaluation.protocol import check_protocol
from cenet.experiments.ablation_table import compare_variants
from cenet.experiments.cross_validation import check_folds, cross_validate
from cenet.experiments.resume import resumable_experiment
from cenet.inference.device import DeviceConfig
from cenet.inference.run import Run
from cenet.reporting.files import write_ablation_files

CENET = {"network": "cenet", "encoder": "resnet34-preact", "encoder_weights": "bundled", "dac": "atrous", "rmp": True}
REFERENCE, RANDOM, VIEWS = "CE-Net", "CE-Net, random start", "CE-Net, with views"
ROWS: dict[str, dict[str, Any]] = {  # what each changes in CE-Net; done in this order
    REFERENCE: {},
    VIEWS: {},  # the same networks, scored with every flip and turn
    "backbone": {"dac": None, "rmp": False},
    "backbone + DAC": {"rmp": False},
    "backbone + RMP": {"dac": None},
    "DAC without atrous": {"dac": "regular"},
    "DAC like Inception-ResNet": {"dac": "inception-resnet"},
    "CE-Net, Dice loss": {"loss": "dice"},
    "CE-Net, cross-entropy": {"loss": "cross-entropy"},
    RANDOM: {"encoder_weights": "none"},
    "U-Net": {"network": "unet", "encoder_weights": "none"},
}
REFERENCES = {title: RANDOM if title == "U-Net" else REFERENCE for title in ROWS}  # the U-Net has no pretrained start


def ablate(
    recipe: Recipe,
    data: Path,
    *,
    output: Path,
    machine: DeviceConfig,
    variants: Sequence[str] = (),
    folds: int = 4,
    fold: Sequence[int] = (),
    group_pattern: str | None = None,
    ignore_value: int | None = None,
    protocol: Literal["region", "frame"] = "region",
    deterministic: bool = False,
) -> AblationReport:
    """Cross-validate variants of `ROWS` into `OUTPUT/ROW`, skipping what is done; then compare all that are there.

    Args:
        recipe: What the variants share; the fields of `CENET` are theirs.
        data: The folder, laid out as the recipe's task says.
        output: The folder to make, or to go on with; it gets `ablation.json` and `ablation.md`.
        machine: What computes.
        variants: Which to do now, by title or folder; none means all.
        folds: As for `cross_validate`, and so are all that follow.
        fold: Numbers of the folds to do now.
        group_pattern: A pattern that finds the group in an image's name.
        ignore_value: The label value of pixels that nobody drew.
        protocol: What is scored; `authors` always takes eight views.
        deterministic: Only algorithms that sum alike every time.

    Returns:
        The report, which `ablation.json` in `output` holds.

    Raises:
        CenetError: As `cross_validate`; or there is no such row.
    """
    check_folds(fold, folds)
    check_protocol(protocol, recipe)
    titles = [_named(row) for row in variants] or list(ROWS)
    recipes = {title: recipe.replace(**{**CENET, **changes}) for title, changes in ROWS.items()}
    same = {title for title in ROWS if recipes[title] == recipes[REFERENCE]}  # by another name, or by its views
    places = {title: output / _slug(REFERENCE if title in same else title) for title in ROWS}
    check_writable(output)
    runs = {places[title] / f"fold-{number}" for title in titles for number in fold or range(folds)}
    done = sum((run / "run.json").exists() and Run(run).facts.finished for run in runs)
    given: dict[str, Any] = {"group_pattern": group_pattern, "ignore_value": ignore_value, "folds": folds}
    options: dict[str, Any] = {"machine": machine, "fold": fold, "protocol": protocol, "deterministic": deterministic}
    with resumable_experiment(output, recipe, **given):
        print(f"{len(runs)} trainings for {len(titles)} variants" + f", of which {done} are done" * (done > 0))
        for title in titles:
            print(f"\n{title}")
            cross_validate(recipes[title], data, output=places[title], tta=title == VIEWS, **given, **options)
    command = format_command(recipe, data.name, verb="ablate", output=f"runs/{output.name}", **given)
    command += f" --protocol {protocol}" * (protocol != "region") + " --deterministic" * deterministic
    reported = {title: (places[title], title == VIEWS) for title in ROWS}
    report = compare_variants(reported, REFERENCES, folds=folds, protocol=protocol, command=command).save(output)
    write_ablation_files(report)
    return report


def _named(row: str) -> str:
    """The title of a row, which may be named by its folder."""
    names = {_slug(title): title for title in ROWS}
    if (name := _slug(row)) in names:
        return names[name]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(names)}"
    raise CenetError(f"--variants {row}", "there is no such row", hint)


def _slug(title: str) -> str:
    return re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")
