"""What the label files of a set mean: as its kind of data set fixes it, or detected."""

from collections.abc import Sequence
from pathlib import Path

from cenet.data.labels.detect import detect_encoding
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.sample import Sample
from cenet.datasets.folder import format_list
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError


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
    """Return what the label files of a task mean: as its data set fixes it, or else detected from their values.

    Every label is read, whichever way.

    Args:
        task: One of `TASKS`.
        samples: The set; samples without a label are passed over.
        num_classes: 1 for one foreground; K >= 2 counts the background.
        nested: Whether each class lies inside the one before.
        ignore_value: The value of unannotated pixels.
        names: What the foreground classes are called, where neither the task nor the files say it.
        folder: Where a `classes.json` may lie.

    Raises:
        CenetError: No label, a file that does not fit, values that are ambiguous, or options that say otherwise.

    >>> resolve_label_encoding("cells", [], num_classes=1)
    Traceback (most recent call last):
    cenet.errors.CenetError: data: no image has a label; put a label for each into masks/
    """
    labelled = [sample for sample in samples if sample.label]
    foregrounds = max(num_classes - 1, 1)
    known = TASKS[task].labels
    labels = known(labelled, ignore_value=ignore_value) if callable(known) else known
    if labels is None or not labelled:
        names = names[:foregrounds]  # of a disc without a cup, the disc
        return detect_encoding(
            samples, num_classes=num_classes, nested=nested, ignore_value=ignore_value, names=names, folder=folder
        )
    if folder and (folder / "classes.json").exists():
        raise CenetError(
            folder / "classes.json", f"task {task} knows its labels", "remove the file, or use task folder"
        )
    if ignore_value is not None and float(ignore_value) not in labels.ignore:
        raise CenetError(
            f"--ignore-value {ignore_value:g}", f"task {task} knows its labels ({labels.describe()})", "leave it out"
        )
    count = len(labels.names)
    if count != foregrounds or labels.nested != nested:
        flags = f"--num-classes {count + 1 if count > 1 else 1} --nested {str(labels.nested).lower()}"
        kind = "nested classes" if labels.nested else "classes"
        cause = f"its labels have {kind}, beside the background: {format_list(labels.names)}"
        raise CenetError(folder or labelled[0].image, cause, f"pass {flags}")
    for sample in labelled:
        labels.read(sample)
    return labels
