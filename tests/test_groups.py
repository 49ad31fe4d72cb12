"""What is of one patient or volume stays in one group, in every layout, and every sample has a name of its own."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from cenet.config.presets import load_recipe
from cenet.data.make_splits import choose_test_groups
from cenet.datasets.convert import convert_dataset
from cenet.datasets.resolve import read_dataset
from cenet.errors import CenetError

MASK = np.zeros((16, 16), np.uint8)
MASK[4:9, 4:9] = 255
OUTLINE = [[4, 4, 9, 4, 9, 9, 4, 9]]


def draw(*paths, pixels=MASK):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def write_stacks(folder):
    """Three volumes of four slices with their masks."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
        for number in range(3):
            slices = np.stack([MASK] * 4) if kind == "masks" else np.full((4, 16, 16), number, np.uint8)
            tifffile.imwrite(folder / kind / f"scan{number}.tif", slices, photometric="minisblack")
    return folder


def write_series(folder, names):
    """A DICOM series of a slice in each file."""
    series, frame = generate_uid(), generate_uid()
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset = FileDataset(name, {}, file_meta=meta, preamble=bytes(128))
        dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = series, frame
        dataset.Modality, dataset.Rows, dataset.Columns, dataset.PixelSpacing = "MR", 16, 16, [1, 1]
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
        dataset.PixelData = MASK.tobytes()
        dataset.save_as(folder / name)


def groups_of(folder, task="folder", **options):
    return [sample.group for sample in read_dataset(task, folder, **options).samples]


@pytest.mark.parametrize("task", ["folder", "lung"])
def test_the_slices_of_a_stack_are_a_group(tmp_path, task):
    assert groups_of(write_stacks(tmp_path / "set"), task) == ["scan0"] * 4 + ["scan1"] * 4 + ["scan2"] * 4


@pytest.mark.parametrize("target", ["plain", "coco"])
def test_a_conversion_keeps_the_groups(tmp_path, target):
    convert_dataset(write_stacks(tmp_path / "stacks"), tmp_path / "converted", target=target)
    groups = groups_of(tmp_path / "converted")
    assert (len(groups), len(set(groups))) == (12, 3)


def write_coco(folder, names, prefix=""):
    images = [
        {"id": number, "file_name": prefix + name, "width": 16, "height": 16} for number, name in enumerate(names)
    ]
    outlines = [{"id": n, "image_id": n, "category_id": 1, "segmentation": OUTLINE} for n in range(len(names))]
    content = {"images": images, "annotations": outlines, "categories": [{"id": 1, "name": "spot"}]}
    (folder / "annotations.json").write_text(json.dumps(content))


@pytest.mark.parametrize("layout", ["masks", "lung", "coco", "nnunet", "voc"])
def test_the_slices_of_a_dicom_series_are_a_group_in_every_layout(tmp_path, layout):
    names = [f"IM{number:04}" for number in range(12)]
    images = {"nnunet": "imagesTr", "voc": "JPEGImages"}.get(layout, "images")
    masks = {"nnunet": "labelsTr", "voc": "SegmentationClass"}.get(layout, "masks")
    ending = "_0000.dcm" if layout == "nnunet" else ".dcm"
    for start in (0, 4, 8):
        write_series(tmp_path / images, [name + ending for name in names[start : start + 4]])
    if layout == "coco":
        write_coco(tmp_path, [f"{name}.dcm" for name in names])
    elif layout == "nnunet":
        content = {"channel_names": {"0": "MR"}, "labels": {"background": 0, "spot": 1}, "file_ending": ".dcm"}
        (tmp_path / "dataset.json").write_text(json.dumps(content))
        write_series(tmp_path / masks, [f"{name}.dcm" for name in names])
    else:
        draw(*(tmp_path / masks / f"{name}.png" for name in names))
    task = layout if layout in ("lung", "nnunet") else "folder"
    groups = groups_of(tmp_path, task)
    assert (len(groups), len(set(groups))) == (12, 3)


