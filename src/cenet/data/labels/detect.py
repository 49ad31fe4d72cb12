"""Find out what the values in the label files of a set mean: over all files at once, and never by a guess."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cenet.data.labels.encoding import IGNORED, Kind, LabelEncoding, Values, default_names
from cenet.data.labels.inspect import GREY, HIGH, LOW, LabelFileValues, format_values, inspect_label_file, white_value
from cenet.data.labels.schema import NNUNET_IMAGES, ClassesFile, int_to_colour, read_classes_file, read_nnunet_dataset
from cenet.data.sample import Sample
from cenet.errors import CenetError

__all__ = ["IGNORED", "LabelEncoding", "detect_encoding"]

MAX_VALUES = 32  # more than these are no classes


def detect_encoding(
    samples: Sequence[Sample],
    *,
    num_classes: int,
    nested: bool = False,
    ignore_value: float | None = None,
    names: tuple[str, ...] = (),
    folder: Path | None = None,
) -> LabelEncoding:
    """Find out what the values in the label files of a set mean, by reading every one of them.

    What the files do not say beyond doubt is asked of the user: in an error that names the files, the values, and
    the option that decides.

    Args:
        samples: The set; samples without a label are passed over.
        num_classes: 1 for one foreground; K >= 2 counts the background.
        nested: Whether each class lies inside the one before.
        ignore_value: The value of pixels that nobody drew.
        names: What the foreground classes are called, if there are as many.
        folder: Where a `classes.json` (or the `dataset.json` of nnU-Net) may lie, which goes before all else.

    Raises:
        CenetError: No label, a file that cannot be read, or values that are ambiguous.

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
        place = folder or (samples[0].image if samples else "data")
        raise CenetError(place, "no image has a label", "put a label for each into masks/")
    origin, declared = _declared(folder)
    count = max(num_classes - 1, 1)
    if declared:
        _check_declared(origin, declared, count=count, nested=nested)
    kind = _layout(labelled, declared, origin=origin, count=count)
    unseen = () if ignore_value is None else (ignore_value,)
    found = [inspect_label_file(path, ignore=unseen, page=sample.page) for sample in labelled for path in sample.label]
    if any(each.coloured for each in found):
        if kind != "values":
            raise CenetError(found[0].path, "where an image has several label files they are grey", "save them as grey")
        kind, found = "colours", [each if each.coloured else _in_colours(each) for each in found]
    ignored = _ignored(found, ignore_value, declared, origin=origin, coloured=kind == "colours")
    found = [replace(each, values=tuple(value for value in each.values if value not in ignored)) for each in found]
    if not any(value != 0 for each in found for value in each.values):
        raise CenetError(found[0].path, "this label and all others hold only background", "draw the foreground")

    values, cut = _meaning(found, kind, declared, origin=origin, num_classes=num_classes)
    colours = tuple(each.colour for each in declared.classes if each.colour) if declared else ()
    if kind == "colours":
        colours = tuple(int_to_colour(each[0]) for each in values[1:])
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


def _meaning(
    found: Sequence[LabelFileValues], kind: Kind, declared: ClassesFile | None, *, origin: Path, num_classes: int
) -> tuple[Values, float | None]:
    """Return what stands for background, class 1, ..., or else where to cut."""
    if declared and declared.values and kind != "classes":
        return _as_declared(found, declared, origin=origin, coloured=kind == "colours"), None
    if kind == "colours":
        return _by_colour(found, num_classes=num_classes), None
    if num_classes == 1 or kind != "values":
        return _binary(found)
    return _indices(found, num_classes=num_classes), None


def _declared(folder: Path | None) -> tuple[Path, ClassesFile | None]:
    """Return what the owner of a set declares, and in which file."""
    if folder and (folder / "classes.json").exists():
        return folder / "classes.json", read_classes_file(folder / "classes.json")
    if folder and (folder / NNUNET_IMAGES).is_dir() and (folder / "dataset.json").exists():
        return folder / "dataset.json", read_nnunet_dataset(folder).declared
    return Path(), None


