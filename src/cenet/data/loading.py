"""Read what a sample names, and check that it fits together."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.field_of_view import find_field_of_view
from cenet.data.io.ome import read_channel_names
from cenet.data.io.read import read_image, read_region
from cenet.data.labels.detect import LabelEncoding
from cenet.data.sample import Sample
from cenet.errors import CenetError

LOWEST, AIR, HIGHEST = -4096, -500, 32767  # Hounsfield units: of padding, of the thinnest part, of metal
OFFSET = 1024  # what scanners add to them, so that none is below 0
OFFSET_AIR, OFFSET_BONE, OFFSET_METAL = 200, 1500, 5000  # of such values the least is below, the greatest between


LoadedSample = tuple[NDArray[Any], NDArray[np.uint8] | None, NDArray[np.bool_] | None]  # image, label, region


def load_sample(sample: Sample, labels: LabelEncoding | None = None) -> LoadedSample:
    """Read image, label and region of a sample; what it does not have is None.

    The field of view of a fundus photograph without a region file is found on it.

    Args:
        sample: What to read.
        labels: How its label becomes class indices; without it no label is read.

    Shape:
        Image (H, W, C), label (H, W), region (H, W).

    Raises:
        CenetError: A file cannot be read, or channels, label or region do not fit the image.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from cenet.data.io.write import write_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "eye.png")
    ...     write_mask(path, np.eye(3, dtype=np.uint8))
    ...     labels = LabelEncoding(kind="values", names=("vessel",), values=((0,), (255,)))
    ...     image, label, region = load_sample(Sample("eye", path, label=(path,)), labels)
    >>> image.shape, int(label.sum()), region
    ((3, 3, 1), 3, None)
    """
    image = load_image(sample)
    label = load_label(sample, labels, image) if labels and sample.label else None
    return image, label, load_region(sample, image)


class SampleCache:
    """Loads samples as `load_sample` does, and keeps what it has decoded as far as the memory allows.

    A copy that is sent to another process is empty and keeps nothing.

    Args:
        max_bytes: How many bytes of decoded samples are kept.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from cenet.data.io.write import write_mask
    >>> cache = SampleCache(max_bytes=1000)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sample = Sample("eye", Path(folder, "eye.png"))
    ...     write_mask(sample.image, np.eye(3, dtype=np.uint8))
    ...     image, _, _ = cache.load(sample)
    >>> cache.load(sample)[0] is image
    True
    """

    def __init__(self, max_bytes: int) -> None:
        self._free_bytes = max_bytes
        self._loaded: dict[str, LoadedSample] = {}

    def load(self, sample: Sample, labels: LabelEncoding | None = None) -> LoadedSample:
        """Return image, label and region of a sample; the label is that of the first call."""
        if sample.name in self._loaded:
            return self._loaded[sample.name]
        loaded = load_sample(sample, labels)
        size = sum(array.nbytes for array in loaded if array is not None)
        if size <= self._free_bytes:
            self._loaded[sample.name] = loaded
            self._free_bytes -= size
        return loaded

    def __getstate__(self) -> dict[str, Any]:
        return {"_free_bytes": 0, "_loaded": {}}


def load_image(sample: Sample) -> NDArray[Any]:
    """Read the image of a sample alone, with its further channels behind it.

    Args:
        sample: What to read.

    Shape:
        (H, W, C).

    Raises:
        CenetError: A file cannot be read, or the channels do not fit together.
    """
    image = read_image(sample.image, page=sample.page)
    if sample.hounsfield and image.dtype == np.float32:
        _check_hounsfield(sample.image, image)
    layers = [image]
    for path in sample.channels:
        layer = read_image(path, page=sample.page)
        _check_size(path, layer, sample.image, image)
        if image.shape[2] > 1 or layer.shape[2] > 1:
            coloured = sample.image if image.shape[2] > 1 else path
            raise CenetError(coloured, "a file that is one of several channels must be grey", "save it as grey")
        if layer.dtype != image.dtype:
            cause = f"its values are {layer.dtype} where {sample.image} has {image.dtype}"
            raise CenetError(path, cause, "save all channels with the same type")
        layers.append(layer)
    return np.concatenate(layers, axis=2) if sample.channels else image


def find_channel_names(sample: Sample) -> tuple[str, ...]:
    """What the channels of a sample's image are called; empty where neither data set nor file say it.

    Args:
        sample: The sample; its image is not decoded.
    """
    return sample.channel_names or (() if sample.channels else read_channel_names(sample.image))


def load_label(sample: Sample, labels: LabelEncoding, image: NDArray[Any]) -> NDArray[np.uint8]:
    """Read the label of a sample that has one, as class indices.

    Args:
        sample: What to read.
        labels: How the label becomes class indices.
        image: The sample's image.

    Shape:
        (H, W, C) to (H, W).

    Raises:
        CenetError: The label cannot be read, or does not fit the image.
    """
    label = labels.read(sample, shape=(image.shape[0], image.shape[1]))
    _check_size(sample.label[0], label, sample.image, image)
    return label


def load_region(sample: Sample, image: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Read where the pixels of a sample count, or find it on a fundus photograph; None means everywhere.

    Args:
        sample: What to read.
        image: Its image.

    Shape:
        (H, W, C) to (H, W).

    Raises:
        CenetError: The region cannot be read, does not fit the image, or is not found on it.

    >>> from pathlib import Path
    >>> load_region(Sample("slice", Path("slice.png")), np.zeros((3, 3, 1), np.uint8))
    """
    if sample.region is not None:
        region = read_region(sample.region)
        _check_size(sample.region, region, sample.image, image)
        return region
    return find_field_of_view(image, name=str(sample.image)) if sample.fundus else None


def has_hounsfield_offset(sample: Sample, image: NDArray[Any]) -> bool:
    """Tell whether the values of a CT slice look like Hounsfield units that were raised by 1024 to be unsigned.

    Args:
        sample: What was read.
        image: Its image.

    >>> from pathlib import Path
    >>> slice_ = Sample("slice", Path("slice.png"), hounsfield=True)
    >>> [has_hounsfield_offset(slice_, np.array([[[0], [brightest]]], np.uint16)) for brightest in (2300, 65535)]
    [True, False]
    """
    raised = image.min() < OFFSET_AIR and OFFSET_BONE < image.max() <= OFFSET_METAL
    return sample.hounsfield and image.dtype == np.uint16 and bool(raised)


def _check_hounsfield(path: Path, image: NDArray[Any]) -> None:
    low, high = image.min(), image.max()
    if not (LOWEST <= low <= AIR and high <= HIGHEST):
        cause = f"its values reach from {low:g} to {high:g}, which cannot be Hounsfield units (air is near -1000)"
        raise CenetError(path, cause, "save Hounsfield units, or window the image to 8 bit")


def _check_size(path: Path, drawn: NDArray[Any], image_path: Path, image: NDArray[Any]) -> None:
    if drawn.shape[:2] != image.shape[:2]:
        raise CenetError(
            path,
            f"its size is {_size(drawn)} but {image_path} has {_size(image)}",
            "use the file that was drawn on this image",
        )


def _size(array: NDArray[Any]) -> str:
    return f"{array.shape[1]} x {array.shape[0]} pixels"
