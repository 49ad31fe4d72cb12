"""`cenet ablate`: what each part of CE-Net is worth, trained alike on the same folds and compared pair by pair."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.config.recipe_command import format_command
from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError, nearest
from cenet.evaluation.comparison_report import AblationReport
from cenet.evaluation.protocol import check_protocol
from cenet.experiments.ablation_table import compare_variants
from cenet.experiments.cross_validation import cross_validate
from cenet.experiments.fold_splits import check_folds
from cenet.experiments.resume import resumable_experiment
from cenet.inference.device import AnyDevice, to_device_config
from cenet.inference.run import Run
from cenet.inference.run_folder import METADATA, is_unstarted
from cenet.reporting.files import write_ablation_files

CENET = {"network": "cenet", "encoder": "resnet34-preact", "encoder_weights": "bundled", "dac": "atrous", "rmp": True}
CENET_NETWORKS = ("cenet", "cenet-lite")  # whose parts are left out
REFERENCE, RANDOM, VIEWS = "CE-Net", "CE-Net, random start", "CE-Net, with views"
VARIANTS: dict[str, dict[str, Any]] = {  # what each changes in CE-Net; done in this order
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
REFERENCES = {
    title: RANDOM if title == "U-Net" else REFERENCE for title in VARIANTS
}  # the U-Net has no pretrained start


def ablate(
    recipe: Recipe | Path | str,
    data: Path | str,
    *,
    output: Path | str,
    overwrite: bool = False,
    device: AnyDevice = "auto",
    variants: Sequence[str] = (),
    folds: int = 4,
    fold: Sequence[int] = (),
    group_pattern: str | None = None,
    ignore_value: int | None = None,
    protocol: Literal["region", "frame"] = "region",
    deterministic: bool = False,
) -> AblationReport:
    """Cross-validate some of `VARIANTS` into `OUTPUT/VARIANT`, skipping what is done; then compare all that are there.

    Args:
        recipe: What the variants share, or the name of a recipe; the fields of `CENET` are theirs, but
            with `network="cenet-lite"` they are variants of that network.
        data: The folder, laid out as the recipe's task says.
        output: The folder to make or to resume; it gets `ablation.json` and `ablation.md`.
        overwrite: As for `cross_validate`.
        device: What computes: `auto`, `cpu`, `cuda` or `mps`, or a whole configuration.
        variants: Which to do now, by title or folder; none means all.
        folds: As for `cross_validate`, and so are all that follow.
        fold: Numbers of the folds to do now.
        group_pattern: A pattern that finds the group in an image's name.
        ignore_value: The label value of unannotated pixels.
        protocol: What is scored; `authors` always takes eight views.
        deterministic: Only algorithms that sum alike every time.

    Returns:
        The report, which `ablation.json` in `output` holds.

    Raises:
        CenetError: As `cross_validate`; or there is no such variant.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str | Path) else recipe
    data, output = Path(data), Path(output)
    check_folds(fold, folds)
    check_protocol(protocol, recipe)
    titles = [_find_title(name) for name in variants] or list(VARIANTS)
    recipes = build_variant_recipes(recipe)
    same = {title for title in VARIANTS if recipes[title] == recipes[REFERENCE]}  # by another name, or by its views
    folders = {title: output / _slug(REFERENCE if title in same else title) for title in VARIANTS}
    written = OutputFolder(output, verb="ablate", overwrite=overwrite)
    written.check(["ablation.json", "ablation.md"])
    runs = {folders[title] / f"fold-{number}" for title in titles for number in fold or range(folds)}
    begun = [run for run in runs if (run / METADATA).exists() and not is_unstarted(run)]
    done = sum(Run(run).facts.finished for run in begun)
    settings: dict[str, Any] = {"group_pattern": group_pattern, "ignore_value": ignore_value, "folds": folds}
    with resumable_experiment(output, recipe, **settings):
        device = to_device_config(device)
        print(f"{len(runs)} trainings for {len(titles)} variants" + (f", of which {done} are done" if done else ""))
        for title in titles:
            print(f"\n{title}")
            cross_validate(
                recipes[title],
                data,
                output=folders[title],
                tta=title == VIEWS,
                overwrite=overwrite,
                device=device,
                fold=fold,
                protocol=protocol,
                deterministic=deterministic,
                **settings,
            )
    command = format_command(recipe, data.name, verb="ablate", output=f"runs/{output.name}", **settings)
    command += (f" --protocol {protocol}" if protocol != "region" else "") + (
        " --deterministic" if deterministic else ""
    )
    reported = {title: (folders[title], title == VIEWS) for title in VARIANTS}
    report = compare_variants(reported, REFERENCES, folds=folds, protocol=protocol, command=command).save(written)
    write_ablation_files(report, overwrite=overwrite)
    return report


def build_variant_recipes(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe of each of `VARIANTS`, which are variants of `cenet`, or of `cenet-lite` if the recipe names it.

    Args:
        recipe: What the variants share.

    >>> build_variant_recipes(load_recipe("drive").replace(network="cenet-lite"))["backbone"].encoder
    'efficientnet-lite0'
    """
    whole = CENET
    if recipe.network == "cenet-lite":
        whole = {**CENET, "network": recipe.network, "encoder": recipe.encoder}
    return {title: recipe.replace(**{**whole, **changes}) for title, changes in VARIANTS.items()}


def _find_title(name: str) -> str:
    """The title of a variant, which may be named by its folder."""
    titles = {_slug(title): title for title in VARIANTS}
    slug = _slug(name)
    if slug in titles:
        return titles[slug]
    near = nearest(slug, titles)
    remedy = f"did you mean {near}?" if near else f"choose from {', '.join(titles)}"
    raise CenetError(f"--variants {name}", "there is no such variant", remedy)


def _slug(title: str) -> str:
    return re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")
