"""Opens a folder of images and masks as layers of napari."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from cenet.data.labels.encoding import LabelEncoding
from cenet.data.loading import load_image
from cenet.data.sample import Sample
from cenet.datasets.registry import TASKS
from cenet.datasets.resolve import count_task_classes, resolve_label_encoding
from cenet.errors import CenetError

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]
"""What napari makes a layer of: the array, the layer's properties, and its type."""

MAX_IMAGES = 100  # layers of more would fill memory and list


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Return `read_dataset` for a folder that cenet reads as a data set; None for anything else.

    Args:
        path: What is opened in napari.
    """
    if not isinstance(path, str) or not Path(path).is_dir():
        return None
    try:
        samples = TASKS["folder"].read(Path(path))
    except CenetError:
        return None
    return read_dataset if samples else None


def read_dataset(path: str) -> list[LayerData]:
    """Read the images and masks of a folder as layers, of which the first image's are visible.

    An image that is neither grey nor RGB is a stack of its channels. In a mask 0 is the background and 1 to K are the
    classes; unannotated pixels are 255.

    Args:
        path: The folder.

    Raises:
        CenetError: A file cannot be read, the masks do not say their classes, or there are more than 100 images.
    """
    folder = Path(path)
    samples = TASKS["folder"].read(folder)
    if len(samples) > MAX_IMAGES:
        remedy = "open a folder of fewer, or single images"
        raise CenetError(folder, f"it holds {len(samples)} images, more than the {MAX_IMAGES} that are opened", remedy)
    encoding = _find_encoding(samples, folder)
    layers: list[LayerData] = []
    for sample in samples:
        image = load_image(sample)
        properties = {"visible": sample is samples[0]}
        is_rgb = image.shape[2] == 3
        planes = image if is_rgb else np.moveaxis(image, -1, 0)  # napari shows the last two axes
        pixels = planes[0] if len(planes) == 1 and not is_rgb else planes
        layers.append((pixels, {**properties, "name": sample.name, "rgb": is_rgb}, "image"))
        if encoding is not None and sample.label:
            mask = encoding.read(sample).astype(np.uint8)
            layers.append((mask, {**properties, "name": f"{sample.name} mask"}, "labels"))
    return layers


def _find_encoding(samples: list[Sample], folder: Path) -> LabelEncoding | None:
    """The meaning of the masks; None where there is no mask."""
    if not any(sample.label for sample in samples):
        return None
    classes = count_task_classes("folder", samples, folder=folder)
    return resolve_label_encoding(
        "folder", samples, num_classes=classes.num_classes, nested=classes.nested, folder=folder
    )
