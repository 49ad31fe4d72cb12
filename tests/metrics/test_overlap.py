import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score, recall_score

from cenet.metrics import overlap
from cenet.metrics.overlap import Counts, count, multiclass_counts

SHAPE = hnp.array_shapes(max_dims=3, max_side=6)
METRICS = [overlap.sensitivity, overlap.specificity, overlap.accuracy, overlap.dice, overlap.iou, overlap.overlap_error]


@st.composite
def pairs(draw, *, dtype=bool, elements=None, and_region=False):
    """Two or three arrays of one shape."""
    shape = draw(SHAPE)
    counts = [draw(hnp.arrays(dtype, shape, elements=elements)) for _ in range(2)]
    return [*counts, draw(hnp.arrays(bool, shape))] if and_region else counts


def cells(mask, label):
    """The four counts of scikit-learn, as tp, fp, fn, tn."""
    tn, fp, fn, tp = confusion_matrix(label.ravel(), mask.ravel(), labels=[False, True]).ravel()
    return Counts(int(tp), int(fp), int(fn), int(tn))


@settings(deadline=None)
@given(pairs())
def test_the_counts_are_those_of_scikit_learn(pair):
    assert count(*pair) == cells(*pair)


@given(pairs(and_region=True))
def test_only_pixels_of_the_region_count(triple):
    mask, label, region = triple
    naive = {"tp": 0, "fp": 0, "fn": 0, "tn": 0}
    for m, g, inside in zip(mask.flat, label.flat, region.flat, strict=True):
        if inside:
            naive[("t" if m == g else "f") + ("p" if m else "n")] += 1
    assert count(mask, label, region=region) == Counts(**naive)


@given(pairs(and_region=True))
def test_the_region_and_the_rest_add_up_to_the_whole(triple):
    mask, label, region = triple
    parts = [count(mask, label, region=part) for part in (region, ~region)]
    assert parts[0] + parts[1] == count(mask, label)


