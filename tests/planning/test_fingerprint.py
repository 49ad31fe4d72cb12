"""A fingerprint follows what the images have in common."""

import math

import numpy as np
import pytest

from cenet.planning.fingerprint import summarise_measurements
from cenet.planning.measure import measure_image

GREY = {"groups": 8, "channels": 1, "dtype": "uint8", "value_range": (0, 255), "classes": ("body",)}


def summarise(labels, images=None, **options):
    images = images or [label[..., None] for label in labels]
    classes = len(options.get("classes", "1"))
    measured = [
        measure_image(image, label, None, num_foregrounds=classes) for image, label in zip(images, labels, strict=True)
    ]
    return summarise_measurements(measured, **{**GREY, **options})


def draw_square(side, *, row=10, column=10, shape=(64, 64), value=1):
    label = np.zeros(shape, np.uint8)
    label[row : row + side, column : column + side] = value
    return label


def test_widths_that_grow_with_the_image_do_not_differ_as_a_share_of_it():
    grown = summarise([draw_square(8 * k, shape=(32 * k, 32 * k), row=8 * k, column=8 * k) for k in (1, 2, 3)])
    assert grown.longest_px == (32, 96)
    assert grown.width_spread > 0.3
    assert grown.relative_width_spread < 0.1
    same = summarise([draw_square(12, shape=(32 * k, 32 * k)) for k in (1, 2, 3)])
    assert same.width_spread < 0.05 < same.relative_width_spread


def test_shares_widths_and_empty_images_are_counted():
    fingerprint = summarise([draw_square(16), np.zeros((64, 64), np.uint8)])
    assert fingerprint.class_shares == pytest.approx([256 / 2 / 64**2])
    assert (fingerprint.images, fingerprint.empty_images) == (2, 1)
    nothing = summarise([np.zeros((64, 64), np.uint8)])
    assert math.isnan(nothing.widths_px[0])
    assert "in no image" in " ".join(nothing.describe())


@pytest.mark.parametrize(("row", "is_upright"), [(4, True), (24, False)])
def test_what_lies_above_the_middle_in_every_image_shows_which_side_is_up(row, is_upright):
    maps = summarise([draw_square(16, row=row + shift % 2, column=20 + 4 * (shift % 3)) for shift in range(9)]).symmetry
    assert (maps.upright - maps.upside_down > 0.3) == is_upright
    assert maps.upright - maps.mirrored < 0.02


def test_classes_that_lie_left_and_right_are_not_their_mirror_image():
    labels = [draw_square(16, column=4) + draw_square(16, column=44, value=2) for _ in range(8)]
    maps = summarise(labels, classes=("left", "right")).symmetry
    assert maps.upright - maps.mirrored > 0.5


def test_of_a_few_images_nothing_is_said_about_up_and_down():
    assert summarise([draw_square(16)] * 3).symmetry is None


def test_colour_that_differs_between_images_is_measured_and_brightness_is_not():
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, 1, (64, 64, 1))
    labels = [draw_square(16)] * 6
    stains = [(noise * (200, 200 - 30 * k, 60 + 30 * k)).astype(np.uint8) for k in range(6)]
    lights = [(noise * (90 + 20 * k)).repeat(3, axis=2).astype(np.uint8) for k in range(6)]
    assert summarise(labels, stains, channels=3).colour_spread > 0.03 > summarise(labels, lights).colour_spread


def test_images_that_are_held_out_are_not_counted_and_that_is_said():
    whole, part = (summarise([draw_square(16)], test_images=count).describe()[0] for count in (0, 2))
    assert whole.startswith("1 image in 8 groups, ")
    assert part.startswith("1 image in 8 groups outside the test part, ")
