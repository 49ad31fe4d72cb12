"""Segments of an image that membranes divide into cells, and how well they are the true cells: V_Rand and V_Info.

Borders are not compared, only what they separate. The predicted inside falls into segments S, each grown into the
membrane until it meets the next; the true cells T are the 4-connected components of the true inside. Only pixels inside
true cells count. Of these, p_ij is the share in segment i and cell j, s_i and t_j are the shares in segment i and cell
j. Six numbers of a slice are kept, on the last axis of what is called `stats` here:

    0 PAIRS      sum_ij p_ij^2, the chance that two pixels share both segment and cell
    1 PAIRS_S    sum_i s_i^2
    2 PAIRS_T    sum_j t_j^2
    3 SHARED     I(S;T) = H(S) + H(T) - H(S,T), in nats
    4 ENTROPY_S  H(S) = -sum_i s_i log s_i
    5 ENTROPY_T  H(T) = -sum_j t_j log t_j

Those of a stack are the mean, or the sum, over its slices: a metric is a ratio, the same of either. A split metric is
low where cells fall apart, a merge metric where cells run together; V_Rand and V_Info weigh both alike (alpha = 0.5).

Empty ones: a slice with no pixel inside a true cell has six zeros and does not count, and of such slices alone every
metric is nan. A prediction with no inside is one segment, all cells merged. Where there is a single segment nothing is
split, and where there is a single cell nothing can be merged: 0 / 0 of an entropy is 1.

Reference:
    Arganda-Carreras et al. (2015), Crowdsourcing the creation of image segmentation algorithms for connectomics,
    Frontiers in Neuroanatomy 9:142. The challenge thins borders; here they are grown over, which opens none at the
    frame. scikit-image's `adapted_rand_error` and `variation_of_information` are other quantities.
"""

from collections.abc import Callable
from math import fsum

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Labels = NDArray[np.int64]
Floats = NDArray[np.float64]

PAIRS, PAIRS_S, PAIRS_T, SHARED, ENTROPY_S, ENTROPY_T = range(6)
GRID: Floats = np.arange(1, 100) / 100  # the thresholds that a sweep counts at
# The challenge tries 0 to 1 in steps of 0.1. At 0 and 1 all is one segment, and never best: they are not swept.
CHALLENGE_THRESHOLDS: Floats = GRID[9::10]


def segments_of(inside: Bools) -> Labels:
    """Number the segments: the 4-connected components of the inside, grown until they meet.

    Each pixel of the membrane falls to the segment of its nearest inside pixel. This is the watershed of the distance
    to the inside, without a line: the straight way to the nearest pixel never leaves its segment. Of equally near
    pixels any one is chosen, the same in every call.

    Args:
        inside: True where a pixel is predicted to lie inside a cell.

    Shape:
        (H, W) -> (H, W), numbers from 1; where there is no inside at all, 0 everywhere: one segment.

    Raises:
        ValueError: It is not a boolean image.

    >>> segments_of(np.array([[True, False, False, False, True]]))
    array([[1, 1, ..., 2, 2]])
    """
    from scipy.ndimage import distance_transform_edt

    numbers = _components(inside, "inside")
    if not inside.any() or inside.all():
        return numbers
    rows, columns = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return np.asarray(numbers[rows, columns])


def statistics(inside: Bools, truth_inside: Bools) -> Floats:
    """Count what V_Rand and V_Info of a slice are made of.

    Args:
        inside: True where a pixel is predicted to lie inside a cell.
        truth_inside: True where it does; what is neither inside nor drawn is False.

    Shape:
        Both are (H, W); the statistics are (6,), in the order of the module's text.

    Raises:
        ValueError: They are not boolean images of one shape.

    >>> truth = np.array([[True, True, False, True, True]])
    >>> statistics(np.ones((1, 5), bool), truth).round(3).tolist()  # two cells, one segment
    [0.5, 1.0, 0.5, 0.0, 0.0, 0.693]
    """
    _check_shapes("inside", inside, truth_inside)
    return _of_cells(inside, _components(truth_inside, "truth_inside"))


