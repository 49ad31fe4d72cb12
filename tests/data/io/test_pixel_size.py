"""The size of a pixel that ImageJ and OME state."""

import numpy as np
import pytest
import tifffile

from cenet.data.io.pixel_size import read_pixel_size


@pytest.mark.parametrize(
    ("unit", "size_mm"),
    [("um", 0.0005), ("\\u00B5m", 0.0005), ("micron", 0.0005), ("mm", 0.5), ("nm", 5e-7), ("pixel", None)],
)
def test_the_calibration_of_imagej_has_its_unit(tmp_path, unit, size_mm):
    values, path = np.zeros((4, 6), np.uint8), tmp_path / "x.tif"
    tifffile.imwrite(path, values, imagej=True, resolution=(2, 2), metadata={"unit": unit})
    size = read_pixel_size(path)
    assert size is None if size_mm is None else size.width_mm == size.height_mm == pytest.approx(size_mm)


@pytest.mark.parametrize(("sides", "expected"), [((3.5, 7.0), (0.0035, 0.007)), ((3.5, None), None)])
def test_the_sides_of_ome_are_in_micrometres(tmp_path, sides, expected):
    metadata = {"axes": "YX"} | {f"PhysicalSize{axis}": side for axis, side in zip("YX", sides, strict=True) if side}
    tifffile.imwrite(tmp_path / "x.ome.tif", np.zeros((4, 6), np.uint8), metadata=metadata)
    size = read_pixel_size(tmp_path / "x.ome.tif")
    assert (size and (size.height_mm, size.width_mm)) == (expected and pytest.approx(expected))


def test_a_resolution_without_a_unit_is_no_size(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((4, 6), np.uint8), resolution=(2, 2), resolutionunit="NONE")
    assert read_pixel_size(tmp_path / "x.tif") is None
