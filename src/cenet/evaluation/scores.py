"""From counted images to the scores of a report: pooled and per image, each with its interval over groups."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.files import atomic_write
from cenet.errors import CenetError
from cenet.evaluation.intervals import FEW, Interval, interval_of_mean, interval_of_pooled
from cenet.metrics import Counts, accuracy, dice, overlap_error, sensitivity, specificity
from cenet.metrics.binned import (
    BINS,
    average_precision_of,
    brier_of,
    calibration_error_of,
    roc_auc_of,
)

Histograms = NDArray[np.integer[Any]]
Score = dict[str, Any]

OVERLAP: dict[str, Callable[[Counts], float]] = {
    "sensitivity": sensitivity,
    "specificity": specificity,
    "accuracy": accuracy,
    "dice": dice,
    "overlap_error": overlap_error,
}
RANKING = {"auc": roc_auc_of, "average_precision": average_precision_of}
CALIBRATION = {"brier": brier_of, "calibration_error": calibration_error_of}
COUNTS = ("tp", "fp", "fn", "tn")


@dataclass(frozen=True)
class PixelCounts:
    """What was counted of one class, image by image; the tallies of two sets of images add up.

    Args:
        rows: For each image its name, group, area under the curve, and counts at every cut.
        histograms: `(images, 2, BINS)`, of the probabilities that count.
        edges: The same, of the pixels near a true or predicted edge.
        before: `(2, BINS)`, of all images together before calibration.
        edges_before: The same, near the edges.

    >>> empty = PixelCounts.of([])
    >>> len((empty + empty).rows)
    0
    """

    rows: list[dict[str, Any]]
    histograms: Histograms
    edges: Histograms
    before: Histograms
    edges_before: Histograms

    @classmethod
    def of(cls, images: Sequence["PixelCounts"]) -> "PixelCounts":
        """The tally of several."""
        none = np.zeros((0, 2, BINS), np.uint32)
        single = np.zeros((2, BINS), np.int64)
        return cls(
            [row for each in images for row in each.rows],
            np.concatenate([none, *(each.histograms for each in images)]),
            np.concatenate([none, *(each.edges for each in images)]),
            sum((each.before for each in images), single),
            sum((each.edges_before for each in images), single),
        )

    def __add__(self, other: "PixelCounts") -> "PixelCounts":
        return PixelCounts.of([self, other])

    @property
    def groups(self) -> list[str]:
        """The group of each image."""
        return [row["group"] for row in self.rows]

    @property
    def cuts(self) -> list[str]:
        """What the images were cut at; the first was chosen on validation."""
        return [key.removeprefix("tp @ ") for key in self.rows[0] if key.startswith("tp @ ")]

    def counts(self, cut: str) -> NDArray[np.int64]:
        """`(images, 4)`: tp, fp, fn, tn."""
        return np.array([[row[f"{name} @ {cut}"] for name in COUNTS] for row in self.rows], np.int64)


def class_scores(tally: PixelCounts) -> dict[str, Any]:
    """Everything that a report says of one class.

    Args:
        tally: Of at least one image.
    """
    groups = tally.groups
    cuts = {cut: tally.counts(cut) for cut in tally.cuts}
    counted = next(iter(cuts.values())).sum(axis=0)
    calibration = {
        f"{name}{where}": pooled(histograms, groups, metric, bounded=name == "brier")
        for where, histograms in (("", tally.histograms), ("_edges", tally.edges))
        for name, metric in CALIBRATION.items()
        if where == "" or histograms.any()
    }
    return {
        "pixels": int(counted.sum()),
        "share": float((counted[0] + counted[2]) / max(counted.sum(), 1)),
        "pooled": {name: pooled(tally.histograms, groups, metric) for name, metric in RANKING.items()} | calibration,
        "per_image": {"auc": per_image([row["auc"] for row in tally.rows], groups)},
        "cuts": {
            cut: {
                "pooled": {name: pooled(counts, groups, of_counts(metric)) for name, metric in OVERLAP.items()},
                "per_image": {
                    name: per_image([row[f"{name} @ {cut}"] for row in tally.rows], groups) for name in OVERLAP
                },
                "counts": dict(zip(COUNTS, (int(number) for number in counts.sum(axis=0)), strict=True)),
            }
            for cut, counts in cuts.items()
        },
        "before_calibration": {
            **{name: float(metric(tally.before)) for name, metric in CALIBRATION.items()},
            **{f"{name}_edges": float(metric(tally.edges_before)) for name, metric in CALIBRATION.items()},
        },
        "images": tally.rows,
    }


def pooled(
    sums: NDArray[Any], groups: Sequence[str], statistic: Callable[[Any], Any], *, bounded: bool = True
) -> Score:
    """A figure over all pixels together, with its interval over groups.

    Args:
        sums: What each image adds, `(images, ...)`.
        groups: Of the images.
        statistic: From `(R, ...)` sums to `(R,)` figures.
        bounded: Whether the figure of all groups lies among those of each; if not, few groups' range tells nothing of
            it and is left out.

    >>> pooled(np.array([[3, 1, 0, 6]] * 2), ["a", "b"], of_counts(dice))["value"]
    0.8571428571428571
    """
    names, owner = np.unique(groups, return_inverse=True)
    by_group = np.zeros((len(names), *sums.shape[1:]))
    np.add.at(by_group, owner, sums)
    interval = interval_of_pooled(by_group, statistic)
    if not bounded and len(names) < FEW:
        interval = Interval(nan, nan, f"no interval of {len(names)} group{'s' * (len(names) > 1)}")
    return _score(float(statistic(by_group.sum(axis=0, keepdims=True))[0]), interval)


def per_image(values: Sequence[float], groups: Sequence[str], *, highest: float = 1.0) -> Score:
    """Mean and standard deviation over images; where a metric is undefined an image is left out and counted.

    Args:
        values: Of the images, 0 or more.
        groups: Of the images.
        highest: That a value can be.

    >>> per_image([0.5, 0.7, nan], ["a", "b", "c"])["undefined"]
    1
    """
    defined = np.array([value for value in values if not np.isnan(value)])
    mean = float(defined.mean()) if defined.size else nan
    interval = interval_of_mean(values, groups)
    return {
        **_score(mean, Interval(max(interval.low, 0.0), min(interval.high, highest), interval.how)),
        "sd": float(defined.std(ddof=1)) if defined.size > 1 else nan,
        "undefined": len(values) - int(defined.size),
    }


def of_counts(metric: Callable[[Counts], float]) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    """A metric of one image's counts as a statistic of many: `(R, 4)` to `(R,)`.

    >>> of_counts(dice)(np.array([[1, 1, 1, 0]])).tolist()
    [0.5]
    """
    return lambda sums: np.array([metric(Counts(*counts)) for counts in sums.tolist()])


def _score(value: float, interval: Interval) -> Score:
    return {"value": value, "low": interval.low, "high": interval.high, "how": interval.how}


def save_histograms(path: Path, tallies: Sequence[PixelCounts]) -> None:
    """Write the histograms of every class as `histograms.npz`.

    Raises:
        CenetError: The place cannot be written.
    """
    arrays: dict[str, Any] = {}
    for number, tally in enumerate(tallies):
        name = f"class{number}"
        arrays |= {name: tally.histograms, f"{name}_edges": tally.edges}
        arrays |= {f"{name}_before": tally.before, f"{name}_edges_before": tally.edges_before}
    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)


def load_tallies(folder: Path, report: dict[str, Any]) -> list[PixelCounts]:
    """Read back what an evaluation counted.

    Args:
        folder: Where `histograms.npz` is.
        report: The `report.json` beside it.

    Raises:
        CenetError: The file is missing or torn.
    """
    path = folder / "histograms.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return [
                PixelCounts(
                    [{key: nan if each is None else each for key, each in row.items()} for row in scores["images"]],
                    *(arrays[f"class{number}{kind}"] for kind in ("", "_edges", "_before", "_edges_before")),
                )
                for number, scores in enumerate(report["classes"].values())
            ]
    except Exception as error:  # a torn archive fails in every way there is
        raise CenetError(path, "is missing or torn", "run the evaluation again") from error