def sweep(probability: NDArray[np.floating], truth_inside: Bools, thresholds: Floats) -> Floats:
    """Count the statistics of a slice at each of many thresholds.

    The membrane is where `probability >= threshold`, compared in the precision of the probabilities, as a mask is cut.

    Args:
        probability: Of membrane.
        truth_inside: True where a pixel lies inside a true cell.
        thresholds: In ascending or descending order is quickest: a mask that stays is not counted again.

    Shape:
        (H, W), (H, W), (T,) -> (T, 6).

    Raises:
        ValueError: The images are of two shapes or of a wrong type, or a probability is nan.

    >>> sweep(np.array([[0.0, 0.4, 0.0]]), np.array([[True, False, True]]), np.array([0.3, 0.5]))[:, PAIRS_S]
    array([0.5, 1. ])
    """
    _check_shapes("probability", probability, truth_inside)
    if not np.issubdtype(probability.dtype, np.floating) or np.isnan(probability).any():
        raise ValueError(f"probability is {probability.dtype}; a floating-point array without nan is needed")
    cells = _components(truth_inside, "truth_inside")
    swept = np.zeros((len(thresholds), 6))
    last: Bools | None = None
    for index, threshold in enumerate(thresholds.tolist()):
        inside = probability < threshold
        same = last is not None and np.array_equal(inside, last)
        swept[index] = swept[index - 1] if same else _of_cells(inside, cells)
        last = inside
    return swept


def v_rand(stats: Floats) -> Floats:
    """How far pairs of pixels are rightly together: 1 where segments are cells.

    Shape:
        (..., 6) -> (...).

    Reference:
        sum p_ij^2 / (0.5 sum s_i^2 + 0.5 sum t_j^2), the harmonic mean of split and merge.

    >>> float(v_rand(statistics(np.ones((1, 3), bool), np.array([[True, False, True]]))).round(3))
    0.667
    """
    return _ratio(stats, PAIRS, (PAIRS_S, PAIRS_T))


def v_rand_split(stats: Floats) -> Floats:
    """The chance that two pixels of one cell share a segment: lower where cells are split.

    Shape:
        (..., 6) -> (...).

    Reference:
        sum p_ij^2 / sum t_j^2.

    >>> float(v_rand_split(statistics(np.array([[True, False, True]]), np.ones((1, 3), bool))).round(3))
    0.556
    """
    return _ratio(stats, PAIRS, (PAIRS_T,))


def v_rand_merge(stats: Floats) -> Floats:
    """The chance that two pixels of one segment share a cell: lower where cells are merged.

    Shape:
        (..., 6) -> (...).

    Reference:
        sum p_ij^2 / sum s_i^2.

    >>> float(v_rand_merge(statistics(np.ones((1, 3), bool), np.array([[True, False, True]]))))
    0.5
    """
    return _ratio(stats, PAIRS, (PAIRS_S,))


def v_info(stats: Floats) -> Floats:
    """How much of what segments and cells say of a pixel they say both: 1 where segments are cells.

    Shape:
        (..., 6) -> (...).

    Reference:
        I(S;T) / (0.5 H(S) + 0.5 H(T)), the harmonic mean of split and merge.

    >>> float(v_info(statistics(np.ones((1, 3), bool), np.array([[True, False, True]]))))
    0.0
    """
    return _ratio(stats, SHARED, (ENTROPY_S, ENTROPY_T))


def v_info_split(stats: Floats) -> Floats:
    """How much of the segments' information is that of the cells: lower where cells are split.

    Shape:
        (..., 6) -> (...).

    Reference:
        I(S;T) / H(S).

    >>> float(v_info_split(statistics(np.ones((1, 3), bool), np.array([[True, False, True]]))))
    1.0
    """
    return _ratio(stats, SHARED, (ENTROPY_S,))


