"""The command that trains a recipe."""

import shlex
from pathlib import Path

from cenet.config.presets import RECIPES
from cenet.config.recipe import Recipe


def format_command(recipe: Recipe, data: str = "DATA", *, verb: str = "train", **options: object) -> str:
    """The command that trains a recipe; of a path only the last part, which says nothing of the machine.

    Args:
        recipe: The recipe.
        data: The images' folder.
        verb: What is done with it; where folds are made, the recipe's own share of the test has no part in it.
        options: Further options; None leaves one out.

    >>> format_command(RECIPES["drive"].replace(seed=7), "DRIVE", output="runs/seven")
    'cenet train drive --data DRIVE --seed 7 --output runs/seven'
    """
    words = ["cenet", verb, recipe.name if recipe.name in RECIPES else "recipe.json", "--data", data]
    ours, theirs = recipe.model_dump(), RECIPES.get(recipe.name, recipe).model_dump()
    changes = {key: value for key, value in ours.items() if key != "title" and value != theirs[key]}
    if verb != "train":
        changes.pop("test_fraction", None)
    changes |= {key: value for key, value in options.items() if value is not None}
    for key, value in changes.items():
        words += [f"--{key.replace('_', '-')}", _word(key, value)]
    return shlex.join(words)


def format_value(value: object) -> str:
    """Write a field's value as the command line takes it.

    >>> [format_value(value) for value in (None, True, 0.001, "dice")]
    ['none', 'true', '0.001', 'dice']
    """
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _word(key: str, value: object) -> str:
    return Path(str(value)).name if key == "encoder_weights" else format_value(value)
