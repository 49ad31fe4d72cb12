import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from cenet.data.io import write as pictures
from cenet.data.io.read import read_image, read_label
from cenet.data.io.write import class_colours, write_boundaries, write_mask, write_overlay, write_probability
from cenet.errors import CenetError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)


def refusal(write, path):
    """The one sentence that `write` answers with."""
    with pytest.raises(CenetError) as error:
        write(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "; " in message.removeprefix(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


# --- writing -------------------------------------------------------------------------------------------------


@given(hnp.arrays(np.uint8, (4, 5), elements=st.integers(0, 1)), st.booleans())
def test_a_binary_mask_is_grey_0_and_255(mask, boolean):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mask.png")
        write_mask(path, mask.astype(bool) if boolean else mask)
        with Image.open(path) as stored:
            assert stored.mode == "L"
            np.testing.assert_array_equal(np.asarray(stored), mask * 255)
        np.testing.assert_array_equal(read_label(path), mask * 255)


@given(
    st.integers(2, 256).flatmap(
        lambda n: st.tuples(st.just(n), hnp.arrays(np.uint8, (3, 5), elements=st.integers(0, n - 1)))
    )
)
def test_masks_are_read_back_as_they_were_written(drawn):
    num_classes, mask = drawn
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mask.png")
        write_mask(path, mask, num_classes=num_classes)
        np.testing.assert_array_equal(read_label(path), mask)
        with Image.open(path) as stored:
            assert stored.mode == "P"
        np.testing.assert_array_equal(read_image(path), class_colours(num_classes)[mask])


@pytest.mark.parametrize(
    ("mask", "num_classes"),
    [
        (GREY, 1),
        (GREY * 0 + 2, 1),
        (GREY * 0 + 2, 2),
        (RGB * 0, 1),
        (GREY * 0.5, 2),
        (GREY.astype(int) * 0 - 1, 3),
    ],
)
def test_a_mask_that_is_none_is_an_error_of_the_caller(tmp_path, mask, num_classes):
    with pytest.raises(ValueError, match="a mask must have"):
        write_mask(tmp_path / "mask.png", mask, num_classes=num_classes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(1, 4, 5), (2, 4, 5), (3, 4, 5), (4, 4, 5), (2, 4, 3), (2, 4, 4)])
def test_probabilities_are_one_page_per_class(tmp_path, shape):
    maps = RNG.random(shape)
    write_probability(tmp_path / "p.tif", maps)
    stored = tifffile.imread(tmp_path / "p.tif")
    assert (stored.dtype, stored.shape) == (np.float32, shape)
    np.testing.assert_array_equal(stored, maps.astype(np.float32))
    with Image.open(tmp_path / "p.tif") as pages:
        assert pages.n_frames == shape[0]
        for index, page in enumerate(maps.astype(np.float32)):
            pages.seek(index)
            assert pages.mode == "F"
            np.testing.assert_array_equal(np.asarray(pages), page)


@pytest.mark.parametrize("maps", [np.zeros((4, 5)), np.zeros((1, 2, 3, 4)), np.full((1, 2, 2), np.nan)])
def test_what_is_no_probability_map_is_an_error_of_the_caller(tmp_path, maps):
    with pytest.raises(ValueError, match="probabilities must be finite"):
        write_probability(tmp_path / "p.tif", maps)
    assert not list(tmp_path.iterdir())


WRITERS = {
    "mask.png": lambda path: write_mask(path, GREY * 0),
    "layers.png": lambda path: write_mask(path, GREY % 3, num_classes=3),
    "overlay.png": lambda path: write_overlay(path, RGB, GREY * 0),
    "probability.tif": lambda path: write_probability(path, GREY[None]),
}


@pytest.mark.parametrize("name", WRITERS)
def test_an_older_file_is_replaced_and_nothing_else_is_left(tmp_path, name):
    path = tmp_path / "new" / "folders" / name
    WRITERS[name](path)
    first = path.read_bytes()
    path.write_bytes(b"older")
    WRITERS[name](path)
    assert path.read_bytes() == first
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()], ids=repr
)
@pytest.mark.parametrize("place", ["replace", "encode"])
def test_a_failure_leaves_the_older_file_and_no_other(tmp_path, monkeypatch, name, failure, place):
    def fail(*_, **__):
        raise failure

    path = tmp_path / name
    path.write_bytes(b"older")
    for owner, method in [(Path, "replace")] if place == "replace" else [(Image.Image, "save"), (tifffile, "imwrite")]:
        monkeypatch.setattr(owner, method, fail)
    with pytest.raises(CenetError if isinstance(failure, OSError) else type(failure)) as error:
        WRITERS[name](path)
    if isinstance(failure, OSError):
        assert str(error.value) == (f"{path}: the file cannot be written (No space left on device); free some space")
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", WRITERS)
def test_a_place_that_cannot_be_written_is_reported(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / name).mkdir()
    for path in (tmp_path / "file" / name, tmp_path / "file" / "deeper" / name, tmp_path / name):
        assert "cannot be written" in refusal(WRITERS[name], path)
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "file", tmp_path / name])


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("suffix", ["", ".jpg", ".txt"])
def test_a_name_that_promises_another_format_is_refused(tmp_path, name, suffix):
    path = (tmp_path / name).with_suffix(suffix)
    assert f"must end in {Path(name).suffix}" in refusal(WRITERS[name], path)


