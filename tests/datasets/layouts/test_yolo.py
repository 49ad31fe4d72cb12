"""YOLO: which text file is of which image, where the classes are named, and what is no polygon."""

import pytest
from examples import NAMES, draw_image, write_yolo

from cenet.datasets.layouts.detect import read_recognised
from cenet.errors import CenetError


def classes_of(contents):
    return [item.name for item in contents.samples[0].declared.classes.classes]


def causes(contents):
    return " ".join(note.cause for note in contents.notes)


@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        ("data.yaml", "names: [disc, cup]", ["disc", "cup"]),
        ("classes.txt", "disc\ncup\n\n", ["disc", "cup"]),
        ("obj.names", "disc\ncup", ["disc", "cup"]),
        ("data.yaml", "names: {a: disc}", ["class 0", "class 1"]),
        ("data.yaml", "nc: 2", ["class 0", "class 1"]),
    ],
)
def test_classes_have_the_names_of_a_file_or_their_numbers(tmp_path, name, content, names):
    write_yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    (tmp_path / name).write_text(content)
    contents = read_recognised(tmp_path)
    assert classes_of(contents) == names
    assert ("called by their numbers" in causes(contents)) == (names[0] == "class 0")


def test_labels_without_images_images_without_labels_and_boxes_are_noted(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "images" / "val" / "right.png").unlink()
    draw_image(tmp_path / "images" / "val" / "blank.png", "left")
    path = tmp_path / "labels" / "train" / "left.txt"
    path.write_text(f"{path.read_text()}\n\n1 0.5 0.5 0.2 0.2\n")
    contents = read_recognised(tmp_path)
    assert [(sample.name, len(sample.label)) for sample in contents.samples] == [("left", 1), ("middle", 1)]
    assert "labels/val/right.txt" in causes(contents)
    assert "1 of its objects are boxes" in causes(contents)
    assert len(contents.samples[0].drawn.objects) == 2
    assert "the 1 images of its validation part have no label" in causes(contents)


def test_images_and_texts_may_lie_side_by_side(tmp_path):
    write_yolo(tmp_path / "in")
    for part, name in (("train", "left"), ("train", "middle"), ("val", "right")):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "in" / "images" / part / f"{name}.png").rename(tmp_path / "out" / f"{name}.png")
        (tmp_path / "in" / "labels" / part / f"{name}.txt").rename(tmp_path / "out" / f"{name}.txt")
    draw_image(tmp_path / "out" / "more" / "thumbnail.png", "left")
    contents = read_recognised(tmp_path / "out")
    assert [sample.name for sample in contents.samples] == list(NAMES)


@pytest.mark.parametrize("content", ["- disc\n- cup\n", "7", "names: [disc"])
def test_a_yaml_without_names_and_values_is_refused(tmp_path, content):
    write_yolo(tmp_path)
    (tmp_path / "data.yaml").write_text(content)
    with pytest.raises(CenetError) as caught:
        read_recognised(tmp_path)
    assert caught.value.subject.endswith("data.yaml")
