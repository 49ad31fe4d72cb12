"""A folder for each part of the split: which masks belong to it, and what has two names."""

import pytest

from cenet.datasets.layouts.detect import read_recognised
from cenet.errors import CenetError


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_images_and_masks_of_a_part_may_lie_side_by_side_and_empty_parts_are_passed_over(tmp_path):
    make(tmp_path, "train/a.png", "train/a_mask.png", "test/b.png", "test/b_mask.png")
    (tmp_path / "val").mkdir()
    samples = read_recognised(tmp_path).samples
    assert [(sample.name, sample.part, sample.label[0].name) for sample in samples] == [
        ("a", "train", "a_mask.png"),
        ("b", "test", "b_mask.png"),
    ]


def test_two_folders_of_masks_for_one_part_are_not_chosen_from(tmp_path):
    make(tmp_path, "images/train/a.png", "masks/train/a.png", "labels/train/a.png")
    with pytest.raises(CenetError, match="labels/train and masks/train"):
        read_recognised(tmp_path)


def test_two_images_of_one_name_in_one_part_are_refused(tmp_path):
    parts = ("train", "training")
    make(tmp_path, *(f"{part}/{kind}/a.png" for part in parts for kind in ("images", "masks")))
    with pytest.raises(CenetError, match="has the same name") as caught:
        read_recognised(tmp_path)
    assert caught.value.subject == str(tmp_path / "training" / "images" / "a.png")
