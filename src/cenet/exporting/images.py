"""The images on which an exported model is compared with its run, and those that quantisation is calibrated on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.ome import read_channel_names
from cenet.data.io.read import read_image
from cenet.data.loading import load_sample
from cenet.data.sample import Sample
from cenet.datasets.resolve import resolve_dataset
from cenet.errors import CenetError
from cenet.inference.adapt_image import fit_to_run
from cenet.inference.check_model import LAYOUTS
from cenet.inference.list_images import ImageFile, list_images
from cenet.inference.run import Run
from cenet.phantoms import PHANTOMS, write_phantoms

MAX_IMAGES = 10  # of each kind; a prediction of each is computed twice
PHANTOM_PX = 512


@dataclass(frozen=True)
class GateImage:
    """An image that is predicted by the run and by the exported model.

    Args:
        name: What messages call it.
        pixels: `(H, W, C)`.
        label: Class indices, `(H, W)`; None where it has none.
    """

    name: str
    pixels: NDArray[Any]
    label: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class GateImages:
    """What an export is judged by.

    Args:
        source: What the images are, in words.
        compared: Those that are predicted by both.
        training: Other images, which quantisation is calibrated on.
    """

    source: str
    compared: Sequence[GateImage]
    training: Sequence[GateImage]


def load_gate_images(run: Run, *, data: Path | None = None, calibration: Path | None = None) -> GateImages:
    """Load the images: a folder of them, or a run's validation part, or phantoms for a released model.

    Args:
        run: The run or released model.
        data: The images that the run was trained on, where they have moved.
        calibration: A folder of images of the kind that the model is for.

    Raises:
        CenetError: There are none.
    """
    if calibration is not None:
        files = list_images([calibration])
        images = [_load_other(run, file) for file in files[: 2 * MAX_IMAGES]]
        return GateImages(f"images in {calibration.name}", images[::2], images[1::2] or images)
    if run.model is not None:
        return _load_released(run)
    split, folder = run.split, data or (Path(run.facts.data) if run.facts.data else None)
    if split is None or not split.parts["validation"]:
        remedy = "name a folder of images for the comparison with --calibration"
        raise CenetError(run.path, "has no validation images", remedy)
    if folder is None or not folder.exists():
        remedy = "name the images that it was trained on with --data, or others with --calibration"
        raise CenetError(run.path, "its images are not where they were", remedy)
    samples = resolve_dataset(run.recipe.task).read(folder, group_pattern=run.facts.group_pattern)
    by_name = {sample.name: sample for sample in samples}
    parts = {}
    for part in ("validation", "train"):
        names = split.parts[part][:MAX_IMAGES]
        if missing := [name for name in names if name not in by_name]:
            cause = f"holds no image {missing[0]}, on which the run was validated or trained"
            raise CenetError(folder, cause, "name the images that the run was trained on with --data")
        parts[part] = [_load(run, by_name[name]) for name in names]
    return GateImages("validation images", parts["validation"], parts["train"])


def _load(run: Run, sample: Sample) -> GateImage:
    image, label, _ = load_sample(sample, run.facts.labels)
    return GateImage(sample.name, image, label)


def _load_other(run: Run, file: ImageFile) -> GateImage:
    """An image that may be of another kind, converted as `cenet predict` does."""
    pixels, names = read_image(file.file, page=file.page), read_channel_names(file.file)
    return GateImage(file.title, fit_to_run(pixels, file.file, run.facts, names=names, page=file.page)[0])


def _load_released(run: Run) -> GateImages:
    task = run.recipe.task
    stored = run.model.check.image if run.model is not None and run.model.check is not None else None
    phantom = stored if stored in PHANTOMS else task
    sets: list[list[GateImage]] = []
    if phantom in PHANTOMS:
        with TemporaryDirectory(prefix="cenet-export-") as folder:
            for seed in (1, 2):  # the compared ones, and others
                place = Path(folder, str(seed))
                write_phantoms(place, task=phantom, count=4, seed=seed, size_px=PHANTOM_PX)
                samples = resolve_dataset(LAYOUTS.get(phantom, phantom)).read(place)
                sets.append([_load(run, sample) for sample in samples[:4]])
    compared, training = sets or ([], [])
    source = f"phantoms of {phantom}"
    if stored == "retina" or (phantom in ("vessels", "disc") and run.facts.in_channels == 3):
        from skimage import data

        compared = [*compared, GateImage("retina", np.asarray(data.retina()))]
        source += " and the photograph of scikit-image"
    kind = run.facts.in_channels, run.facts.dtype
    compared = [image for image in compared if (image.pixels.shape[2], str(image.pixels.dtype)) == kind]
    if not compared:
        cause = "no image of its kind comes with cenet"
        raise CenetError(run.path.name, cause, "name a folder of images for the comparison with --calibration")
    return GateImages(source, compared, training)
