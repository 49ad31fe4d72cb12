"""From samples to batches: checking, splitting by group, and a training set that is a function of its seed."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from cenet import transforms
from cenet.errors import CenetError
from cenet.geometry import Geometry, view
from cenet.images import fingerprint
from cenet.recipe import Recipe
from cenet.tasks import Sample
from cenet.tasks.reading import read

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
KEEP_BYTES = 1_000_000_000  # of resized training images, for each process that loads them


@dataclass(frozen=True)
class Survey:
    """What the images of a set have in common, found by reading each once.

    Args:
        in_channels: Channels of every image.
        dtype: Type of their values.
        ranges: The darkest and brightest value of each image, by name: 0 and 255 for 8 bit, else the percentiles
            0.5 and 99.5.
        fingerprints: SHA-256 of each image's pixels, by name.
    """

    in_channels: int
    dtype: str
    ranges: dict[str, tuple[float, float]]
    fingerprints: dict[str, str]

    def value_range(self, names: Iterable[str]) -> tuple[float, float]:
        """What the input rule takes for black and white, from the images with these names."""
        lows, highs = zip(*(self.ranges[name] for name in names), strict=True)
        return min(lows), max(*highs, min(lows) + 1e-6)


def survey(samples: Iterable[Sample], *, num_classes: int = 1) -> Survey:
    """Read every sample once, before anything is trained on any.

    Raises:
        CenetError: A file that cannot be read, sizes or channels that differ, a sample without a label.
    """
    fingerprints: dict[str, str] = {}
    kinds: dict[tuple[int, str], Sample] = {}
    ranges: dict[str, tuple[float, float]] = {}
    for sample in samples:
        image, label, _ = read(sample, num_classes=num_classes)
        if label is None:
            raise CenetError(f"{sample.image}: has no label; training needs one for every image")
        kinds.setdefault((image.shape[2], str(image.dtype)), sample)
        if len(kinds) > 1:
            ((channels, dtype), one), ((others, other_dtype), other) = kinds.items()
            raise CenetError(
                f"{other.image}: has {others} channels of {other_dtype} where {one.image} has {channels} of {dtype}; "
                "give all images the same channels and type"
            )
        fingerprints[sample.name] = fingerprint(image)
        low, high = (0.0, 255.0) if image.dtype == np.uint8 else np.percentile(image, (0.5, 99.5))
        ranges[sample.name] = float(low), float(high)
    in_channels, dtype = next(iter(kinds))
    return Survey(in_channels, dtype, ranges, fingerprints)


@dataclass(frozen=True)
class Split:
    """Which sample is for training, which for validation, and which is set aside for the test.

    Args:
        parts: The names of each part.
        groups: Group by name.
        fingerprints: SHA-256 of the image's pixels by name, so that a leak is noticed under another name.

    Raises:
        CenetError: A group, or the same picture, is on two sides, or there is nothing to train or validate on.
    """

    parts: dict[Part, tuple[str, ...]]
    groups: dict[str, str]
    fingerprints: dict[str, str]

    def __post_init__(self) -> None:
        group_owner: dict[str, Part] = {}
        picture_owner: dict[str, tuple[Part, str]] = {}
        for part, names in self.parts.items():
            for name in names:
                group, picture = self.groups[name], self.fingerprints[name]
                if group_owner.setdefault(group, part) != part:
                    raise CenetError(
                        f"the split has the group {group} in {group_owner[group]} and in {part}; "
                        "keep every group on one side"
                    )
                other, twin = picture_owner.setdefault(picture, (part, name))
                if other != part:
                    raise CenetError(
                        f"{twin} and {name} are the same picture, one in {other} and one in {part}; "
                        "remove one, or give them one group with --group"
                    )
        for part in PARTS[:2]:
            if not self.parts[part]:
                raise CenetError(f"the split has nothing for {part}; give it at least one group")

    def part_of(self, fingerprint: str) -> Part | None:
        """The part that an image with these pixels belongs to, under whatever name."""
        names = {name for name, known in self.fingerprints.items() if known == fingerprint}
        return next((part for part, members in self.parts.items() if names & set(members)), None)

    def to_json(self) -> str:
        """As `splits.json` holds it."""
        return json.dumps(
            {
                part: [
                    {"name": name, "group": self.groups[name], "fingerprint": self.fingerprints[name]} for name in names
                ]
                for part, names in self.parts.items()
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, path: Path) -> "Split":
        """Read a `splits.json`.

        Raises:
            CenetError: The file is missing, is no split, or has a group on both sides.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            rows = {part: content[part] for part in PARTS}
            return cls(
                {part: tuple(row["name"] for row in rows[part]) for part in PARTS},
                {row["name"]: row["group"] for part in PARTS for row in rows[part]},
                {row["name"]: row["fingerprint"] for part in PARTS for row in rows[part]},
            )
        except CenetError as error:
            raise CenetError(f"{path}: {error}") from error
        except OSError as error:
            raise CenetError(f"{path}: cannot be read ({error.strerror}); name a run's splits.json") from error
        except (ValueError, KeyError, TypeError) as error:
            raise CenetError(f"{path}: is no split of samples; name a run's splits.json") from error


