"""Who is learnt from, who decides and who is set aside: surveys of a set, splits and folds by group."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cenet.config.recipe import Recipe
from cenet.data.io.read import check_usable, fingerprint
from cenet.data.labels.detect import IGNORED, LabelEncoding
from cenet.data.loading import load_sample
from cenet.data.sample import Sample
from cenet.errors import CenetError

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
ORDERS = 200  # that are tried until rare classes are on every side


@dataclass(frozen=True)
class DatasetStatistics:
    """What the images to learn from have in common, found by reading each once.

    Args:
        in_channels: Channels of every image.
        dtype: Type of their values.
        ranges: The darkest and brightest value of each image, by name: 0 and 255 for 8 bit, else the percentiles
            0.5 and 99.5.
        fingerprints: SHA-256 of each image's pixels, by name.
        pixels: How many pixels of each class every label holds, by name; nobody's pixels are left out.
    """

    in_channels: int
    dtype: str
    ranges: dict[str, tuple[float, float]]
    fingerprints: dict[str, str]
    pixels: dict[str, dict[int, int]]

    def value_range(self, names: Iterable[str]) -> tuple[float, float]:
        """What the input rule takes for black and white, from the images with these names."""
        lows, highs = zip(*(self.ranges[name] for name in names), strict=True)
        return min(lows), max(*highs, min(lows) + 1e-6)


def compute_statistics(samples: Iterable[Sample], labels: LabelEncoding) -> DatasetStatistics:
    """Read every sample to learn from once, before anything is trained on any.

    Raises:
        CenetError: A file that cannot be read, an image that shows nothing, channels that differ, a missing label.
    """
    kinds: dict[tuple[int, str], Sample] = {}
    found = DatasetStatistics(0, "", {}, {}, {})
    for sample in samples:
        if not sample.label:
            raise CenetError(sample.image, "has no label, but is to be learnt from", "draw one, or remove the image")
        image, label, _ = load_sample(sample, labels)
        assert label is not None  # the sample has one
        check_usable(image, name=str(sample.image))
        kinds.setdefault((image.shape[2], str(image.dtype)), sample)
        if len(kinds) > 1:
            ((channels, dtype), one), ((others, other_dtype), other) = kinds.items()
            raise CenetError(
                other.image,
                f"has {others} channels of {other_dtype} where {one.image} has {channels} of {dtype}",
                "give all images the same channels and type",
            )
        found.fingerprints[sample.name] = fingerprint(image)
        low, high = (0.0, 255.0) if image.dtype == np.uint8 else np.percentile(image, (0.5, 99.5))
        found.ranges[sample.name] = float(low), float(high)
        classes, counts = np.unique(label[label != IGNORED], return_counts=True)
        found.pixels[sample.name] = {int(k): int(count) for k, count in zip(classes, counts, strict=True)}
    in_channels, dtype = next(iter(kinds))
    return DatasetStatistics(in_channels, dtype, found.ranges, found.fingerprints, found.pixels)


def compute_fingerprints(samples: Iterable[Sample]) -> dict[str, str]:
    """The fingerprint of every image, by name; labels are not looked at.

    Raises:
        CenetError: An image cannot be read, or shows nothing.
    """
    found = {}
    for sample in samples:
        image = load_sample(sample)[0]
        check_usable(image, name=str(sample.image))
        found[sample.name] = fingerprint(image)
    return found


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
                    cause = f"the split has it in {group_owner[group]} and in {part}"
                    raise CenetError(f"group {group}", cause, "keep every group on one side")
                other, twin = picture_owner.setdefault(picture, (part, name))
                if other != part:
                    cause = f"the same image, one in {other} and one in {part}"
                    remedy = "remove one, or give them one group with --group-pattern"
                    raise CenetError(f"{twin} and {name}", cause, remedy)
        for part in PARTS[:2]:
            if not self.parts[part]:
                raise CenetError("split", f"it has no image for {part}", "give it at least one group")

    def part_of(self, fingerprint: str) -> Part | None:
        """The part that an image with these pixels belongs to, under whatever name."""
        names = {name for name, known in self.fingerprints.items() if known == fingerprint}
        return next((part for part, members in self.parts.items() if names & set(members)), None)

    def twins(self) -> Iterator[tuple[Part, str, str]]:
        """The same picture under two names, in two groups of one part: the part, and the names."""
        for part, names in self.parts.items():
            first: dict[str, str] = {}
            for name in names:
                twin = first.setdefault(self.fingerprints[name], name)
                if self.groups[twin] != self.groups[name]:
                    yield part, twin, name

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
            raise CenetError(path, f"{error.subject}: {error.cause}", error.remedy) from error
        except OSError as error:
            raise CenetError(path, f"cannot be read ({error.strerror})", "name a run's splits.json") from error
        except (ValueError, KeyError, TypeError) as error:
            raise CenetError(path, "is no split of samples", "name a run's splits.json") from error


def choose_test_groups(samples: Sequence[Sample], recipe: Recipe) -> set[str]:
    """The groups of the test part: drawn with the recipe's seed, and without a look at any label.

    Raises:
        CenetError: There are too few groups for every part to have one.

    >>> from cenet.config.presets import load_recipe
    >>> samples = [Sample(name, Path(name)) for name in "abcdefghij"]
    >>> len(choose_test_groups(samples, load_recipe("folder")))
    2
    """
    groups = _shuffled(samples, recipe.seed)
    tests = max(round(recipe.test_fraction * len(groups)), 1) if recipe.test_fraction else 0
    if len(groups) - tests < 2:
        raise CenetError(
            samples[0].image.parent,
            (f"{len(groups)} groups are too few for {tests} in the test, one in validation and one to train on"),
            "add images, or lower --test-fraction",
        )
    return set(groups[:tests])


def make_split(
    samples: Sequence[Sample],
    recipe: Recipe,
    *,
    tests: set[str],
    fingerprints: dict[str, str],
    statistics: DatasetStatistics,
) -> Split:
    """Divide what is not in the test into training and validation, by group, every class on both sides if it can be.

    A class that cannot be on both is rather learnt than validated.

    Args:
        samples: All of them.
        recipe: Says seed and fraction.
        tests: The groups of the test part.
        fingerprints: Of all images.
        statistics: Of the images that are not in the test.

    Raises:
        CenetError: The same picture is on two sides, or there are too few groups.
    """
    rest = [group for group in _shuffled(samples, recipe.seed) if group not in tests]
    count = max(round(recipe.validation_fraction * len(rest)), 1)
    if len(rest) <= count:
        raise CenetError(
            samples[0].image.parent,
            f"{len(rest)} groups beside the test are too few for {count} in validation and one to train on",
            "add images, or lower --validation-fraction",
        )
    places = [0] * count + [1] * (len(rest) - count)
    order = _stratified(rest, places, _contents(samples, statistics.pixels), worth={0: 1, 1: 2})
    part_of_group: dict[str, Part] = dict.fromkeys(tests, "test")
    part_of_group |= dict.fromkeys(order[:count], "validation")
    part_of_group |= dict.fromkeys(order[count:], "train")
    return Split(
        {part: tuple(s.name for s in samples if part_of_group[s.group] == part) for part in PARTS},
        {sample.name: sample.group for sample in samples},
        fingerprints,
    )


def make_folds(samples: Sequence[Sample], count: int, *, seed: int, statistics: DatasetStatistics) -> list[set[str]]:
    """Deal the groups out to folds of nearly equal size, every class in every fold if it can be.

    Args:
        samples: All of them.
        count: How many folds, at least 2.
        seed: Of the order in which groups are dealt.
        statistics: Of all samples.

    Returns:
        The groups of each fold.

    Raises:
        CenetError: There are fewer groups than folds, or too few to train and validate on beside a fold.
    """
    groups = _shuffled(samples, seed)
    if len(groups) < 3 or (count > 1 and len(groups) - -(-len(groups) // count) < 2):
        raise CenetError(
            samples[0].image.parent,
            f"{len(groups)} groups in {count} folds leave too few to train and validate on",
            "add images",
        )
    if not 2 <= count <= len(groups):
        raise CenetError(
            samples[0].image.parent,
            f"{len(groups)} groups cannot make {count} folds",
            f"choose --folds from 2 to {len(groups)}, or add images",
        )
    places = [index % count for index in range(len(groups))]
    order = _stratified(groups, places, _contents(samples, statistics.pixels), worth=dict.fromkeys(places, 1))
    return [{group for group, place in zip(order, places, strict=True) if place == fold} for fold in range(count)]


def _shuffled(samples: Sequence[Sample], seed: int) -> list[str]:
    groups = sorted({sample.group for sample in samples})
    np.random.default_rng(seed).shuffle(groups)
    return groups


def _contents(samples: Sequence[Sample], pixels: Mapping[str, Mapping[int, int]]) -> dict[str, set[int]]:
    """The classes that every group holds."""
    found: dict[str, set[int]] = {sample.group: set() for sample in samples}
    for sample in samples:
        found[sample.group] |= set(pixels.get(sample.name, ()))
    return found


def _stratified(
    groups: Sequence[str], places: Sequence[int], contents: Mapping[str, set[int]], *, worth: Mapping[int, int]
) -> list[str]:
    """The first of many orders of the groups in which the places that lack a class are worth least."""
    held = [k for group in groups for k in contents[group]]
    holders = {k: held.count(k) for k in held}
    wanted = sum(sum(sorted(worth.values(), reverse=True)[:count]) for count in holders.values())

    def missing(order: Sequence[str]) -> int:
        found = {(k, place) for group, place in zip(order, places, strict=True) for k in contents[group]}
        return wanted - sum(worth[place] for _, place in found)

    rng = np.random.default_rng(len(groups))
    order = best = list(groups)
    for _ in range(ORDERS):
        if missing(order) < missing(best):
            best = order
        if not missing(best):
            break
        order = [groups[index] for index in rng.permutation(len(groups))]
    return best
