"""Vessels in a plain folder: what counts is a file, or is found on the photograph."""

import shutil

import numpy as np
import pytest

from cenet.data.io.read import read_label
from cenet.data.loading import load_sample
from cenet.datasets.folder import read_folder
from cenet.datasets.label_encodings import label_encoding_for
from cenet.datasets.registry import TASKS
from cenet.datasets.fundus_vessels import read_vessels
from cenet.errors import CenetError
from cenet.phantoms import write_phantoms


@pytest.fixture
def drawn(tmp_path):
    write_phantoms(tmp_path / "set", task="vessels", count=2, seed=0, size_px=96)
    return tmp_path / "set"


def test_the_photographs_are_those_of_a_plain_folder(drawn):
    plain, samples = read_folder(drawn, group_pattern="[0-9]+"), read_vessels(drawn, group_pattern="[0-9]+")
    assert [sample.group for sample in samples] == ["000", "001"]
    for one, other in zip(plain, samples, strict=True):
        assert (one.name, one.image, one.label, one.region) == (other.name, other.image, other.label, other.region)


def test_the_white_of_a_mask_is_vessel(drawn):
    labels = label_encoding_for(
        "vessels", read_vessels(drawn), num_classes=1, names=TASKS["vessels"].classes, folder=drawn
    )
    assert labels.describe() == "0 -> background, 255 -> vessel"


def test_a_field_of_view_from_a_file_counts_as_it_is(drawn):
    for sample in read_vessels(drawn):
        assert np.array_equal(load_sample(sample)[2], read_label(drawn / "regions" / sample.image.name) > 0)


def test_without_a_file_the_field_of_view_is_found_on_the_photograph(drawn):
    drew = [load_sample(sample)[2] for sample in read_vessels(drawn)]
    shutil.rmtree(drawn / "regions")
    for sample, region in zip(read_vessels(drawn), drew, strict=True):
        found = load_sample(sample)[2]
        assert 0.9 < (found & region).sum() / (found | region).sum() <= 1
        assert not found[0, 0]


def test_a_folder_without_images_is_told(tmp_path):
    with pytest.raises(CenetError, match="there is no folder images in it; put images into images/"):
        read_vessels(tmp_path)
