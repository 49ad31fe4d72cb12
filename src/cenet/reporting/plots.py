"""Plots: SVG for the page, whose text stays text (it scales, is read aloud, can be searched), and comparison files."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.outputs import OutputFolder
from cenet.evaluation.comparison_report import ComparisonReport
from cenet.reporting.svg import BOX, GRID, INK, PALE, extract_svg
from cenet.reporting.tables import compared_metric_title, interval_title
from cenet.safe_text import replace_unprintable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Paul Tol's "bright" scheme, which colour-blind readers can tell apart.
COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#b8860b", "#0e7c99", "#555555")
DASHES = ("solid", "dashed", "dotted", "dashdot")
SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text; the page chooses the font
    "text.parse_math": False,  # a name may contain a $
    "axes.unicode_minus": True,
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 9,
}
MAX_LEGEND_ENTRIES = 8  # a plot of more series has no legend
MIN_BOXED = 5  # fewer values have no quartiles: they are dots only
BOX_PLOT: Any = {
    "orientation": "horizontal",
    "widths": 0.5,
    "showfliers": False,
    "whis": (0, 100),
    "manage_ticks": False,
    "patch_artist": True,
    "boxprops": {"facecolor": BOX, "edgecolor": PALE},
    "medianprops": {"color": INK, "linewidth": 1.6},
    "whiskerprops": {"color": PALE},
    "capprops": {"color": PALE},
}
MIN_SPAN = 0.01  # of the axis of measurements, so that what hardly differs does not look different
MAX_LARGE_DOTS = 60  # more values than these get smaller dots

Points = tuple[NDArray[Any], NDArray[Any]]  # x and y coordinates
Draw = Callable[["Axes"], None]


def draw_lines(
    series: Mapping[str, Points], *, x_label: str, y_label: str, title: str, marks: Mapping[str, int] | None = None
) -> str:
    """Draw series over a common axis, such as the loss of each fold over its epochs.

    Args:
        series: The points of each, by name.
        x_label: Label of the horizontal axis.
        y_label: Label of the vertical axis.
        title: Text for readers who cannot see the plot.
        marks: Where a series has a dot, as an index into its points.

    >>> points = np.array([1, 2]), np.array([0.9, 0.4])
    >>> draw_lines({"loss": points}, x_label="epoch", y_label="loss", title="Loss")[:16]
    '<svg role="img" '
    """
    from matplotlib.ticker import MaxNLocator

    marks = marks or {}

    def draw(axes: "Axes") -> None:
        for index, (name, (x, y)) in enumerate(series.items()):
            style = _line_style(index)
            axes.plot(x, y, label=_show_name(name), linewidth=1.6, **style)
            if name in marks:
                axes.plot(x[marks[name]], y[marks[name]], marker="o", markersize=6, color=style["color"])
            elif len(x) == 1:
                axes.plot(x, y, marker="o", markersize=4, color=style["color"])
        axes.margins(x=0.03)
        if all(len(x) == 1 for x, _ in series.values()):
            places = sorted({int(x[0]) for x, _ in series.values()})
            axes.set(xlim=(places[0] - 1, places[-1] + 1), xticks=places)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if 1 < len(series) <= MAX_LEGEND_ENTRIES:
            axes.legend()

    return _render_svg(draw, x_label=x_label, y_label=y_label, title=title)


def draw_curves(
    main: Points,
    *,
    others: Sequence[Points] = (),
    operating_point: tuple[float, float] | None = None,
    chance: float | None = None,
    x_label: str,
    y_label: str,
    title: str,
) -> str:
    """Draw a curve in the unit square, such as ROC or precision-recall, over the paler ones of its parts.

    Args:
        main: The curve of all pixels.
        others: The curves of single images or folds.
        operating_point: Where the chosen threshold lies.
        chance: Height of the line that guessing reaches; None means the diagonal.
        x_label: Label of the horizontal axis.
        y_label: Label of the vertical axis.
        title: Text for readers who cannot see the plot.

    >>> step = np.array([0, 0, 1]), np.array([0, 1, 1])
    >>> "false positives" in draw_curves(step, x_label="false positives", y_label="sensitivity", title="ROC")
    True
    """

    def draw(axes: "Axes") -> None:
        _set_unit_square(axes, reference=(0, 1) if chance is None else (chance, chance))
        for x, y in others:
            axes.plot(x, y, color=COLOURS[0], linewidth=0.8, alpha=0.3)
        axes.plot(*main, color=COLOURS[0], linewidth=2)
        if operating_point is not None:
            axes.plot(*operating_point, marker="o", markersize=7, color=COLOURS[1], markeredgecolor="white")

    return _render_svg(draw, x_label=x_label, y_label=y_label, title=title, square=True)


def draw_reliability(before: NDArray[Any] | None, after: NDArray[Any], *, title: str) -> str:
    """Draw how often a probability comes true, before and after calibration, over the shares of the pixels.

    Args:
        before: Rows of `cenet.metrics.binned.reliability_of`, of the network's own probabilities; None: not calibrated.
        after: The same of the calibrated ones.
        title: Text for readers who cannot see the plot.

    Shape:
        Both (rows, 3): mean probability, observed frequency, pixels.

    >>> rows = np.array([[0.1, 0.2, 90], [0.9, 0.7, 10]])
    >>> "after calibration" in draw_reliability(rows, rows, title="Reliability")
    True
    """

    def draw(axes: "Axes") -> None:
        _set_unit_square(axes, reference=(0, 1))
        for rows, name, colour, marker, dash in (
            (before, "before calibration", COLOURS[1], "s", "dashed"),
            (after, "after calibration", COLOURS[0], "o", "solid"),
        ):
            if rows is None:
                continue
            sizes = 12 + 70 * np.sqrt(rows[:, 2] / max(rows[:, 2].sum(), 1))
            axes.plot(*rows.T[:2], color=colour, linewidth=1.4, linestyle=dash, label=name, marker=marker, markersize=4)
            axes.scatter(rows[:, 0], rows[:, 1], s=sizes, color=colour, marker=marker, alpha=0.35, linewidths=0)
        if before is not None:
            axes.legend(loc="upper left")

    return _render_svg(
        draw, x_label="mean predicted probability", y_label="observed frequency", title=title, square=True
    )


def draw_strips(values: Mapping[str, NDArray[Any]], *, x_label: str, title: str) -> str:
    """Draw every value as a dot, of five or more beside a box from quartile to quartile, one strip for each name.

    Args:
        values: The numbers of each strip; nan is left out.
        x_label: Label of the axis.
        title: Text for readers who cannot see the plot.

    >>> "vessel" in draw_strips({"vessel": np.array([0.7, 0.8, np.nan])}, x_label="Dice", title="Dice of each image")
    True
    """

    def draw(axes: "Axes") -> None:
        rng = np.random.default_rng(0)
        for index, strip in enumerate(values.values()):
            defined, colour = strip[np.isfinite(strip)], COLOURS[index % len(COLOURS)]
            if not defined.size:
                continue
            if defined.size >= MIN_BOXED:
                axes.boxplot(defined, positions=[index], **BOX_PLOT)
            jitter = rng.uniform(-0.17, 0.17, defined.size)
            size = 22 if defined.size <= MAX_LARGE_DOTS else 8
            axes.scatter(defined, index + jitter, s=size, color=colour, alpha=0.65, linewidths=0, zorder=3)
        axes.set_yticks(range(len(values)), list(map(_show_name, values)))
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.05)
        _label_values(axes, ticks=4)

    return _render_svg(draw, x_label=x_label, y_label="", title=title, height=1.0 + 0.55 * max(len(values), 1))


def draw_differences(output: OutputFolder, report: ComparisonReport) -> None:
    """Draw the differences with their intervals as `compare.svg` and `compare.png`: equal bytes for equal numbers.

    Args:
        output: Where to write.
        report: The comparison.

    Raises:
        CenetError: The folder cannot be written.
    """
    from matplotlib.figure import Figure

    rows = [(row, row.difference) for row in report.rows if row.difference]
    with _plot_settings({"svg.hashsalt": "cenet", "font.size": 8, "text.parse_math": False}):
        figure = Figure(figsize=(8, 1 + 0.22 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for height, (row, difference) in enumerate(rows):
            width, face = (1.5, "black") if row.metric == report.primary else (0.7, "white")
            axes.plot([difference.low, difference.high], [height, height], color="black", linewidth=width)
            axes.plot(difference.value, height, "o", color="black", markerfacecolor=face)
        labels = [f"{row.run}: {row.class_name}, {compared_metric_title(row.metric)}" for row, _ in rows]
        axes.set_yticks(range(len(rows)), list(map(_show_name, labels)))
        axes.invert_yaxis()
        axes.axvline(0, color="grey", linewidth=0.7, linestyle="--")
        _label_values(axes, ticks=8)
        figure.supxlabel(
            f"difference from {_show_name(report.runs[0].name)}, {interval_title(score for _, score in rows)}; "
            "filled: the primary metric, hollow: exploratory",
            fontsize="medium",
        )
        for suffix, metadata in {"svg": {"Date": None}, "png": {"Software": None}}.items():
            with output.open(f"compare.{suffix}") as file:
                figure.savefig(file, format=suffix, dpi=150, metadata=metadata)


@contextmanager
def _plot_settings(settings: Any) -> Iterator[None]:
    """Draw with these settings of matplotlib; a character that the font lacks is drawn as a box, without a word."""
    from matplotlib import rc_context

    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        yield


def _show_name(name: str) -> str:
    """A name as a plot shows it; matplotlib leaves out of a legend what begins with an underscore."""
    text = replace_unprintable(name)
    return f" {text}" if text.startswith("_") else text


def _line_style(index: int) -> dict[str, Any]:
    """A colour of its own; after the last colour the same ones with another dash."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index // len(COLOURS) % len(DASHES)]}


