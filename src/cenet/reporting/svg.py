"""A figure of matplotlib as SVG that a page can hold: its text stays text, its greys follow the page's colours."""

import io
import re
from html import escape
from typing import TYPE_CHECKING

from cenet.safe_text import replace_unprintable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, PALE, GRID, BOX = "#333a42", "#9aa5b1", "#e6e9ed", "#f1f4f7"
PAGE_COLOURS = {INK: "--ink", PALE: "--edge", GRID: "--line", BOX: "--pale"}  # variables of the page, light or dark


def extract_svg(figure: "Figure", title: str) -> str:
    """The figure as one `<svg>` element without fonts, addresses, or ids that would occur twice in a page.

    Args:
        figure: What is drawn.
        title: Text for readers who cannot see the plot.
    """
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    _, _, body = text.getvalue().partition("<svg")
    attributes, _, inside = body.partition(">")
    view_box = re.search(r'viewBox="[^"]*"', attributes)
    assert view_box  # matplotlib always writes the size
    inside = re.sub(r"<(metadata|style)\b.*?</\1>", "", inside, flags=re.DOTALL)
    inside = re.sub(r'<g id="[^"]*"', "<g", inside)
    inside = re.sub(r"font-family: [^;\"]*; ?", "", inside)
    inside = re.sub(r' d="([^"]*)"', _shorten_path, inside)
    for colour, variable in PAGE_COLOURS.items():
        inside = inside.replace(colour, f"var({variable}, {colour})")
    name = escape(replace_unprintable(title))
    return f'<svg role="img" aria-label="{name}" {view_box[0]}><title>{name}</title>{inside}'


def _shorten_path(path: re.Match[str]) -> str:
    """A path on one line, its coordinates cut after hundredths of a point."""
    points = re.sub(r"([.]\d\d)\d+", r"\1", path[1]).replace("\n", "")
    return f' d="{points}"'
