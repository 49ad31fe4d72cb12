from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from cenet.data.io.read import read_image
from cenet.inference.adapt_image import adapt_to_run, choose_channels

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


def test_channels_without_names_are_taken_in_the_order_of_the_training_and_said():
    indices, (remark,) = choose_channels(2, (), trained=("DAPI", "GFP"))
    assert indices == [0, 1]
    assert "DAPI, GFP" in remark
