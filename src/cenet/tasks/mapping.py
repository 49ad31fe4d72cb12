"""What the values in label files mean, kept with the run, and the labels that come of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cenet.errors import CenetError
from cenet.images import read_label
from cenet.tasks.contents import at_edges, codes, full_value, listed
from cenet.tasks.sample import Sample

IGNORED = 255  # in a label array: nobody drew this pixel, and it counts for nothing

Kind = Literal["values", "edges", "colours", "classes", "objects"]
Values = tuple[tuple[float, ...], ...]


class Labels(BaseModel):
    """How the label files of a set become class indices.

    Args:
        kind: One file with a value for each class ("values"), two values with smoothed edges between them
            ("edges"), or a colour for each class ("colours"); or one file for each class ("classes") or object
            ("objects").
        names: The foreground classes, in order: class 1, class 2, ...
        values: What stands in a file for background, class 1, ...; colours are numbers, 0xRRGGBB. Of one file for
            each class or object: for outside and inside.
        cut: Instead of values, where edges are smoothed: what lies above is foreground.
        ignore: What stands for pixels that nobody drew.
        nested: Whether each class lies inside the one before, as the cup in the disc.
        colours: "#rrggbb" to draw each class with, or nothing.

    >>> Labels(kind="values", names=("disc", "cup"), values=((0,), (128,), (255,))).describe()
    '0 -> background, 128 -> disc, 255 -> cup'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Kind
    names: tuple[str, ...]
    values: Values = ()
    cut: float | None = None
    ignore: tuple[float, ...] = ()
    nested: bool = False
    colours: tuple[str, ...] = ()

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """Read a sample's label as class indices, 0 being the background and `IGNORED` what nobody drew.

        Args:
            sample: A sample with a label.

        Shape:
            (H, W).

        Raises:
            CenetError: A file cannot be read, holds a value without a meaning, or does not fit the others.
        """
        if (self.kind == "classes") != bool(sample.classes) or not sample.label:
            found = "a label file for each class" if sample.classes else f"{len(sample.label) or 'no'} label file(s)"
            raise CenetError(
                f"{sample.image}: has {found}, but the labels are: {self.describe()}; lay it out like them"
            )
        if self.kind == "classes":
            return self._merged(sample)
        if len(sample.label) > 1 and len(self.names) > 1:
            raise CenetError(f"{sample.image}: has several label files for several classes; keep one file")
        label = self._file(sample.label[0])
        for path in sample.label[1:]:
            label = np.maximum(label, _same_size(path, self._file(path), sample.label[0], label))
        return label

    def describe(self) -> str:
        """What stands for which class, in one line."""
        inside, names = self.names, ("background", *self.names)
        if self.kind in ("classes", "objects"):
            names = ("outside", "inside")
        if self.cut is not None:
            means = [f"up to {self.cut:g} -> {names[0]}", f"above -> {names[1]}"]
        else:
            means = [f"{self._shown(values)} -> {name}" for name, values in zip(names, self.values, strict=True)]
        means += [f"{self._shown(self.ignore)} -> ignored"] if self.ignore else []
        told = ", ".join(means)
        if self.kind == "classes":
            told = f"one file for each class ({', '.join(inside)}): {told}"
        if self.kind == "objects":
            told = f"one file for each object ({inside[0]}): {told}"
        return told + (", each class inside the one before" if self.nested else "")

    def _shown(self, values: Sequence[float]) -> str:
        return listed(values, coloured=self.kind == "colours", word=" or ")

    def _file(self, path: Path) -> NDArray[np.uint8]:
        """Read one file as class indices."""
        raw = read_label(path)
        if raw.ndim > 2 and self.kind != "colours":
            raise CenetError(f"{path}: the label is coloured, but the labels are: {self.describe()}; save it like them")
        if self.kind == "colours":
            raw = codes(raw)
        if self.cut is not None:
            return self._cut(path, raw, self.cut)
        known = np.array([value for values in (*self.values, self.ignore) for value in values])
        index = [index for index, values in enumerate(self.values) for _ in values] + [IGNORED] * len(self.ignore)
        order = np.argsort(known)
        place = np.searchsorted(known[order], raw).clip(max=len(known) - 1)
        strange = np.unique(raw[known[order][place] != raw])
        if strange.size:
            shown = listed(strange, coloured=self.kind == "colours")
            raise CenetError(f"{path}: the label holds {shown}, but the labels are: {self.describe()}; mend the label")
        return np.asarray(np.array(index, np.uint8)[order][place])

    def _cut(self, path: Path, raw: NDArray[Any], cut: float) -> NDArray[np.uint8]:
        """Cut smoothed edges in the middle; a file that was drawn otherwise is refused."""
        ignored = np.isin(raw, self.ignore)
        drawn = np.where(ignored, 0, raw)
        top = drawn.max()
        if drawn.min() < 0 or (top > 0 and full_value([top]) != 2 * cut) or not at_edges(drawn):
            shown = listed(np.unique(drawn))
            raise CenetError(f"{path}: the label holds {shown}, but the labels are: {self.describe()}; mend the label")
        return np.where(ignored, IGNORED, raw > cut).astype(np.uint8)

    def _merged(self, sample: Sample) -> NDArray[np.uint8]:
        """Lay the files of all classes over each other."""
        paths = dict(zip(sample.classes, sample.label, strict=True))
        if set(paths) != set(self.names):
            raise CenetError(
                f"{sample.image}: has label files for {', '.join(paths)}, but the classes are {', '.join(self.names)}; "
                "give it one for each"
            )
        first = paths[self.names[0]]
        masks = [self._file(paths[name]) for name in self.names]
        label = np.zeros_like(masks[0])
        for number, name in enumerate(self.names, start=1):
            inside = _same_size(paths[name], masks[number - 1], first, label) == 1
            before = self.names[number - 2]
            if self.nested and number > 1 and (inside & (masks[number - 2] == 0)).any():
                raise CenetError(
                    f"{paths[name]}: some of {name} lies outside {before}, in which it should be nested; mend it, "
                    "or put the outermost class first in a classes.json"
                )
            if not self.nested and (label[inside] > 0).any():
                other = self.names[label[inside].max() - 1]
                raise CenetError(
                    f"{paths[name]}: some pixels are both {other} and {name}; mend the label, or list the classes from "
                    'the outermost to the innermost in a classes.json with "nested": true'
                )
            label[inside] = number
        label[np.any([mask == IGNORED for mask in masks], axis=0)] = IGNORED
        return label


def default_names(count: int) -> tuple[str, ...]:
    """What foreground classes are called that nobody named.

    Args:
        count: How many there are.

    >>> default_names(1), default_names(2)
    (('foreground',), ('class 1', 'class 2'))
    """
    return ("foreground",) if count == 1 else tuple(f"class {number}" for number in range(1, count + 1))


def _same_size(path: Path, mask: NDArray[np.uint8], other: Path, beside: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a mask that is of the size of another of the same image."""
    if mask.shape != beside.shape:
        sizes = [f"{array.shape[1]} x {array.shape[0]} pixels" for array in (mask, beside)]
        raise CenetError(f"{path}: its size is {sizes[0]} but {other} has {sizes[1]}; draw both on the same image")
    return mask
