"""The layouts of folders that are recognised: each is named with its evidence, and of several the user chooses."""

import json

import pytest
from examples import make

from cenet.datasets.layouts.detect import read_recognised
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError


def pairs_of(contents):
    return {sample.name: tuple(path.name for path in sample.label) for sample in contents.samples}


LAYOUTS = {
    "plain": (["images/a.png", "masks/a.png"], "A plain folder", {"a": ("a.png",)}),
    "a folder for each image": (
        ["1/images/a.png", "1/masks/x.png", "1/masks/y.png", "2/images/b.png", "2/masks/z.png"],
        "A plain folder",
        {"1": ("x.png", "y.png"), "2": ("z.png",)},
    ),
    "a plain folder for each class": (
        ["images/a.png", "masks/cup/a.png", "masks/disc/a.png"],
        "A plain folder",
        {"a": ("a.png", "a.png")},
    ),
    "other letters": (["Images/a.png", "Masks/a_mask.png"], "Images in one", {"a": ("a_mask.png",)}),
    "singular": (["image/a.jpg", "mask/a.png"], "Images in one", {"a": ("a.png",)}),
    "manual": (["image/a.jpg", "manual/a_vessels.png"], "Images in one", {"a": ("a_vessels.png",)}),
    "a word in front": (["images/IMG_01.jpg", "mask/MASK_01.png"], "Images in one", {"IMG_01": ("MASK_01.png",)}),
    "masks in images": (["images/a.png", "images/masks/a.png"], "Images in one", {"a": ("a.png",)}),
    "images beside masks": (["a.png", "masks/a.png"], "Images in one", {"a": ("a.png",)}),
    "a folder for each class": (
        ["Images/a.png", "Masks/cup/a.png", "Masks/disc/a.png"],
        "Images in one",
        {"a": ("a.png", "a.png")},
    ),
    "one folder": (
        ["a.jpg", "a_mask.gif", "b.jpg", "b_seg.png"],
        "Images and masks side",
        {"a": ("a_mask.gif",), "b": ("b_seg.png",)},
    ),
    "one folder for images": (
        ["images/a.jpg", "images/a_vessels.png"],
        "Images and masks side",
        {"a": ("a_vessels.png",)},
    ),
    "Carvana in one folder": (["x_01.jpg", "x_01_mask.gif"], "Images and masks side", {"x_01": ("x_01_mask.gif",)}),
    "patients": (
        ["p1/a.png", "p1/a_mask.png", "p2/a.png", "p2/a_mask.png"],
        "A folder for each patient",
        {"p1_a": ("a_mask.png",), "p2_a": ("a_mask.png",)},
    ),
    "patients with one image": (
        ["p1/image.png", "p1/mask.png", "p2/image.png", "p2/mask.png"],
        "A folder for each patient",
        {"p1": ("mask.png",), "p2": ("mask.png",)},
    ),
    "patients with folders": (
        ["p1/images/a.png", "p1/images/b.png", "p1/masks/a.png", "p1/masks/b.png"],
        "A folder for each patient",
        {"p1_a": ("a.png",), "p1_b": ("b.png",)},
    ),
    "Kaggle": (
        [f"{part}/{kind}/{part}.png" for part in ("train", "val", "test") for kind in ("images", "masks")],
        "A folder for each part",
        {"train": ("train.png",), "val": ("val.png",), "test": ("test.png",)},
    ),
    "MMSeg": (
        ["img_dir/train/a.jpg", "ann_dir/train/a.png", "img_dir/val/b.jpg", "ann_dir/val/b.png"],
        "A folder for each part",
        {"a": ("a.png",), "b": ("b.png",)},
    ),
    "Carvana": (["train/a.jpg", "train_masks/a_mask.gif"], "A folder for each part", {"a": ("a_mask.gif",)}),
}


