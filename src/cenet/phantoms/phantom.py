"""Fundus phantoms: photographs composed of eye, retina, vessels and camera, and sets of them on disk."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError
from cenet.phantoms.camera import field_of_view, photograph
from cenet.phantoms.eye import choose_eye
from cenet.phantoms.retina import background, disc, fibres, lesions, macula
from cenet.phantoms.vessels import draw_vessels

MIN_SIZE = 64  # smallest side of a picture in output pixels


@dataclass(frozen=True)
class Phantom:
    """One drawn photograph with its truth.

    Shape:
        image: (H, W, 3) uint8. label: (H, W) uint8, 1 = vessel. region: (H, W) bool, the field of view.

    >>> fundus(0, size_px=64).image.shape
    (64, 64, 3)
    """

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]
    region: NDArray[np.bool_]


def _check(subject: object, seed: int, size_px: int) -> None:
    if seed < 0:
        raise CenetError(f"{subject}: seed {seed} is negative; give a whole number from 0")
    if size_px < MIN_SIZE:
        raise CenetError(f"{subject}: a size of {size_px} px is too small; give at least {MIN_SIZE} px")


def fundus(seed: int, *, size_px: int = 512) -> Phantom:
    """Draw a colour fundus photograph whose vessels are known exactly.

    The same seed gives the same bytes; at another size it gives the same eye.

    Args:
        seed: any whole number from 0.
        size_px: side of the square picture, at least 64 pixels.

    Raises:
        CenetError: the seed is negative or the size too small.

    >>> phantom = fundus(7, size_px=64)
    >>> bool((phantom.label[~phantom.region] == 0).all())
    True
    """
    _check("phantom", seed, size_px)
    streams = iter(np.random.default_rng(seed).spawn(9))  # one each, so that no part disturbs another
    eye = choose_eye(next(streams), size_px)
    light, truth = draw_vessels(next(streams), eye)
    region = field_of_view(next(streams), eye)
    picture = background(next(streams), eye)
    for paint in (macula, fibres, disc, lesions):
        paint(next(streams), eye, picture)
    image = photograph(next(streams), eye, picture * light, region)
    return Phantom(image, (truth & region).astype(np.uint8), region)


def write_fundus_set(folder: Path, *, count: int, seed: int, size_px: int = 512) -> None:
    """Write drawn photographs as a plain folder: images, masks and regions of the same names.

    Image k depends on the seed and k alone, so a longer set begins with the shorter one.

    Args:
        folder: new or empty; parents are made.
        count: number of photographs, at least 1.
        seed: any whole number from 0.
        size_px: side of each square picture, at least 64 pixels.

    Raises:
        CenetError: the folder is in use, or a number is out of range.

    >>> with tempfile.TemporaryDirectory() as scratch:
    ...     write_fundus_set(Path(scratch) / "set", count=1, seed=0, size_px=64)
    ...     sorted(path.name for path in (Path(scratch) / "set").iterdir())
    ['images', 'masks', 'regions']
    """
    from PIL import Image

    _check(folder, seed, size_px)
    if count < 1:
        raise CenetError(f"{folder}: {count} phantoms asked for; give a count of at least 1")
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise CenetError(f"{place}: it is a file; name a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise CenetError(f"{folder}: the folder is not empty; name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for part in ("images", "masks", "regions"):
            (building / part).mkdir()
        for index in range(count):
            own_seed = int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])
            phantom = fundus(own_seed, size_px=size_px)
            name = f"fundus-{index:03d}.png"
            Image.fromarray(phantom.image).save(building / "images" / name)
            Image.fromarray(phantom.label * np.uint8(255)).save(building / "masks" / name)
            Image.fromarray(phantom.region * np.uint8(255)).save(building / "regions" / name)
        building.chmod(0o755)  # mkdtemp makes it private
        os.replace(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
