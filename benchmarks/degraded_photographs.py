"""What blur, noise and little light cost: the test photographs of runs, degraded, beside the clean ones.

    python benchmarks/degraded_photographs.py BEFORE AFTER

BEFORE and AFTER are two runs with the same test part, such as a fold after 1000 and after 2500 steps. Prints a table
and writes results/degraded_photographs.json.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

import cenet
from cenet.data.field_of_view import find_field_of_view
from cenet.data.io.read import read_image
from cenet.evaluation.image_source import find_images
from cenet.evaluation.intervals import interval_of_mean
from cenet.inference.run import Run
from cenet.metrics import count, dice

RESULT = Path(__file__).parents[1] / "results" / "degraded_photographs.json"
WIDTH_PX = 1000  # of the photographs to which a blur in pixels belongs; that of wider ones is wider

Pixels = NDArray[np.float64]


def blur(image: Pixels, sigma_px: float) -> Pixels:
    """Blur a photograph by a Gaussian of this width in one of `WIDTH_PX`."""
    sigma = sigma_px * max(1, round(image.shape[1] / WIDTH_PX))
    return np.asarray(gaussian_filter(image, (sigma, sigma, 0)))


def add_noise(image: Pixels, levels: float) -> Pixels:
    """Add Gaussian noise of this standard deviation, the same in every call."""
    return image + np.random.default_rng(0).normal(0, levels, image.shape)


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "clean": lambda image: image,
    "blurred by 1 px": lambda image: blur(image, 1),
    "blurred by 2 px": lambda image: blur(image, 2),
    "noise of 10 grey levels": lambda image: add_noise(image, 10),
    "noise of 20 grey levels": lambda image: add_noise(image, 20),
    "a third as bright": lambda image: image * 0.3,
}


def score(runs: list[Run]) -> dict[str, NDArray[np.float64]]:
    """Return the Dice of each run and photograph, `(runs, photographs)`, after each change; the means of groups."""
    source = find_images(runs[0], None, task=None, group_pattern=None, ignore_value=None, splits=None)
    split, labels = runs[0].split, runs[0].facts.labels
    assert split is not None
    assert labels is not None
    predictors = [cenet.load(run.path, device="cpu") for run in runs]
    held_out = [sample for sample in source.samples if sample.name in split.parts["test"]]
    groups = sorted({sample.group for sample in held_out})
    scores: dict[str, Any] = {change: [[[] for _ in groups] for _ in runs] for change in CHANGES}
    for sample in tqdm(held_out, unit="image"):
        image, truth = read_image(sample.image), labels.read(sample) > 0
        inside = find_field_of_view(image)
        for change, degrade in CHANGES.items():
            pixels = np.clip(degrade(image.astype(np.float64)), 0, 255).astype(np.uint8)
            for of_run, predictor in zip(scores[change], predictors, strict=True):
                mask = predictor(pixels).mask > 0
                of_run[groups.index(sample.group)].append(float(dice(count(mask[inside], truth[inside]))))
    return {change: np.array([[np.mean(dices) for dices in row] for row in rows]) for change, rows in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs=2, metavar="RUN")
    runs = [Run(path) for path in parser.parse_args().run]
    rows = {}
    for change, (before, after) in score(runs).items():
        differences = after - before
        interval = interval_of_mean(differences, [str(number) for number in range(len(differences))])
        rows[change] = {
            "before": round(float(before.mean()), 4),
            "after": round(float(after.mean()), 4),
            "difference": [round(end, 4) for end in (float(differences.mean()), interval.low, interval.high)],
        }
        print(f"{change}: {rows[change]}")
    content = {
        "command": "python benchmarks/degraded_photographs.py BEFORE AFTER",
        "steps": [run.recipe.epochs * run.recipe.steps_per_epoch for run in runs],
        "groups": len(differences),
        "changes": rows,
    }
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
