from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from cenet.data.io.read import read_image
from cenet.inference.adapt_image import adapt_to_run, choose_channels
from cenet.inference.list_images import ImageFile
from cenet.inference.overlap import LoadedImage
from cenet.inference.prediction_files import PlannedPrediction

COLOURED = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)


@pytest.mark.parametrize(
    ("image", "in_channels", "channels", "is_remarked"),
    [
        (COLOURED[..., :1], 3, 3, True),
        (np.repeat(COLOURED[..., :1], 3, axis=2), 1, 1, True),
        (COLOURED, 1, 3, False),  # which channel counts is not known
        (COLOURED, 3, 3, False),
        (COLOURED[..., :1].astype(np.uint16), 3, 1, False),  # refused as it is, for the type of its values
    ],
)
def test_only_what_is_unambiguous_is_converted(image, in_channels, channels, is_remarked):
    adapted, remarks = adapt_to_run(image, Path("eye.png"), in_channels=in_channels, dtype="uint8")
    assert (adapted.shape[2], bool(remarks)) == (channels, is_remarked)
    assert (adapted == image[..., :1]).all() or adapted is image


CT = Path(str(get_testdata_file("CT_small.dcm", download=False)))


def test_hounsfield_units_become_8_bits_by_the_window_that_the_file_names(tmp_path):
    dataset = pydicom.dcmread(CT)
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    dataset.save_as(tmp_path / "ct.dcm")
    image = read_image(tmp_path / "ct.dcm")
    adapted, remarks = adapt_to_run(image, tmp_path / "ct.dcm", in_channels=1, dtype="uint8")
    assert adapted.dtype == np.uint8
    assert (adapted[image <= -160] == 0).all()
    assert (adapted[image >= 240] == 255).all()
    assert set(adapted[image == 40].tolist()) <= {127, 128}
    assert "-160 to 240" in remarks[0]
    unchanged, remarks = adapt_to_run(image, CT, in_channels=1, dtype="uint8")  # it names no window
    assert unchanged is image
    assert remarks == ()


def test_each_frame_becomes_8_bits_by_its_own_window(tmp_path):
    dataset = pydicom.dcmread(CT)
    dataset.NumberOfFrames, dataset.PixelData = 2, dataset.PixelData * 2
    groups = [pydicom.Dataset(), pydicom.Dataset()]
    for group, (centre, width) in zip(groups, ((40, 400), (-600, 1500)), strict=True):
        window = pydicom.Dataset()
        window.WindowCenter, window.WindowWidth = centre, width
        group.FrameVOILUTSequence = [window]
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.save_as(tmp_path / "ct.dcm")
    for page, said in ((0, "-160 to 240"), (1, "-1350 to 150")):
        planned = PlannedPrediction(ImageFile(tmp_path / "ct.dcm", page), {}, prefix=None)
        facts = SimpleNamespace(channels=(), in_channels=1, dtype="uint8")
        assert said in LoadedImage.load(planned, facts).remarks[0]


def test_channels_without_names_are_taken_in_the_order_of_the_training_and_said():
    indices, (remark,) = choose_channels(2, (), trained=("DAPI", "GFP"))
    assert indices == [0, 1]
    assert "DAPI, GFP" in remark
