"""`cenet train --seeds`: the same training several times, to see how much is chance."""

from pathlib import Path
from typing import Any

import numpy as np

from cenet.config.recipe import Recipe
from cenet.data.io.files import check_writable
from cenet.errors import CenetError
from cenet.experiments.resume import resumable_experiment, train_or_resume
from cenet.training.trainer import file_lock


def train_seeds(
    recipe: Recipe, data: Path, *, seeds: int, output: Path, minutes: float | None = None, **options: Any
) -> str:
    """Train a recipe with several seeds on one split, into `OUTPUT/seed-N`, and say how far their validation differs.

    Seeds that are done are skipped, and one that was stopped goes on.

    Args:
        recipe: Its own seed is the first, and draws the split.
        data: The images.
        seeds: How many.
        output: The folder to make, or to go on with.
        minutes: A time budget for the first seed; the others train for as many steps.
        options: As for `cenet.training.train.train`.

    Returns:
        The spread, in words.

    Raises:
        CenetError: As `cenet.training.train.train`; fewer than two seeds are asked for, or the folder holds
            something else.
    """
    if seeds < 2:
        raise CenetError(f"--seeds {seeds}", "a spread takes two or more", "leave it out to train once")
    check_writable(output)
    given = {name: options.get(name) for name in ("group_pattern", "ignore_value", "splits", "init_from")} | {
        "minutes": minutes
    }
    given = {name: value.name if isinstance(value, Path) else value for name, value in given.items()}
    split, scores = options.pop("splits", None), []
    with resumable_experiment(output, recipe, **given):
        for seed in range(recipe.seed, recipe.seed + seeds):
            place = output / f"seed-{seed}"
            busy = CenetError(place, "another process trains this seed", "wait for its end, or stop it")
            with file_lock(output / f".{place.name}.lock", busy):
                run = train_or_resume(recipe.replace(seed=seed), data, place, splits=split, minutes=minutes, **options)
            recipe, split, minutes = run.recipe.replace(seed=recipe.seed), run.split, None
            score = run.facts.validation_dice
            scores.append(np.nan if score is None else score)
    each, first = ", ".join(f"{score:.4f}" for score in scores), output / f"seed-{recipe.seed}"
    after = f"evaluate {first}" if split and split.parts["test"] else f"predict {first} IMAGE --output DIR"
    return (
        f"validation Dice of {seeds} seeds: {np.mean(scores):.4f} ± {np.std(scores, ddof=1):.4f} (sd), each {each}\n"
        f"next: cenet {after}, and so on"
    )
