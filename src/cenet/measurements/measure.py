"""Measure a mask as its kind asks, and how much each value depends on the threshold."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cenet.data.labels.inspect import IGNORED, format_values
from cenet.errors import CenetError
from cenet.measurements.areas import measure_area, split_classes
from cenet.measurements.disc import measure_disc
from cenet.measurements.layers import TOTAL, measure_layers
from cenet.measurements.lungs import measure_lungs
from cenet.measurements.vessels import measure_vessels

Kind = Literal["area", "vessels", "disc", "layers", "lungs"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TOO_FEW_LAYERS = "has one class, and layers have two or more, the last of them below the others"
ODDS_FACTOR = 3.0  # by which the odds of a class are multiplied and divided
LOW, HIGH = "_min_over_thresholds", "_max_over_thresholds"  # what the names of the ends of a range end in


@dataclass(frozen=True)
class MaskToMeasure:
    """A mask with what is known beside it.

    Args:
        mask: `(H, W)`: class indices, or of one class 0 and one other value. In layers 255 is unannotated.
        names: Of the foreground classes.
        nested: Whether each class lies inside the one before.
        pixel_um: Height and width of a pixel in micrometres, where they are known.
        region: `(H, W)`, the field of view, where it is known.
        rows: `(boundaries, W)`: of layers, where their boundaries are known between pixels.
    """

    mask: NDArray[np.integer] | NDArray[np.bool_]
    names: tuple[str, ...] = ("foreground",)
    nested: bool = False
    pixel_um: tuple[float, float] | None = None
    region: NDArray[np.bool_] | None = None
    rows: NDArray[np.float64] | None = None


def measure_mask(image: MaskToMeasure, kind: Kind) -> dict[str, float]:
    """Measure a mask: area and pieces of each class, and what its kind has beside.

    Each value's name ends in its unit: `_px`, `_um`, `_mm`, `_mm2`, `_count` or `_ratio`. What is not defined, such as
    the calibre of no vessel, is NaN.

    Args:
        image: The mask.
        kind: What it shows: see `measure_vessels`, `measure_disc`, `measure_layers` and `measure_lungs`.

    Raises:
        CenetError: There is no such kind, or the mask is not one of these classes.

    >>> measure_mask(MaskToMeasure(np.eye(3, dtype=np.uint8)), "area")
    {'area_px': 3.0, 'pieces_count': 1.0}
    """
    mask = _check_mask(image, kind)
    values: dict[str, float] = {}
    names = name_columns(image.names, reserved=(TOTAL,) if kind == "layers" else ())
    for name, part in split_classes(mask, names, nested=image.nested).items():
        values |= measure_area(part, pixel_um=image.pixel_um, suffix=f"_{name}" if len(names) > 1 else "")
    match kind:
        case "vessels":
            values |= measure_vessels(mask > 0, region=image.region, pixel_um=image.pixel_um)
        case "disc":
            values |= measure_disc(mask, has_cup=len(image.names) == 2, pixel_um=image.pixel_um)
        case "layers":
            values |= measure_layers(mask, names, rows=image.rows, pixel_um=image.pixel_um)
        case "lungs":
            values |= measure_lungs(mask > 0, pixel_um=image.pixel_um)
    return values


def name_columns(names: Sequence[str], *, reserved: Sequence[str] = ()) -> tuple[str, ...]:
    """What columns call classes: without spaces, and with a number where two would have one name.

    Args:
        names: Of the classes.
        reserved: Names that no class may have.

    >>> name_columns(["outer layer", "outer_layer", "total"], reserved=["total"])
    ('outer_layer', 'outer_layer_2', 'total_2')
    """
    columns: list[str] = []
    for name in names:
        column = base = name.replace(" ", "_")
        number = 1
        while column in (*reserved, *columns):
            number += 1
            column = f"{base}_{number}"
        columns.append(column)
    return tuple(columns)


def has_kind(kind: Kind, count: int) -> bool:
    """Whether masks of so many foreground classes can show a kind: a single boundary has no layer beside it.

    >>> has_kind("layers", 1), has_kind("layers", 2)
    (False, True)
    """
    return kind != "layers" or count > 1


def _check_mask(image: MaskToMeasure, kind: Kind) -> NDArray[np.uint8]:
    """The mask as class indices."""
    mask, count = image.mask, len(image.names)
    if kind not in KINDS:
        raise CenetError(f"kind {kind}", "there is no such kind of mask", f"choose one of {', '.join(KINDS)}")
    if not has_kind(kind, count):
        raise CenetError("mask", TOO_FEW_LAYERS, "name every layer, and what lies below")
    if mask.ndim != 2 or not mask.size or mask.dtype.kind not in "bui":
        cause = f"is {mask.dtype} of shape {mask.shape}, and a mask is (rows, columns) of whole numbers or booleans"
        raise CenetError("mask", cause, "pass the class of each pixel")
    region = image.region
    if region is not None and (region.shape != mask.shape or region.dtype != np.bool_):
        cause = f"is {region.dtype} of shape {region.shape}, and it says yes or no for each pixel of {mask.shape}"
        raise CenetError("region", cause, "pass booleans, such as `region > 0`")
    if mask.min() >= 0 and mask.max() <= count:
        return np.asarray(mask, np.uint8)
    values = np.unique(mask)
    if count == 1 and values[0] >= 0 and np.count_nonzero(values) == 1:
        return np.asarray(mask != 0, np.uint8)
    if np.isin(values, [*range(count + 1), *([IGNORED] if kind == "layers" else [])]).all():
        return np.asarray(mask, np.uint8)
    cause = f"holds the values {format_values(values)}, and its classes are {', '.join(image.names)}"
    raise CenetError("mask", cause, f"pass class indices from 0 to {count}, or name every class")


def measure_probabilities(
    image: MaskToMeasure,
    kind: Kind,
    *,
    probabilities: NDArray[np.floating],
    softmax: bool,
    decide: Callable[[NDArray[np.floating]], tuple[NDArray[np.uint8], NDArray[np.float64] | None]],
) -> dict[str, float]:
    """Measure a mask, and the range of each value over thresholds.

    The odds of each class in turn are multiplied and divided by three in every pixel, the mask is decided again, and
    measured again. `NAME_min_over_thresholds` and `NAME_max_over_thresholds` are the least and the greatest value among
    these masks and the mask itself. With a threshold of 0.5 these are the masks of thresholds between 0.25 and 0.75.

    The range says how much a value depends on the threshold. It is no confidence interval: how often it holds the true
    value differs from data set to data set, and what the network misses altogether is in neither end, see
    docs/results.md.

    Args:
        image: The mask.
        kind: What it shows.
        probabilities: `(maps, H, W)`, calibrated.
        softmax: Whether they are of classes that exclude each other.
        decide: From such probabilities to `(H, W)` class indices and, of layers, `(boundaries, W)` rows.
    """
    values = measure_mask(image, kind)
    low, high = dict(values), dict(values)
    for moved in move_odds(probabilities, ODDS_FACTOR, softmax=softmax):
        mask, rows = decide(moved)
        for name, value in measure_mask(replace(image, mask=mask, rows=rows), kind).items():
            low[name], high[name] = float(np.fmin(low[name], value)), float(np.fmax(high[name], value))
    columns: dict[str, float] = {}
    for name, value in values.items():
        columns |= {name: value, name + LOW: low[name], name + HIGH: high[name]}
    return columns


def move_odds(probabilities: NDArray[np.floating], factor: float, *, softmax: bool) -> Iterator[NDArray[np.floating]]:
    """The probabilities with the odds of each foreground class divided and multiplied by a factor.

    Args:
        probabilities: `(maps, H, W)`.
        factor: Above 1.
        softmax: Whether they are of classes that exclude each other, the first of which is the background.

    >>> [moved.round(2).tolist() for moved in move_odds(np.array([0.5]).reshape(1, 1, 1), 3, softmax=False)]
    [[[[0.25]]], [[[0.75]]]]
    """
    for index in range(int(softmax), len(probabilities)):
        for odds in (1 / factor, factor):
            own = probabilities[index]
            total = 1 + (odds - 1) * own
            moved = probabilities / total if softmax else probabilities.copy()
            moved[index] = odds * own / total
            yield moved
