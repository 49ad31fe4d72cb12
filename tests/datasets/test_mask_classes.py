"""What the values of masks mean: one class or several, decided for all masks together."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from cenet.data.io.write import write_mask
from cenet.datasets.mask_classes import MaskClasses, find_mask_classes
from cenet.errors import CenetError

DISC = np.hypot(*np.mgrid[-30:30, -30:30]) < 20
BLURRED = np.rint(255 * ndimage.gaussian_filter(DISC.astype(float), 1)).astype(np.uint8)


@pytest.fixture
def masks(tmp_path):
    """Saves masks, each as the values that it holds."""

    def save(*values, palette=False, ending="png"):
        paths = []
        for number, held in enumerate(values):
            image = Image.fromarray(np.atleast_2d(np.asarray(held)))
            if palette:
                image.putpalette(np.random.default_rng(1).integers(0, 256, 768, np.uint8).tobytes())
            paths.append(tmp_path / f"{number}.{ending}")
            image.save(paths[-1])
        return paths

    return save


def held(*values):
    return np.array(values, np.uint8)


@pytest.mark.parametrize("values", [[0, 1], [0, 2], [0, 77], [0, 255], [255], [7], [0]])
def test_one_value_beside_zero_is_one_class(masks, values):
    (path,) = masks(held(*values))
    classes = find_mask_classes([path])
    assert classes.count == 1
    assert classes.read(path).tolist() == [[int(value > 0) for value in values]]


def test_a_full_mask_of_16_bits_is_one_class(masks):
    (path,) = masks(np.full((3, 3), 65535, np.uint16))
    assert find_mask_classes([path]).read(path).tolist() == [[1] * 3] * 3


def test_classes_are_those_of_all_masks_together(masks):
    paths = masks(held(0, 5), held(0, 1), held(0, 2, 3))
    classes = find_mask_classes(paths)
    assert classes == MaskClasses(5)
    assert [classes.read(path).max() for path in paths] == [5, 1, 3]


@pytest.mark.parametrize("values", [[0, 5], [5], [0, 1, 200]])
def test_a_palette_holds_indices(masks, values):
    (path,) = masks(held(*values), palette=True)
    classes = find_mask_classes([path])
    assert classes.count == max(values)
    assert classes.read(path).tolist() == [values]


def test_a_palette_of_grey_may_hold_black_and_white(masks, tmp_path):
    Image.fromarray(held(0, 255)[None]).convert("P").save(tmp_path / "grey.png")
    assert find_mask_classes([tmp_path / "grey.png"]) == MaskClasses(1, 0.0)


def test_an_empty_mask_with_a_palette_is_of_one_class(tmp_path):
    write_mask(tmp_path / "a.png", np.zeros((3, 3), np.uint8), num_classes=3)
    assert find_mask_classes([tmp_path / "a.png"]).count == 1


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_smoothed_edges_are_cut_in_the_middle(masks, ending):
    smoothed, full, empty = masks(BLURRED, np.full((9, 9), 255, np.uint8), np.zeros((9, 9), np.uint8), ending=ending)
    classes = find_mask_classes([smoothed, full, empty])
    assert classes == MaskClasses(1, 127.5)
    assert (classes.read(smoothed) == DISC).mean() > 0.995
    assert (classes.read(full).min(), classes.read(empty).max()) == (1, 0)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([held(0, 128, 255)], "0, 128, 255"),
        ([held(0, 5, 10)], "0, 5, 10"),
        ([np.arange(34, dtype=np.uint8)], "0, 1, 2"),
        ([np.arange(256, dtype=np.uint8)], "0, 1, 2"),
        ([held(0, 1), held(0, 255)], "0, 1, 255"),
        ([np.array([[0, -1]], np.int32)], "-1, 0"),
        ([np.array([[0, 0.25, 0.5]], np.float32)], "0, 0.25, 0.5"),
        ([np.random.default_rng(2).integers(0, 256, (40, 40), np.uint8)], "0, 1, 2"),
        ([np.array([[[255, 0, 0], [0, 0, 0]]], np.uint8)], "#ff0000"),
    ],
)
def test_what_is_neither_one_class_nor_indices_is_refused_with_its_values(masks, values, shown):
    paths = masks(*values, ending="png" if values[0].dtype == np.uint8 else "tif")
    with pytest.raises(CenetError) as caught:
        find_mask_classes(paths)
    assert shown in caught.value.cause


def test_unannotated_pixels_are_no_class(masks):
    with pytest.raises(CenetError, match="0, 1, 255"):
        find_mask_classes(masks(held(0, 1, 255), palette=True))


def test_a_cup_without_a_rim_is_a_cup(masks):
    paths = masks(held(0, 2))
    assert find_mask_classes(paths, nested=True) == MaskClasses(2)
    assert find_mask_classes(masks(held(0, 255)), nested=True).count == 1
    assert find_mask_classes(masks(held(0, 1)), nested=True).count == 1
