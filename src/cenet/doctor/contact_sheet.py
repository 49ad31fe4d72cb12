"""A contact sheet: many images with their labels side by side, so that a person sees which one is unusual."""

import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cenet.data.io.write import hex_colours, overlay
from cenet.data.labels.drawn import label_name
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.labels.inspect import IGNORED
from cenet.data.loading import load_image, load_sample
from cenet.data.sample import Sample
from cenet.doctor.diagnosis import Finding, collect_findings
from cenet.doctor.samples import name_file
from cenet.safe_text import replace_unprintable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_TILES = 24
COLUMNS, MIN_COLUMNS = 6, 3
TILE_IN, TEXT_IN, HEADER_IN, LEGEND_LINE_IN = 2.4, 0.6, 0.5, 0.22  # inches of 100 pixels
DPI, TEXT_PT, LINE_CHARACTERS, THUMBNAIL_PX = 100, 8, 34, 480
RED, GREY = "#cd0028", "#d7d7d7"


@dataclass(frozen=True)
class ContactSheetTile:
    """One image of a sheet.

    Args:
        name: Written below it.
        image: (H, W, 3) uint8, or None where it cannot be read.
        remark: What is wrong with it: written in red below the name, with a red frame around the image.
    """

    name: str
    image: NDArray[np.uint8] | None
    remark: str = ""


def select_tiles(
    folder: Path, samples: Sequence[Sample], encoding: LabelEncoding | None, findings: Sequence[Finding]
) -> list[ContactSheetTile]:
    """Draw the images with findings, then others chosen evenly from the whole set.

    Args:
        folder: The folder of the set.
        samples: The whole set.
        encoding: How their labels are read.
        findings: What is wrong with their files, which are named as seen from the folder.
    """
    cause_of: dict[str, str] = {}
    for finding in findings:
        if finding.severity == "note":
            continue
        cause_of.setdefault(str(folder / finding.subject), finding.cause)
    remark_of = {sample.name: _find_remark(sample, cause_of) for sample in samples}
    conspicuous = [sample for sample in samples if remark_of[sample.name]][:MAX_TILES]
    others = [sample for sample in samples if not remark_of[sample.name]]
    count = min(MAX_TILES - len(conspicuous), len(others))
    evenly = np.linspace(0, len(others) - 1, count).round().astype(int)
    shown = conspicuous + [others[index] for index in evenly]
    return [ContactSheetTile(sample.name, _draw_sample(sample, encoding), remark_of[sample.name]) for sample in shown]


def class_legend(encoding: LabelEncoding | None) -> list[tuple[str, str]]:
    """The foreground classes with the colours in which they are drawn, as #rrggbb.

    >>> class_legend(LabelEncoding(kind="values", names=("disc",), values=((0,), (1,)), colours=("#00ff00",)))
    [('disc', '#00ff00')]
    """
    if encoding is None:
        return []
    return list(zip(encoding.names, hex_colours(len(encoding.names), encoding.colours), strict=True))


def draw_contact_sheet(
    tiles: Sequence[ContactSheetTile], *, title: str, legend: Sequence[tuple[str, str]] = ()
) -> "Figure":
    """Lay images out in rows, with a title and the colours explained above them.

    Args:
        tiles: The images, row by row.
        title: The first line.
        legend: Names and their colours.

    >>> sheet = draw_contact_sheet([ContactSheetTile("eye", np.zeros((300, 200, 3), np.uint8))], title="One eye")
    >>> sheet.axes[0].texts[0].get_text()
    'eye'
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    columns = int(np.clip(len(tiles), MIN_COLUMNS, COLUMNS))
    rows = max(-(-len(tiles) // columns), 1)
    width = columns * TILE_IN
    tile_height = TILE_IN * max((min(_aspect(tile), 1.5) for tile in tiles), default=1.0)
    header = HEADER_IN + LEGEND_LINE_IN * -(-len(legend) // columns)
    height = header + rows * (tile_height + TEXT_IN)
    figure = Figure(figsize=(width, height), dpi=DPI)
    gap = 0.12
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    figure.subplots_adjust(
        left=gap / width,
        right=1 - gap / width,
        top=1 - header / height,
        bottom=TEXT_IN / height,
        wspace=gap / TILE_IN,
        hspace=TEXT_IN / tile_height,
    )
    heading = shorten(title, columns * LINE_CHARACTERS)
    figure.text(gap / width, 1 - 0.1 / height, heading, verticalalignment="top", fontsize=10, parse_math=False)
    if legend:
        handles = [Patch(color=colour, label=shorten(name)) for name, colour in legend]
        corner = (0, 1 - 0.3 / height)
        box = figure.legend(handles=handles, bbox_to_anchor=corner, loc="upper left", ncols=columns, frameon=False)
        for text in box.get_texts():
            text.set(parse_math=False, fontsize=TEXT_PT)
    for axis, tile in zip(axes, tiles, strict=False):
        _draw_tile(axis, tile)
    for axis in axes[len(tiles) :]:
        axis.set_axis_off()
    return figure


def save_contact_sheet(file: IO[bytes], sheet: "Figure") -> None:
    """Write a sheet as PNG into an open file; a character that the font lacks is drawn as a box."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        sheet.savefig(file, format="png")


