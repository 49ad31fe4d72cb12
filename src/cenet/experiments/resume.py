"""Several trainings under one command: given again, it skips what is finished and resumes what was started."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue, RootModel

from cenet.config.json_files import read_json
from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.data.io.files import find_part_files, remove_part_files, write_text
from cenet.data.splits import Split
from cenet.errors import CenetError
from cenet.inference.device import AnyDevice
from cenet.inference.run import Run
from cenet.inference.run_folder import LOCK, METADATA, METADATA_LOCK, RECIPE, is_unstarted

if TYPE_CHECKING:  # what trains is imported when it is used, so that a folder is refused before torch is there
    from cenet.networks import NetworkFactory
    from cenet.training.augmentation import Augmentation
    from cenet.training.loggers import LoggerName
    from cenet.training.losses import Loss

OPTIONS = "options.json"
OWN_FILES = (RECIPE, OPTIONS, "folds/*.json", ".fold-*.lock", ".seed-*.lock", LOCK, METADATA_LOCK, ".cenet-*.part")
"""What an experiment writes before its first training."""
TIMED = ("epochs", "steps_per_epoch", "validate_every")  # what a time budget changes in a recipe


class OptionsFile(RootModel[dict[str, JsonValue]]):
    """The content of an `options.json`."""


def train_or_resume(
    recipe: Recipe,
    data: Path,
    path: Path,
    *,
    device: AnyDevice = "auto",
    deterministic: bool = False,
    logger: "LoggerName | None" = None,
    network: "NetworkFactory | None" = None,
    loss: "Loss | None" = None,
    augmentation: "Augmentation | None" = None,
    **options: Any,
) -> Run:
    """Train a run, resume it, or leave it as it is where it is finished.

    Args:
        recipe: The recipe.
        data: The folder of images.
        path: The run folder.
        device: What computes, as for `cenet.training.train.train`.
        deterministic: As for `cenet.training.train.train`.
        logger: Likewise.
        network: Likewise.
        loss: Likewise.
        augmentation: Likewise.
        options: Likewise, for a run that does not exist yet.

    Raises:
        CenetError: As `cenet.training.train.train` and `cenet.training.train.resume`, or the folder holds a run of
            another recipe or split.
    """
    from cenet.networks.registry import resolve_network
    from cenet.training.checkpoints import remove_left_checkpoints
    from cenet.training.train import resume, train

    custom: dict[str, Any] = {"network": network, "loss": loss, "augmentation": augmentation, "logger": logger}
    if path.is_dir() and not (path / METADATA).exists() and not is_unstarted(path):
        remedy = f"copy its {METADATA} back, or move the folder away to train it again"
        raise CenetError(path, f"holds files but no {METADATA}, and may be a trained run", remedy)
    if not (path / METADATA).exists() or is_unstarted(path):
        return train(recipe, data, output=path, device=device, deterministic=deterministic, **custom, **options)
    run = Run(path, network=network)
    timed = TIMED if options.get("minutes") is not None else ()
    _check_same_recipe(path, run.recipe.model_dump(exclude={*timed}), resolve_network(recipe, network))
    _check_same_split(run, options.get("splits"))
    if run.facts.finished:
        remove_left_checkpoints(run)
        return run
    return resume(path, data=data, device=device, deterministic=deterministic, **custom)


def checksums(*, init_from: Path | None, splits: Split | Path | str | None = None) -> dict[str, str | None]:
    """What tells a start from another of its name, and a split from another, to be recorded among the options.

    Args:
        init_from: The folder of the run whose weights training starts from.
        splits: The split, or its file; its labels do not count, as a training reads its own.

    Raises:
        CenetError: There is no such run or split.

    >>> checksums(init_from=None)
    {'init_from_sha256': None, 'splits_sha256': None}
    """
    split = Split.from_json(Path(splits)) if isinstance(splits, Path | str) else splits
    content = replace(split, label_fingerprints={}).to_json() if split else None
    return {
        "init_from_sha256": Run(init_from).facts.weights_sha256 if init_from else None,
        "splits_sha256": hashlib.sha256(content.encode()).hexdigest() if content else None,
    }


@contextmanager
def resumable_experiment(folder: Path, recipe: Recipe, **options: Any) -> Iterator[None]:
    """Continue an experiment in its folder, or begin it; a new one whose first training is refused leaves nothing.

    Args:
        folder: The folder, made where it is missing.
        recipe: The recipe of its trainings.
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
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    new = not matches_existing(folder, recipe, **options)
    for subfolder in (folder, folder / "folds"):
        remove_part_files(subfolder)  # those of a process that was killed; what another one is writing is locked
    if new:
        write_text(folder / OPTIONS, options)
        write_text(folder / RECIPE, recipe.model_dump_json(indent=1))
    try:
        yield
    except CenetError:
        if new and not any(folder.rglob(METADATA)):  # no training was started
            _remove_own_files(folder)
            with suppress(OSError):  # another process has written there
                for path in missing:
                    path.rmdir()
        raise


def _remove_own_files(folder: Path) -> None:
    """Remove the files that an experiment writes before its first training, and the folders that are empty then."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what lies in a folder comes before it
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # it holds something of the user's
                path.rmdir()
        elif any(path.match(pattern) for pattern in OWN_FILES):
            path.unlink()


def matches_existing(folder: Path, recipe: Recipe, **options: Any) -> bool:
    """Whether a folder holds an experiment with the same recipe and options; a new or empty one does not.

    Args:
        folder: The folder.
        recipe: The recipe of its trainings.
        options: As `resumable_experiment` recorded them.

    Raises:
        CenetError: It was started with other values, or holds something else.
    """
    if not (folder / RECIPE).exists():
        if folder.is_file() or (folder.is_dir() and not _is_unstarted(folder, options)):
            raise CenetError(folder, "already exists and is no experiment", "choose another --output")
        return False
    recorded = load_recipe(str(folder / RECIPE)).model_dump() | _read_options(folder)
    _check_same_recipe(folder, recorded, recipe, **options)
    return True


def _check_same_recipe(folder: Path, recorded: dict[str, Any], recipe: Recipe, **options: Any) -> None:
    """Refuse a recipe or an option other than that recorded, where one is."""
    for name, value in (recipe.model_dump(exclude={"title"}) | options).items():  # a title decides nothing
        if recorded.get(name, value) != value:
            cause = f"was started with {name} {recorded[name]}, not {value}"
            raise CenetError(folder, cause, "choose another --output, or the same values")


def _check_same_split(run: Run, splits: Split | Path | str | None) -> None:
    """Refuse a split other than the run's; labels are checked where a training is resumed."""
    if splits is None:
        return
    asked, own = splits if isinstance(splits, Split) else Split.from_json(Path(splits)), run.split
    if own is None or any(getattr(asked, name) != getattr(own, name) for name in ("parts", "groups", "fingerprints")):
        raise CenetError(run.path, "was started with another split", "choose another --output")


def _is_unstarted(folder: Path, options: dict[str, Any]) -> bool:
    """Whether a folder is empty, or holds only what a process has written that was killed while it began."""
    paths = set(folder.iterdir()) - set(find_part_files(folder))
    return not paths or (paths == {folder / OPTIONS} and _read_options(folder) == options)


def _read_options(folder: Path) -> dict[str, Any]:
    return read_json(folder / OPTIONS, OptionsFile, cause="is corrupted", remedy="copy the folder again").root
