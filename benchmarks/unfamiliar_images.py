"""How often images are called unfamiliar: held-out ones of the same kind, changed ones and those of other sets.

    python benchmarks/unfamiliar_images.py DATA

DATA holds the folders DRIVE, CHASE_DB1, HRF, Drishti-GS1, finding-lungs and ISBI2012. Prints a table and writes
results/unfamiliar_images.json.
"""

import argparse
import io
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from cenet.data.appearance import ImageAppearance, describe_appearance, summarise_appearance
from cenet.data.io.read import read_image
from cenet.datasets.registry import TASKS
from cenet.phantoms import write_phantoms

RESULT = Path(__file__).parents[1] / "results" / "unfamiliar_images.json"
SETS = {
    "drive": "DRIVE",
    "chase": "CHASE_DB1",
    "hrf": "HRF",
    "disc": "Drishti-GS1",
    "lung": "finding-lungs",
    "cells": "ISBI2012",
}
TOGETHER = "drive", "chase", "hrf"  # of which the released model vessels has learnt
PHANTOMS = 40
FOLDS = 4

Features = NDArray[np.float64]
# Of images between 0, the darkest value of their set, and 1, the brightest.
CHANGES: dict[str, Callable[[Features], Features]] = {
    "blurred by 2 px": lambda image: gaussian_filter(image, (2, 2, 0)),
    "blurred by 4 px": lambda image: gaussian_filter(image, (4, 4, 0)),
    "half as bright": lambda image: image * 0.5,
    "a third as bright": lambda image: image * 0.3,
    "inverted": lambda image: 1 - image,
}
JPEG = "saved as JPEG"  # of images of 8 bits; the one change of which nothing should be said
JPEG_QUALITY = 90
COLOUR_CHANGES: dict[str, Callable[[Features], Features]] = {"red and blue swapped": lambda image: image[..., ::-1]}


def read_set(task: str, folder: Path) -> tuple[list[NDArray[Any]], list[str]]:
    """Read the images of a data set, and the group of each."""
    samples = TASKS[task].read(folder)
    return [read_image(sample.image, page=sample.page) for sample in samples], [sample.group for sample in samples]


def change_and_describe(images: Sequence[NDArray[Any]]) -> dict[str, list[Features]]:
    """Return the features of the images of a set after each change."""
    is_8_bit = images[0].dtype == np.uint8
    low, high = (0, 255) if is_8_bit else (min(map(np.min, images)), max(map(np.max, images)))
    harmless = {JPEG: save_as_jpeg} if is_8_bit else {}
    changes = harmless | (CHANGES if images[0].shape[2] == 1 else CHANGES | COLOUR_CHANGES)
    described: dict[str, list[Features]] = {name: [] for name in changes}
    for image in images:
        share = (image.astype(np.float64) - low) / (high - low)
        for name, change in changes.items():
            described[name].append(describe_appearance((low + change(share) * (high - low)).astype(image.dtype)))
    return described


def save_as_jpeg(image: Features) -> Features:
    """Return an image of values from 0 to 1 as it is read after it was saved as a JPEG."""
    pixels = np.round(image * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(file, "JPEG", quality=JPEG_QUALITY)
    with Image.open(file) as saved:
        return np.asarray(saved, np.float64).reshape(image.shape) / 255


def measure(
    features: Sequence[Features],
    groups: Sequence[str],
    changed: dict[str, list[Features]],
    foreign: dict[str, list[Features]],
) -> dict[str, Any]:
    """Return shares of images that are called unfamiliar, each group held out once.

    Args:
        features: Of the images of a set.
        groups: The group of each image, such as its patient.
        changed: Of the same images after each change.
        foreign: Of the images of other sets.
    """
    alarms: list[bool] = []
    detections: dict[str, list[bool]] = {name: [] for name in (*changed, *foreign)}
    for held_out_groups in np.array_split(np.random.default_rng(0).permutation(sorted(set(groups))), FOLDS):
        held_out = [index for index, group in enumerate(groups) if group in held_out_groups]
        kept = [index for index in range(len(features)) if index not in held_out]
        appearance = summarise_appearance([features[index] for index in kept], [groups[index] for index in kept])
        assert appearance is not None
        alarms += [is_unfamiliar(appearance, features[index]) for index in held_out]
        for name, described in changed.items():
            detections[name] += [is_unfamiliar(appearance, described[index]) for index in held_out]
        for name, described in foreign.items():
            detections[name] += [is_unfamiliar(appearance, image) for image in described]
    shares = {name: round(float(np.mean(found)), 3) for name, found in detections.items()}
    return {"images": len(features), "false_alarms": sum(alarms), "detected": shares}


def is_unfamiliar(appearance: ImageAppearance, features: Features) -> bool:
    """Return whether an image with these features is called unfamiliar; one with other channels always is."""
    return len(features) != len(appearance.centre) or appearance.score(features)[0] > appearance.limit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    root = parser.parse_args().data
    described, changed, groups = {}, {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        drawn = Path(scratch, "phantoms")
        write_phantoms(drawn, task="vessels", count=PHANTOMS, seed=0, size_px=256)
        folders = {task: root / name for task, name in SETS.items()} | {"vessels": drawn}
        for name, folder in folders.items():
            images, groups[name] = read_set("folder" if name == "vessels" else name, folder)
            described[name] = [describe_appearance(image) for image in images]
            changed[name] = change_and_describe(images)
    foreign = {name: {other: described[other] for other in described if other != name} for name in described}
    together = " + ".join(TOGETHER)
    foreign[together] = {other: features for other, features in described.items() if other not in TOGETHER}
    described[together] = [features for name in TOGETHER for features in described[name]]
    changed[together] = {kind: [row for name in TOGETHER for row in changed[name][kind]] for kind in changed["drive"]}
    groups[together] = [f"{name} {group}" for name in TOGETHER for group in groups[name]]
    rows = {name: measure(features, groups[name], changed[name], foreign[name]) for name, features in described.items()}
    for name, row in rows.items():
        print(f"{name}: {row['false_alarms']} false alarms in {row['images']} images; detected {row['detected']}")
    content: dict[str, Any] = {"command": "python benchmarks/unfamiliar_images.py DATA", "folds": FOLDS, "sets": rows}
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
