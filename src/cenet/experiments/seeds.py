"""`cenet train --seeds`: the same training several times, to see how much of a score is chance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cenet.config.recipe import Recipe
from cenet.data.io.files import check_writable
from cenet.data.io.locks import file_lock
from cenet.data.splits import Split
from cenet.errors import CenetError
from cenet.experiments.resume import checksums, resumable_experiment, train_or_resume
from cenet.inference.run import Run
from cenet.inference.run_folder import SPLIT
from cenet.models.installed import resolve_run


def train_seeds(
    recipe: Recipe, data: Path, *, seeds: int, output: Path, minutes: float | None = None, **options: Any
) -> list[Run]:
    """Train a recipe with several seeds on one split, into `OUTPUT/seed-N`; finished seeds are skipped.

    Args:
        recipe: Its own seed is the first, and draws the split.
        data: The folder of images.
        seeds: Number of seeds.
        output: The folder to make or to continue.
        minutes: A time budget for the first seed; the others train for as many steps.
        options: As for `cenet.training.train.train`.

    Returns:
        The run of each seed.

    Raises:
        CenetError: As `cenet.training.train.train`; fewer than two seeds are asked for, or the folder holds
            something else.
    """
    if seeds < 2:
        raise CenetError(f"--seeds {seeds}", "a spread takes two or more", "leave it out to train once")
    check_writable(output)
    names = ("group_pattern", "ignore_value", "splits", "init_from")
    settings = {name: options.get(name) for name in names} | {"minutes": minutes}
    settings = {name: _name(value) for name, value in settings.items()}
    split, init_from, runs = options.pop("splits", None), options.get("init_from"), list[Run]()
    started = checksums(init_from=resolve_run(init_from) if init_from else None, splits=split)
    with resumable_experiment(output, recipe, **settings, **started):
        for seed in range(recipe.seed, recipe.seed + seeds):
            folder = output / f"seed-{seed}"
            busy = CenetError(folder, "another process trains this seed", "wait for its end, or stop it")
            with file_lock(output / f".{folder.name}.lock", busy):
                run = train_or_resume(recipe.replace(seed=seed), data, folder, splits=split, minutes=minutes, **options)
            # the others take the split of the first, and the steps that were planned for it
            recipe, split, minutes = run.recipe.replace(seed=recipe.seed), run.split, None
            runs.append(run)
    return runs


def _name(value: Any) -> Any:
    """What is recorded of an option: of a path its name, of a split that of the file that a run has it in."""
    return value.name if isinstance(value, Path) else SPLIT if isinstance(value, Split) else value


def format_seed_spread(runs: Sequence[Run]) -> str:
    """Write how far the validation Dice of several seeds differ: mean, standard deviation, and each."""
    scores = [run.facts.validation_dice for run in runs if run.facts.validation_dice is not None]
    if len(scores) < len(runs):
        return f"{len(runs)} seeds were trained without validation images: score each with cenet evaluate"
    mean, sd, values = np.mean(scores), np.std(scores, ddof=1), ", ".join(f"{score:.4f}" for score in scores)
    return f"validation Dice of {len(runs)} seeds: {mean:.4f} ± {sd:.4f} (sd), each {values}"
