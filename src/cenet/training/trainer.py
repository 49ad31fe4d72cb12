"""A training from its first or its last finished epoch to its end."""

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping

from cenet.data.appearance import APPEARANCE, describe_appearance, summarise_appearance
from cenet.data.io.files import write_text
from cenet.data.loading import SampleCache
from cenet.data.sample import Sample
from cenet.errors import CenetError
from cenet.inference.device import DeviceConfig, describe_environment, translate_out_of_memory
from cenet.inference.predictor import Predictor
from cenet.inference.run import Run
from cenet.inference.run_folder import LOCALISER
from cenet.networks import Network
from cenet.training.augmentation import Augmentation
from cenet.training.callbacks import RunRecorder, TrainingProgressBar
from cenet.training.checkpoint_contents import REMEDY
from cenet.training.checkpoints import (
    AtomicCheckpointIO,
    CheckpointSchedule,
    finished_epochs,
    latest_checkpoint,
    was_stopped_early,
)
from cenet.training.loaders import ImageDataset, TrainingDataset, norm_loader, training_loader
from cenet.training.loggers import LoggerName, build_logger
from cenet.training.losses import Loss
from cenet.training.module import SegmentationModule, build_average, translate_training_errors
from cenet.training.processes import (
    check_divisible,
    describe_processes,
    find_rank,
    select_own,
    translate_lost_process,
)
from cenet.training.selection import calibrate_and_set_thresholds


def run_training(
    run: Run,
    network: Network,
    samples: dict[str, list[Sample]],
    device: DeviceConfig,
    *,
    cache: SampleCache | None = None,
    loss: Loss | None = None,
    augmentation: Augmentation | None = None,
    logger: LoggerName | None = None,
    deterministic: bool = False,
) -> Run:
    """Train a run's network to its end, from its newest checkpoint if there is one, and set its thresholds.

    The caller holds the lock of the run, see `cenet.inference.run_folder.lock_run`.

    Args:
        run: The run, with recipe and labels.
        network: The network with its initial weights; a checkpoint replaces them.
        samples: The samples of the parts "train" and "validation".
        device: What computes.
        cache: Images that were decoded already.
        loss: A loss of the user in place of the recipe's.
        augmentation: A transform of the user after the recipe's.
        logger: Also log for another program.
        deterministic: Only use algorithms that give the same result every time.

    Raises:
        CenetError: Memory or disk is too small, the loss is not finite, or the checkpoint is not this run's.
        KeyboardInterrupt: The user pressed Ctrl-C; the run can be resumed, see `cenet.training.train.resume`.
        SystemExit: The process received SIGTERM; likewise.
    """
    check_divisible(run.recipe, samples, device)
    with _handle_sigterm(), _deterministic_algorithms(deterministic):
        checkpoint = latest_checkpoint(run.path)
        if checkpoint is None or not (
            finished_epochs(checkpoint) == run.recipe.epochs or was_stopped_early(checkpoint)
        ):
            with translate_training_errors(run.recipe, device):
                _fit(
                    run,
                    network,
                    samples,
                    device,
                    cache=cache,
                    loss=loss,
                    augmentation=augmentation,
                    logger=logger,
                    checkpoint=checkpoint,
                )
        if find_rank(device) > 0:
            return run
        if run.path.name != LOCALISER:
            _save_appearance(run, samples, cache)
        with translate_out_of_memory("a validation image", device.device, "lower --tile-px"):
            calibrate_and_set_thresholds(run, samples["validation"], device=device.device, cache=cache)
    return run


def _save_appearance(run: Run, samples: dict[str, list[Sample]], cache: SampleCache | None) -> None:
    """Write how the images of training and validation look; their labels have no part in it."""
    assert run.facts.labels is not None  # it is trained, not imported
    labelled = [*samples["train"], *samples["validation"]]
    images = ImageDataset(labelled, run.facts.labels, cache=cache)
    features = (describe_appearance(image) for image, _, _ in images)
    appearance = summarise_appearance(features, [sample.group for sample in labelled])
    if appearance is not None:
        write_text(run.path / APPEARANCE, appearance.model_dump_json(indent=1))


def match_run_precision(run: Run, device: DeviceConfig) -> DeviceConfig:
    """Return the configuration with the precision and memory format that a run was started with.

    Args:
        run: The run; an imported one has none, and leaves them as they are.
        device: What computes from now on.

    Raises:
        CenetError: The device cannot compute in this precision.
    """
    facts = run.facts
    if facts.precision == "16-mixed" and device.device != "cuda":
        raise CenetError(
            run.path,
            f"was started with --precision 16-mixed, which only cuda supports, and this is {device.device}",
            "resume it on a computer with cuda",
        )
    return replace(
        device,
        precision=facts.precision or device.precision,
        precision_reason="as this run was started" if facts.precision else device.precision_reason,
        memory_format=facts.memory_format or device.memory_format,
    )


