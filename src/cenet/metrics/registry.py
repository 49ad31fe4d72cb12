"""Every metric of a report, defined once: key, title, unit, direction, and how it is computed from what adds up.

Scores, intervals, tests, tables and pages take a metric from here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cenet.metrics import condensed
from cenet.metrics.binned import average_precision_of, brier_of, calibration_error_of, roc_auc_of
from cenet.metrics.overlap import accuracy, dice, iou, overlap_error, sensitivity, specificity

Floats = NDArray[np.float64]
Compute = Callable[[NDArray[Any]], Floats]
Condense = Callable[[Floats, Floats], tuple[Floats, Floats]]


@dataclass(frozen=True)
class Metric:
    """A metric.

    Args:
        key: What reports call it.
        title: Its usual name, as written within a sentence.
        unit: Of its values; empty for a share or a score.
        lower_is_better: Whether it is an error.
        highest: The largest value that there is.
        compared: Whether runs are compared by it; not where it tells of the data.
    """

    key: str
    title: str
    unit: str = ""
    lower_is_better: bool = False
    highest: float = 1.0
    compared: bool = True


@dataclass(frozen=True)
class PixelMetric(Metric):
    """A metric that is computed from what adds up over images: counts of pixels, or histograms of probabilities.

    Args:
        source: What it is computed from: `counts` `(..., 4)`; `histograms` `(..., 2, BINS)` of all pixels, or of those
            near `edges`.
        compute: The metric, over all leading axes at once.
        condense: For a permutation test, shorter sums of two runs, `(G, ...)` each; None where there is none, because
            swapped groups would rank the probabilities of two networks together.
        compute_condensed: The metric of such sums.
        between_groups: Whether the metric of all groups lies among those of single groups: where it does not, their
            range says nothing of it.
    """

    source: Literal["counts", "histograms", "edges"] = "counts"
    compute: Compute = dice
    condense: Condense | None = condensed.keep_both
    compute_condensed: Compute = dice
    between_groups: bool = True


def skip_empty(compute: Compute) -> Compute:
    """A metric of counts that is NaN where no pixel counts: in an image without annotation, in a fold without images.

    Shape:
        It maps `(..., 4)` to `(...)`.

    >>> skip_empty(dice)(np.array([[0, 0, 0, 9], [0, 0, 0, 0]])).tolist()
    [1.0, nan]
    """
    return lambda counts: np.where(np.asarray(counts).any(axis=-1), compute(counts), nan)


def _count_metric(key: str, title: str, compute: Compute, *, lower_is_better: bool = False) -> PixelMetric:
    compute = skip_empty(compute)
    return PixelMetric(
        key, title, lower_is_better=lower_is_better, source="counts", compute=compute, compute_condensed=compute
    )


def _brier_score(key: str, title: str, source: Literal["histograms", "edges"]) -> PixelMetric:
    return PixelMetric(
        key,
        title,
        lower_is_better=True,
        source=source,
        compute=brier_of,
        condense=condensed.keep_squared_errors,
        compute_condensed=condensed.brier_from_squared_errors,
    )


def _calibration_error(key: str, title: str, source: Literal["histograms", "edges"]) -> PixelMetric:
    return PixelMetric(
        key,
        title,
        lower_is_better=True,
        source=source,
        compute=calibration_error_of,
        condense=condensed.keep_calibration_gaps,
        compute_condensed=condensed.calibration_error_from_gaps,
        between_groups=False,
    )


RANKING = (  # of the order of the probabilities
    PixelMetric(
        "auc",
        "AUC",
        source="histograms",
        compute=roc_auc_of,
        condense=None,
        between_groups=False,
    ),
    PixelMetric(
        "average_precision",
        "average precision",
        source="histograms",
        compute=average_precision_of,
        condense=None,
        between_groups=False,
    ),
)
CALIBRATION = (  # of the probabilities as such
    _brier_score("brier", "Brier score", "histograms"),
    _calibration_error("calibration_error", "calibration error", "histograms"),
    _brier_score("brier_edges", "Brier score near edges", "edges"),
    _calibration_error("calibration_error_edges", "calibration error near edges", "edges"),
)
OVERLAP = (  # of a mask
    _count_metric("dice", "Dice", dice),
    _count_metric("iou", "IoU", iou),
    _count_metric("sensitivity", "sensitivity", sensitivity),
    _count_metric("specificity", "specificity", specificity),
    _count_metric("accuracy", "accuracy", accuracy),
    _count_metric("overlap_error", "overlap error", overlap_error, lower_is_better=True),
)
TASK = (  # of one image or stack, see `cenet.evaluation.task_metrics`
    Metric("hd95", "HD95", unit="px", lower_is_better=True, highest=inf),
    Metric("assd", "ASSD", unit="px", lower_is_better=True, highest=inf),
    Metric("centre_line_dice", "clDice"),
    Metric("cup_to_disc_error", "cup-to-disc ratio error", lower_is_better=True, highest=inf),
    Metric("found", "localiser's hit rate", compared=False),
    Metric("v_rand", "V_Rand"),
    Metric("v_info", "V_Info"),
    Metric("v_rand_split", "V_Rand split"),
    Metric("v_rand_merge", "V_Rand merge"),
    Metric("v_info_split", "V_Info split"),
    Metric("v_info_merge", "V_Info merge"),
    Metric("v_rand_challenge", "V_Rand of the challenge (best of 0, 0.1, ... 1)"),
    Metric("v_info_challenge", "V_Info of the challenge (best of 0, 0.1, ... 1)"),
    Metric("pixel_error", "pixel error", lower_is_better=True, highest=inf),
    Metric("boundary_error", "boundary error", unit="px", lower_is_better=True, highest=inf),
    Metric("boundary_error_um", "boundary error", unit="µm", lower_is_better=True, highest=inf),
    Metric("thickness_error", "thickness error", unit="px", lower_is_better=True, highest=inf),
    Metric("thickness_error_um", "thickness error", unit="µm", lower_is_better=True, highest=inf),
    Metric("columns_left_out", "columns left out", unit="columns", lower_is_better=True, highest=inf, compared=False),
)
PIXEL_METRICS: dict[str, PixelMetric] = {metric.key: metric for metric in (*RANKING, *CALIBRATION, *OVERLAP)}
METRICS: dict[str, Metric] = {**PIXEL_METRICS, **{metric.key: metric for metric in TASK}}
