"""Detect what the values in the label files of a data set mean: over all files at once, and never by a guess."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cenet.data.labels.colours import GREY
from cenet.data.labels.encoding import IGNORED, Kind, LabelEncoding, Values, default_names
from cenet.data.labels.inspect import (
    HIGH,
    LOW,
    MAX_VALUES,
    LabelFileValues,
    are_numbered_objects,
    are_smoothed,
    format_values,
    inspect_sample,
    may_number_objects,
    mixed_values_error,
    white_value,
)
from cenet.data.labels.objects import JOIN_OBJECTS, OBJECTS_CAUSE, OBJECTS_REMEDY
from cenet.data.labels.schema import ClassesFile, int_to_colour, read_declaration
from cenet.data.sample import Sample
from cenet.errors import CenetError

__all__ = ["IGNORED", "LabelEncoding", "detect_encoding"]


def detect_encoding(
    samples: Sequence[Sample],
    *,
    num_classes: int,
    nested: bool = False,
    ignore_value: float | None = None,
    names: tuple[str, ...] = (),
    folder: Path | None = None,
) -> LabelEncoding:
    """Detect what the values in the label files of a data set mean, by reading all of them.

    Where the files leave a doubt, the user decides: the error names the files, the values, and the option to pass.

    Args:
        samples: The samples; those without a label are skipped.
        num_classes: 1 for one foreground; K >= 2 counts the background.
        nested: Whether each class lies inside the one before.
        ignore_value: The value of unannotated pixels.
        names: The names of the foreground classes, used if there are as many.
        folder: The folder of a `classes.json` (or the `dataset.json` of nnU-Net), if there is one; it takes precedence.

    Raises:
        CenetError: There is no label, a file cannot be read, or its values are ambiguous.

    >>> import tempfile
    >>> import numpy as np
    >>> from cenet.data.io.write import write_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "vessels.png")
    ...     write_mask(path, np.eye(2, dtype=np.uint8))
    ...     labels = detect_encoding([Sample("eye", path, (path,))], num_classes=1, names=("vessel",))
    >>> labels.describe()
    '0 -> background, 255 -> vessel'
    """
    labelled = [sample for sample in samples if sample.label]
    if not labelled:
        subject = folder or (samples[0].image if samples else "data")
        raise CenetError(subject, "no image has a label", "put a label for each into masks/")
    origin, declared = read_declaration(folder, labelled)
    count = max(num_classes - 1, 1)
    if declared:
        _check_declared(origin, declared, count=count, nested=nested)
    kind = _detect_kind(labelled, declared, origin=origin, count=count)
    to_ignore = () if ignore_value is None else (ignore_value,)
    files = [file for sample in labelled for file in inspect_sample(sample, ignore=to_ignore)]
    if any(file.coloured for file in files):
        if kind != "values":
            cause = "this image has several label files, which must not be coloured"
            raise CenetError(files[0].path, cause, "save them in grey")
        kind, files = "colours", [file if file.coloured else _to_colours(file) for file in files]
    ignored = _find_ignored(files, ignore_value, declared, origin=origin, coloured=kind == "colours")
    files = [replace(file, values=tuple(value for value in file.values if value not in ignored)) for file in files]
    if not any(value != 0 for file in files for value in file.values):
        raise CenetError(files[0].path, "this label and all others hold only background", "mark the foreground")

    if kind == "values" and num_classes == 1 and not declared and are_numbered_objects(files):
        kind = "numbers"
    values, cut = _assign_values(files, kind, declared, origin=origin, num_classes=num_classes)
    colours = tuple(spec.colour for spec in declared.classes if spec.colour) if declared else ()
    if kind == "colours":
        colours = tuple(int_to_colour(class_values[0]) for class_values in values[1:])
    if declared or kind == "classes":
        names = declared.names if declared else labelled[0].classes
    elif len(names) != count:
        names = colours or default_names(count)
    return LabelEncoding(
        kind="edges" if kind == "values" and cut is not None else kind,
        names=names,
        values=values,
        cut=cut,
        ignore=ignored,
        nested=nested,
        colours=colours if len(colours) == count else (),
    )


def _assign_values(
    files: Sequence[LabelFileValues], kind: Kind, declared: ClassesFile | None, *, origin: Path, num_classes: int
) -> tuple[Values, float | None]:
    """Return the values of background, class 1, ..., or the threshold between smoothed ones."""
    if declared and declared.values and kind != "classes":
        return _check_declared_values(files, declared, origin=origin, coloured=kind == "colours"), None
    if kind == "numbers":
        return ((0.0,), (1.0,)), None
    if kind == "colours":
        return _assign_colours(files, num_classes=num_classes), None
    if num_classes == 1 or kind != "values":
        return _assign_binary(files)
    return _assign_indices(files, num_classes=num_classes), None


def _check_declared(origin: Path, declared: ClassesFile, *, count: int, nested: bool) -> None:
    """Refuse declared classes that contradict the options."""
    number = len(declared.names)
    if number != count:
        remedy = f"pass --num-classes {number + 1 if number > 1 else 1}"
        raise CenetError(origin, f"it names {number} classes, but the number requested is {count}", remedy)
    if declared.nested is not None and declared.nested != nested:
        value = str(declared.nested).lower()
        raise CenetError(origin, f"it says nested is {value}, which contradicts the option", f"pass --nested {value}")


def _detect_kind(labelled: Sequence[Sample], declared: ClassesFile | None, *, origin: Path, count: int) -> Kind:
    """Return whether all images have one label file for all classes, for each class, or for each object."""
    first, classes = labelled[0], labelled[0].classes
    for sample in labelled:
        if sample.classes != classes:
            one, other = (", ".join(item.classes) or "one file for all classes" for item in (first, sample))
            cause = f"it has {one}, but {sample.image} has {other}"
            raise CenetError(first.image, cause, "label all images in the same way")
    content = f"of {', '.join(classes)}" if classes else "object"
    cause = f"it has a label file for each {content}"
    if classes and declared and (set(declared.names) != set(classes) or declared.classes[0].value is not None):
        raise CenetError(first.image, cause, f"name these classes without values in {origin}")
    if classes and len(classes) != count:
        remedy = f"pass --num-classes {len(classes) + 1 if len(classes) > 1 else 1}"
        raise CenetError(first.image, f"{cause}, but the number of classes requested is {count}", remedy)
    objects = any(len(sample.label) > 1 for sample in labelled)
    if objects and not classes and count > 1:
        raise CenetError(first.image, f"{cause}, which is one class", "pass --num-classes 1")
    if classes:
        return "classes"
    return "objects" if objects else "values"


def _to_colours(file: LabelFileValues) -> LabelFileValues:
    """Return grey values as colours, for a grey label among coloured ones."""
    if not all(value == int(value) and 0 <= value <= 255 for value in file.values):
        cause = f"it holds {format_values(file.values)}, but other labels are coloured"
        raise CenetError(file.path, cause, "save all labels in the same way")
    return replace(file, values=tuple(value * GREY for value in file.values))


def _find_ignored(
    files: Sequence[LabelFileValues],
    ignore_value: float | None,
    declared: ClassesFile | None,
    *,
    origin: Path,
    coloured: bool,
) -> tuple[float, ...]:
    """Return the value (or colour) of unannotated pixels, as an option or a declaration has it."""
    declared_values = declared.ignored if declared else ()
    if ignore_value is None:
        return declared_values
    option = f"--ignore-value {ignore_value:g}"
    ignored = ignore_value * GREY if coloured else float(ignore_value)
    if not any(ignored in file.values for file in files):
        shown = format_values(_all_values(files), coloured=coloured)
        raise CenetError(option, f"no label holds this value; the values are {shown}", "leave it out")
    if declared_values not in ((), (ignored,)):
        raise CenetError(option, f"{origin} has another value to ignore", "leave it out, or fix the file")
    only_ignored = [file.path for file in files if {*file.values} == {0.0, ignored}]
    without_ignored = [file.path for file in files if any(file.values) and ignored not in file.values]
    with_both = any(ignored in file.values and {*file.values} - {0.0, ignored} for file in files)
    if ignored and only_ignored and without_ignored and not declared and not with_both:
        cause = (
            f"apart from 0 it holds only {ignore_value:g}, which {without_ignored[0]} lacks, "
            "so this value may be the foreground"
        )
        raise CenetError(
            only_ignored[0],
            cause,
            "save all labels in the same way, or give the meaning of the values in a classes.json",
        )
    return (ignored,)


def _check_declared_values(
    files: Sequence[LabelFileValues], declared: ClassesFile, *, origin: Path, coloured: bool
) -> Values:
    """Return the declared values; refuse files that hold others."""
    if coloured and not declared.coloured:
        raise CenetError(origin, "the labels are coloured", "give each class a colour")
    if declared.coloured and not coloured:
        raise CenetError(origin, "the labels are not coloured", "give each class a value")
    known = {value for values in declared.values for value in values}
    for file in files:
        unknown = [value for value in file.values if value not in known]
        if unknown:
            shown = format_values(unknown, coloured=coloured)
            raise CenetError(file.path, f"the label holds {shown}, which {origin} does not list", "add it there")
    return declared.values


def _assign_colours(files: Sequence[LabelFileValues], *, num_classes: int) -> Values:
    """Return black as the background and the other colours in order."""
    colours, wanted = _all_values(files), max(num_classes, 2)
    cause = f"the labels hold the colours {format_values(colours, coloured=True)}"
    if colours[0] != 0:
        remedy = "give the background's colour in a classes.json"
        raise CenetError(files[0].path, f"{cause}, and none is black", remedy)
    if len(colours) != wanted:
        cause = f"{cause}, but {wanted} with the background are requested"
        remedy = f"pass --num-classes {len(colours) if len(colours) > 2 else 1}"
        if may_number_objects(files):
            cause, remedy = f"{cause}; {OBJECTS_CAUSE}", f"{JOIN_OBJECTS}; if they are classes, {remedy}"
        raise CenetError(files[0].path, cause, remedy)
    return tuple((colour,) for colour in colours)


def _assign_binary(files: Sequence[LabelFileValues]) -> tuple[Values, float | None]:
    """Return the two values of binary labels, or the threshold of smoothed ones."""
    values = _all_values(files)
    if len(values) == 2:
        low, high = values
        white = white_value(values)
        if low == 0 or (0 <= low < LOW * white and high > HIGH * white):
            return ((low,), (high,)), None
    if are_smoothed(files):
        return (), white_value(values) / 2
    if len(values) > 2 and all(set(file.values) <= {0, max(file.values, default=0)} for file in files):
        raise mixed_values_error(files)
    raise _ambiguity_error(files, num_classes=1)


def _assign_indices(files: Sequence[LabelFileValues], *, num_classes: int) -> Values:
    """Return the values of several classes: 0 to K - 1 as they are, or K others in order."""
    values = _all_values(files)
    if all(value in range(num_classes) for value in values):
        return tuple((float(value),) for value in range(num_classes))
    if len(values) == num_classes:
        return tuple((value,) for value in values)
    raise _ambiguity_error(files, num_classes=num_classes)


def _ambiguity_error(files: Sequence[LabelFileValues], *, num_classes: int) -> CenetError:
    """Return the error that shows the values and the options that decide."""
    values = _all_values(files)
    path = max(files, key=lambda file: len(file.values)).path
    expected = "a binary label has two, one of them 0" if num_classes == 1 else f"{num_classes} classes are requested"
    cause = f"the labels hold the values {format_values(values)}, but {expected}"
    if num_classes > 1 and are_smoothed(files):
        cause += ", and these were mixed at edges"
        return CenetError(path, cause, "save class indices, or pass --num-classes 1")
    if may_number_objects(files):
        return CenetError(path, f"{cause}; {OBJECTS_CAUSE}", OBJECTS_REMEDY)
    if len(values) > MAX_VALUES or path.suffix.lower() in (".jpg", ".jpeg"):
        remedy = "JPEG compression or smoothing mixes values, so save the label as PNG from its source"
        return CenetError(path, cause, remedy)
    are_indices = all(value in range(IGNORED) for value in values) and values[-1] < 2 * len(values) and len(values) != 2
    number = int(values[-1]) + 1 if are_indices else len(values)
    if len(values) == 2 and num_classes > 1:
        number = 1
    options = [] if number == num_classes else [f"pass --num-classes {number} if these are all classes"]
    nonzero = [value for value in values if value and len(values) > 2]  # any of these may mean unannotated
    rare = [value for value in nonzero if sum(value in file.values for file in files) < len(files)]
    candidates = (rare or nonzero)[-3:]
    options += [f"--ignore-value {value:g} if pixels with {value:g} are unannotated" for value in candidates]
    return CenetError(path, cause, ", or ".join([*options, "give their meaning in a classes.json"]))


def _all_values(files: Sequence[LabelFileValues]) -> list[float]:
    return sorted({value for file in files for value in file.values})
