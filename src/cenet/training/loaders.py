"""From samples to batches: a training set that is a function of its seed, and whole images one at a time."""

import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from cenet.config.recipe import Recipe
from cenet.data.field_of_view import find_field_of_view, measure_diameter
from cenet.data.labels.detect import IGNORED, LabelEncoding
from cenet.data.loading import LoadedSample, SampleCache, load_sample
from cenet.data.preprocessing import ResizePolicy, SpatialTransform
from cenet.data.sample import Sample
from cenet.data.views import augment_view
from cenet.errors import CenetError
from cenet.training.augmentation import KEYS, Augmentation, build_augmentation, without_meta_tracking

KEEP_BYTES = 1_000_000_000  # of resized training images, for each process that loads them


class TrainingDataset(Dataset[dict[str, Tensor] | CenetError]):
    """Training images without end: item `draw` depends on the seed and on `draw` alone, whatever the workers.

    Args:
        samples: The training samples.
        recipe: Says geometry and augmentation.
        geometry: The geometry of evaluation, so that training sees images at the same scale.
        labels: How label files are read.
        cache: Images that were decoded already.
        augmentation: A transform of the user after the recipe's.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        recipe: Recipe,
        geometry: ResizePolicy,
        labels: LabelEncoding,
        *,
        cache: SampleCache | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.samples, self.recipe, self.geometry, self.labels, self.cache = samples, recipe, geometry, labels, cache
        self.transform = build_augmentation(recipe, augmentation)
        self._kept: dict[int, dict[str, NDArray[Any]]] = {}
        self._kept_bytes = 0

    @property
    def round_length(self) -> int:
        """Draws that show every image (or every view of it) once."""
        return len(self.samples) * (8 if self.recipe.expand_d4 else 1)

    def __getitem__(self, draw: int) -> dict[str, Tensor] | CenetError:
        try:
            return self._load(draw)
        except CenetError as error:
            return error

    def _load(self, draw: int) -> dict[str, Tensor]:
        number, position = divmod(draw, self.round_length)
        order = np.random.default_rng((self.recipe.seed, number)).permutation(self.round_length)
        index, view = divmod(int(order[position]), self.round_length // len(self.samples))
        item = {key: augment_view(array, view) for key, array in self._network_input(index).items()}
        if self.recipe.crop_px is None:
            item = {key: array.astype(np.float32, order="C") for key, array in item.items()}  # a crop is its own copy
        self.transform.set_random_state(seed=int(np.random.default_rng((self.recipe.seed, draw, 1)).integers(2**31)))
        with without_meta_tracking():
            augmented = self.transform(item)
        image, label, region = (torch.as_tensor(augmented[key]).as_subclass(Tensor) for key in KEYS)
        return {
            "image": image,
            "label": label[0].long(),
            "region": region[0] > 0.5,
            "index": torch.tensor(index),  # into the samples
        }

    def _network_input(self, index: int) -> dict[str, NDArray[Any]]:
        """Return image, label and region at the network's scale, from memory as far as it lasts."""
        if index in self._kept:
            return self._kept[index]
        item = self._resize(index)
        size = sum(array.nbytes for array in item.values())
        if self._kept_bytes + size <= KEEP_BYTES:
            self._kept[index], self._kept_bytes = item, self._kept_bytes + size
        return item

    def _resize(self, index: int) -> dict[str, NDArray[Any]]:
        image, label, region = _load(self.samples[index], self.labels, self.cache)
        assert label is not None  # `compute_statistics` refuses a sample without
        spatial = self._spatial_transform(self.samples[index], image, label, region)
        label = spatial.forward_label(label, ordinal=self.recipe.sigmoid or self.recipe.ordered)
        inside = label != IGNORED
        if region is None or self.recipe.loss_outside_fov:
            region = np.ones(spatial.shape, bool)  # it ends where a box reaches beyond the image
        inside &= spatial.forward_label(region.astype(np.uint8), ordinal=True) > 0
        return {
            "image": np.moveaxis(spatial.forward(image), -1, 0),
            "label": np.where(label == IGNORED, 0, label)[None],
            "region": inside[None],
        }

    def _spatial_transform(
        self, sample: Sample, image: NDArray[Any], label: NDArray[np.uint8], region: NDArray[np.bool_] | None
    ) -> SpatialTransform:
        """As in prediction; but the centre that a localiser would find is that of the label."""
        diameter = None
        if self.geometry.needs_field_of_view:
            if sample.region is None and region is not None:  # the region is the field of view
                diameter = measure_diameter(region)
            else:
                diameter = measure_diameter(find_field_of_view(image, name=str(sample.image)))
        rows, columns = np.nonzero((label > 0) & (label != IGNORED))
        centre = (
            (int(rows.min() + rows.max() + 1) // 2, int(columns.min() + columns.max() + 1) // 2) if rows.size else None
        )
        return self.geometry.for_image(label.shape, diameter=diameter, centre=centre)


class EpochSampler(Sampler[int]):
    """The numbers of an epoch's draws; each epoch continues where the one before ended.

    Of several processes each draws its part of every batch: the first `batch_size / processes`, the next, and so on.

    Args:
        per_epoch: Draws of an epoch, of all processes together.
        batch_size: Of all processes together.
        rank: Which process this is, from 0.
        processes: How many there are.

    >>> draws = EpochSampler(3)
    >>> draws.set_epoch(2)
    >>> list(draws)
    [6, 7, 8]
    >>> [list(EpochSampler(8, batch_size=4, rank=rank, processes=2)) for rank in (0, 1)]
    [[0, 1, 4, 5], [2, 3, 6, 7]]
    """

    def __init__(self, per_epoch: int, *, batch_size: int = 1, rank: int = 0, processes: int = 1) -> None:
        self.per_epoch, self.epoch = per_epoch, 0
        self.batch_size, self.rank, self.processes = batch_size, rank, processes

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        draws = range(self.epoch * self.per_epoch, (self.epoch + 1) * self.per_epoch)
        share = self.batch_size // self.processes
        return (draw for draw in draws if draw % self.batch_size // share == self.rank)

    def __len__(self) -> int:
        return self.per_epoch // self.processes


def training_loader(dataset: TrainingDataset, *, workers: int, rank: int = 0, processes: int = 1) -> DataLoader[Any]:
    """Return the batches of an epoch: the recipe's steps, or every image once.

    Images that do not fill the last batch come first in the next epoch.

    Args:
        dataset: The training images.
        workers: Processes that load them.
        rank: Which of the processes that train together this is.
        processes: How many there are; each has its part of every batch.
    """
    recipe = dataset.recipe
    steps = recipe.steps_per_epoch or max(dataset.round_length // recipe.batch_size, 1)
    return DataLoader(
        dataset,
        batch_size=recipe.batch_size // processes,
        sampler=EpochSampler(steps * recipe.batch_size, batch_size=recipe.batch_size, rank=rank, processes=processes),
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=ignore_broken_pipe if workers else None,
        collate_fn=collate,
    )


def norm_loader(dataset: TrainingDataset) -> DataLoader[Any] | None:
    """Return the batches that the statistics of batch norms are estimated on, the first ones of the training.

    They are always the same, so that validations of several epochs can be compared.

    Args:
        dataset: The training images.
    """
    recipe = dataset.recipe
    if recipe.precise_norm_batches is None:
        return None
    draws = EpochSampler(recipe.precise_norm_batches * recipe.batch_size)
    return DataLoader(dataset, batch_size=recipe.batch_size, sampler=draws, collate_fn=collate)


def collate(items: list[dict[str, Tensor] | CenetError]) -> Any:
    """Return a batch, or the first error among its items.

    An error raised in a loading process would lose its fields on the way; an item keeps them, and the training module
    raises it when the batch arrives.

    >>> str(collate([CenetError("eye.png", "the file is empty", "copy it again")]))
    'eye.png: the file is empty; copy it again'
    """
    for item in items:
        if isinstance(item, CenetError):
            return item
    return default_collate(items)


def ignore_broken_pipe(_: int) -> None:
    """Keep a loading process silent when its trainer ends while a batch is handed over.

    >>> before = sys.excepthook
    >>> ignore_broken_pipe(0)
    >>> sys.excepthook(BrokenPipeError, BrokenPipeError(), None)
    >>> sys.excepthook = before
    """
    original_hook = sys.excepthook

    def print_other_errors(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, ConnectionError | EOFError):
            original_hook(kind, error, trace)

    sys.excepthook = print_other_errors


class ImageDataset(Sequence[Any]):
    """Samples as they are on disk, one at a time: (image, label, region) arrays in their own geometry.

    The region leaves out unannotated pixels.

    Args:
        samples: The samples, each with a label.
        labels: How label files are read.
        cache: Images that were decoded already.
    """

    def __init__(self, samples: Sequence[Sample], labels: LabelEncoding, *, cache: SampleCache | None = None) -> None:
        self.samples, self.labels, self.cache = samples, labels, cache

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        image, label, region = _load(self.samples[index], self.labels, self.cache)
        assert label is not None  # `compute_statistics` refuses a sample without
        annotated = label != IGNORED
        return image, label, annotated if region is None else annotated & region


def _load(sample: Sample, labels: LabelEncoding, cache: SampleCache | None) -> LoadedSample:
    return cache.load(sample, labels) if cache else load_sample(sample, labels)
