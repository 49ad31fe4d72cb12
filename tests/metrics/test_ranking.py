import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, roc_auc_score

from cenet.metrics.ranking import average_precision, roc_auc

THRESHOLDS = [float(f"0.{k:02d}") for k in range(1, 100)]
ALL = [roc_auc, average_precision]


@st.composite
def ranked(draw):
    """Scores and truth of one shape, with many ties or few, and scores at and beside each threshold."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    width = 32 if dtype == np.float32 else 64
    on_grid = st.sampled_from(THRESHOLDS).map(dtype)
    beside = st.tuples(on_grid, st.sampled_from([0.0, 1.0])).map(lambda pair: np.nextafter(pair[0], dtype(pair[1])))
    spread = st.floats(0, 1, width=width)
    few = st.sampled_from([0.0, 0.25, 0.5, 1.0])
    shape = draw(hnp.array_shapes(max_dims=3, max_side=6))
    elements = draw(st.sampled_from([spread, few, on_grid, beside, spread | few | on_grid | beside]))
    return draw(hnp.arrays(dtype, shape, elements=elements)), draw(hnp.arrays(bool, shape))


def random_case(seed, *, decimals=None):
    rng = np.random.default_rng(seed)
    truth = rng.random((40, 50)) < rng.uniform(0.02, 0.98)
    scores = np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0, 1).astype(np.float32)
    return (scores if decimals is None else scores.round(decimals)), truth


@settings(deadline=None)
@given(ranked())
def test_roc_auc_is_the_share_of_pairs_in_order(case):
    scores, truth = case
    positives, negatives = scores[truth], scores[~truth]
    wins = sum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)
    pairs = len(positives) * len(negatives)
    assert roc_auc(scores, truth) == pytest.approx(wins / pairs if pairs else math.nan, nan_ok=True)


@settings(deadline=None)
@given(ranked())
def test_average_precision_is_the_sum_over_thresholds(case):
    scores, truth = case
    total, last_recall = 0.0, 0.0
    for threshold in sorted(set(scores.ravel().tolist()), reverse=True):
        mask = scores >= threshold
        recall = (mask & truth).sum() / max(truth.sum(), 1)
        total += (recall - last_recall) * (mask & truth).sum() / mask.sum()
        last_recall = recall
    both = truth.any() and not truth.all()
    assert average_precision(scores, truth) == pytest.approx(total if both else math.nan, nan_ok=True)


@pytest.mark.parametrize("decimals", [None, 3, 1, 0])
@pytest.mark.parametrize("seed", range(5))
def test_roc_auc_and_average_precision_are_those_of_scikit_learn(seed, decimals):
    scores, truth = random_case(seed, decimals=decimals)
    flat = truth.ravel(), scores.ravel()
    assert roc_auc(scores, truth) == pytest.approx(roc_auc_score(*flat), abs=1e-12)
    assert average_precision(scores, truth) == pytest.approx(average_precision_score(*flat), abs=1e-12)


@given(ranked())
def test_turning_the_order_round_turns_the_auc_round(case):
    scores, truth = case
    assert roc_auc(-scores, truth) == pytest.approx(1 - roc_auc(scores, truth), nan_ok=True)
    assert roc_auc(scores, ~truth) == pytest.approx(1 - roc_auc(scores, truth), nan_ok=True)


@given(ranked(), st.sampled_from([2.0, 0.5, 1024.0]))
def test_the_scale_of_the_scores_does_not_matter(case, factor):
    scores, truth = case
    wide = scores.astype(np.float64)
    assume((wide * factor / factor == wide).all())  # half of the smallest number there is would be zero
    for metric in ALL:
        np.testing.assert_equal(metric(wide * factor, truth), metric(scores, truth))


def test_infinite_scores_have_a_rank():
    scores, truth = np.array([-np.inf, 0.0, 1.0, np.inf]), np.array([False, True, False, True])
    assert roc_auc(scores, truth) == 0.75
    assert average_precision(scores, truth) == pytest.approx((1 + 2 / 3) / 2)


def test_zero_and_minus_zero_are_a_tie():
    scores, truth = np.array([0.0, -0.0], np.float32), np.array([True, False])
    assert (roc_auc(scores, truth), average_precision(scores, truth)) == (0.5, 0.5)


def test_a_perfect_order_scores_one_and_the_reverse_zero():
    scores, truth = np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True])
    assert (roc_auc(scores, truth), average_precision(scores, truth)) == (1, 1)
    assert roc_auc(scores, ~truth) == 0


def test_scores_that_are_all_equal_say_nothing():
    scores, truth = np.full(10, 0.3, np.float32), np.arange(10) < 3
    assert roc_auc(scores, truth) == 0.5
    assert average_precision(scores, truth) == pytest.approx(0.3)


def test_many_pixels_do_not_overflow():
    half = 200_000
    truth = np.arange(2 * half) >= half
    assert roc_auc(truth.astype(np.float32), truth) == 1
    assert roc_auc(np.zeros(2 * half, np.float32), truth) == 0.5


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("truth", [[], [True], [False], [True, True], [False, False]])
def test_a_missing_class_gives_nan(metric, truth):
    assert math.isnan(metric(np.full(len(truth), 0.5, np.float32), np.array(truth, bool)))


@pytest.mark.parametrize("metric", ALL)
def test_the_answers_are_plain_floats_and_the_arrays_stay_as_they_are(metric):
    scores, truth = random_case(0)
    before = scores.copy(), truth.copy()
    assert type(metric(scores, truth)) is float
    np.testing.assert_array_equal(scores, before[0])
    np.testing.assert_array_equal(truth, before[1])


@pytest.mark.parametrize("metric", ALL)
def test_the_shape_and_the_memory_order_do_not_matter(metric):
    scores, truth = random_case(1, decimals=2)
    expected = metric(scores.ravel(), truth.ravel())
    assert metric(scores, truth) == expected
    assert metric(np.asfortranarray(scores), truth) == expected
    assert metric(scores.reshape(2, 20, 50), truth.reshape(2, 20, 50)) == expected
    assert metric(scores[::-1].T, truth[::-1].T) == expected


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(
    ("scores", "truth", "cause"),
    [
        (np.zeros(3), np.zeros(2, bool), "shape"),
        (np.zeros((2, 3)), np.zeros((3, 2), bool), "shape"),
        (np.zeros((2, 3)), np.zeros(6, bool), "shape"),
        (np.zeros((2, 3)), np.zeros((1, 3), bool), "shape"),
        (np.zeros(2), np.zeros(2, np.uint8), "truth is uint8"),
        (np.zeros(2), np.zeros(2), "truth is float64"),
        (np.zeros(2, np.uint8), np.zeros(2, bool), "scores are uint8"),
        (np.zeros(2, bool), np.zeros(2, bool), "scores are bool"),
        (np.zeros(2, complex), np.zeros(2, bool), "scores are complex128"),
        (np.array([0.5, np.nan]), np.array([True, False]), "nan"),
        (np.array([0.5, np.nan], np.float32), np.array([True, True]), "nan"),
        (np.array([-np.nan]), np.array([False]), "nan"),
    ],
)
def test_wrong_input_is_refused_with_its_cause(metric, scores, truth, cause):
    with pytest.raises(ValueError, match=cause):
        metric(scores, truth)
