"""A training from its first or last finished epoch to its end, and what is said where it cannot get there."""

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import pytorch_lightning as pl
import torch
from filelock import FileLock, Timeout
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import TensorBoardLogger

from cenet.data.io.files import write_text
from cenet.data.sample import Sample
from cenet.errors import CenetError
from cenet.inference.device import DeviceConfig, describe_environment, translate_out_of_memory
from cenet.inference.predictor import Predictor
from cenet.inference.run import Run
from cenet.networks import Network
from cenet.training.checkpoints import (
    AtomicCheckpointIO,
    CheckpointSchedule,
    finished_epochs,
    latest_checkpoint,
    was_stopped_early,
)
from cenet.training.loaders import ImageDataset, TrainingDataset, training_loader
from cenet.training.module import RunRecorder, SegmentationModule, TrainingProgressBar, translate_training_errors
from cenet.training.selection import calibrate_and_set_thresholds


def run_training(
    run: Run,
    network: Network,
    samples: dict[str, list[Sample]],
    device: DeviceConfig,
    *,
    tensorboard: bool = False,
    deterministic: bool = False,
) -> Run:
    """Train a run's network to its end, from its newest checkpoint where there is one, and choose its thresholds.

    Args:
        run: The run, with recipe and labels.
        network: With its first weights; a checkpoint replaces them.
        samples: Those of "train" and "validation".
        device: What computes.
        tensorboard: Also log for TensorBoard (an extra).
        deterministic: Use algorithms alone that give the same sums every time.

    Raises:
        CenetError: Another process trains this run, memory or disk is too small, or the loss stays without a value.
        KeyboardInterrupt: The user pressed Ctrl-C; the run can go on, see `cenet.training.train.resume`.
        SystemExit: The process was told to end (SIGTERM); likewise.
    """
    busy = CenetError(run.path, "another process is training this run", "wait for its end, or stop it")
    with file_lock(run.path / ".lock", busy), _stoppable(), _reproducible(deterministic):
        checkpoint = latest_checkpoint(run.path)
        if checkpoint is None or not (
            finished_epochs(checkpoint) == run.recipe.epochs or was_stopped_early(checkpoint)
        ):
            with translate_training_errors(run.recipe, device):
                _train(run, network, samples, device, tensorboard=tensorboard, checkpoint=checkpoint)
        with translate_out_of_memory("a validation image", device.device, "lower --tile-px"):
            calibrate_and_set_thresholds(run, samples["validation"], device=device.device)
    return run


def match_run_precision(run: Run, device: DeviceConfig) -> DeviceConfig:
    """The device, computing in the precision and memory format in which a run was begun.

    Args:
        run: The run; one that did not note them leaves them as they are.
        device: What computes from now on.

    Raises:
        CenetError: It cannot compute so.
    """
    facts = run.facts
    if facts.precision == "16-mixed" and device.device != "cuda":
        raise CenetError(
            run.path,
            f"was begun with --precision 16-mixed, which only cuda computes, and this is {device.device}",
            "go on where there is cuda",
        )
    return replace(
        device,
        precision=facts.precision or device.precision,
        precision_reason="as this run was started" if facts.precision else device.precision_reason,
        memory_format=facts.memory_format or device.memory_format,
    )


def check_tensorboard() -> None:
    """Refuse to log for TensorBoard where it is not installed.

    Raises:
        CenetError: It is not.
    """
    if find_spec("tensorboard") is None:
        raise CenetError("--tensorboard", "tensorboard is not installed", "pip install 'cenet[tensorboard]'")


def _train(
    run: Run,
    network: Network,
    samples: dict[str, list[Sample]],
    device: DeviceConfig,
    *,
    tensorboard: bool,
    checkpoint: Path | None,
) -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # its advice, not its errors
    recipe, labels, folder = run.recipe, run.facts.labels, RunRecorder(run)
    assert labels is not None  # it is trained, not imported
    predictor = Predictor(
        network,
        recipe,
        device=device.device,
        bf16=device.precision == "bf16-mixed",
        memory_format=device.torch_memory_format,
        localiser=run.localiser(device=device.device),
    )
    write_text(run.path / "environment.json", describe_environment(**asdict(device)))
    callbacks: list[pl.Callback] = [folder, TrainingProgressBar(), CheckpointSchedule(run.path)]
    if recipe.patience:
        callbacks.append(EarlyStopping("validation_dice", mode="max", patience=recipe.patience))
    trainer = pl.Trainer(
        accelerator=device.device,
        devices=1,
        precision=device.precision,
        max_epochs=recipe.epochs,
        check_val_every_n_epoch=recipe.validate_every,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        logger=TensorBoardLogger(run.path, name="tensorboard") if tensorboard else False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    learner = SegmentationModule(network, recipe, predictor, samples["train"])
    loader = training_loader(
        TrainingDataset(samples["train"], recipe, predictor.geometry, labels), workers=device.workers
    )
    if checkpoint and finished_epochs(checkpoint) == 0:  # of before the first epoch: for the trainer, a start
        learner.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"])
        checkpoint = None
    elif checkpoint:
        loader.sampler.set_epoch(finished_epochs(checkpoint))  # type: ignore[attr-defined]  # it is `Draws`
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")  # likewise
        warnings.filterwarnings("ignore", message="`training_step` returned `None`")  # a skipped batch
        images = ImageDataset(samples["validation"], labels)
        trainer.fit(learner, loader, images, ckpt_path=checkpoint, weights_only=True)
    if folder.skipped:
        print(f"note: skipped {folder.skipped} batches whose loss is not finite; see curve.csv", file=sys.stderr)


@contextmanager
def file_lock(file: Path, busy: CenetError) -> Iterator[None]:
    """Hold a lock, which the system takes back from a process that dies.

    Args:
        file: What stands for the lock; its folder is made where it is missing.
        busy: What is raised where another process holds it.

    Raises:
        CenetError: Another process holds it.

    >>> import tempfile
    >>> busy = CenetError("runs/eyes", "it is in use", "wait")
    >>> with tempfile.TemporaryDirectory() as folder, file_lock(Path(folder, ".lock"), busy):
    ...     Path(folder, ".lock").exists()
    True
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise busy from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM end a training as Ctrl-C does, and either as itself, whatever the trainer makes of it."""

    def stop(number: int, _: Any) -> NoReturn:
        raise SystemExit(128 + number)

    in_main = threading.current_thread() is threading.main_thread()  # elsewhere Python takes no signals
    before = signal.signal(signal.SIGTERM, stop) if in_main else None
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code != 1:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise KeyboardInterrupt from None  # the trainer makes SystemExit(1) of it
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _reproducible(asked: bool) -> Iterator[None]:
    """Compute with algorithms alone that give the same sums every time, and afterwards as before."""
    if not asked:
        yield
        return
    before, workspace = torch.are_deterministic_algorithms_enabled(), os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # as cuBLAS asks for it; read when it starts
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG")
        if workspace is not None:
            os.environ["CUBLAS_WORKSPACE_CONFIG"] = workspace
