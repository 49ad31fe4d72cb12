import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.morphology import skeletonize

from cenet.metrics.overlap import count, dice
from cenet.metrics.shape import centre_line_dice, vertical_cup_to_disc_ratio

PAIR = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=10).map(lambda shape: (2, *shape)))
EMPTY, FULL = np.zeros((9, 12), bool), np.ones((9, 12), bool)


def line(*, width, gap=slice(0, 0)):
    """A horizontal line from side to side."""
    mask = np.zeros((21, 60), bool)
    mask[10 - width // 2 : 11 + width // 2] = True
    mask[:, gap] = False
    return mask


def naive(mask, label):
    """The formula of the paper on sets of pixels."""
    mask_line, label_line = (set(map(tuple, np.argwhere(skeletonize(array)))) for array in (mask, label))
    mask, label = (set(map(tuple, np.argwhere(array))) for array in (mask, label))
    precision, sensitivity = len(mask_line & label) / len(mask_line), len(label_line & mask) / len(label_line)
    return 2 * precision * sensitivity / (precision + sensitivity) if precision + sensitivity else 0


@given(PAIR)
def test_it_is_the_formula_of_the_paper_and_lies_between_0_and_1(pair):
    score = centre_line_dice(*pair)
    if all(mask.any() for mask in pair):
        assert score == pytest.approx(naive(*pair))
    assert 0 <= score <= 1


@given(PAIR)
def test_it_does_not_matter_which_is_the_truth(pair):
    assert centre_line_dice(*pair) == centre_line_dice(*reversed(pair))


@given(PAIR)
def test_a_mask_agrees_with_itself(pair):
    assert centre_line_dice(pair[0], pair[0]) == 1


@given(PAIR)
def test_every_mask_with_a_pixel_has_a_centre_line_within_it(pair):
    skeleton = skeletonize(pair[0])
    assert skeleton.any() == pair[0].any()
    assert not (skeleton & ~pair[0]).any()


def test_empty_masks_follow_the_stated_rule():
    assert centre_line_dice(EMPTY, EMPTY) == 1
    assert centre_line_dice(EMPTY, FULL) == centre_line_dice(FULL, EMPTY) == 0


def test_one_pixel_is_enough():
    one, other = EMPTY.copy(), EMPTY.copy()
    one[0, 0] = other[8, 11] = True
    assert centre_line_dice(one, one) == 1
    assert centre_line_dice(one, other) == 0


def test_the_width_of_a_vessel_does_not_matter_but_to_dice():
    wide, narrow = line(width=7), line(width=1)
    assert centre_line_dice(narrow, wide) > 0.98
    assert dice(count(narrow, wide)) < 0.3


def test_a_gap_counts_by_its_length():
    broken = line(width=1, gap=slice(20, 35))
    assert centre_line_dice(broken, line(width=1)) == pytest.approx(2 * 0.75 / 1.75)


@pytest.mark.parametrize("name", ["mask", "label"])
def test_an_array_that_is_not_boolean_is_refused_by_name(name):
    arrays = {"mask": FULL, "label": FULL} | {name: FULL.astype(np.uint8)}
    with pytest.raises(ValueError, match=f"^{'label|mask'} is uint8"):
        centre_line_dice(arrays["mask"], arrays["label"])


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="has shape"):
        centre_line_dice(FULL, FULL.T)


# The cup-to-disc ratio --------------------------------------------------------------------------------------

LABEL = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 2))


def height(label, *classes):
    rows = [row for row, line in enumerate(label.tolist()) if any(value in classes for value in line)]
    return max(rows) - min(rows) + 1 if rows else 0


@given(LABEL)
def test_the_cup_to_disc_ratio_is_that_of_the_heights_row_by_row(label):
    ratio = vertical_cup_to_disc_ratio(label)
    disc = height(label, 1, 2)
    assert ratio == pytest.approx(height(label, 2) / disc if disc else math.nan, nan_ok=True)


@given(LABEL)
def test_only_heights_matter_to_the_cup_to_disc_ratio(label):
    ratio = vertical_cup_to_disc_ratio(label)
    for same in (label[::-1], label[:, ::-1], np.repeat(label, 3, axis=1), np.kron(label, np.ones((2, 2), np.uint8))):
        assert vertical_cup_to_disc_ratio(same) == pytest.approx(ratio, nan_ok=True)


def test_ellipses_have_the_ratio_of_their_vertical_axes():
    down, across = np.mgrid[-100:101, -100:101]
    disc, cup = np.hypot(down / 90, across / 60) <= 1, np.hypot(down / 36, across / 55) <= 1
    assert vertical_cup_to_disc_ratio(disc.astype(int) + (disc & cup)) == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("shape", [(5, 4), (1, 1), (0, 4)])
def test_discs_without_a_cup_and_cups_without_a_disc_follow_the_stated_rule(shape):
    assert math.isnan(vertical_cup_to_disc_ratio(np.zeros(shape, np.uint8)))
    if shape[0]:
        assert vertical_cup_to_disc_ratio(np.ones(shape, np.uint8)) == 0
        assert vertical_cup_to_disc_ratio(np.full(shape, 2, np.uint8)) == 1


@pytest.mark.parametrize(
    ("label", "cause"),
    [
        (np.array([[0, 255]], np.uint8), "class outside 0 to 2"),
        (np.array([[0, -1]]), "class outside 0 to 2"),
        (np.array([[0.0, 1.0]]), "float64"),
        (np.array([[False, True]]), "bool"),
    ],
)
def test_what_is_no_nested_label_is_refused(label, cause):
    with pytest.raises(ValueError, match=f"^label .*{cause}"):
        vertical_cup_to_disc_ratio(label)
