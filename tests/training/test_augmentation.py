"""Augmentation: within the recipe's bounds, alike for image, label and region, and replayed by a seed."""

import numpy as np
import pytest
import torch

from cenet.config.presets import load_recipe
from cenet.training.augmentation import KEYS, RandValues, build_augmentation

STILL = {"rotate_deg": 0, "zoom": 0, "translate": 0, "flips": False, "brightness": 0, "channel_jitter": 0, "gamma": 0}
SIDE = 64


def recipe(*, whole=False, **changes):
    """A recipe without augmentation but for what is named: crops of half the side, or whole images."""
    geometry = {"crop_px": None, "resize_mode": "square", "size_px": SIDE} if whole else {"crop_px": SIDE // 2}
    return load_recipe("folder").replace(**STILL, **geometry).replace(**changes)


def item(image, label=None):
    image = torch.as_tensor(image, dtype=torch.float32)
    label = torch.zeros(1, *image.shape[1:]) if label is None else torch.as_tensor(label, dtype=torch.float32)
    return {"image": image, "label": label, "region": torch.ones(1, *image.shape[1:])}


def places(side=SIDE):
    """An image whose two channels tell where each pixel lies."""
    return np.stack(np.indices((side, side))).astype(np.float32)


def draws(transform, image_item, count):
    for seed in range(count):
        transform.set_random_state(seed=seed)
        yield {key: np.asarray(value) for key, value in transform(dict(image_item)).items()}


def test_a_recipe_without_augmentation_leaves_a_whole_image_alone():
    image_item = item(places())
    transform = build_augmentation(recipe(whole=True))
    for drawn in draws(transform, image_item, 3):
        assert all(np.allclose(drawn[key], image_item[key], atol=1e-4) for key in KEYS)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "crops"])
def test_a_seed_replays_everything(whole):
    full = recipe(
        whole=whole,
        rotate_deg=30,
        zoom=0.2,
        translate=0.2,
        flips=True,
        brightness=0.2,
        channel_jitter=0.2,
        gamma=0.2,
        shading=0.2,
    )
    image_item = item(np.random.default_rng(0).random((3, SIDE, SIDE)) * 255)
    one, same = (list(draws(build_augmentation(full), image_item, 3)) for _ in range(2))
    for first, second in zip(one, same, strict=True):
        assert all(np.array_equal(first[key], second[key]) for key in KEYS)
    assert not np.array_equal(one[0]["image"], one[1]["image"])


def test_what_is_given_is_not_changed():
    image_item = item(places())
    before = {key: value.clone() for key, value in image_item.items()}
    build_augmentation(recipe(rotate_deg=30, zoom=0.2, flips=True, brightness=0.2, gamma=0.2))(image_item)
    assert all(torch.equal(image_item[key], before[key]) for key in KEYS)


def test_a_crop_is_a_part_of_the_image_and_crops_reach_every_corner():
    firsts = []
    for drawn in draws(build_augmentation(recipe()), item(places()), 60):
        corner = drawn["image"][:, 0, 0].round()
        np.testing.assert_allclose(drawn["image"], places(32) + corner[:, None, None], atol=1e-3)
        assert drawn["region"].all()
        firsts.append(corner)
    assert (np.min(firsts, axis=0) <= 2).all()
    assert (np.max(firsts, axis=0) >= 30).all()


@pytest.mark.parametrize("shape", [(20, 24), (20, 100), (100, 24)])
def test_around_an_image_that_is_smaller_than_the_crop_no_pixel_counts(shape):
    image = np.full((3, *shape), 200.0)
    image[:, shape[0] // 2, shape[1] // 2] = 100
    for drawn in draws(build_augmentation(recipe()), item(image, np.ones((1, *shape))), 5):
        assert drawn["image"].shape == (3, 32, 32)
        outside = drawn["region"][0] == 0
        assert (drawn["image"][:, outside] == 100).all()
        assert (drawn["image"][:, ~outside] == 200).sum() >= 3 * ((~outside).sum() - 1)
        assert (drawn["region"] == drawn["label"]).all()
        assert drawn["region"].sum() == min(shape[0], 32) * min(shape[1], 32)


def test_a_warped_crop_is_full_unless_it_lies_at_the_border_of_the_image():
    full = 0
    for drawn in draws(build_augmentation(recipe(rotate_deg=180, zoom=0.3)), item(places(200)), 40):
        middle = drawn["image"][:, 16, 16]
        to_border = min(middle.min(), (199 - middle).min())
        assert drawn["region"].all() or to_border < 16 * 1.3 * 2**0.5 + 1
        full += drawn["region"].all()
    assert 20 < full < 40


@pytest.mark.parametrize("elastic_px", [0, 4])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "crops"])
def test_image_label_and_region_move_together(whole, elastic_px):
    disc = np.hypot(*(places() - 30)) < 14
    image_item = item(255.0 * disc[None], disc[None])
    moving = recipe(whole=whole, rotate_deg=45, zoom=0.3, translate=0.2, elastic_px=elastic_px, flips=True)
    for moved in draws(build_augmentation(moving), image_item, 10):
        inside = moved["region"][0] > 0
        drawn, seen = moved["label"][0] > 0, moved["image"][0] > 127
        assert ((drawn != seen)[inside]).mean() < 0.02
        assert not drawn[~inside].any()
        assert set(np.unique(moved["label"])) | set(np.unique(moved["region"])) <= {0, 1}