def _check_declared(origin: Path, declared: ClassesFile, *, count: int, nested: bool) -> None:
    """Refuse declared classes that differ from the options."""
    number = len(declared.names)
    if number != count:
        remedy = f"pass --num-classes {number + 1 if number > 1 else 1}"
        raise CenetError(origin, f"it names {number} classes, but {count} are asked for", remedy)
    if declared.nested is not None and declared.nested != nested:
        raise CenetError(
            origin, "it says otherwise whether classes are nested", f"pass --nested {str(declared.nested).lower()}"
        )


def _layout(labelled: Sequence[Sample], declared: ClassesFile | None, *, origin: Path, count: int) -> Kind:
    """Return whether there is one file for all classes, for each class, or for each object; the same for all."""
    first, classes = labelled[0], labelled[0].classes
    for sample in labelled:
        if sample.classes != classes:
            shown = [", ".join(each.classes) or "one file for all classes" for each in (first, sample)]
            raise CenetError(
                first.image, f"has {shown[0]}, but {sample.image} has {shown[1]}", "label all images alike"
            )
    told = f"has a label file for each {'of ' + ', '.join(classes) if classes else 'object'}"
    if classes and declared and (set(declared.names) != set(classes) or declared.classes[0].value is not None):
        raise CenetError(first.image, told, f"name these classes without values in {origin}")
    if classes and len(classes) != count:
        remedy = f"pass --num-classes {len(classes) + 1 if len(classes) > 1 else 1}"
        raise CenetError(first.image, f"{told}, but the number of classes asked for is {count}", remedy)
    objects = any(len(sample.label) > 1 for sample in labelled)
    if objects and not classes and count > 1:
        raise CenetError(first.image, f"{told}, which is one class", "pass --num-classes 1")
    return "classes" if classes else "objects" if objects else "values"


def _in_colours(each: LabelFileValues) -> LabelFileValues:
    """Return grey values as colours, where other labels are coloured."""
    if not all(value == int(value) and 0 <= value <= 255 for value in each.values):
        raise CenetError(
            each.path, f"holds {format_values(each.values)}, where other labels are coloured", "save all alike"
        )
    return replace(each, values=tuple(value * GREY for value in each.values))


def _ignored(
    found: Sequence[LabelFileValues],
    ignore_value: float | None,
    declared: ClassesFile | None,
    *,
    origin: Path,
    coloured: bool,
) -> tuple[float, ...]:
    """Return the value (or colour) of pixels that nobody drew."""
    said = declared.ignored if declared else ()
    if ignore_value is None:
        return said
    asked = (ignore_value * GREY if coloured else float(ignore_value),)
    if not any(asked[0] in each.values for each in found):
        shown = format_values(_union(found), coloured=coloured)
        raise CenetError(
            f"--ignore-value {ignore_value:g}", f"no label holds this value, they hold {shown}", "leave it out"
        )
    if said not in ((), asked):
        raise CenetError(
            f"--ignore-value {ignore_value:g}", f"{origin} says otherwise", "leave it out, or mend the file"
        )
    alone = [each.path for each in found if {*each.values} == {0.0, *asked}]
    without = [each.path for each in found if any(each.values) and asked[0] not in each.values]
    beside = any(asked[0] in each.values and {*each.values} - {0.0, *asked} for each in found)
    if asked[0] and alone and without and not declared and not beside:
        told = f"beside 0 it holds only {ignore_value:g}, which {without[0]} lacks, so the two may be drawn in two ways"
        raise CenetError(alone[0], told, "save all labels alike, or say in a classes.json what the values mean")
    return asked


def _as_declared(found: Sequence[LabelFileValues], declared: ClassesFile, *, origin: Path, coloured: bool) -> Values:
    """Return the declared values, if the files hold no others."""
    if declared.coloured != coloured:
        told = ("are", "colour") if coloured else ("are not", "value")
        raise CenetError(origin, f"the labels {told[0]} coloured", f"give each class a {told[1]}")
    known = {value for values in declared.values for value in values}
    for each in found:
        strange = [value for value in each.values if value not in known]
        if strange:
            shown = format_values(strange, coloured=coloured)
            raise CenetError(each.path, f"the label holds {shown}, which {origin} does not know", "add it there")
    return declared.values


