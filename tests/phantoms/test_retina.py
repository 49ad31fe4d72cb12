"""The layers of the retina: each paints its own place and leaves the others alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cenet.phantoms.eye import Eye, choose_eye
from cenet.phantoms.retina import background, disc, fibres, lesions, macula

SIZE_PX = 96


def ratio(paint, seed: int) -> tuple[Eye, NDArray[np.float32]]:
    """What a layer does to a flat reddish picture: pixel by pixel, new value over old."""
    rng = np.random.default_rng(seed)
    eye = choose_eye(rng, SIZE_PX)
    flat = np.full((SIZE_PX, SIZE_PX, 3), (180, 80, 40), np.float32)
    picture = flat.copy()
    assert paint(rng, eye, picture) is None
    return eye, picture / flat


@pytest.mark.parametrize("seed", range(6))
def test_the_background_is_reddish_and_uneven(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = background(rng, choose_eye(rng, SIZE_PX))
    assert (picture.shape, picture.dtype) == ((SIZE_PX, SIZE_PX, 3), np.float32)
    assert picture.min() > 0
    red, green, blue = picture.mean((0, 1))
    assert red > green > blue
    assert (picture.std((0, 1)) > 0.02 * picture.mean((0, 1))).all()


@pytest.mark.parametrize("seed", range(6))
def test_the_macula_is_darker_than_its_surround(seed: int) -> None:
    eye, change = ratio(macula, seed)
    away = np.hypot(eye.x - eye.reach, eye.y) / eye.reach
    near = change[(away > 0.08) & (away < 0.15)].mean(0)
    assert (near < 0.97).all()
    assert near[1] < near[0]  # green falls most
    np.testing.assert_allclose(change[away > 1.2], 1, atol=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_nerve_fibres_pale_above_and_below_the_disc_only(seed: int) -> None:
    eye, change = ratio(fibres, seed)
    away, steep = np.hypot(eye.x, eye.y) / eye.reach, np.abs(eye.y) / np.hypot(eye.x, eye.y)
    ring = (away > 0.2) & (away < 0.5)
    effect = np.abs(change - 1).max(-1)
    assert effect[ring & (steep > 0.9)].mean() > 20 * effect[ring & (steep < 0.1)].mean()
    assert effect[away > 1.5].max(initial=0) < 0.01


@pytest.mark.parametrize("seed", range(6))
def test_the_disc_is_the_brightest_place_and_paler_in_its_cup(seed: int) -> None:
    eye, change = ratio(disc, seed)
    away = np.hypot(eye.x, eye.y) / eye.reach
    rim = change[(away > 0.11) & (away < 0.14)].mean(0)
    cup = change[np.hypot(eye.x - 0.04 * eye.reach, eye.y) < 0.05 * eye.reach].mean(0)
    assert rim[1] > 1.2
    assert cup[1] > rim[1]
    np.testing.assert_allclose(change[away > 1], 1, atol=0.02)


def test_lesions_are_small_bright_or_dark_and_sometimes_absent() -> None:
    changes = [ratio(lesions, seed)[1][..., 1] for seed in range(30)]
    touched = [(np.abs(change - 1) > 0.02).mean() for change in changes]
    assert min(touched) == 0
    assert 0 < np.median(touched) < 0.15
    assert max(change.max() for change in changes) > 1.1
    assert 0 < min(change.min() for change in changes) < 0.9
