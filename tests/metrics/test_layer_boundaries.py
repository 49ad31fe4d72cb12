import math
from itertools import chain, combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cenet.metrics import layer_boundaries as layers
from cenet.metrics.layer_boundaries import boundaries_of, decode, labels_of, subpixel

HEIGHT, WIDTH = st.integers(1, 6), st.integers(1, 3)
ERRORS = [layers.boundary_errors, layers.thickness_errors, layers.overall_boundary_error]


@st.composite
def softmaxes(draw, *, height=HEIGHT):
    """Probabilities of up to four classes, some of them 0."""
    shape = draw(st.integers(2, 4)), draw(height), draw(WIDTH)
    weights = draw(hnp.arrays(float, shape, elements=st.sampled_from([0, 0.01, 0.1, 0.3, 0.5, 0.7, 1])))
    return (weights + 1e-9 * (weights.sum(axis=0) == 0)) / np.maximum(weights.sum(axis=0), 1e-9 * len(weights))


@st.composite
def label_maps(draw, *, num_classes=4):
    shape = draw(HEIGHT), draw(WIDTH)
    return draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, num_classes - 1)))


@st.composite
def boundary_pairs(draw):
    """Ordered predicted rows, and ordered true rows with nan in whole columns and in single places."""
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    predicted, truth = (
        np.sort(draw(hnp.arrays(float, shape, elements=st.integers(0, 80).map(lambda n: n / 4))), axis=0)
        for _ in range(2)
    )
    truth[:, draw(hnp.arrays(bool, shape[1]))] = np.nan
    truth[draw(hnp.arrays(bool, shape))] = np.nan
    return predicted, truth


def ordered_columns(height, *, num_classes):
    return list(combinations_with_replacement(range(num_classes), height))


def rows_of(column, *, num_classes):
    return [sum(k < b for k in column) for b in range(1, num_classes)]


def step(*rows, height, falls=()):
    """Certain probabilities of one column with boundaries at `rows`; in the pixels `falls`, class 0 is certain."""
    labels = np.array([sum(row <= r for row in rows) for r in range(height)])
    labels[list(falls)] = 0
    return (labels == np.arange(len(rows) + 1)[:, None]).astype(np.float32)[..., None]


def two(*lower):
    """One column of two classes from the probability of the lower one."""
    lower = np.array(lower, float)[:, None]
    return np.stack([1 - lower, lower])


@given(softmaxes())
def test_no_ordered_labelling_is_more_probable(probabilities):
    num_classes, height, width = probabilities.shape
    logs = np.log(np.maximum(probabilities, layers.MIN_PROBABILITY))
    labels, _ = decode(probabilities)
    assert labels.shape == (height, width)
    assert labels.dtype == np.uint8
    for x in range(width):
        score = {
            column: math.fsum(logs[k, r, x] for r, k in enumerate(column))
            for column in ordered_columns(height, num_classes=num_classes)
        }
        assert score[tuple(labels[:, x].tolist())] == pytest.approx(max(score.values()), abs=1e-9)


@given(softmaxes())
def test_labels_and_boundaries_of_the_decoding_belong_together(probabilities):
    labels, boundaries = decode(probabilities)
    rows = boundaries_of(labels, num_classes=len(probabilities))
    np.testing.assert_array_equal(boundaries, subpixel(probabilities, rows))


@given(softmaxes())
def test_a_column_is_decoded_without_its_neighbours(probabilities):
    labels, boundaries = decode(probabilities)
    for x in range(labels.shape[1]):
        alone = decode(probabilities[:, :, x : x + 1])
        np.testing.assert_array_equal(labels[:, x : x + 1], alone[0])
        np.testing.assert_array_equal(boundaries[:, x : x + 1], alone[1])


@given(softmaxes())
def test_decoding_leaves_the_probabilities_alone(probabilities):
    before = probabilities.copy()
    decode(probabilities)
    np.testing.assert_array_equal(probabilities, before)


