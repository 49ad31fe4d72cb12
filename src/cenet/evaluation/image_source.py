"""The labelled images that a run is scored on, and what their labels mean for its classes."""

import re
from dataclasses import dataclass
from pathlib import Path

from cenet.data.labels.encoding import LabelEncoding
from cenet.data.sample import Sample
from cenet.data.splits import Split
from cenet.datasets.resolve import read_dataset, resolve_dataset, resolve_label_encoding
from cenet.errors import CenetError
from cenet.inference.ensemble import OpenedModel
from cenet.models.installed import show_run


@dataclass(frozen=True)
class ImageSource:
    """The images of which some are scored.

    Args:
        folder: Where they are.
        task: Its layout.
        samples: All of them.
        own: Whether it is the folder that the run was trained on.
        grouping: What makes a group, in words.
        ignore_value: The label value of unannotated pixels, where labels are detected anew.
        split: The split whose part is scored, where it is not the run's own.
    """

    folder: Path
    task: str
    samples: list[Sample]
    own: bool
    grouping: str
    ignore_value: int | None = None
    split: Split | None = None


def find_images(
    run: OpenedModel,
    data: Path | None,
    *,
    task: str | None = None,
    group_pattern: str | None = None,
    ignore_value: int | None = None,
    splits: Path | None = None,
) -> ImageSource:
    """List the images that a run is scored on.

    Args:
        run: The run.
        data: Their folder; the run's own by default.
        task: Its layout; the run's own by default.
        group_pattern: A pattern that finds the group in an image's name, for other data.
        ignore_value: The label value of unannotated pixels, for other data.
        splits: The `splits.json` of another run, whose part is scored.

    Raises:
        CenetError: There are none, none has a label, or the split is corrupted.
    """
    folder = data or (Path(run.facts.data) if run.facts.data else None)
    if folder is None:
        raise CenetError(show_run(run.path), "does not know its images", "name them with --data")
    task = task or run.recipe.task
    dataset = resolve_dataset(task)
    group_pattern = group_pattern or (None if data else run.facts.group_pattern)
    contents = read_dataset(task, folder, group_pattern=group_pattern)
    samples = contents.samples
    if not any(sample.label for sample in samples):
        raise CenetError(folder, "holds no labels to score against", "use cenet predict")
    grouping = contents.describe_grouping(dataset.describe_grouping(group_pattern), group_pattern)
    split = Split.from_json(splits) if splits else None
    return ImageSource(folder, task, samples, data is None, grouping, ignore_value, split)


def find_labels(run: OpenedModel, source: ImageSource, *, foreign: bool) -> LabelEncoding:
    """How labels are read: as in the training; those of other data by their own values, for the same classes.

    Args:
        run: The run, which sets the classes.
        source: The images.
        foreign: Whether the labels are other data's.

    Raises:
        CenetError: They do not have the run's classes.
    """
    if run.facts.labels is not None and not foreign:
        return run.facts.labels
    recipe, names = run.recipe, run.facts.classes
    try:
        labels = resolve_label_encoding(
            source.task,
            [sample for sample in source.samples if sample.label],
            num_classes=recipe.num_classes,
            nested=recipe.nested,
            ignore_value=source.ignore_value,
            names=names,
            folder=source.folder if foreign else None,
        )
    except CenetError as error:
        raise _without_training_options(error, names) from error
    if len(names) > 1 and labels.names != names:
        raise CenetError(
            source.folder,
            f"its classes are {', '.join(labels.names)} where the run's are {', '.join(names)}",
            "name them alike, in the same order, in a classes.json",
        )
    return labels


def _without_training_options(error: CenetError, names: tuple[str, ...]) -> CenetError:
    """The error where a run sets the classes: its remedy names no option that only a training has.

    >>> error = CenetError("eye.png", "the labels hold 0, 1, 2", "pass --num-classes 3, or write a classes.json")
    >>> str(_without_training_options(error, ("vessel",)))
    'eye.png: the labels hold 0, 1, 2, and the run has one class (vessel); merge them, or write a classes.json'
    """
    remedies = re.split(", or |; ", error.remedy)
    others = [remedy for remedy in remedies if "--num-classes" not in remedy and "--nested" not in remedy]
    if others == remedies:
        return error
    count = "one class" if len(names) == 1 else f"{len(names)} classes"
    remedy = "merge them" if len(names) == 1 else "save labels that hold just these"
    return CenetError(
        error.subject, f"{error.cause}, and the run has {count} ({', '.join(names)})", ", or ".join([remedy, *others])
    )
