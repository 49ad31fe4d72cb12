"""Layers of the retina: the ordered labelling of each column, its boundaries, and how far they lie from the truth.

Class 0 lies above the retina, the last class beneath it. Boundary b = 1, 2, ... of a column is a row, in pixels: the
number of the column's pixels whose class is less than b. Pixel r reaches from r to r + 1 and has its centre at r + 0.5,
so a boundary at 3 runs between pixels 2 and 3. K classes have K - 1 boundaries; where a class is absent, two coincide.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Rows = NDArray[np.float64]
Labels = NDArray[np.uint8]

MIN_PROBABILITY = (
    1e-7  # a probability of 0 in single precision says no more than this; without it, one pixel would veto a row
)
REACH_PX = 2  # how far from its row a boundary is sought between pixels


def decode(probabilities: Floats) -> tuple[Labels, Rows]:
    """Find the layers of each column: the most probable labels in order, and their boundaries made `subpixel`.

    No class lies above a lower one; a class may be absent. Unlike boundaries from probabilities summed over rows, these
    are not moved by a false island far away. Of equally probable labellings, the one whose boundaries all lie highest
    is chosen; there always is one.

    Args:
        probabilities: Of each class, in order from top to bottom; those below 1e-7 count as 1e-7.

    Shape:
        (K, H, W) -> (H, W) and (K - 1, W).

    Raises:
        ValueError: There are not three axes, not 2 to 255 classes, or they do not sum to 1 in each pixel.

    Reference:
        max over b_1 <= ... <= b_(K-1) of sum_k sum_(b_k <= r < b_(k+1)) log p_k(r), with b_0 = 0 and b_K = H, exactly,
        by dynamic programming.

    >>> upper = np.array([1, 0.75, 0.25, 0, 0])[:, None]
    >>> labels, boundaries = decode(np.stack([upper, 1 - upper]))
    >>> labels.ravel().tolist(), boundaries.tolist()
    ([0, 0, 1, 1, 1], [[2.0]])
    """
    rows = _most_probable(probabilities)
    return labels_of(rows, height_px=probabilities.shape[1]), subpixel(probabilities, rows)


def subpixel(probabilities: Floats, boundaries: Rows) -> Rows:
    """Move each boundary to where the probability of lying below it crosses 0.5, within 2 px of its row.

    The probability is interpolated linearly between pixel centres and has to rise downwards; the crossing nearest to
    the row is chosen, the upper of two. Without one, the boundary stays. One that passes the next moves it along, so
    the order is kept; still no boundary ends further than 2 px from its row.

    Args:
        probabilities: Of each class, in order from top to bottom.
        boundaries: Whole rows in order, in pixels.

    Shape:
        (K, H, W) and (K - 1, W) -> (K - 1, W).

    Reference:
        Between centres r + 0.5 and r + 1.5, y = r + 0.5 + (0.5 - q(r)) / (q(r + 1) - q(r)), where q = P(class >= b).

    >>> upper = np.array([1, 0.8, 0, 0])[:, None]
    >>> subpixel(np.stack([upper, 1 - upper]), np.array([[2.0]])).tolist()
    [[1.875]]
    """
    rows = boundaries[:, np.newaxis]
    around = np.arange(-REACH_PX - 1, REACH_PX + 1)[:, np.newaxis]
    pixels = np.clip(rows.astype(np.intp) + around, 0, probabilities.shape[1] - 1)  # twice the last one has no crossing
    lower = np.cumsum(probabilities[:0:-1], axis=0, dtype=float)[::-1]  # (K - 1, H, W): P(class >= b)
    lower = np.take_along_axis(lower, pixels, axis=1)
    upper_px, lower_px = lower[:, :-1], lower[:, 1:]
    rises = (upper_px < 0.5) & (lower_px >= 0.5)
    crossings = (
        pixels[:, :-1] + 0.5 + np.divide(0.5 - upper_px, lower_px - upper_px, where=rises, out=np.zeros_like(upper_px))
    )
    distances = np.where(rises, np.abs(crossings - rows), np.inf)
    nearest = np.argmin(distances, axis=1, keepdims=True)
    is_near = np.take_along_axis(distances, nearest, axis=1) <= REACH_PX
    moved = np.where(is_near, np.take_along_axis(crossings, nearest, axis=1), rows)
    return np.maximum.accumulate(moved[:, 0], axis=0)


def boundaries_of(labels: Labels, *, num_classes: int, ignored: int = 255) -> Rows:
    """Find the boundaries of a label map: for b = 1, 2, ... the number of pixels of each column whose class is less.

    A column whose classes are not in order, an island say, has the boundaries of the ordered column that differs from
    it in the fewest pixels; of several, the one whose boundaries all lie highest.

    Args:
        labels: Class of each pixel.
        num_classes: How many classes there are, with those above and below the retina.
        ignored: Value of an unannotated pixel; a column with one is not annotated: nan.

    Shape:
        (H, W) -> (num_classes - 1, W), in pixels.

    Raises:
        ValueError: There are not two axes, or a class lies outside 0 to num_classes - 1.

    >>> boundaries_of(np.array([[0, 0, 0], [1, 0, 0], [2, 2, 255]], np.uint8), num_classes=3).tolist()
    [[1.0, 2.0, nan], [2.0, 2.0, nan]]
    """
    if labels.ndim != 2:
        raise ValueError(f"labels has shape {labels.shape}; (rows, columns) is needed")
    if np.any((labels != ignored) & ((labels < 0) | (labels >= num_classes))):
        raise ValueError(f"labels has a class outside 0 to {num_classes - 1}; check num_classes")
    boundaries = np.stack([np.sum(labels < b, axis=0, dtype=float) for b in range(1, num_classes)])
    islands = np.any(labels[1:] < labels[:-1], axis=0)
    agreements = labels[:, islands] == np.arange(num_classes)[:, np.newaxis, np.newaxis]
    boundaries[:, islands] = _best_rows(agreements.astype(float))
    boundaries[:, np.any(labels == ignored, axis=0)] = np.nan
    return boundaries


def labels_of(boundaries: Rows, *, height_px: int, ignored: int = 255) -> Labels:
    """Fill the classes between boundaries: the class of a pixel is the number of boundaries at or above its centre.

    Args:
        boundaries: Rows in order, in pixels; a column with a nan is not annotated.
        height_px: Height of the label map.
        ignored: Value of the pixels in a column that is not annotated.

    Shape:
        (K - 1, W) -> (height_px, W).

    >>> labels_of(np.array([[1.0, 1.4, np.nan], [2.0, 1.6, np.nan]]), height_px=3).tolist()
    [[0, 0, 255], [1, 1, 255], [2, 2, 255]]
    """
    centres = np.arange(height_px)[:, np.newaxis] + 0.5
    labels = np.zeros((height_px, boundaries.shape[1]), np.uint8)
    for boundary in boundaries:
        labels += boundary <= centres
    labels[:, np.any(np.isnan(boundaries), axis=0)] = ignored
    return labels


def boundary_errors(predicted: Rows, truth: Rows) -> Rows:
    """Mean distance of each boundary from the truth over the annotated columns, in pixels.

    A boundary that the prediction misses lies on its neighbour and counts at its distance. Times the height of a pixel
    in micrometres it is an error in micrometres. A boundary without annotated columns has none: nan.

    Args:
        predicted: Row of each boundary in each column, in pixels.
        truth: The same, true; nan where not annotated.

    Shape:
        (B, W) and (B, W) -> (B,).

    Raises:
        ValueError: The shapes differ, or the prediction has a nan.

    Reference:
        mean_x |y(x) - t(x)|.

    >>> truth = np.array([[2.0, 4.0, np.nan], [4.0, 5.0, np.nan]])
    >>> boundary_errors(np.array([[1.0, 2.0, 9.0], [4.0, 4.0, 9.0]]), truth)
    array([1.5, 0.5])
    """
    return _means(np.abs(_differences(predicted, truth)))


def overall_boundary_error(predicted: Rows, truth: Rows) -> float:
    """Mean distance from the truth over all boundaries and annotated columns, in pixels, the paper's measure of layers.

    Without annotated columns it is undefined: nan.

    Args:
        predicted: Row of each boundary in each column, in pixels.
        truth: The same, true; nan where not annotated.

    Shape:
        (B, W) and (B, W) -> a number.

    Raises:
        ValueError: As in `boundary_errors`.

    >>> overall_boundary_error(np.array([[1.0, 2.0], [4.0, 4.0]]), np.array([[2.0, 4.0], [4.0, 5.0]]))
    1.0
    """
    return float(_means(np.abs(_differences(predicted, truth)).reshape(1, -1))[0])


def thickness_errors(predicted: Rows, truth: Rows) -> Rows:
    """Mean error of the thickness of each layer, the distance between neighbouring boundaries, in pixels.

    Args:
        predicted: Row of each boundary in each column, in pixels.
        truth: The same, true; nan where not annotated.

    Shape:
        (B, W) and (B, W) -> (B - 1,).

    Raises:
        ValueError: As in `boundary_errors`.

    Reference:
        mean_x |(y_(b+1)(x) - y_b(x)) - (t_(b+1)(x) - t_b(x))|.

    >>> thickness_errors(np.array([[1.0, 2.0], [4.0, 5.0]]), np.array([[2.0, 3.0], [5.0, 9.0]]))
    array([1.5])
    """
    return _means(np.abs(np.diff(_differences(predicted, truth), axis=0)))


def annotated_columns(truth: Rows) -> int:
    """How many columns have a true boundary.

    Args:
        truth: Row of each boundary in each column, in pixels; nan where not annotated.

    Shape:
        (B, W) -> a number.

    >>> annotated_columns(np.array([[2.0, np.nan], [3.0, np.nan]]))
    1
    """
    return int(np.count_nonzero(np.any(~np.isnan(truth), axis=0)))


def _most_probable(probabilities: Floats) -> Rows:
    if probabilities.ndim != 3 or not 2 <= len(probabilities) <= 255:
        raise ValueError(f"probabilities has shape {probabilities.shape}; (2 to 255 classes, rows, columns) is needed")
    if not np.allclose(np.sum(probabilities, axis=0, dtype=float), 1, rtol=0, atol=0.01):
        raise ValueError("probabilities do not sum to 1 in each pixel; take the softmax of the logits")
    return _best_rows(np.log(np.maximum(probabilities, MIN_PROBABILITY, dtype=float)))


def _best_rows(scores: Rows) -> Rows:
    """The boundaries of the ordered labelling with the highest sum of scores: (K, H, W) -> (K - 1, W)."""
    classes, height, width = scores.shape
    # Boundary b at row r adds the scores of class b - 1 above r and takes away those of class b. Summed with the best
    # place of the boundaries above it, the running maximum is the best for a boundary anywhere down to r.
    best = np.zeros((classes - 1, height + 1, width))
    np.cumsum(scores[:-1] - scores[1:], axis=1, out=best[:, 1:])
    for b in range(classes - 1):
        np.maximum.accumulate(best[b] + best[b - 1] if b else best[b], axis=0, out=best[b])
    rows = np.full((classes, width), height)
    for b in reversed(range(classes - 1)):
        reached = np.take_along_axis(best[b], rows[b + 1 : b + 2], axis=0)
        rows[b] = np.argmax(best[b] >= reached, axis=0)  # the first row from which it holds
    return rows[:-1].astype(float)


def _differences(predicted: Rows, truth: Rows) -> Rows:
    if predicted.shape != truth.shape or truth.ndim != 2:
        raise ValueError(f"predicted has shape {predicted.shape} and truth {truth.shape}; both must be (B, W)")
    if np.any(np.isnan(predicted)):
        raise ValueError("predicted has a nan; every boundary of a prediction has a row")
    return np.asarray(predicted, float) - truth


def _means(values: Rows) -> Rows:
    known = ~np.isnan(values)
    counts = np.count_nonzero(known, axis=1)
    means = np.full(len(values), np.nan)
    np.divide(np.sum(values, axis=1, where=known), counts, where=counts > 0, out=means)
    return means