@pytest.mark.parametrize("num_classes", [2, 3, 12])
def test_where_all_is_equally_probable_the_boundaries_lie_highest(num_classes):
    even = np.full((num_classes, 4, 2), 1 / num_classes)
    assert np.all(decode(even)[0] == num_classes - 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_an_ordered_map_is_decoded_as_it_is(dtype):
    labels = np.sort(np.random.default_rng(0).integers(0, 12, (40, 30)), axis=0)
    certain = (labels == np.arange(12)[:, None, None]).astype(dtype)
    np.testing.assert_array_equal(decode(certain)[0], labels)
    np.testing.assert_array_equal(decode(certain)[1], boundaries_of(labels, num_classes=12))


def test_a_false_island_far_away_does_not_move_a_boundary():
    probabilities = step(30, height=100, falls=range(80, 90))
    summed = probabilities[:1].sum(axis=1)
    assert decode(probabilities)[1].tolist() == [[30]]
    assert summed.tolist() == [[40]]


def test_one_certain_pixel_does_not_outvote_the_others():
    assert decode(step(30, height=100, falls=range(31, 100)))[1].tolist() == [[100]]


@pytest.mark.parametrize(("against", "label"), [(3, 1), (4, 0)])
def test_pixels_weigh_by_the_logarithm_of_their_odds(against, label):
    lower = 1 - 1e-6, *[0.02] * against  # 13.8 against 3.9 each
    assert decode(two(*lower))[0].ravel().tolist() == [label] * len(lower)


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (two(0), [0]),
        (two(1), [1]),
        (two(0, 0, 0), [0, 0, 0]),
        (two(1, 1, 1), [1, 1, 1]),
        (two(1, 0, 0), [0, 0, 0]),
        (step(2, 2, 3, height=4), [0, 0, 2, 3]),
        (step(0, 0, 0, height=2), [3, 3]),
        (step(2, 2, 2, height=2), [0, 0]),
    ],
)
def test_classes_may_be_absent(probabilities, labels):
    assert decode(probabilities)[0].ravel().tolist() == labels


def test_one_row_is_decoded_column_by_column():
    labels, boundaries = decode(np.array([[[0.7, 0.1, 0.2]], [[0.2, 0.8, 0.2]], [[0.1, 0.1, 0.6]]]))
    assert labels.tolist() == [[0, 1, 2]]
    assert boundaries.tolist() == [[1, 0, 0], [1, 1, 0]]


def test_an_image_without_pixels_has_no_columns_and_boundaries_at_0():
    assert decode(np.zeros((3, 4, 0)))[1].shape == (2, 0)
    assert boundaries_of(np.zeros((0, 2), np.uint8), num_classes=3).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("shape", [(1, 4, 4), (256, 1, 1), (4, 4), (1, 2, 4, 4)])
def test_probabilities_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"^probabilities has shape"):
        decode(np.ones(shape))


@pytest.mark.parametrize("value", [0, 1, -3, math.nan])
def test_what_does_not_sum_to_1_is_refused(value):
    with pytest.raises(ValueError, match="softmax"):
        decode(np.full((3, 2, 2), value, float))


@pytest.mark.parametrize("row", range(7))
def test_a_certain_step_lies_at_its_row(row):
    assert subpixel(step(row, height=6), np.array([[float(row)]])).tolist() == [[row]]


@pytest.mark.parametrize("crossing", [2.6, 3.0, 3.25, 3.5, 4.0, 4.4])
@pytest.mark.parametrize("row", [3.0, 4.0])
def test_a_linear_ramp_lies_exactly_where_it_crosses_one_half(crossing, row):
    lower = 0.5 + 0.125 * (np.arange(8) + 0.5 - crossing)
    assert subpixel(two(*lower), np.array([[row]])) == pytest.approx(crossing)


@pytest.mark.parametrize(("row", "expected"), [(3, 3), (4, 6), (5, 6), (6, 6), (8, 6), (9, 9), (12, 12)])
def test_a_crossing_is_sought_within_two_pixels(row, expected):
    assert subpixel(step(6, height=12), np.array([[float(row)]])).tolist() == [[expected]]