def split(samples: Sequence[Sample], recipe: Recipe, fingerprints: dict[str, str]) -> Split:
    """Divide samples by group, with the recipe's seed and fractions.

    Raises:
        CenetError: There are too few groups for every part to have one.
    """
    groups = sorted({sample.group for sample in samples})
    np.random.default_rng(recipe.seed).shuffle(groups)
    tests = max(round(recipe.test_fraction * len(groups)), 1) if recipe.test_fraction else 0
    validations = max(round(recipe.validation_fraction * (len(groups) - tests)), 1)
    if len(groups) - tests - validations < 1:
        raise CenetError(
            f"{Path(samples[0].image).parent}: {len(groups)} groups are too few for {tests} in the test, "
            f"{validations} in validation and one to train on; "
            "add images, or lower --test-fraction or --validation-fraction"
        )
    part_of_group: dict[str, Part] = dict.fromkeys(groups, "train")
    part_of_group |= dict.fromkeys(groups[:tests], "test")
    part_of_group |= dict.fromkeys(groups[tests : tests + validations], "validation")
    return Split(
        {part: tuple(s.name for s in samples if part_of_group[s.group] == part) for part in PARTS},
        {sample.name: sample.group for sample in samples},
        fingerprints,
    )


class TrainingSet(Dataset[dict[str, Tensor]]):
    """Training images without end: item `draw` depends on the seed and on `draw` alone, whatever the workers.

    Args:
        samples: The training samples.
        recipe: Says geometry and augmentation.
        geometry: The geometry of evaluation, so that training sees images at the same scale.
    """

    def __init__(self, samples: Sequence[Sample], recipe: Recipe, geometry: Geometry) -> None:
        self.samples, self.recipe, self.geometry = samples, recipe, geometry
        self.transform = transforms.training(recipe)
        self._kept: dict[int, dict[str, NDArray[np.float32]]] = {}
        self._kept_bytes = 0

    @property
    def once(self) -> int:
        """Draws that show every image (or every view of it) once."""
        return len(self.samples) * (8 if self.recipe.eight_views else 1)

    def __getitem__(self, draw: int) -> dict[str, Tensor]:
        turn, place = divmod(draw, self.once)
        order = np.random.default_rng((self.recipe.seed, turn)).permutation(self.once)
        index, number = divmod(int(order[place]), self.once // len(self.samples))
        item = {key: view(array, number).copy() for key, array in self._entered(index).items()}
        self.transform.set_random_state(seed=int(np.random.default_rng((self.recipe.seed, draw, 1)).integers(2**31)))
        augmented = self.transform(item)
        image, label, region = (torch.as_tensor(augmented[key]).as_subclass(Tensor) for key in transforms.KEYS)
        return {"image": image, "label": label[0].long(), "region": region[0] > 0.5}

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
        image, label, region = read(self.samples[index], num_classes=self.recipe.num_classes)
        assert label is not None  # `survey` has seen to it
        placement = self.geometry.place(label.shape)
        inside = np.ones(label.shape, bool) if region is None or self.recipe.learn_outside else region
        return {
            "image": np.moveaxis(placement.enter(image), -1, 0),
            "label": placement.enter(label, nearest=True)[None],
            "region": placement.enter(inside, nearest=True)[None],
        }


class Draws(Sampler[int]):
    """The numbers of an epoch's draws; an epoch goes on where the one before ended.

    >>> draws = Draws(3)
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


def training_loader(dataset: TrainingSet, *, workers: int) -> DataLoader[dict[str, Tensor]]:
    """Batches of an epoch: the recipe's steps, or every image once (what is over comes first in the next epoch)."""
    recipe = dataset.recipe
    steps = recipe.steps_per_epoch or max(dataset.once // recipe.batch_size, 1)
    return DataLoader(
        dataset,
        batch_size=recipe.batch_size,
        sampler=Draws(steps * recipe.batch_size),
        num_workers=workers,
        persistent_workers=workers > 0,
    )


class WholeImages(Sequence[Any]):
    """Samples as they lie on disk, one at a time: (image, label, region) arrays in their own geometry."""

    def __init__(self, samples: Sequence[Sample], num_classes: int) -> None:
        self.samples, self.num_classes = samples, num_classes

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        image, label, region = read(self.samples[index], num_classes=self.num_classes)
        assert label is not None  # `survey` has seen to it
        return image, label, np.ones(label.shape, bool) if region is None else region
