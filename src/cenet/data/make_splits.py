"""Make splits and folds: by group, with every class in each part if possible."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from cenet.config.recipe import Recipe
from cenet.data.sample import Sample
from cenet.data.splits import PARTS, Part, Split
from cenet.data.statistics import DatasetStatistics
from cenet.errors import CenetError

MAX_ORDERS = 200  # orders of the groups that are tried so that rare classes are in every part


def choose_test_groups(samples: Sequence[Sample], recipe: Recipe) -> set[str]:
    """Choose the groups of the test part with the recipe's seed, without opening any file.

    Where the data set itself says which images are for what, its test part is used, also where it has none.

    Args:
        samples: All samples.
        recipe: Its `seed` and `test_fraction` decide.

    Raises:
        CenetError: There are too few groups for every part to have one, or the data set has a group in two parts.

    >>> from cenet.config.presets import load_recipe
    >>> from pathlib import Path
    >>> samples = [Sample(name, Path(name)) for name in "abcdefghij"]
    >>> len(choose_test_groups(samples, load_recipe("folder")))
    2
    """
    if has_own_split(samples):
        return find_own_parts(samples)["test"]
    groups = _shuffle_groups(samples, recipe.seed)
    count = max(round(recipe.test_fraction * len(groups)), 1) if recipe.test_fraction else 0
    others = "one for validation and one for training" if recipe.validation_fraction else "one for training"
    if len(groups) - count < (2 if recipe.validation_fraction else 1):
        remedy = "add images, or lower --test-fraction" if count else "add images"
        if not count and recipe.validation_fraction:
            remedy += ", or train without validation: --validation-fraction 0 --selection average --patience none"
        raise CenetError(
            samples[0].image.parent,
            f"{len(groups)} groups are too few for {count} in the test part, {others}",
            remedy,
        )
    return set(groups[:count])


def make_split(
    samples: Sequence[Sample],
    recipe: Recipe,
    *,
    tests: set[str],
    fingerprints: dict[str, str],
    statistics: DatasetStatistics,
    validate_first: Collection[str] = (),
) -> Split:
    """Divide the groups that are not in the test part into training and validation, with every class in both.

    Where a class cannot be in both parts, it is in training rather than in validation. Where the data set itself has a
    validation part, that is used.

    Args:
        samples: All samples.
        recipe: Its `seed` and `validation_fraction` decide; without a fraction all are for training.
        tests: The groups of the test part.
        fingerprints: Of all images.
        statistics: Of the images that are not in the test part.
        validate_first: Groups that are for validation before all others, unless a class would be missing.

    Raises:
        CenetError: The same image is in two parts, or there are too few groups.
    """
    if has_own_split(samples) and (own := find_own_parts(samples))["validation"]:
        part_of_group = {group: part for part, members in own.items() for group in members}
        return _split_by_group(samples, part_of_group, fingerprints, statistics)
    others = [group for group in _shuffle_groups(samples, recipe.seed) if group not in tests]
    others.sort(key=lambda group: group not in validate_first)  # else in the order of the seed
    count = max(round(recipe.validation_fraction * len(others)), 1) if recipe.validation_fraction else 0
    if len(others) <= count:
        raise CenetError(
            samples[0].image.parent,
            f"{len(others)} groups outside the test part are too few for {count} for validation and one for training",
            "add images, or lower --validation-fraction",
        )
    slots = [0] * count + [1] * (len(others) - count)
    order = _stratify(others, slots, _find_classes(samples, statistics.pixels), worth={0: 1, 1: 2})
    chosen: dict[str, Part] = dict.fromkeys(tests, "test")
    chosen |= dict.fromkeys(order[:count], "validation")
    chosen |= dict.fromkeys(order[count:], "train")
    return _split_by_group(samples, chosen, fingerprints, statistics)


def has_own_split(samples: Sequence[Sample]) -> bool:
    """Return whether the data set itself says which of its images are for training, validation or test."""
    return any(sample.part is not None for sample in samples)


def drop_own_split(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples without those that the data set itself holds out, free to be divided anew.

    Args:
        samples: All samples.
    """
    return [replace(sample, part=None) for sample in samples if sample.part != "test"]


def find_own_parts(samples: Sequence[Sample]) -> dict[Part, set[str]]:
    """Return the groups of each part as the data set has them; what it says nothing of is for training.

    Args:
        samples: All samples.

    Raises:
        CenetError: A group is in two parts, or there is nothing to train on.
    """
    groups: dict[Part, set[str]] = {part: set() for part in PARTS}
    example: dict[tuple[Part, str], str] = {}
    for sample in samples:
        part = sample.part or "train"
        groups[part].add(sample.group)
        example.setdefault((part, sample.group), sample.name)
    for first, second in combinations(PARTS, 2):
        if shared := groups[first] & groups[second]:
            images = [f"{example[part, min(shared)]} in {part}" for part in (first, second)]
            cause = f"the data set has its images in two parts: {images[0]}, {images[1]}"
            remedy = "keep every group in one part, or form other groups with --group-pattern"
            raise CenetError(f"group {min(shared)}", cause, remedy)
    if not groups["train"]:
        raise CenetError(samples[0].image.parent, "the data set has no image for training", "add some")
    return groups


