"""The size of a pixel that ImageJ and OME state."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiffs import LONG, SHORT, tiff

from cenet.data.io.pixel_size import read_pixel_size
from cenet.data.io.read import read_image


@pytest.mark.parametrize(
    ("unit", "size_mm"),
    [("um", 0.0005), ("\\u00B5m", 0.0005), ("micron", 0.0005), ("mm", 0.5), ("nm", 5e-7), ("pixel", None)],
)
def test_the_calibration_of_imagej_has_its_unit(tmp_path, unit, size_mm):
    values, path = np.zeros((4, 6), np.uint8), tmp_path / "x.tif"
    tifffile.imwrite(path, values, imagej=True, resolution=(2, 4), metadata={"unit": unit})
    size = read_pixel_size(path)
    assert (size and (size.height_mm, size.width_mm)) == (size_mm and pytest.approx((size_mm / 2, size_mm)))


@pytest.mark.parametrize(("sides", "expected"), [((3.5, 7.0), (0.0035, 0.007)), ((3.5, None), None)])
def test_the_sides_of_ome_are_in_micrometres(tmp_path, sides, expected):
    metadata = {"axes": "YX"} | {f"PhysicalSize{axis}": side for axis, side in zip("YX", sides, strict=True) if side}
    tifffile.imwrite(tmp_path / "x.ome.tif", np.zeros((4, 6), np.uint8), metadata=metadata)
    size = read_pixel_size(tmp_path / "x.ome.tif")
    assert (size and (size.height_mm, size.width_mm)) == (expected and pytest.approx(expected))


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_the_resolution_of_every_kind_of_tiff_is_read(tmp_path, byteorder, bigtiff):
    options = {"byteorder": byteorder, "bigtiff": bigtiff, "resolution": (400, 200), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((4, 6), np.uint8), **options)
    size = read_pixel_size(tmp_path / "x.tif")
    assert (size.height_mm, size.width_mm) == pytest.approx((0.05, 0.025))


@pytest.mark.parametrize(
    ("kind", "values"),
    [(SHORT, [400, 200]), (LONG, [400, 200]), (12, [400.0, 200.0]), (12, [0.0, 200.0]), (12, [float("nan"), 200.0])],
)
def test_a_resolution_of_another_type_of_number_is_read(tmp_path, kind, values):
    tags = {"t282": (kind, values[:1]), "t283": (kind, values[1:]), "t296": (SHORT, [3])}
    (tmp_path / "x.tif").write_bytes(tiff(bytes(100), **tags))
    size = read_pixel_size(tmp_path / "x.tif")
    assert (size and (size.height_mm, size.width_mm)) == (pytest.approx((0.05, 0.025)) if values[0] == 400 else None)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_the_unit_is_read_in_every_encoding(tmp_path, encoding):
    description = "ImageJ=1.54f\nunit=µm\n".encode(encoding)
    tifffile.imwrite(
        tmp_path / "x.tif", np.zeros((4, 6), np.uint8), description=description, metadata=None, resolution=(2, 2)
    )
    assert read_pixel_size(tmp_path / "x.tif").width_mm == pytest.approx(0.0005)


def test_a_resolution_without_a_unit_is_no_size(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((4, 6), np.uint8), resolution=(2, 2), resolutionunit="NONE")
    assert read_pixel_size(tmp_path / "x.tif") is None


ORIENTATIONS = pytest.mark.parametrize(("orientation", "is_turned"), [(number, number >= 5) for number in range(1, 9)])


def draw_square_mm(width_px, height_px):
    """An image of 1 x 1 mm whose pixels are higher than they are wide, or the other way round."""
    return np.random.default_rng(0).integers(0, 256, (height_px, width_px), np.uint8)


def check_millimetre(path):
    image, size = read_image(path), read_pixel_size(path)
    assert (image.shape[0] * size.height_mm, image.shape[1] * size.width_mm) == pytest.approx((1, 1), rel=1e-3)
    return image.shape[:2]


@ORIENTATIONS
def test_the_pixels_of_a_turned_tiff_are_turned_too(tmp_path, orientation, is_turned):
    tags = {"resolution": (400, 200), "resolutionunit": "CENTIMETER"}
    values, path = draw_square_mm(40, 20), tmp_path / "x.tif"
    tifffile.imwrite(path, values, metadata=None, extratags=[(274, "H", 1, orientation, True)], **tags)
    assert check_millimetre(path) == ((40, 20) if is_turned else (20, 40))


@ORIENTATIONS
def test_the_pixels_of_a_turned_png_are_turned_too(tmp_path, orientation, is_turned):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(draw_square_mm(40, 20)).save(tmp_path / "x.png", dpi=(1016, 508), exif=exif)
    assert check_millimetre(tmp_path / "x.png") == ((40, 20) if is_turned else (20, 40))


def test_the_pixels_of_a_turned_ome_tiff_are_turned_too(tmp_path):
    metadata = {"axes": "YX", "PhysicalSizeX": 25, "PhysicalSizeY": 50}
    tags, path = [(274, "H", 1, 6, True)], tmp_path / "x.ome.tif"
    tifffile.imwrite(path, draw_square_mm(40, 20), metadata=metadata, extratags=tags)
    check_millimetre(path)


def test_the_size_is_that_of_the_first_page_that_is_no_reduced_copy(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        for step, kind in ((2, 1), (1, 0)):
            options = {"resolution": (400 / step, 400 / step), "resolutionunit": "CENTIMETER", "subfiletype": kind}
            writer.write(draw_square_mm(40, 40)[::step, ::step], metadata=None, photometric="minisblack", **options)
    assert check_millimetre(tmp_path / "x.tif") == (40, 40)
