"""Every layout becomes the same plain folder, COCO comes back to the pixel, and nothing is overwritten."""

import json
import os
import shutil
import sys
from functools import partial

import nibabel
import numpy as np
import pytest
import tifffile
from brush_strokes import pack_brush
from examples import NAMES, mask_of, write_coco, write_cvat, write_label_studio, write_labelme, write_voc, write_yolo
from PIL import Image

from cenet.data.io.pixel_size import read_pixel_size
from cenet.data.io.read import read_image, read_label
from cenet.data.labels.schema import read_classes_file
from cenet.datasets.convert import convert_dataset
from cenet.datasets.layouts.detect import read_recognised
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError

WRITERS = [
    write_coco,
    partial(write_coco, kind="text"),
    write_yolo,
    write_labelme,
    write_cvat,
    partial(write_label_studio, pack_brush=pack_brush),
    partial(write_voc, palette=True),
    partial(write_voc, palette=False),
]


@pytest.mark.parametrize("write", WRITERS)
def test_every_tool_becomes_the_same_plain_folder(write, tmp_path):
    write(tmp_path / "in")
    conversion = convert_dataset(tmp_path / "in", tmp_path / "out")
    assert (conversion.images, conversion.masks, conversion.failures) == (3, 3, [])
    value_of = {name: value for value, name in conversion.written_labels.items()}
    for name in NAMES:
        mask, truth = read_label(tmp_path / "out" / "masks" / f"{name}.png"), mask_of(name)
        assert ((mask == value_of["disc"]) == (truth == 1)).all()
        assert ((mask == value_of["cup"]) == (truth == 2)).all()
        source = next(path for path in (tmp_path / "in").rglob(f"{name}.png") if "Segmentation" not in str(path))
        assert (tmp_path / "out" / "images" / f"{name}.png").read_bytes() == source.read_bytes()
    classes = json.loads((tmp_path / "out" / "classes.json").read_text())["classes"]
    assert {item["name"]: item["value"] for item in classes} == {name: value_of[name] for name in ("disc", "cup")}
    contents = read_recognised(tmp_path / "out")
    assert contents.layout == "A plain folder"
    assert [sample.part for sample in contents.samples] == [
        sample.part for sample in read_recognised(tmp_path / "in").samples
    ]


def draw(folder, names, values=(0, 255)):
    for index, name in enumerate(names):
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(index).integers(0, 255, (20, 24), np.uint8)).save(
            folder / "images" / f"{name}.png"
        )
        mask = np.full((20, 24), values[0], np.uint8)
        mask[4:9, index + 2 : index + 9] = values[1]
        mask[12:14, 3:5] = values[-1]
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    return folder


@pytest.mark.parametrize("values", [(0, 255), (0, 1, 2)])
def test_coco_comes_back_to_the_pixel(values, tmp_path):
    draw(tmp_path / "in", "abc", values)
    convert_dataset(tmp_path / "in", tmp_path / "coco", target="coco")
    conversion = convert_dataset(tmp_path / "coco", tmp_path / "out")
    assert conversion.layout.startswith("COCO")
    for name in "abc":
        before, after = (read_label(tmp_path / part / "masks" / f"{name}.png") for part in ("in", "out"))
        assert (before == after).all()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
def test_the_files_of_coco_are_read_by_pycocotools(tmp_path):
    from pycocotools.coco import COCO

    draw(tmp_path / "in", "ab", (0, 1, 2))
    convert_dataset(tmp_path / "in", tmp_path / "coco", target="coco")
    coco = COCO(tmp_path / "coco" / "annotations" / "instances.json")
    total = sum(int(coco.annToMask(item).sum()) for item in coco.loadAnns(coco.getAnnIds(imgIds=[1], catIds=[1])))
    assert total == (read_label(tmp_path / "in" / "masks" / "a.png") == 1).sum()


def test_groups_and_the_split_survive_and_a_pattern_overrides_them(tmp_path):
    for part in ("train", "val", "test"):
        draw(tmp_path / "in" / part, [f"{part}_p1_a", f"{part}_p1_b"])
    convert_dataset(tmp_path / "in", tmp_path / "out", group_pattern="^[a-z]+_p1")
    samples = read_recognised(tmp_path / "out").samples
    assert {(sample.part, sample.group) for sample in samples} == {
        ("train", "train_p1"),
        ("validation", "val_p1"),
        ("test", "test_p1"),
    }
    assert len({sample.group for sample in read_recognised(tmp_path / "out", group_pattern=".*").samples}) == 6


def test_the_split_of_a_converted_set_is_kept_by_every_task_that_reads_plain_folders(tmp_path):
    for part in ("train", "test"):
        draw(tmp_path / "in" / part, [f"{part}_a", f"{part}_b"])
    convert_dataset(tmp_path / "in", tmp_path / "out")
    assert [sample.part for sample in TASKS["vessels"].read(tmp_path / "out")] == ["test", "test", "train", "train"]


