"""What the values of masks mean, where nothing but the masks says it; decided once, for all of them together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.decode import has_palette
from cenet.data.io.read import read_label
from cenet.data.labels.colours import encode_colours
from cenet.data.labels.inspect import (
    IGNORED,
    MAX_VALUES,
    LabelFileValues,
    are_smoothed,
    format_values,
    is_antialiased,
    white_value,
)
from cenet.errors import CenetError

OR_CONVERT = (
    "; where each value is an object, measure the masks that `cenet convert DATA OUT --objects` makes of a data set"
)


@dataclass(frozen=True)
class MaskClasses:
    """What the values of masks mean.

    Args:
        count: How many foreground classes there are.
        cut: Of masks of one class, the value above which is foreground; None: the values are class indices.
    """

    count: int
    cut: float | None = None

    def read(self, path: Path) -> NDArray[np.uint8]:
        """Read a mask as class indices.

        Args:
            path: One of the masks.

        Shape:
            (H, W).

        Raises:
            CenetError: It cannot be read.
        """
        values = read_label(path)
        return np.asarray(values if self.cut is None else values > self.cut, np.uint8)


def find_mask_classes(paths: Sequence[Path], *, nested: bool = False) -> MaskClasses:
    """Find out what the values of masks mean, by reading all of them.

    One value beside 0 is one class, and so are black and white with smoothed edges between, cut in the middle. Other
    values are class indices, where at least half of the numbers up to the largest are among them, or all
    masks have palettes.

    Args:
        paths: The masks.
        nested: Whether 2 is an index even where 1 is missing, as in masks of disc and cup; without 2 it is one class.

    Raises:
        CenetError: A mask cannot be read, or the values are neither.

    >>> import tempfile
    >>> from cenet.data.io.write import write_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "vessels.png")
    ...     write_mask(path, np.eye(2, dtype=np.uint8))
    ...     find_mask_classes([path])
    MaskClasses(count=1, cut=0.0)
    """
    files = [_read_values(path) for path in paths]
    palettes = [has_palette(path) for path in paths]
    values = sorted({value for file in files for value in file.values})
    if nested and set(values) <= {0, 1, 2} and 2 in values:
        return MaskClasses(2)
    foreground = [value for value in values if value]
    if values[0] >= 0 and len(foreground) <= 1 and (foreground == [255] or not any(palettes)):
        return MaskClasses(1, 0.0)
    if not any(palettes) and are_smoothed(files):
        return MaskClasses(1, white_value(values) / 2)
    is_dense = len(foreground) <= MAX_VALUES and values[-1] < 2 * len(values)
    if not all(value in range(IGNORED) for value in values) or not (is_dense or all(palettes)):
        most = max(files, key=lambda file: len(file.values))
        cause = (
            f"the masks hold the values {format_values(values)}, which are neither 0 and one other nor class indices"
        )
        remedy = f"save all in the same way, several classes as 0, 1, 2, ... in palette PNG{OR_CONVERT}"
        raise CenetError(most.path, cause, remedy)
    return MaskClasses(max(int(values[-1]), 1))


def _read_values(path: Path) -> LabelFileValues:
    """The values of a mask; whether they number objects does not matter and is not asked, as that takes long."""
    mask = read_label(path)
    if mask.ndim > 2:
        shown = format_values(np.unique(encode_colours(mask)), coloured=True)
        cause = f"is coloured ({shown}), and a mask holds class indices"
        raise CenetError(path, cause, f"save 0 for the background, and 1, 2, ... as grey PNG{OR_CONVERT}")
    return LabelFileValues(path, tuple(map(float, np.unique(mask))), coloured=False, smoothed=is_antialiased(mask))