# --- overlays ------------------------------------------------------------------------------------------------


def overlay(tmp_path, image, mask, **options):
    write_overlay(tmp_path / "overlay.png", image, np.array(mask, np.uint8), **options)
    with Image.open(tmp_path / "overlay.png") as written:
        assert written.mode == "RGB"
    return read_image(tmp_path / "overlay.png")


def test_without_a_mask_an_8_bit_image_is_shown_as_it_is(tmp_path):
    np.testing.assert_array_equal(overlay(tmp_path, RGB, GREY * 0), RGB)
    for channels in (1, 2, 4):
        array = np.repeat(GREY[..., None], channels, axis=2)
        array[..., 1:] = 0
        np.testing.assert_array_equal(overlay(tmp_path, array, GREY * 0), np.dstack([GREY] * 3))


def test_a_vessel_one_pixel_wide_has_the_full_colour(tmp_path):
    mask = np.eye(9, dtype=np.uint8)
    shown = overlay(tmp_path, np.full((9, 9, 3), 120, np.uint8), mask)
    assert (shown[mask == 1] == class_colours(2)[1]).all()
    assert (shown[mask == 0] == 120).all()


def test_an_area_is_tinted_inside_and_outlined(tmp_path):
    mask = np.zeros((9, 9), np.uint8)
    mask[2:7, 2:7] = 1
    shown = overlay(tmp_path, np.full((9, 9, 1), 100, np.uint8), mask).astype(int)
    assert (shown[2, 2:7] == class_colours(2)[1]).all()
    inside = np.rint(0.6 * 100 + 0.4 * class_colours(2)[1].astype(float))
    assert (shown[3:6, 3:6] == inside).all()
    assert (shown[mask == 0] == 100).all()


def test_the_border_of_the_image_is_no_outline(tmp_path):
    shown = overlay(tmp_path, np.zeros((4, 5, 1), np.uint8), np.ones((4, 5)))
    assert (shown == np.rint(0.4 * class_colours(2)[1])).all()


def test_every_class_has_its_colour_and_neighbours_are_outlined(tmp_path):
    mask = np.repeat([[0, 1, 2, 5]], 3, axis=0)
    np.testing.assert_array_equal(overlay(tmp_path, np.zeros((3, 4, 1), np.uint8), mask), class_colours(6)[mask])


def test_with_a_label_right_false_and_missed_differ(tmp_path):
    mask = np.array([[0, 1, 1, 0]], np.uint8)
    label = np.array([[0, 1, 0, 1]], np.uint8)
    nothing, right, false, missed = overlay(tmp_path, np.zeros((1, 4, 3), np.uint8), mask, label=label)[0].tolist()
    assert nothing == [0, 0, 0]
    assert np.argmax(right) == 1
    assert np.argmax(false) == 0
    assert np.argmax(missed) == 2


def test_the_colours_of_a_comparison_are_seen_on_a_fundus_and_on_grey(tmp_path):
    from skimage.color import rgb2lab

    mask, label = np.array([[1, 1, 0]], np.uint8), np.array([[1, 0, 1]], np.uint8)
    drawn = overlay(tmp_path, np.zeros((1, 3, 3), np.uint8), mask, label=label)
    grounds = np.array([[(255, 120, 60), (170, 70, 50), (0, 0, 0), (128, 128, 128), (255, 255, 255)]], np.uint8)
    apart = np.linalg.norm(rgb2lab(drawn)[0][:, None] - rgb2lab(grounds)[0][None], axis=-1)
    assert apart.min() > 35
    square, wrong = np.ones((5, 5), np.uint8), np.zeros((5, 5), np.uint8)
    for ground in ((200, 90, 40), (150, 50, 30), (90, 25, 15), (60, 60, 60), (128, 128, 128), (200, 200, 200)):
        image = np.full((5, 5, 3), ground, np.uint8)
        for drawn in (overlay(tmp_path, image, square, label=wrong), overlay(tmp_path, image, wrong, label=square)):
            tint = np.stack([drawn[2, 2], image[2, 2]])[None]
            assert np.linalg.norm(np.diff(rgb2lab(tint)[0], axis=0)) > 30


def test_a_wrong_class_is_shown_as_false(tmp_path):
    shown = overlay(tmp_path, np.zeros((1, 3, 1), np.uint8), [[1, 2, 1]], label=np.array([[2, 2, 0]]))[0].tolist()
    assert shown[0] == shown[2]
    assert shown[0] != shown[1]


