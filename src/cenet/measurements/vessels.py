"""Vessels: how much of the retina they cover, how long and wide they are, how they bend and branch."""

from math import isclose

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cenet.measurements.centre_lines import Binary, CentreLines, Floats, trace_centre_lines

CALIBRE_QUANTILES = (5, 25, 50, 75, 95)
MIN_TORTUOUS_PX = 10  # a shorter segment has no bend that pixels can show
MAX_UNEQUAL = 0.01  # share by which the sides of a square pixel may differ
MIN_BOX_PX = 2
MIN_BOXES_ACROSS = 4  # the largest box is a fourth of the shorter side


def measure_vessels(
    mask: Binary, *, region: Binary | None = None, pixel_um: tuple[float, float] | None = None
) -> dict[str, float]:
    """Measure a mask of vessels inside the field of view.

    - `density_ratio`: area of the vessels over that of the field of view (vessel area density).
    - `length_px`, `length_mm`: of all centre lines together, see `cenet.measurements.centre_lines`.
    - `length_density_per_px`, `..._per_mm`: that length over the area of the field of view.
    - `calibre_mean_px`, `calibre_p05_px`, ..., and `_um`: the width of the segments, see `measure_calibres`; mean and
      quantiles over the length.
    - `tortuosity_ratio`: length of a segment over the distance between its ends, the mean over all segments of 10 px
      and more, weighted by their length, in physical units where they are known; 1 of straight vessels.
    - `fractal_dimension`: of the centre lines by counting boxes, see `count_fractal_dimension`; of pixels that are not
      square it is NaN, as the boxes are not square either.

    Where nothing is measured it is NaN; the density is where the field of view is not known.

    Args:
        mask: `(H, W)`, where vessels are.
        region: `(H, W)`, the field of view; None where it is not known.
        pixel_um: Height and width of a pixel in micrometres, where they are known.

    Reference:
        Tortuosity as arc over chord: Lotmar, Freiburghaus and Bracher, Graefes Arch. 211 (1979); Hart et al., Int. J.
        Medical Informatics 53 (1999). Vessel area density and length density: Reif et al., Int. J. Biomedical Imaging
        (2012).

    >>> mask = np.zeros((64, 64), bool)
    >>> mask[30:34, 4:60] = True
    >>> values = measure_vessels(mask, region=np.ones((64, 64), bool))
    >>> [round(values[name], 2) for name in ("density_ratio", "calibre_mean_px", "tortuosity_ratio")]
    [0.05, 4.29, 1.0]
    """
    inside = mask if region is None else mask & region
    view_px = np.nan if region is None else float(np.count_nonzero(region))
    scaled = lines = trace_centre_lines(inside)
    length, calibres = float(lines.lengths.sum()), measure_calibres(inside, lines)
    values = {
        "density_ratio": float(np.count_nonzero(inside)) / view_px if view_px else np.nan,
        "length_px": length,
        "length_density_per_px": length / view_px if view_px else np.nan,
        **_summarise_calibres(*calibres, unit="px"),
    }
    if pixel_um:
        scaled = trace_centre_lines(inside, pixel=pixel_um)
        length_mm, view_mm2 = float(scaled.lengths.sum()) / 1e3, view_px * pixel_um[0] * pixel_um[1] / 1e6
        values |= {
            "length_mm": length_mm,
            "length_density_per_mm": length_mm / view_mm2 if view_mm2 else np.nan,
            **_summarise_calibres(*measure_calibres(inside, scaled, pixel=pixel_um), unit="um"),
        }
    values["tortuosity_ratio"] = measure_tortuosity(scaled, counted=lines.lengths >= MIN_TORTUOUS_PX)
    is_square = pixel_um is None or isclose(*pixel_um, rel_tol=MAX_UNEQUAL)
    values["fractal_dimension"] = count_fractal_dimension(draw_lines(lines, mask.shape)) if is_square else np.nan
    return values


def measure_calibres(
    mask: Binary, lines: CentreLines, *, pixel: tuple[float, float] = (1.0, 1.0)
) -> tuple[Floats, Floats]:
    """The width of each segment, its area over its length; and that length, by which means are weighted.

    A pixel of the mask belongs to the nearest pixel of the centre lines. Those within the widest circle around a
    junction are left out, as they show the width of another vessel.

    Args:
        mask: `(H, W)`, where vessels are.
        lines: Its centre lines.
        pixel: Height and width of a pixel, in the unit of the lines.

    Shape:
        Two arrays `(S,)`; without the segments of which nothing is left.
    """
    if not lines.steps.size:
        return np.zeros(0), np.zeros(0)
    numbers = np.full(mask.shape, -1)
    numbers[tuple(lines.pixels.T)] = np.arange(len(lines.pixels))
    skeleton = (numbers >= 0) | lines.junctions
    nearest = ndimage.distance_transform_edt(~skeleton, sampling=pixel, return_distances=False, return_indices=True)
    owners = numbers[tuple(nearest)][mask]
    areas = np.bincount(owners[owners >= 0], minlength=len(lines.pixels)) * float(pixel[0] * pixel[1])
    free = ~_lies_in_junction(mask, lines, pixel)
    count = len(lines.lengths)
    area = np.bincount(lines.segments[free], weights=areas[free], minlength=count)
    length = np.bincount(lines.segments[free], weights=lines.steps[free], minlength=count)
    some = length > 0
    return area[some] / length[some], length[some].astype(float)


