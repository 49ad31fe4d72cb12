"""Tables as text: aligned columns for a terminal, or Markdown for a file; and how numbers are written in both.

A document is a list of blocks, each a paragraph or a `Table`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

from cenet.evaluation.comparison_report import ComparedMetric
from cenet.evaluation.report_scores import Score
from cenet.metrics.registry import METRICS
from cenet.safe_text import escape_markdown, replace_unprintable

Style = Literal["terminal", "markdown"]
UNDEFINED = "undefined"
RANGES = "range of groups"  # the title of a column that holds nothing else
DECIMALS = 4  # of a share
DECIMALS_ABOVE_1 = 2  # of a distance in pixels
AVERAGES = {"pooled": "pooled", "within_folds": "pooled within folds", "per_image": "mean of images"}


@dataclass(frozen=True)
class Table:
    """Cells of text under headers.

    Args:
        title: What the table shows.
        header: The name of each column.
        rows: The cells of each row.
        align: A letter for each column: `l` for text, `r` for numbers.
        widths: The characters above which a terminal wraps each column; None: wherever it ends.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: str
    widths: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class BulletList:
    """Lines of a list.

    Args:
        items: The text of each.
    """

    items: tuple[str, ...]


def render(blocks: Sequence[str | BulletList | Table], style: Style) -> str:
    """Turn a document into text, in which no name of an image or run can end a line or begin markup.

    Args:
        blocks: Paragraphs of one line, lists and tables, in their order; what is empty is left out.
        style: For a terminal, or for a Markdown file.

    >>> table = Table("vessel", ("metric", "value"), (("Dice", "0.80"), ("IoU", "0.67")), "lr")
    >>> print(render(["Run seven.", table], "terminal"))
    Run seven.
    <BLANKLINE>
    vessel
    metric      value
    --------  -------
    Dice         0.80
    IoU          0.67
    >>> print(render([table], "markdown"))
    **vessel**
    <BLANKLINE>
    | metric   |   value |
    |:---------|--------:|
    | Dice     |    0.80 |
    | IoU      |    0.67 |
    """
    return "\n\n".join(text for block in blocks if (text := _render_block(block, style)))


def _render_block(block: str | BulletList | Table, style: Style) -> str:
    neutralise = replace_unprintable if style == "terminal" else escape_markdown
    if isinstance(block, str):
        return neutralise(block)
    if isinstance(block, BulletList):
        return "\n".join(f"- {neutralise(item)}" for item in block.items)
    rows = tuple(tuple(map(neutralise, row)) for row in block.rows)
    header = tuple(map(neutralise, block.header))
    return _render_table(replace(block, title=neutralise(block.title), header=header, rows=rows), style)


def _render_table(table: Table, style: Style) -> str:
    from tabulate import tabulate

    if not table.rows:
        return ""
    rows = [list(row) for row in table.rows]
    alignment = ["right" if letter == "r" else "left" for letter in table.align]
    if style == "terminal":
        text = tabulate(
            _blank_repeats(rows),
            table.header,
            tablefmt="simple",
            colalign=alignment,
            disable_numparse=True,
            maxcolwidths=list(table.widths) or None,
        )
        return "\n".join(line.rstrip() for line in [table.title, *text.splitlines()])
    return f"**{table.title}**\n\n" + tabulate(
        rows, table.header, tablefmt="pipe", colalign=alignment, disable_numparse=True
    )


def _blank_repeats(rows: list[list[str]]) -> list[list[str]]:
    """Leave out the leading cells that repeat those of the row above.

    >>> _blank_repeats([["Dice", "images"], ["Dice", "folds"], ["IoU", "folds"]])
    [['Dice', 'images'], ['', 'folds'], ['IoU', 'folds']]
    """
    blanked = [list(row) for row in rows]
    for above, row, shown in zip(rows, rows[1:], blanked[1:], strict=False):
        for column, (upper, cell) in enumerate(zip(above, row, strict=True)):
            if upper != cell:
                break
            shown[column] = ""
    return blanked


