"""How good a segmentation is: pure functions of arrays."""

from cenet.metrics.overlap import (
    Counts,
    accuracy,
    count,
    dice,
    multiclass_counts,
    overlap_error,
    sensitivity,
    specificity,
)
from cenet.metrics.ranking import average_precision, best_dice_threshold, roc_auc

__all__ = [
    "Counts",
    "accuracy",
    "average_precision",
    "best_dice_threshold",
    "count",
    "dice",
    "multiclass_counts",
    "overlap_error",
    "roc_auc",
    "sensitivity",
    "specificity",
]
