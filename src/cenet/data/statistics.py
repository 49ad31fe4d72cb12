"""Statistics of the labelled images of a data set: value range, fingerprints and pixels of each class."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache as remember
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.files import hash_file
from cenet.data.io.pixel_size import read_pixel_size
from cenet.data.io.read import check_usable, fingerprint
from cenet.data.labels.encoding import IGNORED, LabelEncoding
from cenet.data.loading import SampleCache, find_channel_names, load_image, load_sample
from cenet.data.sample import Sample
from cenet.errors import CenetError

SAME_PIXEL_SIZE = 1.1  # sizes of pixels of which none is larger than the smallest by this factor are nearly the same
Observer = Callable[[NDArray[Any], NDArray[np.uint8], NDArray[np.bool_] | None], None]  # of image, label and region


@dataclass(frozen=True)
class DatasetStatistics:
    """What is known of the training and validation images after each was read once.

    Args:
        in_channels: Number of channels of every image.
        dtype: Data type of their values.
        ranges: The darkest and brightest value of each image by name: 0 and 255 for 8 bits, otherwise the percentiles
            0.5 and 99.5.
        fingerprints: SHA-256 of each image's pixels by name.
        label_fingerprints: SHA-256 of the files of each label and region by name.
        pixels: The number of pixels of each class in every label by name, without ignored pixels.
    """

    in_channels: int
    dtype: str
    ranges: dict[str, tuple[float, float]]
    fingerprints: dict[str, str]
    label_fingerprints: dict[str, str]
    pixels: dict[str, dict[int, int]]

    def value_range(
        self, names: Iterable[str], *, clip: tuple[float, float] = (-np.inf, np.inf)
    ) -> tuple[float, float]:
        """Return the values that input normalisation takes for black and white.

        Args:
            names: The images that decide.
            clip: The least and the largest value that they keep.
        """
        ranges = np.clip([self.ranges[name] for name in names], *clip)
        low, high = float(ranges.min()), float(ranges.max())
        return low, max(high, low + 1e-6)


def compute_statistics(
    samples: Iterable[Sample],
    labels: LabelEncoding,
    *,
    cache: SampleCache | None = None,
    observe: Observer | None = None,
) -> DatasetStatistics:
    """Read every training and validation image once.

    Args:
        samples: The training and validation images.
        labels: The meaning of their label files.
        cache: Keeps what was decoded, for the training.
        observe: Is called with what was read of each image.

    Raises:
        CenetError: A file cannot be read, an image is blank, the images differ in channels or type, or a label is
            missing.
    """
    load = cache.load if cache else load_sample
    first: Sample | None = None
    in_channels, dtype = 0, ""
    ranges: dict[str, tuple[float, float]] = {}
    fingerprints: dict[str, str] = {}
    label_fingerprints: dict[str, str] = {}
    pixels: dict[str, dict[int, int]] = {}
    hash_once = remember(hash_file)  # several samples may be pages of one file
    for sample in samples:
        if not sample.label:
            raise CenetError(sample.image, "the image has no label to train on", "add one, or remove the image")
        image, label, region = load(sample, labels)
        assert label is not None  # the sample has one
        check_usable(image, name=str(sample.image))
        if first is None:
            first, in_channels, dtype = sample, image.shape[2], str(image.dtype)
        if (image.shape[2], str(image.dtype)) != (in_channels, dtype):
            raise CenetError(
                sample.image,
                f"it has {image.shape[2]} channels of {image.dtype}, but {first.image} has {in_channels} of {dtype}",
                "save all images with the same channels and type",
            )
        fingerprints[sample.name] = fingerprint(image)
        label_fingerprints[sample.name] = _hash_label(sample, hash_once)
        ranges[sample.name] = measure_range(image)
        if observe is not None:
            observe(image, label, region)
        counts = np.bincount(label.ravel(), minlength=IGNORED + 1)
        pixels[sample.name] = {int(index): int(counts[index]) for index in np.flatnonzero(counts[:IGNORED])}
    if first is None:
        raise ValueError("there is no image to compute statistics of")
    return DatasetStatistics(in_channels, dtype, ranges, fingerprints, label_fingerprints, pixels)


def find_common_pixel_size(samples: Iterable[Sample]) -> tuple[float, float] | None:
    """Height and width of a pixel in micrometres, the median over images; None unless all state nearly the same.

    Args:
        samples: The images.
    """
    sizes = []
    for sample in samples:
        stated = None if sample.pixel_um else read_pixel_size(sample.image)
        size = stated.um if stated else sample.pixel_um
        if size is None:
            return None
        sizes.append(size)
    if not sizes or (np.max(sizes, axis=0) > SAME_PIXEL_SIZE * np.min(sizes, axis=0)).any():
        return None
    height, width = np.median(sizes, axis=0)
    return float(height), float(width)


def find_common_channels(samples: Iterable[Sample]) -> tuple[str, ...]:
    """What the channels of images are called; empty unless all images say the same.

    Args:
        samples: The images.

    Raises:
        CenetError: Two images have the same channels in different orders.
    """
    known: tuple[str, ...] | None = None
    for sample in samples:
        names = find_channel_names(sample)
        known = names if known is None else known
        if names != known and sorted(names) == sorted(known):
            cause = f"its channels are {', '.join(names)}, in another order than those of the others"
            raise CenetError(sample.image, cause, f"save all images with the channels {', '.join(known)}")
        if names != known:
            return ()
    return known or ()


def measure_range(image: NDArray[Any]) -> tuple[float, float]:
    """Return the values that stand for black and white in an image.

    >>> measure_range(np.zeros((2, 2, 3), np.uint8))
    (0.0, 255.0)
    >>> measure_range(np.arange(1001.0)), measure_range(np.eye(1000, dtype=np.uint16))
    ((5.0, 995.0), (0.0, 1.0))
    """
    if image.dtype == np.uint8:
        return 0.0, 255.0
    low, high = np.percentile(image, (0.5, 99.5))
    if low == high:  # few pixels differ from all others
        low, high = image.min(), image.max()
    return float(low), float(high)


def _hash_label(sample: Sample, hash_once: Callable[[Path], str]) -> str:
    if sample.drawn is not None:  # its file holds the labels of other images too
        region = [hash_once(sample.region)] if sample.region else []
        return hashlib.sha256(" ".join([sample.drawn.digest(), *region]).encode()).hexdigest()
    files = [*sample.label, *([sample.region] if sample.region else [])]
    return hashlib.sha256(" ".join([str(sample.page), *map(hash_once, files)]).encode()).hexdigest()


def compute_fingerprints(samples: Iterable[Sample]) -> dict[str, str]:
    """Return the fingerprint of every image by name, without opening any label or region.

    Args:
        samples: The images.

    Raises:
        CenetError: An image cannot be read, or is blank.
    """
    fingerprints = {}
    for sample in samples:
        image = load_image(sample)
        check_usable(image, name=str(sample.image))
        fingerprints[sample.name] = fingerprint(image)
    return fingerprints