def format_number(value: float, *, like: float | None = None, decimals: int | None = None, signed: bool = False) -> str:
    """A metric with the decimals that its size deserves: four for a share, two for a distance above 1.

    Args:
        value: The number.
        like: The number whose decimals it takes, as the ends of an interval take those of its middle.
        decimals: How many decimals, whatever the size.
        signed: Whether a positive number has its sign, too.

    >>> format_number(0.98765), format_number(12.3456), format_number(0.5, like=12.3), format_number(float("nan"))
    ('0.9877', '12.35', '0.50', 'undefined')
    """
    if not isfinite(value):
        return UNDEFINED
    size = abs(like if like is not None and isfinite(like) else value)
    if decimals is None:
        decimals = DECIMALS_ABOVE_1 if size > 1 else DECIMALS
    return f"{value:{'+' if signed else ''}.{decimals}f}"


def format_interval(score: Score, *, decimals: int | None = None, signed: bool = False) -> str:
    """The ends of a score's interval or range; empty where it has none.

    >>> format_interval(Score(value=0.8, low=0.75, high=0.85, method="t over 20 groups"))
    '0.7500 to 0.8500'
    >>> format_interval(Score(value=0.8))
    ''
    """
    if not (isfinite(score.low) and isfinite(score.high)):
        return ""
    low, high = (
        format_number(end, like=score.value, decimals=decimals, signed=signed) for end in (score.low, score.high)
    )
    return f"{low} to {high}"


def interval_title(scores: Iterable[Score]) -> str:
    """What intervals together are called: of few groups each is a range.

    >>> interval_title([Score(value=0.8, low=0.7, high=0.9, interval_kind="range")])
    'range of groups'
    >>> interval_title([Score(value=0.8, low=0.7, high=0.9, interval_kind="t")])
    '95 % interval'
    """
    ranges = [score.is_range for score in scores if format_interval(score)]
    if ranges and all(ranges):
        return RANGES
    return "95 % interval or range" if any(ranges) else "95 % interval"


def format_titled_interval(score: Score, title: str = "", *, signed: bool = False) -> str:
    """The ends of an interval; those of a range with what it is the range of, unless the column says it.

    Args:
        score: The score.
        title: Of the column, see `interval_title`.
        signed: Whether positive ends have their sign, too.

    >>> few = Score(value=0.8, low=0.7, high=0.9, method="range of 5 groups", interval_kind="range")
    >>> format_titled_interval(few, "95 % interval"), format_titled_interval(few, "range of groups")
    ('0.7000 to 0.9000 (range of 5 groups)', '0.7000 to 0.9000')
    """
    ends = format_interval(score, signed=signed)
    return f"{ends} ({score.method})" if ends and score.is_range and title != RANGES else ends


def format_optional(value: float | None, form: str) -> str:
    """A number by a format of `str.format`; empty where it is unknown.

    >>> format_optional(1500.0, "{:,.0f} s"), format_optional(None, "{:.0f}")
    ('1,500 s', '')
    """
    return "" if value is None or not isfinite(value) else form.format(value)


def sort_metrics(keys: Iterable[str]) -> list[str]:
    """Keys of metrics in the order of the registry, each once.

    >>> sort_metrics(["sensitivity", "dice", "dice"])
    ['dice', 'sensitivity']
    """
    return sorted(set(keys), key=list(METRICS).index)


def metric_title(key: str, part: str = "", *, direction: bool = False) -> str:
    """A metric's name with its unit.

    Args:
        key: In `cenet.metrics.registry`.
        part: The class, layer or boundary that it is of, if any.
        direction: Whether to add where lower is better.

    >>> metric_title("hd95", "disc"), metric_title("overlap_error", direction=True)
    ('HD95 disc [px]', 'overlap error (lower is better)')
    """
    metric = METRICS[key]
    words = [metric.title, part, f"[{metric.unit}]" if metric.unit else ""]
    if direction and metric.lower_is_better:
        words.append("(lower is better)")
    return " ".join(word for word in words if word)


def compared_metric_title(metric: ComparedMetric) -> str:
    """A metric's name with what it is averaged over.

    >>> compared_metric_title(ComparedMetric(key="auc", average="within_folds"))
    'AUC, pooled within folds'
    """
    text = f"{metric_title(metric.key, metric.part)}, {AVERAGES[metric.average]}"
    return f"{text} (lower is better)" if METRICS[metric.key].lower_is_better else text
