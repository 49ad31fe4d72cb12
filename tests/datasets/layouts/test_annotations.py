"""The files of annotation tools are read to the pixel, and what in them is hostile, missing or outside is refused."""

import json
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from brush_strokes import pack_brush
from examples import (
    NAMES,
    draw_image,
    mask_of,
    write_coco,
    write_cvat,
    write_label_studio,
    write_labelme,
    write_voc,
    write_yolo,
)

from cenet.data.labels.drawn import draw_sample_label
from cenet.datasets.layouts.detect import read_recognised
from cenet.datasets.resolve import count_task_classes, resolve_label_encoding
from cenet.doctor.examine import examine
from cenet.errors import CenetError

EXAMPLES = {
    "COCO polygons": (write_coco, "COCO"),
    "COCO texts": (partial(write_coco, kind="text"), "COCO"),
    "COCO run lengths": (partial(write_coco, kind="counts"), "COCO"),
    "YOLO": (write_yolo, "YOLO"),
    "LabelMe": (write_labelme, "LabelMe"),
    "CVAT": (write_cvat, "CVAT"),
    "Label Studio": (partial(write_label_studio, pack_brush=pack_brush), "Label Studio"),
    "VOC with a palette": (partial(write_voc, palette=True), "Pascal VOC"),
    "masks of CVAT": (partial(write_voc, palette=False), "Pascal VOC"),
}


@pytest.mark.parametrize(("write", "layout"), EXAMPLES.values(), ids=EXAMPLES)
def test_every_tool_gives_the_same_masks(write, layout, tmp_path):
    write(tmp_path)
    contents = read_recognised(tmp_path)
    assert contents.layout.startswith(layout)
    assert [sample.name for sample in contents.samples] == list(NAMES)
    count = count_task_classes("folder", contents.samples, folder=tmp_path)
    encoding = resolve_label_encoding("folder", contents.samples, num_classes=count.num_classes, folder=tmp_path)
    assert sorted(encoding.names) == ["cup", "disc"]
    for sample in contents.samples:
        label = encoding.read(sample)
        for value, name in ((1, "disc"), (2, "cup")):
            assert ((label == encoding.names.index(name) + 1) == (mask_of(sample.name) == value)).all()


def test_the_split_of_yolo_is_kept(tmp_path):
    write_yolo(tmp_path)
    parts = [sample.part for sample in read_recognised(tmp_path).samples]
    assert parts == ["train", "train", "validation"]


def test_classes_without_objects_and_missing_images_are_noted(tmp_path):
    write_coco(tmp_path)
    (tmp_path / "images" / "left.png").unlink()
    draw_image(tmp_path / "images" / "more.png", "left")
    contents = read_recognised(tmp_path)
    text = " ".join(map(str, contents.notes))
    assert "unused" in text
    assert "left.png" in text
    assert "more.png" in text
    assert [sample.name for sample in contents.samples] == ["middle", "right"]


def test_an_image_is_found_whose_name_spells_accents_in_another_way(tmp_path):
    write_coco(tmp_path)
    (tmp_path / "images" / "left.png").rename(tmp_path / "images" / "cle\u0301.png")
    path = tmp_path / "annotations" / "instances.json"
    path.write_text(path.read_text().replace("left.png", "cl\u00e9.png"))
    assert len(read_recognised(tmp_path).samples) == 3


def change_coco(folder, change):
    write_coco(folder)
    path = folder / "annotations" / "instances.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


