"""How an image meets the network, against plain loops; and that the way back leads back."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cenet.data.labels.inspect import IGNORED
from cenet.data.preprocessing import ResizePolicy
from cenet.data.resampling import resize

some_shape = st.tuples(st.integers(1, 70), st.integers(1, 70))
some_seed = st.integers(0, 2**32)
FITS = ("native", "longest", "square")


@st.composite
def geometries(draw, *, only_native=False):
    stride = draw(st.sampled_from([1, 4, 16]))
    return ResizePolicy(
        resize_mode="native" if only_native else draw(st.sampled_from(FITS)),
        scale=1.0 if only_native else draw(st.floats(0.2, 3)),
        size_px=draw(st.integers(8, 90)),
        tile_px=draw(st.integers(8, 64)),
        stride=stride,
        min_size=stride * draw(st.integers(1, 3)),
        smooth=draw(st.booleans()),
    )


def drawn(seed, shape):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


# --- there and back ----------------------------------------------------------------------------------------


@given(geometries(), some_shape, st.integers(1, 3))
def test_whatever_enters_leaves_with_its_own_shape(geometry, shape, channels):
    place = geometry.for_image(shape)
    entered = place.forward(np.zeros((*shape, channels), np.uint8))
    assert entered.shape == (place.height, place.width, channels)
    assert place.forward(np.zeros(shape, np.uint16)).shape == (place.height, place.width)
    left = place.inverse(np.moveaxis(entered, -1, 0))
    assert (left.shape, left.dtype) == ((channels, *shape), np.float32)


@given(geometries(only_native=True), some_shape, some_seed)
def test_at_its_own_scale_an_image_comes_back_as_it_was(geometry, shape, seed):
    image, place = drawn(seed, (*shape, 2)), geometry.for_image(shape)
    assert np.array_equal(place.inverse(np.moveaxis(place.forward(image), -1, 0)), np.moveaxis(image, -1, 0))


@given(geometries(), some_shape, st.floats(0, 65535, width=32))
def test_a_constant_image_stays_constant(geometry, shape, value):
    place = geometry.for_image(shape)
    entered = place.forward(np.full(shape, value, np.float32))
    np.testing.assert_allclose(entered, value, rtol=1e-5)
    np.testing.assert_allclose(place.inverse(entered[None]), value, rtol=1e-5)


@given(geometries(), some_shape, some_seed)
def test_probabilities_leave_as_probabilities(geometry, shape, seed):
    place = geometry.for_image(shape)
    left = place.inverse(drawn(seed, (2, place.height, place.width)))
    assert left.min() >= 0
    assert left.max() <= 1


def test_a_smooth_image_survives_a_change_of_scale():
    rows, columns = np.mgrid[:90, :130] / 20
    image = (np.sin(rows) * np.cos(columns)).astype(np.float32)
    for fit in FITS:
        for smooth in (True, False):
            place = ResizePolicy(
                resize_mode=fit, scale=0.6, size_px=75, stride=16, min_size=16, smooth=smooth
            ).for_image(image.shape)
            assert np.abs(place.inverse(place.forward(image)[None])[0] - image).max() < 0.05


@given(some_shape, st.floats(0.1, 4), st.integers(4, 90))
def test_the_size_follows_the_recipe(shape, scale, size_px):
    inner = {fit: ResizePolicy(resize_mode=fit, scale=scale, size_px=size_px).for_image(shape).inner for fit in FITS}
    assert inner["native"] == tuple(max(round(side * scale), 1) for side in shape)
    assert inner["longest"] == tuple(max(round(side * size_px / max(shape)), 1) for side in shape)
    assert max(inner["longest"]) == size_px
    assert inner["square"] == (size_px, size_px)


@given(geometries(), some_shape)
def test_the_network_meets_the_smallest_legal_size(geometry, shape):
    place = geometry.for_image(shape)
    for side, inner in ((place.height, place.inner[0]), (place.width, place.inner[1])):
        assert side % geometry.stride == 0
        assert side >= max(inner, geometry.min_size)
        assert side - geometry.stride < max(inner, geometry.min_size)


def test_the_padding_mirrors_the_image_and_is_even_on_both_sides():
    image = np.arange(12.0).reshape(3, 4)
    place = ResizePolicy(stride=8, min_size=8).for_image((3, 4))
    rows, columns = [1, 0, 0, 1, 2, 2, 1, 0], [1, 0, 0, 1, 2, 3, 3, 2]
    assert np.array_equal(place.forward(image), image[np.ix_(rows, columns)])


@given(geometries(), some_shape, some_seed)
def test_a_crop_is_the_resized_image(geometry, shape, seed):
    image, place = drawn(seed, shape), geometry.for_image(shape)
    resized = resize(image, place.inner, smooth=geometry.smooth)
    assert np.array_equal(place.crop(place.forward(image)[None])[0], resized)


# --- what enters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smooth", [True, False])
def test_the_recipe_says_whether_an_image_is_smoothed(smooth):
    image = drawn(0, (60, 60))
    entered = ResizePolicy(scale=0.3, stride=1, min_size=1, smooth=smooth).for_image((60, 60)).forward(image)
    assert np.array_equal(entered, resize(image, (18, 18), smooth=smooth))
    assert not np.array_equal(entered, resize(image, (18, 18), smooth=not smooth))


@given(geometries(), some_shape, some_seed)
def test_a_label_keeps_its_values(geometry, shape, seed):
    label = np.random.default_rng(seed).choice(np.array([0, 3, 250, IGNORED], np.uint8), shape)
    for ordinal in (False, True):
        entered = geometry.for_image(shape).forward_label(label, ordinal=ordinal)
        assert set(np.unique(entered)) <= set(np.unique(label))


# --- windows -----------------------------------------------------------------------------------------------

some_large_shape = st.tuples(st.integers(1, 400), st.integers(1, 400))
at_its_size = geometries(only_native=True)


@given(at_its_size, some_large_shape)
def test_the_windows_are_legal_and_cover_every_pixel(geometry, shape):
    place = geometry.for_image(shape)
    covered = np.zeros((place.height, place.width), bool)
    for window in place.windows:
        covered[window] = True
        for part, side in zip(window, covered.shape, strict=True):
            length = part.stop - part.start
            assert 0 <= part.start < part.stop <= side
            assert length % geometry.stride == 0
            assert geometry.min_size <= length <= max(geometry.tile_px, geometry.min_size)
    assert covered.all()


@given(at_its_size, some_large_shape)
def test_windows_overlap_by_a_quarter_or_more_and_none_is_needless(geometry, shape):
    place = geometry.for_image(shape)
    windows = list(place.windows)
    assert len(set(map(str, windows))) == len(windows)
    for axis, side in enumerate((place.height, place.width)):
        starts = sorted({window[axis].start for window in windows})
        assert all(now + place.window - after >= place.window / 4 for now, after in pairwise(starts))
        assert (starts[0], windows[-1][axis].stop) == (0, side)
        fewer = len(starts) - 1
        assert fewer == 0 or (fewer - 1) * (place.window * 3 // 4) + place.window < side


@given(at_its_size, some_large_shape, st.integers(1, 3), some_seed)
def test_the_blend_of_an_images_own_windows_is_the_image(geometry, shape, channels, seed):
    place = geometry.for_image(shape)
    image = drawn(seed, (channels, place.height, place.width))
    blended = place.windows.merge((window, image[:, *window]) for window in place.windows)
    assert blended.dtype == np.float32
    assert np.array_equal(blended, image)


@given(at_its_size, some_large_shape, st.integers(1, 3), some_seed)
def test_a_pixelwise_network_answers_in_windows_as_on_the_whole_image(geometry, shape, channels, seed):
    image, place = drawn(seed, (*shape, channels)), geometry.for_image(shape)
    entered = np.moveaxis(place.forward(image), -1, 0)
    answers = ((window, entered[:, *window] ** 2) for window in place.windows)
    assert np.array_equal(place.inverse(place.windows.merge(answers)), np.moveaxis(image**2, -1, 0))


@given(at_its_size, some_large_shape, some_seed)
def test_bands_follow_each_other_and_are_no_higher_than_a_window(geometry, shape, seed):
    place = geometry.for_image(shape)
    image = drawn(seed, (2, place.height, place.width))
    end = 0
    for rows, band in place.windows.merge_bands((window, image[:, *window]) for window in place.windows):
        assert rows.start == end
        assert 0 < rows.stop - rows.start <= place.window
        assert np.array_equal(band, image[:, rows])
        end = rows.stop
    assert end == place.height


def test_where_windows_overlap_the_nearer_middle_counts_more():
    place = ResizePolicy(tile_px=64, stride=16, min_size=16).for_image((16, 112))
    left, right = place.windows
    assert (left[1], right[1]) == (slice(0, 64), slice(48, 112))
    ones = np.ones((1, 16, 64), np.float32)
    row = place.windows.merge(iter([(left, 0 * ones), (right, ones)]))[0, 0]
    assert (row[:48] == 0).all()
    assert (row[64:] == 1).all()
    np.testing.assert_allclose(row[48:64], np.arange(1, 17) / 17, rtol=1e-5)


# --- a square around something -----------------------------------------------------------------------------


AROUND = ResizePolicy(resize_mode="square", size_px=64, around=0.5, stride=16, min_size=32)


def test_a_square_is_as_wide_as_its_share_of_the_diameter_and_lies_around_its_centre():
    place = AROUND.for_image((200, 300), diameter=160, centre=(100, 120))
    assert place.box == (60, 80, 80)
    assert (place.inner, place.height, place.width) == ((64, 64), 64, 64)


def test_without_a_diameter_or_a_centre_it_is_the_shorter_side_and_the_middle():
    assert AROUND.for_image((200, 300)).box == (50, 100, 100)


@given(st.integers(40, 90), st.integers(40, 90), st.integers(-10, 100), st.integers(-10, 100), st.integers(0, 9))
def test_a_box_that_leaves_the_image_keeps_what_it_shares_in_its_place(height, width, row, column, seed):
    image = drawn(seed, (height, width))
    place = ResizePolicy(resize_mode="square", size_px=40, around=1, stride=8, min_size=8).for_image(
        (height, width), diameter=40, centre=(min(row, height), min(column, width))
    )
    top, left, side = place.box
    assert side == 40
    back = place.inverse(place.forward(image)[None])[0]
    inside = np.zeros((height, width), bool)
    inside[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = True
    np.testing.assert_allclose(back[inside], image[inside], atol=1e-4)
    assert not back[~inside].any()


def test_beyond_the_image_its_border_is_repeated_and_labels_are_empty():
    image = np.arange(1, 101, dtype=np.uint8).reshape(10, 10)
    place = ResizePolicy(resize_mode="square", size_px=8, around=1, stride=8, min_size=8).for_image(
        (10, 10), diameter=8, centre=(0, 0)
    )
    assert place.box == (-4, -4, 8)
    assert (place.forward(image)[:4, :4] == 1).all()
    label = place.forward_label(image, ordinal=True)
    assert not label[:4].any()
    assert not label[:, :4].any()
    assert (label[4:, 4:] == image[:4, :4]).all()


# --- parts of an image ---------------------------------------------------------------------------------------


class Parts:
    """An image of which only parts can be read."""

    def __init__(self, image):
        self.image, self.shape, self.dtype = image, image.shape, image.dtype

    def __getitem__(self, part):
        rows, columns = part
        assert 0 <= rows.start < rows.stop <= self.shape[0]
        assert 0 <= columns.start < columns.stop <= self.shape[1]
        return self.image[part]


@settings(max_examples=30)
@given(geometries(), some_shape, st.integers(1, 3), some_seed)
def test_each_window_is_read_from_parts_of_the_image_as_from_the_whole(geometry, shape, channels, seed):
    image, place = drawn(seed, (*shape, channels)), geometry.for_image(shape)
    entered = place.forward(image)
    for source in (image, Parts(image)):
        windows = list(place.iterate_windows(source))
        assert [window for window, _ in windows] == list(place.windows)
        assert all(np.array_equal(pixels, entered[window]) for window, pixels in windows)


def test_the_clip_holds_for_parts_of_an_image_too():
    image = (drawn(0, (90, 70, 1)) * 3000).astype(np.uint16)
    place = ResizePolicy(scale=0.5, tile_px=16, stride=8, min_size=8, clip=(500.0, 1000.0)).for_image((90, 70))
    entered = place.forward(image)
    assert all(np.array_equal(pixels, entered[window]) for window, pixels in place.iterate_windows(Parts(image)))


@settings(max_examples=30)
@given(geometries(), st.tuples(st.integers(1, 600), st.integers(1, 40)), st.integers(1, 3), some_seed)
def test_an_answer_is_put_back_band_by_band_as_it_is_at_once(geometry, shape, maps, seed):
    place = geometry.for_image(shape)
    answer = drawn(seed, (maps, place.height, place.width))
    bands = list(
        place.inverse_bands(place.windows.merge_bands((window, answer[:, *window]) for window in place.windows))
    )
    assert [rows.start for rows, _ in bands] == [0, *(rows.stop for rows, _ in bands[:-1])]
    assert bands[-1][0].stop == shape[0]
    assert np.array_equal(np.concatenate([band for _, band in bands], axis=1), place.inverse(answer))


def test_a_square_is_cut_out_of_an_image_in_memory_only():
    image = drawn(0, (200, 300, 3))
    place = AROUND.for_image((200, 300), diameter=160, centre=(100, 120))
    ((window, pixels),) = place.iterate_windows(image)
    assert np.array_equal(pixels, place.forward(image)[window])
    with pytest.raises(ValueError, match="in memory only"):
        next(place.iterate_windows(Parts(image)))


@pytest.mark.parametrize("factor", [0.5, 1, 2, 4])
def test_eyes_of_every_size_have_one_diameter_before_the_network(factor):
    shape = (round(240 * factor), round(320 * factor))
    place = ResizePolicy(resize_mode="field-of-view", size_px=100).for_image(shape, diameter=200 * factor)
    assert place.inner == (120, 160)
    assert place.inverse(np.ones((1, place.height, place.width), np.float32)).shape == (1, *shape)


def test_it_is_known_which_geometries_have_to_measure_the_eye():
    assert AROUND.needs_field_of_view
    assert ResizePolicy(resize_mode="field-of-view").needs_field_of_view
    assert not ResizePolicy(resize_mode="square").needs_field_of_view


def test_values_beyond_the_clip_become_its_ends_before_the_image_is_resized():
    image = np.array([[-3000.0, -500.0], [0.0, 3000.0]], np.float32)[..., None]
    policy = ResizePolicy(stride=1, min_size=1, clip=(-1024.0, 600.0))
    assert policy.for_image((2, 2)).forward(image)[..., 0].tolist() == [[-1024.0, -500.0], [0.0, 600.0]]
    half = ResizePolicy(stride=1, min_size=1, scale=0.5, clip=(-1024.0, 600.0)).for_image((2, 2)).forward(image)
    assert half.min() >= -1024.0
