"""The plots of the page: how a run was trained, and how a class was predicted."""

from collections import Counter
from collections.abc import Sequence
from math import isfinite, nan

import numpy as np
from markupsafe import Markup

from cenet.evaluation.counts import PixelCounts
from cenet.evaluation.report import ImageInfo, RunInfo
from cenet.evaluation.report_scores import ClassReport
from cenet.metrics.binned import precision_recall_curve_of, reliability_of, roc_curve_of
from cenet.metrics.overlap import Counts
from cenet.reporting import plots

MAX_THIN_CURVES = 60  # of single images


def draw_training_plots(title: str, runs: Sequence[RunInfo]) -> dict[str, Markup]:
    """Draw training loss and validation Dice over the epochs, from 1; a dot marks the one whose weights were kept.

    Args:
        title: What the page calls the evaluation.
        runs: What was scored.

    Returns:
        SVG by caption.
    """
    names = _name_curves(runs)
    loss = [[(row.epoch + 1, row.loss) for row in run.curve] for run in runs]
    dice = [[(row.epoch + 1, row.validation_dice) for row in run.curve] for run in runs]
    drawn = {}
    for caption, points in (("Training loss", loss), ("Validation Dice", dice)):
        series: dict[str, plots.Points] = {}
        marks: dict[str, int] = {}
        for name, run, of_run in zip(names, runs, points, strict=True):
            epochs, values = np.array([point for point in of_run if isfinite(point[1])]).reshape(-1, 2).T
            if epochs.size:
                series[name] = epochs, values
                kept = np.flatnonzero(epochs - 1 == run.epoch)
                if kept.size:
                    marks[name] = int(kept[0])
        if series:
            label = f"{caption[:1].lower()}{caption[1:]}"
            svg = plots.draw_lines(series, x_label="epoch", y_label=label, title=f"{title}: {label}", marks=marks)
            drawn[caption] = Markup(svg)
    return drawn


def draw_class_plots(
    title: str, scores: ClassReport, counts: PixelCounts, images: Sequence[ImageInfo], *, calibrated: bool = True
) -> dict[str, Markup]:
    """Draw the curves of a class, and its Dice and AUC in each image.

    Args:
        title: What the page calls the evaluation, and the class.
        scores: The class in the report.
        counts: What its scores were computed from.
        images: The images, in the same order.
        calibrated: Whether there is a curve before calibration to draw.

    Returns:
        SVG by caption.
    """
    folds = np.array([image.fold or 0 for image in images])
    several = len(set(folds)) > 1
    pooled = counts.histograms.sum(axis=0)
    if several:
        parts = [counts.histograms[folds == fold].sum(axis=0) for fold in np.unique(folds)]
    else:
        parts = list(counts.histograms[:MAX_THIN_CURVES])
    at_threshold = scores.thresholds[0].pooled
    sensitivity, specificity = at_threshold["sensitivity"].value, at_threshold["specificity"].value
    drawn = {
        "ROC": plots.draw_curves(
            roc_curve_of(pooled),
            others=[roc_curve_of(part) for part in parts if len(parts) > 1],
            operating_point=(1 - specificity, sensitivity),
            x_label="false positive rate",
            y_label="sensitivity",
            title=f"{title}: ROC",
        ),
        "Precision and recall": plots.draw_curves(
            precision_recall_curve_of(pooled),
            others=[precision_recall_curve_of(part) for part in parts if len(parts) > 1],
            operating_point=(sensitivity, _precision(scores.thresholds[0].counts)),
            chance=scores.share,
            x_label="recall",
            y_label="precision",
            title=f"{title}: precision and recall",
        ),
        "Reliability, all pixels": plots.draw_reliability(
            reliability_of(counts.before) if calibrated else None,
            reliability_of(pooled),
            title=f"{title}: reliability, all pixels",
        ),
        "Reliability within 3 px of edges": plots.draw_reliability(
            reliability_of(counts.edges_before) if calibrated else None,
            reliability_of(counts.edges.sum(axis=0)),
            title=f"{title}: reliability within 3 px of edges",
        ),
    }
    of_images = {
        "Dice": np.array([image.thresholds[0].scores["dice"] for image in scores.images]),
        "AUC": np.array([image.auc for image in scores.images]),
    }
    for name, values in of_images.items():
        strips = {f"fold {fold}": values[folds == fold] for fold in np.unique(folds)} if several else {"": values}
        caption = f"{name} of each image"
        drawn[caption] = plots.draw_strips(strips, x_label=name, title=f"{title}: {caption}")
    return {caption: Markup(svg) for caption, svg in drawn.items()}


def _name_curves(runs: Sequence[RunInfo]) -> list[str]:
    """What the curve of each run is called; folds of several seeds have the same names."""
    times = Counter(run.name for run in runs)
    names = [run.name if times[run.name] == 1 else f"{run.name}, seed {run.seed}" for run in runs]
    return names if len(set(names)) == len(names) else [f"{name} ({n})" for n, name in enumerate(names, start=1)]


def _precision(counts: Counts) -> float:
    predicted = counts.tp + counts.fp
    return counts.tp / predicted if predicted else nan
