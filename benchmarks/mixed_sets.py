"""Images in four stains, trained with and without precise batch norm: a table, and results/mixed_sets.json."""

import csv
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import cenet
from cenet.config.presets import load_recipe
from cenet.data.io.read import read_label
from cenet.inference.device import DeviceConfig, describe_environment, resolve_device
from cenet.metrics import count, dice
from cenet.phantoms import write_phantoms

RESULT = Path(__file__).parents[1] / "results" / "mixed_sets.json"
IMAGES, SIDE_PX = 26, 256
RECIPE = load_recipe("folder").replace(
    network="cenet-lite",
    learning_rate=3e-3,
    crop_px=192,
    epochs=6,
    steps_per_epoch=10,
    patience=None,
    validate_tta=False,
)
TRIALS: dict[str, int | None] = {"running averages": None, "estimated on 8 batches": 8}


def train(batches: int | None, data: Path, folder: Path, device: DeviceConfig) -> dict[str, Any]:
    """Train, and return the learning curve, the epoch that is kept, and its Dice on each image of the test part.

    Args:
        batches: The recipe's `precise_norm_batches`.
        data: The images.
        folder: The run folder to make.
        device: What computes.
    """
    began = time.process_time()
    run = cenet.train(RECIPE.replace(precise_norm_batches=batches), data, output=folder, device=device)
    seconds = time.process_time() - began
    assert run.split is not None
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    images = [data / "images" / f"{name}.png" for name in run.split.parts["test"]]
    masks = [prediction.mask > 0 for prediction in cenet.predict(folder, images, device=device)]
    labels = [read_label(data / "masks" / path.name) > 0 for path in images]
    scores = [float(dice(count(mask, label))) for mask, label in zip(masks, labels, strict=True)]
    return {
        "validation_dice": [round(float(row["validation_dice"]), 3) for row in rows],
        "loss": [round(float(row["loss"]), 3) for row in rows],
        "kept_epoch": run.facts.epoch,
        "test_dice": [round(score, 3) for score in scores],
        "mean_test_dice": round(float(np.mean(scores)), 3),
        "processor_seconds": round(seconds),
    }


def main() -> None:
    torch.set_num_threads(1)
    device, trials = resolve_device(device="cpu", workers=0), {}
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch, "nuclei")
        write_phantoms(data, task="nuclei", count=IMAGES, seed=0, size_px=SIDE_PX)
        for name, batches in TRIALS.items():
            trials[name] = train(batches, data, Path(scratch, name), device)
    print("| statistics of batch norms | validation Dice after each epoch | loss | mean test Dice |\n|---|---|---|---|")
    for name, trial in trials.items():
        curves = (" ".join(f"{value:.2f}" for value in trial[key]) for key in ("validation_dice", "loss"))
        print(f"| {name} | {' | '.join(curves)} | {trial['mean_test_dice']} |")
    content = {
        "command": "python benchmarks/mixed_sets.py",
        "images": {"count": IMAGES, "side_px": SIDE_PX, "stains": 4},
        "trials": trials,
        "environment": describe_environment(
            device="cpu", precision=device.precision, workers=0, memory_format=device.memory_format
        ),
    }
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
