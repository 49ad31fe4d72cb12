"""Several trainings under one command: given again, it skips what is done and goes on with what was begun."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.data.io.files import write_text
from cenet.errors import CenetError
from cenet.inference.device import Device, DeviceConfig
from cenet.inference.run import LOCALISER, Run
from cenet.training.checkpoints import latest_checkpoint
from cenet.training.train import resume, train

RECIPE, OPTIONS = "recipe.json", "options.json"


def train_or_resume(
    recipe: Recipe,
    data: Path,
    path: Path,
    *,
    device: DeviceConfig | Device = "auto",
    deterministic: bool = False,
    **options: Any,
) -> Run:
    """Train a run, go on with it, or leave it alone where it has come to its end.

    Args:
        recipe: What to train.
        data: The images.
        path: The run folder.
        device: What computes, as for `cenet.training.train.train`.
        deterministic: As for `cenet.training.train.train`.
        options: Likewise, for a run that is not yet begun.

    Raises:
        CenetError: As `cenet.training.train.train` and `cenet.training.train.resume`.
    """
    there = (path / "run.json").exists()
    if there and (run := Run(path)).facts.finished:
        return run
    if there and (latest_checkpoint(path) or latest_checkpoint(path / LOCALISER)):
        return resume(path, data=data, device=device, deterministic=deterministic)
    if path.exists():  # stopped before it had learnt anything
        shutil.rmtree(path)
    return train(recipe, data, output=path, device=device, deterministic=deterministic, **options)


@contextmanager
def resumable_experiment(folder: Path, recipe: Recipe, **options: Any) -> Iterator[None]:
    """Go on with a folder, or begin it; where the first training of a new one is refused, nothing of it is left.

    Args:
        folder: The folder, made where it is missing.
        recipe: What is trained.
        options: What else must stay the same.

    Raises:
        CenetError: As `matches_existing`, or what the work in the folder raises.

    >>> import tempfile
    >>> from cenet.config.presets import RECIPES
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with resumable_experiment(Path(folder), RECIPES["drive"], ignore=255):
    ...         matches_existing(Path(folder), RECIPES["drive"], ignore=255)
    True
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    if new := not matches_existing(folder, recipe, **options):
        write_text(folder / OPTIONS, options)
        write_text(folder / RECIPE, recipe.model_dump_json(indent=1))
    try:
        yield
    except CenetError:
        if new and not any(folder.rglob("run.json")):  # no training was begun
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            with suppress(OSError):  # somebody else has put something there
                for place in missing:
                    place.rmdir()
        raise


def matches_existing(folder: Path, recipe: Recipe, **options: Any) -> bool:
    """Whether a folder was begun with the same before; a new one was not.

    Args:
        folder: The folder.
        recipe: What is to be trained.
        options: As `resumable_experiment` noted them; what it did not note may be anything.

    Raises:
        CenetError: It was begun with something else, or holds something else.
    """
    if not (folder / RECIPE).exists():
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise CenetError(folder, "is taken", "choose another --output")
        return False
    noted = load_recipe(str(folder / RECIPE)).model_dump() | _options(folder)
    for name, value in (recipe.model_dump() | options).items():
        if noted.get(name, value) != value:
            raise CenetError(
                folder,
                f"was begun with {name} {noted[name]}, and this is {value}",
                "choose another --output, or the same values",
            )
    return True


def _options(folder: Path) -> dict[str, Any]:
    path = folder / OPTIONS
    if not path.exists():  # as an earlier version left it
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CenetError(path, "is not what cenet writes", "copy the folder again") from error
