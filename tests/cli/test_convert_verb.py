"""`cenet convert` says what became of what, and with its status whether all images are there."""

import json

from cenet.cli.convert_verb import summarise_notes
from cenet.datasets.contents import Note


def test_what_was_found_and_written_is_said(cenet, draw, tmp_path, capsys):
    draw(tmp_path / "in" / "train", count=2, num_classes=3, regions=False)
    draw(tmp_path / "in" / "test", count=1, num_classes=3, regions=False)
    assert cenet("convert", tmp_path / "in", tmp_path / "out") == 0
    said = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines() if not line.startswith("note"))
    assert said["layout"].startswith("A folder for each part of the split")
    assert said["written as"] == "0 -> background, 1 -> class 1, 2 -> class 2"
    assert said["split"].startswith("2 train, 1 test")
    assert said["next"] == f"cenet doctor {tmp_path / 'out'}"
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 3


def test_an_image_that_cannot_be_converted_is_named_and_the_status_is_1(cenet, draw, tmp_path, capsys):
    draw(tmp_path / "in", count=3)
    broken = tmp_path / "in" / "images" / "eye-1.png"
    broken.write_bytes(broken.read_bytes()[:100])
    assert cenet("convert", tmp_path / "in", tmp_path / "out") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(f"not converted: {broken}: ")]
    assert "split: the source has none" in lines
    assert sorted(path.name for path in (tmp_path / "out" / "images").iterdir()) == ["eye-0.png", "eye-2.png"]


def test_nested_classes_are_written_as_asked(cenet, draw, tmp_path):
    draw(tmp_path / "in", count=2, num_classes=3, regions=False)
    options = ("--num-classes", 3, "--nested", "true")
    assert cenet("convert", tmp_path / "in", tmp_path / "out", *options) == 0
    assert json.loads((tmp_path / "out" / "classes.json").read_text())["nested"]
    assert cenet("convert", tmp_path / "out", tmp_path / "coco", "--to", "coco") == 0
    content = json.loads((tmp_path / "coco" / "annotations" / "instances.json").read_text())
    area_of = {
        category: sum(item["area"] for item in content["annotations"] if item["category_id"] == category)
        for category in (1, 2)
    }
    assert area_of[1] > area_of[2] > 0
    outer = [item for item in content["annotations"] if item["image_id"] == 1 and item["category_id"] == 1]
    assert sum(item["area"] for item in outer) == _count_foreground(tmp_path / "in" / "masks" / "eye-0.png")


def _count_foreground(path):
    import numpy as np
    from PIL import Image

    return int(np.count_nonzero(np.array(Image.open(path))))


def test_a_remark_on_many_files_is_said_once():
    notes = [Note(f"{number}.png", "it is small", "nothing need be done") for number in range(9)]
    several, one = summarise_notes([*notes, Note("x.png", "it is dark", "look at it")])
    assert several.startswith("9 files: it is small; nothing need be done (0.png, ")
    assert one == "x.png: it is dark; look at it"
