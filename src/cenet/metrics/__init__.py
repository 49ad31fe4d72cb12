"""How good a segmentation is: pure functions of arrays."""

from cenet.metrics.binned import (
    average_precision_of,
    best_threshold_of,
    brier_of,
    calibration_error_of,
    precision_recall_curve_of,
    reliability_of,
    roc_auc_of,
    roc_curve_of,
)
from cenet.metrics.calibration import edges, fit_scale_and_bias, fit_temperature, try_scale_and_bias, try_temperature
from cenet.metrics.overlap import (
    Counts,
    accuracy,
    count,
    dice,
    iou,
    multiclass_counts,
    overlap_error,
    sensitivity,
    specificity,
)
from cenet.metrics.ranking import average_precision, roc_auc
from cenet.metrics.shape import centre_line_dice, vertical_cup_to_disc_ratio
from cenet.metrics.surface_distance import assd, hd95

__all__ = [
    "Counts",
    "accuracy",
    "assd",
    "average_precision",
    "average_precision_of",
    "best_threshold_of",
    "brier_of",
    "calibration_error_of",
    "centre_line_dice",
    "count",
    "dice",
    "edges",
    "fit_scale_and_bias",
    "fit_temperature",
    "hd95",
    "iou",
    "multiclass_counts",
    "overlap_error",
    "precision_recall_curve_of",
    "reliability_of",
    "roc_auc",
    "roc_auc_of",
    "roc_curve_of",
    "sensitivity",
    "specificity",
    "try_scale_and_bias",
    "try_temperature",
    "vertical_cup_to_disc_ratio",
]
