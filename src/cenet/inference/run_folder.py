"""A run folder as a place: whether it is free, who trains in it, and what a killed process has left there."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from filelock import FileLock

from cenet.data.io.files import find_part_files, remove_part_files
from cenet.data.io.locks import file_lock, is_locked
from cenet.errors import CenetError
from cenet.inference.run_metadata import RunMetadata

METADATA, RECIPE, SPLIT, ENVIRONMENT = "run.json", "recipe.json", "splits.json", "environment.json"
WEIGHTS = "weights.safetensors"
LOCALISER = "localiser"  # the run in a run folder that finds the region of interest
CHECKPOINTS = "checkpoints"
UNNAMED_CHECKPOINT = "new.ckpt"  # written to its end, and not yet named after its checksum
LOCK, METADATA_LOCK = ".lock", ".facts.lock"


@contextmanager
def lock_run(path: Path) -> Iterator[None]:
    """Hold the lock of a run while it is trained, and remove what killed processes have left unfinished in it.

    Args:
        path: The run folder; it is made if it is missing.

    Raises:
        CenetError: Another process trains the run.
    """
    busy = CenetError(path, "another process is training this run", "wait until it ends, or stop it")
    with file_lock(path / LOCK, busy):
        with FileLock(path / METADATA_LOCK):  # an evaluation may be counting itself
            remove_part_files(path)
        _remove_unfinished_checkpoints(path)
        yield


def check_resumable(path: Path) -> None:
    """Refuse to resume a run that another process is training, or whose process was killed while it made the folder.

    Raises:
        CenetError: It is such a run.
    """
    if is_locked(path / LOCK):
        raise CenetError(path, "another process is training this run", "wait until it ends, or stop it")
    is_whole = all((path / name).is_file() for name in (METADATA, RECIPE, SPLIT))
    if not is_whole and (path / METADATA).is_file() and is_unstarted(path):
        raise CenetError(path, "its training was stopped before it began", "give the command that started it again")


def check_not_occupied(path: Path) -> None:
    """Refuse a place for a new run that holds something; a run that was stopped before it began counts as nothing.

    Raises:
        CenetError: It does.
    """
    if is_locked(path / LOCK):
        cause = "another process is training a run there"
        raise CenetError(path, cause, "wait until it ends, or choose another --output")
    _check_holds_nothing(path)


def make_empty_folder(path: Path) -> None:
    """Make the folder of a new run; what an unstarted one has left there is removed.

    Raises:
        CenetError: It holds something else, or cannot be made.
    """
    _check_holds_nothing(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CenetError(path, f"cannot be made ({error.strerror})", "choose another --output") from error
    _remove_unstarted_run(path)


def _check_holds_nothing(path: Path) -> None:
    if path.is_file() or (path.is_dir() and not is_unstarted(path)):
        free = next(name for number in count(2) if not (name := path.with_name(f"{path.name}-{number}")).exists())
        remedy = f"choose another --output, such as --output {shlex.quote(str(free))}"
        if has_named_checkpoint(path):
            remedy += f", or resume it with --resume {path}"
        raise CenetError(path, "already exists", remedy)


def has_named_checkpoint(path: Path) -> bool:
    """Return whether a run folder holds a checkpoint."""
    return any((path / CHECKPOINTS).glob("epoch-*-*.ckpt"))


def is_unstarted(path: Path) -> bool:
    """Return whether a folder holds nothing but a run whose process ended before its first checkpoint.

    That is proven by `run.json`, which is written first and only into an empty folder, and by the names of all files.

    Args:
        path: The folder.
    """
    paths = set(path.iterdir()) - set(find_part_files(path))
    if any(item.is_symlink() for item in paths):
        return False
    names = {item.name for item in paths} - {LOCK, METADATA_LOCK}
    if not names:
        return True
    if METADATA not in names or not _has_learnt_nothing(path / METADATA):
        return False
    if CHECKPOINTS in names:
        names.remove(CHECKPOINTS)
        unfinished = {*find_part_files(path / CHECKPOINTS), path / CHECKPOINTS / UNNAMED_CHECKPOINT}
        if not (path / CHECKPOINTS).is_dir() or set((path / CHECKPOINTS).iterdir()) - unfinished:
            return False
    if LOCALISER in names:
        names.remove(LOCALISER)
        if not (path / LOCALISER).is_dir() or not is_unstarted(path / LOCALISER):
            return False
    return names <= {METADATA, RECIPE, SPLIT, ENVIRONMENT} and all((path / name).is_file() for name in names)


def _remove_unstarted_run(path: Path) -> None:
    """Empty the folder of a run that `is_unstarted`, file by file, whose lock the caller holds."""
    if (path / LOCALISER).is_dir():
        _remove_unstarted_run(path / LOCALISER)
        for name in (LOCK, METADATA_LOCK):
            (path / LOCALISER / name).unlink(missing_ok=True)
        (path / LOCALISER).rmdir()
    if (path / CHECKPOINTS).is_dir():
        _remove_unfinished_checkpoints(path)
        (path / CHECKPOINTS).rmdir()
    remove_part_files(path)
    for name in (ENVIRONMENT, SPLIT, RECIPE, METADATA):  # what proves that they are ours is removed last
        (path / name).unlink(missing_ok=True)


def _has_learnt_nothing(path: Path) -> bool:
    try:
        facts = RunMetadata.load(path)
    except CenetError:
        return False
    return facts.weights_sha256 is None and facts.epoch is None and not facts.finished


def _remove_unfinished_checkpoints(path: Path) -> None:
    remove_part_files(path / CHECKPOINTS)
    (path / CHECKPOINTS / UNNAMED_CHECKPOINT).unlink(missing_ok=True)
