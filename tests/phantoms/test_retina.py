"""The layers of the retina: each paints its own place and leaves the others alone."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from cenet.phantoms.eye import Eye, choose_eye
from cenet.phantoms.retina import (
    paint_background,
    paint_lesions,
    paint_macula,
    paint_nerve_fibres,
    paint_optic_disc,
)

SIZE_PX = 96


def painted(paint, seed: int, size_px: int = SIZE_PX) -> tuple[Eye, NDArray[np.float32], NDArray[np.uint8] | None]:
    """What a layer does to a flat reddish picture: pixel by pixel, new value over old; and its truth, if any."""
    rng = np.random.default_rng(seed)
    eye = choose_eye(rng, size_px)
    flat = np.full((size_px, size_px, 3), (180, 80, 40), np.float32)
    picture = flat.copy()
    truth = paint(rng, eye, picture)
    return eye, picture / flat, truth


def ratio(paint, seed: int) -> tuple[Eye, NDArray[np.float32]]:
    """The same of a layer without truth."""
    eye, change, truth = painted(paint, seed)
    assert truth is None
    return eye, change


@pytest.mark.parametrize("seed", range(6))
def test_the_background_is_reddish_and_uneven(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = paint_background(rng, choose_eye(rng, SIZE_PX))
    assert (picture.shape, picture.dtype) == ((SIZE_PX, SIZE_PX, 3), np.float32)
    assert picture.min() > 0
    red, green, blue = picture.mean((0, 1))
    assert red > green > blue
    assert (picture.std((0, 1)) > 0.02 * picture.mean((0, 1))).all()


@pytest.mark.parametrize("seed", range(6))
def test_the_macula_is_darker_than_its_surround(seed: int) -> None:
    eye, change = ratio(paint_macula, seed)
    away = np.hypot(eye.x - eye.reach, eye.y) / eye.reach
    near = change[(away > 0.08) & (away < 0.15)].mean(0)
    assert (near < 0.97).all()
    assert near[1] < near[0]  # green falls most
    np.testing.assert_allclose(change[away > 1.2], 1, atol=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_nerve_fibres_pale_above_and_below_the_disc_only(seed: int) -> None:
    eye, change = ratio(paint_nerve_fibres, seed)
    away, steep = np.hypot(eye.x, eye.y) / eye.reach, np.abs(eye.y) / np.hypot(eye.x, eye.y)
    ring = (away > 0.2) & (away < 0.5)
    effect = np.abs(change - 1).max(-1)
    assert effect[ring & (steep > 0.9)].mean() > 20 * effect[ring & (steep < 0.1)].mean()
    assert effect[away > 1.5].max(initial=0) < 0.01


@pytest.mark.parametrize("seed", range(6))
def test_the_disc_is_the_brightest_place_and_paler_in_its_cup(seed: int) -> None:
    eye, change, _ = painted(paint_optic_disc, seed)
    away = np.hypot(eye.x, eye.y) / eye.reach
    rim = change[(away > 0.11) & (away < 0.14)].mean(0)
    cup = change[np.hypot(eye.x - 0.04 * eye.reach, eye.y) < 0.05 * eye.reach].mean(0)
    assert rim[1] > 1.2
    assert cup[1] > rim[1]
    np.testing.assert_allclose(change[away > 1], 1, atol=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_the_truth_of_the_disc_ends_where_its_paint_is_half(seed: int) -> None:
    eye, change, truth = painted(paint_optic_disc, seed, 384)
    assert (truth.dtype, set(np.unique(truth))) == (np.uint8, {0, 1, 2})
    away = ndimage.distance_transform_edt(truth > 0) - ndimage.distance_transform_edt(truth == 0)
    blue = change[..., 2]  # the rim differs most from the retina in the colour that this picture has least of
    sides = [blue[(away > low) & (away < high) & (eye.x < 0)].mean() for low, high in ((-6, -4), (-1.5, 1.5), (4, 6))]
    assert (sides[1] - sides[0]) / (sides[2] - sides[0]) == pytest.approx(0.5, abs=0.15)
    heights = [np.ptp(eye.y[truth >= number]) for number in (1, 2)]
    assert 0.3 < heights[1] / heights[0] < 0.8
    assert eye.x[truth == 2].mean() > eye.x[truth == 1].mean()  # the cup lies on the side of the macula


def test_lesions_are_small_bright_or_dark_and_sometimes_absent() -> None:
    changes = [ratio(paint_lesions, seed)[1][..., 1] for seed in range(30)]
    touched = [(np.abs(change - 1) > 0.02).mean() for change in changes]
    assert min(touched) == 0
    assert 0 < np.median(touched) < 0.15
    assert max(change.max() for change in changes) > 1.1
    assert 0 < min(change.min() for change in changes) < 0.9
