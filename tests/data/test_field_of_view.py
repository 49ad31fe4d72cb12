import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cenet.data.field_of_view import find_field_of_view, measure_diameter, measure_large_diameter
from cenet.data.io.read import read_image, read_region
from cenet.data.resampling import resize
from cenet.errors import CenetError
from cenet.phantoms.phantom import draw_fundus


def circle(shape, radius, centre=None):
    row, column = centre or ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(rows - row, columns - column) < radius


def photograph(inside, *, bright=170, dark=3, noise=6, seed=0):
    """An eye's light on a dark surround, with noise and two dark vessels across."""
    rng = np.random.default_rng(seed)
    light = np.where(inside, float(bright), float(dark))
    for share in (0.35, 0.6):
        row = int(share * inside.shape[0])
        light[row : row + max(inside.shape[0] // 60, 1)] *= 0.4
    shades = light[..., None] * [1, 0.6, 0.3] + rng.normal(0, noise, (*inside.shape, 3))
    return np.clip(shades, 0, 255).astype(np.uint8)


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


@given(st.integers(60, 200), st.floats(0.3, 0.49), st.integers(60, 250), st.integers(0, 9))
def test_the_circle_is_found_at_any_size_and_exposure(side, share, bright, seed):
    truth = circle((side, side + side // 4), share * side)
    region = find_field_of_view(photograph(truth, bright=bright, noise=2, seed=seed))
    assert overlap(region, truth) > 0.95


@pytest.mark.parametrize("factor", [0.5, 1, 2, 4])
def test_the_diameter_grows_with_the_photograph(factor):
    truth = circle((300, 360), 130)
    whole = photograph(truth)
    shape = tuple(int(side * factor) for side in truth.shape)
    scaled = np.asarray(Image.fromarray(whole).resize(shape[::-1]))
    assert measure_diameter(find_field_of_view(scaled)) == pytest.approx(260 * factor, rel=0.02)


def test_a_circle_cut_at_top_and_bottom_keeps_its_width():
    truth = circle((200, 300), 130)
    region = find_field_of_view(photograph(truth))
    assert overlap(region, truth) > 0.97
    assert measure_diameter(region) == pytest.approx(260, rel=0.02)


BLOB = circle((700, 900), 130, (200, 300)) | circle((700, 900), 150, (400, 650))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    "truth",
    [circle((700, 900), 300), circle((300, 360), 130), circle((500, 900), 330), BLOB, np.ones((600, 520), bool)],
    ids=["circle", "small", "cut", "no circle", "everywhere"],
)
def test_a_photograph_that_is_read_in_parts_has_the_same_diameter(truth, dtype):
    image = photograph(truth).astype(dtype) - (dtype == np.float32)
    assert measure_large_diameter(image) == measure_diameter(find_field_of_view(image))


@pytest.mark.parametrize(
    ("place", "value"), [((slice(5, 12), slice(5, 60)), 255), ((slice(140, 160), slice(20, 34)), 90)]
)
def test_text_in_the_surround_and_a_tab_at_the_rim_are_no_part_of_it(place, value):
    truth = circle((300, 360), 130)
    image = photograph(truth)
    image[place] = value
    assert overlap(find_field_of_view(image), truth) > 0.97


def test_a_photograph_without_a_dark_corner_is_eye_everywhere():
    rng = np.random.default_rng(0)
    ramp = np.linspace(90, 200, 120)[:, None, None] + rng.normal(0, 4, (120, 150, 3))
    assert find_field_of_view(ramp.astype(np.uint8)).all()


@pytest.mark.parametrize("depth", [np.uint8, np.uint16, np.float32])
def test_the_type_of_the_pixels_does_not_matter(depth):
    image = photograph(circle((150, 180), 70))
    scale = 1 / 255 if depth == np.float32 else np.iinfo(depth).max / 255
    assert overlap(find_field_of_view((image * scale).astype(depth)), find_field_of_view(image)) > 0.99


@pytest.mark.parametrize("level", [0, 7, 255])
def test_an_image_that_shows_nothing_is_an_error_that_names_it(level):
    with pytest.raises(CenetError) as error:
        find_field_of_view(np.full((64, 80, 3), level, np.uint8), name="eye.png")
    assert error.value.subject == "eye.png"


def test_a_speck_of_light_is_no_field_of_view():
    image = np.zeros((300, 300, 3), np.uint8)
    image[140:170, 140:170] = 200
    with pytest.raises(CenetError, match="hardly anything on it is bright"):
        find_field_of_view(image)


def test_that_of_a_drawn_eye_is_found():
    drawn = draw_fundus(0)
    assert overlap(find_field_of_view(drawn.image), drawn.region) > 0.97


def test_those_of_drive_agree_with_the_masks_that_come_with_it(data_set):
    photographs = sorted((data_set("DRIVE") / "training" / "images").glob("*.tif"))
    assert photographs
    for path in photographs:
        name = f"{path.stem}_mask.gif"
        truth = read_region(data_set("DRIVE") / "training" / "mask" / name)
        assert overlap(find_field_of_view(read_image(path)), truth) >= 0.97, path.name


@pytest.mark.parametrize("factor", [0.5, 2])
def test_those_of_drive_are_found_at_other_sizes(data_set, factor):
    path = sorted((data_set("DRIVE") / "training" / "images").glob("*.tif"))[0]
    image = read_image(path)
    shape = tuple(round(side * factor) for side in image.shape[:2])
    diameter = measure_diameter(find_field_of_view(resize(image, shape)))
    assert diameter == pytest.approx(factor * measure_diameter(find_field_of_view(image)), rel=0.01)


def test_a_region_without_pixels_has_no_diameter():
    assert measure_diameter(np.zeros((4, 5), bool)) == 0


def test_a_field_of_view_that_is_no_circle_is_found_by_its_hull():
    lobes = circle((500, 900), 130, (200, 250)) | circle((500, 900), 150, (260, 620))
    bridge = np.zeros_like(lobes)
    bridge[150:320, 250:620] = True
    truth = lobes | bridge
    region = find_field_of_view(photograph(truth))
    assert (region & truth).sum() > 0.98 * truth.sum()
    assert overlap(region, truth) > 0.8  # its hull is larger, as it is not convex
