"""CVAT: turned boxes and ellipses, images that are missing, and shapes that are none."""

import numpy as np
import pytest
from examples import NAMES, SHAPE, write_cvat

from cenet.data.labels.drawn import draw_sample_label
from cenet.datasets.layouts.detect import read_recognised
from cenet.errors import CenetError


@pytest.fixture
def change(tmp_path):
    """Replaces text of an export, and reads it."""

    def read(old, new):
        write_cvat(tmp_path)
        path = tmp_path / "annotations.xml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
        return read_recognised(tmp_path)

    return read


def draw_beside(change, element):
    """The pixels of an element with a class of its own, on top of the others of the first image."""
    contents = change("</image>", f"{element}</image>")
    names = [item.name for item in contents.samples[0].declared.classes.classes]
    return draw_sample_label(contents.samples[0]).label == names.index("lesion") + 1


def test_a_box_is_turned_about_its_middle(change):
    box = '<box label="lesion" xtl="20" ytl="20" xbr="44" ybr="28" z_order="9"{}/>'
    upright, turned = np.zeros((2, *SHAPE), np.bool_)
    upright[20:28, 20:44] = turned[12:36, 28:36] = True
    assert np.array_equal(draw_beside(change, box.format("")), upright)
    assert np.array_equal(draw_beside(change, box.format(' rotation="90"')), turned)


def test_an_ellipse_covers_what_is_nearer_than_its_radii(change):
    covered = draw_beside(change, '<ellipse label="lesion" cx="32" cy="24" rx="16" ry="8" z_order="9"/>')
    rows, columns = np.indices(SHAPE) + 0.5
    distance = np.hypot((columns - 32) / 16, (rows - 24) / 8)
    assert covered[distance < 0.95].all()
    assert not covered[distance > 1.05].any()


@pytest.mark.parametrize(("old", "new"), [('name="left.png"', 'name="gone.png"'), ('name="left.png"', 'name=""')])
def test_an_image_that_is_missing_or_has_no_name_is_noted(change, old, new):
    contents = change(old, new)
    assert [sample.name for sample in contents.samples] == list(NAMES[1:])
    assert any("images that do not exist" in note.cause for note in contents.notes)


def test_without_a_size_shapes_are_drawn_at_that_of_the_image(change):
    sample = change(f' width="{SHAPE[1]}" height="{SHAPE[0]}"', "").samples[0]
    assert sample.drawn.size is None
    assert draw_sample_label(sample).label.shape == SHAPE


@pytest.mark.parametrize(
    "element",
    [
        '<box label="lesion" xtl="1" ytl="1" xbr="9"/>',
        '<ellipse label="lesion" cx="a" cy="24" rx="16" ry="8"/>',
        '<mask label="lesion" rle="1,2" left="0" top="0" width="0" height="9"/>',
        '<polygon label="lesion" points="1,1;2,2"/>',
        '<polygon label="lesion" points="1,1;2,2;3"/>',
        '<polygon label="lesion" points="1,1;2,2;3,3" z_order="high"/>',
    ],
)
def test_a_shape_that_is_none_is_refused(change, element):
    with pytest.raises(CenetError, match="cannot be read") as caught:
        change("</image>", f"{element}</image>")
    assert caught.value.subject.endswith("annotations.xml")


def test_another_document_that_mentions_annotations_is_refused(change):
    with pytest.raises(CenetError, match="it holds x, not annotations"):
        change("<annotations>", "<x><annotations>")
