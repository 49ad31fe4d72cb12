"""How long a training takes: as many epochs and steps as fit into a number of minutes."""

import copy
import logging
import math
import sys
import time
import warnings
from typing import Any

import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback

from cenet.config.recipe import Recipe
from cenet.data.labels.detect import LabelEncoding
from cenet.data.loading import SampleCache
from cenet.data.sample import Sample
from cenet.errors import CenetError
from cenet.inference.device import DeviceConfig, translate_out_of_memory
from cenet.inference.predictor import Predictor
from cenet.networks import Network
from cenet.planning.rules import MIN_PASSES
from cenet.safe_text import format_count, format_minutes
from cenet.training.augmentation import Augmentation
from cenet.training.loaders import ImageDataset, TrainingDataset, training_loader
from cenet.training.losses import Loss
from cenet.training.module import SegmentationModule, translate_training_errors

TRAINING_SHARE = 0.9  # of the minutes; the rest is for what turns out slower than it was measured
MEASURING_SHARE = 0.1  # of the minutes, at most, but for two steps
MAX_EPOCHS = 10**6  # that a recipe may have
NORM_BATCH_STEPS = 0.4  # steps that one batch takes when the statistics of batch norms are estimated
TIMED_STEPS = 5  # and two more for each loading process, as all of them begin at once
PASSES_MARGIN = 1.05  # of the time that more passes take, as epochs are whole steps
BYTES_WRITTEN_PER_SECOND = 200e6  # of a checkpoint


def plan_time_budget(
    recipe: Recipe,
    network: Network,
    samples: dict[str, list[Sample]],
    labels: LabelEncoding,
    device: DeviceConfig,
    *,
    minutes: float,
    cache: SampleCache | None = None,
    loss: Loss | None = None,
    augmentation: Augmentation | None = None,
) -> Recipe:
    """Time some steps and a validation image on a copy of the network, and fit the schedule to a budget.

    Args:
        recipe: What is to be trained.
        network: Is copied; neither it nor any random state is changed.
        samples: Those of "train" and "validation".
        labels: How label files are read.
        device: What computes.
        minutes: From now until the thresholds are chosen.
        cache: Images that were decoded already.
        loss: A loss of the user in place of the recipe's.
        augmentation: A transform of the user after the recipe's.

    Returns:
        The recipe with other `epochs` and `steps_per_epoch`.

    Raises:
        CenetError: The minutes are too few for a step and a validation, or the recipe trains a localiser first.
    """
    if not 0 < minutes < math.inf:
        raise CenetError(f"--minutes {minutes:g}", "is no time to train in", "give a number above 0")
    if recipe.roi_fraction is not None:
        cause = "the training of the localiser cannot be planned"
        raise CenetError("--minutes", cause, "set --epochs and --localiser-epochs")
    began = time.monotonic()
    state = 3 * 4 * sum(parameter.numel() for parameter in network.parameters())  # bytes, with the optimiser's
    devices = range(torch.cuda.device_count()) if device.device == "cuda" else ()
    with torch.random.fork_rng(devices), translate_training_errors(recipe, device):
        network_copy = copy.deepcopy(network)
        validation = ImageDataset(samples["validation"], labels, cache=cache)
        image, final = (
            _seconds_per_image(recipe, network_copy, validation[0][0], device) if len(validation) else (0.0, 0.0)
        )
        geometry = Predictor(network_copy, recipe).geometry
        dataset = TrainingDataset(samples["train"], recipe, geometry, labels, cache=cache, augmentation=augmentation)
        limit = minutes * 60 * MEASURING_SHARE
        steps, step = _seconds_per_step(recipe, network_copy, dataset, device, enough=limit, loss=loss)
    images, norms = len(validation), (recipe.precise_norm_batches or 0) * step * NORM_BATCH_STEPS
    planned, seconds = fit_schedule(
        recipe,
        steps=steps,
        step=step,
        validation=image * images + norms,
        epoch=state / BYTES_WRITTEN_PER_SECOND,
        once=(image + final * _final_passes(recipe)) * images
        + state / BYTES_WRITTEN_PER_SECOND
        + (time.monotonic() - began),
        seconds=minutes * 60 * TRAINING_SHARE,
    )
    assert planned.steps_per_epoch  # a schedule that fits a time says it
    steps_per_epoch = format_count(planned.steps_per_epoch, "step")
    print(f"{format_count(planned.epochs, 'epoch')} of {steps_per_epoch} in about {format_minutes(seconds / 60)}")
    warning = warn_of_few_passes(planned, images=len(samples["train"]), minutes=minutes, seconds=seconds, step=step)
    if warning:
        print(f"note: {warning}", file=sys.stderr)
    return planned


