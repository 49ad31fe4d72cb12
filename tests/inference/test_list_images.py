"""Which files of a folder are images, whatever they are called."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from cenet.errors import CenetError
from cenet.inference.list_images import list_ignored, list_images

CT = Path(str(get_testdata_file("CT_small.dcm", download=False)))


def test_dicom_as_on_discs_from_a_hospital_has_no_ending(tmp_path):
    for name in ("IM0001", "1.2.840.113619.2"):
        shutil.copy(CT, tmp_path / name)
    (tmp_path / "DICOMDIR").write_bytes(CT.read_bytes())
    (tmp_path / "README").write_text("not an image")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "photo.png")
    assert [image.file.name for image in list_images([tmp_path])] == ["1.2.840.113619.2", "IM0001", "photo.png"]
    (remark,) = list_ignored([tmp_path])
    assert remark.startswith("DICOMDIR, README: ")


def test_a_file_that_is_named_twice_is_one_image(tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "photo.png")
    assert len(list_images([tmp_path, tmp_path / "photo.png"])) == 1


def test_nothing_is_no_image(tmp_path):
    with pytest.raises(CenetError, match="no image is named"):
        list_images([])
    with pytest.raises(CenetError, match="holds no image") as caught:
        list_images([tmp_path])
    assert caught.value.subject == str(tmp_path)
