"""The values that one label file holds, whatever they mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.read import read_label
from cenet.data.labels.colours import encode_colours
from cenet.data.labels.objects import JOIN_OBJECTS, OBJECTS_CAUSE, is_numbered, number_colours
from cenet.data.labels.schema import int_to_colour
from cenet.data.sample import Sample
from cenet.errors import CenetError

IGNORED = 255  # in a label array: an unannotated pixel, which counts for nothing

EDGE_PX = 3  # largest distance of smoothed pixels from an edge
MAX_STRAY, MAX_STRAY_OF_ALL = 0.2, 0.002  # share of the smoothed pixels, and of all pixels, that may lie elsewhere
LOW, HIGH = 0.1, 0.9  # of white: values below LOW are nearly black, values above HIGH nearly white
WHITE_VALUES = (1.0, 255.0, 65535.0)
MAX_SMOOTHED = 0.1  # share of all pixels that may lie between levels
MAX_COLOURS = 32
MAX_VALUES = 32  # more values than this are not classes
MIN_NUMBERS = 8  # more values than this, each in one piece, may number objects
NUMBERS_PER_FILE = 1.5  # so many times as many values as a file usually has are numbers rather than classes


@dataclass(frozen=True)
class LabelFileValues:
    """The values of a label file.

    Args:
        path: The file.
        values: Its distinct values in order; colours are numbers, 0xRRGGBB.
        coloured: Whether it is coloured.
        smoothed: Whether all values between black and white lie at edges, as in an anti-aliased mask.
        numbered: Whether each value or colour but 0 is one connected piece, as where objects are numbered.
    """

    path: Path
    values: tuple[float, ...]
    coloured: bool
    smoothed: bool
    numbered: bool = False


def inspect_label_file(path: Path, *, ignore: tuple[float, ...] = (), page: int | None = None) -> LabelFileValues:
    """Read a label file and return the values it holds.

    Args:
        path: The file.
        ignore: Values of unannotated pixels, which do not count against smoothed edges.
        page: The slice of a stack, from 0.

    Raises:
        CenetError: The file cannot be read, or has too many colours for a label.

    >>> import tempfile
    >>> from cenet.data.io.write import write_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "vessels.png")
    ...     write_mask(path, np.eye(2, dtype=np.uint8))
    ...     inspect_label_file(path).values
    (0.0, 255.0)
    """
    raw = read_label(path, page=page)
    coloured = raw.ndim > 2
    held = encode_colours(raw) if coloured else raw
    values = np.unique(held)
    numbered = values.size > 1 and is_numbered(number_colours(held, values) if coloured else raw)
    if coloured and values.size > MAX_COLOURS:
        cause, photo = f"the label has {values.size} colours", "like a photograph or a drawing with smoothed edges"
        if numbered:
            raise CenetError(path, f"{cause}; {OBJECTS_CAUSE}", JOIN_OBJECTS)
        raise CenetError(path, f"{cause}, {photo}", "save it as PNG with one colour for each class")
    smoothed = not coloured and is_antialiased(np.where(np.isin(raw, ignore), 0, raw))
    return LabelFileValues(path, tuple(map(float, values)), coloured, smoothed, numbered)


def inspect_sample(sample: Sample, *, ignore: tuple[float, ...] = ()) -> list[LabelFileValues]:
    """Return the values that each label file of a sample holds; what is drawn from shapes is not drawn for it.

    Args:
        sample: A sample with a label.
        ignore: As for `inspect_label_file`.

    Raises:
        CenetError: A file cannot be read, or has too many colours for a label.
    """
    if sample.drawn is not None:
        return [LabelFileValues(sample.label[0], sample.drawn.values(), coloured=False, smoothed=False)]
    return [inspect_label_file(path, ignore=ignore, page=sample.page) for path in sample.label]


def white_value(values: Iterable[float]) -> float:
    """Return the value of white: the smallest of 1, 255 and 65535 that no value exceeds.

    >>> white_value([0, 252]), white_value([0, 0.5, 1])
    (255.0, 1.0)
    """
    highest = max(values)
    return next((white for white in WHITE_VALUES if highest <= white), float(highest))


def mixed_values_error(files: Sequence[LabelFileValues]) -> CenetError:
    """Return the error for binary labels of which some have another foreground value than others.

    Args:
        files: Each holds 0, one other value, or both; at least two have different ones.
    """
    with_foreground = [file for file in files if any(file.values)]
    first = with_foreground[0]
    other = next(file for file in with_foreground if max(file.values) != max(first.values))
    cause = f"the label holds {format_values(first.values)}, but {other.path} holds {format_values(other.values)}"
    return CenetError(
        first.path, cause, "save all labels with the same values, or give their meaning in a classes.json"
    )


def is_antialiased(raw: NDArray[Any]) -> bool:
    """Return whether values from 10 % to 90 % of white lie within `EDGE_PX` of an edge of the mask at 50 %.

    One in five of these pixels, and one in five hundred of all, may lie elsewhere, because of JPEG rings and fading
    hairlines. They may be at most half of all pixels, because in noise there is an edge everywhere.

    Args:
        raw: Grey values (H, W).

    >>> is_antialiased(np.array([[0, 0, 80, 250, 255]])), is_antialiased(np.array([[0, 80, 0, 0, 0, 0, 255]]))
    (True, False)
    """
    white = white_value([raw.max()])
    between = (raw >= LOW * white) & (raw <= HIGH * white)
    if not between.any():
        return True
    from scipy import ndimage

    mask, size = raw > white / 2, 2 * EDGE_PX + 1
    near = ndimage.maximum_filter(mask, size) & ~ndimage.minimum_filter(mask, size)
    stray = between & ~near
    return bool(between.mean() <= 0.5 and stray.sum() <= MAX_STRAY * between.sum() and stray.mean() <= MAX_STRAY_OF_ALL)


def are_numbered_objects(files: Sequence[LabelFileValues]) -> bool:
    """Return whether the values number the objects of one class, 1, 2, 3 and so on anew in each image.

    Each value is then one piece, and the images differ in how many there are, or there are too many for classes.

    Args:
        files: The label files.
    """
    counts = {sum(value != 0 for value in file.values) for file in files} - {0}
    if not counts or not all(file.numbered for file in files if any(file.values)) or are_smoothed(files):
        return False
    from_one = all(value == index for file in files for index, value in enumerate(sorted({0.0, *file.values})))
    return max(counts) > MAX_VALUES or (from_one and len(counts) > 2 and max(counts) > 4)


def may_number_objects(files: Sequence[LabelFileValues]) -> bool:
    """Return whether the values may number objects rather than be classes.

    There are many, each in one piece, and few of them in each file.

    Args:
        files: The label files.
    """
    counts = [sum(value != 0 for value in file.values) for file in files if any(file.values)]
    values = {value for file in files for value in file.values if value}
    is_lossy = any(file.path.suffix.lower() in (".jpg", ".jpeg") for file in files)
    if is_lossy or are_mostly_binary(files) or len(values) <= MIN_NUMBERS:
        return False
    if any(value != int(value) or value < 0 for value in values):
        return False
    numbered = sum(file.numbered for file in files if any(file.values))
    return 2 * numbered > len(counts) and len(values) >= NUMBERS_PER_FILE * float(np.median(counts))


def are_mostly_binary(files: Sequence[LabelFileValues], *, ignored: tuple[float, ...] = ()) -> bool:
    """Return whether most labels hold black and white alone, so that grey in others is hardly a class.

    Args:
        files: The label files.
        ignored: Values of unannotated pixels.
    """
    held = [{*file.values} - {*ignored} for file in files]
    return any(2 * sum(values == {0, white} for values in held) > len(files) for white in WHITE_VALUES[1:])


def are_smoothed(files: Sequence[LabelFileValues]) -> bool:
    """Return whether labels are binary with smoothed edges: many values, and those between the ends only at edges.

    One or two values between the ends could be classes or an unlabelled border, so they do not suffice.
    """
    values = sorted({value for file in files for value in file.values})
    white = white_value(values)
    low, high = (sum(value < LOW * white for value in values), sum(value > HIGH * white for value in values))
    has_many = len(values) - low - high > 2 or (low > 1 and high > 1)
    same_white = all(max(file.values, default=0) == 0 or white_value(file.values) == white for file in files)
    has_both_ends = values[0] >= 0 and low > 0 and high > 0
    return has_both_ends and has_many and same_white and all(file.smoothed for file in files)


def snap_to_levels(
    raw: NDArray[Any], levels: Iterable[float], *, near: float
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the nearest level of each pixel, and which pixels are off: neither near a level nor at a smoothed edge.

    A pixel is at a smoothed edge where another level lies within `EDGE_PX`. Where more than one pixel in ten is not
    near a level, all of these are off.

    Args:
        raw: Grey values (H, W).
        levels: The values of the classes.
        near: How far a value may lie from its level anywhere.

    >>> snap_to_levels(np.array([[0, 1, 0, 0, 0, 9, 9, 9, 9, 30, 78]]), [0, 78], near=2)[1].astype(int).tolist()
    [[0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0]]
    """
    from scipy import ndimage

    values = np.array(sorted(levels))
    middles = (values[1:] + values[:-1]) / 2
    nearest, size = values[np.searchsorted(middles, raw)], 2 * EDGE_PX + 1
    is_off = np.abs(raw - nearest) > near
    if is_off.mean() <= MAX_SMOOTHED:
        is_off &= ndimage.maximum_filter(nearest, size) == ndimage.minimum_filter(nearest, size)
    return nearest, is_off


def format_values(values: Iterable[float], *, coloured: bool = False, word: str = ", ") -> str:
    """Return up to eight values for a message.

    >>> format_values([0, 255]), format_values([0xFF0000], coloured=True)
    ('0, 255', '#ff0000')
    """
    shown = [int_to_colour(value) if coloured else f"{value:g}" for value in values]
    return word.join(shown[:8]) + (", ..." if len(shown) > 8 else "")
