"""Label Studio: turned rectangles and ellipses, tasks without images or annotations, and what contradicts itself."""

import json

import numpy as np
import pytest
from brush_strokes import pack_brush
from examples import SHAPE, draw_image, write_label_studio

from cenet.data.labels.drawn import draw_sample_label
from cenet.datasets.layouts.detect import read_recognised
from cenet.errors import CenetError


@pytest.fixture
def change(tmp_path):
    """Changes the tasks of an export, and reads it."""

    def read(change_tasks):
        write_label_studio(tmp_path, pack_brush)
        path = tmp_path / "export.json"
        tasks = json.loads(path.read_text())
        change_tasks(tasks)
        path.write_text(json.dumps(tasks))
        return read_recognised(tmp_path)

    return read


def results(tasks, task=0):
    return tasks[task]["annotations"][0]["result"]


def shape_of(kind, **value):
    """A result in percent of the image's sides."""
    size = {"original_width": SHAPE[1], "original_height": SHAPE[0]}
    return {**size, "type": kind, "value": {**value, kind: ["disc"]}}


def draw_alone(change, result):
    """The pixels that a single result covers."""
    contents = change(lambda tasks: tasks[0]["annotations"][0].update(result=[result]))
    return draw_sample_label(contents.samples[0]).label > 0


def test_a_rectangle_is_turned_about_its_corner(change):
    upright = np.zeros(SHAPE, np.bool_)
    upright[12:24, 16:48] = True
    turned = np.zeros(SHAPE, np.bool_)
    turned[12:44, 4:16] = True  # a quarter turn clockwise about (16, 12)
    value = {"x": 25, "y": 25, "width": 50, "height": 25}
    assert np.array_equal(draw_alone(change, shape_of("rectanglelabels", **value)), upright)
    assert np.array_equal(draw_alone(change, shape_of("rectanglelabels", **value, rotation=90)), turned)


@pytest.mark.parametrize("rotation", [0, 90])
def test_an_ellipse_is_turned_about_its_centre(change, rotation):
    value = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 100 / 6, "rotation": rotation}
    rows, columns = np.indices(SHAPE) + 0.5
    along, across = (columns - 32, rows - 24) if rotation == 0 else (rows - 24, columns - 32)
    distance = np.hypot(along / 16, across / 8)
    covered = draw_alone(change, shape_of("ellipselabels", **value))
    assert covered[distance < 0.95].all()
    assert not covered[distance > 1.05].any()


def test_tasks_without_an_image_or_annotation_and_results_without_area_are_noted(change):
    def spoil(tasks):
        tasks[0]["data"] = {"image": "", "age": 7}
        tasks[1]["annotations"][0]["was_cancelled"] = True
        results(tasks, 2).append({"type": "choices", "value": {"choices": ["healthy"]}})
        tasks.append({**tasks[2], "id": 9, "data": {"image": "/data/local-files/?d=photos%2Fgone.png"}})

    contents = change(spoil)
    causes = " ".join(note.cause for note in contents.notes)
    assert [(sample.name, len(sample.label)) for sample in contents.samples] == [("middle", 0), ("right", 1)]
    assert "that of task 0" in causes
    assert "gone.png" in causes
    assert "results of the kind choices" in causes


BAD = {
    "two sizes": (lambda tasks: results(tasks)[0].update(original_width=9, original_height=9), "several sizes"),
    "two labels": (lambda tasks: results(tasks)[1]["value"].update(polygonlabels=["disc", "cup"]), "disc, cup"),
    "two corners": (lambda tasks: results(tasks)[1]["value"].update(points=[[1, 1], [2, 2]]), "it has 2 corners"),
}


@pytest.mark.parametrize(("spoil", "cause"), BAD.values(), ids=BAD)
def test_what_contradicts_itself_is_refused(change, spoil, cause):
    with pytest.raises(CenetError, match=cause) as caught:
        change(spoil)
    assert caught.value.subject.endswith("export.json")


def test_an_export_for_each_folder_may_call_two_images_alike_but_not_one_of_them(change, tmp_path):
    draw_image(tmp_path / "more" / "left.png", "left")
    with pytest.raises(CenetError, match=r"several images may be left\.png"):
        change(lambda tasks: (tmp_path / "images").rename(tmp_path / "pictures"))
