from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cenet.data.labels import layer_maps as layers
from cenet.data.labels.layer_maps import IGNORED, MAX_STRAY_PX, label_from_rows, layer_names, order_columns
from cenet.errors import CenetError

SCAN = Path("scan.npy")


def differing(labelling, drawn, *, last, one_outside):
    """How many pixels of a column were drawn otherwise."""
    means = [0 if one_outside and k == last else k for k in labelling]
    return sum(pixel not in (wanted, IGNORED) for pixel, wanted in zip(drawn, means, strict=True))


@given(
    column=st.lists(st.sampled_from([0, 0, 1, 2, 3, IGNORED]), min_size=1, max_size=7),
    one_outside=st.booleans(),
    stray=st.integers(0, 4),
)
def test_a_column_becomes_the_nearest_of_all_ordered_labellings(column, one_outside, stray):
    last = 4 if one_outside else 3
    every = combinations_with_replacement(range(last + 1), len(column))
    fewest = min(differing(candidate, column, last=last, one_outside=one_outside) for candidate in every)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "MAX_STRAY_PX", stray)
        ordered = order_columns(np.array([column], np.uint8).T, num_classes=last + 1, one_outside=one_outside)[
            :, 0
        ].tolist()
    blank = {0} if one_outside else {0} if 3 not in column else {3}
    if fewest > stray or set(column) - {IGNORED} <= blank:
        assert ordered == [IGNORED] * len(column)
        return
    assert [k == IGNORED for k in ordered] == [pixel == IGNORED for pixel in column]
    drawn = [pixel for pixel in column if pixel != IGNORED]
    ordered = [k for k in ordered if k != IGNORED]
    assert ordered == sorted(ordered)
    assert differing(ordered, drawn, last=last, one_outside=one_outside) == fewest


@given(
    label=hnp.arrays(np.uint8, st.tuples(st.integers(2, 30), st.integers(1, 9)), elements=st.integers(0, 5)),
    one_outside=st.booleans(),
)
def test_what_is_in_order_stays_as_it_is(label, one_outside):
    label = np.sort(label, axis=0)
    drawn = np.where(label == 5, 0, label) if one_outside else label
    ordered = order_columns(drawn.astype(np.uint8), num_classes=6, one_outside=one_outside)
    layered = ((label > 0) & (label < 5)).any(axis=0)
    assert (ordered[:, layered] == label[:, layered]).all()
    if one_outside:
        assert (ordered[:, ~layered] == IGNORED).all()


def test_columns_do_not_influence_each_other():
    drawn = np.random.default_rng(0).choice([0, 1, 2, 3, IGNORED], (9, 40)).astype(np.uint8)
    together = order_columns(drawn, num_classes=5, one_outside=True)
    alone = [order_columns(drawn[:, [column]], num_classes=5, one_outside=True) for column in range(40)]
    assert (together == np.concatenate(alone, axis=1)).all()


@pytest.mark.parametrize(("hole", "kept"), [(MAX_STRAY_PX, True), (MAX_STRAY_PX + 1, False)])
def test_a_hole_between_layers_is_filled_unless_it_is_large(hole, kept):
    column = np.array([0] * 5 + [1] * 9 + [0] * hole + [2] * 9 + [0] * 5, np.uint8)[:, None]
    ordered = order_columns(column, num_classes=4, one_outside=True)[:, 0]
    assert (ordered != IGNORED).all() == kept
    assert (ordered == IGNORED).all() != kept
    if kept:
        assert np.isin(ordered[5:-5], (1, 2)).all()


def test_a_speck_in_the_vitreous_does_not_move_a_boundary():
    column = np.array([0, 0, 2, 0, 0, 0, 0, 1, 1, 2, 2, 0], np.uint8)[:, None]
    assert order_columns(column, num_classes=4, one_outside=True)[:, 0].tolist() == [0] * 7 + [1, 1, 2, 2, 3]


def test_a_retina_that_reaches_the_frame_keeps_its_layers():
    drawn = np.array([[1, 1, 2, 2], [0, 0, 1, 2]], np.uint8).T
    assert order_columns(drawn, num_classes=4, one_outside=True).T.tolist() == [[1, 1, 2, 2], [0, 0, 1, 2]]


@given(
    rows=hnp.arrays(
        np.float64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.floats(0, 8, allow_subnormal=False)
    ),
    missing=st.sets(st.integers(0, 5)),
)
def test_a_pixel_has_the_number_of_boundaries_above_it(rows, missing):
    rows = np.sort(rows, axis=0)
    for column in missing & set(range(rows.shape[1])):
        rows[column % len(rows), column] = np.nan
    label = label_from_rows(rows, (8, rows.shape[1]), path=SCAN)
    assert label.dtype == np.uint8
    for column in range(rows.shape[1]):
        if np.isnan(rows[:, column]).any():
            assert (label[:, column] == IGNORED).all()
            continue
        for row in range(8):
            assert label[row, column] == sum(row + 0.5 > y for y in rows[:, column])
        for number, y in enumerate(rows[:, column], start=1):
            count = (label[:, column] < number).sum()
            assert abs(count - y) <= 0.5


def test_boundaries_at_the_frame_leave_classes_out():
    assert label_from_rows(np.array([[0.0], [4.0]]), (4, 1), path=SCAN).ravel().tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 1], [2, 2]], "it has 2 columns, but the image has 3; use the rows of this image"),
        ([[1, 1, 1], [2, 2, 0.5]], "boundary 2 lies above boundary 1 in column 2; put the boundaries in order"),
        ([[1, np.nan, 1], [0, 0, 2]], "boundary 2 lies above boundary 1 in column 0; "),
        ([[1, -0.1, 1]], "boundary 1 is at row -0.1 in column 1, outside the image of 4 rows; fix it, or write NaN"),
        ([[1, 1, 1], [2, 2, 4.5]], "boundary 2 is at row 4.5 in column 2, outside the image of 4 rows"),
        ([[1, np.inf, 1]], "boundary 1 is at row inf in column 1, outside the image"),
        ([[1, -np.inf, 1]], "boundary 1 is at row -inf in column 1, outside the image"),
    ],
)
def test_rows_that_cannot_be_are_reported_with_boundary_and_column(rows, message):
    with pytest.raises(CenetError, match=rf"^scan\.npy: {message}"):
        label_from_rows(np.array(rows, np.float64), (4, 3), path=SCAN)


def test_there_is_a_name_for_each_class_but_the_uppermost():
    assert layer_names(1) == ("below",)
    assert layer_names(9)[0] == "layer 1"
    assert layer_names(9)[7:] == ("layer 8", "below")