@pytest.mark.parametrize("place", ["full", "file", "in/inside"])
def test_nothing_is_overwritten(place, tmp_path):
    draw(tmp_path / "in", "ab")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CenetError):
        convert_dataset(tmp_path / "in", tmp_path / place)
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
    assert not (tmp_path / "in" / "inside").exists()


def test_what_cannot_be_converted_is_listed_and_the_rest_is_there(tmp_path):
    write_coco(tmp_path / "in")
    path = tmp_path / "in" / "annotations" / "instances.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["segmentation"] = [[100, 0, 120, 0, 120, 9]]
    path.write_text(json.dumps(content))
    conversion = convert_dataset(tmp_path / "in", tmp_path / "out")
    assert conversion.images == 2
    assert ["left.png" in error.subject for error in conversion.failures] == [True]
    assert not list(tmp_path.glob(".out-*"))


def test_numbered_objects_become_one_foreground_only_when_asked(tmp_path):
    draw(tmp_path / "in", "ab", (0, 3, 9))
    with pytest.raises(CenetError):
        convert_dataset(tmp_path / "in", tmp_path / "out", num_classes=1)
    convert_dataset(tmp_path / "in", tmp_path / "out", objects=True)
    assert np.unique(read_label(tmp_path / "out" / "masks" / "a.png")).tolist() == [0, 255]


