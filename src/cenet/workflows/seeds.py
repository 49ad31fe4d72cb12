"""`cenet train --seeds`: the same training several times, to see how much is chance."""

from pathlib import Path
from typing import Any

import numpy as np

from cenet.errors import CenetError
from cenet.recipe import Recipe
from cenet.runs import check_free
from cenet.train import train


def train_seeds(recipe: Recipe, data: Path, *, seeds: int, output: Path, **options: Any) -> str:
    """Train a recipe with several seeds on one split, into `OUTPUT/seed-N`, and say how far their validation differs.

    Args:
        recipe: Its own seed is the first, and draws the split.
        data: The images.
        seeds: How many.
        output: The folder to make.
        options: As for `cenet.train.train`.

    Returns:
        The spread, in words.

    Raises:
        CenetError: As `cenet.train.train`, or fewer than two seeds are asked for.
    """
    if seeds < 2:
        raise CenetError(f"--seeds {seeds}: a spread takes two or more; leave it out to train once")
    check_free(output)
    split, scores = options.pop("splits", None), []
    for seed in range(recipe.seed, recipe.seed + seeds):
        run = train(recipe.replace(seed=seed), data, output=output / f"seed-{seed}", splits=split, **options)
        split = run.split
        scores.append(run.facts.validation_dice or np.nan)
    each = ", ".join(f"{score:.4f}" for score in scores)
    return (
        f"validation Dice of {seeds} seeds: {np.mean(scores):.4f} ± {np.std(scores, ddof=1):.4f} (sd), each {each}\n"
        f"next: cenet evaluate {output / f'seed-{recipe.seed}'}, and so on"
    )
