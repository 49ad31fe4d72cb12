import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cenet.metrics.disc import vertical_cup_to_disc_ratio

LABEL = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 2))


def height(label, *classes):
    rows = [row for row, line in enumerate(label.tolist()) if any(value in classes for value in line)]
    return max(rows) - min(rows) + 1 if rows else 0


@given(LABEL)
def test_it_is_the_ratio_of_the_heights_row_by_row(label):
    found = vertical_cup_to_disc_ratio(label)
    disc = height(label, 1, 2)
    assert found == pytest.approx(height(label, 2) / disc if disc else math.nan, nan_ok=True)


@given(LABEL)
def test_only_heights_matter(label):
    ratio = vertical_cup_to_disc_ratio(label)
    for same in (label[::-1], label[:, ::-1], np.repeat(label, 3, axis=1), np.kron(label, np.ones((2, 2), np.uint8))):
        assert vertical_cup_to_disc_ratio(same) == pytest.approx(ratio, nan_ok=True)


def test_ellipses_have_the_ratio_of_their_vertical_axes():
    down, across = np.mgrid[-100:101, -100:101]
    disc, cup = np.hypot(down / 90, across / 60) <= 1, np.hypot(down / 36, across / 55) <= 1
    assert vertical_cup_to_disc_ratio(disc.astype(int) + (disc & cup)) == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("shape", [(5, 4), (1, 1), (0, 4)])
def test_empty_and_full_follow_the_stated_rule(shape):
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
