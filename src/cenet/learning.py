"""What happens in a training step, in a validation, and after each: the trainer's side of a run."""

import csv
import io
import time
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ProgressBar
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR
from tqdm import tqdm

from cenet.errors import CenetError
from cenet.inference import Prediction, Predictor
from cenet.losses import SegmentationLoss
from cenet.metrics import best_dice_threshold, dice, multiclass_counts
from cenet.metrics.overlap import Counts
from cenet.networks import Network
from cenet.networks.cenet import CENet
from cenet.recipe import Recipe
from cenet.runs import Run, write


class Learner(pl.LightningModule):
    """A network with its recipe's loss, optimiser and schedule, validated through the engine that predicts.

    Args:
        network: What learns.
        recipe: How.
        predictor: The engine around the same network.
    """

    def __init__(self, network: Network, recipe: Recipe, predictor: Predictor) -> None:
        super().__init__()
        self.network, self.recipe, self.predictor = network, recipe, predictor
        self.loss = SegmentationLoss(recipe)
        self.scores = ValidationScores(recipe.num_classes)

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        logits = self.network(batch["image"].contiguous(memory_format=self.predictor.memory_format))
        loss: Tensor = self.loss(logits, batch["label"], batch["region"])
        if not torch.isfinite(loss):
            raise CenetError(
                f"recipe {self.recipe.name}: the loss is no number at step {self.global_step}; "
                f"lower --learning-rate (it is {self.recipe.learning_rate:g})"
            )
        self.log("loss", loss, on_step=True, on_epoch=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.scores = ValidationScores(self.recipe.num_classes)

    def validation_step(self, batch: Any, _: int) -> None:
        image, label, region = batch
        self.scores.add(self.predictor(image), label, region)

    def on_validation_epoch_end(self) -> None:
        threshold, score = self.scores.best()
        self.log("validation_dice", score)
        self.log("validation_threshold", threshold)

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


class ValidationScores:
    """Dice over all validation pixels that count, and the threshold that makes it largest.

    Args:
        num_classes: 1 for a foreground map with a threshold, more for class maps decided by the largest.

    >>> scores = ValidationScores(1)
    >>> label = np.array([[0, 1]], np.uint8)
    >>> scores.add(Prediction(np.array([[[0.2, 0.3]]], np.float32)), label, np.ones((1, 2), bool))
    >>> scores.best()
    (0.3, 1.0)
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.probabilities: list[np.ndarray[Any, Any]] = []
        self.labels: list[np.ndarray[Any, Any]] = []
        self.counts: list[list[Counts]] = []

    def add(self, prediction: Prediction, label: np.ndarray[Any, Any], region: np.ndarray[Any, Any]) -> None:
        """Take in one image."""
        if self.num_classes == 1:
            self.probabilities.append(prediction.probabilities[0][region])
            self.labels.append(label[region] > 0)
        else:
            self.counts.append(multiclass_counts(prediction.mask, label, num_classes=self.num_classes, region=region))

    def best(self) -> tuple[float, float]:
        """The threshold, and the Dice there; over several classes 0.5 and their mean Dice."""
        if self.num_classes == 1:
            return best_dice_threshold(np.concatenate(self.probabilities), np.concatenate(self.labels))
        sums = [sum(each, Counts(0, 0, 0, 0)) for each in zip(*self.counts, strict=True)]
        return 0.5, float(np.nanmean([dice(counts) for counts in sums]))


class RunFolder(Callback):
    """Writes the learning curve after each epoch, and the weights when the validation Dice is the best so far.

    Args:
        run: Where to.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.best, self.began = run, -1.0, time.monotonic()
        self.rows: list[dict[str, Any]] = []
        self.validated: dict[str, float] = {}  # of this epoch; empty where it is not validated

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.rows = state["best"], state["rows"]

    def on_train_epoch_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self.began, self.validated = time.monotonic(), {}

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        names = ("validation_dice", "validation_threshold")
        self.validated = {name: float(trainer.callback_metrics[name]) for name in names}
        score, threshold = self.validated.values()
        if score > self.best:
            self.best = score
            self.run.save_weights(
                learner.network,  # type: ignore[arg-type]  # the learner's network is a module
                epoch=trainer.current_epoch,
                validation_dice=score,
                threshold=round(threshold, 2),
            )

    def on_train_epoch_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        metrics = trainer.callback_metrics
        self.rows.append(
            {
                "epoch": trainer.current_epoch,
                "step": trainer.global_step,
                "loss": round(float(metrics["loss_epoch"]), 6),
                "learning_rate": trainer.optimizers[0].param_groups[-1]["lr"],
                "validation_dice": round(self.validated.get("validation_dice", np.nan), 6),
                "validation_threshold": round(self.validated.get("validation_threshold", np.nan), 2),
                "seconds": round(time.monotonic() - self.began, 1),
            }
        )
        text = io.StringIO()
        table = csv.DictWriter(text, fieldnames=self.rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        write(self.run.path / "curve.csv", text.getvalue())


class Bar(ProgressBar):
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
