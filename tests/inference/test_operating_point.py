"""Thresholds and calibrations that a recipe has no use for are refused."""

import pytest

from cenet.config.presets import load_recipe
from cenet.inference.operating_point import OperatingPoint
from cenet.inference.post_processing import PostProcessing

BINARY = load_recipe("folder")
CLASSES = BINARY.replace(num_classes=3)


@pytest.mark.parametrize(
    ("point", "recipe", "reason"),
    [
        (OperatingPoint(thresholds=(0.5, 0.5)), BINARY, "thresholds are 2 where the recipe has 1"),
        (OperatingPoint(thresholds=(0.5,)), CLASSES, "thresholds are 1 where the recipe has 0"),
        (OperatingPoint(calibration=((1, 0), (1, 0))), CLASSES, "calibration are 2 where the recipe has 1"),
        (OperatingPoint(calibration=((1.2, 0.3),)), CLASSES, "without a bias"),
        (OperatingPoint(post_processing=PostProcessing(min_piece=0.5)), CLASSES, "are not post-processed"),
    ],
    ids=str,
)
def test_what_does_not_fit_the_recipe_is_refused(point, recipe, reason):
    with pytest.raises(ValueError, match=reason):
        point.check_fits(recipe)


def test_what_fits_is_accepted_and_says_what_was_decided():
    OperatingPoint(thresholds=(0.5,), calibration=((1.2, 0.3),)).check_fits(BINARY)
    OperatingPoint(calibration=((1.2, 0),)).check_fits(CLASSES)
    assert OperatingPoint().describe_calibration() == "not calibrated"
