"""Curves as SVG for a page: text stays text, so that it scales, is read aloud and can be searched."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Paul Tol's "bright" scheme: colour-blind eyes tell its colours apart.
COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#b8860b", "#0e7c99", "#555555")
DASHES = ("solid", "dashed", "dotted", "dashdot")
INK, PALE = "#333a42", "#9aa5b1"
SETTINGS: Any = {
    "svg.fonttype": "none",  # letters stay letters; the page chooses their font
    "text.parse_math": False,  # a name may hold a $
    "axes.unicode_minus": True,
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#e6e9ed",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 9,
}
NAMED = 8  # more curves than these have no legend
MANY = 60  # more points than these are drawn smaller

Points = tuple[NDArray[Any], NDArray[Any]]


def lines(series: Mapping[str, Points], *, x: str, y: str, title: str, marks: Mapping[str, int] | None = None) -> str:
    """Draw series over a common axis, such as the loss of each fold over its epochs.

    Args:
        series: The points of each, by name.
        x: Label of the horizontal axis.
        y: Label of the vertical axis.
        title: What a reader who does not see the drawing is told.
        marks: Where a series has a dot, as an index into its points.

    >>> lines({"loss": (np.array([1, 2]), np.array([0.9, 0.4]))}, x="epoch", y="loss", title="Loss")[:16]
    '<svg role="img" '
    """
    from matplotlib.ticker import MaxNLocator

    def draw(axes: "Axes") -> None:
        for index, (name, (across, up)) in enumerate(series.items()):
            style = _style(index)
            axes.plot(across, up, label=name, linewidth=1.6, **style)
            at = (marks or {}).get(name)
            if at is not None:
                axes.plot(across[at], up[at], marker="o", markersize=6, color=style["color"])
            elif len(across) == 1:
                axes.plot(across, up, marker="o", markersize=4, color=style["color"])
        axes.margins(x=0.03)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if 1 < len(series) <= NAMED:
            axes.legend()

    return _drawn(draw, x=x, y=y, title=title)


def curves(
    main: Points,
    *,
    others: Sequence[Points] = (),
    point: tuple[float, float] | None = None,
    chance: float | None = None,
    x: str,
    y: str,
    title: str,
) -> str:
    """Draw a curve in the unit square, such as ROC or precision-recall, over the paler ones of its parts.

    Args:
        main: The curve of all pixels.
        others: The curves of single images or folds.
        point: Where the chosen threshold lies.
        chance: Height of the line that guessing reaches; None: the diagonal.
        x: Label of the horizontal axis.
        y: Label of the vertical axis.
        title: What a reader who does not see the drawing is told.

    >>> step = np.array([0, 0, 1]), np.array([0, 1, 1])
    >>> "false positives" in curves(step, x="false positives", y="sensitivity", title="ROC")
    True
    """

    def draw(axes: "Axes") -> None:
        guess = (0.0, 1.0) if chance is None else (chance, chance)
        axes.plot((0, 1), guess, color=PALE, linewidth=1, linestyle="dotted")
        for across, up in others:
            axes.plot(across, up, color=COLOURS[0], linewidth=0.8, alpha=0.3)
        axes.plot(*main, color=COLOURS[0], linewidth=2)
        if point is not None:
            axes.plot(*point, marker="o", markersize=7, color=COLOURS[1], markeredgecolor="white")
        _unit_square(axes)

    return _drawn(draw, x=x, y=y, title=title, square=True)


def reliability(before: NDArray[Any], after: NDArray[Any], *, title: str) -> str:
    """Draw how often a probability comes true, before and after calibration, over the shares of the pixels.

    Args:
        before: Rows of `cenet.metrics.binned.reliability_of`, of the network's own probabilities.
        after: The same of the calibrated ones.
        title: What a reader who does not see the drawing is told.

    Shape:
        Both (rows, 3): mean probability, observed frequency, pixels.

    >>> rows = np.array([[0.1, 0.2, 90], [0.9, 0.7, 10]])
    >>> "after calibration" in reliability(rows, rows, title="Reliability")
    True
    """

    def draw(axes: "Axes") -> None:
        axes.plot((0, 1), (0, 1), color=PALE, linewidth=1, linestyle="dotted")
        for rows, name, colour, marker, dash in (
            (before, "before calibration", COLOURS[1], "s", "dashed"),
            (after, "after calibration", COLOURS[0], "o", "solid"),
        ):
            sizes = 12 + 70 * np.sqrt(rows[:, 2] / max(rows[:, 2].sum(), 1))
            axes.plot(*rows.T[:2], color=colour, linewidth=1.4, linestyle=dash, label=name, marker=marker, markersize=4)
            axes.scatter(rows[:, 0], rows[:, 1], s=sizes, color=colour, marker=marker, alpha=0.35, linewidths=0)
        _unit_square(axes)
        axes.legend(loc="upper left")

    return _drawn(draw, x="mean predicted probability", y="observed frequency", title=title, square=True)


def strips(values: Mapping[str, NDArray[Any]], *, x: str, title: str) -> str:
    """Draw every value as a dot beside a box from quartile to quartile, one strip for each name.

    Args:
        values: The numbers of each strip; nan is left out.
        x: Label of the axis.
        title: What a reader who does not see the drawing is told.

    >>> "vessel" in strips({"vessel": np.array([0.7, 0.8, np.nan])}, x="Dice", title="Dice of each image")
    True
    """

    def draw(axes: "Axes") -> None:
        rng = np.random.default_rng(0)
        for index, each in enumerate(values.values()):
            some, colour = each[np.isfinite(each)], COLOURS[index % len(COLOURS)]
            if not some.size:
                continue
            axes.boxplot(
                some,
                positions=[index],
                orientation="horizontal",
                widths=0.5,
                showfliers=False,
                whis=(0, 100),
                patch_artist=True,
                boxprops={"facecolor": "#f1f4f7", "edgecolor": PALE},
                whiskerprops={"color": PALE},
                capprops={"color": PALE},
                medianprops={"color": INK, "linewidth": 1.6},
                manage_ticks=False,
            )
            jitter = rng.uniform(-0.17, 0.17, some.size)
            size = 22 if some.size <= MANY else 8
            axes.scatter(some, index + jitter, s=size, color=colour, alpha=0.65, linewidths=0, zorder=3)
        axes.set_yticks(range(len(values)), list(values))
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.05)

    return _drawn(draw, x=x, y="", title=title, height=1.0 + 0.55 * max(len(values), 1))


def _style(index: int) -> dict[str, Any]:
    """A colour, and once all have been used another dash."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index // len(COLOURS) % len(DASHES)]}