@pytest.mark.parametrize(("names", "layout", "pairs"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_is_recognised(tmp_path, names, layout, pairs):
    contents = read_recognised(make(tmp_path, *names))
    assert contents.layout.startswith(layout)
    assert contents.evidence
    assert pairs_of(contents) == pairs


def test_the_split_of_the_folders_is_kept(tmp_path):
    names = [f"{part}/{kind}/1.png" for part in ("train", "val", "test") for kind in ("images", "masks")]
    samples = read_recognised(make(tmp_path, *names)).samples
    assert {sample.name: sample.part for sample in samples} == {
        "train_1": "train",
        "validation_1": "validation",
        "test_1": "test",
    }
    assert len({sample.group for sample in samples}) == 3  # another image of the same name


def test_a_test_part_without_labels_is_left_out_and_said(tmp_path):
    make(tmp_path, "train/images/a.png", "train/masks/a.png", "test/images/b.png")
    contents = read_recognised(tmp_path)
    assert [(sample.name, sample.part) for sample in contents.samples] == [("a", None)]
    assert any("test" in note.cause for note in contents.notes)


def test_patients_are_groups(tmp_path):
    make(tmp_path, *(f"p{number}/{name}.png" for number in (1, 2) for name in ("a", "a_mask", "b", "b_mask")))
    assert [sample.group for sample in read_recognised(tmp_path).samples] == ["p1", "p1", "p2", "p2"]


def test_documents_and_a_mask_too_many_are_notes(tmp_path):
    make(tmp_path, "images/a.png", "images/readme.txt", "images/a_mask.png", "masks/a.png", "masks/b.png")
    contents = read_recognised(tmp_path)
    assert pairs_of(contents) == {"a": ("a.png",)}
    assert {note.subject for note in contents.notes} == {"images/readme.txt", "images/a_mask.png", "masks"}


def test_an_image_of_another_format_is_no_document(tmp_path):
    with pytest.raises(CenetError) as error:
        read_recognised(make(tmp_path, "images/a.png", "images/b.svs", "masks/a.png"))
    assert error.value.subject.endswith("b.svs")


@pytest.mark.parametrize(
    "names",
    [
        ["Images/a.png", "Masks/a.png", "Masks/b.png", "manual/a.png"],  # which of the two?
        ["images/a.png", "manual1/a.png", "mask/a.png"],  # HRF: the second is the field of view
        ["a.png", "a_mask.png", "a_seg.png"],
        ["images/a.png", "mask/x.png"],  # no name fits
    ],
)
def test_what_is_ambiguous_is_refused(tmp_path, names):
    with pytest.raises(CenetError):
        read_recognised(make(tmp_path, *names))


def test_of_two_layouts_the_user_chooses(tmp_path):
    make(tmp_path, "Images/a.png", "Masks/a.png")
    (tmp_path / "pairs.csv").write_text("image,mask\nImages/a.png,Masks/a.png\n")
    with pytest.raises(CenetError) as error:
        read_recognised(tmp_path)
    assert "image-folders" in error.value.cause
    assert "table" in error.value.cause
    assert "--task image-folders or --task table" in error.value.remedy
    assert [sample.name for sample in TASKS["table"].read(tmp_path)] == ["a"]


def test_a_table_beside_a_plain_folder_is_noted(tmp_path):
    make(tmp_path, "images/a.png", "masks/a.png")
    (tmp_path / "pairs.csv").write_text("image,mask\nimages/a.png,masks/a.png\n")
    contents = read_recognised(tmp_path)
    assert contents.layout == "A plain folder"
    assert [note.remedy for note in contents.notes] == ["use --task table"]


def test_what_is_not_recognised_is_named(tmp_path):
    with pytest.raises(CenetError) as error:
        read_recognised(make(tmp_path, "fotos/a.png", "kanten/a.png"))
    assert "fotos/" in error.value.cause
    assert "kanten/" in error.value.cause
    assert "pairs.csv" in error.value.remedy


# Tables -------------------------------------------------------------------------------------------------------------


def test_a_csv_of_pairs_has_patients_and_a_split(tmp_path):
    make(tmp_path, "x/a.png", "x/b.png", "x/c.png", "y/a.png", "y/b.png", "y/c.png")
    (tmp_path / "list.csv").write_text(
        "image;mask;patient;split\nx/a.png;y/a.png;p1;train\nx/b.png;y/b.png;p1;train\nx/c.png;y/c.png;p2;test\n"
    )
    samples = read_recognised(tmp_path).samples
    assert [(sample.name, sample.group, sample.part) for sample in samples] == [
        ("a", "p1", "train"),
        ("b", "p1", "train"),
        ("c", "p2", "test"),
    ]


def test_the_metadata_of_hugging_face_names_the_masks(tmp_path):
    rows = []
    for part in ("train", "test"):
        make(tmp_path, f"{part}/0.png", f"{part}/m0.png")
        rows = [{"file_name": "0.png", "mask_file_name": "m0.png", "age": 7}]
        (tmp_path / part / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    samples = read_recognised(tmp_path).samples
    assert [(sample.name, sample.part, sample.label[0].name) for sample in samples] == [
        ("test_0", "test", "m0.png"),
        ("train_0", "train", "m0.png"),
    ]


def test_a_table_of_diagnoses_is_no_table_of_masks(tmp_path):
    make(tmp_path, "Images/a.png", "Masks/a.png")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "Images/a.png", "label": "healthy"}\n')
    assert read_recognised(tmp_path).layout.startswith("Images in one folder")


def test_a_file_that_a_table_names_and_that_is_missing_is_noted(tmp_path):
    make(tmp_path, "x/a.png", "y/a.png")
    (tmp_path / "list.csv").write_text("image,mask\nx/a.png,y/a.png\nx/b.png,y/b.png\n")
    contents = read_recognised(tmp_path)
    assert pairs_of(contents) == {"a": ("a.png",)}
    assert "x/b.png" in contents.notes[0].cause


def test_a_table_does_not_lead_out_of_the_data_set(tmp_path):
    make(tmp_path, "secret.png", "data/y/a.png")
    (tmp_path / "data" / "list.csv").write_text("image,mask\n../secret.png,y/a.png\n")
    with pytest.raises(CenetError) as error:
        read_recognised(tmp_path / "data")
    assert "outside" in error.value.cause


@pytest.mark.parametrize(
    ("names", "task"),
    [
        (["training/images/21_training.tif", "training/1st_manual/21_manual1.gif", "training/mask/21.gif"], "drive"),
        (["Image_01L.jpg", "Image_01L_1stHO.png", "Image_01L_2ndHO.png"], "chase"),
        (["images/01_h.jpg", "manual1/01_h.tif", "mask/01_h_mask.tif"], "hrf"),
        (["train-volume.tif", "train-labels.tif"], "cells"),
    ],
)
def test_a_public_set_is_answered_with_its_task(tmp_path, names, task):
    with pytest.raises(CenetError) as error:
        read_recognised(make(tmp_path, *names))
    assert error.value.remedy == f"add --task {task}"


def test_an_image_of_another_format_is_refused_in_a_folder_for_images_and_noted_elsewhere(tmp_path):
    with pytest.raises(CenetError) as error:
        read_recognised(make(tmp_path / "a", "Images/a.png", "Images/b.svs", "Masks/a.png"))
    assert error.value.subject.endswith("b.svs")
    contents = read_recognised(make(tmp_path / "b", "a.png", "a_mask.png", "b.svs"))
    assert any("b.svs" in note.cause for note in contents.notes)


def test_images_in_a_folder_among_the_images_are_noted(tmp_path):
    contents = read_recognised(make(tmp_path, "Images/a.png", "Images/more/b.png", "Masks/a.png"))
    assert [note.subject for note in contents.notes] == ["Images/more"]


def test_json_that_is_empty_or_leads_nowhere_is_of_no_tool(tmp_path):
    make(tmp_path, "Images/a.png", "Masks/a.png", "empty.json")
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere.json")
    assert read_recognised(tmp_path).layout.startswith("Images in one folder")


def test_a_folder_of_very_many_files_or_folders_in_folders_is_no_data_set(tmp_path, monkeypatch):
    make(tmp_path, "images/a.png", "masks/a.png", "1/2/3/4/5/6/7/8/9/10/11/12/13/b.png")
    assert [sample.name for sample in read_recognised(tmp_path).samples] == ["a"]
    monkeypatch.setattr("cenet.datasets.layouts.listing.MAX_FILES", 1)
    with pytest.raises(CenetError, match="more than 1 files"):
        read_recognised(tmp_path)
