"""What happens in a training step and in a validation."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cenet.config.recipe import Recipe
from cenet.data.sample import Sample
from cenet.errors import CenetError
from cenet.inference.device import DeviceConfig, translate_out_of_memory
from cenet.inference.predictor import Predictor
from cenet.networks import Network
from cenet.networks.cenet import CENet
from cenet.networks.encoders import PreactResNet34
from cenet.training.losses import Loss, SegmentationLoss
from cenet.training.norm_statistics import estimate_norm_statistics, find_batch_norms
from cenet.training.processes import count_processes, current_rank, gather_batch, sum_over_processes
from cenet.training.selection import ValidationScores

FIRST_WEIGHTS_SHARE = 0.05  # at most, of the moving average at the end
MAX_SKIPPED_IN_A_ROW = 5  # batches without a finite loss; training stops at the last of these


class SegmentationModule(pl.LightningModule):
    """A network with its recipe's loss, optimiser and schedule, validated through the predictor.

    Args:
        network: The network to train.
        recipe: Says loss, optimiser and schedule.
        predictor: The predictor around the same network.
        samples: The training samples, to name those whose loss is not finite.
        loss: A loss of the user in place of the recipe's.
        average: The moving average of the network, which the predictor is around where there is one.
        norm_batches: The batches on which the predictor's network has the statistics of its batch norms estimated.
    """

    in_a_row: Tensor

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        predictor: Predictor,
        samples: Sequence[Sample],
        *,
        loss: Loss | None = None,
        average: AveragedModel | None = None,
        norm_batches: Iterable[Any] | None = None,
    ) -> None:
        super().__init__()
        self.average = average  # a part of the module, so that checkpoints keep it
        self.network, self.recipe, self.predictor, self.samples = network, recipe, predictor, samples
        self.norm_batches = norm_batches
        self.loss = loss or SegmentationLoss(recipe)
        self.scores = ValidationScores(recipe)
        self.thresholds: tuple[float, ...] = ()  # chosen in the last validation
        self.skipped = 0  # batches of this epoch
        self.register_buffer("in_a_row", torch.tensor(0))  # skipped batches; a buffer, so that checkpoints keep it

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if isinstance(batch, CenetError):  # an image that could not be loaded, see `loaders.collate`
            raise batch
        if batch_idx == 0:  # random numbers depend on epoch and process alone, so that a resumed run draws the same
            rank = current_rank()
            rng = np.random.default_rng((self.recipe.seed, self.current_epoch, *([rank] if rank else [])))
            torch.manual_seed(int(rng.integers(2**63)))

    def on_train_epoch_start(self) -> None:
        encoder = getattr(self.network, "encoder", None)
        if self.recipe.freeze_input_norm and isinstance(encoder, PreactResNet34):
            encoder.bn_data.eval()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.average is not None:
            self.average.update_parameters(self.network)
            copy_integers(self.network, self.average.module)
        if self.norm_batches is not None and self.trainer.is_last_batch and self._is_epoch_of_norms():
            self._estimate_norm_statistics(self.norm_batches)

    def _is_epoch_of_norms(self) -> bool:
        """Return whether this epoch is validated, or is the last."""
        epochs = self.current_epoch + 1
        return epochs % self.recipe.validate_every == 0 or epochs == self.recipe.epochs

    def _estimate_norm_statistics(self, batches: Iterable[Any]) -> None:
        network = self.predictor.network
        encoder = getattr(network, "encoder", None)
        frozen = encoder.bn_data if self.recipe.freeze_input_norm and isinstance(encoder, PreactResNet34) else None
        norms = find_batch_norms(network, but=frozen)
        precision = self.trainer.precision_plugin.forward_context
        estimate_norm_statistics(network, norms, self._images_of(batches), precision=precision)

    def _images_of(self, batches: Iterable[Any]) -> Iterator[Tensor]:
        for batch in batches:
            if isinstance(batch, CenetError):
                raise batch
            yield batch["image"].to(self.device).contiguous(memory_format=self.predictor.memory_format)

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor | None:
        buffers_before = [buffer.clone() for buffer in self.network.buffers()]
        logits = self.network(batch["image"].contiguous(memory_format=self.predictor.memory_format))
        label, region, index, processes = batch["label"], batch["region"], batch["index"], count_processes()
        if processes > 1:
            logits, label, region, index = gather_batch(logits, label, region, index)
        loss: Tensor = self.loss(logits, label, region)
        if not torch.isfinite(loss):
            for buffer, value in zip(self.network.buffers(), buffers_before, strict=True):
                buffer.copy_(value)
            self._skip(index)
            return None
        self.in_a_row.zero_()
        self.log("loss", loss, on_step=True, on_epoch=True)
        return loss * processes if processes > 1 else loss  # the trainer averages the gradients of the processes

    def _skip(self, index: Tensor) -> None:
        self.skipped += 1
        self.in_a_row += 1
        if self.in_a_row >= MAX_SKIPPED_IN_A_ROW:
            images = ", ".join(str(self.samples[number].image) for number in index.tolist())
            raise CenetError(
                f"recipe {self.recipe.name}",
                f"the loss of {MAX_SKIPPED_IN_A_ROW} batches in a row is not finite, the last of {images}",
                f"lower --learning-rate (it is {self.recipe.learning_rate:g}), or check these images",
            )

    def on_validation_epoch_start(self) -> None:
        self.scores = ValidationScores(self.recipe)

    def validation_step(self, batch: Any, _: int) -> None:
        image, label, region = batch
        with translate_out_of_memory(
            f"an image of {image.shape[1]} x {image.shape[0]} px", self.device, "lower --tile-px"
        ):
            prediction = self.predictor(image)
        self.scores.add(prediction, label, region)

    def on_validation_epoch_end(self) -> None:
        if count_processes() > 1:
            self.scores.merge(lambda counts: sum_over_processes(counts, self.device))
        self.thresholds, score = self.scores.best()
        self.log("validation_dice", score)

    def configure_optimizers(self) -> Any:
        recipe, network = self.recipe, self.network
        encoder = list(network.encoder.parameters()) if isinstance(network, CENet) else []
        encoder_ids = {id(parameter) for parameter in encoder}
        rest = [parameter for parameter in network.parameters() if id(parameter) not in encoder_ids]
        rates = [recipe.learning_rate * recipe.encoder_learning_rate_factor, recipe.learning_rate]
        groups: list[dict[str, Any]] = []
        for parameters, rate in zip((encoder, rest), rates, strict=True):
            undecayed = [] if recipe.decay_norms else [weight for weight in parameters if weight.ndim < 2]
            undecayed_ids = {id(weight) for weight in undecayed}
            decayed = [weight for weight in parameters if id(weight) not in undecayed_ids]
            groups += [{"params": undecayed, "lr": rate, "weight_decay": 0.0}] if undecayed else []
            groups += [{"params": decayed, "lr": rate}] if decayed else []
        optimiser: Optimizer = (
            SGD(groups, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
            if recipe.optimiser == "sgd"
            else AdamW(groups, weight_decay=recipe.weight_decay)
        )
        steps = int(self.trainer.estimated_stepping_batches)
        if self.average is not None:
            self.average.multi_avg_fn = get_ema_multi_avg_fn(limit_decay(self.recipe.average_decay, steps))
        schedule = (
            LambdaLR(optimiser, lambda step: max(1 - step / steps, 0.0) ** 0.9)
            if recipe.schedule == "poly"
            else OneCycleLR(
                optimiser,
                [group["lr"] for group in groups],
                total_steps=steps,
                pct_start=0.2 if steps != 5 else 0.4,  # torch divides by 0.2 * steps - 1
                cycle_momentum=recipe.optimiser != "sgd",  # that of SGD is the recipe's
            )
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def build_average(network: Network, recipe: Recipe) -> AveragedModel | None:
    """Return a copy of a network that follows its weights and statistics as an exponential moving average.

    How fast it forgets is set with the optimiser, when the number of steps is known.

    Args:
        network: The network to train.
        recipe: None is built unless its `selection` is `average`.
    """
    if recipe.selection != "average":
        return None
    average = AveragedModel(network, use_buffers=True)
    average.requires_grad_(False)  # several processes exchange the gradients of whatever requires them
    return average


def copy_integers(network: nn.Module, average: nn.Module) -> None:
    """Copy the buffers of whole numbers, such as the order of channels: their average would be cut to another number.

    Args:
        network: The network that is trained.
        average: Its moving average.

    >>> network, average = (nn.BatchNorm2d(1) for _ in range(2))
    >>> network.num_batches_tracked += 3
    >>> copy_integers(network, average)
    >>> int(average.num_batches_tracked)
    3
    """
    for buffer, averaged in zip(network.buffers(), average.buffers(), strict=True):
        if not buffer.is_floating_point():
            averaged.copy_(buffer)


def limit_decay(decay: float, steps: int) -> float:
    """The decay of a moving average, less in a training so short that its first weights would count for more than 5 %.

    The average begins with the weights after the first step.

    >>> limit_decay(0.99, 300), round(limit_decay(0.99, 25), 3)
    (0.99, 0.883)
    """
    return float(min(decay, FIRST_WEIGHTS_SHARE ** (1 / max(steps - 1, 1))))


@contextmanager
def translate_training_errors(recipe: Recipe, device: DeviceConfig) -> Iterator[None]:
    """Turn errors of a trainer, or of a process that loads images for it, into those that a user can fix.

    Args:
        recipe: What is trained.
        device: What computes.

    Raises:
        CenetError: A batch does not fit into memory, or a loading process died.

    >>> from cenet.config.presets import load_recipe
    >>> with translate_training_errors(load_recipe("drive"), DeviceConfig("cuda", "32-true", workers=2)):
    ...     raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    Traceback (most recent call last):
    cenet.errors.CenetError: a batch of 4 images of 448 x 448 px: does not fit into the memory of cuda; lower ...
    """
    side, flag = (recipe.crop_px, "--crop-px") if recipe.crop_px else (recipe.size_px, "--size-px")
    batch = f"a batch of {recipe.batch_size} images of {side} x {side} px"
    try:
        with translate_out_of_memory(batch, device.device, f"lower --batch-size or {flag}"):
            yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker (pid"):
            raise
        raise CenetError(
            f"recipe {recipe.name}",
            "a process that loads images died, usually because memory ran out",
            "add --workers 0 (a run that has started can be resumed with --resume)",
        ) from error