def _label_values(axes: "Axes", *, ticks: int) -> None:
    """Label the horizontal axis with the values themselves, not with differences from one, however close they are."""
    low, high = axes.get_xlim()
    if high - low < MIN_SPAN:
        middle = (low + high) / 2
        axes.set_xlim(middle - MIN_SPAN / 2, middle + MIN_SPAN / 2)
    axes.locator_params(axis="x", nbins=ticks)
    axes.ticklabel_format(axis="x", useOffset=False)


def _set_unit_square(axes: "Axes", *, reference: tuple[float, float]) -> None:
    """Axes from 0 to 1, with a dotted line of these heights at their ends."""
    axes.plot((0, 1), reference, color=PALE, linewidth=1, linestyle="dotted")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")


def _render_svg(
    draw: Draw, *, x_label: str, y_label: str, title: str, square: bool = False, height: float = 2.9
) -> str:
    """Draw on new axes and return the SVG, ready to be placed in HTML."""
    from matplotlib.figure import Figure

    with _plot_settings({**SETTINGS, "svg.hashsalt": title}):  # titles differ within a page, so ids do
        figure = Figure(figsize=(4.2, 4.0) if square else (4.6, height), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.set_xlabel(replace_unprintable(x_label))
        axes.set_ylabel(replace_unprintable(y_label))
        return extract_svg(figure, title)
