"""Which scores of which reports the tables of `tables.py` show."""

from typing import NamedTuple


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

SETS = {"disc": "Drishti-GS1", "lung": "Kaggle lungs", "cells": "ISBI 2012", "oct": "eight layers"}
TASK_ROWS = {  # of the tasks: what, where in which report, the target, and the paper's number on the paper's images
    "E of the disc": (
        "disc",
        Place("per_image", "overlap_error", "disc"),
        "0.06 or less",
        "0.058 (ORIGA), 0.051 (Messidor)",
    ),
    "E of the cup": ("disc", Place("per_image", "overlap_error", "cup"), "", ""),
    "Dice of the disc": ("disc", Place("per_image", "dice", "disc"), "", ""),
    "HD95 of the disc, px": ("disc", Place("per_image", "hd95", "disc"), "", ""),
    "cup-to-disc ratio, error": ("disc", Place("per_image", "cup_to_disc_error"), "", ""),
    "localiser's hit rate": ("disc", Place("per_image", "found"), "", ""),
    "E": ("lung", Place("per_image", "overlap_error", "lung"), "0.05 or less", "0.038"),
    "accuracy": ("lung", Place("per_image", "accuracy", "lung"), "", "0.990"),
    "sensitivity": ("lung", Place("per_image", "sensitivity", "lung"), "", ""),
    "HD95, px": ("lung", Place("per_image", "hd95"), "", ""),
    "V_Rand of the challenge, 8 views": (
        "cells-tta",
        Place("pooled", "v_rand_challenge"),
        "0.97 or more",
        "0.9743",
    ),
    "V_Info of the challenge, 8 views": (
        "cells-tta",
        Place("pooled", "v_info_challenge"),
        "0.98 or more",
        "0.9878",
    ),
    "V_Rand, validation threshold, 8 views": ("cells-tta", Place("pooled", "v_rand"), "", ""),
    "V_Info, validation threshold, 8 views": ("cells-tta", Place("pooled", "v_info"), "", ""),
    "V_Rand of the challenge, 1 view": ("cells", Place("pooled", "v_rand_challenge"), "", ""),
    "boundary error, px": ("oct", Place("per_image", "boundary_error"), "2 or less", "1.68 (Topcon, 12 classes)"),
    "thickness error, px": ("oct", Place("per_image", "thickness_error"), "", ""),
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
        ("tasks", "disc"),
        "Drishti-GS1, 50, four folds",
        "overlap error E",
        Place("per_image", "overlap_error", "disc"),
        "0.058 (ORIGA)",
    ),
    "lung": (
        ("tasks", "lung"),
        "18 slices, three folds",
        "overlap error E",
        Place("per_image", "overlap_error", "lung"),
        "0.038",
    ),
    "cells": (
        ("tasks", "cells-tta"),
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
LUNGS = {
    "E, mean of images": Place("per_image", "overlap_error"),
    "Dice, mean of images": Place("per_image", "dice"),
    "sensitivity, mean of images": Place("per_image", "sensitivity"),
}
