"""What is measured of an image: widths against drawn truths, at any size."""

import numpy as np
import pytest

from cenet.data.labels.encoding import IGNORED
from cenet.planning.measure import MAP_PX, measure_image, measure_width


def draw_bars(shape, width, every):
    mask = np.zeros(shape, bool)
    for row in range(0, shape[0], every):
        mask[row : row + width] = True
    return mask


@pytest.mark.parametrize("width", [1, 3, 7, 21])
def test_the_width_of_bars_is_measured(width):
    assert measure_width(draw_bars((200, 210), width, 50)) == width


@pytest.mark.parametrize("width", [1, 3, 41, 400])
def test_thin_and_wide_objects_are_measured_in_large_images(width):
    measured = measure_width(draw_bars((3000, 2100), width, 1000))
    assert measured == pytest.approx(width, rel=0.1, abs=0.5)


@pytest.mark.parametrize("side", [1100, 1500, 2000, 3000])
def test_a_thin_object_is_measured_wherever_it_lies(side):
    mask = np.zeros((side, side + 100), bool)
    mask[-40:-35, 40:500] = True
    assert measure_width(mask) == measure_width(mask.T) == measure_width(mask[::-1, ::-1]) == 5


def test_an_image_is_measured_where_its_pixels_count():
    label = np.zeros((64, 64), np.uint8)
    label[:32, 10:20] = 1
    label[:32, 40:44] = 2
    label[60:] = IGNORED
    region = np.ones((64, 64), bool)
    region[:, 60:] = False
    image = np.stack([np.full((64, 64), value) for value in (200, 100, 0)], axis=-1).astype(np.uint8)
    measured = measure_image(image, label, region, num_foregrounds=2)
    assert measured.class_px == (60 * 60 - 32 * 14, 320, 128)
    assert measured.widths_px == pytest.approx((10, 4), abs=1)
    assert measured.channel_means == pytest.approx((1, 0.5, 0))
    assert measured.class_map.shape == (2, MAP_PX, MAP_PX)
    assert measured.class_map[:, MAP_PX // 2 :].sum() == 0
    assert measured.region_share == pytest.approx(60 / 64)


def test_a_nested_class_counts_with_what_is_inside_it():
    label = np.zeros((40, 40), np.uint8)
    label[10:30, 10:30] = 1
    label[18:22, 18:22] = 2
    measured = measure_image(label[..., None], label, None, num_foregrounds=2, nested=True)
    assert measured.class_px == (1200, 400, 16)
    assert measured.widths_px[0] > 10


def test_an_image_without_foreground_has_no_width():
    label = np.zeros((20, 20), np.uint8)
    assert np.isnan(measure_image(label[..., None], label, None, num_foregrounds=1).widths_px).all()
