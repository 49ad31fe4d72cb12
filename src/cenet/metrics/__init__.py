"""How good a segmentation is: pure functions of arrays."""

from cenet.metrics.binned import average_precision_of, calibration_error_of
from cenet.metrics.overlap import Counts, count, dice, multiclass_counts, sensitivity, specificity
from cenet.metrics.ranking import roc_auc

__all__ = [
    "Counts",
    "average_precision_of",
    "calibration_error_of",
    "count",
    "dice",
    "multiclass_counts",
    "roc_auc",
    "sensitivity",
    "specificity",
]