def _fit(
    run: Run,
    network: Network,
    samples: dict[str, list[Sample]],
    device: DeviceConfig,
    *,
    cache: SampleCache | None,
    loss: Loss | None,
    augmentation: Augmentation | None,
    logger: LoggerName | None,
    checkpoint: Path | None,
) -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # hide its advice, not its errors
    recipe, labels, recorder = run.recipe, run.facts.labels, RunRecorder(run)
    assert labels is not None  # it is trained, not imported
    network.to(memory_format=device.torch_memory_format)  # type: ignore[call-overload]  # torch's stubs lack it
    average = build_average(network, recipe)
    predictor = Predictor(
        network if average is None else cast(Network, average.module),
        recipe,
        device=device.device,
        bf16=device.precision == "bf16-mixed",
        memory_format=device.torch_memory_format,
        localiser=run.localiser(device=device.device),
    )
    if find_rank(device) == 0:
        write_text(run.path / "environment.json", describe_environment(**asdict(device)))
    dataset = TrainingDataset(
        samples["train"], recipe, predictor.geometry, labels, cache=cache, augmentation=augmentation
    )
    module = SegmentationModule(
        network, recipe, predictor, samples["train"], loss=loss, average=average, norm_batches=norm_loader(dataset)
    )
    checkpoint_io, schedule = AtomicCheckpointIO(module, epochs=recipe.epochs), CheckpointSchedule(run.path)
    trainer = _build_trainer(run, device, [recorder, TrainingProgressBar(), schedule], checkpoint_io, logger)
    loader = training_loader(dataset, workers=device.workers, rank=find_rank(device), processes=device.processes)
    if checkpoint and finished_epochs(checkpoint) == 0:  # from before the first epoch: for the trainer, a start
        module.load_state_dict(checkpoint_io.load_checkpoint(checkpoint)["state_dict"])
        checkpoint = None
    elif checkpoint:
        loader.sampler.set_epoch(finished_epochs(checkpoint))  # type: ignore[attr-defined]  # it is `EpochSampler`
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")  # likewise
        warnings.filterwarnings("ignore", message="`training_step` returned `None`")  # a skipped batch
        images = ImageDataset(select_own(samples["validation"], device), labels, cache=cache)
        has_own_code = bool(loss or augmentation or run.own_network)
        with (
            _translate_checkpoint_errors(checkpoint, schedule, has_own_code=has_own_code),
            translate_lost_process(),
        ):
            trainer.fit(module, loader, images if len(images) else None, ckpt_path=checkpoint, weights_only=True)
    if recorder.skipped:
        print(f"note: skipped {recorder.skipped} batches whose loss is not finite; see curve.csv", file=sys.stderr)


def _build_trainer(
    run: Run,
    device: DeviceConfig,
    callbacks: list[pl.Callback],
    checkpoint_io: AtomicCheckpointIO,
    logger: LoggerName | None,
) -> pl.Trainer:
    """Lightning's trainer, as recipe and device ask for it."""
    recipe, together = run.recipe, describe_processes(device)
    if recipe.patience:
        callbacks = [*callbacks, EarlyStopping("validation_dice", mode="max", patience=recipe.patience)]
    return pl.Trainer(
        accelerator=device.device,
        devices=device.devices,
        precision=device.precision,
        max_epochs=recipe.epochs,
        check_val_every_n_epoch=recipe.validate_every,
        gradient_clip_val=recipe.clip_gradients,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        plugins=[checkpoint_io, *together.pop("plugins", [])],
        logger=build_logger(logger, run.path, recipe) or False,
        enable_model_summary=False,
        log_every_n_steps=1,
        **together,
    )


@contextmanager
def _translate_checkpoint_errors(
    checkpoint: Path | None, schedule: CheckpointSchedule, *, has_own_code: bool
) -> Iterator[None]:
    """Say that a checkpoint is another training's where its counters or its optimiser's state cannot be used."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        is_system_error = isinstance(error, RuntimeError)  # such as no memory, once the training has begun
        has_worked = schedule.has_begun if is_system_error or has_own_code else schedule.has_stepped
        if checkpoint is None or has_worked or isinstance(error, torch.OutOfMemoryError):
            raise
        cause = f"does not fit this run ({type(error).__name__} while its state was restored)"
        raise CenetError(checkpoint, cause, REMEDY) from error


@contextmanager
def _handle_sigterm() -> Iterator[None]:
    """Let SIGTERM end a training as Ctrl-C does; each keeps its own exception, which the trainer would change."""

    def stop(number: int, _: Any) -> NoReturn:
        raise SystemExit(128 + number)

    in_main = threading.current_thread() is threading.main_thread()  # Python handles signals nowhere else
    original_handler = signal.signal(signal.SIGTERM, stop) if in_main else None
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code != 1:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise KeyboardInterrupt from None  # the trainer makes SystemExit(1) of it
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, original_handler)


@contextmanager
def _deterministic_algorithms(enabled: bool) -> Iterator[None]:
    """Only use algorithms that give the same result every time, and restore the setting afterwards."""
    if not enabled:
        yield
        return
    was_enabled, workspace = torch.are_deterministic_algorithms_enabled(), os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # as cuBLAS asks for it; read when it starts
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was_enabled)
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG")
        if workspace is not None:
            os.environ["CUBLAS_WORKSPACE_CONFIG"] = workspace


def name_custom_part(custom: Any) -> str | None:
    """Return the name of a loss or an augmentation that the user wrote."""
    return None if custom is None else str(getattr(custom, "__qualname__", type(custom).__qualname__))


def check_custom_part(run: Run, option: str, recorded: str | None, custom: Any) -> None:
    """Refuse to resume with another loss or augmentation than the run was started with."""
    name = name_custom_part(custom)
    if name != recorded:
        cause = f"was started with {recorded or 'the recipe'} as its {option}, not with {name or 'the recipe'}"
        remedy = f"pass {option}={recorded} in Python" if recorded else f"leave {option} out"
        raise CenetError(run.path, cause, remedy)
