"""Which files are masks, what their rows are called, and which image belongs to each."""

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from cenet.datasets.mask_files import find_image_of, list_masks, name_apart
from cenet.errors import CenetError

MASK = np.pad(np.full((4, 4), 255, np.uint8), 4)


def save(folder, *names, pages=1):
    folder.mkdir(exist_ok=True)
    for name in names:
        if name.endswith((".nii", ".nii.gz")):
            nibabel.save(nibabel.Nifti1Image(np.stack([MASK] * pages, axis=-1), np.eye(4)), folder / name)
        elif pages > 1:
            tifffile.imwrite(folder / name, np.stack([MASK] * pages), photometric="minisblack")
        else:
            Image.fromarray(MASK).save(folder / name)
    return folder


def listed(*paths):
    return [path.name for path in list_masks(paths)]


def test_the_pages_of_a_stack_are_masks_and_the_stack_is_not(tmp_path):
    folder = save(tmp_path / "p", "s-00_mask.png", "s-01_mask.png", "s-00_overlay.png", "eye_mask.png", "eye_mask.tif")
    save(folder, "s_mask.tif", "s_mask.nii.gz", pages=2)
    assert listed(folder) == ["eye_mask.png", "s-00_mask.png", "s-01_mask.png"]


def test_a_mask_whose_name_begins_as_that_of_another_is_no_stack(tmp_path):
    folder = save(tmp_path / "p", "eye_mask.tif", "eye-01_mask.png")
    assert listed(folder) == ["eye-01_mask.png", "eye_mask.tif"]


def test_a_damaged_stack_is_listed_so_that_it_is_reported(tmp_path):
    folder = save(tmp_path / "p", "s-00_mask.png")
    (folder / "s_mask.tif").write_bytes(b"II*\0")
    assert listed(folder) == ["s-00_mask.png", "s_mask.tif"]


def test_a_segmentation_in_dicom_is_left_out_where_its_slices_are_there(tmp_path):
    folder = save(tmp_path / "p", "s-00_mask.png", "s-01_mask.png")
    (folder / "s_mask.dcm").write_bytes(b"")
    assert listed(folder) == ["s-00_mask.png", "s-01_mask.png"]


@pytest.mark.parametrize("others", [(), ("b_mask.png",)])
def test_masks_in_nifti_are_listed_alone_and_beside_others(tmp_path, others):
    folder = save(tmp_path / "p", "a_mask.nii.gz", *others)
    assert listed(folder) == ["a_mask.nii.gz", *others]


def test_each_mask_is_listed_once_in_the_order_in_which_it_comes(tmp_path):
    folder = save(tmp_path / "p", "a.png", "b.png")
    assert listed(folder / "b.png", folder, folder / "a.png") == ["b.png", "a.png"]


def test_rows_of_files_of_one_name_have_their_folders(tmp_path):
    paths = [tmp_path / name for name in ("x/left/a.png", "y/left/a.png", "right/a.png", "right/b.png")]
    assert name_apart(paths) == ["x/left/a.png", "y/left/a.png", "right/a.png", "b.png"]
    assert name_apart([]) == []


def test_the_image_of_a_mask_has_its_name_or_is_a_page_of_the_stack(tmp_path):
    images = save(tmp_path / "q", "eye.png", "eye-01.png", "c.png", "c.jpg")
    save(images, "scan.nii.gz", "stack.tif", pages=3)
    found = {
        "eye_mask.png": ("eye.png", None),
        "eye-01_mask.png": ("eye-01.png", None),
        "c.jpg_mask.png": ("c.jpg", None),
        "stack-02_mask.png": ("stack.tif", 2),
        "stack.tif-02_mask.png": ("stack.tif", 2),
        "scan-00_mask.png": ("scan.nii.gz", 0),
    }
    for mask, (name, page) in found.items():
        assert find_image_of(tmp_path / mask, images) == (images / name, page)
    assert find_image_of(tmp_path / "stack-01_mask.png", images / "stack.tif") == (images / "stack.tif", 1)
    for mask in ("other_mask.png", "c-01_mask.png", "stack-1_mask.png"):
        with pytest.raises(CenetError, match="has no image"):
            find_image_of(tmp_path / mask, images)


def test_two_images_that_may_be_that_of_a_mask_are_refused(tmp_path):
    images, masks = save(tmp_path / "i", "eye.png", "eye.bmp"), save(tmp_path / "m", "eye_mask.png")
    with pytest.raises(CenetError, match="the same name"):
        find_image_of(masks / "eye_mask.png", images)
