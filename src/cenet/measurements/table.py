"""Measurements as a table: one row an image, as CSV."""

import csv
import io
import math
from collections.abc import Mapping, Sequence

from cenet.safe_text import escape_csv

Cell = str | float
DIGITS = 6  # significant, of a number


def format_csv(rows: Sequence[Mapping[str, Cell]]) -> str:
    """A table as CSV, with the columns of all rows in the order in which they first come.

    A cell that a row does not have, or that is NaN, is empty. Numbers have six significant digits.

    Args:
        rows: Names and values.

    >>> print(format_csv([{"image": "a.png", "area_px": 1234567.0}, {"image": "b.png", "area_px": math.nan}]), end="")
    image,area_px
    a.png,1234570
    b.png,
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([format_cell(row.get(name, "")) for name in columns] for row in rows)
    return text.getvalue()


def format_cell(value: Cell) -> str:
    """A cell as text; a text that a spreadsheet would take for a formula begins with an apostrophe.

    >>> format_cell(0.1 + 0.2), format_cell(3.0), format_cell("=1+1")
    ('0.3', '3', "'=1+1")
    """
    if isinstance(value, str):
        return str(escape_csv(value))
    if math.isnan(value):
        return ""
    if value and abs(value) >= 10**DIGITS:
        return str(round(float(f"{value:.{DIGITS}g}")))
    return f"{value:.{DIGITS}g}"
