"""Smooth noise: its spread, its smoothness across the picture, and its pace from slice to slice."""

import numpy as np
import pytest

from cenet.phantoms.noise import draw_noise_knots, smooth_noise


def test_knots_have_unit_spread_in_every_slice() -> None:
    knots = draw_noise_knots(np.random.default_rng(0), 12, 60)
    assert (knots.shape, knots.dtype) == ((12, 63, 63), np.float32)
    np.testing.assert_allclose(knots.std((1, 2)), 1, atol=0.08)


@pytest.mark.parametrize("pace", [1.0, 4.0])
def test_neighbouring_slices_are_alike_and_distant_ones_are_not(pace: float) -> None:
    knots = draw_noise_knots(np.random.default_rng(1), 40, 60, pace=pace).reshape(40, -1)
    alike = np.corrcoef(knots)
    assert np.diag(alike, 1).mean() == pytest.approx(np.exp(-1 / (4 * pace**2)), abs=0.03)
    assert abs(np.diag(alike, int(6 * pace)).mean()) < 0.05


def test_a_cloud_passes_on_what_its_knots_say_and_is_smooth() -> None:
    np.testing.assert_allclose(smooth_noise(np.full((8, 8), 0.7, np.float32), 100), 1, atol=1e-5)
    noise = smooth_noise(draw_noise_knots(np.random.default_rng(2), 1, 5)[0], 400)
    assert noise.shape == (400, 400)
    assert 0.3 < noise.std() < 2
    assert np.abs(np.diff(noise)).max() < 0.15


def test_a_larger_image_shows_the_same_cloud() -> None:
    knots = draw_noise_knots(np.random.default_rng(3), 1, 6)[0]
    halved = smooth_noise(knots, 256).reshape(128, 2, 128, 2).mean((1, 3))
    np.testing.assert_allclose(halved, smooth_noise(knots, 128), atol=0.02)
