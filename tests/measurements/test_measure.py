"""Measurements by kind: discs, layers and lungs of phantoms against their truth; ranges over thresholds."""

import numpy as np
import pytest

from cenet.errors import CenetError
from cenet.measurements import MaskToMeasure, measure_mask, measure_probabilities
from cenet.measurements.lungs import find_midline
from cenet.measurements.measure import HIGH, LOW, move_odds
from cenet.phantoms import draw_fundus, draw_oct, draw_patient


def draw_ellipse(height, width, *, centre=(50, 50), shape=(100, 100)):
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    return ((rows - centre[0]) / height) ** 2 + ((columns - centre[1]) / width) ** 2 <= 1


def test_a_disc_of_ellipses_has_the_ratio_and_the_area_of_its_formula():
    mask = draw_ellipse(40, 35).astype(np.uint8) + draw_ellipse(24, 20)
    mask[1, 1] = 1  # a stray pixel is no part of the disc
    values = measure_mask(MaskToMeasure(mask, ("disc", "cup"), nested=True, pixel_um=(50, 50)), "disc")
    assert values["cup_to_disc_vertical_ratio"] == pytest.approx(0.6, abs=0.02)
    assert values["disc_area_mm2"] == pytest.approx(np.pi * 2.0 * 1.75, rel=0.01)
    assert values["cup_area_px"] == pytest.approx(np.pi * 24 * 20, rel=0.01)
    assert (values["area_disc_px"], values["pieces_disc_count"]) == (values["disc_area_px"] + 1, 2)


def test_the_disc_of_a_phantom():
    truth = draw_fundus(5, size_px=256).disc
    values = measure_mask(MaskToMeasure(truth, ("disc", "cup"), nested=True), "disc")
    assert values["disc_area_px"] == (truth > 0).sum()
    assert 0 < values["cup_to_disc_vertical_ratio"] < 1


@pytest.mark.parametrize("names", [("disc",), ("disc", "vessel", "fovea")])
def test_of_a_disc_without_the_class_of_its_cup_nothing_is_said_of_the_cup(names):
    mask = draw_ellipse(40, 35).astype(np.uint8)
    values = measure_mask(MaskToMeasure(mask, names, nested=True, pixel_um=(50, 50)), "disc")
    assert values["disc_area_px"] == np.count_nonzero(mask)
    assert values["disc_height_px"] == 80
    assert not any("cup" in name for name in values)


def test_a_mask_without_disc_has_no_ratio():
    values = measure_mask(MaskToMeasure(np.zeros((20, 20), np.uint8), ("disc", "cup"), nested=True), "disc")
    assert values["disc_area_px"] == 0
    assert np.isnan(values["cup_to_disc_vertical_ratio"])


def test_the_layers_of_a_phantom_are_as_thick_as_they_were_drawn():
    _, edges = draw_oct(2, height_px=256, width_px=64)
    names = (*(f"layer {number}" for number in range(1, 11)), "below")
    mask = (edges[:, None] <= np.arange(256)[:, None] + 0.5).sum(axis=0).astype(np.uint8)
    mask[:, np.isnan(edges).any(axis=0)] = 255
    truth = np.nanmean(np.diff(edges, axis=0), axis=1)
    exact = measure_mask(MaskToMeasure(mask, names, rows=edges.astype(float), pixel_um=(4, 11)), "layers")
    assert [exact[f"thickness_layer_{n}_um"] for n in range(1, 11)] == pytest.approx(4 * truth, rel=1e-5)
    rough = measure_mask(MaskToMeasure(mask, names), "layers")
    assert [rough[f"thickness_layer_{n}_px"] for n in range(1, 11)] == pytest.approx(truth, abs=0.3)
    assert rough["thickness_total_px"] == pytest.approx(truth.sum(), abs=0.3)


def test_classes_of_alike_names_have_columns_of_their_own():
    mask = np.array([[0, 1, 1, 2, 3, 3, 3, 4]], np.uint8).T
    values = measure_mask(MaskToMeasure(mask, ("total", "a b", "a_b", "below")), "layers")
    thickness = {name: value for name, value in values.items() if name.startswith("thickness")}
    assert thickness == {
        "thickness_total_2_px": 2,
        "thickness_a_b_px": 1,
        "thickness_a_b_2_px": 3,
        "thickness_total_px": 6,
    }
    assert [values[f"area_{name}_px"] for name in ("total_2", "a_b", "a_b_2", "below")] == [2, 1, 3, 1]


