"""The organs of a chest: each in its place, and the lungs where nothing else is."""

import numpy as np
import pytest

from cenet.phantoms.chest import HILUM, Anatomy, Chest, choose_chest, ellipse_depth, locate_organs, smooth_step

LEVELS = np.linspace(0.1, 0.98, 8)


def patients(count: int) -> list[Chest]:
    return [choose_chest(np.random.default_rng(seed)) for seed in range(count)]


def level(chest: Chest, height: float) -> Anatomy:
    line = ((np.arange(128, dtype=np.float32) + 0.5) / 128 - 0.5) * np.float32(chest.field)
    x, y = np.meshgrid(line, line)
    return locate_organs(chest, height, x, y, np.zeros_like(x))


def test_patients_differ_in_shape_and_illness() -> None:
    several = patients(40)
    assert np.ptp([chest.wide for chest in several]) > 20
    for name in ("opacity", "mesh", "contrast"):
        values = [getattr(chest, name) for chest in several]
        assert 0 < np.mean([value > 0 for value in values]) < 1
    assert {chest.round_field for chest in several} == {False, True}
    assert min(chest.junction for chest in several) < 0 < max(chest.junction for chest in several)


@pytest.mark.parametrize(("angle", "edge"), [(0, 30), (np.pi / 2, 20), (np.pi, 30), (0.7, None)])
def test_the_depth_in_an_ellipse_is_the_way_to_its_edge_along_the_ray(angle: float, edge: float | None) -> None:
    edge = edge or 1 / np.hypot(np.cos(angle) / 30, np.sin(angle) / 20)
    away = np.array([5, 15, 25, 60.0])
    depth = ellipse_depth(away * np.cos(angle), away * np.sin(angle), 30, 20)
    np.testing.assert_allclose(depth, edge - away, atol=0.3)
    np.testing.assert_array_equal(depth > 0, away < edge)


def test_the_middle_of_an_ellipse_is_inside() -> None:
    assert ellipse_depth(np.zeros(1), np.zeros(1), 8, 5)[0] > 0


def test_a_rise_is_flat_outside_its_levels_and_grows_between() -> None:
    values = [smooth_step(height, 0.2, 0.6) for height in np.linspace(0, 1, 21)]
    assert (np.diff(values) >= 0).all()
    assert (values[:5], values[12:]) == ([0.0] * 5, [1.0] * 9)


@pytest.mark.parametrize("height", LEVELS)
def test_the_lungs_lie_in_the_cage_in_the_body_and_in_no_other_organ(height: float) -> None:
    for chest in patients(6):
        parts = level(chest, height)
        inside = parts.lung >= 0
        assert inside.any()
        assert (parts.cage[inside] > 0).all()
        assert (parts.body[inside] > 10).all()
        for organ in (parts.heart, parts.vessels, parts.spine, parts.domes):
            assert (organ[inside] < 0).all()


def test_both_lungs_are_there_and_the_heart_lies_more_to_the_left_of_the_patient() -> None:
    for chest in patients(6):
        parts = level(chest, 0.62)
        right, left = (parts.lung >= 0) & (parts.x < 0), (parts.lung >= 0) & (parts.x > 0)
        assert 0.5 < left.sum() / right.sum() < 1.2
        assert parts.x[parts.heart > 0].mean() > 10
        assert parts.y[parts.heart > 0].mean() < 0  # in front
        assert parts.y[parts.spine > 0].mean() > 0.6 * chest.deep


def test_the_lungs_grow_from_their_tips_and_make_room_for_the_diaphragm() -> None:
    for chest in patients(6):
        sizes = [(level(chest, height).lung >= 0).sum() for height in LEVELS]
        assert sizes[0] < 0.6 * max(sizes)
        assert sizes[-1] < 0.7 * max(sizes)
        assert not (level(chest, 0.5).domes > 3).any()
        assert (level(chest, 0.95).domes > 3).sum() > 500


def test_the_roots_of_the_lungs_stand_out_at_their_level_only() -> None:
    for chest in patients(4):
        at, below = ((level(chest, height).vessels > 0).sum() for height in (HILUM, 0.7))
        assert at > 2 * below
