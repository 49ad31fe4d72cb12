"""What happens in a training step, in a validation, and after each: the trainer's side of a run."""

import csv
import io
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ProgressBar
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR
from tqdm import tqdm

from cenet.config.recipe import Recipe
from cenet.data.io.files import write_text
from cenet.data.sample import Sample
from cenet.errors import CenetError
from cenet.inference.device import DeviceConfig, translate_out_of_memory
from cenet.inference.predictor import Predictor
from cenet.inference.run import Run
from cenet.networks import Network
from cenet.networks.cenet import CENet
from cenet.networks.pretrained import sha256
from cenet.training.losses import SegmentationLoss
from cenet.training.selection import ValidationScores

SKIPS = 5  # batches in a row without a finite loss, after which more of the same is no use


class SegmentationModule(pl.LightningModule):
    """A network with its recipe's loss, optimiser and schedule, validated through the engine that predicts.

    Args:
        network: What learns.
        recipe: How.
        predictor: The engine around the same network.
        samples: What it learns from, to name those whose loss is not finite.
    """

    in_a_row: Tensor

    def __init__(self, network: Network, recipe: Recipe, predictor: Predictor, samples: Sequence[Sample]) -> None:
        super().__init__()
        self.network, self.recipe, self.predictor, self.samples = network, recipe, predictor, samples
        self.loss = SegmentationLoss(recipe)
        self.scores = ValidationScores(recipe)
        self.thresholds: tuple[float, ...] = ()  # chosen in the last validation
        self.skipped = 0  # batches of this epoch
        self.register_buffer("in_a_row", torch.tensor(0))  # skipped batches; a buffer, so that checkpoints keep it

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if isinstance(batch, CenetError):  # an image that could not be loaded, see `loaders.collate`
            raise batch
        if batch_idx == 0:  # chance depends on the epoch alone, so that a run that goes on has the same
            torch.manual_seed(int(np.random.default_rng((self.recipe.seed, self.current_epoch)).integers(2**63)))

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor | None:
        before = [buffer.clone() for buffer in self.network.buffers()]
        logits = self.network(batch["image"].contiguous(memory_format=self.predictor.memory_format))
        loss: Tensor = self.loss(logits, batch["label"], batch["region"])
        if not torch.isfinite(loss):
            for buffer, value in zip(self.network.buffers(), before, strict=True):
                buffer.copy_(value)
            self._skip(batch["index"])
            return None
        self.in_a_row.zero_()
        self.log("loss", loss, on_step=True, on_epoch=True)
        return loss

    def _skip(self, index: Tensor) -> None:
        self.skipped += 1
        self.in_a_row += 1
        if self.in_a_row >= SKIPS:
            images = ", ".join(str(self.samples[number].image) for number in index.tolist())
            raise CenetError(
                f"recipe {self.recipe.name}",
                f"the loss of {SKIPS} batches in a row is not finite, the last of {images}",
                f"lower --learning-rate (it is {self.recipe.learning_rate:g}), or look at these images",
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
        self.thresholds, score = self.scores.best()
        self.log("validation_dice", score)

    def configure_optimizers(self) -> Any:
        recipe, network = self.recipe, self.network
        encoder = list(network.encoder.parameters()) if isinstance(network, CENet) else []
        known = {id(parameter) for parameter in encoder}
        rest = [parameter for parameter in network.parameters() if id(parameter) not in known]
        rates = [recipe.learning_rate * recipe.encoder_learning_rate_factor, recipe.learning_rate]
        groups: list[dict[str, Any]] = [
            {"params": each, "lr": rate} for each, rate in zip((encoder, rest), rates, strict=True) if each
        ]
        optimiser: Optimizer = (
            SGD(groups, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
            if recipe.optimiser == "sgd"
            else AdamW(groups, weight_decay=recipe.weight_decay)
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = (
            LambdaLR(optimiser, lambda step: max(1 - step / steps, 0.0) ** 0.9)
            if recipe.schedule == "poly"
            else OneCycleLR(
                optimiser,
                [group["lr"] for group in groups],
                total_steps=steps,
                pct_start=0.2 if steps != 5 else 0.4,  # torch divides by 0.2 * steps - 1
            )
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class RunRecorder(Callback):
    """Writes the learning curve after each epoch, and the weights when the validation Dice is the best so far.

    Args:
        run: Where to.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.best, self.began = run, -1.0, time.monotonic()
        self.rows: list[dict[str, Any]] = []
        self.validated: dict[str, Any] = {}  # of this epoch; empty where it is not validated

    @property
    def skipped(self) -> int:
        """Batches that were left out so far."""
        return sum(row["skipped"] for row in self.rows)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.rows = state["best"], state["rows"]
        weights = self.run.path / "weights.safetensors"
        if not weights.exists() or sha256(weights) != self.run.facts.weights_sha256:
            self.best = -1.0  # they are of an epoch that was lost: the next that is validated replaces them

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self.began = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, learner: SegmentationModule) -> None:  # type: ignore[override]  # no other
        score = float(trainer.callback_metrics["validation_dice"])
        thresholds = " ".join(f"{cut:.2f}" for cut in learner.thresholds)
        self.validated = {"validation_dice": round(score, 6), "validation_threshold": thresholds or "nan"}
        if score > self.best:
            self.best = score
            self.run.save_weights(
                learner.network,
                epoch=trainer.current_epoch,
                validation_dice=score,
                thresholds=learner.thresholds,
            )

    def on_train_epoch_end(self, trainer: pl.Trainer, learner: SegmentationModule) -> None:  # type: ignore[override]  # no other
        metrics = trainer.callback_metrics
        learnt = learner.skipped < trainer.num_training_batches
        self.rows.append(
            {
                "epoch": trainer.current_epoch,
                "step": trainer.global_step,
                "loss": round(float(metrics["loss_epoch"]), 6) if learnt else math.nan,
                "learning_rate": trainer.optimizers[0].param_groups[-1]["lr"],
                **(self.validated or {"validation_dice": math.nan, "validation_threshold": "nan"}),
                "seconds": round(time.monotonic() - self.began, 1),
                "skipped": learner.skipped,
            }
        )
        self.began, self.validated, learner.skipped = time.monotonic(), {}, 0
        text = io.StringIO()
        table = csv.DictWriter(text, fieldnames=self.rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        write_text(self.run.path / "curve.csv", text.getvalue())


class TrainingProgressBar(ProgressBar):
    """One bar for the whole training, with the loss, the validation Dice and the time left."""

    def __init__(self) -> None:
        super().__init__()
        self.bar: tqdm[Any] | None = None

    def disable(self) -> None:
        """Nothing to do: a bar that has not begun shows nothing."""

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        steps = int(trainer.estimated_stepping_batches)
        self.bar = tqdm(total=steps, initial=trainer.global_step, desc="training", unit="step", dynamic_ncols=True)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.bar is not None:
            metrics = trainer.callback_metrics
            shown = {"loss": metrics.get("loss_step"), "validation Dice": metrics.get("validation_dice")}
            self.bar.set_postfix({name: f"{float(v):.3f}" for name, v in shown.items() if v is not None}, refresh=False)
            self.bar.update(1)

    def on_train_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        if self.bar is not None:
            self.bar.close()

    def on_exception(self, trainer: pl.Trainer, learner: pl.LightningModule, exception: BaseException) -> None:
        self.on_train_end(trainer, learner)


@contextmanager
def translate_training_errors(recipe: Recipe, device: DeviceConfig) -> Iterator[None]:
    """Tell what the user can mend of what goes wrong in a trainer, or in a process that loads images for it.

    Args:
        recipe: What is trained.
        device: Where it computes.

    Raises:
        CenetError: A batch does not fit into memory, or a loading process met such an error, or died.

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
            "a process that loads images died, most often of too little memory",
            "add --workers 0 (a run that has begun goes on with --resume)",
        ) from error
