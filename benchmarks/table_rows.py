"""Which scores of which reports the tables of `tables.py` show, and where they stand."""

from pathlib import Path
from typing import NamedTuple

from cenet.evaluation.report import EvaluationReport, Score

RESULTS = Path(__file__).parents[1] / "results"


class Place(NamedTuple):
    """Where a score stands in a report.

    Args:
        average: `pooled`, `per_image`, `folds` or `before_calibration`.
        metric: Its key.
        part: The class, or the part of a task's metric; empty where there is one class.
    """

    average: str
    metric: str
    part: str = ""


ROWS = {
    "AUC, mean of folds ± sd": Place("folds", "auc"),
    "AUC, pooled": Place("pooled", "auc"),
    "AUC, mean of images": Place("per_image", "auc"),
    "average precision, pooled": Place("pooled", "average_precision"),
    "Dice, mean of folds ± sd": Place("folds", "dice"),
    "Dice, pooled": Place("pooled", "dice"),
    "Dice, mean of images": Place("per_image", "dice"),
    "sensitivity, pooled": Place("pooled", "sensitivity"),
    "specificity, pooled": Place("pooled", "specificity"),
    "accuracy, pooled": Place("pooled", "accuracy"),
    "calibration error, pooled": Place("pooled", "calibration_error"),
    "calibration error, pooled, before calibration": Place("before_calibration", "calibration_error"),
    "calibration error, within 3 px of edges": Place("pooled", "calibration_error_edges"),
    "the same before calibration": Place("before_calibration", "calibration_error_edges"),
}

SETS = {
    "disc-folds": "Drishti-GS1",
    "lung-folds": "Finding and measuring lungs",
    "tasks/disc": "Drishti-GS1",
    "cells-folds": "ISBI 2012",
    "cells-folds-tta": "ISBI 2012",
    "tasks/cells": "ISBI 2012",
    "tasks/oct": "eight layers",
}
TASK_ROWS = {  # of the tasks: what, where in which report, the target, and the paper's number on the paper's images
    "E of the disc": (
        "disc-folds",
        Place("per_image", "overlap_error", "disc"),
        "0.045 or less",
        "0.058 (ORIGA), 0.051 (Messidor)",
    ),
    "Dice of the disc": ("disc-folds", Place("per_image", "dice", "disc"), "", ""),
    "E of the cup": ("disc-folds", Place("per_image", "overlap_error", "cup"), "", ""),
    "Dice of the cup": ("disc-folds", Place("per_image", "dice", "cup"), "0.90 or more", ""),
    "HD95 of the disc, px": ("disc-folds", Place("per_image", "hd95", "disc"), "", ""),
    "cup-to-disc ratio, error": ("disc-folds", Place("per_image", "cup_to_disc_error"), "", ""),
    "localiser's hit rate": ("disc-folds", Place("per_image", "found"), "", ""),
    "E of the disc, recipe `disc`": ("tasks/disc", Place("per_image", "overlap_error", "disc"), "", ""),
    "E": ("lung-folds", Place("per_image", "overlap_error", "lung"), "0.022 or less", "0.038"),
    "accuracy": ("lung-folds", Place("per_image", "accuracy", "lung"), "", "0.990"),
    "sensitivity": ("lung-folds", Place("per_image", "sensitivity", "lung"), "", ""),
    "HD95, px": ("lung-folds", Place("per_image", "hd95"), "", ""),
    "V_Rand of the challenge, 8 views": (
        "cells-folds-tta",
        Place("pooled", "v_rand_challenge"),
        "0.975 or more",
        "0.9743",
    ),
    "V_Info of the challenge, 8 views": (
        "cells-folds-tta",
        Place("pooled", "v_info_challenge"),
        "0.987 or more",
        "0.9878",
    ),
    "V_Rand of the challenge, 1 view": ("cells-folds", Place("pooled", "v_rand_challenge"), "", ""),
    "V_Info of the challenge, 1 view": ("cells-folds", Place("pooled", "v_info_challenge"), "", ""),
    "V_Rand, validation threshold, 8 views, all slices together": (
        "cells-folds-tta",
        Place("pooled", "v_rand"),
        "",
        "",
    ),
    "V_Rand of the challenge, recipe `cells`, 8 views": (
        "tasks/cells-tta",
        Place("pooled", "v_rand_challenge"),
        "",
        "",
    ),
    "V_Rand of the challenge, recipe `cells`, 1 view": ("tasks/cells", Place("pooled", "v_rand_challenge"), "", ""),
    "boundary error, px": ("tasks/oct", Place("per_image", "boundary_error"), "2 or less", "1.68 (Topcon, 12 classes)"),
    "thickness error, px": ("tasks/oct", Place("per_image", "thickness_error"), "", ""),
}
SUMMARY_ROWS = {  # of each task: the report, the images, the metric, where its score stands, and the paper's number
    "vessels": (
        ("drive-folds-cenet", "region"),
        "DRIVE, 20, four folds",
        "AUC, mean of images",
        Place("per_image", "auc"),
        "0.9779",
    ),
    "optic disc": (
        ("disc-folds",),
        "Drishti-GS1, 50, three folds",
        "overlap error E",
        Place("per_image", "overlap_error", "disc"),
        "0.058 (ORIGA)",
    ),
    "lung": (
        ("lung-folds",),
        "170 slices of CT, three folds",
        "overlap error E",
        Place("per_image", "overlap_error", "lung"),
        "0.038",
    ),
    "cells": (
        ("cells-folds-tta",),
        "ISBI 2012, 20, five folds",
        "V_Rand of the challenge",
        Place("pooled", "v_rand_challenge"),
        "0.9743",
    ),
    "retinal layers": (
        ("tasks", "oct"),
        "18 B-scans, three folds",
        "boundary error, px",
        Place("per_image", "boundary_error"),
        "1.68 (Topcon)",
    ),
}
OVERLAPS = {
    "AUC, pooled": Place("pooled", "auc"),
    "average precision, pooled": Place("pooled", "average_precision"),
    "Dice, mean of images": Place("per_image", "dice"),
    "sensitivity, pooled": Place("pooled", "sensitivity"),
    "specificity, pooled": Place("pooled", "specificity"),
}


def report(*folders: str) -> EvaluationReport:
    """One committed report."""
    return EvaluationReport.load(RESULTS.joinpath(*folders))


def score_at(content: EvaluationReport, place: Place) -> Score:
    """The score that stands at a place: of a metric of the task, of a class's probabilities, or of its first mask."""
    for scores in content.task_metrics:
        if (scores.metric, scores.part) == (place.metric, place.part):
            return getattr(scores, place.average)
    (of_class,) = [of_class for of_class in content.classes if place.part in ("", of_class.name)]
    if place.average == "before_calibration":
        return Score(value=of_class.before_calibration[place.metric])
    if place.average == "folds":
        return of_class.folds[place.metric]
    first = of_class.thresholds[0]
    return {**getattr(of_class, place.average), **getattr(first, place.average)}[place.metric]
