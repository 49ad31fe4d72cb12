"""Measure a mask as its kind asks, and how much each value depends on the threshold."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cenet.measurements.areas import measure_area, split_classes
from cenet.measurements.disc import measure_disc
from cenet.measurements.layers import measure_layers
from cenet.measurements.lungs import measure_lungs
from cenet.measurements.vessels import measure_vessels

Kind = Literal["area", "vessels", "disc", "layers", "lungs"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ODDS_FACTOR = 3.0  # by which the odds of a class are multiplied and divided
LOW, HIGH = "_min_over_thresholds", "_max_over_thresholds"  # what the names of the ends of a range end in


@dataclass(frozen=True)
class MaskToMeasure:
    """A mask with what is known beside it.

    Args:
        mask: `(H, W)` class indices.
        names: Of the foreground classes.
        nested: Whether each class lies inside the one before.
        pixel_um: Height and width of a pixel in micrometres, where they are known.
        region: `(H, W)`, the field of view, where it is known.
        rows: `(boundaries, W)`: of layers, where their boundaries are known between pixels.
    """

    mask: NDArray[np.uint8]
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

    >>> measure_mask(MaskToMeasure(np.eye(3, dtype=np.uint8)), "area")
    {'area_px': 3.0, 'pieces_count': 1.0}
    """
    values: dict[str, float] = {}
    for name, part in split_classes(image.mask, image.names, nested=image.nested).items():
        suffix = f"_{name.replace(' ', '_')}" if len(image.names) > 1 else ""
        values |= measure_area(part, pixel_um=image.pixel_um, suffix=suffix)
    match kind:
        case "vessels":
            values |= measure_vessels(image.mask > 0, region=image.region, pixel_um=image.pixel_um)
        case "disc":
            values |= measure_disc(image.mask, pixel_um=image.pixel_um)
        case "layers":
            names = tuple(name.replace(" ", "_") for name in image.names)
            values |= measure_layers(image.mask, names, rows=image.rows, pixel_um=image.pixel_um)
        case "lungs":
            values |= measure_lungs(image.mask > 0, pixel_um=image.pixel_um)
    return values


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
