"""What a training needs to know of its images: one pass that decodes each image and each label once."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from cenet.config.recipe import Recipe
from cenet.data.io.read import keep_decoded_labels
from cenet.data.labels.detect import LabelEncoding
from cenet.data.loading import SampleCache
from cenet.data.make_splits import choose_test_groups, make_split
from cenet.data.sample import Sample
from cenet.data.splits import PARTS, Split
from cenet.data.statistics import DatasetStatistics, Observer, compute_fingerprints, compute_statistics
from cenet.datasets.resolve import read_dataset, resolve_dataset, resolve_label_encoding
from cenet.datasets.shared_names import note_shared_beginnings
from cenet.errors import CenetError
from cenet.safe_text import format_count, print_line

KEEP_BYTES = 1_000_000_000  # of decoded images, labels and regions, so that training does not decode them again


@dataclass(frozen=True)
class TrainingData:
    """The images of a training; of the test part only names and fingerprints are known.

    Args:
        samples: The samples of the parts "train" and "validation".
        split: The split of all images.
        statistics: The statistics of the images in `samples`.
        labels: How their label files are read.
        cache: The decoded images, labels and regions of `samples`, as far as the memory allows.
    """

    samples: dict[str, list[Sample]]
    split: Split
    statistics: DatasetStatistics
    labels: LabelEncoding
    cache: SampleCache


def prepare_training_data(
    recipe: Recipe,
    data: Path,
    *,
    group_pattern: str | None,
    ignore_value: int | None,
    split: Split | None,
    observe: Observer | None = None,
) -> TrainingData:
    """Read the images of a new training, and divide them unless a split is given.

    The groups of the test part are drawn before any label is opened. Of its images only the pixels are read, for the
    fingerprint; where a split is given, nothing of them is read.

    Args:
        recipe: Says task, classes, and how to split.
        data: The folder, laid out as the recipe's task says.
        group_pattern: A pattern that finds the group in an image's name.
        ignore_value: The label value of unannotated pixels.
        split: A split to use instead of a new one.
        observe: Is called with what was read of each image of training and validation.

    Raises:
        CenetError: An image, a label or the split cannot be used.
    """
    is_first_reading = split is None or not split.label_fingerprints  # else groups and labels were reported before
    samples = list_samples(recipe, data, group_pattern, report=is_first_reading)
    cache = SampleCache(KEEP_BYTES)
    if split is None:
        test_groups = choose_test_groups(samples, recipe)
        learning = [sample for sample in samples if sample.group not in test_groups]
        held_out = [sample for sample in samples if sample.group in test_groups]
        fingerprints = compute_fingerprints(
            tqdm(held_out, desc="hashing the test part", unit="image", disable=not held_out)
        )
        labels, statistics = read_labelled_samples(recipe, learning, ignore_value, data, cache=cache, observe=observe)
        split = make_split(
            samples,
            recipe,
            tests=test_groups,
            fingerprints=fingerprints | statistics.fingerprints,
            statistics=statistics,
        )
        chosen = select_samples(samples, split, data)
    else:
        chosen = select_samples(samples, split, data)
        learning = [sample for part in chosen.values() for sample in part]
        labels, statistics = read_labelled_samples(
            recipe, learning, ignore_value, data, cache=cache, observe=observe, report=is_first_reading
        )
        _check_fingerprints(statistics, split, data)
        # The groups are those of this reading, not of the file; an image that is gone keeps its old one.
        groups = split.groups | {s.name: s.group for s in samples if s.name in split.groups}
        split = replace(split, groups=groups, label_fingerprints=statistics.label_fingerprints)
    _check_validation(split, recipe)
    _check_classes(split, statistics, labels, data)
    _print_split(split, samples, chosen, statistics)
    return TrainingData(chosen, split, statistics, labels, cache)


def read_split_again(
    recipe: Recipe, data: Path, *, group_pattern: str | None, split: Split, labels: LabelEncoding
) -> TrainingData:
    """Read the images of a training that is resumed.

    Args:
        recipe: Says the task.
        data: The folder of images.
        group_pattern: A pattern that finds the group in an image's name.
        split: The split of the run.
        labels: How the run reads its label files.

    Raises:
        CenetError: An image of training or validation is missing, or it or its label is altered.
    """
    chosen = select_samples(list_samples(recipe, data, group_pattern, report=False), split, data)
    cache = SampleCache(KEEP_BYTES)
    samples = [sample for part in chosen.values() for sample in part]
    statistics = compute_statistics(tqdm(samples, desc="reading", unit="image"), labels, cache=cache)
    _check_fingerprints(statistics, split, data)
    return TrainingData(chosen, split, statistics, labels, cache)


def list_samples(recipe: Recipe, data: Path, group_pattern: str | None, *, report: bool = True) -> list[Sample]:
    """List the samples of a folder, and print how many groups they form unless `report` is false.

    Raises:
        CenetError: The folder has another layout.
    """
    task = resolve_dataset(recipe.task)
    contents = read_dataset(recipe.task, data, group_pattern=group_pattern)
    samples = contents.samples
    if report:
        if contents.layout:
            print_line(f"layout: {contents.layout} ({contents.evidence})")
        for note in contents.notes:
            _note(str(note))
        groups = len({sample.group for sample in samples})
        grouping = contents.describe_grouping(task.describe_grouping(group_pattern), group_pattern)
        print_line(f"{format_count(len(samples), 'image')} in {format_count(groups, 'group')} ({grouping})")
        shared_names = note_shared_beginnings(samples, data)
        if shared_names:
            _note(str(shared_names))
    return samples


def read_labelled_samples(
    recipe: Recipe,
    samples: Sequence[Sample],
    ignore_value: int | None,
    data: Path,
    *,
    cache: SampleCache | None = None,
    observe: Observer | None = None,
    report: bool = True,
) -> tuple[LabelEncoding, DatasetStatistics]:
    """Detect what the labels mean and compute the statistics, decoding each image and each label once.

    Args:
        recipe: Says task and classes.
        samples: The samples of training and validation.
        ignore_value: The label value of unannotated pixels.
        data: Their folder.
        cache: Keeps what was decoded, for the training.
        observe: Is called with what was read of each image.
        report: Print what the labels mean.

    Raises:
        CenetError: A file cannot be read, or the labels are ambiguous.
    """
    with keep_decoded_labels(KEEP_BYTES):
        labels = resolve_label_encoding(
            recipe.task,
            samples,
            num_classes=recipe.num_classes,
            nested=recipe.nested,
            ignore_value=ignore_value,
            names=resolve_dataset(recipe.task).classes,
            folder=data,
        )
        if report:
            print_line(f"labels: {labels.describe()}")
        statistics = compute_statistics(
            tqdm(samples, desc="reading", unit="image"), labels, cache=cache, observe=observe
        )
    return labels, statistics


def select_samples(samples: Sequence[Sample], split: Split, data: Path) -> dict[str, list[Sample]]:
    """Return the samples of training and of validation.

    Raises:
        CenetError: A sample of the split is missing.
    """
    by_name = {sample.name: sample for sample in samples}
    for part in PARTS[:2]:
        for name in split.parts[part]:
            if name not in by_name:
                raise CenetError(data, f"{name} of the split is missing", "name the folder that the split was made for")
    return {part: [by_name[name] for name in split.parts[part]] for part in PARTS[:2]}


def class_shares(recipe: Recipe, data: TrainingData) -> tuple[float, ...]:
    """Return the share of each foreground class in the pixels of the training labels.

    A nested class counts with all classes inside it.
    """
    total: Counter[int] = Counter()
    for name in data.split.parts["train"]:
        total.update(data.statistics.pixels[name])
    shares = []
    for number in range(1, max(recipe.num_classes, 2)):
        pixels = sum(n for k, n in total.items() if k == number or (recipe.nested and k > number))
        shares.append(round(pixels / max(total.total(), 1), 6))
    return tuple(shares)


def _check_fingerprints(statistics: DatasetStatistics, split: Split, data: Path) -> None:
    """Refuse images and labels that are not as they were when the split was made."""
    for name, fingerprint in statistics.fingerprints.items():
        if split.fingerprints[name] != fingerprint:
            raise CenetError(data, f"{name} of the split is altered", "name the folder that the split was made for")
    for name, fingerprint in statistics.label_fingerprints.items():
        if split.label_fingerprints.get(name, fingerprint) != fingerprint:
            cause = f"the label or region of {name} is another than when the training was started"
            raise CenetError(data, cause, "put the former file back, or train again with another --output")


def _check_validation(split: Split, recipe: Recipe) -> None:
    """Refuse a split without validation images for a recipe that needs some."""
    if recipe.validation_fraction and not split.parts["validation"]:
        remedy = "give it at least one group, or train without validation: --validation-fraction 0"
        raise CenetError("split", "it has no image for validation", remedy)


def _check_classes(split: Split, statistics: DatasetStatistics, labels: LabelEncoding, data: Path) -> None:
    """Refuse to train or to validate on background alone; note the classes that one of the two parts lacks."""
    missing = {}
    for part in (part for part in PARTS[:2] if split.parts[part]):
        present = {k for name in split.parts[part] for k in statistics.pixels[name]}
        if labels.nested:  # what lies inside belongs to what is around it
            present = set(range(max(present, default=0) + 1))
        missing[part] = [name for k, name in enumerate(labels.names, start=1) if k not in present]
        if len(missing[part]) == len(labels.names):
            raise CenetError(
                data,
                f"the {part} part holds no {' and no '.join(labels.names)}",
                "add images, or draw another split with --seed or --splits",
            )
    consequence = {"train": "it is not trained", "validation": "it does not count in the choice of the epoch"}
    for part, names in missing.items():
        if names:
            _note(f"the {part} part holds no {' and no '.join(names)}; {consequence[part]}")


def _print_split(
    split: Split, samples: Sequence[Sample], chosen: dict[str, list[Sample]], statistics: DatasetStatistics
) -> None:
    """Print the size of each part, and note what a user should know of its images."""
    for sample in (sample for part in chosen.values() for sample in part if not statistics.pixels[sample.name]):
        _note(
            f"{sample.label[0].name}: all of its pixels are unannotated, so it trains nothing; annotate it, "
            "or remove the image"
        )
    parts = ", ".join(f"{len(names)} {part}" for part, names in split.parts.items())
    print(f"{parts} (held out)" if split.parts["test"] else parts)
    for part, name, duplicate in split.duplicates():
        _note(
            f"{name} and {duplicate} of the {part} part are the same image, which counts as two groups in every "
            "interval; remove one, or give them one group with --group-pattern"
        )
    unlabelled = [sample for sample in samples if sample.name in split.parts["test"] and not sample.label]
    if unlabelled:
        _note(
            f"{len(unlabelled)} images of the test part, such as {unlabelled[0].image.name}, have no label yet, so the "
            "test part cannot be scored until they are annotated"
        )


def _note(text: str) -> None:
    print_line(f"note: {text}", file=sys.stderr)
