"""Where the frames of a DICOM file lie in a patient."""

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from cenet.data.io.dicom_geometry import FrameGeometry, read_frame_geometries, stack_slices
from cenet.errors import CenetError


def item(**tags):
    dataset = Dataset()
    for name, value in tags.items():
        setattr(dataset, name, value)
    return dataset


@pytest.fixture
def enhanced(tmp_path):
    """A file of three frames, whose places are in functional groups."""

    def write(groups=3):
        dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
        for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            delattr(dataset, name)
        dataset.NumberOfFrames = 3
        dataset.PixelData = dataset.PixelData * 3
        plane = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        measures = item(PixelSpacing=[0.5, 0.25])
        dataset.SharedFunctionalGroupsSequence = [
            item(PlaneOrientationSequence=[plane], PixelMeasuresSequence=[measures])
        ]
        dataset.PerFrameFunctionalGroupsSequence = [
            item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 2.5 * number])]) for number in range(groups)
        ]
        dataset.save_as(tmp_path / "enhanced.dcm")
        return tmp_path / "enhanced.dcm"

    return write


def test_frames_have_their_own_place_and_what_all_share(enhanced):
    frames = read_frame_geometries(enhanced())
    assert [frame.position for frame in frames] == [(0, 0, 0), (0, 0, 2.5), (0, 0, 5)]
    assert {frame.pixel_mm for frame in frames} == {(0.5, 0.25)}
    assert len({frame.series for frame in frames}) == 1
    order, affine = stack_slices("ct", frames[::-1])
    assert order == [2, 1, 0]
    assert np.allclose(np.abs(affine.diagonal()), [0.25, 0.5, 2.5, 1])


def test_groups_of_other_frames_say_nothing(enhanced):
    assert read_frame_geometries(enhanced(groups=2)) == [FrameGeometry()] * 3
    with pytest.raises(CenetError, match="no position"):
        stack_slices("ct", [FrameGeometry()])


def test_slices_that_are_not_evenly_spaced_are_no_volume():
    frames = [FrameGeometry(position=(0, 0, z)) for z in (0, 1, 3)]
    with pytest.raises(CenetError, match="not evenly spaced"):
        stack_slices("ct", frames)
