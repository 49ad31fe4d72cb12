"""Labels that are shapes: drawn in the right order, at the right size, and refused where they lie outside."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cenet.data.labels.count_classes import count_classes
from cenet.data.labels.detect import detect_encoding
from cenet.data.labels.drawn import DrawnLabel, DrawnObject, draw_label, draw_sample_label
from cenet.data.labels.schema import ClassesFile, Declaration
from cenet.data.labels.shapes import BrushStroke, MaskInBox, Outlines, Runs, ellipse, rectangle, turn
from cenet.data.sample import Sample
from cenet.errors import CenetError


def box(value, *corners, layer=0, relative=False):
    return DrawnObject(value, Outlines((rectangle(*corners),), relative), f"object {value}", layer)


def draw(*objects, shape=(4, 6)):
    return draw_label(DrawnLabel(objects), shape, name="eyes.json, eye.png")


@pytest.mark.parametrize("order", [1, -1])
def test_the_smaller_object_is_on_top_whatever_the_order(order):
    drawing = draw(*[box(1, 0, 0, 6, 4), box(2, 1, 1, 3, 3)][::order])
    assert (drawing.label == 1).sum() == 20
    assert (drawing.label == 2).sum() == 4
    assert drawing.overlap_px == 4


def test_a_higher_layer_is_on_top_whatever_its_size():
    assert (draw(box(1, 0, 0, 6, 4, layer=1), box(2, 1, 1, 3, 3)).label == 1).all()


def test_shares_of_the_sides_become_pixels():
    assert draw(box(1, 0.5, 0.25, 1, 0.75, relative=True)).label.sum() == 6


def test_run_lengths_lie_in_their_rectangle():
    runs = Runs((1, 2, 1), left=4, top=1, width=2, height=2, by_rows=True)
    assert np.argwhere(draw(DrawnObject(1, runs, "object")).label).tolist() == [[1, 5], [2, 4]]


def test_a_small_mask_is_pasted_and_clipped():
    file = io.BytesIO()
    Image.fromarray(np.full((3, 3), 255, np.uint8)).save(file, "PNG")
    drawing = draw(DrawnObject(1, MaskInBox(file.getvalue(), left=4, top=-1), "object"))
    assert drawing.label.sum() == 4


@pytest.mark.parametrize(
    "shape",
    [
        Outlines((rectangle(7, 0, 9, 2),)),
        Outlines((rectangle(-5, 0, -2, 2),)),
        Runs((4,), left=0, top=9, width=2, height=2),
        Runs((1, 2), left=0, top=0, width=5, height=5),
        Runs((20,), left=0, top=0, width=5, height=4, whole_image=True),
        Runs((10**9,), left=0, top=0, width=10**5, height=10**4),
        BrushStroke(b"nonsense"),
        MaskInBox(b"nonsense", left=0, top=0),
    ],
)
def test_what_lies_outside_or_does_not_fit_is_refused(shape):
    with pytest.raises(CenetError) as error:
        draw(DrawnObject(1, shape, "object 17"))
    assert error.value.subject == "eyes.json, eye.png"
    assert "object 17" in error.value.cause


def test_what_reaches_beyond_the_image_is_clipped_and_remarked():
    drawing = draw(box(1, 3, 1, 20, 3), box(2, 0, 0, 0.1, 0.1))
    assert (drawing.label == 1).sum() == 6
    assert drawing.clipped == ["object 1"]
    assert drawing.empty == ["object 2"]


def test_an_ellipse_has_its_area_and_turns_clockwise():
    shapes = [Outlines((ellipse(20, 20, 12, 6, turn_deg=angle),)) for angle in (0, 90)]
    wide, high = (draw(DrawnObject(1, shape, "ellipse"), shape=(40, 40)).label for shape in shapes)
    assert wide.sum() == pytest.approx(np.pi * 72, rel=0.03)
    assert (wide != high.T).sum() < 16
    assert turn(np.array([[1.0, 0.0]]), 90)[0, 1] == pytest.approx(1)


def test_the_classes_of_drawn_labels_have_their_names_without_being_drawn(tmp_path):
    classes = ClassesFile.model_validate({"classes": [{"name": "disc", "value": 1}, {"name": "cup", "value": 2}]})
    drawn = DrawnLabel((box(1, 0, 0, 6, 4), box(2, 1, 1, 3, 3)), size=(4, 6))
    sample = Sample(
        "eye",
        Path("eye.png"),
        (tmp_path / "eyes.json",),
        drawn=drawn,
        declared=Declaration(tmp_path / "eyes.json", classes),
    )
    assert count_classes([sample]).num_classes == 3
    encoding = detect_encoding([sample], num_classes=3)
    assert encoding.describe() == "0 -> background, 1 -> disc, 2 -> cup"
    assert np.unique(encoding.read(sample)).tolist() == [1, 2]


def test_an_object_without_a_pixel_is_remarked_and_one_without_shapes_refused():
    drawing = draw(box(1, 0, 0, 6, 4), box(2, 2.1, 2.1, 2.2, 2.2))
    assert drawing.empty == ["object 2"]
    (remark,) = drawing.remarks()
    assert "object 2" in remark.cause
    with pytest.raises(CenetError, match="no label of shapes"):
        draw_sample_label(Sample("eye", Path("eye.png")))


def test_the_parts_of_an_object_are_filled_together():
    parts = (rectangle(0, 0, 2, 2), rectangle(3, 1, 6, 3), rectangle(8, 8, 9, 9))
    expected = np.zeros((4, 6), np.uint8)
    expected[0:2, 0:2] = expected[1:3, 3:6] = 1
    assert np.array_equal(draw(DrawnObject(1, Outlines(parts), "two parts")).label, expected)
    small = (rectangle(1.1, 1.1, 1.2, 1.2), rectangle(3.1, 3.1, 3.2, 3.2))
    assert draw(DrawnObject(1, Outlines(small), "dust")).empty == ["dust"]


def png(height, width):
    file = io.BytesIO()
    Image.fromarray(np.full((height, width), 255, np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_a_digest_changes_with_whatever_changes_the_label():
    square = rectangle(0, 0, 2, 2)
    labels = [
        DrawnLabel((DrawnObject(value, shape, "object", layer),), size)
        for value, shape, layer, size in (
            (1, Outlines((square,)), 0, None),
            (2, Outlines((square,)), 0, None),
            (1, Outlines((square,)), 1, None),
            (1, Outlines((square,)), 0, (4, 6)),
            (1, Outlines((square + 1,)), 0, None),
            (1, Outlines((square,), relative=True), 0, None),
            (1, Runs((0, 4), left=0, top=0, width=2, height=2), 0, None),
            (1, Runs((0, 4), left=1, top=0, width=2, height=2), 0, None),
            (1, BrushStroke(b"a"), 0, None),
            (1, BrushStroke(b"b"), 0, None),
            (1, MaskInBox(png(2, 2), left=0, top=0), 0, None),
            (1, MaskInBox(png(2, 2), left=0, top=1), 0, None),
        )
    ]
    assert len({label.digest() for label in labels}) == len(labels)
    again = DrawnLabel((DrawnObject(1, Outlines((square.copy(),)), "another name"),))
    assert again.digest() == labels[0].digest()


def test_a_mask_of_more_pixels_than_its_image_is_refused():
    with pytest.raises(CenetError, match="more than the image"):
        draw(DrawnObject(1, MaskInBox(png(50, 50), left=0, top=0), "mask"))
    assert draw(box(1, 0, 0, 1, 1), DrawnObject(2, MaskInBox(png(2, 2), left=5, top=3), "mask")).label.sum() == 3
