"""How good each network is after the same minutes of training on one core: a result for each task, with its plot.

Every method is trained by `cenet.train` with one recipe, on one split, for each budget anew, as the learning rate falls
over the whole of a training. Its learning rate is that of `RATES` which validated best at the shortest budget. What is
finished lies in the folder of runs, and a second call goes on from there.
"""

import argparse
import csv
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import torch
from accuracy_tables import TASKS, format_accuracy
from monai.networks.nets import DynUNet
from torch import Tensor, nn

import cenet
from cenet.config.recipe import Recipe
from cenet.data.splits import Split
from cenet.errors import CenetError
from cenet.inference.device import describe_environment, resolve_device
from cenet.networks.normalise import Normalise

ROOT = Path(__file__).parents[1]
RESULTS, PLOTS = ROOT / "results" / "time-to-accuracy", ROOT / "docs" / "images"
TICKS = (0.5, 1, 2, 5, 10, 30)  # minutes
RATES = (3e-4, 1e-3, 3e-3)
FEATURES = 32, 64, 128, 256, 512, 512, 512  # nnU-Net's 2D plan for patches of 448 px: twice as many, at most 512


class PlannedUNet(nn.Module):
    """MONAI's DynUNet as nnU-Net plans it in two dimensions, without deep supervision.

    Reference:
        Isensee et al., 2021, nnU-Net.
    """

    stride, min_size = 64, 128

    def __init__(self, num_classes: int, in_channels: int, normalise: Normalise) -> None:
        super().__init__()
        levels = len(FEATURES)
        strides = [1] + [2] * (levels - 1)
        network = DynUNet(2, in_channels, num_classes, [3] * levels, strides, strides[1:], filters=list(FEATURES))
        self.layers = nn.Sequential(normalise, network)

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)  # type: ignore[no-any-return]  # nn.Module returns Any


@dataclass(frozen=True)
class Method:
    """A network and how it is trained.

    Args:
        changes: Values of the recipe that are its own.
        network: Its class, where it is none of the package.
    """

    changes: dict[str, Any]
    network: Callable[..., nn.Module] | None = None


METHODS = {
    "cenet-lite": Method({"network": "cenet-lite"}),
    "cenet": Method({"encoder_learning_rate_factor": 0.5}),
    "unet": Method({"network": "unet", "encoder_weights": "none", "use_stem_skip": False}),
    "dynunet": Method({"encoder_weights": "none", "use_stem_skip": False}, network=PlannedUNet),
}
SHARED: dict[str, Any] = {  # what all of them are trained with, in place of the values of the task's recipe
    "encoder_learning_rate_factor": 1.0,
    "selection": "average",
    "clip_gradients": 1.0,
    "decay_norms": False,
    "test_fraction": 0.25,
    "validate_tta": False,
}


