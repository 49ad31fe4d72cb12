"""Centre lines of thin structures: the skeleton of a mask, split into segments between junctions and ends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Binary = NDArray[np.bool_]
Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

EIGHT = np.ones((3, 3), np.uint8)  # pixels touch at corners too
SMOOTHING_PX = 4  # half of the window in which a path is averaged
HALF_OF_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))  # so that each pair of touching pixels comes once


@dataclass(frozen=True)
class CentreLines:
    """The segments of a skeleton, each a smooth path from one junction or end to the next.

    Args:
        pixels: `(P, 2)` rows and columns of the skeleton's pixels outside junctions, in the order of the paths.
        segments: `(P,)` the number of the segment of each, ascending from 0.
        steps: `(P,)` how much of the length of its segment belongs to each, in the unit of the pixel size.
        junctions: `(H, W)`, the pixels in which segments meet.
        lengths: `(S,)` length of each segment, with the ways to the middle of its junctions.
        chords: `(S,)` distance between its two ends; 0 of a closed loop.
    """

    pixels: Indices
    segments: Indices
    steps: Floats
    junctions: Binary
    lengths: Floats
    chords: Floats


def trace_centre_lines(mask: Binary, *, pixel: tuple[float, float] = (1.0, 1.0)) -> CentreLines:
    """Thin a mask to lines of one pixel, and follow them from junction to junction.

    A pixel with more than two neighbours belongs to a junction; segments lead to the middle of it. Positions along a
    segment are averaged over nine pixels (fewer towards its ends, which stay), so that its length hardly depends on its
    direction: the staircase itself is up to 8 % longer than the line. A line ends about half its width before the end
    of the structure.

    Args:
        mask: `(H, W)`, where the structure is.
        pixel: Height and width of a pixel; lengths are in the same unit.

    Reference:
        Thinning: Zhang and Suen, A fast parallel algorithm for thinning digital patterns, CACM 27 (1984).

    >>> line = np.zeros((9, 40), bool)
    >>> line[3:6, 4:35] = True
    >>> round(float(trace_centre_lines(line).lengths.sum()))
    29
    """
    from skimage.morphology import skeletonize

    skeleton = np.asarray(skeletonize(mask), bool)
    neighbours = ndimage.convolve(skeleton.astype(np.uint8), EIGHT, mode="constant") - skeleton
    junctions = skeleton & (neighbours > 2)
    if not (skeleton & ~junctions).any():
        return CentreLines(np.zeros((0, 2), np.intp), np.zeros(0, np.intp), np.zeros(0), junctions, *np.zeros((2, 0)))
    pixels, segments, is_loop = _order_along_paths(skeleton & ~junctions)
    points, owners, is_pixel = _add_ends(pixels, segments, junctions, is_loop)
    points = points * pixel
    lengths = np.append(np.hypot(*np.diff(_smooth_paths(points, owners), axis=0).T), 0)
    lengths[np.flatnonzero(np.diff(owners))] = 0  # from one segment to the next is no way
    shares = (lengths + np.append(0, lengths[:-1])) / 2
    sizes = np.bincount(owners)
    firsts = np.cumsum(sizes) - sizes
    return CentreLines(
        pixels,
        segments,
        shares[is_pixel],
        junctions,
        lengths=np.bincount(owners, weights=lengths).astype(float),
        chords=np.hypot(*(points[firsts + sizes - 1] - points[firsts]).T),
    )


def _order_along_paths(lines: Binary) -> tuple[Indices, Indices, Binary]:
    """The pixels of lines without junctions, ordered by segment and along it; their segments; which are closed."""
    from scipy.sparse import coo_array  # slow to import, and only vessels need it
    from scipy.sparse.csgraph import dijkstra

    rows, columns = np.nonzero(lines)
    numbers = np.full((lines.shape[0] + 2, lines.shape[1] + 2), -1)
    numbers[rows + 1, columns + 1] = np.arange(rows.size)
    pairs = []
    for down, right in HALF_OF_NEIGHBOURS:
        others = numbers[rows + 1 + down, columns + 1 + right]
        pairs.append(np.stack([np.flatnonzero(others >= 0), others[others >= 0]]))
    first, second = np.concatenate(pairs, axis=1)
    degrees = np.bincount(np.append(first, second), minlength=rows.size)
    members = ndimage.label(lines, EIGHT)[0][rows, columns] - 1
    by_degree = np.argsort(degrees, kind="stable")
    starts = by_degree[np.unique(members[by_degree], return_index=True)[1]]  # an end of each; of a loop any pixel
    is_loop = degrees[starts] == 2
    opened = np.zeros(first.size, bool)
    for start in starts[is_loop]:
        opened[np.flatnonzero((first == start) | (second == start))[0]] = True
    first, second = first[~opened], second[~opened]
    graph = coo_array((np.ones(first.size), (first, second)), shape=(rows.size, rows.size)).tocsr()
    distances = dijkstra(graph, directed=False, indices=starts, unweighted=True, min_only=True)
    order = np.lexsort((distances, members))
    return np.stack([rows, columns], axis=1)[order], members[order], is_loop


def _add_ends(pixels: Indices, segments: Indices, junctions: Binary, is_loop: Binary) -> tuple[Floats, Indices, Binary]:
    """Let each path begin and end in the middle of the junction it touches there, and a loop where it began."""
    knots, count = ndimage.label(junctions, EIGHT)
    middles = np.reshape(ndimage.center_of_mass(junctions, knots, np.arange(1, count + 1)), (count, 2))
    touched = ndimage.maximum_filter(knots, size=3)[tuple(pixels.T)]
    changes = np.flatnonzero(np.diff(segments))
    firsts, lasts = np.append(0, changes + 1), np.append(changes, len(segments) - 1)
    begins, ends, closed = firsts[touched[firsts] > 0], lasts[touched[lasts] > 0], firsts[is_loop]
    points = np.concatenate([pixels, middles[touched[begins] - 1], middles[touched[ends] - 1], pixels[closed]])
    owners = np.concatenate([segments, segments[begins], segments[ends], segments[closed]])
    place = np.concatenate([np.arange(len(segments)), begins - 0.25, ends + 0.25, lasts[is_loop] + 0.25])
    order = np.argsort(place, kind="stable")
    return points[order], owners[order], order < len(segments)


def _smooth_paths(points: Floats, owners: Indices) -> Floats:
    """Average each point with its neighbours on the path; the ends stay."""
    sizes = np.bincount(owners)
    place = np.arange(len(owners)) - (np.cumsum(sizes) - sizes)[owners]
    half = np.minimum(np.minimum(place, sizes[owners] - 1 - place), SMOOTHING_PX)
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(points, axis=0)])
    here = np.arange(len(owners))
    return np.asarray((sums[here + half + 1] - sums[here - half]) / (2 * half + 1)[:, None])
