"""Contact sheets: every image in its place, those with findings first and framed, long names shortened."""

import numpy as np
import pytest

from cenet.data.io.read import read_image
from cenet.doctor.contact_sheet import (
    COLUMNS,
    LINE_CHARACTERS,
    ContactSheetTile,
    draw_contact_sheet,
    save_contact_sheet,
)


def tile(name="eye", shape=(60, 60), remark=""):
    return ContactSheetTile(name, np.full((*shape, 3), 9, np.uint8), remark)


def texts(sheet):
    return [text.get_text() for axis in sheet.axes for text in axis.texts]


@pytest.mark.parametrize("count", [0, 1, 6, 7, 24])
def test_every_image_has_a_place_and_empty_places_show_nothing(count):
    sheet = draw_contact_sheet([tile(str(index)) for index in range(count)], title="eyes")
    shown = [axis for axis in sheet.axes if axis.axison]
    assert len(shown) == count
    assert [axis.texts[0].get_text() for axis in shown] == [str(index) for index in range(count)]
    tops = {round(axis.get_position().y1, 3) for axis in shown}
    assert len(tops) == -(-count // COLUMNS)


def test_only_a_remark_brings_a_frame():
    sheet = draw_contact_sheet([tile(), tile(remark="it is dark")], title="eyes")
    assert [axis.spines["left"].get_visible() for axis in sheet.axes[:2]] == [False, True]
    assert "it is dark" in texts(sheet)


def test_an_image_that_cannot_be_read_says_so():
    assert "cannot be read" in texts(draw_contact_sheet([ContactSheetTile("eye", None, "empty")], title="eyes"))


def test_colours_are_explained():
    legend = [("disc", "#00c800"), ("cup", "#c800c8")]
    sheet = draw_contact_sheet([tile()], title="eyes", legend=legend)
    assert [text.get_text() for text in sheet.legends[0].get_texts()] == ["disc", "cup"]


@pytest.mark.parametrize("text", ["w" * 500, "word " * 200, "\x1b[2J\n\udcff", "\u773c", "\u202egnp", "$x_$ 100 %"])
def test_any_text_can_be_drawn_and_is_shortened(text, tmp_path):
    sheet = draw_contact_sheet([tile(text, remark=text)], title=text, legend=[(text, "#010203")])
    lines = [line for written in texts(sheet) for line in written.split("\n")]
    assert max(map(len, lines)) <= LINE_CHARACTERS
    with (tmp_path / "sheet.png").open("wb") as file:
        save_contact_sheet(file, sheet)
    assert read_image(tmp_path / "sheet.png").shape[2] == 3
