"""Images in one folder and masks in another: regions, a folder for each class, and what fits twice or not at all."""

import numpy as np
import pytest
from examples import make
from PIL import Image

from cenet.datasets.layouts.detect import LAYOUTS, read_recognised
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError


def causes(contents):
    return " ".join(f"{note.subject}: {note.cause}" for note in contents.notes)


@pytest.mark.parametrize("layout", [layout.name for layout in LAYOUTS])
def test_every_layout_refuses_a_folder_that_is_not_its_own(tmp_path, layout):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "photo.png")
    with pytest.raises(CenetError) as caught:
        TASKS[layout].read(tmp_path)
    assert caught.value.subject.startswith(str(tmp_path))


def test_each_image_has_the_region_of_its_name(tmp_path):
    make(tmp_path, "Images/a.png", "Images/b.png", "Masks/a.png", "Masks/b.png", "fov/a.png", "fov/b_mask.png")
    samples = read_recognised(tmp_path).samples
    assert [sample.region.name for sample in samples] == ["a.png", "b_mask.png"]


@pytest.mark.parametrize("regions", [["fov/a.png"], ["fov/a.png", "fov/b.png", "fov/b_mask.png"]])
def test_an_image_without_a_region_of_its_own_is_refused(tmp_path, regions):
    make(tmp_path, "Images/a.png", "Images/b.png", "Masks/a.png", "Masks/b.png", *regions)
    with pytest.raises(CenetError, match=r"files for b\.png") as caught:
        read_recognised(tmp_path)
    assert caught.value.subject == str(tmp_path / "fov")


def test_a_class_without_a_file_for_an_image_is_refused(tmp_path):
    make(tmp_path, "Images/a.png", "Images/b.png", "Masks/disc/a.png", "Masks/disc/b.png", "Masks/cup/a.png")
    with pytest.raises(CenetError, match=r"no file for b\.png") as caught:
        read_recognised(tmp_path)
    assert caught.value.subject == str(tmp_path / "Masks" / "cup")


def test_several_folders_for_images_are_not_chosen_from(tmp_path):
    make(tmp_path, "photos/a.png", "scans/a.png", "Masks/a.png")
    with pytest.raises(CenetError, match="photos and scans"):
        read_recognised(tmp_path)


def test_images_that_are_all_called_masks_are_read(tmp_path):
    make(tmp_path, "Images/a_mask.png", "Images/b_mask.png", "Masks/a_mask.png", "Masks/b_mask.png")
    assert [sample.name for sample in read_recognised(tmp_path).samples] == ["a_mask", "b_mask"]


@pytest.mark.parametrize("masks", [["x.png"], ["x.png", "y.png"]])
def test_masks_without_an_image_are_noted(tmp_path, masks):
    make(tmp_path, "Images/a.png", "Masks/a.png", *(f"Masks/{name}" for name in masks))
    contents = read_recognised(tmp_path)
    assert len(contents.samples) == 1
    assert all(name in causes(contents) for name in masks)


AMBIGUOUS = {
    "one name but for the word": (["Images/img_1.png", "Images/scan_1.png", "Masks/mask_1.png"], "scan_1.png"),
    "two images of one name": (["Images/a.png", "Images/a.jpg", "Masks/a.png"], "a.png"),
    "a mask for two images": (
        ["Images/a_seg.png", "Images/a_seg_seg.png", "Masks/a_seg_seg.png"],
        "Masks/a_seg_seg.png",
    ),
    "two masks for one image": (["Images/a.png", "Masks/a.png", "Masks/a_seg.png"], "a_seg.png"),
}


@pytest.mark.parametrize(("names", "subject"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_fits_twice_is_refused(tmp_path, names, subject):
    with pytest.raises(CenetError) as caught:
        TASKS["image-folders"].read(make(tmp_path, *names))
    assert caught.value.subject.endswith(subject)
