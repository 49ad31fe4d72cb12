"""Predictions that are kept for measuring, and masks that were corrected by hand."""

import numpy as np
import pytest
from stub_service import predict_bright, stub_model

from cenet.service.measuring import RecentPrediction, RecentPredictions, measure_corrected
from cenet.service.problems import ProblemError
from cenet.service.uploads import DecodedImage


def recent(side=10, *, uncertainty=False):
    pixels = np.zeros((side, side, 3), np.uint8)
    prediction = predict_bright(pixels, uncertainty=uncertainty)
    return RecentPrediction(stub_model(), DecodedImage(pixels), prediction)


def test_the_size_counts_all_that_is_kept():
    assert recent().size == 100 * (3 + 4)
    assert recent(uncertainty=True).size == 100 * (3 + 4 + 4 + 4)


def test_the_oldest_goes_where_there_is_no_room_and_the_latest_never():
    kept = RecentPredictions(max_bytes=1500)
    for key in "abc":
        kept.add(key, recent())
    with pytest.raises(ProblemError) as caught:
        kept.find("a")
    assert caught.value.status == 404
    assert kept.find("b").size == kept.find("c").size == 700
    kept.add("large", recent(100))
    assert kept.find("large").size == 70_000
    with pytest.raises(ProblemError):
        kept.find("c")


@pytest.mark.parametrize("kind", ["area", "vessels"])
def test_a_corrected_mask_of_a_black_image_is_measured(kind):
    mask = np.zeros((40, 40), np.uint8)
    mask[10:12, 5:30] = 1
    image = DecodedImage(np.zeros((40, 40, 3), np.uint8))
    values = measure_corrected(stub_model(kind=kind), image, mask, pixel_um=None)
    assert values["area_px"] == 50
    assert ("length_px" in values) == (kind == "vessels")


def test_a_corrected_cup_is_part_of_its_disc():
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30], mask[15:25, 15:25] = 1, 2
    model = stub_model(classes=("disc", "cup"), num_classes=3, nested=True, kind="disc")
    values = measure_corrected(model, DecodedImage(np.zeros((40, 40, 3), np.uint8)), mask, pixel_um=None)
    assert (values["area_disc_px"], values["area_cup_px"]) == (400, 100)