BAD_COCO = {
    "another image": lambda content: content["annotations"][0].update(image_id=77),
    "another category": lambda content: content["annotations"][0].update(category_id=77),
    "an odd polygon": lambda content: content["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5]]),
    "runs of another size": lambda content: content["annotations"][0].update(
        segmentation={"size": [10**5, 10**5], "counts": [10**10]}
    ),
    "nonsense runs": lambda content: content["annotations"][0].update(
        segmentation={"size": [48, 64], "counts": "\x7f"}
    ),
    "no image": lambda content: [image.update(file_name=f"x{image['id']}.png") for image in content["images"]],
    "only boxes": lambda content: [item.pop("segmentation") for item in content["annotations"]],
    "a name of thousands": lambda content: content["images"][0].update(file_name="x" * 20_000),
}


@pytest.mark.parametrize("change", BAD_COCO.values(), ids=BAD_COCO)
def test_a_bad_coco_file_is_refused(change, tmp_path):
    change_coco(tmp_path, change)
    with pytest.raises(CenetError):
        read_recognised(tmp_path)


@pytest.mark.parametrize("corners", [[100, 0, 120, 0, 120, 9], [-9, -9, -2, -9, -2, -2], [0, 0, 1e300, 0, 1, 1]])
def test_an_object_outside_its_image_is_an_error_of_the_doctor(corners, tmp_path):
    change_coco(tmp_path, lambda content: content["annotations"][0].update(segmentation=[corners]))
    diagnosis = examine(tmp_path)
    (error,) = [item for item in diagnosis.findings if item.severity == "error" and "annotation 1" in item.cause]
    assert error.subject.endswith("left.png")


def test_an_object_that_reaches_beyond_its_image_is_a_warning(tmp_path):
    change_coco(
        tmp_path, lambda content: content["annotations"][0].update(segmentation=[[50, 20, 90, 20, 90, 30, 50, 30]])
    )
    causes = [item.cause for item in examine(tmp_path).findings if item.severity == "warning"]
    assert any("beyond the image" in cause for cause in causes)


def test_a_name_does_not_lead_out_of_the_data_set(tmp_path):
    draw_image(tmp_path / "secret.png", "left")
    change_coco(tmp_path / "data", lambda content: content["images"][0].update(file_name="../../secret.png"))
    contents = read_recognised(tmp_path / "data")
    assert [sample.name for sample in contents.samples] == ["middle", "right"]


BOMB = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]><annotations><version>1.1</version>&y;</annotations>'


@pytest.mark.parametrize(
    "content",
    [
        BOMB,
        "<annotations><version>1",
        "<annotations><version>1.1</version>" + "<a>" * 1000,
        "<annotations><version>1.1</version><track/>",
    ],
    ids=["entities", "cut off", "deep", "a video"],
)
def test_a_hostile_xml_is_refused(content, tmp_path):
    write_cvat(tmp_path)
    (tmp_path / "annotations.xml").write_text(content)
    with pytest.raises(CenetError):
        read_recognised(tmp_path)


@pytest.mark.parametrize(
    "line", ["0 0.1 0.1 0.9 0.1 0.5", "0 5 5 90 5 50 50", "0 nan 0.1 0.9 0.1 0.5 0.5", "0 0.1 0.1 0.1 0.1 word 1"]
)
def test_a_bad_line_of_yolo_is_refused(line, tmp_path):
    write_yolo(tmp_path)
    path = tmp_path / "labels" / "train" / "left.txt"
    path.write_text(f"{path.read_text()}\n{line}\n")
    with pytest.raises(CenetError):
        [draw_sample_label(sample) for sample in read_recognised(tmp_path).samples]


def test_yaml_with_references_is_refused(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "data.yaml").write_text("a: &a [1, 1]\nnames: [*a, *a]\n")
    with pytest.raises(CenetError) as error:
        read_recognised(tmp_path)
    assert "references" in error.value.cause


def test_several_annotations_of_one_image_are_not_chosen_from(tmp_path):
    write_label_studio(tmp_path, pack_brush)
    path = tmp_path / "export.json"
    tasks = json.loads(path.read_text())
    tasks[0]["annotations"] *= 2
    path.write_text(json.dumps(tasks))
    with pytest.raises(CenetError) as error:
        read_recognised(tmp_path)
    assert "2 annotations" in error.value.cause


def test_deep_json_is_refused(tmp_path):
    write_coco(tmp_path)
    path = tmp_path / "annotations" / "instances.json"
    path.write_text('{"images": ' + "[" * 100_000 + ', "annotations": [], "categories": []}')
    with pytest.raises(CenetError):
        read_recognised(tmp_path)