def _lies_in_junction(mask: Binary, lines: CentreLines, pixel: tuple[float, float]) -> Binary:
    """Which pixels of the centre lines lie within the widest circle around the nearest junction."""
    if not lines.junctions.any():
        return np.zeros(len(lines.pixels), bool)
    radii = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=pixel)[1:-1, 1:-1]
    distances, nearest = ndimage.distance_transform_edt(~lines.junctions, sampling=pixel, return_indices=True)
    here = tuple(lines.pixels.T)
    return np.asarray(distances[here] < radii[tuple(nearest)][here])


def _summarise_calibres(calibres: Floats, lengths: Floats, *, unit: str) -> dict[str, float]:
    """The mean and the quantiles over the length of the vessels."""
    names = [f"calibre_p{quantile:02}_{unit}" for quantile in CALIBRE_QUANTILES]
    if not calibres.size:
        return dict.fromkeys([f"calibre_mean_{unit}", *names], np.nan)
    order = np.argsort(calibres)
    middles = np.cumsum(lengths[order]) - lengths[order] / 2
    shares = [quantile / 100 * lengths.sum() for quantile in CALIBRE_QUANTILES]
    quantiles = np.interp(shares, middles, calibres[order])
    mean = float(np.average(calibres, weights=lengths))
    return {f"calibre_mean_{unit}": mean, **dict(zip(names, quantiles.tolist(), strict=True))}


def measure_tortuosity(lines: CentreLines, *, counted: Binary) -> float:
    """Mean of length over chord of the segments, weighted by their length; NaN where none counts.

    Closed loops have no chord and do not count.

    Args:
        lines: Centre lines, in units that are the same in all directions.
        counted: `(S,)`, which segments are long enough.
    """
    counted = counted & (lines.chords > 0)
    if not counted.any():
        return float("nan")
    lengths, chords = lines.lengths[counted], lines.chords[counted]
    return float(np.average(np.maximum(lengths / chords, 1), weights=lengths))


def draw_lines(lines: CentreLines, shape: tuple[int, ...]) -> Binary:
    """The skeleton: centre lines and junctions, `(H, W)`."""
    drawn = lines.junctions.copy().reshape(shape)
    drawn[tuple(lines.pixels.T)] = True
    return drawn


def count_fractal_dimension(lines: Binary) -> float:
    """The box-counting dimension: the slope of the logarithm of the boxes hit by that of their number across.

    Boxes have sides of 2, 4, 8, ... px, up to a fourth of the shorter side of the image. Of each size the grid that
    hits fewest boxes counts, of four that are shifted by half a box. It is NaN where there are no lines, or the image
    is too small for three sizes.

    Args:
        lines: `(H, W)`, such as a skeleton.

    Reference:
        Mainster, The fractal properties of retinal vessels, Eye 4 (1990); Liebovitch and Toth, A fast algorithm to
        determine fractal dimensions by box counting, Physics Letters A 141 (1989).

    >>> round(count_fractal_dimension(np.ones((256, 256), bool)), 2)
    2.0
    >>> round(count_fractal_dimension(np.eye(256, dtype=bool)), 2)
    1.0
    """
    sides = []
    side = MIN_BOX_PX
    while side * MIN_BOXES_ACROSS <= min(lines.shape):
        sides.append(side)
        side *= 2
    if len(sides) < 3 or not lines.any():
        return float("nan")
    counts = [min(_count_boxes(lines, side, down, right) for down, right in _list_shifts(side)) for side in sides]
    return float(-np.polyfit(np.log(sides), np.log(counts), 1)[0])


def _list_shifts(side: int) -> list[tuple[int, int]]:
    return [(down, right) for down in (0, side // 2) for right in (0, side // 2)]


def _count_boxes(lines: NDArray[np.bool_], side: int, down: int, right: int) -> int:
    rows, columns = np.nonzero(lines)
    boxes = ((rows + down) // side) * (lines.shape[1] // side + 2) + (columns + right) // side
    return int(np.unique(boxes).size)