@pytest.mark.parametrize(
    ("lower", "row", "expected"),
    [
        ((0, 1, 0, 0, 0, 1), 4, 5),  # the nearer of 1 and 5 in reach
        ((0, 1, 0, 1), 2, 1),  # the upper of 1 and 3, equally near
        ((1, 1, 0, 0), 2, 2),  # it falls: not this boundary
        ((0, 0.5, 0.5, 1), 2, 1.5),  # it reaches one half at the first of two centres
        ((0.4, 0.4, 0.4), 3, 3),
        ((0.6, 0.6, 0.6), 0, 0),
    ],
)
def test_the_nearest_rise_counts_and_without_one_the_row_stays(lower, row, expected):
    assert subpixel(two(*lower), np.array([[float(row)]])).tolist() == [[expected]]


def test_a_boundary_that_passes_the_next_takes_it_along():
    first = np.array([1, 1, 1, 1, 0.3, 0, 0, 0])  # crosses one half at 3.5 + 0.5 / 0.7; the second never does
    probabilities = np.stack([first, 1 - first, 0 * first])[..., None]
    assert subpixel(probabilities, np.array([[3.0], [3.0]])).ravel() == pytest.approx([3.5 + 0.5 / 0.7] * 2)


def naive_subpixel(probabilities, rows):
    boundaries = rows.copy()
    height = probabilities.shape[1]
    for x in range(rows.shape[1]):
        for b in range(len(rows)):
            lower = [sum(probabilities[k, r, x] for k in range(len(rows), b, -1)) for r in range(height)]
            places = [
                r + 0.5 + (0.5 - lower[r]) / (lower[r + 1] - lower[r])
                for r in range(height - 1)
                if lower[r] < 0.5 <= lower[r + 1]
            ]
            near = [y for y in places if abs(y - rows[b, x]) <= 2]
            boundaries[b, x] = min(near, key=lambda y, b=b, x=x: abs(y - rows[b, x]), default=rows[b, x])
            boundaries[b, x] = max(boundaries[b, x], boundaries[b - 1, x] if b else 0)
    return boundaries


@given(softmaxes(height=st.integers(1, 12)), st.data())
def test_the_crossings_are_those_of_a_naive_loop(probabilities, data):
    num_classes, height, width = probabilities.shape
    shape = num_classes - 1, width
    rows = np.sort(data.draw(hnp.arrays(np.int64, shape, elements=st.integers(0, height))), axis=0).astype(float)
    boundaries = subpixel(probabilities, rows)
    np.testing.assert_allclose(boundaries, naive_subpixel(probabilities, rows), rtol=0, atol=1e-12)
    assert np.all(np.diff(boundaries, axis=0) >= 0)
    assert np.all(np.abs(boundaries - rows) <= 2)


@given(label_maps())
def test_boundaries_are_those_of_the_nearest_ordered_column_the_highest_of_several(labels):
    boundaries = boundaries_of(labels, num_classes=4)
    for x, column in enumerate(labels.T.tolist()):
        changed = {
            ordered: sum(a != b for a, b in zip(ordered, column, strict=True))
            for ordered in ordered_columns(len(column), num_classes=4)
        }
        nearest = [rows_of(o, num_classes=4) for o, count in changed.items() if count == min(changed.values())]
        assert boundaries[:, x].tolist() == np.min(nearest, axis=0).tolist()


@given(label_maps())
def test_boundaries_and_labels_of_an_ordered_map_are_each_others_inverse(labels):
    ordered = np.sort(labels, axis=0)
    boundaries = boundaries_of(ordered, num_classes=4)
    np.testing.assert_array_equal(boundaries, [np.sum(ordered < b, axis=0) for b in (1, 2, 3)])
    np.testing.assert_array_equal(labels_of(boundaries, height_px=len(labels)), ordered)


def test_an_island_in_the_truth_moves_no_boundary():
    labels = np.repeat([0, 1, 2], 20).astype(np.uint8)[:, None]
    labels[50:53] = 1
    labels[5] = 2
    assert boundaries_of(labels, num_classes=3).tolist() == [[20], [40]]


