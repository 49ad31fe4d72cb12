"""LabelMe: polygons and circles, images that are missing, and shapes that are none."""

import json

import numpy as np
import pytest
from examples import NAMES, SHAPE, write_labelme

from cenet.data.labels.drawn import draw_sample_label
from cenet.datasets.layouts.detect import read_recognised
from cenet.errors import CenetError


@pytest.fixture
def read_with(tmp_path):
    """Replaces the shapes of the first image, or other fields, and reads the folder."""

    def read(*shapes, **fields):
        write_labelme(tmp_path)
        path = tmp_path / "left.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps({**content, **({"shapes": shapes} if shapes else {}), **fields}))
        return read_recognised(tmp_path)

    return read


def shape(kind, *points, **fields):
    return {"label": "disc", "shape_type": kind, "points": points, **fields}


@pytest.mark.parametrize("kind", ["polygon", None])
def test_a_polygon_covers_the_pixels_inside(read_with, kind):
    sample = read_with(shape(kind, [10, 8], [40, 8], [40, 38], [10, 38])).samples[0]
    expected = np.zeros(SHAPE, np.bool_)
    expected[8:38, 10:40] = True
    assert np.array_equal(draw_sample_label(sample).label > 0, expected)


def test_a_circle_is_a_centre_and_a_point_on_it(read_with):
    covered = draw_sample_label(read_with(shape("circle", [32, 24], [38, 32])).samples[0]).label > 0
    rows, columns = np.indices(SHAPE) + 0.5
    distance = np.hypot(columns - 32, rows - 24)
    assert covered[distance < 9.5].all()
    assert not covered[distance > 10.5].any()


def test_a_missing_image_is_noted_and_its_size_may_be_left_out(read_with):
    contents = read_with(imagePath="gone.png")
    assert [sample.name for sample in contents.samples] == list(NAMES[1:])
    assert any("gone.png" in note.cause for note in contents.notes)
    assert read_with(imageHeight=None).samples[0].drawn.size is None


@pytest.mark.parametrize(
    "bad",
    [
        shape("polygon", [1, 1], [2, 2]),
        shape("rectangle", [1, 1]),
        shape("circle"),
        shape("mask", [1, 1], [2, 2], mask="no base64!"),
    ],
    ids=["polygon", "rectangle", "circle", "mask"],
)
def test_a_shape_that_is_none_is_refused(read_with, bad):
    with pytest.raises(CenetError, match="shape 1 cannot be read") as caught:
        read_with(bad)
    assert caught.value.subject.endswith("left.json")


@pytest.mark.parametrize("mask", ["iVBORw0KGgo=", ""])
def test_a_mask_without_a_picture_is_refused_or_covers_nothing(read_with, mask):
    kept = shape("rectangle", [1, 1], [9, 9])
    sample = read_with(kept, shape("mask", [1, 1], [2, 2], mask=mask)).samples[0]
    if not mask:
        assert len(sample.drawn.objects) == 1
        return
    with pytest.raises(CenetError, match="no undamaged PNG"):
        draw_sample_label(sample)