def _split_by_group(
    samples: Sequence[Sample],
    part_of_group: Mapping[str, Part],
    fingerprints: dict[str, str],
    statistics: DatasetStatistics,
) -> Split:
    parts = {part: tuple(s.name for s in samples if part_of_group[s.group] == part) for part in PARTS}
    return Split(
        parts,
        {sample.name: sample.group for sample in samples},
        fingerprints,
        {name: statistics.label_fingerprints[name] for part in PARTS[:2] for name in parts[part]},
    )


def make_folds(samples: Sequence[Sample], count: int, *, seed: int, statistics: DatasetStatistics) -> list[set[str]]:
    """Distribute the groups over folds of nearly equal size, with every class in every fold where possible.

    Args:
        samples: All samples.
        count: Number of folds, at least 2.
        seed: Decides the order of the groups.
        statistics: Of all samples.

    Returns:
        The groups of each fold.

    Raises:
        CenetError: There are fewer groups than folds, or too few outside a fold to train and validate on.
    """
    groups = _shuffle_groups(samples, seed)
    possible = f"--folds from 2 to {len(groups)}" if len(groups) > 3 else "--folds 3"  # two of 3 groups leave one
    if len(groups) < 3 or (count > 1 and len(groups) - -(-len(groups) // count) < 2):
        raise CenetError(
            samples[0].image.parent,
            f"{len(groups)} groups in {count} folds leave too few to train and validate on",
            "add images" if len(groups) < 3 else f"choose {possible}, or add images",
        )
    if not 2 <= count <= len(groups):
        raise CenetError(
            samples[0].image.parent,
            f"{len(groups)} groups cannot make {count} folds",
            f"choose {possible}, or add images",
        )
    slots = [index % count for index in range(len(groups))]
    order = _stratify(groups, slots, _find_classes(samples, statistics.pixels), worth=dict.fromkeys(slots, 1))
    return [{group for group, slot in zip(order, slots, strict=True) if slot == fold} for fold in range(count)]


def _shuffle_groups(samples: Sequence[Sample], seed: int) -> list[str]:
    """Return the groups in the order of a seed; where several data sets are read together, evenly mixed."""
    source_of_group = {sample.group: sample.source for sample in samples}
    groups = sorted(source_of_group)
    np.random.default_rng(seed).shuffle(groups)
    position: dict[str, float] = {}
    for source in set(source_of_group.values()):
        members = [group for group in groups if source_of_group[group] == source]
        position |= {group: (index + 0.5) / len(members) for index, group in enumerate(members)}
    return sorted(groups, key=position.__getitem__)


def _find_classes(samples: Sequence[Sample], pixels: Mapping[str, Mapping[int, int]]) -> dict[str, set[int]]:
    """Return the classes that occur in every group."""
    classes_of: dict[str, set[int]] = {sample.group: set() for sample in samples}
    for sample in samples:
        classes_of[sample.group] |= set(pixels.get(sample.name, ()))
    return classes_of


def _stratify(
    groups: Sequence[str], slots: Sequence[int], classes_of: Mapping[str, set[int]], *, worth: Mapping[int, int]
) -> list[str]:
    """Return an order of the groups with which as few parts as possible lack a class.

    Args:
        groups: The groups in their first order, which is kept if no class is missing.
        slots: The part that the group at each position of the order comes into.
        classes_of: The classes in each group.
        worth: The weight of a part that lacks a class.

    Returns:
        The first of up to `MAX_ORDERS` random orders with the least total weight.
    """
    occurrences = [index for group in groups for index in classes_of[group]]
    group_counts = {index: occurrences.count(index) for index in occurrences}
    # a class in n groups can be in n parts at most, at best in those of the greatest worth
    best_total = sum(sum(sorted(worth.values(), reverse=True)[:count]) for count in group_counts.values())

    def missing_worth(order: Sequence[str]) -> int:
        present = {(index, slot) for group, slot in zip(order, slots, strict=True) for index in classes_of[group]}
        return best_total - sum(worth[slot] for _, slot in present)

    rng = np.random.default_rng(len(groups))
    order = best_order = list(groups)
    for _ in range(MAX_ORDERS):
        if missing_worth(order) < missing_worth(best_order):
            best_order = order
        if not missing_worth(best_order):
            break
        order = [groups[index] for index in rng.permutation(len(groups))]
    return best_order
