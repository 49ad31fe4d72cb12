"""The meaning of the values in label files, which a run keeps, and how they become class indices."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cenet.data.io.read import read_image, read_label, read_rows
from cenet.data.labels.colours import encode_colours
from cenet.data.labels.drawn import draw_sample_label
from cenet.data.labels.inspect import IGNORED, format_values, is_antialiased, snap_to_levels, white_value
from cenet.data.labels.layer_maps import label_from_rows, order_columns
from cenet.data.labels.objects import label_objects
from cenet.data.sample import Sample
from cenet.errors import CenetError

__all__ = ["IGNORED", "Kind", "LabelEncoding", "Values", "default_names"]

NEAR_LEVEL = 2  # of 255: largest distance of a value from its level, or in a soft map from a whole number of experts

Kind = Literal[
    "values", "levels", "edges", "numbers", "colours", "classes", "objects", "experts", "layers", "boundaries"
]
Values = tuple[tuple[float, ...], ...]


class LabelEncoding(BaseModel):
    """How the label files of a data set become class indices.

    Args:
        kind: One file with a value for each class ("values"), such values with smoothed edges between them ("levels"),
            two values with smoothed edges between them ("edges"), a number for each object of one class ("numbers", of
            which `values` holds the first), or a colour for each class ("colours"); or one file
            for each class ("classes"), object ("objects") or expert ("experts"). For layers that lie above each other:
            a map of their values ("layers"), or the rows of their boundaries ("boundaries").
        names: The foreground classes, in order: class 1, class 2, ...
        values: The values in a file that mean background, class 1, ...; colours are numbers, 0xRRGGBB. With one file
            for each class, object or expert: outside and inside. For layers: from top to bottom; the outside above
            and below may have the same value.
        cut: Instead of values, where edges are smoothed: the threshold above which a value is foreground.
        ignore: The values of unannotated pixels.
        nested: Whether each class lies inside the one before, as the cup in the disc.
        votes: (k, n): a pixel belongs to a class if at least k of n experts marked it. With one file for each class:
            they are soft maps in which white means all n, and a nested class is clipped to the one around it.
        colours: "#rrggbb" in which each class is shown, or empty.

    >>> LabelEncoding(kind="values", names=("disc", "cup"), values=((0,), (128,), (255,))).describe()
    '0 -> background, 128 -> disc, 255 -> cup'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Kind
    names: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...], Field(min_length=1, max_length=254)
    ]
    values: Values = ()
    cut: float | None = None
    ignore: tuple[float, ...] = ()
    nested: bool = False
    votes: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(le=1000)]] | None = None
    colours: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(max_length=254)] = ()

    @model_validator(mode="after")
    def _check_consistent(self) -> Self:
        if self.votes and self.votes[0] > self.votes[1]:
            raise ValueError("more votes are asked for than there are experts")
        if self.kind == "boundaries" or (self.votes and self.kind == "classes") or self.cut is not None:
            return self  # values do not decide
        count = 2 if self.kind in ("classes", "objects", "experts") else len(self.names) + 1
        if len(self.values) != count or not all(self.values):
            raise ValueError(f"there are values of {len(self.values)} classes, not of {count}")
        return self

    def read(self, sample: Sample, *, shape: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Read the label of a sample as class indices: 0 is the background, `IGNORED` an unannotated pixel.

        Args:
            sample: A sample with a label.
            shape: Height and width of its image; without them, rows of boundaries need the image to be decoded.

        Shape:
            (H, W).

        Raises:
            CenetError: A file cannot be read, holds a value without a meaning, or does not fit the others.
        """
        if (self.kind == "classes") != bool(sample.classes) or not sample.label:
            files = "a label file for each class" if sample.classes else f"{len(sample.label) or 'no'} label file(s)"
            cause = f"it has {files}, but the labels are: {self.describe()}"
            raise CenetError(sample.image, cause, "save its label in the same way")
        if self.kind == "classes":
            return self._merge_classes(sample)
        if self.kind == "experts":
            return self._count_votes(sample)
        if len(sample.label) > 1 and len(self.names) > 1:
            raise CenetError(sample.image, "it has several label files for several classes", "keep one file")
        if self.kind == "boundaries":
            return self._label_between_rows(sample, shape)
        if sample.drawn is not None:
            return self._to_classes(sample.label[0], draw_sample_label(sample, shape=shape).label)
        return np.asarray(np.stack(self._read_files(sample)).max(axis=0))

    def rows(self, sample: Sample) -> NDArray[np.float64] | None:
        """Return the boundaries of a sample with subpixel precision, or None where its label is not rows of boundaries.

        Args:
            sample: A sample with a label.

        Shape:
            (boundaries, W), in pixels from the top of the image.
        """
        return read_rows(sample.label[0]) if self.kind == "boundaries" else None

    def describe(self) -> str:
        """Return which values mean which class, in one line."""
        foreground, names = self.names, ("background", *self.names)
        if self.kind == "boundaries":
            below = ", ".join(foreground)
            return f"rows of {len(foreground)} boundaries, from top to bottom above {below}; NaN -> ignored"
        if self.kind in ("classes", "objects", "experts"):
            names = ("outside", "inside")
        if self.kind == "layers":
            names = ("above", *foreground)
        if self.votes and self.kind == "classes":
            means = [f"what at least {self.votes[0]} of {self.votes[1]} experts marked -> inside"]
        elif self.cut is not None:
            means = [f"up to {self.cut:g} -> {names[0]}", f"above -> {names[1]}"]
        else:
            means = [f"{self._format(values)} -> {name}" for name, values in zip(names, self.values, strict=True)]
        if self.ignore:
            means.append(f"{self._format(self.ignore)} -> ignored")
        if self.kind == "numbers":
            means = [f"0 -> {names[0]}", f"every other value, the number of an object -> {names[1]}", *means[2:]]
        if self.kind == "levels":
            means.append("values between them at edges -> the nearest")
        return self._describe_files(", ".join(means))

    def _describe_files(self, text: str) -> str:
        """Return what values mean, with what each file is of."""
        foreground = self.names
        if self.kind == "classes":
            text = f"one file for each class ({', '.join(foreground)}): {text}"
        if self.kind == "objects":
            text = f"one file for each object ({foreground[0]}): {text}"
        if self.kind == "experts" and self.votes:
            least, count = self.votes
            marked = f"{foreground[0]}: what at least {least} of them marked"
            text = f"one file for each of {count} experts ({marked}): {text}"
        if self.kind == "layers":
            text = f"layers from top to bottom: {text}; columns without layers -> ignored"
        return f"{text}, each class inside the one before" if self.nested else text

    def _format(self, values: Sequence[float]) -> str:
        return format_values(values, coloured=self.kind == "colours", word=" or ")

    def _read_files(self, sample: Sample) -> list[NDArray[np.uint8]]:
        """Read all label files of a sample, which must have the same size."""
        masks: list[NDArray[np.uint8]] = []
        for path in sample.label:
            masks.append(self._read_file(path, page=sample.page))
            _check_same_size(path, masks[-1], sample.label[0], masks[0])
        return masks

    def _read_file(self, path: Path, *, page: int | None) -> NDArray[np.uint8]:
        """Read one file as class indices."""
        return self._to_classes(path, read_label(path, page=page), page=page)

    def _to_classes(self, path: Path, raw: NDArray[Any], *, page: int | None = None) -> NDArray[np.uint8]:
        """Return the values of one file as class indices."""
        if raw.ndim > 2 and self.kind not in ("colours", "numbers"):
            raise CenetError(path, f"the label is coloured, but the labels are: {self.describe()}", "save it in grey")
        if self.kind == "colours":
            raw = encode_colours(raw)
        if self.cut is not None:
            return self._threshold_edges(path, raw, self.cut)
        if self.kind == "numbers":
            return label_objects(path, raw, ignore=self.ignore, ignored=IGNORED)
        if self.votes and self.kind == "classes":
            return self._threshold_soft_map(path, raw, *self.votes)
        known = np.array([value for values in (*self.values, self.ignore) for value in values])
        if self.kind == "levels":
            snapped, is_off = snap_to_levels(raw, known, near=NEAR_LEVEL)
            raw = np.where(is_off, raw, snapped)  # values that are off are reported below
        classes = [index for index, values in enumerate(self.values) for _ in values] + [IGNORED] * len(self.ignore)
        order = np.argsort(known, kind="stable")  # where layers share the value of the outside, it means the one above
        position = np.searchsorted(known[order], raw).clip(max=len(known) - 1)
        unknown = np.unique(raw[known[order][position] != raw])
        if unknown.size:
            shown = format_values(unknown, coloured=self.kind == "colours")
            part = "the label" if page is None else f"slice {page} of the label"
            raise CenetError(path, f"{part} holds {shown}, but the labels are: {self.describe()}", "fix the label")
        label = np.asarray(np.array(classes, np.uint8)[order][position])
        if self.kind == "layers":
            return order_columns(label, num_classes=len(self.values), one_outside=self.values[0] == self.values[-1])
        return label

    def _threshold_edges(self, path: Path, raw: NDArray[Any], cut: float) -> NDArray[np.uint8]:
        """Threshold a mask with smoothed edges at half of white; refuse any other file."""
        ignored = np.isin(raw, self.ignore)
        values = np.where(ignored, 0, raw)
        highest = values.max()
        if values.min() < 0 or (highest > 0 and white_value([highest]) != 2 * cut) or not is_antialiased(values):
            shown = format_values(np.unique(values))
            raise CenetError(path, f"the label holds {shown}, but the labels are: {self.describe()}", "fix the label")
        return np.where(ignored, IGNORED, raw > cut).astype(np.uint8)

    def _threshold_soft_map(self, path: Path, raw: NDArray[Any], least: int, count: int) -> NDArray[np.uint8]:
        """Threshold a soft map, whose values say how many experts marked a pixel."""
        if raw.dtype != np.uint8:
            raise CenetError(
                path, f"a soft map holds 8-bit grey values, not {raw.dtype}", "use the file as distributed"
            )
        values = np.arange(256)
        votes = np.rint(values / 255 * count)
        is_used = np.bincount(raw.ravel(), minlength=256) > 0
        is_off = (np.abs(values - votes * 255 / count) > NEAR_LEVEL) & is_used
        if is_off.any():
            levels = format_values(np.rint(np.arange(count + 1) * 255 / count))
            cause = f"the soft map holds {format_values(values[is_off])}, but {count} experts give the values {levels}"
            raise CenetError(path, cause, "use the file as distributed")
        return np.take((votes >= least).astype(np.uint8), raw)

    def _count_votes(self, sample: Sample) -> NDArray[np.uint8]:
        """Mark the pixels that enough experts marked."""
        least, count = self.votes or (1, len(sample.label))
        if len(sample.label) != count:
            cause = f"it has the labels of {len(sample.label)} experts, but the others have {count}"
            raise CenetError(sample.image, cause, f"give it the labels of all {count} experts")
        masks = np.stack(self._read_files(sample))
        label = ((masks == 1).sum(axis=0) >= least).astype(np.uint8)
        return np.where((masks == IGNORED).any(axis=0), IGNORED, label).astype(np.uint8)

    def _label_between_rows(self, sample: Sample, shape: tuple[int, int] | None) -> NDArray[np.uint8]:
        """Label each pixel with the number of boundaries above it."""
        path, rows = sample.label[0], read_rows(sample.label[0])
        if len(rows) != len(self.names):
            raise CenetError(path, f"it has {len(rows)} boundaries, but the labels are: {self.describe()}", "fix it")
        height, width = shape or read_image(sample.image, page=sample.page).shape[:2]
        return label_from_rows(rows, (height, width), path=path)

    def _merge_classes(self, sample: Sample) -> NDArray[np.uint8]:
        """Merge the files of all classes into one label."""
        if set(sample.classes) != set(self.names):
            raise CenetError(
                sample.image,
                f"it has label files for {', '.join(sample.classes)}, but the classes are {', '.join(self.names)}",
                "give it one label file for each class",
            )
        paths = dict(zip(sample.classes, sample.label, strict=True))
        masks = dict(zip(sample.classes, self._read_files(sample), strict=True))
        label = np.zeros_like(masks[self.names[0]])
        remedy = "add --task disc, or " if self.names == ("cup", "disc") else ""
        for number, name in enumerate(self.names, start=1):
            inside = masks[name] == 1
            before = self.names[number - 2]
            if self.nested and number > 1 and self.votes:
                inside &= label == number - 1  # votes are counted pixel by pixel, and need not agree
            if self.nested and number > 1 and (inside & (masks[before] == 0)).any():
                raise CenetError(
                    paths[name],
                    f"some of {name} lies outside {before}, in which it should be nested",
                    f"{remedy}fix the label, or put the outermost class first in a classes.json",
                )
            if not self.nested and (label[inside] > 0).any():
                raise CenetError(
                    paths[name],
                    f"some pixels are both {self.names[label[inside].max() - 1]} and {name}",
                    f"{remedy}fix the label, or list the classes from the outermost to the innermost in a classes.json "
                    'with "nested": true',
                )
            label[inside] = number
        label[np.any([mask == IGNORED for mask in masks.values()], axis=0)] = IGNORED
        return label


def default_names(count: int) -> tuple[str, ...]:
    """Return names for foreground classes that have none.

    Args:
        count: The number of foreground classes.

    >>> default_names(1), default_names(2)
    (('foreground',), ('class 1', 'class 2'))
    """
    return ("foreground",) if count == 1 else tuple(f"class {number}" for number in range(1, count + 1))


def _check_same_size(path: Path, mask: NDArray[np.uint8], other_path: Path, other_mask: NDArray[np.uint8]) -> None:
    if mask.shape != other_mask.shape:
        size, other_size = (f"{array.shape[1]} x {array.shape[0]} pixels" for array in (mask, other_mask))
        raise CenetError(path, f"its size is {size}, but {other_path} has {other_size}", "save both at the same size")
