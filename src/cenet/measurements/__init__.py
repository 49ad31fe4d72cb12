"""Numbers of a mask, in pixels and physical units: areas, vessels, discs, layers, lungs; and how certain they are.

What is measured of masks and probabilities lives here, as NumPy functions. How well a mask agrees with a truth is
`metrics`; neither networks nor files of predictions are known here, and no module imports torch.
"""

from cenet.measurements.expected_dice import estimate_dice
from cenet.measurements.measure import Kind, MaskToMeasure, measure_mask, measure_probabilities
from cenet.measurements.pixel_size import parse_pixel_size
from cenet.measurements.table import format_csv

__all__ = [
    "Kind",
    "MaskToMeasure",
    "estimate_dice",
    "format_csv",
    "measure_mask",
    "measure_probabilities",
    "parse_pixel_size",
]
