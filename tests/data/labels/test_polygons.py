"""Polygons are drawn to the bit as pycocotools draws them, whose pixels COCO's scores count."""

import numpy as np
import pytest
from pycocotools import mask as coco

from cenet.data.labels.polygons import fill_polygon


def fill(points, height, width):
    """The whole mask."""
    whole = np.zeros((height, width), np.bool_)
    patch = fill_polygon(np.array(points, np.float64), height, width)
    rows, columns = patch.mask.shape
    whole[patch.top : patch.top + rows, patch.left : patch.left + columns] = patch.mask
    return whole


def fill_as_coco(points, height, width):
    outlines = [np.array(points, np.float64).ravel().tolist()]
    return coco.decode(coco.merge(coco.frPyObjects(outlines, height, width))).astype(np.bool_)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@pytest.mark.parametrize("grid", [None, 1, 2, 5])
def test_a_polygon_has_the_pixels_that_pycocotools_gives_it(grid):
    rng = np.random.default_rng(0)
    for _ in range(100):
        height, width = rng.integers(1, 40, 2)
        points = rng.uniform(-0.4, 1.4, (rng.integers(3, 10), 2)) * [width, height]
        points = np.round(points * grid) / grid if grid else points
        assert (fill(points, height, width) == fill_as_coco(points, int(height), int(width))).all()


def test_a_pixel_is_inside_where_its_centre_is():
    assert fill([(0.4, 0), (2.4, 0), (2.4, 1), (0.4, 1)], 1, 4).tolist() == [[True, True, False, False]]
    assert fill([(0.6, 0), (2.6, 0), (2.6, 1), (0.6, 1)], 1, 4).tolist() == [[False, True, True, False]]


def test_a_disc_has_its_area():
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    disc = 50 + 30 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert fill(disc, 100, 100).sum() == pytest.approx(np.pi * 900, rel=0.003)


def test_what_is_outside_covers_nothing():
    assert not fill([(-9, -9), (-2, -9), (-2, -2)], 10, 10).any()


@pytest.mark.parametrize(
    "points",
    [
        [(0, 0), (1, 1)],
        [(0, 0), (1, float("nan")), (1, 1)],
        [(0, 0), (1, float("inf")), (1, 1)],
        [(0, 0), (1e9, 1), (1, 1)],
        [(0, 0), (90, 90)] * 50_000,
    ],
    ids=["two corners", "no number", "infinite", "far away", "endless"],
)
def test_a_hostile_polygon_is_refused_at_once(points):
    with pytest.raises(ValueError, match=r"corner|outline"):
        fill(points, 10, 10)
