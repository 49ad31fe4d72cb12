"""The vessel trees: where they may grow, and that drawing and truth are the same shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from cenet.phantoms.eye import Eye, choose_eye
from cenet.phantoms.vessels import STEP, THINNEST, Tree, draw_vessels, rasterise_capsules

SHARE = 0.14


@pytest.fixture(scope="module", params=range(4), ids=lambda seed: f"seed-{seed}")
def grown(request: pytest.FixtureRequest) -> tuple[Eye, Tree, NDArray[np.float64]]:
    rng = np.random.default_rng(request.param)
    eye = choose_eye(rng, 64)
    tree = Tree(rng, eye)
    tree.grow(SHARE)
    return eye, tree, np.array([*tree.capsules[0], *tree.capsules[1]])


def test_a_tree_stops_at_the_share_it_was_asked_for(grown) -> None:
    eye, tree, rows = grown
    area = (2 * rows[:, 4] * STEP).sum() / (np.pi * eye.radius**2)
    assert area == pytest.approx(tree.area / (np.pi * eye.radius**2))
    assert 0.85 * SHARE < area < 1.1 * SHARE


def test_both_kinds_grow_in_steps_of_one_length_and_never_too_thin(grown) -> None:
    _, tree, rows = grown
    assert min(map(len, tree.capsules)) > 100
    np.testing.assert_allclose(np.hypot(*(rows[:, 2:4] - rows[:, :2]).T), STEP)
    assert rows[:, 4].min() >= THINNEST
    assert 0 < rows[:, 5].min() < rows[:, 5].max() <= 1


def test_vessels_spare_the_pit_of_the_fovea_and_end_at_the_edge(grown) -> None:
    eye, _, rows = grown
    x, y = rows[:, 2:4].T
    assert np.hypot(x - eye.reach, y).min() >= 0.11 * eye.reach
    assert np.hypot(x - eye.centre[0], y - eye.centre[1]).max() <= eye.radius + 4


def test_vessels_are_fed_from_the_disc(grown) -> None:
    eye, tree, _ = grown
    for capsules in tree.capsules:
        rows = np.array(capsules)
        ends = {tuple(end) for end in rows[:, 2:4]}
        roots = np.array([start for start in rows[:, :2] if tuple(start) not in ends])
        floating = np.hypot(*roots.T) > 0.1 * eye.reach
        assert (~floating).sum() >= 4  # the two arcades and two trunks to the nose
        assert floating.sum() <= 2  # a branch of a stub too short to be drawn


def test_vessels_let_green_through_least_and_leave_the_rest_alone() -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        light, truth = draw_vessels(rng, choose_eye(rng, 128))
        red, green, blue = light[truth].mean(0)
        assert 0 < green < blue < red < 1
        assert (light[~ndimage.binary_dilation(truth, iterations=2)] == 1).all()
        assert light[ndimage.binary_erosion(truth)].mean() < light[truth].mean()  # fuller in the middle


def test_a_capsule_covers_what_a_plain_loop_says() -> None:
    x0, y0, x1, y1, radius = 7.3, 9.1, 21.8, 15.4, 3.2
    _, _, inside = rasterise_capsules(np.array([[x0, y0, x1, y1, radius, 1.0]]), 32)
    for row in range(32):
        for column in range(32):
            ts = np.linspace(0, 1, 400)
            d = np.hypot(column + 0.5 - x0 - ts * (x1 - x0), row + 0.5 - y0 - ts * (y1 - y0)).min()
            if abs(d - radius) > 0.01:
                assert (inside[row, column] >= 0) == (d < radius)


def test_a_capsule_beyond_the_border_is_clipped() -> None:
    dark, _, inside = rasterise_capsules(np.array([[-9.0, 5.0, 3.0, 5.0, 2.0, 0.5]]), 16)
    assert dark.max() <= 0.5
    assert (inside >= 0).any()
    assert not (inside[:, 8:] >= 0).any()


PLACE = st.floats(-8, 40, width=32)
CAPSULE = st.tuples(PLACE, PLACE, PLACE, PLACE, st.floats(0.5, 6, width=32), st.floats(0.125, 1, width=32))


@settings(max_examples=50)
@given(capsules=st.lists(CAPSULE, min_size=1, max_size=5))
def test_where_capsules_overlap_the_larger_value_stays(capsules: list[tuple[float, ...]]) -> None:
    alone = [rasterise_capsules(np.array([capsule]), 32) for capsule in capsules]
    np.testing.assert_array_equal(rasterise_capsules(np.array(capsules), 32), np.max(alone, axis=0))


def test_only_a_wide_vessel_has_a_reflex_and_it_lies_in_the_middle() -> None:
    ends = [4.0, 16.5, 28.0, 16.5]
    thin, wide = (rasterise_capsules(np.array([[*ends, radius, 1.0]]), 32)[1] for radius in (1.0, 4.0))
    assert not thin.any()
    assert set(wide[:, 8:24].argmax(0)) == {16}
    assert wide[16, 16] == pytest.approx(1)
    assert not wide[:12].any()