def v_info_merge(stats: Floats) -> Floats:
    """How much of the cells' information is in the segments: lower where cells are merged.

    Shape:
        (..., 6) -> (...).

    Reference:
        I(S;T) / H(T).

    >>> float(v_info_merge(statistics(np.array([[True, False, True]]), np.ones((1, 3), bool))))
    1.0
    """
    return _ratio(stats, SHARED, (ENTROPY_T,))


def best_of(sweeps: Floats, thresholds: Floats, *, metric: Callable[[Floats], Floats] = v_rand) -> tuple[float, Floats]:
    """Find the one threshold for all slices at which a metric of their mean statistics is highest.

    Of equally good ones the nearest to 0.5 is chosen, and the lower of two equally near; so it is where nothing is
    defined, too.

    Args:
        sweeps: What `sweep` counted in each slice.
        thresholds: What it counted at.
        metric: From (T, 6) statistics to (T,) values.

    Shape:
        (N, T, 6) and (T,) -> the threshold, and the mean statistics there, (6,).

    Raises:
        ValueError: The shapes do not belong together, or there is no slice.

    >>> membrane = np.array([[0.0, 0.4, 0.0, 0.3, 0.0]])
    >>> cells = np.array([[True, False, True, True, True]])
    >>> best_of(sweep(membrane, cells, GRID)[None], GRID)[0]
    0.4
    """
    if sweeps.ndim != 3 or sweeps.shape[1:] != (len(thresholds), 6) or not sweeps.size:
        raise ValueError(f"sweeps have shape {sweeps.shape}; some slices of {len(thresholds)} thresholds are needed")
    means = sweeps.mean(axis=0)
    values = np.nan_to_num(metric(means))
    best = np.flatnonzero(values == values.max())
    index = best[np.argmin(np.abs(thresholds[best] - 0.5).round(9))]  # rounded, as 0.5 - 0.3 is not 0.7 - 0.5
    return float(thresholds[index]), means[index]


def _check_shapes(name: str, array: NDArray[np.generic], truth_inside: Bools) -> None:
    if array.shape != truth_inside.shape:
        raise ValueError(f"{name} has shape {array.shape} and truth_inside {truth_inside.shape}; they must be equal")


def _components(inside: Bools, name: str) -> Labels:
    """Number the 4-connected components from 1; 0 is outside."""
    from scipy.ndimage import label

    if inside.dtype != np.bool_ or inside.ndim != 2:
        raise ValueError(f"{name} is {inside.dtype} of shape {inside.shape}; a boolean image (H, W) is needed")
    return np.asarray(label(inside)[0], np.int64)


def _of_cells(inside: Bools, cells: Labels) -> Floats:
    """The statistics of a prediction over numbered true cells."""
    counted = cells > 0
    s, t = segments_of(inside)[counted], cells[counted]
    if not t.size:
        return np.zeros(6)
    joint = np.unique(s * (t.max() + 1) + t, return_counts=True)[1]
    pairs, entropies = zip(*(_spread(counts) for counts in (joint, np.bincount(s), np.bincount(t))), strict=True)
    together, of_s, of_t = entropies
    shared = min(max(of_s + of_t - together, 0.0), of_s, of_t)  # it lies there but for rounding
    return np.array([*pairs, shared, of_s, of_t])


def _spread(counts: NDArray[np.intp]) -> tuple[float, float]:
    """Sum of squared shares and entropy, the same to the last bit in whichever order the counts come."""
    total = int(counts.sum())
    shares = counts[counts > 0] / total
    return int(np.square(counts, dtype=np.int64).sum()) / total**2, abs(fsum(-shares * np.log(shares)))


def _ratio(stats: Floats, part: int, wholes: tuple[int, ...]) -> Floats:
    """One statistic over the mean of others; nan of no pixel, else 1 of 0 / 0."""
    if stats.shape[-1:] != (6,):
        raise ValueError(f"stats have shape {stats.shape}; six numbers on the last axis are needed")
    whole = stats[..., wholes].mean(axis=-1)
    ratio = np.divide(stats[..., part], whole, out=np.ones(whole.shape), where=whole > 0)
    return np.where(stats[..., PAIRS_T] > 0, ratio, np.nan)
