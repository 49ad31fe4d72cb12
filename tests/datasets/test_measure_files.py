"""Masks in files, as `cenet measure` reads them and writes what it measured."""

import csv

import numpy as np
import pytest
import tifffile
from PIL import Image

from cenet.datasets.measure_files import measure_files
from cenet.errors import CenetError


def save(path, values):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path)
    return path


@pytest.fixture
def masks(tmp_path):
    mask = np.zeros((20, 30), np.uint8)
    mask[4:8, 2:12] = mask[12:16, 18:28] = 255
    for name in ("a_mask.png", "a_overlay.png", "b_mask.png"):
        save(tmp_path / "masks" / name, mask)
    return tmp_path / "masks"


def test_a_folder_of_predictions_becomes_a_row_for_each_mask(cenet, masks, tmp_path):
    table = tmp_path / "areas.csv"
    assert cenet("measure", masks, "--pixel-size", "0.5mm", "--output", table) == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["mask"] for row in rows] == ["a_mask.png", "b_mask.png"]
    assert (rows[0]["area_px"], rows[0]["area_mm2"], rows[0]["pieces_count"]) == ("80", "20", "2")
    assert cenet("measure", masks, "--output", table) == 1  # it is never replaced unasked
    assert cenet("measure", masks, "--output", table, "--overwrite", "--task", "lung") == 0
    assert next(csv.DictReader(table.read_text().splitlines()))["left_in_image_area_px"] == "40"


def test_vessels_are_measured_in_the_field_of_view_of_their_image(masks):
    image = np.full((20, 30, 3), 90, np.uint8)
    image[0, 0] = 200
    for name in "ab":
        save(masks.parent / "photos" / f"{name}.png", image)
    row = measure_files([masks], "vessels", images=masks.parent / "photos")[0]
    assert row["density_ratio"] == pytest.approx(80 / 600)
    assert np.isnan(measure_files([masks], "vessels")[0]["density_ratio"])
    with pytest.raises(CenetError):
        measure_files([masks], "vessels", images=masks)


@pytest.mark.parametrize(
    ("image_dpi", "mask_dpi", "expected"), [(2540, 1270, 10), (None, 1270, 20), (None, None, None)]
)
def test_the_size_of_a_pixel_is_that_of_the_image_or_else_of_the_mask(tmp_path, image_dpi, mask_dpi, expected):
    for path, dpi in ((tmp_path / "photos" / "a.png", image_dpi), (tmp_path / "a_mask.png", mask_dpi)):
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.eye(20, dtype=np.uint8)).save(path, **({"dpi": (dpi, dpi)} if dpi else {}))
    (row,) = measure_files([tmp_path / "a_mask.png"], "area", images=tmp_path / "photos")
    assert row["pixel_size"] == (f"{expected} µm" if expected else "")
    assert row.get("area_mm2") == (pytest.approx(20 * (expected / 1000) ** 2, rel=1e-3) if expected else None)


def test_an_image_of_another_size_does_not_lend_its_pixels(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.eye(40, dtype=np.uint8)).save(tmp_path / "photos" / "a.png", dpi=(2540, 2540))
    mask = save(tmp_path / "a_mask.png", np.eye(20))
    with pytest.raises(CenetError, match="where its mask is"):
        measure_files([mask], "area", images=tmp_path / "photos")


def test_a_size_without_unit_is_refused(cenet, masks, tmp_path):
    assert cenet("measure", masks, "--pixel-size", "7.5", "--output", tmp_path / "t.csv") == 1
    assert not (tmp_path / "t.csv").exists()


def test_the_classes_of_a_disc_and_of_layers_have_names(tmp_path):
    disc = save(tmp_path / "disc.png", np.pad(np.pad([[2]], 1, constant_values=1), 3))
    (row,) = measure_files([disc], "disc")
    assert row["disc_area_px"] == 9
    layers = save(tmp_path / "layers.png", np.repeat([0, 1, 1, 2, 2, 2, 3], 4).reshape(7, 4))
    (row,) = measure_files([layers], "layers")
    assert row["thickness_layer_1_px"] == 2