@pytest.mark.parametrize("seed", range(4))
def test_the_lungs_of_a_phantom_are_parted_where_they_were_drawn(seed):
    for _, label in draw_patient(seed, slices=3, size_px=128):
        values = measure_mask(MaskToMeasure(label, pixel_um=(2000, 2000)), "lungs")
        sides = [values[f"{side}_in_image_area_px"] for side in ("left", "right")]
        assert sum(sides) == (label > 0).sum()
        middle = [(label[:, :64] > 0).sum(), (label[:, 64:] > 0).sum()]  # a phantom's chest is in the middle
        assert np.abs(np.subtract(sides, middle)).max() <= 0.06 * sum(sides)
        assert values["left_in_image_area_mm2"] == sides[0] * 4


def test_lungs_off_the_middle_are_parted_between_them():
    mask = draw_ellipse(40, 20, centre=(50, 30)) | draw_ellipse(40, 24, centre=(50, 76))
    assert 50 <= find_midline(mask) <= 52
    shifted = np.roll(mask, -8, axis=1)
    assert 42 <= find_midline(shifted) <= 44


def test_one_lung_lies_on_one_side():
    values = measure_mask(MaskToMeasure(draw_ellipse(30, 18, centre=(50, 25)).astype(np.uint8)), "lungs")
    assert values["right_in_image_area_px"] == 0


def test_the_range_spans_the_masks_of_other_odds():
    probabilities = np.linspace(0, 1, 101, dtype=np.float32).reshape(1, 1, 101)
    image = MaskToMeasure((probabilities[0] >= 0.5).astype(np.uint8))
    values = measure_probabilities(
        image,
        "area",
        probabilities=probabilities,
        softmax=False,
        decide=lambda moved: ((moved[0] >= 0.5).astype(np.uint8), None),
    )
    assert [values[f"area_px{end}"] for end in ("", LOW, HIGH)] == [51, 26, 76]


def test_the_range_of_exclusive_classes_is_that_of_the_odds_of_the_foreground():
    foreground = np.linspace(0, 1, 100).reshape(1, 100)
    probabilities = np.stack([1 - foreground, foreground])

    def decide(moved):
        return moved.argmax(axis=0).astype(np.uint8), None

    image = MaskToMeasure(decide(probabilities)[0])
    values = measure_probabilities(image, "area", probabilities=probabilities, softmax=True, decide=decide)
    assert [values[f"area_px{end}"] for end in ("", LOW, HIGH)] == [50, 25, 75]


def test_only_the_odds_of_foreground_classes_move_and_the_others_share_the_rest():
    before = np.array([0.5, 0.3, 0.2])
    moved = [maps.ravel() for maps in move_odds(before.reshape(3, 1, 1), 3, softmax=True)]
    for (index, factor), after in zip([(1, 1 / 3), (1, 3), (2, 1 / 3), (2, 3)], moved, strict=True):
        one, other = (k for k in range(3) if k != index)
        assert after.sum() == pytest.approx(1)
        assert after[index] / (1 - after[index]) == pytest.approx(factor * before[index] / (1 - before[index]))
        assert after[one] / after[other] == pytest.approx(before[one] / before[other])


@pytest.mark.parametrize(
    "mask",
    [
        np.full((4, 4), 255, np.uint8),
        np.full((4, 4), 2, np.int64),
        np.full((4, 4), 65535, np.uint16),
        np.ones((4, 4), bool),
    ],
)
def test_the_foreground_of_one_class_has_any_value(mask):
    assert measure_mask(MaskToMeasure(mask), "area")["area_px"] == 16
    assert measure_mask(MaskToMeasure(np.pad(mask, 1)), "lungs")["area_px"] == 16


@pytest.mark.parametrize(
    ("mask", "names", "kind", "shown"),
    [
        (np.array([[0, 2, 5]]), ("foreground",), "area", "0, 2, 5"),
        (np.array([[0, -1]]), ("foreground",), "area", "-1, 0"),
        (np.array([[0, 255]]), ("disc", "cup"), "disc", "0, 255"),
        (np.array([[0, 3]]), ("top", "below"), "layers", "0, 3"),
        (np.array([[0, 1]]), ("foreground",), "layers", "has one class"),
        (np.array([[0.0, 0.7]]), ("foreground",), "area", "float64"),
        (np.zeros((2, 3, 3), np.uint8), ("foreground",), "area", "(2, 3, 3)"),
        (np.zeros((0, 3), np.uint8), ("foreground",), "area", "(0, 3)"),
        (np.array([[0, 1]]), ("foreground",), "volume", "volume"),
    ],
)
def test_what_is_no_mask_of_these_classes_is_refused_with_what_it_holds(mask, names, kind, shown):
    with pytest.raises(CenetError) as caught:
        measure_mask(MaskToMeasure(mask, names), kind)
    assert shown in str(caught.value)


@pytest.mark.parametrize("region", [np.full((4, 4), 255, np.uint8), np.ones((4, 5), bool)])
def test_a_region_that_is_none_is_refused(region):
    with pytest.raises(CenetError, match="region"):
        measure_mask(MaskToMeasure(np.eye(4, dtype=np.uint8), region=region), "vessels")
