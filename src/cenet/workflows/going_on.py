"""Several trainings under one command: given again, it skips what is done and goes on with what was begun."""

import json
import shutil
from pathlib import Path
from typing import Any

from cenet.checkpoints import latest
from cenet.errors import CenetError
from cenet.files import write
from cenet.machine import Machine
from cenet.recipe import Recipe
from cenet.recipes import load_recipe
from cenet.runs import FINDER, Run
from cenet.train import resume, train

RECIPE, OPTIONS = "recipe.json", "options.json"


def ensure(
    recipe: Recipe, data: Path, path: Path, *, machine: Machine, deterministic: bool = False, **options: Any
) -> Run:
    """Train a run, go on with it, or leave it alone where it has come to its end.

    Args:
        recipe: What to train.
        data: The images.
        path: The run folder.
        machine: What computes.
        deterministic: As for `cenet.train.train`.
        options: Likewise, for a run that is not yet begun.

    Raises:
        CenetError: As `cenet.train.train` and `cenet.train.resume`.
    """
    begun = (path / "run.json").exists()
    if begun and (run := Run(path)).facts.finished:
        return run
    if begun and (latest(path) or latest(path / FINDER)):
        return resume(path, data=data, machine=machine, deterministic=deterministic)
    if path.exists():  # stopped before it had learnt anything
        shutil.rmtree(path)
    return train(recipe, data, output=path, machine=machine, deterministic=deterministic, **options)


def begin(folder: Path, recipe: Recipe, **options: Any) -> None:
    """Note what a folder is begun with.

    Args:
        folder: The folder, made where it is missing.
        recipe: What is trained.
        options: What else must stay the same.

    >>> import tempfile
    >>> from cenet.recipes import RECIPES
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     begin(Path(folder), RECIPES["drive"], ignore=255)
    ...     goes_on(Path(folder), RECIPES["drive"], ignore=255)
    True
    """
    write(folder / OPTIONS, options)
    write(folder / RECIPE, recipe.model_dump_json(indent=1))


def goes_on(folder: Path, recipe: Recipe, **options: Any) -> bool:
    """Whether a folder was begun with the same before; a new one was not.

    Args:
        folder: The folder.
        recipe: What is to be trained.
        options: As `begin` noted them; what it did not note may be anything.

    Raises:
        CenetError: It was begun with something else, or holds something else.
    """
    if not (folder / RECIPE).exists():
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise CenetError(f"{folder}: is taken; choose another --output")
        return False
    begun = load_recipe(str(folder / RECIPE)).model_dump() | _options(folder)
    for name, value in (recipe.model_dump() | options).items():
        if begun.get(name, value) != value:
            raise CenetError(
                f"{folder}: was begun with {name} {begun[name]}, and this is {value}; "
                "choose another --output, or the same values"
            )
    return True


def _options(folder: Path) -> dict[str, Any]:
    path = folder / OPTIONS
    if not path.exists():  # as an earlier version left it
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CenetError(f"{path}: is not what cenet writes; copy the folder again") from error