def warn_of_few_passes(planned: Recipe, *, images: int, minutes: float, seconds: float, step: float) -> str | None:
    """Say where a training draws each image too seldom, and what would help; None where it does not.

    Args:
        planned: The recipe that fits the minutes.
        images: That are trained on.
        minutes: That were given.
        seconds: That the training takes.
        step: Seconds of a step.

    >>> from cenet.config.presets import load_recipe
    >>> recipe = load_recipe("drive").replace(epochs=1, steps_per_epoch=2)
    >>> warn_of_few_passes(recipe, images=16, minutes=4, seconds=200, step=60)
    'in 2 steps each of 16 images is drawn 0.5 times, and below 10 times a network learns little: --minutes 49 ...'
    """
    steps = planned.epochs * (planned.steps_per_epoch or 1)
    passes = steps * planned.batch_size / images
    if passes >= MIN_PASSES:
        return None
    missing = (math.ceil(MIN_PASSES * images / planned.batch_size) - steps) * step
    enough = math.ceil((seconds + missing) * PASSES_MARGIN / 60 / TRAINING_SHARE)
    remedy = f"--minutes {max(enough, math.ceil(minutes) + 1)} would do"
    if planned.crop_px is not None:
        remedy += ", or a smaller --crop-px"
    return (
        f"in {format_count(steps, 'step')} each of {images} images is drawn {passes:.2g} times, and below {MIN_PASSES} "
        f"times a network learns little: {remedy}"
    )


def _final_passes(recipe: Recipe) -> int:
    """How often the network sees each validation image when calibration and thresholds are chosen."""
    return sum(recipe.validated_views)


def fit_schedule(
    recipe: Recipe, *, steps: int, step: float, validation: float, epoch: float, once: float, seconds: float
) -> tuple[Recipe, float]:
    """Fill a number of seconds with epochs that are as long as a recipe's, or with one that is shorter.

    Args:
        recipe: What is to be trained.
        steps: Of its epochs.
        step: Seconds of one.
        validation: Seconds of a validation.
        epoch: Seconds of what else comes after each epoch.
        once: Seconds of what is done once.
        seconds: To fill.

    Returns:
        The recipe with other epochs, and the seconds that they take.

    Raises:
        CenetError: There is no time for a step.

    >>> from cenet.config.presets import load_recipe
    >>> costs = {"step": 1, "validation": 3, "epoch": 2, "once": 10}
    >>> planned, seconds = fit_schedule(load_recipe("drive"), steps=25, **costs, seconds=130)
    >>> planned.epochs, planned.steps_per_epoch, seconds
    (4, 25, 130)
    """

    def between_steps(epochs: int) -> float:
        return epochs * epoch + math.ceil(epochs / recipe.validate_every) * validation

    left = seconds - once
    epochs = min(max(int(left / (steps * step + epoch + validation / recipe.validate_every)), 1), MAX_EPOCHS)
    while epochs > 1 and epochs * steps * step + between_steps(epochs) > left:
        epochs -= 1
    fitting = int((left - between_steps(epochs)) / epochs / step)
    if fitting < 1:
        raise CenetError(
            f"recipe {recipe.name}",
            f"one step and one validation take {format_minutes((once + between_steps(1) + step) / 60)} here, and the "
            f"time budget is {seconds / 60:.2g}",
            "give more --minutes, or lower --batch-size or --crop-px",
        )
    validate_every = min(recipe.validate_every, epochs)
    planned = recipe.replace(epochs=epochs, steps_per_epoch=fitting, validate_every=validate_every)
    return planned, once + epochs * fitting * step + between_steps(epochs)


def _seconds_per_image(
    recipe: Recipe, network: Network, image: NDArray[Any], device: DeviceConfig
) -> tuple[float, float]:
    """Measure a validation image, also in full precision, in which the thresholds are chosen."""
    seconds: list[float] = []
    for bf16 in (device.precision == "bf16-mixed", False):
        predictor = Predictor(
            network, recipe, device=device.device, bf16=bf16, memory_format=device.torch_memory_format
        )
        with translate_out_of_memory(
            f"an image of {image.shape[1]} x {image.shape[0]} px", device.device, "lower --tile-px"
        ):
            predictor(image)  # the first has more to do
            began = time.monotonic()
            predictor(image)
        seconds.append(time.monotonic() - began)
    return seconds[0], seconds[1]


class _Clock(Callback):
    """Notes when each step ends, until there are enough."""

    def __init__(self, seconds: float) -> None:
        self.until, self.ends = time.monotonic() + seconds, list[float]()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.ends.append(time.monotonic())
        trainer.should_stop = len(self.ends) > 1 and self.ends[-1] > self.until


def _seconds_per_step(
    recipe: Recipe,
    network: Network,
    dataset: TrainingDataset,
    device: DeviceConfig,
    *,
    enough: float,
    loss: Loss | None,
) -> tuple[int, float]:
    """Return the steps of an epoch, and the seconds of one."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # its advice, not its errors
    loader, clock = training_loader(dataset, workers=device.workers), _Clock(enough)
    predictor = Predictor(network, recipe, device=device.device, memory_format=device.torch_memory_format)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")  # likewise
        trainer = pl.Trainer(
            accelerator=device.device,
            devices=1,
            precision=device.precision,
            max_steps=TIMED_STEPS + 2 * device.workers,
            limit_val_batches=0,
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        try:
            trainer.fit(SegmentationModule(network, recipe, predictor, dataset.samples, loss=loss), loader)
        except SystemExit:  # what the trainer makes of Ctrl-C
            raise KeyboardInterrupt from None
    return len(loader), (clock.ends[-1] - clock.ends[0]) / (len(clock.ends) - 1)