def test_an_image_with_two_names_is_annotated_once(tmp_path):
    write_coco(tmp_path)
    path = tmp_path / "annotations" / "instances.json"
    (path.parent / "copy.json").write_text(path.read_text())
    with pytest.raises(CenetError) as error:
        read_recognised(tmp_path)
    assert "left.png" in error.value.cause


def write_divided_coco(folder, *, test_class="cup"):
    """A file for each part of the split; the objects of the test part may be of another class."""
    write_coco(folder)
    path = folder / "annotations" / "instances.json"
    content = json.loads(path.read_text())
    path.unlink()
    for part, number in (("train", 0), ("val", 1), ("test", 2)):
        annotations = [dict(item) for item in content["annotations"] if item["image_id"] == number]
        categories = content["categories"]
        if part == "test" and test_class != "cup":
            categories = [*categories, {"id": 7, "name": test_class}]
            annotations[0]["category_id"] = 7
        part_content = {"images": [content["images"][number]], "annotations": annotations, "categories": categories}
        (folder / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(part_content))


def test_a_file_for_each_part_of_the_split_is_its_split(tmp_path):
    write_divided_coco(tmp_path)
    samples = read_recognised(tmp_path).samples
    assert [(sample.name, sample.part) for sample in samples] == [
        ("left", "train"),
        ("middle", "validation"),
        ("right", "test"),
    ]


def test_a_class_of_the_test_part_alone_is_not_learnt_and_counts_for_nothing(tmp_path):
    write_divided_coco(tmp_path, test_class="lesion")
    contents = read_recognised(tmp_path)
    assert any("lesion" in note.cause for note in contents.notes)
    learning = [sample for sample in contents.samples if sample.part != "test"]
    encoding = resolve_label_encoding("folder", learning, num_classes=3, folder=tmp_path)
    assert encoding.names == ("disc", "cup")
    assert 255 in encoding.read(contents.samples[2])


def test_a_classes_file_orders_the_classes_and_says_that_they_are_nested(tmp_path):
    write_labelme(tmp_path)
    (tmp_path / "classes.json").write_text('{"classes": [{"name": "disc"}, {"name": "cup"}], "nested": true}')
    samples = read_recognised(tmp_path).samples
    count = count_task_classes("folder", samples, folder=tmp_path)
    encoding = resolve_label_encoding("folder", samples, num_classes=3, nested=count.nested, folder=tmp_path)
    assert (encoding.names, encoding.nested) == (("disc", "cup"), True)
    assert (encoding.read(samples[0]) == mask_of("left")).all()


@pytest.mark.parametrize(
    "classes", ['[{"name": "disc"}]', '[{"name": "disc", "value": 1}, {"name": "cup", "value": 2}]']
)
def test_a_classes_file_that_does_not_fit_the_annotations_is_refused(classes, tmp_path):
    write_labelme(tmp_path)
    (tmp_path / "classes.json").write_text(f'{{"classes": {classes}}}')
    with pytest.raises(CenetError) as error:
        read_recognised(tmp_path)
    assert "cup" in error.value.cause


def mutate(content, rng):
    """Flip, cut, repeat or insert a few bytes."""
    position, length = (int(rng.integers(len(content))) for _ in range(2))
    piece = rng.choice(
        [b"9" * 30, b"-1", b"[", b"nan", b"1e999", b'"', b"\xff", content[position : position + length % 50]]
    )
    end = position + int(rng.integers(0, 12))
    return content[:position] + bytes(piece) + content[end:]


@pytest.mark.parametrize(("write", "layout"), EXAMPLES.values(), ids=EXAMPLES)
def test_a_mutated_annotation_file_is_read_or_refused(write, layout, tmp_path):
    write(tmp_path)
    rng = np.random.default_rng(0)
    files = [path for path in tmp_path.rglob("*") if path.suffix in (".json", ".xml", ".txt", ".yaml")]
    contents = {path: path.read_bytes() for path in files}
    for _ in range(25):
        path = files[int(rng.integers(len(files)))]
        path.write_bytes(mutate(contents[path], rng))
        with suppress(CenetError):
            for sample in read_recognised(tmp_path).samples:
                if sample.drawn is not None:
                    draw_sample_label(sample)
        path.write_bytes(contents[path])
