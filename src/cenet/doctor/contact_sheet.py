"""A contact sheet: many pictures side by side, so that a person sees at a glance which one is odd."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

COLUMNS, TILE_PX, GAP_PX = 6, 240, 12
TEXT_PX, LINE_PX = 13, 18
PAPER, INK, GREY, RED = (255, 255, 255), (30, 30, 30), (215, 215, 215), (205, 0, 40)


@dataclass(frozen=True)
class ContactSheetTile:
    """One picture of a sheet.

    Args:
        name: Written below it.
        picture: (H, W, 3) uint8, or None where there is none to show.
        remark: What is wrong with it: written in red below the name, with a red frame around the picture.
    """

    name: str
    picture: NDArray[np.uint8] | None
    remark: str = ""


def contact_sheet(
    tiles: Sequence[ContactSheetTile], *, title: str, legend: Sequence[tuple[str, Sequence[int]]] = ()
) -> NDArray[np.uint8]:
    """Lay pictures out in rows, each made to fit its place, with a title and the colours explained above them.

    Args:
        tiles: The pictures, row by row.
        title: The first line.
        legend: Names and their RGB colours.

    Shape:
        (H, W, 3).

    >>> contact_sheet([ContactSheetTile("eye", np.zeros((300, 200, 3), np.uint8))], title="One eye").shape
    (348, 264, 3)
    """
    columns = min(COLUMNS, max(len(tiles), 1))
    wide = columns * (TILE_PX + GAP_PX) + GAP_PX
    places = _in_lines([name for name, _ in legend], wide)
    shown = [_fitted(tile.picture) for tile in tiles]
    tall = max((picture.height for picture in shown), default=TILE_PX)
    step_x, step_y = TILE_PX + GAP_PX, tall + 3 * LINE_PX + GAP_PX
    top = 2 * GAP_PX + LINE_PX * (places[-1][1] + 2 if places else 1)
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (wide, top + rows * step_y), PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (GAP_PX, GAP_PX), title, INK, sheet.width - 2 * GAP_PX)
    for (name, colour), (x, line) in zip(legend, places, strict=True):
        y = GAP_PX + LINE_PX * (line + 1)
        draw.rectangle((x, y + 2, x + 11, y + 13), fill=tuple(colour))
        _write(draw, (x + 18, y), name, INK, wide - x - 18 - GAP_PX)
    for number, (tile, picture) in enumerate(zip(tiles, shown, strict=True)):
        row, column = divmod(number, columns)
        x, y = GAP_PX + column * step_x, top + row * step_y
        left, above = x + (TILE_PX - picture.width) // 2, y + tall - picture.height
        sheet.paste(picture, (left, above))
        if tile.remark:
            right, below = left + picture.width, above + picture.height
            draw.rectangle((left - 4, above - 4, right + 3, below + 3), outline=RED, width=4)
        first, second = _in_two(draw, tile.remark)
        _write(draw, (x, y + tall + 4), tile.name, INK, TILE_PX)
        _write(draw, (x, y + tall + LINE_PX + 2), first, RED, TILE_PX)
        _write(draw, (x, y + tall + 2 * LINE_PX), second, RED, TILE_PX)
    return np.asarray(sheet)


def printable_ascii(text: str) -> str:
    r"""Keep what a file name holds from steering a terminal.

    >>> printable_ascii("eye\x1b[2J.png")
    'eye?[2J.png'
    """
    return "".join(char if char.isprintable() else "?" for char in text)


def _fitted(picture: NDArray[Any] | None) -> Image.Image:
    """Make a picture as large as its place, keeping its proportions; a tiny one shows its pixels."""
    if picture is None:
        blank = Image.new("RGB", (TILE_PX, TILE_PX // 2), GREY)
        _write(ImageDraw.Draw(blank), (12, 12), "cannot be read", INK, TILE_PX)
        return blank
    height, width = picture.shape[:2]
    scale = TILE_PX / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    return Image.fromarray(picture).resize(size, method)


def _in_lines(names: Sequence[str], wide: int) -> list[tuple[int, int]]:
    """Left edge and line of each name of a legend, 18 pixels apart with a square before each."""
    places, x, line = [], GAP_PX, 0
    for name in names:
        step = round(_font().getlength(printable_ascii(name))) + 36
        if x > GAP_PX and x + step - 18 > wide - GAP_PX:
            x, line = GAP_PX, line + 1
        places.append((x, line))
        x += step
    return places


def _in_two(draw: ImageDraw.ImageDraw, text: str) -> tuple[str, str]:
    """Break a text at the last blank that keeps its first line within a tile."""
    words = printable_ascii(text).split(" ")
    fits = [n for n in range(len(words) + 1) if draw.textlength(" ".join(words[:n]), font=_font()) <= TILE_PX]
    return " ".join(words[: fits[-1]]), " ".join(words[fits[-1] :])


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(TEXT_PX)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, colour: tuple[int, ...], width: int) -> int:
    """Write one line, its middle left out where it is too long; return its width in pixels."""
    font = _font()
    shown = text = printable_ascii(text)
    keep = len(text)
    while keep and draw.textlength(shown, font=font) > width:
        keep -= 1
        shown = text[: keep - keep // 2] + "…" + text[len(text) - keep // 2 :]
    draw.text(place, shown, fill=colour, font=font)
    return round(draw.textlength(shown, font=font))
