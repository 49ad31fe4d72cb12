"""How many classes the label files of a data set hold, where it is not stated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cenet.data.labels.inspect import (
    IGNORED,
    MAX_VALUES,
    WHITE_VALUES,
    LabelFileValues,
    are_mostly_binary,
    are_numbered_objects,
    are_smoothed,
    format_values,
    inspect_sample,
    may_number_objects,
    mixed_values_error,
)
from cenet.data.labels.objects import OBJECTS_CAUSE, OBJECTS_REMEDY
from cenet.data.labels.schema import read_declaration
from cenet.data.sample import Sample
from cenet.errors import CenetError
from cenet.safe_text import format_names

NEARLY_WHITE = 0.98  # of white: such values in masks of one foreground mean it, too


@dataclass(frozen=True)
class ClassCount:
    """How many classes the labels of a data set have, as a recipe says it.

    Args:
        num_classes: 1 for one foreground; K >= 3 counts the background.
        nested: Whether each class lies inside the one before.
        reason: What of the labels shows it.
    """

    num_classes: int
    nested: bool
    reason: str


def count_classes(
    samples: Sequence[Sample], *, ignore_value: float | None = None, folder: Path | None = None
) -> ClassCount:
    """Count the classes in the label files of a data set, by a declaration, their folders, or the values in them.

    Whether these labels can be used is decided where their encoding is detected.

    Args:
        samples: The samples; those without a label are skipped.
        ignore_value: The value of unannotated pixels.
        folder: The folder of a `classes.json` (or the `dataset.json` of nnU-Net), if there is one; it takes precedence.

    Raises:
        CenetError: A file cannot be read, the values look like the numbers of objects or like mixed ones, or binary
            labels differ in their foreground.

    >>> import tempfile
    >>> import numpy as np
    >>> from cenet.data.io.write import write_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "vessels.png")
    ...     write_mask(path, np.eye(2, dtype=np.uint8))
    ...     count_classes([Sample("eye", path, (path,))]).num_classes
    1
    """
    labelled = [sample for sample in samples if sample.label]
    origin, declared = read_declaration(folder, labelled)
    if declared:
        named = f"{origin.name} names {format_names(declared.names)}"  # there may be hundreds
        return _count(len(declared.names), named, nested=declared.nested)
    classes = {name for sample in labelled for name in sample.classes}
    if classes:
        return _count(len(classes), f"the labels have a folder for each class: {format_names(sorted(classes))}")
    if any(len(sample.label) > 1 for sample in labelled):
        return _count(1, "the labels have a file for each object")
    ignored = () if ignore_value is None else (ignore_value,)
    files = [file for sample in labelled for file in inspect_sample(sample, ignore=ignored)]
    return _count_values(files, ignored)


def _count_values(files: Sequence[LabelFileValues], ignored: tuple[float, ...]) -> ClassCount:
    coloured = any(file.coloured for file in files)
    values = sorted({value for file in files for value in file.values} - set(ignored))
    shown = f"the labels hold the values {format_values(values, coloured=coloured)}"
    if len(values) <= 2:
        return _count(1, shown)
    if all(value == 0 or _is_nearly_white(value) for value in values) and all(
        len(set(file.values) - {0, *ignored}) < 2 for file in files
    ):
        raise mixed_values_error(files)
    if coloured:
        if may_number_objects(files):
            raise CenetError(files[0].path, f"{shown}; {OBJECTS_CAUSE}", OBJECTS_REMEDY)
        return _count(len(values) - 1, f"{shown}, black for the background")
    if are_numbered_objects(files):
        return _count(1, f"{shown}, each of which is one piece: they number the objects of one class")
    if are_smoothed(files):
        return _count(1, f"{shown}, those between the ends at edges only")
    if may_number_objects(files):
        raise CenetError(files[0].path, f"{shown}; {OBJECTS_CAUSE}", OBJECTS_REMEDY)
    *lower, highest = values
    if highest == IGNORED and lower == [*range(len(lower))] and highest > 2 * len(values):
        cause = f"{shown}; {IGNORED} often marks unannotated pixels, and may be a class"
        remedy = (
            f"pass --ignore-value {IGNORED} if it does, --num-classes {len(values)} if it is one, or add a classes.json"
        )
        raise CenetError(files[0].path, cause, remedy)
    are_indices = values[-1] < 2 * len(values) and all(value >= 0 and value == int(value) for value in values)
    if len(values) > MAX_VALUES or (not are_indices and are_mostly_binary(files, ignored=ignored)):
        raise _mixed_grey_error(files)
    return _count(int(values[-1]) if are_indices else len(values) - 1, f"{shown}, the least for the background")


def _is_nearly_white(value: float) -> bool:
    return any(NEARLY_WHITE * white <= value <= white for white in WHITE_VALUES)


def _mixed_grey_error(files: Sequence[LabelFileValues]) -> CenetError:
    file = max(files, key=lambda file: len(file.values))
    cause = f"the label holds {len(file.values)} values, {format_values(file.values)}; JPEG or smoothing mixes values"
    remedy = (
        "save such labels as PNG from their source (`cenet doctor DATA` finds them), or pass --num-classes K if all "
        "values are classes"
    )
    return CenetError(file.path, cause, remedy)


def _count(foregrounds: int, reason: str, *, nested: bool | None = None) -> ClassCount:
    num_classes = foregrounds + 1 if foregrounds > 1 else 1
    return ClassCount(num_classes, bool(nested) and num_classes > 2, reason)
