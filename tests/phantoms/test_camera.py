"""The camera: the shape of its field of view, and what it does to a picture."""

import numpy as np
import pytest

from cenet.phantoms.camera import apply_camera, draw_field_of_view
from cenet.phantoms.eye import Eye, choose_eye


def setting(seed: int) -> tuple[np.random.Generator, Eye]:
    rng = np.random.default_rng(seed)
    return rng, choose_eye(rng, 128)


def test_the_field_of_view_is_a_circle_a_cut_circle_or_one_with_a_tab() -> None:
    kinds = set()
    for seed in range(20):
        rng, eye = setting(seed)
        region, circle = draw_field_of_view(rng, eye), np.hypot(eye.across, eye.down) <= 1
        assert region.dtype == np.bool_
        more, less = region & ~circle, circle & ~region
        assert not (more.any() and less.any())
        assert np.hypot(eye.across, eye.down)[region].max() <= 1.07
        if less.any():
            assert np.abs(eye.down[less]).min() > np.abs(eye.down[region]).max()
        kinds.add((bool(more.any()), bool(less.any())))
    assert kinds == {(False, False), (True, False), (False, True)}


@pytest.mark.parametrize("seed", range(4))
def test_a_flat_image_keeps_its_colour_inside_and_is_black_outside(seed: int) -> None:
    rng, eye = setting(seed)
    away = np.hypot(eye.across, eye.down)
    flat = np.full((128, 128, 3), (180, 80, 40), np.float32)
    image = apply_camera(rng, eye, flat, away <= 1)
    assert (image.shape, image.dtype) == ((128, 128, 3), np.uint8)
    np.testing.assert_allclose(image[away < 0.9].mean(0), (183, 83, 43), atol=4)
    assert image[away > 1.1].mean() < 8
    assert image[away < 0.9].std(0).max() < 16  # noise, not structure


def test_the_camera_does_not_change_its_input() -> None:
    rng, eye = setting(0)
    picture = rng.uniform(0, 255, (128, 128, 3)).astype(np.float32)
    before = picture.copy()
    apply_camera(rng, eye, picture, draw_field_of_view(rng, eye))
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("seed", range(4))
def test_fine_stripes_keep_their_light_and_lose_their_colour(seed: int) -> None:
    rng, eye = setting(seed)
    grey, red = np.full((2, 128, 128, 3), 100, np.float32)
    grey[:, ::2] += 60
    red[:, ::2] += np.array([60, -60 * 0.299 / 0.587, 0], np.float32)  # as light as its surround
    whole = np.ones((128, 128), bool)
    shot = [apply_camera(rng, eye, picture, whole)[4:-4, 4:-4].mean(0)[..., 0] for picture in (grey, red)]
    kept_light, kept_colour = (row[::2].mean() - row[1::2].mean() for row in shot)
    assert kept_light > 40
    assert abs(kept_colour) < 4


def test_light_beyond_the_range_saturates() -> None:
    rng, eye = setting(1)
    image = apply_camera(rng, eye, np.full((128, 128, 3), 2000, np.float32), np.ones((128, 128), bool))
    assert image[40:90, 40:90].min() == 255