def _unit_square(axes: "Axes") -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")


def _drawn(draw: Any, *, x: str, y: str, title: str, square: bool = False, height: float = 2.9) -> str:
    """Draw on new axes and return the SVG, ready to stand in HTML."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({**SETTINGS, "svg.hashsalt": title}):  # ids are of one page: titles differ, so do they
        figure = Figure(figsize=(4.2, 4.0) if square else (4.6, height), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        return _svg(figure, title)


def _svg(figure: "Figure", title: str) -> str:
    """The figure as one `<svg>` element without ids that a page would hold twice, fonts of its own, or addresses."""
    from html import escape

    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    _, _, body = text.getvalue().partition("<svg")
    attributes, _, inside = body.partition(">")
    view = re.search(r'viewBox="[^"]*"', attributes)
    assert view  # every SVG of matplotlib says its size
    inside = re.sub(r"<(metadata|style)\b.*?</\1>", "", inside, flags=re.DOTALL)
    inside = re.sub(r'<g id="[^"]*"', "<g", inside)
    inside = re.sub(r"font-family: [^;\"]*; ?", "", inside)
    inside = re.sub(r' d="([^"]*)"', _shorter, inside)
    name = escape(title)
    return f'<svg role="img" aria-label="{name}" {view[0]}><title>{name}</title>{inside}'


def _shorter(path: re.Match[str]) -> str:
    """A path in hundredths of a point on one line."""
    points = re.sub(r"([.]\d\d)\d+", r"\1", path[1]).replace("\n", "")
    return f' d="{points}"'
