"""What the values in label files mean, kept with the run, and the labels that come of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cenet.data.io.read import read_image, read_label, read_rows
from cenet.data.labels.inspect import (
    IGNORED,
    encode_colours,
    format_values,
    is_antialiased,
    snap_to_levels,
    white_value,
)
from cenet.data.labels.layer_maps import label_from_rows, order_columns
from cenet.data.sample import Sample
from cenet.errors import CenetError

__all__ = ["IGNORED", "Kind", "LabelEncoding", "Values", "default_names"]

NEAR_LEVEL = 2  # so far, of 255, a value may be from its level, or in a soft map from a whole number of experts

Kind = Literal["values", "levels", "edges", "colours", "classes", "objects", "experts", "layers", "boundaries"]
Values = tuple[tuple[float, ...], ...]


class LabelEncoding(BaseModel):
    """How the label files of a set become class indices.

    Args:
        kind: One file with a value for each class ("values"), such values with smoothed edges between them ("levels"),
            two values with smoothed edges between them ("edges"), or a colour for each class ("colours"); or one file
            for each class ("classes"), object ("objects") or expert ("experts"). Of layers that lie above each other: a
            map of their values ("layers"), or the rows of their boundaries ("boundaries").
        names: The foreground classes, in order: class 1, class 2, ...
        values: What stands in a file for background, class 1, ...; colours are numbers, 0xRRGGBB. Of one file for
            each class, object or expert: for outside and inside. Of layers: from top to bottom; what lies above
            and what lies below may have one value.
        cut: Instead of values, where edges are smoothed: what lies above is foreground.
        ignore: What stands for pixels that nobody drew.
        nested: Whether each class lies inside the one before, as the cup in the disc.
        votes: (k, n): what at least k of n experts drew. Of one file for each class: they are soft maps, where white
            means all n, and a nested class is cut to the one before.
        colours: "#rrggbb" to draw each class with, or nothing.

    >>> LabelEncoding(kind="values", names=("disc", "cup"), values=((0,), (128,), (255,))).describe()
    '0 -> background, 128 -> disc, 255 -> cup'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Kind
    names: tuple[str, ...]
    values: Values = ()
    cut: float | None = None
    ignore: tuple[float, ...] = ()
    nested: bool = False
    votes: tuple[int, int] | None = None
    colours: tuple[str, ...] = ()

    def read(self, sample: Sample, *, shape: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Read a sample's label as class indices, 0 being the background and `IGNORED` what nobody drew.

        Args:
            sample: A sample with a label.
            shape: Height and width of its image; without them, rows of boundaries need the image to be decoded.

        Shape:
            (H, W).

        Raises:
            CenetError: A file cannot be read, holds a value without a meaning, or does not fit the others.
        """
        if (self.kind == "classes") != bool(sample.classes) or not sample.label:
            found = "a label file for each class" if sample.classes else f"{len(sample.label) or 'no'} label file(s)"
            raise CenetError(
                sample.image, f"has {found}, but the labels are: {self.describe()}", "lay it out like them"
            )
        if self.kind == "classes":
            return self._merged(sample)
        if self.kind == "experts":
            return self._voted(sample)
        if len(sample.label) > 1 and len(self.names) > 1:
            raise CenetError(sample.image, "has several label files for several classes", "keep one file")
        if self.kind == "boundaries":
            return self._between(sample, shape)
        return np.asarray(np.stack(self._files(sample)).max(axis=0))

    def rows(self, sample: Sample) -> NDArray[np.float64] | None:
        """The boundaries of a sample, `(boundaries, W)`, where they were drawn as rows, exact between pixels."""
        return read_rows(sample.label[0]) if self.kind == "boundaries" else None

    def describe(self) -> str:
        """What stands for which class, in one line."""
        inside, names = self.names, ("background", *self.names)
        if self.kind == "boundaries":
            return f"rows of {len(inside)} boundaries, from top to bottom above {', '.join(inside)}; NaN -> ignored"
        if self.kind in ("classes", "objects", "experts"):
            names = ("outside", "inside")
        if self.kind == "layers":
            names = ("above", *inside)
        if self.votes and self.kind == "classes":
            means = [f"what at least {self.votes[0]} of {self.votes[1]} experts drew -> inside"]
        elif self.cut is not None:
            means = [f"up to {self.cut:g} -> {names[0]}", f"above -> {names[1]}"]
        else:
            means = [f"{self._shown(values)} -> {name}" for name, values in zip(names, self.values, strict=True)]
        means += [f"{self._shown(self.ignore)} -> ignored"] if self.ignore else []
        means += ["what lies between at edges -> the nearest"] if self.kind == "levels" else []
        told = ", ".join(means)
        if self.kind == "classes":
            told = f"one file for each class ({', '.join(inside)}): {told}"
        if self.kind == "objects":
            told = f"one file for each object ({inside[0]}): {told}"
        if self.kind == "experts" and self.votes:
            least, count = self.votes
            told = f"one file for each of {count} experts ({inside[0]}: what at least {least} of them drew): {told}"
        if self.kind == "layers":
            told = f"layers from top to bottom: {told}; columns without layers -> ignored"
        return told + (", each class inside the one before" if self.nested else "")

    def _shown(self, values: Sequence[float]) -> str:
        return format_values(values, coloured=self.kind == "colours", word=" or ")

    def _files(self, sample: Sample) -> list[NDArray[np.uint8]]:
        """Read all files of a sample, which are of one size."""
        masks: list[NDArray[np.uint8]] = []
        for path in sample.label:
            masks.append(self._file(path, page=sample.page))
            _check_same_size(path, masks[-1], sample.label[0], masks[0])
        return masks

    def _file(self, path: Path, *, page: int | None) -> NDArray[np.uint8]:
        """Read one file as class indices."""
        raw = read_label(path, page=page)
        if raw.ndim > 2 and self.kind != "colours":
            raise CenetError(path, f"the label is coloured, but the labels are: {self.describe()}", "save it like them")
        if self.kind == "colours":
            raw = encode_colours(raw)
        if self.cut is not None:
            return self._cut(path, raw, self.cut)
        if self.votes and self.kind == "classes":
            return self._soft(path, raw, *self.votes)
        known = np.array([value for values in (*self.values, self.ignore) for value in values])
        if self.kind == "levels":
            drawn, off = snap_to_levels(raw, known, near=NEAR_LEVEL)
            raw = np.where(off, raw, drawn)  # what is off is told below
        index = [index for index, values in enumerate(self.values) for _ in values] + [IGNORED] * len(self.ignore)
        order = np.argsort(known, kind="stable")  # of layers, the outside is found as what is above
        place = np.searchsorted(known[order], raw).clip(max=len(known) - 1)
        strange = np.unique(raw[known[order][place] != raw])
        if strange.size:
            shown = format_values(strange, coloured=self.kind == "colours")
            where = "the label" if page is None else f"slice {page} of the label"
            raise CenetError(path, f"{where} holds {shown}, but the labels are: {self.describe()}", "mend the label")
        label = np.asarray(np.array(index, np.uint8)[order][place])
        if self.kind == "layers":
            return order_columns(label, num_classes=len(self.values), one_outside=self.values[0] == self.values[-1])
        return label

    def _cut(self, path: Path, raw: NDArray[Any], cut: float) -> NDArray[np.uint8]:
        """Cut smoothed edges in the middle; a file that was drawn otherwise is refused."""
        ignored = np.isin(raw, self.ignore)
        drawn = np.where(ignored, 0, raw)
        top = drawn.max()
        if drawn.min() < 0 or (top > 0 and white_value([top]) != 2 * cut) or not is_antialiased(drawn):
            shown = format_values(np.unique(drawn))
            raise CenetError(path, f"the label holds {shown}, but the labels are: {self.describe()}", "mend the label")
        return np.where(ignored, IGNORED, raw > cut).astype(np.uint8)

    def _soft(self, path: Path, raw: NDArray[Any], least: int, count: int) -> NDArray[np.uint8]:
        """Cut a soft map, whose values say how many experts drew a pixel."""
        if raw.dtype != np.uint8:
            raise CenetError(
                path, f"a soft map holds 8-bit grey values, not {raw.dtype}", "use the file as distributed"
            )
        values = np.arange(256)
        drew = np.rint(values / 255 * count)
        strange = (np.abs(values - drew * 255 / count) > NEAR_LEVEL) & (np.bincount(raw.ravel(), minlength=256) > 0)
        if strange.any():
            levels = format_values(np.rint(np.arange(count + 1) * 255 / count))
            told = f"the soft map holds {format_values(values[strange])}, but {count} experts give the values {levels}"
            raise CenetError(path, told, "use the file as distributed")
        return np.asarray((drew >= least).astype(np.uint8)[raw])

    def _voted(self, sample: Sample) -> NDArray[np.uint8]:
        """Take what enough experts drew."""
        least, count = self.votes or (1, len(sample.label))
        if len(sample.label) != count:
            told = f"has the labels of {len(sample.label)} experts, but the labels are of {count}"
            raise CenetError(sample.image, told, f"an expert is missing, or one too many: give it all {count}")
        masks = np.stack(self._files(sample))
        label = ((masks == 1).sum(axis=0) >= least).astype(np.uint8)
        return np.where((masks == IGNORED).any(axis=0), IGNORED, label).astype(np.uint8)

    def _between(self, sample: Sample, shape: tuple[int, int] | None) -> NDArray[np.uint8]:
        """Count the boundaries above each pixel."""
        path, rows = sample.label[0], read_rows(sample.label[0])
        if len(rows) != len(self.names):
            raise CenetError(path, f"it has {len(rows)} boundaries, but the labels are: {self.describe()}", "mend it")
        height, width = shape or read_image(sample.image, page=sample.page).shape[:2]
        return label_from_rows(rows, (height, width), path=path)

    def _merged(self, sample: Sample) -> NDArray[np.uint8]:
        """Lay the files of all classes over each other."""
        if set(sample.classes) != set(self.names):
            raise CenetError(
                sample.image,
                f"has label files for {', '.join(sample.classes)}, but the classes are {', '.join(self.names)}",
                "give it one for each",
            )
        paths = dict(zip(sample.classes, sample.label, strict=True))
        masks = dict(zip(sample.classes, self._files(sample), strict=True))
        label = np.zeros_like(masks[self.names[0]])
        for number, name in enumerate(self.names, start=1):
            inside = masks[name] == 1
            before = self.names[number - 2]
            if self.nested and number > 1 and self.votes:
                inside &= label == number - 1  # votes are counted pixel by pixel, and need not agree
            if self.nested and number > 1 and (inside & (masks[before] == 0)).any():
                raise CenetError(
                    paths[name],
                    f"some of {name} lies outside {before}, in which it should be nested",
                    "mend it, or put the outermost class first in a classes.json",
                )
            if not self.nested and (label[inside] > 0).any():
                other = self.names[label[inside].max() - 1]
                raise CenetError(
                    paths[name],
                    f"some pixels are both {other} and {name}",
                    "fix the label, or list the classes from the outermost to the innermost in a classes.json with "
                    '"nested": true',
                )
            label[inside] = number
        label[np.any([mask == IGNORED for mask in masks.values()], axis=0)] = IGNORED
        return label


def default_names(count: int) -> tuple[str, ...]:
    """What foreground classes are called that nobody named.

    Args:
        count: How many there are.

    >>> default_names(1), default_names(2)
    (('foreground',), ('class 1', 'class 2'))
    """
    return ("foreground",) if count == 1 else tuple(f"class {number}" for number in range(1, count + 1))


def _check_same_size(path: Path, mask: NDArray[np.uint8], other: Path, beside: NDArray[np.uint8]) -> None:
    if mask.shape != beside.shape:
        sizes = [f"{array.shape[1]} x {array.shape[0]} pixels" for array in (mask, beside)]
        raise CenetError(path, f"its size is {sizes[0]} but {other} has {sizes[1]}", "draw both on the same image")
