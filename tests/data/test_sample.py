"""What a data set is made of."""

import dataclasses
import os
from pathlib import Path

import pytest

from cenet.data.sample import Sample


def test_only_the_name_and_the_image_are_needed():
    sample = Sample("left", Path("left.png"))
    assert (sample.label, sample.region, sample.classes, sample.channels) == ((), None, (), ())


def test_a_sample_without_a_group_is_a_group_of_its_own():
    assert Sample("left", Path("left.png")).group == "left"
    assert Sample("left", Path("left.png"), group="").group == "left"


def test_a_group_that_was_given_is_kept():
    assert Sample("left", Path("left.png"), group="patient 7").group == "patient 7"


def test_samples_are_values():
    one, same = (Sample("left", Path("left.png"), group="7") for _ in range(2))
    assert one == same
    assert len({one, same}) == 1
    assert one != dataclasses.replace(one, group="8")
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.group = "8"


def test_a_name_that_is_not_utf_8_can_be_written_as_json():
    name = os.fsdecode(b"eye\xff")
    for sample in (Sample(name, Path(name)), Sample("eye", Path(name), group=name)):
        assert sample.group.encode() == b"eye\\udcff"
        assert sample.image == Path(name)
