"""Resizing against plain loops; and that no fit shifts an image or its label."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import transform

from cenet.data.labels.inspect import IGNORED
from cenet.data.preprocessing import ResizePolicy
from cenet.data.resampling import resize, resize_label

tiny_shape = st.tuples(st.integers(1, 6), st.integers(1, 6))
some_seed = st.integers(0, 2**32)


def drawn(seed, shape):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def bilinear(image, shape):
    """Each pixel from the four around its centre, one at a time."""
    height, width = image.shape[:2]
    result = np.empty((*shape, *image.shape[2:]))
    for row in range(shape[0]):
        for column in range(shape[1]):
            y = min(max((row + 0.5) * height / shape[0] - 0.5, 0), height - 1)
            x = min(max((column + 0.5) * width / shape[1] - 0.5, 0), width - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            down, across = y - top, x - left
            result[row, column] = (1 - down) * ((1 - across) * image[top, left] + across * image[top, right]) + down * (
                (1 - across) * image[bottom, left] + across * image[bottom, right]
            )
    return result


@given(st.tuples(*[st.integers(1, 8)] * 2), st.tuples(*[st.integers(0, 9)] * 2), st.booleans(), some_seed)
def test_enlarging_is_bilinear_between_half_pixels(shape, more, smooth, seed):
    image, larger = drawn(seed, (*shape, 2)), (shape[0] + more[0], shape[1] + more[1])
    np.testing.assert_allclose(resize(image, larger, smooth=smooth), bilinear(image, larger), atol=1e-5)


@given(st.tuples(*[st.integers(1, 16)] * 2), st.tuples(*[st.integers(1, 16)] * 2), some_seed)
def test_without_smoothing_every_resize_is_plain_bilinear(shape, other, seed):
    image = drawn(seed, shape)
    np.testing.assert_allclose(resize(image, other, smooth=False), bilinear(image, other), atol=1e-5)


def test_smoothing_is_what_keeps_a_fine_pattern_from_turning_into_a_coarse_one():
    checks = (np.indices((63, 63)).sum(0) % 2).astype(np.float32)
    smooth, sharp = (resize(checks, (21, 21), smooth=smooth) for smooth in (True, False))
    assert np.abs(smooth - 0.5)[3:-3, 3:-3].max() < 0.01  # beyond the edge, the last pixel goes on
    assert np.abs(sharp - 0.5).min() > 0.49


@settings(max_examples=20)
@given(tiny_shape, st.integers(1, 4), some_seed)
def test_a_label_of_a_multiple_size_repeats_each_pixel(shape, times, seed):
    label = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    larger = resize_label(label, (shape[0] * times, shape[1] * times), ordinal=False)
    assert np.array_equal(larger, label.repeat(times, axis=0).repeat(times, axis=1))


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.float32])
def test_an_image_of_the_right_size_is_only_converted(dtype):
    image = (drawn(1, (5, 6, 3)) * 60000).astype(dtype)
    resized = resize(image, (5, 6))
    assert resized.dtype == np.float32
    assert np.array_equal(resized, image)
    resized[:] = -1
    assert (image >= 0).all()


def test_values_are_kept_and_not_brought_to_unit_range():
    image = np.full((8, 8), 60000, np.uint16)
    assert (resize(image, (5, 11)) == 60000).all()


# --- labels ------------------------------------------------------------------------------------------------


def shares_of(mask, shape):
    """The part of each new pixel that a mask covers, pixel by pixel."""
    shares = np.zeros(shape)
    for (row, column), covered in np.ndenumerate(mask):
        for new_row, new_column in np.ndindex(shape):
            height, width = mask.shape[0] / shape[0], mask.shape[1] / shape[1]
            down = min(row + 1, (new_row + 1) * height) - max(row, new_row * height)
            across = min(column + 1, (new_column + 1) * width) - max(column, new_column * width)
            shares[new_row, new_column] += covered * max(down, 0) * max(across, 0) / (height * width)
    return shares


@given(tiny_shape, tiny_shape, some_seed)
def test_a_pixel_of_a_label_is_of_the_class_that_covers_most_of_it(shape, other, seed):
    label = np.random.default_rng(seed).choice(np.array([0, 1, 4, IGNORED], np.uint8), shape, p=(0.3, 0.3, 0.2, 0.2))
    ignored = shares_of(label == IGNORED, other)
    resized = resize_label(label, other, ordinal=False)
    assert (ignored[resized == IGNORED] > 0.5 - 1e-5).all()
    assert (ignored[resized != IGNORED] < 0.5 + 1e-5).all()
    largest = np.max([shares_of(label == index, other) for index in (0, 1, 4)], axis=0)
    for index in (0, 1, 4):
        assert (shares_of(label == index, other) >= largest - 1e-5)[resized == index].all()
    ordinal = resize_label(label, other, ordinal=True)
    for index in (1, 4):
        least = (shares_of((label >= index) & (label != IGNORED), other) - (1 - ignored) / 2)[ordinal != IGNORED]
        assert (least[ordinal[ordinal != IGNORED] >= index] > -1e-5).all()
        assert (least[ordinal[ordinal != IGNORED] < index] < 1e-5).all()


def test_thin_layers_stay_in_order_where_a_pixel_holds_several():
    column = np.repeat(np.arange(8, dtype=np.uint8), (9, 1, 1, 1, 1, 1, 1, 9))[:, None]
    resized = resize_label(np.repeat(column, 8, axis=1), (6, 2), ordinal=True)
    assert (np.diff(resized.astype(int), axis=0) >= 0).all()
    assert resized[2].tolist() == [1, 2]  # rows 8 to 12 are of the classes 0 to 3: half lies above class 2


# --- nothing is shifted ------------------------------------------------------------------------------------

POLICIES = {
    "half": ResizePolicy(scale=0.5),
    "five quarters": ResizePolicy(scale=1.25),
    "double": ResizePolicy(scale=2.0),
    "three quarters": ResizePolicy(scale=0.75),
    "longest": ResizePolicy(resize_mode="longest", size_px=50),
    "square": ResizePolicy(resize_mode="square", size_px=60),
    "field of view": ResizePolicy(resize_mode="field-of-view", size_px=56),
    "windows": ResizePolicy(scale=1.5, tile_px=48, stride=16, min_size=16),
    "as the authors": ResizePolicy(resize_mode="square", size_px=60, smooth=False),
}
SHAPES = [(40, 48), (45, 33)]


def edges_of(shape):
    """An image with an edge at each place of both axes: 1 behind it; with axis and place."""
    for axis in (0, 1):
        for place in range(shape[axis] + 1):
            image = np.zeros(shape, np.uint8)
            np.moveaxis(image, axis, 0)[place:] = 1
            yield image, axis, place


def shifts(shape, through):
    """The mean shift along each axis of all edges that are seen through a change."""
    differences = {0: [], 1: []}
    for image, axis, place in edges_of(shape):
        differences[axis].append(shape[axis] * (1 - through(image).mean(dtype=float)) - place)
    return [abs(np.mean(differences[axis])) for axis in (0, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_no_fit_shifts_an_image_or_its_label(policy, shape):
    place = policy.for_image(shape)

    def to_network(image):
        return place.crop(place.forward(image * np.float32(100))[None])[0] / 100

    def there_and_back(image):
        entered = place.forward(image)[None]
        return place.inverse(place.windows.merge((window, entered[:, *window]) for window in place.windows))[0]

    def label_to_network(label):
        return place.crop(place.forward_label(label, ordinal=True)[None])[0]

    def class_to_network(label):
        return place.crop(place.forward_label(label * 2, ordinal=False)[None])[0] / 2

    for through in (to_network, there_and_back, label_to_network, class_to_network):
        assert max(shifts(shape, through)) < 0.02


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_point_stays_where_it_is(policy, axis):
    """The centre of mass of a bright point, at the network's scale and back, over all places in the middle."""
    shape = (45, 40)
    place, distances = policy.for_image(shape), []
    for point in range(10, shape[axis] - 10):
        image = np.zeros(shape, np.float32)
        np.moveaxis(image, axis, 0)[point, shape[1 - axis] // 2] = 1
        entered = place.forward(image)[None]
        for seen in (place.crop(entered)[0], place.inverse(entered)[0]):
            profile = seen.sum(axis=1 - axis)
            centres = (np.arange(len(profile)) + 0.5) * shape[axis] / len(profile)
            distances.append(profile @ (centres - point - 0.5) / max(profile.sum(), 1e-6))
    assert abs(np.mean(distances)) < 0.02


@pytest.mark.parametrize(("shape", "new"), [((30, 28, 3), (56, 53)), ((30, 28, 3), (15, 20)), ((30, 28), (15, 32))])
def test_an_image_is_resized_as_scikit_image_does(shape, new):
    image = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    options = {"order": 1, "mode": "edge", "preserve_range": True, "anti_aliasing": new[0] < shape[0]}
    resized = resize(image, new)
    np.testing.assert_allclose(resized, transform.resize(image, (*new, *shape[2:]), **options), atol=1e-4)
    assert image.min() <= resized.min()
    assert resized.max() <= image.max()


def test_probabilities_stay_probabilities():
    image = np.random.default_rng(0).choice(np.float32([0, 1e-7, 0.1, 0.9999999, 1]), (60, 60))
    for side in range(61, 200, 7):
        resized = resize(image, (side, side + 3))
        assert resized.min() >= 0
        assert resized.max() <= 1
        assert (resize(np.ones((60, 60), np.float32), (side, side)) == 1).all()
