"""Checkpoints: the whole state of a training after each epoch, in files whose names hold their checksums."""

import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint
from torch import nn

from cenet.data.io.files import atomic_write, find_part_files, flush_folder, hash_file
from cenet.errors import CenetError
from cenet.inference.run import Run
from cenet.inference.run_folder import (
    CHECKPOINTS,
    UNNAMED_CHECKPOINT,
    WEIGHTS,
    has_named_checkpoint,
    is_unstarted,
    lock_run,
)
from cenet.safe_text import print_line
from cenet.training.checkpoint_contents import check_checkpoint_fits, load_checkpoint

KEPT_CHECKPOINTS = 2  # the newest, and the one before, in case that is corrupted
NAME = re.compile(r"epoch-[0-9]{4,9}-[0-9a-f]{8}\.ckpt")
DIGITS = 8  # of the SHA-256 of its content, in a file's name


def save_checkpoint(path: Path, state: dict[str, Any]) -> Path:
    """Write a checkpoint under its name and checksum, and delete those that are no longer needed.

    Args:
        path: `RUN/checkpoints/epoch-NUMBER.ckpt`, to which the checksum is added; NUMBER counts the finished epochs.
        state: Tensors and plain values.

    Returns:
        The file.

    Raises:
        CenetError: It cannot be written; the older ones are left as they were.
        KeyboardInterrupt: The user pressed Ctrl-C; likewise.
        SystemExit: The process received SIGTERM; likewise.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as run:
    ...     path = save_checkpoint(Path(run, CHECKPOINTS, "epoch-0003.ckpt"), {"weight": torch.ones(2)})
    ...     latest_checkpoint(run) == path, finished_epochs(path)
    (True, 3)
    """
    unnamed = path.with_name(UNNAMED_CHECKPOINT)
    with atomic_write(unnamed) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch hides behind it what came up while it wrote
            hidden: BaseException | None = error
            while (
                hidden and not isinstance(hidden, OSError | SystemExit | KeyboardInterrupt) and not _of_worker(hidden)
            ):
                hidden = hidden.__context__
            raise hidden or error from None
    named = unnamed.replace(path.with_name(f"{path.stem}-{hash_file(unnamed)[:DIGITS]}.ckpt"))
    flush_folder(named.parent)  # before any other is removed
    older = [other for other in _all(path.parent) if finished_epochs(other) < finished_epochs(named)]
    for other in {*_all(path.parent)} - {named, *older[: KEPT_CHECKPOINTS - 1]}:
        other.unlink()
    return named


def _of_worker(error: BaseException) -> bool:
    """Return whether a process that loads images has died, which may be raised at any moment."""
    return isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker (pid")


def latest_checkpoint(run: Path | str) -> Path | None:
    """Return the newest intact checkpoint of a run, or None without any; corrupted ones are skipped with a note.

    Args:
        run: The run folder.

    Raises:
        CenetError: Every checkpoint is corrupted.
    """
    paths = _all(Path(run, CHECKPOINTS))
    for number, path in enumerate(paths):
        if hash_file(path).startswith(path.stem.split("-")[-1]):
            for corrupted in paths[:number]:
                print_line(f"note: {corrupted}: is corrupted; the checkpoint before it is used", file=sys.stderr)
            return path
    if paths:
        remedy = "train again with another --output, or delete this run first"
        raise CenetError(Path(run, CHECKPOINTS), "every checkpoint is corrupted", remedy)
    return None


def check_has_checkpoint(run: Path | str) -> None:
    """Refuse a run that has no checkpoint.

    Args:
        run: The run folder.

    Raises:
        CenetError: It has none.
    """
    if not _all(Path(run, CHECKPOINTS)):
        remedy = "train again with another --output"
        if Path(run, WEIGHTS).exists():
            remedy += ", or start from its weights with --init-from"
        elif is_unstarted(Path(run)):
            remedy = "give the command that started it again"
        raise CenetError(run, "has no checkpoint to resume from", remedy)


def remove_finished_checkpoints(run: Run) -> None:
    """Remove the checkpoints of a run whose training is finished, unless it keeps them.

    Args:
        run: The run, whose lock the caller holds.
    """
    if not run.facts.finished or run.facts.keep_checkpoints:
        return
    folder = run.path / CHECKPOINTS
    flush_folder(run.path)  # the name of its weights is on disk too
    for path in _all(folder):
        path.unlink()
    with suppress(OSError):  # other files there are not ours
        folder.rmdir()


def remove_left_checkpoints(run: Run) -> None:
    """Remove what a process has left in a finished run, because it was killed at the very end or while it scored it.

    Args:
        run: The run; one that is not finished is left as it is, and one that keeps its checkpoints loses none.

    Raises:
        CenetError: Another process is training it.
    """
    has_checkpoints = has_named_checkpoint(run.path) and not run.facts.keep_checkpoints
    if run.facts.finished and (has_checkpoints or find_part_files(run.path)):
        with lock_run(run.path):
            remove_finished_checkpoints(run)


def finished_epochs(path: Path) -> int:
    """Return how many epochs were finished when a checkpoint was written.

    >>> finished_epochs(Path("runs/eyes/checkpoints/epoch-0011-3f2a91bc.ckpt"))
    11
    """
    return int(path.stem.split("-")[1])


def was_stopped_early(path: Path) -> bool:
    """Return whether training ended with a checkpoint, before all epochs were done.

    Raises:
        CenetError: It is no checkpoint of cenet.
    """
    return bool(load_checkpoint(path, mmap=True)["stopped"])


def _all(folder: Path) -> list[Path]:
    """Return the named checkpoints in a folder, newest first."""
    paths = [path for path in folder.glob("epoch-*-*.ckpt") if NAME.fullmatch(path.name) and path.is_file()]
    return sorted(paths, key=finished_epochs, reverse=True)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lets the trainer write its checkpoints as `save_checkpoint` does, and read them as `load_checkpoint` does.

    The trainer's own way may leave incomplete ones, and takes over whatever a file holds.

    Args:
        module: What is trained.
        epochs: How many epochs the training has.
    """

    def __init__(self, module: nn.Module, *, epochs: int) -> None:
        super().__init__()
        self.module, self.epochs = module, epochs

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        state = load_checkpoint(Path(path))
        check_checkpoint_fits(Path(path), state, self.module, epochs=self.epochs)
        return state

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        save_checkpoint(Path(path), checkpoint)


class CheckpointSchedule(Checkpoint):
    """Asks for a checkpoint before the first epoch and after each, and knows how far the training has come.

    Args:
        run: The run folder.
    """

    def __init__(self, run: Path) -> None:
        self.folder, self.has_begun, self.has_stepped = run / CHECKPOINTS, False, False

    def on_train_batch_end(self, *_: Any) -> None:
        self.has_stepped = True

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["stopped"] = trainer.should_stop  # by lost patience

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.has_begun = True
        if trainer.current_epoch == 0:
            trainer.save_checkpoint(self.folder / "epoch-0000.ckpt")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.save_checkpoint(self.folder / f"epoch-{trainer.current_epoch + 1:04}.ckpt")
