"""What the differences of a comparison are called, and how they are drawn."""

from pathlib import Path
from typing import Any

from cenet.data.io.files import atomic_write
from cenet.evaluation.intervals import FEW
from cenet.evaluation.task_metrics import is_error, title

HOW = {"_pooled": "pooled", "_within_folds": "pooled within folds", "_per_image": "per image"}


def metric_title(metric: str) -> str:
    """A metric's name for people.

    >>> metric_title("brier_edges_pooled"), metric_title("dice_per_image")
    ('Brier score near edges, pooled (lower is better)', 'Dice, per image')
    """
    name, how = next((metric.removesuffix(end), how) for end, how in HOW.items() if metric.endswith(end))
    plain = name.removesuffix("_edges")
    shown = {"auc": "AUC", "dice": "Dice", "brier": "Brier score"}.get(plain) or title(plain)
    shown += " near edges" * (plain != name)
    return f"{shown}, {how}" + " (lower is better)" * is_error(name)


def spread_title(groups: int) -> str:
    """What is said of a figure's uncertainty: a range, where groups are too few for an interval.

    >>> spread_title(5), spread_title(20)
    ('range of groups', '95 % interval')
    """
    return "range of groups" if groups < FEW else "95 % interval"


def draw_differences(folder: Path, comparison: dict[str, Any]) -> None:
    """Draw the differences with their intervals as `compare.svg` and `.png`, the same bytes for the same numbers.

    Args:
        folder: Where to.
        comparison: As `cenet.evaluation.compare.compare` makes it.

    Raises:
        CenetError: The place cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = [row for row in comparison["rows"] if row["how"]]
    with rc_context({"svg.hashsalt": "cenet", "font.size": 8}):
        figure = Figure(figsize=(8, 1 + 0.22 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for height, row in enumerate(rows):
            primary = row["metric"] == comparison["primary"]
            axes.plot([row["low"], row["high"]], [height, height], color="black", linewidth=1.5 if primary else 0.7)
            axes.plot(row["difference"], height, "o", color="black", markerfacecolor="black" if primary else "white")
        labels = [f"{row['run']}: {row['class']}, {metric_title(row['metric'])}" for row in rows]
        axes.set_yticks(range(len(rows)), labels)
        axes.invert_yaxis()
        axes.axvline(0, color="grey", linewidth=0.7, linestyle="--")
        figure.supxlabel(
            f"difference from {comparison['runs'][0]['name']}, {spread_title(comparison['data']['groups'])}; "
            "filled: the question, hollow: exploratory",
            fontsize="medium",
        )
        for suffix, metadata in {"svg": {"Date": None}, "png": {"Software": None}}.items():
            with atomic_write(folder / f"compare.{suffix}") as file:
                figure.savefig(file, format=suffix, dpi=150, metadata=metadata)