@pytest.mark.parametrize("mask", [0, 1])
def test_where_the_truth_is_unannotated_nothing_is_shown(tmp_path, mask):
    label = np.array([[1, 255, 255, 0, 255]], np.uint8)
    shown = overlay(tmp_path, RGB[:1, :5], np.full((1, 5), mask), label=label)
    np.testing.assert_array_equal(shown[0, [1, 2, 4]], RGB[0, [1, 2, 4]])
    assert (shown[0, 0] != RGB[0, 0]).any()
    assert (shown[0, 3] != RGB[0, 3]).any() == bool(mask)


def test_classes_are_drawn_in_the_colours_they_are_given(tmp_path):
    mask = np.repeat([[0, 1, 2, 3]], 3, axis=0)
    shown = overlay(tmp_path, np.zeros((3, 4, 1), np.uint8), mask, colours=("#ff0080", "#0A141e"))
    assert shown[0].tolist() == [[0, 0, 0], [255, 0, 128], [10, 20, 30], class_colours(4)[3].tolist()]


def test_an_overlay_on_the_screen_is_the_one_in_the_file(tmp_path):
    mask, label = GREY % 3, GREY % 2
    for options in ({}, {"label": label}, {"colours": ("#123456",)}):
        np.testing.assert_array_equal(pictures.overlay(RGB, mask, **options), overlay(tmp_path, RGB, mask, **options))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_other_than_8_bits_is_stretched_between_percentiles(tmp_path, dtype):
    image = np.linspace(1000, 3000, 101 * 11).reshape(101, 11, 1).astype(dtype)
    image[0, 0], image[-1, -1] = 0, 60000
    shown = overlay(tmp_path, image, np.zeros((101, 11)))[..., 0].astype(int)
    assert shown[0, 0] == 0
    assert shown[-1, -1] == 255
    low, high = np.percentile(image, (0.5, 99.5))
    expected = 255 * np.clip((image[..., 0].astype(float) - low) / (high - low), 0, 1)
    assert np.abs(shown - expected).max() <= 0.51


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_a_flat_image_can_be_shown(tmp_path, value):
    shown = overlay(tmp_path, np.full((4, 5, 3), value, np.uint16), np.zeros((4, 5)))
    assert len(np.unique(shown)) == 1


def test_an_overlay_of_arrays_that_do_not_fit_is_an_error_of_the_caller(tmp_path):
    for image, mask, label in (
        (RGB, GREY[:5] * 0, None),
        (RGB, GREY * 0, GREY[:, :5] * 0),
        (RGB, RGB * 0, None),
    ):
        with pytest.raises(ValueError, match=r"shape|mask"):
            write_overlay(tmp_path / "a.png", image, mask, label=label)
    assert not list(tmp_path.iterdir())


# --- colours --------------------------------------------------------------------------------------------------


def test_the_colours_of_256_classes_differ():
    colours = class_colours(256)
    assert colours.dtype == np.uint8
    assert len(np.unique(colours, axis=0)) == 256
    assert colours[0].tolist() == [0, 0, 0]


def test_the_first_twenty_colours_are_far_apart_for_the_eye():
    from skimage.color import rgb2lab

    lab = rgb2lab(class_colours(21)[None])[0]
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    assert apart[~np.eye(21, dtype=bool)].min() > 30


@given(st.integers(1, 255))
def test_more_classes_keep_the_colours_of_fewer(num_classes):
    np.testing.assert_array_equal(class_colours(num_classes), class_colours(256)[:num_classes])


def test_given_colours_go_before_the_others_and_black_stays():
    colours = class_colours(5, ("#ffffff", "#000102"))
    assert colours[:3].tolist() == [[0, 0, 0], [255, 255, 255], [0, 1, 2]]
    np.testing.assert_array_equal(colours[3:], class_colours(5)[3:])


def test_a_mask_is_written_in_the_colours_it_is_given(tmp_path):
    mask = GREY % 3
    write_mask(tmp_path / "mask.png", mask, num_classes=3, colours=("#ff0000", "#00ff00"))
    np.testing.assert_array_equal(read_label(tmp_path / "mask.png"), mask)
    np.testing.assert_array_equal(read_image(tmp_path / "mask.png")[mask == 1], [[255, 0, 0]] * (mask == 1).sum())
    np.testing.assert_array_equal(read_image(tmp_path / "mask.png")[mask == 2], [[0, 255, 0]] * (mask == 2).sum())


def test_boundaries_are_rows_of_a_float_array(tmp_path):
    rows = np.sort(np.random.default_rng(0).random((3, 20)) * 50, axis=0)
    write_boundaries(tmp_path / "eye_boundaries.npy", rows)
    boundaries = np.load(tmp_path / "eye_boundaries.npy", allow_pickle=False)
    assert boundaries.dtype == np.float32
    np.testing.assert_allclose(boundaries, rows, rtol=1e-6)