@pytest.mark.parametrize("ignored", [255, 9])
def test_a_column_with_an_ignored_pixel_is_not_annotated(ignored):
    labels = np.array([[0, 0, ignored, 1], [1, ignored, ignored, 0], [1, 1, ignored, 0]], np.uint8)
    boundaries = boundaries_of(labels, num_classes=2, ignored=ignored)
    np.testing.assert_array_equal(boundaries, [[1, math.nan, math.nan, 3]])
    assert layers.annotated_columns(boundaries) == 2


def test_labels_are_filled_by_pixel_centres_and_ignored_where_a_boundary_is_unknown():
    boundaries = np.array([[0.5, 0.51, 0, 3, 1], [0.5, 2.5, 0, 3, math.nan]])
    filled = labels_of(boundaries, height_px=3, ignored=9)
    assert filled.T.tolist() == [[2, 2, 2], [0, 1, 2], [2, 2, 2], [0, 0, 0], [9, 9, 9]]


@pytest.mark.parametrize(
    ("labels", "cause"),
    [
        (np.array([[0, 3]], np.uint8), "class outside 0 to 2"),
        (np.array([[0, -1]]), "class outside 0 to 2"),
        (np.array([0, 1], np.uint8), "has shape"),
        (np.zeros((1, 2, 2), np.uint8), "has shape"),
    ],
)
def test_a_wrong_label_map_is_refused(labels, cause):
    with pytest.raises(ValueError, match=f"^labels .*{cause}"):
        boundaries_of(labels, num_classes=3)


def naive_mean(values):
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


@given(boundary_pairs())
def test_errors_are_those_of_naive_loops(pair):
    predicted, truth = pair
    count, width = truth.shape
    gaps = [[predicted[b, x] - truth[b, x] for x in range(width)] for b in range(count)]
    thick = [
        [abs((predicted[b + 1, x] - predicted[b, x]) - (truth[b + 1, x] - truth[b, x])) for x in range(width)]
        for b in range(count - 1)
    ]
    absolute = [[abs(gap) for gap in row] for row in gaps]
    expected = [
        [naive_mean(row) for row in absolute],
        [naive_mean(row) for row in thick],
        naive_mean(chain(*absolute)),
    ]
    for errors, values in zip(ERRORS, expected, strict=True):
        np.testing.assert_allclose(errors(predicted, truth), values, rtol=0, atol=1e-12)
    assert layers.annotated_columns(truth) == sum(not np.isnan(truth[:, x]).all() for x in range(width))


def test_a_missed_layer_counts_at_its_error():
    truth = boundaries_of(np.repeat([0, 1, 2], [10, 4, 10]).astype(np.uint8)[:, None], num_classes=3)
    missed = decode(step(14, 14, height=24))[1]
    assert layers.boundary_errors(missed, truth).tolist() == [4, 0]
    assert layers.overall_boundary_error(missed, truth) == 2
    assert layers.thickness_errors(missed, truth).tolist() == [4]


def test_a_shift_changes_no_thickness():
    truth = np.array([[3.0, 4.0], [9.0, 7.0]])
    assert layers.boundary_errors(truth - 1.5, truth).tolist() == [1.5, 1.5]
    assert layers.thickness_errors(truth - 1.5, truth).tolist() == [0]


def test_where_nothing_is_annotated_there_is_no_error():
    predicted, truth = np.zeros((3, 2)), np.full((3, 2), np.nan)
    for errors in ERRORS:
        assert np.all(np.isnan(errors(predicted, truth)))
    assert layers.annotated_columns(truth) == 0


@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize("shape", [(2, 3), (1, 4), (4,), (3, 2)])
def test_errors_of_other_shapes_are_refused(errors, shape):
    with pytest.raises(ValueError, match=r"^predicted has shape"):
        errors(np.zeros(shape), np.zeros((2, 4)))


@pytest.mark.parametrize("errors", ERRORS)
def test_a_prediction_with_a_hole_is_refused(errors):
    with pytest.raises(ValueError, match=r"^predicted has a nan"):
        errors(np.full((1, 2), np.nan), np.zeros((1, 2)))
