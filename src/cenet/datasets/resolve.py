"""From the name of a task to its kind of data set, and to the meaning of its label files."""

from collections.abc import Sequence
from pathlib import Path

from cenet.data.labels.count_classes import ClassCount, count_classes
from cenet.data.labels.detect import detect_encoding
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.sample import Sample
from cenet.datasets.contents import DatasetContents
from cenet.datasets.folder import format_list
from cenet.datasets.registry import TASKS
from cenet.datasets.spec import ContentsReader, DatasetSpec
from cenet.errors import CenetError, nearest


def resolve_dataset(task: str) -> DatasetSpec:
    """Return the kind of data set of a task.

    Args:
        task: A key of `TASKS`.

    Raises:
        CenetError: There is no such task; the nearest name is suggested.

    >>> resolve_dataset("drvie")
    Traceback (most recent call last):
    cenet.errors.CenetError: task drvie: there is no such task; did you mean drive? `cenet tasks` lists all of them
    """
    if task in TASKS:
        return TASKS[task]
    suggestion = nearest(task, TASKS)
    question = f"did you mean {suggestion}? " if suggestion else ""
    raise CenetError(f"task {task}", "there is no such task", f"{question}`cenet tasks` lists all of them")


def read_dataset(task: str, folder: Path, *, group_pattern: str | None = None) -> DatasetContents:
    """Read a folder as a task lays it out, with notes of what was left out.

    Args:
        task: A key of `TASKS`.
        folder: The folder.
        group_pattern: A pattern that finds the group in an image's name.

    Raises:
        CenetError: The folder has another layout.
    """
    spec = resolve_dataset(task)
    if isinstance(spec.read, ContentsReader):
        contents = spec.read.read_contents(folder, group_pattern=group_pattern)
    else:
        contents = DatasetContents(spec.read(folder, group_pattern=group_pattern))
    first: dict[str, Path] = {}
    for sample in contents.samples:
        if sample.name in first:
            cause = f"it and {first[sample.name]} would both be called {sample.name}"
            raise CenetError(sample.image, cause, "rename or remove one of them")
        first[sample.name] = sample.image
    return contents


def count_task_classes(
    task: str, samples: Sequence[Sample], *, ignore_value: float | None = None, folder: Path | None = None
) -> ClassCount:
    """Count the classes in the labels of a task, as its kind of data set fixes them or as their values show.

    Args:
        task: A key of `TASKS`.
        samples: The samples; those without a label are skipped.
        ignore_value: The value of unannotated pixels.
        folder: Where a `classes.json` may be.

    Raises:
        CenetError: A label cannot be read.

    >>> count_task_classes("cells", []).num_classes
    1
    """
    labelled = [sample for sample in samples if sample.label]
    labels = resolve_dataset(task).labels
    encoding = labels(labelled, ignore_value=ignore_value) if callable(labels) and labelled else labels
    if not isinstance(encoding, LabelEncoding):
        return count_classes(labelled, ignore_value=ignore_value, folder=folder)
    count = len(encoding.names)
    reason = f"the labels of task {task} are: {encoding.describe()}"
    return ClassCount(count + 1 if count > 1 else 1, encoding.nested, reason)


def resolve_label_encoding(
    task: str,
    samples: Sequence[Sample],
    *,
    num_classes: int,
    nested: bool = False,
    ignore_value: float | None = None,
    names: tuple[str, ...] = (),
    folder: Path | None = None,
) -> LabelEncoding:
    """Return what the label files of a task mean, as its kind of data set fixes it or as detected from their values.

    Every label file is read in either case.

    Args:
        task: A key of `TASKS`.
        samples: The samples; those without a label are skipped.
        num_classes: 1 for one foreground; K >= 2 counts the background.
        nested: Whether each class lies inside the one before.
        ignore_value: The value of unannotated pixels.
        names: What the foreground classes are called, where neither the task nor the files name them.
        folder: Where a `classes.json` may be.

    Raises:
        CenetError: No label, a file that does not fit, ambiguous values, or options that contradict the labels.

    >>> resolve_label_encoding("cells", [], num_classes=1)
    Traceback (most recent call last):
    cenet.errors.CenetError: data: no image has a label; put a label for each into masks/
    """
    labelled = [sample for sample in samples if sample.label]
    foregrounds = max(num_classes - 1, 1)
    labels = resolve_dataset(task).labels
    encoding = labels(labelled, ignore_value=ignore_value) if callable(labels) else labels
    if encoding is None or not labelled:
        names = names[:foregrounds]  # for a disc without a cup, the disc
        return detect_encoding(
            samples, num_classes=num_classes, nested=nested, ignore_value=ignore_value, names=names, folder=folder
        )
    if folder and (folder / "classes.json").exists():
        cause = f"the labels of task {task} have a fixed meaning"
        raise CenetError(folder / "classes.json", cause, "remove the file, or use task folder")
    if ignore_value is not None and float(ignore_value) not in encoding.ignore:
        cause = f"the labels of task {task} have a fixed meaning ({encoding.describe()})"
        raise CenetError(f"--ignore-value {ignore_value:g}", cause, "leave it out")
    count = len(encoding.names)
    if count != foregrounds or encoding.nested != nested:
        kind = "nested classes" if encoding.nested else "classes"
        cause = f"its labels have {kind}, beside the background: {format_list(encoding.names)}"
        remedy = f"pass --num-classes {count + 1 if count > 1 else 1} --nested {str(encoding.nested).lower()}"
        raise CenetError(folder or labelled[0].image, cause, remedy)
    for sample in labelled:
        encoding.read(sample)
    return encoding