def _by_colour(found: Sequence[LabelFileValues], *, num_classes: int) -> Values:
    """Return black and the other colours in order."""
    union, wanted = _union(found), max(num_classes, 2)
    shown = f"the labels hold the colours {format_values(union, coloured=True)}"
    if union[0] != 0:
        raise CenetError(found[0].path, f"{shown}, and none is black", "say in a classes.json which is the background")
    if len(union) != wanted:
        remedy = f"pass --num-classes {len(union) if len(union) > 2 else 1}"
        raise CenetError(found[0].path, f"{shown}, but {wanted} with the background are asked for", remedy)
    return tuple((value,) for value in union)


def _binary(found: Sequence[LabelFileValues]) -> tuple[Values, float | None]:
    """Return the two values of binary labels, or where to cut smoothed ones."""
    union = _union(found)
    if len(union) == 2:
        low, high = union
        full = white_value(union)
        if low == 0 or (0 <= low < LOW * full and high > HIGH * full):
            return ((low,), (high,)), None
    if _smoothed(found):
        return (), white_value(union) / 2
    if len(union) > 2 and all(set(each.values) <= {0, max(each.values, default=0)} for each in found):
        drawn = [each for each in found if any(each.values)]
        one, other = drawn[0], next(each for each in drawn if max(each.values) != max(drawn[0].values))
        shown = f"the label holds {format_values(one.values)}, but {other.path} holds {format_values(other.values)}"
        raise CenetError(one.path, shown, "save all with the same values, or say what they mean in a classes.json")
    raise _unclear(found, num_classes=1)


def _indices(found: Sequence[LabelFileValues], *, num_classes: int) -> Values:
    """Return the values of several classes: 0 to K - 1 as they are, or K others in order."""
    union = _union(found)
    if all(value in range(num_classes) for value in union):
        return tuple((float(value),) for value in range(num_classes))
    if len(union) == num_classes:
        return tuple((value,) for value in union)
    raise _unclear(found, num_classes=num_classes)


def _smoothed(found: Sequence[LabelFileValues]) -> bool:
    """Tell whether labels are binary with smoothed edges: many values, and only at edges any between the ends.

    One or two values between the ends could be classes or an unlabelled border, so they do not suffice.
    """
    union = _union(found)
    full = white_value(union)
    low, high = (sum(value < LOW * full for value in union), sum(value > HIGH * full for value in union))
    many = len(union) - low - high > 2 or (low > 1 and high > 1)
    alike = all(max(each.values, default=0) == 0 or white_value(each.values) == full for each in found)
    return union[0] >= 0 and low > 0 and high > 0 and many and alike and all(each.smoothed for each in found)


def _unclear(found: Sequence[LabelFileValues], *, num_classes: int) -> CenetError:
    """Return the error that shows the values and the options that decide."""
    union = _union(found)
    fullest = max(found, key=lambda each: len(each.values)).path
    asked = "a binary label has two, one of them 0" if num_classes == 1 else f"{num_classes} classes are asked for"
    cause = f"the labels hold the values {format_values(union)}, but {asked}"
    if num_classes > 1 and _smoothed(found):
        cause += ", and these were mixed at edges"
        return CenetError(fullest, cause, "save class indices, or pass --num-classes 1")
    if len(union) > MAX_VALUES or fullest.suffix.lower() in (".jpg", ".jpeg"):
        remedy = "JPEG compression or smoothing mixes values, so save the label as PNG from its source"
        return CenetError(fullest, cause, remedy)
    indices = all(value in range(IGNORED) for value in union) and union[-1] < 2 * len(union) and len(union) != 2
    number = int(union[-1]) + 1 if indices else len(union)
    number = 1 if len(union) == 2 and num_classes > 1 else number
    options = [] if number == num_classes else [f"pass --num-classes {number} if these are all classes"]
    odd = [value for value in union if value and len(union) > 2]  # any of these may be what nobody drew
    few = [value for value in odd if sum(value in each.values for each in found) < len(found)] or odd
    options += [f"--ignore-value {value:g} if nobody drew the pixels with {value:g}" for value in few[-3:]]
    return CenetError(fullest, cause, ", or ".join([*options, "say what they mean in a classes.json"]))


def _union(found: Sequence[LabelFileValues]) -> list[float]:
    return sorted({value for each in found for value in each.values})