@pytest.mark.parametrize("value", [1, 255])
def test_masks_of_a_disc_alone_have_no_ratio(tmp_path, value):
    alone = save(tmp_path / "alone.png", np.pad(np.full((4, 4), value), 3))
    (row,) = measure_files([alone], "disc")
    assert row["disc_area_px"] == 16
    assert not any("cup" in name for name in row)
    if value == 1:  # beside a mask with a cup it is one without
        both = save(tmp_path / "both.png", np.pad(np.pad([[2]], 1, constant_values=1), 3))
        ratios = [row["cup_to_disc_vertical_ratio"] for row in measure_files([alone, both], "disc")]
        assert ratios == [0, pytest.approx(1 / 3)]


def test_what_cannot_be_measured_is_refused(masks, tmp_path):
    with pytest.raises(CenetError, match="no mask is named"):
        measure_files([], "area")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CenetError, match="holds no mask"):
        measure_files([tmp_path / "empty"], "area")
    with pytest.raises(CenetError, match="hold 3 classes"):
        measure_files([save(tmp_path / "disc.png", [[0, 1, 2, 3]])], "disc")
    for name in "ab":
        save(tmp_path / "photos" / f"{name}.png", np.zeros((9, 9, 3)))
    with pytest.raises(CenetError) as caught:
        measure_files([masks], "vessels", images=tmp_path / "photos")
    assert caught.value.subject == str(tmp_path / "photos" / "a.png")


def test_the_columns_of_a_class_are_the_same_in_every_row(tmp_path):
    masks = [save(tmp_path / f"{n}.png", [values]) for n, values in enumerate(([0, 5, 5], [0, 1, 0], [0, 2, 4]))]
    rows = measure_files(masks, "area")
    assert [row.keys() for row in rows] == [rows[0].keys()] * 3
    assert [row["area_class_5_px"] for row in rows] == [2, 0, 0]
    assert [row["area_class_1_px"] for row in rows] == [0, 1, 0]


def test_a_mask_without_its_deepest_class_keeps_its_layers(tmp_path):
    whole = save(tmp_path / "a.png", np.repeat([0, 1, 1, 2, 2, 2, 3], 4).reshape(7, 4))
    cut = save(tmp_path / "b.png", np.repeat([0, 1, 1, 2, 2, 2], 4).reshape(6, 4))
    for row in measure_files([whole, cut], "layers"):
        assert (row["thickness_layer_1_px"], row["thickness_layer_2_px"]) == (2, 3)


def test_a_mask_of_one_class_has_no_layers(cenet, masks, tmp_path, capsys):
    assert cenet("measure", masks, "--task", "oct", "--output", tmp_path / "t.csv") == 1
    assert "has one class, and layers have two or more" in capsys.readouterr().err
    assert not (tmp_path / "t.csv").exists()


def test_pages_are_measured_in_the_field_of_view_of_their_stack(tmp_path):
    circle = np.where(np.hypot(*np.mgrid[-50:50, -50:50]) < 40, 180, 4)
    stack = np.stack([np.mgrid[90:190, :100][0], circle]).astype(np.uint8)
    (tmp_path / "photos").mkdir()
    tifffile.imwrite(tmp_path / "photos" / "s.tif", stack, photometric="minisblack")
    mask = np.zeros((100, 100), np.uint8)
    mask[48:52, 40:60] = 255
    for page in (0, 1):
        save(tmp_path / "masks" / f"s-0{page}_mask.png", mask)
    rows = measure_files([tmp_path / "masks"], "vessels", images=tmp_path / "photos")
    assert [row["mask"] for row in rows] == ["s-00_mask.png", "s-01_mask.png"]
    assert rows[0]["density_ratio"] == pytest.approx(80 / 100**2)
    assert rows[1]["density_ratio"] == pytest.approx(80 / (np.pi * 40**2), rel=0.02)