def test_what_comes_in_from_outside_belongs_to_no_region():
    image = np.full((1, SIDE, SIDE), 200.0)
    image[0, SIDE // 2, SIDE // 2] = 0
    partly = 0
    for drawn in draws(build_augmentation(recipe(whole=True, translate=0.3)), item(image), 10):
        # An edge pixel is at least half the image's in each direction, or it is outside.
        inside = drawn["region"] > 0
        assert (drawn["image"][inside] > 49).sum() > inside.sum() - 9
        assert (drawn["image"][~inside] < 101).all()
        partly += not drawn["region"].all()
    assert partly >= 8


@pytest.mark.parametrize("lowest", [-1024, 30_000])
@pytest.mark.parametrize("changes", [{"whole": True, "translate": 0.3}, {"zoom": 0.3}, {"elastic_px": 3}, {}])
def test_what_comes_in_from_outside_is_no_darker_than_the_image(lowest, changes):
    image = lowest + np.tile(np.linspace(0, 1000, 28), (1, 28, 1)) if "whole" not in changes else None
    image = lowest + 10 * places()[:1] if image is None else image
    for drawn in draws(build_augmentation(recipe(rotate_deg=20, **changes)), item(image), 10):
        assert lowest - 0.1 <= drawn["image"].min() <= drawn["image"].max() <= image.max() + 0.1
        assert drawn.keys() == set(KEYS)


def test_an_elastic_warp_without_strength_moves_nothing():
    for drawn in draws(build_augmentation(recipe(whole=True, elastic_px=1e-6)), item(places()), 3):
        np.testing.assert_allclose(drawn["image"], places(), atol=1e-3)


def test_an_elastic_warp_bends_what_was_straight_and_no_more_than_asked():
    straight = item(np.tile(np.arange(SIDE, dtype=float)[:, None], (1, 1, SIDE)) + 100)
    bent = []
    for drawn in draws(build_augmentation(recipe(whole=True, elastic_px=3)), straight, 10):
        rows = np.where(drawn["region"][0] > 0, drawn["image"][0], np.nan)[10:-10, 10:-10]
        bent.append(float(np.nanmax(np.nanstd(rows, axis=1))))
    assert max(bent) > 0.5
    assert max(bent) < 3 * 3


@pytest.mark.parametrize("axis", [0, 1])
def test_zoom_stays_within_its_bounds(axis):
    factors = []
    for drawn in draws(build_augmentation(recipe(whole=True, zoom=0.3)), item(places()), 40):
        # Further than the middle the padding may come in; steps of one pixel have become steps of 1 / factor.
        factors.append(1 / np.gradient(drawn["image"][axis], axis=axis)[32, 32])
    assert 1 / 1.3 - 0.01 < min(factors) < 0.85
    assert 1.2 < max(factors) < 1 / 0.7 + 0.01


def test_a_whole_image_is_shifted_by_a_part_of_its_side():
    middles = np.array([
        drawn["image"][:, 32, 32] - 32
        for drawn in draws(build_augmentation(recipe(whole=True, translate=0.25)), item(places()), 40)
    ])  # fmt: skip
    assert np.abs(middles).max() <= 0.25 * SIDE + 0.5
    assert middles.max(0) == pytest.approx([13, 13], abs=4)
    assert middles.min(0) == pytest.approx([-13, -13], abs=4)


def test_a_rotation_stays_within_its_bounds():
    angles = []
    for drawn in draws(build_augmentation(recipe(whole=True, rotate_deg=30)), item(places()), 40):
        down, across = np.gradient(drawn["image"][1])  # the second channel grows to the right
        angles.append(np.rad2deg(np.arctan2(down[32, 32], across[32, 32])))
    assert np.abs(angles).max() < 30.5
    assert min(angles) < -20
    assert max(angles) > 20


def test_flips_and_quarter_turns_give_all_eight_views():
    image = np.zeros((1, SIDE, SIDE))
    image[0, :32, :32], image[0, :32, 32:] = 50, 100  # each corner has another value
    image[0, 32:, :32] = 150
    corners = [
        tuple(drawn["image"][0][[0, 0, -1, -1], [0, -1, 0, -1]].round())
        for drawn in draws(build_augmentation(recipe(whole=True, flips=True)), item(image), 60)
    ]
    assert len(set(corners)) == 8
    assert min(corners.count(corner) for corner in set(corners)) >= 2


# --- values ------------------------------------------------------------------------------------------------


def values(**changes):
    return RandValues(recipe(**changes))


def test_values_change_in_the_image_alone():
    image_item = item(places(), places()[:1])
    for drawn in draws(values(brightness=0.5, gamma=0.5, channel_jitter=0.5, shading=0.5), image_item, 3):
        assert not np.array_equal(drawn["image"], image_item["image"])
        assert all(np.array_equal(drawn[key], image_item[key]) for key in ("label", "region"))


def test_brightness_is_one_factor_on_what_exceeds_the_darkest_value():
    image = 40 + places()
    factors = []
    for drawn in draws(values(brightness=0.2), item(image), 50):
        ratio = (drawn["image"] - 40)[image > 40] / (image - 40)[image > 40]
        assert np.ptp(ratio) < 1e-4
        factors.append(ratio[0])
    assert (min(factors), max(factors)) == pytest.approx((0.8, 1.2), abs=0.03)
    assert 0.8 <= min(factors) < max(factors) <= 1.2


def test_colour_is_one_factor_for_each_channel():
    image = places()
    for drawn in draws(values(channel_jitter=0.3), item(image), 20):
        ratios = [drawn["image"][c][image[c] > 0] / image[c][image[c] > 0] for c in range(2)]
        assert max(np.ptp(ratio) for ratio in ratios) < 1e-4
        assert all(0.7 <= ratio[0] <= 1.3 for ratio in ratios)
        assert abs(ratios[0][0] - ratios[1][0]) > 1e-4


def test_shading_is_one_smooth_factor_for_all_channels():
    image = np.full((3, SIDE, SIDE), 100.0)
    image[:, 0, 0], image[:, 0, 1] = 0, 200  # the range; the first pixel stays black
    for drawn in draws(values(shading=0.5), item(image), 5):
        factors = drawn["image"] / np.maximum(image, 1e-6)
        assert np.allclose(factors, factors[:1], atol=1e-5)
        factors = factors[0, 1:]
        assert 0.4999 < factors.min() < factors.max() < 1.5001
        assert np.ptp(factors) > 0.2
        assert max(abs(np.diff(factors, axis=axis)).max() for axis in (0, 1)) < 0.15


def test_gamma_bends_the_values_and_keeps_the_darkest_and_the_brightest():
    image = 1000 * places() + 300
    exponents = []
    for drawn in draws(values(gamma=0.5), item(image), 50):
        unit = (drawn["image"] - 300) / 63000
        np.testing.assert_allclose([unit.min(), unit.max()], [0, 1], atol=1e-5)
        exponents.append(np.log(unit[0, 21, 0]) / np.log(21 / 63))
        np.testing.assert_allclose(unit, ((image - 300) / 63000) ** exponents[-1], atol=1e-4)
    assert (min(exponents), max(exponents)) == pytest.approx((0.5, 1.5), abs=0.05)


@pytest.mark.parametrize("value", [0.0, 255.0, 65535.0])
def test_an_image_of_one_value_keeps_it(value):
    for drawn in draws(
        values(brightness=0.5, gamma=0.5, channel_jitter=0.5, shading=0.5), item(np.full((3, 8, 8), value)), 5
    ):
        assert (drawn["image"] == value).all()


def test_an_upright_image_is_flipped_and_never_turned():
    image_item = item(places())
    transform = build_augmentation(recipe(whole=True, flips=True, horizontal_flip_only=True))
    seen = {tuple(drawn["image"][:, 0, 0].astype(int)) for drawn in draws(transform, image_item, 30)}
    assert seen == {(0, 0), (0, SIDE - 1)}