@pytest.mark.parametrize("column", ["patient_id", "PatientID", "Patient ID", "patientId"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_names_patients_by_text_or_number_in_any_spelling(tmp_path, column, kind):
    draw(*(tmp_path / f"{letter}{number}.png" for letter in "im" for number in range(6)))
    rows = [(f"i{number}.png", f"m{number}.png", number // 2) for number in range(6)]
    if kind == "csv":
        lines = [f"image,mask,{column}", *(",".join(map(str, row)) for row in rows)]
        (tmp_path / "pairs.csv").write_text("\n".join(lines))
    else:
        lines = [json.dumps(dict(zip(("file_name", "mask_file_name", column), row, strict=True))) for row in rows]
        (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    assert groups_of(tmp_path, "table") == ["0", "0", "1", "1", "2", "2"]


def test_rows_of_one_name_in_folders_of_patients_are_named_after_them(tmp_path):
    patients = ("p1", "p2", "p3")
    draw(*(tmp_path / patient / f"{kind}.png" for patient in patients for kind in ("scan", "seg")))
    lines = ["image,mask,patient", *(f"{patient}\\scan.png,{patient}\\seg.png,{patient}" for patient in patients)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    samples = read_dataset("table", tmp_path).samples
    assert [(sample.name, sample.group) for sample in samples] == [(f"{one}_scan", one) for one in patients]


def test_a_row_whose_region_is_missing_is_left_out(tmp_path):
    draw(*(tmp_path / f"{letter}{number}.png" for letter in "imr" for number in range(3)))
    lines = ["image,mask,region", *(f"i{n}.png,m{n}.png,{'elsewhere/' * (n == 1)}r{n}.png" for n in range(3))]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    contents = read_dataset("table", tmp_path)
    assert [sample.name for sample in contents.samples] == ["i0", "i2"]
    assert "elsewhere/r1.png" in str(contents.notes[0])


def test_a_patient_in_two_parts_is_an_error_where_the_user_names_patients(tmp_path):
    for part in ("train", "test"):
        draw(*(tmp_path / part / kind / f"p{n}.png" for kind in ("images", "masks") for n in (1, 2)))
    assert set(groups_of(tmp_path)) == {"train_p1", "train_p2", "test_p1", "test_p2"}
    with pytest.raises(CenetError, match="group p1"):
        choose_test_groups(read_dataset("folder", tmp_path, group_pattern="^p[0-9]+").samples, load_recipe("folder"))


def test_series_of_the_same_names_in_two_parts_are_two_groups(tmp_path):
    for part in ("train", "test"):
        write_series(tmp_path / part / "images", ["IM0.dcm", "IM1.dcm"])
        draw(*(tmp_path / part / "masks" / f"IM{number}.png" for number in range(2)))
    assert sorted(groups_of(tmp_path)) == ["test_IM0"] * 2 + ["train_IM0"] * 2


TWICE = {
    "pairs": ("e0.png", "e0.bmp", "e0_mask.png", "e1.png", "e1_mask.png"),
    "patients": ("a/b_c.png", "a/b_c_mask.png", "a_b/c.png", "a_b/c_mask.png", "z/q.png", "z/q_mask.png"),
    "masks for one image": ("IMG_00.png", "MASK_00.png", "SEG_00.png"),
    "images for one mask": ("IMG_00.png", "PHOTO_00.png", "MASK_00.png"),
}


@pytest.mark.parametrize("names", TWICE.values(), ids=TWICE)
def test_two_images_of_one_name_are_refused(tmp_path, names):
    draw(*(tmp_path / name for name in names))
    with pytest.raises(CenetError):
        read_dataset("folder", tmp_path)


def test_a_slice_and_an_image_of_one_name_are_refused(tmp_path):
    write_stacks(tmp_path)
    draw(tmp_path / "images" / "scan0-00.png", tmp_path / "masks" / "scan0-00.png")
    with pytest.raises(CenetError, match="scan0-00"):
        read_dataset("folder", tmp_path)


@pytest.mark.parametrize(
    ("stated", "there", "is_found"),
    [
        ("p1/", "p2/", False),
        ("p1/", "p1/", True),
        ("set/p1/", "p1/", True),
        ("p1/", "images/", True),
        ("p1/", "", True),
        ("images/", "p2/", True),
        ("C:/annotated/", "p2/", True),
        ("/srv/ann/", "p2/", True),
    ],
)
def test_a_label_is_not_put_on_an_image_of_the_same_name_in_another_folder(tmp_path, stated, there, is_found):
    draw(tmp_path / there / "eye.png", tmp_path / "p9" / "other.png")
    write_coco(tmp_path, [f"{stated}eye.png", "p9/other.png"])
    labelled = {sample.image.name for sample in read_dataset("coco", tmp_path).samples if sample.label or sample.drawn}
    assert ("eye.png" in labelled) == is_found


@pytest.mark.parametrize("address", ["/data/local-files/?d=p1/eye.png", "/data/local-files/?d=set/p1/eye.png"])
def test_an_image_that_label_studio_served_from_a_folder_is_that_of_the_folder(tmp_path, address):
    draw(tmp_path / "eye.png", tmp_path / "p1" / "eye.png")
    outline = {
        "id": "a", "type": "polygonlabels", "original_width": 16, "original_height": 16,
        "value": {"points": [[10, 10], [50, 10], [50, 50]], "polygonlabels": ["spot"]},
    }  # fmt: skip
    task = {"id": 1, "data": {"image": address}, "annotations": [{"result": [outline]}]}
    (tmp_path / "export.json").write_text(json.dumps([task]))
    samples = read_dataset("label-studio", tmp_path).samples
    assert [sample.image for sample in samples if sample.drawn] == [tmp_path / "p1" / "eye.png"]


@pytest.mark.parametrize("name", ["desktop.ini", "Thumbs.db", ".DS_Store"])
def test_what_a_system_hides_is_no_image(tmp_path, name):
    draw(*(tmp_path / kind / "eye.png" for kind in ("images", "masks")))
    (tmp_path / "images" / name).write_text("x")
    assert groups_of(tmp_path) == ["eye"]


def test_a_list_of_voc_has_a_name_a_line(tmp_path):
    names = [f"eye {number}" for number in range(3)]
    draw(*(tmp_path / kind / f"{name}.png" for kind in ("JPEGImages", "SegmentationClass") for name in names))
    for part, name in zip(("train", "val", "test"), names, strict=True):
        path = tmp_path / "ImageSets" / "Segmentation" / f"{part}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
    samples = read_dataset("voc", tmp_path).samples
    assert {sample.name: sample.part for sample in samples} == dict(
        zip(names, ("train", "validation", "test"), strict=True)
    )
