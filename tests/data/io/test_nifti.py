"""NIfTI volumes that cannot be read are refused, and their spacing is that of their unit."""

import sys

import nibabel
import numpy as np
import pytest

from cenet.data.io.pixel_size import read_pixel_size
from cenet.data.io.read import page_count, read_image
from cenet.errors import CenetError


def save(path, values, *, unit="mm", affine=None):
    volume = nibabel.Nifti1Image(values, np.diag([0.5, 0.25, 3, 1]) if affine is None else affine)
    volume.header.set_xyzt_units(unit)
    nibabel.save(volume, path)
    return path


def test_one_of_several_slices_is_named(tmp_path):
    path = save(tmp_path / "v.nii", np.zeros((5, 4, 2), np.int16))
    with pytest.raises(CenetError, match="the file holds 2 slices"):
        read_image(path)
    with pytest.raises(CenetError, match="there is no slice 2 in it"):
        read_image(path, page=2)


def test_a_volume_of_two_axes_is_one_slice(tmp_path):
    path = save(tmp_path / "v.nii", np.arange(20, dtype=np.uint8).reshape(5, 4))
    assert page_count(path) == 1
    assert sorted(read_image(path).ravel().tolist()) == list(range(20))


def test_a_series_of_volumes_and_colours_are_refused(tmp_path):
    with pytest.raises(CenetError, match="has 4 axes"):
        read_image(save(tmp_path / "series.nii", np.zeros((5, 4, 2, 3), np.int16)), page=0)
    colours = np.zeros((5, 4, 1), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(CenetError, match="are not read"):
        read_image(save(tmp_path / "colours.nii", colours), page=0)


def test_a_volume_whose_voxels_are_cut_off_is_refused(tmp_path):
    path = save(tmp_path / "v.nii", np.zeros((50, 40, 2), np.int16))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CenetError, match="truncated or damaged"):
        read_image(path, page=1)


@pytest.mark.parametrize(("unit", "sides"), [("mm", (0.25, 0.5)), ("micron", (0.00025, 0.0005)), ("meter", (250, 500))])
def test_the_spacing_has_the_unit_of_the_file(tmp_path, unit, sides):
    size = read_pixel_size(save(tmp_path / "v.nii", np.zeros((5, 4, 2), np.int16), unit=unit))
    assert (size.height_mm, size.width_mm) == pytest.approx(sides)


def test_without_nibabel_the_way_to_it_is_named(tmp_path, monkeypatch):
    path = save(tmp_path / "v.nii", np.zeros((5, 4, 1), np.int16))
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(CenetError) as caught:
        read_image(path)
    assert "cenet[medical]" in caught.value.remedy
