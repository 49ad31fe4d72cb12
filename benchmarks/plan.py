"""What a planned recipe reaches beside the fixed one for own data, in the same time: results/plan.json.

Three sets of real images as plain folders: vessels (DRIVE), lungs in CT (finding-lungs) and membranes (ISBI 2012). Both
recipes are trained for as many processor seconds, on one thread, so that other programs on the machine do not count,
and are scored on the same images that were held out.
"""

import argparse
import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import tifffile
import torch
from PIL import Image

from cenet.data.io.files import write_text
from cenet.evaluation.evaluate import evaluate
from cenet.inference.device import describe_environment, resolve_device
from cenet.reporting.evaluation_text import summarise_evaluation
from cenet.training import time_budget
from cenet.training.train import train

RESULT = Path(__file__).parents[1] / "results" / "plan.json"
RECIPES = {"planned": None, "folder": "folder"}


def lay_out_drive(source: Path, target: Path) -> None:
    for image in sorted((source / "DRIVE/training/images").glob("*.tif")):
        number = image.name.partition("_")[0]
        shutil.copy(image, target / "images" / f"{number}.tif")
        shutil.copy(source / f"DRIVE/training/1st_manual/{number}_manual1.gif", target / "masks" / f"{number}.gif")


def lay_out_lungs(source: Path, target: Path) -> None:
    for image in sorted((source / "lung-ct/finding-lungs/images").glob("*.tif")):
        shutil.copy(image, target / "images")
        shutil.copy(source / "lung-ct/finding-lungs/masks" / f"{image.stem}.png", target / "masks")


def lay_out_cells(source: Path, target: Path) -> None:
    images, labels = (tifffile.imread(source / "ISBI2012" / f"train-{name}.tif") for name in ("volume", "labels"))
    for number, label in enumerate(labels):
        Image.fromarray(images[number]).save(target / "images" / f"slice-{number:02}.png")
        Image.fromarray(np.where(label == 0, 255, 0).astype(np.uint8)).save(target / "masks" / f"slice-{number:02}.png")


SETS = {"drive": lay_out_drive, "lungs": lay_out_lungs, "cells": lay_out_cells}


def compare_recipes(folder: Path, output: Path, minutes: float) -> dict[str, Any]:
    """Train and score both recipes on a folder."""
    rows = {}
    for name, recipe in RECIPES.items():
        began = time.process_time()
        run = train(
            recipe, folder, output=output / name, minutes=minutes, device=resolve_device(device="cpu", workers=0)
        )
        seconds = time.process_time() - began
        report = evaluate(run.path, device="cpu", overlays=0)
        rows[name] = {
            "network": run.recipe.network,
            "steps": run.recipe.epochs * (run.recipe.steps_per_epoch or 0),
            "epochs": run.recipe.epochs,
            "processor_seconds": round(seconds),
            "result": summarise_evaluation(report),
            "dice": round(report.classes[0].thresholds[0].per_image["dice"].value, 4),
            "dice_of_images": [round(image.thresholds[0].scores["dice"], 4) for image in report.classes[0].images],
            "recipe": run.recipe.model_dump(exclude_defaults=True),
            "choices": [choice.model_dump() for choice in run.facts.choices],
        }
        print(folder.name, name, rows[name]["steps"], round(seconds), rows[name]["result"], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds DRIVE, lung-ct and ISBI2012")
    parser.add_argument("--output", type=Path, required=True, help="where plain folders and runs are made")
    parser.add_argument("--minutes", type=float, default=4, help="processor minutes of each training")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    time_budget.time = SimpleNamespace(monotonic=time.process_time)  # type: ignore[attr-defined]
    for name in options.sets:
        folder = options.output / name
        if not folder.exists():
            for part in ("images", "masks"):
                (folder / part).mkdir(parents=True)
            SETS[name](options.data, folder)
        rows = compare_recipes(folder, options.output / "runs" / name, options.minutes)
        content = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {"sets": {}}
        content["sets"][name] = {
            "command": "python benchmarks/plan.py --data DATA --output OUT "
            f"--sets {name} --minutes {options.minutes:g}",
            "environment": describe_environment(**vars(resolve_device(device="cpu", workers=0))),
            "recipes": rows,
        }
        write_text(RESULT, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