def shorten(text: str, length: int = LINE_CHARACTERS) -> str:
    """Leave out the middle of a text that is too long for its place.

    >>> shorten("a-very-long-name-of-a-file", 11)
    'a-ver…-file'
    """
    text = replace_unprintable(text)
    if len(text) <= length:
        return text
    end = (length - 1) // 2
    return f"{text[: length - 1 - end]}…{text[-end:]}"


def _aspect(tile: ContactSheetTile) -> float:
    return 0.5 if tile.image is None else tile.image.shape[0] / tile.image.shape[1]


def _draw_tile(axis: "Axes", tile: ContactSheetTile) -> None:
    """Draw an image with its name below it, and in red what is wrong with it."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_anchor("S")
    if tile.image is None:
        axis.set_facecolor(GREY)
        axis.set_box_aspect(0.5)
        axis.text(0.5, 0.5, "cannot be read", ha="center", va="center", transform=axis.transAxes, fontsize=TEXT_PT)
    else:
        axis.imshow(tile.image)
    axis.spines[:].set(visible=bool(tile.remark), color=RED, linewidth=3)
    remark = textwrap.wrap(replace_unprintable(tile.remark), LINE_CHARACTERS)
    lines = remark[:2] if len(remark) <= 2 else [remark[0], shorten(" ".join(remark[1:]))]
    _write_below(axis, shorten(tile.name), points=5, colour="black")
    _write_below(axis, "\n".join(lines), points=17, colour=RED)


def _write_below(axis: "Axes", text: str, *, points: int, colour: str) -> None:
    """Write text so many points below an image."""
    axis.annotate(
        text,
        (0.5, 0),
        xycoords="axes fraction",
        xytext=(0, -points),
        textcoords="offset points",
        horizontalalignment="center",
        verticalalignment="top",
        fontsize=TEXT_PT,
        color=colour,
        parse_math=False,
    )


def _find_remark(sample: Sample, cause_of: dict[str, str]) -> str:
    """What is wrong with a file of a sample, or nothing."""
    labels = [label_name(sample)] if sample.drawn else sample.label  # a file of shapes is of many images
    paths = [sample.image, *sample.channels, *labels, *([sample.region] if sample.region else [])]
    names = [name_file(sample, path) for path in paths] + [str(path) for path in paths]
    return next((cause_of[name] for name in names if name in cause_of), "")


def _draw_sample(sample: Sample, encoding: LabelEncoding | None) -> NDArray[np.uint8] | None:
    """Draw an image with its label over it, dark where pixels do not count; None where it cannot be read."""
    reported: list[Finding] = []
    with collect_findings(reported):
        image = load_image(sample)
        label = np.zeros(image.shape[:2], np.uint8)
        counts = np.ones(image.shape[:2], bool)
        with collect_findings(reported):
            _, label_read, region = load_sample(sample, encoding)
            label = label if label_read is None else label_read
            counts = (label != IGNORED) & (True if region is None else region)
        drawn = overlay(image, np.where(label == IGNORED, 0, label), colours=encoding.colours if encoding else ())
        thumbnail = Image.fromarray(np.where(counts[..., None], drawn, drawn // 2))
        thumbnail.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX)
        return np.asarray(thumbnail)
    return None
