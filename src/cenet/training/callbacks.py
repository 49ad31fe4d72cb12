"""What happens in the run folder and on the screen while a training proceeds."""

import csv
import io
import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, ProgressBar
from tqdm import tqdm

from cenet.data.io.files import hash_file, write_text
from cenet.inference.operating_point import OperatingPoint
from cenet.inference.run import Run
from cenet.safe_text import print_line
from cenet.training.module import SegmentationModule
from cenet.training.processes import current_rank

COLUMNS = (
    "epoch",
    "step",
    "loss",
    "learning_rate",
    "validation_dice",
    "validation_threshold",
    "seconds",
    "skipped",
)
"""Of the learning curve."""


SUGGESTED_BATCHES = 16  # to estimate the statistics of batch norms on
DICE_FALL = 0.1  # below the best so far, from which a user is warned


def find_validation_fall(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    """Return the best validation Dice and that of the last epoch, if it fell while the loss fell too.

    Args:
        rows: The learning curve so far, with the columns `validation_dice` and `loss`; NaN where there was none.

    >>> curve = [{"validation_dice": 0.77, "loss": 0.9}, {"validation_dice": 0.01, "loss": 0.5}]
    >>> find_validation_fall(curve)
    (0.77, 0.01)
    """
    validated = [row for row in rows if not math.isnan(row["validation_dice"])]
    if not validated or validated[-1] is not rows[-1]:
        return None
    last, best = validated[-1], max(validated, key=lambda row: float(row["validation_dice"]))
    has_fallen = last["validation_dice"] < best["validation_dice"] - DICE_FALL and last["loss"] < best["loss"]
    return (best["validation_dice"], last["validation_dice"]) if has_fallen else None


class RunRecorder(Callback):
    """Writes the learning curve after each epoch, and the weights: each epoch's, or those of the best validation Dice.

    The curve is part of the checkpoint and is written anew after each epoch, so that a resumed training leaves the same
    `curve.csv` as one that was not stopped.

    Args:
        run: The run whose folder is written to.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.best, self.epoch_start = run, -1.0, time.monotonic()
        self.rows: list[dict[str, Any]] = []
        self.validated: dict[str, Any] = {}  # of this epoch; empty where it is not validated
        self.last_validation: tuple[float | None, tuple[float, ...]] = (None, ())  # Dice and thresholds

    @property
    def skipped(self) -> int:
        """How many batches were skipped so far."""
        return sum(row["skipped"] for row in self.rows)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "rows": self.rows, "last_validation": self.last_validation}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.rows, self.last_validation = float(state["best"]), list(state["rows"]), state["last_validation"]
        if any(tuple(row) != COLUMNS for row in self.rows):
            raise ValueError("the learning curve is of another training")
        weights = self.run.path / "weights.safetensors"
        if not weights.exists() or hash_file(weights) != self.run.facts.weights_sha256:
            self.best = -1.0  # they are of an epoch that was lost: the next validated epoch replaces them

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.epoch_start = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, module: SegmentationModule) -> None:  # type: ignore[override]  # no other
        score = float(trainer.callback_metrics["validation_dice"])
        thresholds = " ".join(f"{threshold:.2f}" for threshold in module.thresholds)
        self.validated = {"validation_dice": round(score, 6), "validation_threshold": thresholds or "nan"}
        self.last_validation = score, module.thresholds
        if self.run.recipe.selection == "best" and score > self.best:
            self.best = score
            self._save_weights(trainer, module)

    def _save_weights(self, trainer: pl.Trainer, module: SegmentationModule) -> None:
        if current_rank() > 0:
            return
        validation_dice, thresholds = self.last_validation
        self.run.save_weights(
            module.predictor.network,
            epoch=trainer.current_epoch,
            validation_dice=validation_dice,
            operating_points=(OperatingPoint(thresholds=thresholds),),
        )

    def on_train_epoch_end(self, trainer: pl.Trainer, module: SegmentationModule) -> None:  # type: ignore[override]  # no other
        if self.run.recipe.selection != "best":
            self._save_weights(trainer, module)
        metrics = trainer.callback_metrics
        has_loss = module.skipped < trainer.num_training_batches
        self.rows.append(
            {
                "epoch": trainer.current_epoch,
                "step": trainer.global_step,
                "loss": round(float(metrics["loss_epoch"]), 6) if has_loss else math.nan,
                "learning_rate": trainer.optimizers[0].param_groups[-1]["lr"],
                **(self.validated or {"validation_dice": math.nan, "validation_threshold": "nan"}),
                "seconds": round(time.monotonic() - self.epoch_start, 1),
                "skipped": module.skipped,
            }
        )
        self.epoch_start, self.validated, module.skipped = time.monotonic(), {}, 0
        if current_rank() > 0:
            return
        text = io.StringIO()
        table = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        write_text(self.run.path / "curve.csv", text.getvalue())
        self._warn_of_first_fall()

    def _warn_of_first_fall(self) -> None:
        """Print a note where the validation Dice falls while the loss does, once in a training."""
        fall = find_validation_fall(self.rows)
        if fall is None or any(find_validation_fall(self.rows[:count]) for count in range(1, len(self.rows))):
            return
        remedy = (
            "add training images that resemble those of the validation part, or stronger augmentation"
            if self.run.recipe.precise_norm_batches
            else f"if the images differ much from one another, train with --precise-norm-batches {SUGGESTED_BATCHES}"
        )
        text = f"the validation Dice fell from {fall[0]:.2f} to {fall[1]:.2f} while the loss fell; {remedy}"
        print_line(f"note: {text}", file=sys.stderr)


class TrainingProgressBar(ProgressBar):
    """One bar for the whole training, with the loss, the validation Dice and the time left."""

    def __init__(self) -> None:
        super().__init__()
        self.bar: tqdm[Any] | None = None

    def disable(self) -> None:
        """Do nothing: a bar that has not started shows nothing."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        steps = int(trainer.estimated_stepping_batches)
        if current_rank() > 0:
            return
        self.bar = tqdm(total=steps, initial=trainer.global_step, desc="training", unit="step", dynamic_ncols=True)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.bar is not None:
            metrics = trainer.callback_metrics
            values = {"loss": metrics.get("loss_step"), "validation Dice": metrics.get("validation_dice")}
            self.bar.set_postfix(
                {name: f"{float(v):.3f}" for name, v in values.items() if v is not None}, refresh=False
            )
            self.bar.update(1)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self.bar is not None:
            self.bar.close()

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self.on_train_end(trainer, module)