def train_method(method: str, recipe: Recipe, data: Path, run: Path, *, minutes: float, rate: float) -> dict[str, Any]:
    """Train a method, unless its result is there already.

    Args:
        method: A key of `METHODS`.
        recipe: What all methods share.
        data: The images' folder.
        run: The run folder to make, next to its result.
        minutes: Of training, by the clock.
        rate: The peak learning rate.

    Returns:
        What it cost, and the course of its validation.
    """
    result = run.with_name(f"{run.name}.json")
    if result.exists():
        content: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return content
    network = METHODS[method].network
    recipe = recipe.replace(learning_rate=rate, **METHODS[method].changes)
    device = resolve_device(device="cpu", workers=0)  # one process, so that one core is all that is used
    clocks = time.monotonic(), time.process_time()
    if run.exists():
        cenet.resume(run, data=data, network=network)
    else:
        try:
            cenet.train(recipe, data, output=run, minutes=minutes, network=network, device=device)
        except CenetError as error:  # there is no time for a step and the validations
            content = {"minutes": minutes, "learning_rate": rate, "steps": 0, "validation": [], "reason": str(error)}
            result.write_text(json.dumps(content, indent=1), encoding="utf-8")
            return content
    elapsed, used = time.monotonic() - clocks[0], time.process_time() - clocks[1]
    with (run / "curve.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    seconds = 0.0
    course = []
    for row in rows:
        seconds += float(row["seconds"])
        if row["validation_dice"] != "nan":
            course.append([round(seconds, 1), float(row["validation_dice"])])
    content = {
        "minutes": minutes,
        "learning_rate": rate,
        "steps": int(rows[-1]["step"]),
        "training_seconds": round(seconds),
        "processor_share": round(used / elapsed, 2),  # less than all where other programs took their part
        "validation": course,
    }
    result.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return content


def score_method(method: str, recipe: Recipe, run: Path) -> dict[str, Any]:
    """Score a trained method on the held-out images, unless its scores are there already.

    Args:
        method: A key of `METHODS`.
        recipe: What all methods share.
        run: Its run folder.

    Returns:
        Its parameters, and its scores.
    """
    result = run.with_name(f"{run.name}-held-out.json")
    if result.exists():
        content: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return content
    network, device = METHODS[method].network, resolve_device(device="cpu", workers=0)
    report = cenet.evaluate(run, network=network, device=device)
    scores, pooled = report.classes[0].thresholds[0].per_image, report.classes[0].pooled
    held_out = {
        "auc": pooled["auc"].value,
        "dice": scores["dice"].value,
        "overlap_error": scores["overlap_error"].value,
    }
    if recipe.name == "drive":  # it has a field of view, so that its frame is more
        of_frame = cenet.evaluate(run, protocol="frame", network=network, device=device)
        held_out["frame_auc"] = of_frame.classes[0].pooled["auc"].value
    content = {"parameters": report.cost.parameters, "held_out": held_out}
    result.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return content


def measure(method: str, recipe: Recipe, data: Path, folder: Path, budgets: Sequence[float]) -> dict[str, Any]:
    """The results of a method: the shortest budget with each learning rate, then each budget with the best, scored."""
    trials = [
        train_method(method, recipe, data, folder / f"{method}-{budgets[0]:g}-{rate:g}", minutes=budgets[0], rate=rate)
        for rate in RATES
    ]
    finished = [trial for trial in trials if trial["steps"]]
    best = max(finished, key=lambda trial: trial["validation"][-1][1]) if finished else trials[len(trials) // 2]
    rate = best["learning_rate"]
    longer = [
        train_method(method, recipe, data, folder / f"{method}-{minutes:g}-{rate:g}", minutes=minutes, rate=rate)
        for minutes in budgets[1:]
    ]
    chosen = [
        row | score_method(method, recipe, folder / f"{method}-{row['minutes']:g}-{rate:g}") if row["steps"] else row
        for row in (best, *longer)
    ]
    return {"trials": trials, "budgets": chosen}


def plot(methods: dict[str, dict[str, Any]], task: str, path: Path) -> None:
    """Draw the validation Dice of each method against the minutes, a line for each budget."""
    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "cenet"  # the same plot is the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for number, (method, result) in enumerate(methods.items()):
        for index, row in enumerate(row for row in result["budgets"] if row["steps"]):
            minutes = [seconds / 60 for seconds, _ in row["validation"]]
            dice = [value for _, value in row["validation"]]
            label = method if index == 0 else None
            axes.plot(minutes, dice, color=f"C{number}", alpha=0.35)
            axes.plot(minutes[-1:], dice[-1:], "o", color=f"C{number}", label=label)
    axes.set(xlabel="minutes of training on one core", ylabel="validation Dice", title=TASKS[task], xscale="log")
    axes.set_xticks(TICKS, [f"{minutes:g}" for minutes in TICKS])
    axes.minorticks_off()
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=("drive", "lung"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="where trainings are kept")
    parser.add_argument("--minutes", type=float, nargs="+", default=[3, 10, 30])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    options.runs.mkdir(parents=True, exist_ok=True)
    recipe = cenet.load_recipe(options.recipe).replace(**SHARED)
    budgets = sorted(options.minutes)
    methods = {
        method: measure(method, recipe, options.data, options.runs / options.recipe, budgets)
        for method in options.methods
    }
    first = next((options.runs / options.recipe).glob("*/splits.json"))  # all have the same
    content = {
        "split": {part: list(names) for part, names in Split.from_json(first).parts.items()},
        "command": f"python benchmarks/time_to_accuracy.py {options.recipe} {options.data.name} --runs RUNS --minutes "
        + " ".join(f"{minutes:g}" for minutes in budgets),
        "environment": describe_environment(**vars(resolve_device(device="cpu", workers=0))),
        "methods": methods,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{options.recipe}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(format_accuracy(content))
    plot(methods, options.recipe, PLOTS / f"time_to_accuracy_{options.recipe}.svg")


if __name__ == "__main__":
    main()
