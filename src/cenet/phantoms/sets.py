"""Sets of phantoms on disk, each in the layout that its task reads."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError
from cenet.phantoms.cells import draw_stack
from cenet.phantoms.lung import draw_patient
from cenet.phantoms.nuclei import STAINS, draw_nuclei
from cenet.phantoms.oct import draw_oct
from cenet.phantoms.phantom import check_seed_and_size, draw_fundus

SLICES = 3  # of each patient of the lung set
BLOCK = 5  # slices of a stack of cells that show the same tissue
COUNTS = {"cells": 5 * BLOCK}  # where eight are too few groups to train on


def write_phantoms(folder: Path | str, *, task: str, count: int | None = None, seed: int, size_px: int = 512) -> None:
    """Draw images with exact truth into a folder, in the layout that the task reads.

    Image (or patient) k depends on the seed and k alone, so a longer set begins with the shorter one. So that this
    holds for a stack of cells too, every five slices show other tissue.

    Args:
        folder: New or empty; parents are made.
        task: One of `PHANTOMS`.
        count: Number of images (slices of cells, patients of lungs with three slices each), at least 1; None for what
            is enough to train on, 25 slices of cells, 8 of all else.
        seed: Any whole number from 0.
        size_px: Side of each square image, at least 64 pixels.

    Raises:
        CenetError: There is no such task, the folder is in use, or a number is out of range.

    >>> with tempfile.TemporaryDirectory() as scratch:
    ...     write_phantoms(Path(scratch) / "set", task="vessels", count=1, seed=0, size_px=64)
    ...     sorted(path.name for path in (Path(scratch) / "set").iterdir())
    ['images', 'masks', 'regions']
    """
    if task not in PHANTOMS:
        raise CenetError(f"phantoms {task}", "there is no such task", f"choose from {', '.join(PHANTOMS)}")
    folder = Path(folder)
    check_seed_and_size(folder, seed, size_px)
    count = COUNTS.get(task, 8) if count is None else count
    if count < 1:
        raise CenetError(folder, f"{count} phantoms asked for", "give a count of at least 1")
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise CenetError(path, "it is a file", "name a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise CenetError(folder, "the folder is not empty", "name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    is_there = folder.is_dir()  # it may be the current one, or a link; its owner and permissions stay
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder if is_there else folder.parent))
    try:
        PHANTOMS[task](building, count, seed, size_px)
        if is_there:
            for path in sorted(building.iterdir()):
                os.replace(path, folder / path.name)
        else:
            building.chmod(0o755)  # mkdtemp makes it private
            os.replace(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _derive_seed(seed: int, index: int) -> int:
    return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])


def _save(path: Path, pixels: NDArray[Any]) -> None:
    """Write an image; truth of bool becomes 0 and 255."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        import tifffile

        tifffile.imwrite(path, pixels, photometric="minisblack", metadata=None)
    elif path.suffix == ".npy":
        np.save(path, pixels)
    else:
        from PIL import Image

        Image.fromarray(pixels * np.uint8(255) if pixels.dtype == np.bool_ else pixels).save(path)


def _vessels(folder: Path, count: int, seed: int, size_px: int) -> None:
    for index in range(count):
        phantom, name = draw_fundus(_derive_seed(seed, index), size_px=size_px), f"fundus-{index:03d}.png"
        _save(folder / "images" / name, phantom.image)
        _save(folder / "masks" / name, phantom.label > 0)
        _save(folder / "regions" / name, phantom.region)


def _disc(folder: Path, count: int, seed: int, size_px: int) -> None:
    for index in range(count):
        phantom, name = draw_fundus(_derive_seed(seed, index), size_px=size_px), f"fundus-{index:03d}.png"
        _save(folder / "images" / name, phantom.image)
        _save(folder / "masks" / "disc" / name, phantom.disc > 0)
        _save(folder / "masks" / "cup" / name, phantom.disc > 1)


def _lung(folder: Path, count: int, seed: int, size_px: int) -> None:
    for index in range(count):
        patient = draw_patient(_derive_seed(seed, index), slices=SLICES, size_px=size_px)
        for number, (image, label) in enumerate(patient):
            name = f"patient-{index:03d}_{number}"
            _save(folder / "images" / f"{name}.tif", image)
            _save(folder / "masks" / f"{name}.png", label > 0)


def _cells(folder: Path, count: int, seed: int, size_px: int) -> None:
    blocks = [draw_stack(_derive_seed(seed, k), slices=BLOCK, size_px=size_px) for k in range(-(-count // BLOCK))]
    for name, stacks in zip(("train-volume.tif", "train-labels.tif"), zip(*blocks, strict=True), strict=True):
        _save(folder / name, np.concatenate(stacks)[:count])


def _oct(folder: Path, count: int, seed: int, size_px: int) -> None:
    for index in range(count):
        image, boundaries = draw_oct(_derive_seed(seed, index), height_px=size_px, width_px=size_px)
        _save(folder / "images" / f"oct-{index:03d}.png", image)
        _save(folder / "boundaries" / f"oct-{index:03d}.npy", boundaries)


def _nuclei(folder: Path, count: int, seed: int, size_px: int) -> None:
    for index in range(count):
        stain = list(STAINS)[index % len(STAINS)]  # so that a small set is mixed too
        image, label = draw_nuclei(_derive_seed(seed, index), stain=stain, size_px=size_px)
        _save(folder / "images" / f"nuclei-{index:03d}.png", image)
        _save(folder / "masks" / f"nuclei-{index:03d}.png", label)


PHANTOMS: dict[str, Callable[[Path, int, int, int], None]] = {
    "vessels": _vessels,
    "disc": _disc,
    "lung": _lung,
    "cells": _cells,
    "oct": _oct,
    "nuclei": _nuclei,
}