def test_a_colour_for_each_object_becomes_one_foreground_when_asked(tmp_path):
    draw(tmp_path / "in", "ab", (0, 3, 9))
    for name in "ab":
        path = tmp_path / "in" / "masks" / f"{name}.png"
        mask = np.asarray(Image.open(path))
        Image.fromarray(np.array([[0, 0, 0], [0, 200, 0], [90, 0, 255]], np.uint8)[mask // 4]).save(path)
    convert_dataset(tmp_path / "in", tmp_path / "out", objects=True)
    assert np.unique(read_label(tmp_path / "out" / "masks" / "a.png")).tolist() == [0, 255]


def test_masks_that_seem_to_number_objects_are_never_classes_without_a_word(tmp_path):
    for number in range(4):
        draw(tmp_path / "in", "abcd"[number], (0, 20 * number + 1))
        path = tmp_path / "in" / "masks" / f"{'abcd'[number]}.png"
        mask = np.zeros((20, 24), np.uint8)
        for index in range(4 + number):
            mask[2 + 4 * (index // 4) :: 30, 2 + 5 * (index % 4)] = 20 * number + index + 1
        Image.fromarray(mask).save(path)
    with pytest.raises(CenetError) as error:
        convert_dataset(tmp_path / "in", tmp_path / "out")
    assert "--objects" in error.value.remedy
    assert "--num-classes" in error.value.remedy


def test_channels_of_nnunet_become_one_file(tmp_path):
    (tmp_path / "in" / "imagesTr").mkdir(parents=True)
    (tmp_path / "in" / "labelsTr").mkdir()
    draw(tmp_path / "drawn", "ab", (0, 1))
    for name in "ab":
        for channel in range(2):
            shutil.copy(
                tmp_path / "drawn" / "images" / f"{name}.png",
                tmp_path / "in" / "imagesTr" / f"{name}_{channel:04}.png",
            )
        shutil.copy(tmp_path / "drawn" / "masks" / f"{name}.png", tmp_path / "in" / "labelsTr" / f"{name}.png")
    dataset = {"channel_names": {"0": "x", "1": "y"}, "labels": {"background": 0, "cell": 1}, "file_ending": ".png"}
    (tmp_path / "in" / "dataset.json").write_text(json.dumps(dataset))
    conversion = convert_dataset(tmp_path / "in", tmp_path / "out")
    assert "nnU-Net" in conversion.layout
    assert conversion.written_labels == {0: "background", 255: "cell"}
    assert read_image(tmp_path / "out" / "images" / "a.tif").shape == (20, 24, 2)
    assert tifffile.imread(tmp_path / "out" / "images" / "a.tif").dtype == np.uint8


def test_a_slice_keeps_the_size_of_its_pixels(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / "in" / part).mkdir(parents=True)
        slices = np.random.default_rng(0).integers(0, 2, (20, 24, 3), dtype=np.uint8)
        volume = nibabel.Nifti1Image(slices, np.diag([0.7, 0.9, 2.0, 1.0]))
        nibabel.save(volume, tmp_path / "in" / part / "v.nii.gz")
    convert_dataset(tmp_path / "in", tmp_path / "out")
    written, read = (
        read_pixel_size(path) for path in (tmp_path / "out/images/v-00.tif", tmp_path / "in/images/v.nii.gz")
    )
    assert (written.height_mm, written.width_mm) == pytest.approx((read.height_mm, read.width_mm), rel=1e-4)


def test_unannotated_pixels_stay_unannotated(tmp_path):
    draw(tmp_path / "in", "ab", (0, 1, 255))
    for target in ("plain", "coco"):
        convert_dataset(tmp_path / "in", tmp_path / target, target=target, ignore_value=255)
    convert_dataset(tmp_path / "coco", tmp_path / "back")
    for place in ("plain", "back"):
        mask = read_label(tmp_path / place / "masks" / "a.png")
        assert (mask == read_label(tmp_path / "in" / "masks" / "a.png")).all()
        assert json.loads((tmp_path / place / "classes.json").read_text())["ignore"] == 255


def test_regions_are_kept_for_all_images_and_coco_has_none(tmp_path):
    draw(tmp_path / "in", "ab")
    region = np.zeros((20, 24), np.uint8)
    region[2:18, 2:18] = 255
    (tmp_path / "in" / "regions").mkdir()
    for name in "ab":
        Image.fromarray(region).save(tmp_path / "in" / "regions" / f"{name}.png")
    convert_dataset(tmp_path / "in", tmp_path / "plain")
    assert np.array_equal(read_label(tmp_path / "plain" / "regions" / "b.png") > 0, region > 0)
    conversion = convert_dataset(tmp_path / "in", tmp_path / "coco", target="coco")
    assert [note.subject for note in conversion.notes] == ["regions/"]


def test_an_image_without_a_region_gets_a_whole_one_where_others_have_some(tmp_path):
    draw(tmp_path / "in", "ab")
    (tmp_path / "in" / "list.csv").write_text(
        "image,mask,region\nimages/a.png,masks/a.png,masks/a.png\nimages/b.png,masks/b.png,\n"
    )
    convert_dataset(tmp_path / "in", tmp_path / "out", task="table")
    regions = {name: read_label(tmp_path / "out" / "regions" / f"{name}.png") > 0 for name in "ab"}
    assert 0 < regions["a"].mean() < 1
    assert regions["b"].all()


@pytest.mark.parametrize("target", ["plain", "coco"])
def test_images_without_any_label_are_copied(target, tmp_path):
    draw(tmp_path / "in", "ab")
    shutil.rmtree(tmp_path / "in" / "masks")
    conversion = convert_dataset(tmp_path / "in", tmp_path / "out", target=target)
    assert (conversion.images, conversion.masks, conversion.written_labels) == (2, 0, None)
    assert not (tmp_path / "out" / "classes.json").exists()
    assert not (tmp_path / "out" / "annotations").exists()


def test_where_no_image_can_be_converted_nothing_is_left(tmp_path):
    draw(tmp_path / "in", "a")
    (tmp_path / "in" / "images" / "a.png").write_bytes(b"")
    (tmp_path / "out").mkdir()
    with pytest.raises(CenetError):
        convert_dataset(tmp_path / "in", tmp_path / "out", num_classes=1)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["in", "out"]
    draw(tmp_path / "sound", "a")
    assert convert_dataset(tmp_path / "sound", tmp_path / "out").images == 1  # an empty folder is filled


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are not UTF-8")
@pytest.mark.parametrize("target", ["plain", "coco"])
def test_names_that_are_not_utf_8_are_converted(target, tmp_path):
    source = tmp_path / os.fsdecode(b"in\xff")
    draw(source, ["a", os.fsdecode(b"b\xff")])
    conversion = convert_dataset(source, tmp_path / "out", target=target)
    assert (conversion.images, conversion.failures) == (2, [])
    assert [sample.name for sample in read_recognised(tmp_path / "out").samples] == ["a", "b_udcff"]
    if target == "plain":
        content = json.loads((tmp_path / "out" / "conversion.json").read_text())
        assert (content["source"], content["samples"][1]["image"]) == ("in\\udcff", "images/b\\udcff.png")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are not UTF-8")
def test_of_two_images_that_would_have_one_name_the_second_is_listed(tmp_path):
    draw(tmp_path / "in", ["b_udcff", os.fsdecode(b"b\xff")])
    conversion = convert_dataset(tmp_path / "in", tmp_path / "out")
    (failure,) = conversion.failures
    assert "as another image does" in str(failure)
    assert conversion.images == 1


def test_one_boundary_with_unannotated_columns_becomes_a_mask_that_says_so(tmp_path):
    for folder in ("images", "boundaries"):
        (tmp_path / "in" / folder).mkdir(parents=True)
    for number in range(3):
        Image.fromarray(np.full((16, 16), number, np.uint8)).save(tmp_path / "in" / "images" / f"{number}.png")
        rows = np.full((1, 16), 7.0)
        rows[0, :3] = np.nan
        np.save(tmp_path / "in" / "boundaries" / f"{number}.npy", rows)
    convert_dataset(tmp_path / "in", tmp_path / "out", task="oct")
    assert np.unique(read_label(tmp_path / "out" / "masks" / "0.png")[:, :3]).tolist() == [255]
    assert read_classes_file(tmp_path / "out" / "classes.json")


def test_a_link_to_an_empty_folder_is_filled(tmp_path):
    write_coco(tmp_path / "in")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert convert_dataset(tmp_path / "in", tmp_path / "link").images == 3
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "masks").is_dir()
