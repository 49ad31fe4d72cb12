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
from cenet.data.field_of_view import diameter as diameter_of
from cenet.data.field_of_view import field_of_view
from cenet.data.labels.detect import IGNORED, LabelEncoding
from cenet.data.loading import load_sample
from cenet.data.preprocessing import ResizePolicy, SpatialTransform, augment_view
from cenet.data.sample import Sample
from cenet.errors import CenetError
from cenet.training import augmentation as transforms

KEEP_BYTES = 1_000_000_000  # of resized training images, for each process that loads them


class TrainingDataset(Dataset[dict[str, Tensor] | CenetError]):
    """Training images without end: item `draw` depends on the seed and on `draw` alone, whatever the workers.

    Args:
        samples: The training samples.
        recipe: Says geometry and augmentation.
        geometry: The geometry of evaluation, so that training sees images at the same scale.
        labels: How label files are read.
    """

    def __init__(
        self, samples: Sequence[Sample], recipe: Recipe, geometry: ResizePolicy, labels: LabelEncoding
    ) -> None:
        self.samples, self.recipe, self.geometry, self.labels = samples, recipe, geometry, labels
        self.transform = transforms.build_augmentation(recipe)
        self._kept: dict[int, dict[str, NDArray[np.float32]]] = {}
        self._kept_bytes = 0

    @property
    def once(self) -> int:
        """Draws that show every image (or every view of it) once."""
        return len(self.samples) * (8 if self.recipe.expand_d4 else 1)

    def __getitem__(self, draw: int) -> dict[str, Tensor] | CenetError:
        try:
            return self._load(draw)
        except CenetError as error:
            return error

    def _load(self, draw: int) -> dict[str, Tensor]:
        turn, place = divmod(draw, self.once)
        order = np.random.default_rng((self.recipe.seed, turn)).permutation(self.once)
        index, number = divmod(int(order[place]), self.once // len(self.samples))
        item = {key: augment_view(array, number).copy() for key, array in self._entered(index).items()}
        self.transform.set_random_state(seed=int(np.random.default_rng((self.recipe.seed, draw, 1)).integers(2**31)))
        augmented = self.transform(item)
        image, label, region = (torch.as_tensor(augmented[key]).as_subclass(Tensor) for key in transforms.KEYS)
        return {
            "image": image,
            "label": label[0].long(),
            "region": region[0] > 0.5,
            "index": torch.tensor(index),  # into the samples
        }

    def _entered(self, index: int) -> dict[str, NDArray[np.float32]]:
        """An image as it enters the network, from memory while that lasts."""
        if index in self._kept:
            return self._kept[index]
        item = self._enter(index)
        size = sum(array.nbytes for array in item.values())
        if self._kept_bytes + size <= KEEP_BYTES:
            self._kept[index], self._kept_bytes = item, self._kept_bytes + size
        return item

    def _enter(self, index: int) -> dict[str, NDArray[np.float32]]:
        image, label, region = load_sample(self.samples[index], self.labels)
        assert label is not None  # `survey` has seen to it
        placement = self._place(self.samples[index], image, label)
        inside = label != IGNORED
        if region is not None and not self.recipe.loss_outside_fov:
            inside &= region
        label = np.where(label == IGNORED, 0, label)
        return {
            "image": np.moveaxis(placement.forward(image), -1, 0),
            "label": placement.forward(label, nearest=True)[None],
            "region": placement.forward(inside, nearest=True)[None],
        }

    def _place(self, sample: Sample, image: NDArray[Any], label: NDArray[np.uint8]) -> SpatialTransform:
        """As in prediction; but what a localiser would look for is where the label has it."""
        diameter = None
        if self.geometry.needs_field_of_view:
            diameter = diameter_of(field_of_view(image, name=str(sample.image)))
        rows, columns = np.nonzero((label > 0) & (label != IGNORED))
        centre = (
            (int(rows.min() + rows.max() + 1) // 2, int(columns.min() + columns.max() + 1) // 2) if rows.size else None
        )
        return self.geometry.for_image(label.shape, diameter=diameter, centre=centre)


class EpochSampler(Sampler[int]):
    """The numbers of an epoch's draws; an epoch goes on where the one before ended.

    >>> draws = EpochSampler(3)
    >>> draws.set_epoch(2)
    >>> list(draws)
    [6, 7, 8]
    """

    def __init__(self, per_epoch: int) -> None:
        self.per_epoch, self.epoch = per_epoch, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.epoch * self.per_epoch, (self.epoch + 1) * self.per_epoch))

    def __len__(self) -> int:
        return self.per_epoch


def training_loader(dataset: TrainingDataset, *, workers: int) -> DataLoader[Any]:
    """Batches of an epoch: the recipe's steps, or every image once (what is over comes first in the next epoch)."""
    recipe = dataset.recipe
    steps = recipe.steps_per_epoch or max(dataset.once // recipe.batch_size, 1)
    return DataLoader(
        dataset,
        batch_size=recipe.batch_size,
        sampler=EpochSampler(steps * recipe.batch_size),
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=ignore_broken_pipe if workers else None,
        collate_fn=collate,
    )


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
    """Let a loading process say nothing of a trainer that has ended while it was handing over a batch.

    >>> before = sys.excepthook
    >>> ignore_broken_pipe(0)
    >>> sys.excepthook(BrokenPipeError, BrokenPipeError(), None)
    >>> sys.excepthook = before
    """
    before = sys.excepthook

    def told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, ConnectionError | EOFError):
            before(kind, error, trace)

    sys.excepthook = told


class ImageDataset(Sequence[Any]):
    """Samples as they lie on disk, one at a time: (image, label, region) arrays in their own geometry.

    The region leaves out what nobody drew.
    """

    def __init__(self, samples: Sequence[Sample], labels: LabelEncoding) -> None:
        self.samples, self.labels = samples, labels

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        image, label, region = load_sample(self.samples[index], self.labels)
        assert label is not None  # whoever made the list has seen to it
        drawn = label != IGNORED
        return image, label, drawn if region is None else drawn & region
