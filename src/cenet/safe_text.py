"""Text that is shown: counts with their plural; names from outside as data, on a terminal, in Markdown and in CSV."""

import re
from collections.abc import Collection
from typing import TextIO

_MARKDOWN = re.compile(r"[\\`*<|~]|&(?=#?\w+;)|(?<=\])\(|(?<![^\W_])_(?=\S)|(?<=\S)_(?![^\W_])")
_FORMULA_STARTS = ("=", "+", "-", "@")


def replace_unprintable(text: str) -> str:
    r"""Put text on one line and replace what could control a terminal, such as in the name of a file.

    >>> replace_unprintable("eye\x1b[2J.png")
    'eye?[2J.png'
    >>> replace_unprintable("eye\u202egnp.png\nnote: done")
    'eye?gnp.png note: done'
    """
    line = " ".join(text.splitlines())
    return "".join(character if character.isprintable() else "?" for character in line)


def format_count(count: int, noun: str) -> str:
    """A number of things, with the plural that it needs.

    >>> format_count(1, "group"), format_count(1500, "image")
    ('1 group', '1,500 images')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def format_digits(value: float, digits: int) -> str:
    """A number in so many digits; of a larger one all before the point, and no power of ten.

    >>> format_digits(0.0123, 2), format_digits(99.96, 2), format_digits(1500.4, 3)
    ('0.012', '100', '1,500')
    """
    return f"{value:.{digits}g}" if abs(value) < 10**digits - 0.5 else f"{value:,.0f}"


def format_minutes(minutes: float) -> str:
    """A time, to two digits or whole minutes.

    >>> format_minutes(0.62), format_minutes(1.01), format_minutes(134.6)
    ('0.62 minutes', 'a minute', '135 minutes')
    """
    text = f"{minutes:.2g}" if minutes < 99.5 else f"{minutes:,.0f}"
    return "a minute" if text == "1" else f"{text} minutes"


def format_bytes(size: int) -> str:
    """The size of a file.

    >>> format_bytes(9_632), format_bytes(12_300_000)
    ('9.6 kB', '12.3 MB')
    """
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def print_line(text: str, *, file: TextIO | None = None) -> None:
    r"""Print one line, whatever its names hold.

    Args:
        text: The line.
        file: `sys.stderr` for notes; None for the standard output.

    >>> print_line("report: a\nb.html")
    report: a b.html
    """
    print(replace_unprintable(text), file=file)


def format_names(names: Collection[str]) -> str:
    """The first names of many.

    >>> format_names(["a.png", "b.png", "c.png", "d.png", "e.png"])
    'a.png, b.png, c.png and 2 more'
    """
    shown = list(names)[:3]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def escape_markdown(text: str) -> str:
    r"""Return text on one line that Markdown shows as it is: no table, link, emphasis, code or HTML begins in it.

    >>> escape_markdown("a|b `rm` <script> [x](y) 01_test __x__")
    'a\\|b \\`rm\\` \\<script> [x]\\(y) 01_test \\_\\_x\\_\\_'
    """
    return _MARKDOWN.sub(r"\\\g<0>", replace_unprintable(text))


def escape_csv(value: object) -> object:
    """Return a cell of a CSV file that a spreadsheet does not take for a formula; numbers are left as they are.

    The apostrophe before it is what OWASP advises; spreadsheets show the text behind it.

    >>> escape_csv("=HYPERLINK(A1)"), escape_csv("eye-1.png"), escape_csv(-0.5)
    ("'=HYPERLINK(A1)", 'eye-1.png', -0.5)
    """
    if not isinstance(value, str):
        return value
    line = replace_unprintable(value)
    is_formula = line.lstrip().startswith(_FORMULA_STARTS) or value[:1] in ("\t", "\r")
    return f"'{line}" if is_formula else line
