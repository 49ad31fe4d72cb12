"""Contact sheets: every picture in its place, odd ones framed, long words cut."""

import numpy as np
import pytest

from cenet.doctor.contact_sheet import (
    COLUMNS,
    GAP_PX,
    GREY,
    LINE_PX,
    PAPER,
    RED,
    TILE_PX,
    ContactSheetTile,
    contact_sheet,
)


def plain(colour, shape=(60, 60)):
    return np.full((*shape, 3), colour, np.uint8)


def share(sheet, colour):
    return (sheet == np.array(colour, np.uint8)).all(axis=-1)


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 24])
def test_the_sheet_has_as_many_rows_and_columns_as_it_needs(count):
    sheet = contact_sheet([ContactSheetTile(str(index), plain(9)) for index in range(count)], title="t")
    columns, rows = min(max(count, 1), COLUMNS), -(-count // COLUMNS)
    assert sheet.shape[1] == columns * (TILE_PX + GAP_PX) + GAP_PX
    assert sheet.shape[0] == rows * (TILE_PX + 3 * LINE_PX + GAP_PX) + 2 * GAP_PX + LINE_PX


def test_pictures_stand_row_by_row():
    colours = [(10 * index, 255 - 10 * index, 77) for index in range(8)]
    sheet = contact_sheet([ContactSheetTile("", plain(colour)) for colour in colours], title="")
    places = [np.argwhere(share(sheet, colour)) for colour in colours]
    assert [len(place) for place in places] == [TILE_PX**2] * 8
    starts = [tuple(place[0]) for place in places]
    assert starts == sorted(starts)
    assert starts[6][1] == starts[0][1] == GAP_PX


@pytest.mark.parametrize("shape", [(10, 20), (1000, 2000), (600, 1200)])
def test_a_picture_keeps_its_proportions(shape):
    sheet = contact_sheet([ContactSheetTile("", plain((0, 99, 0), shape))], title="")
    assert share(sheet, (0, 99, 0)).sum() == TILE_PX * TILE_PX // 2
    assert sheet.shape[0] == TILE_PX // 2 + 3 * LINE_PX + GAP_PX + 2 * GAP_PX + LINE_PX  # no empty space above it


def test_a_thin_picture_still_shows():
    assert (
        share(contact_sheet([ContactSheetTile("", plain((0, 99, 0), (5000, 2)))], title=""), (0, 99, 0)).sum()
        == TILE_PX
    )


def test_only_a_remark_brings_a_red_frame():
    sheets = [contact_sheet([ContactSheetTile("eye", plain(0), remark)], title="") for remark in ("", "it is dark")]
    assert [int(share(sheet, RED).sum()) > 4 * 4 * TILE_PX for sheet in sheets] == [False, True]
    assert not share(sheets[0], RED).any()


def test_what_cannot_be_read_is_a_grey_place():
    assert share(contact_sheet([ContactSheetTile("eye", None, "the file is empty")], title=""), GREY).sum() > 20_000


def test_colours_are_explained():
    sheet = contact_sheet(
        [ContactSheetTile("eye", plain(0))], title="", legend=[("disc", (0, 200, 0)), ("cup", (200, 0, 200))]
    )
    assert share(sheet, (0, 200, 0)).sum() == share(sheet, (200, 0, 200)).sum() == 144


@pytest.mark.parametrize("text", ["w" * 500, "word " * 200, "\x1b[2J\n\udcff", "\u773c", "\u202egnp"])
def test_no_text_leaves_its_place(text):
    sheet = contact_sheet(
        [ContactSheetTile("", plain(0)), ContactSheetTile(text, plain(0), text)], title="", legend=[("a", (1, 2, 3))]
    )
    left = sheet[:, : GAP_PX + TILE_PX][2 * (GAP_PX + LINE_PX) + TILE_PX :]
    assert share(left, PAPER).all()
    assert share(sheet[:, -GAP_PX + 4 :], PAPER).all()
