"""Images and masks side by side, in one folder or in one for each patient."""

import pytest

from cenet.datasets.layouts.detect import read_recognised


@pytest.fixture
def make(tmp_path):
    def touch(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return read_recognised(tmp_path)

    return touch


def test_a_word_in_front_tells_masks_from_images(make):
    contents = make("img_1.png", "mask_1.png", "img_2.png", "mask_2.png", "mask_3.png")
    assert {sample.name: sample.label[0].name for sample in contents.samples} == {
        "img_1": "mask_1.png",
        "img_2": "mask_2.png",
    }
    assert [note.subject for note in contents.notes] == ["mask_3.png"]


def test_patients_without_a_mask_are_noted(make):
    contents = make("p1/a.png", "p1/a_mask.png", "p2/image.png", "p2/mask.png", "p3/a.png")
    assert [(sample.name, sample.group) for sample in contents.samples] == [("p1_a", "p1"), ("p2", "p2")]
    assert any("p3" in note.cause for note in contents.notes)