@given(pairs(and_region=True))
def test_counting_leaves_the_arrays_alone(triple):
    before = [array.copy() for array in triple]
    count(triple[0], triple[1], region=triple[2])
    for array, copy in zip(triple, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_counts_are_plain_integers():
    counts = count(np.ones((2, 2), bool), np.ones((2, 2), bool))
    assert [type(n) for n in (counts.tp, counts.fp, counts.fn, counts.tn)] == [int] * 4


def test_counts_cannot_be_changed():
    with pytest.raises(AttributeError):
        Counts(1, 2, 3, 4).tp = 5


@settings(deadline=None)
@given(pairs())
def test_every_metric_is_that_of_scikit_learn(pair):
    mask, label = (array.ravel() for array in pair)
    c = count(mask, label)
    assert overlap.sensitivity(c) == pytest.approx(recall_score(label, mask, zero_division=math.nan), nan_ok=True)
    assert overlap.specificity(c) == pytest.approx(recall_score(~label, ~mask, zero_division=math.nan), nan_ok=True)
    assert overlap.accuracy(c) == pytest.approx(accuracy_score(label, mask))
    assert overlap.dice(c) == pytest.approx(f1_score(label, mask, zero_division=1.0))
    assert overlap.iou(c) == pytest.approx(jaccard_score(label, mask, zero_division=1.0))
    assert overlap.overlap_error(c) == pytest.approx(1 - jaccard_score(label, mask, zero_division=1.0))


@given(pairs())
def test_dice_follows_from_the_overlap_error(pair):
    c = count(*pair)
    iou = 1 - overlap.overlap_error(c)
    assert overlap.dice(c) == pytest.approx(2 * iou / (1 + iou))


@given(pairs())
def test_dice_and_overlap_error_do_not_care_which_is_the_truth(pair):
    c, swapped = count(*pair), count(*reversed(pair))
    assert overlap.dice(c) == overlap.dice(swapped)
    assert overlap.overlap_error(c) == overlap.overlap_error(swapped)


EMPTY, FULL = np.zeros((3, 4), bool), np.ones((3, 4), bool)


@pytest.mark.parametrize(
    ("mask", "label", "expected"),
    [  # sensitivity, specificity, accuracy, dice, iou, overlap_error
        (EMPTY, EMPTY, (math.nan, 1, 1, 1, 1, 0)),
        (FULL, EMPTY, (math.nan, 0, 0, 0, 0, 1)),
        (EMPTY, FULL, (0, math.nan, 0, 0, 0, 1)),
        (FULL, FULL, (1, math.nan, 1, 1, 1, 0)),
    ],
)
def test_empty_and_full_follow_the_stated_rule(mask, label, expected):
    c = count(mask, label)
    assert [metric(c) for metric in METRICS] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("value", [True, False])
def test_one_pixel_is_enough(value):
    c = count(np.array([value]), np.array([value]))
    assert (overlap.dice(c), overlap.overlap_error(c), overlap.accuracy(c)) == (1, 0, 1)


def test_a_region_without_pixels_has_nothing_wrong_and_no_accuracy():
    c = count(FULL, EMPTY, region=EMPTY)
    assert c == Counts(0, 0, 0, 0)
    assert [metric(c) for metric in METRICS] == pytest.approx([math.nan] * 3 + [1, 1, 0], nan_ok=True)


@pytest.mark.parametrize("name", ["mask", "label", "region"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, object])
def test_an_array_that_is_not_boolean_is_refused_by_name(name, dtype):
    arrays = {"mask": FULL, "label": FULL, "region": FULL} | {name: FULL.astype(dtype)}
    with pytest.raises(ValueError, match=f"^{name} is "):
        count(arrays["mask"], arrays["label"], region=arrays["region"])


@pytest.mark.parametrize("name", ["label", "region"])
@pytest.mark.parametrize("shape", [(4, 3), (3, 1), (1, 4), (12,), (1, 3, 4), (), (0, 4)])
def test_shapes_that_differ_are_refused_even_if_they_broadcast(name, shape):
    arrays = {"label": FULL, "region": FULL} | {name: np.ones(shape, bool)}
    with pytest.raises(ValueError, match=f"^{name} has shape"):
        count(FULL, arrays["label"], region=arrays["region"])


@settings(deadline=None)
@given(pairs(dtype=np.uint8, elements=st.integers(0, 3), and_region=True))
def test_each_class_is_counted_against_the_rest(triple):
    mask, label, region = triple
    expected = [cells(mask[region] == k, label[region] == k) for k in (1, 2, 3)] if region.any() else None
    counts = multiclass_counts(mask, label, num_classes=4, region=region)
    assert counts == (expected or [Counts(0, 0, 0, 0)] * 3)


@given(pairs())
def test_two_classes_are_the_binary_case(pair):
    as_classes = [array.astype(np.uint8) for array in pair]
    assert multiclass_counts(*as_classes, num_classes=2) == [count(*pair)]


@pytest.mark.parametrize("name", ["mask", "label"])
@pytest.mark.parametrize(
    ("array", "cause"),
    [
        (np.array([0, 3]), "class outside 0 to 2"),
        (np.array([0, 255], np.uint8), "class outside 0 to 2"),
        (np.array([0, -1]), "class outside 0 to 2"),
        (np.array([0.0, 1.0]), "float64"),
        (np.array([False, True]), "bool"),
    ],
)
def test_a_wrong_class_array_is_refused_by_name(name, array, cause):
    arrays = {"mask": np.array([0, 1]), "label": np.array([0, 1])} | {name: array}
    with pytest.raises(ValueError, match=f"^{name} .*{cause}"):
        multiclass_counts(arrays["mask"], arrays["label"], num_classes=3)


def test_class_arrays_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="label has shape"):
        multiclass_counts(np.zeros((2, 2), np.uint8), np.zeros((2, 1), np.uint8), num_classes=3)


@pytest.mark.parametrize("num_classes", [-1, 0, 1])
def test_fewer_than_two_classes_are_refused(num_classes):
    with pytest.raises(ValueError, match="at least 2"):
        multiclass_counts(np.array([0]), np.array([0]), num_classes=num_classes)


@given(hnp.arrays(np.int64, st.tuples(st.integers(0, 3), st.integers(1, 3), st.just(4)), elements=st.integers(0, 50)))
def test_a_metric_of_many_counts_is_that_of_each(counts):
    for metric in METRICS:
        single = [[metric(Counts(*four)) for four in row] for row in counts.tolist()]
        np.testing.assert_array_equal(metric(counts), np.reshape(single, counts.shape[:-1]))


@pytest.mark.parametrize("counts", [(1, 2, 3), np.zeros((4, 3)), 1])
def test_what_is_not_four_counts_is_refused(counts):
    with pytest.raises(ValueError, match="counts have shape"):
        overlap.dice(counts)
