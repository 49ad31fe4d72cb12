import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score

from cenet.metrics.binned import (
    BINS,
    CENTRES,
    CURVE_POINTS,
    EDGES,
    LOGIT_RANGE,
    average_precision_of,
    best_threshold_of,
    brier_of,
    calibration_error_of,
    histogram,
    precision_recall_curve_of,
    reliability_of,
    roc_auc_of,
    roc_curve_of,
)
from cenet.metrics.ranking import average_precision, roc_auc

VECTORISED = [roc_auc_of, average_precision_of, brier_of, calibration_error_of]
OF_ONE = [best_threshold_of, roc_curve_of, precision_recall_curve_of, reliability_of]


@st.composite
def scored(draw):
    """Probabilities, the ends and the edges of bins among them, and a truth."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=8))
    width = 8 * np.dtype(dtype).itemsize
    on_edge = st.sampled_from([*EDGES[:-1:16].tolist(), *EDGES[-9:-1].tolist(), 1.0])
    elements = st.floats(0, 1, width=width) | on_edge
    return draw(hnp.arrays(dtype, shape, elements=elements)), draw(hnp.arrays(bool, shape))


def random_case(seed, *, share=0.1, pixels=20_000):
    """Scores with a logit that is normal in each class, as of a network."""
    rng = np.random.default_rng(seed)
    truth = rng.random((pixels // 100, 100)) < share
    scores = 1 / (1 + np.exp(-rng.normal(-3 + 4 * truth, rng.uniform(1, 3))))
    return scores.astype(np.float32), truth


def naive_histogram(scores, truth):
    h = np.zeros((2, BINS), int)
    for score, foreground in zip(scores.ravel().tolist(), truth.ravel().tolist(), strict=True):
        h[int(foreground), max(b for b in range(BINS) if score >= EDGES[b])] += 1
    return h


def naive_calibration_error(scores, truth, bins):
    total = 0.0
    for b in range(bins):
        inside = [(p, t) for p, t in zip(scores, truth, strict=True) if min(int(p * bins), bins - 1) == b]
        if inside:
            total += abs(np.mean([p for p, _ in inside]) - np.mean([t for _, t in inside])) * len(inside)
    return total / len(scores)


def on_centres(h):
    """Every pixel of a histogram, at the centre of its bin."""
    return np.repeat(np.tile(CENTRES, 2), h.ravel()), np.repeat(np.repeat([False, True], BINS), h.ravel())


def test_the_edges_are_even_in_logit_and_the_centres_lie_between():
    assert (EDGES[0], EDGES[BINS // 2], EDGES[-1]) == (0, 0.5, np.inf)
    inner = EDGES[1 : BINS * 3 // 4]
    step = 2 * LOGIT_RANGE / BINS
    np.testing.assert_allclose(np.diff(np.log(inner / (1 - inner))), step, rtol=1e-2)
    assert np.all(np.diff(EDGES) >= 0)
    assert np.all(np.diff(CENTRES) > 0)
    assert np.all((EDGES[:-1] < CENTRES + 6e-8) & (EDGES[1:] + 6e-8 > CENTRES))  # the edges are rounded to float32


@given(scored())
def test_a_score_lies_in_the_highest_bin_whose_edge_it_reaches(case):
    h = histogram(*case)
    assert h.dtype == np.uint32
    np.testing.assert_array_equal(h, naive_histogram(*case))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_score_on_an_edge_lies_above_it_and_the_next_one_below_it(dtype):
    edges = np.unique(EDGES[1:-1]).astype(dtype)
    for scores in (edges, np.nextafter(edges, dtype(0)), np.nextafter(edges, dtype(1))):
        bins = np.flatnonzero(histogram(scores, np.zeros(scores.shape, bool))[0])
        expected = np.unique((scores.astype(float)[:, None] >= EDGES).sum(axis=1) - 1)
        np.testing.assert_array_equal(bins, expected)


def test_zero_and_one_lie_in_the_outermost_bins():
    h = histogram(np.array([0.0, -0.0, 1.0], np.float32), np.array([False, True, True]))
    assert h.sum() == 3
    np.testing.assert_array_equal(h[:, [0, -1]], [[1, 0], [1, 1]])


def test_half_precision_counts_as_the_same_numbers_in_full():
    scores, truth = random_case(0)
    half = scores.astype(np.float16)
    np.testing.assert_array_equal(histogram(half, truth), histogram(half.astype(float), truth))


@given(scored(), st.data())
def test_the_histogram_of_a_union_is_the_sum_in_whatever_order(case, data):
    scores, truth = case[0].ravel(), case[1].ravel()
    cut = data.draw(st.integers(0, scores.size))
    order = data.draw(st.permutations(range(scores.size)))
    whole = histogram(scores, truth)
    np.testing.assert_array_equal(histogram(scores[:cut], truth[:cut]) + histogram(scores[cut:], truth[cut:]), whole)
    np.testing.assert_array_equal(histogram(scores[list(order)], truth[list(order)]), whole)


@pytest.mark.parametrize(("share", "within"), [(0.4, 1e-5), (0.1, 2e-5), (0.01, 1e-4)])
@pytest.mark.parametrize("seed", range(2))
def test_ranking_metrics_are_those_of_the_scores(seed, share, within):
    scores, truth = random_case(seed, share=share, pixels=400_000)
    h = histogram(scores, truth)
    flat = truth.ravel(), scores.ravel()
    assert roc_auc_of(h) == pytest.approx(roc_auc(scores, truth), abs=within)
    assert roc_auc_of(h) == pytest.approx(roc_auc_score(*flat), abs=within)
    assert average_precision_of(h) == pytest.approx(average_precision(scores, truth), abs=within)
    assert average_precision_of(h) == pytest.approx(average_precision_score(*flat), abs=within)


@pytest.mark.parametrize("seed", range(3))
def test_the_auc_is_exact_on_the_centres_of_the_bins(seed):
    h = histogram(*random_case(seed))
    assert roc_auc_of(h) == pytest.approx(roc_auc(*on_centres(h)), abs=1e-12)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 50))
def test_ranking_metrics_are_exact_where_no_two_pixels_share_a_bin(truth, step):
    scores, truth = CENTRES[100::step][: len(truth)], np.array(truth)
    h = histogram(scores, truth)
    assert roc_auc_of(h) == pytest.approx(roc_auc(scores, truth), nan_ok=True)
    assert average_precision_of(h) == pytest.approx(average_precision(scores, truth), nan_ok=True)


def test_the_average_precision_is_the_mean_over_the_orders_within_the_bins():
    rng = np.random.default_rng(0)
    h = np.zeros((2, BINS), int)
    h[:, 700:1500:100] = [[60, 50, 40, 30, 20, 10, 5, 5], [5, 5, 10, 20, 30, 40, 50, 60]]
    scores, truth = on_centres(h)
    mixed = [average_precision(scores + rng.random(scores.size) * 1e-6, truth) for _ in range(500)]
    assert average_precision_of(h) == pytest.approx(np.mean(mixed), abs=2e-3)
    assert average_precision(scores, truth) < np.mean(mixed) - 0.01


@pytest.mark.parametrize("seed", range(3))
def test_the_brier_score_is_that_of_scikit_learn(seed):
    scores, truth = random_case(seed)
    assert brier_of(histogram(scores, truth)) == pytest.approx(
        brier_score_loss(truth.ravel(), scores.ravel().astype(float)), abs=1e-4
    )


@pytest.mark.parametrize("bins", [1, 10, 15])
@pytest.mark.parametrize("seed", range(2))
def test_the_calibration_error_is_that_of_a_loop(seed, bins):
    scores, truth = random_case(seed, pixels=5000)
    h = histogram(scores, truth)
    assert calibration_error_of(h, bins=bins) == pytest.approx(naive_calibration_error(*on_centres(h), bins))
    naive = naive_calibration_error(scores.ravel().tolist(), truth.ravel().tolist(), bins)
    assert calibration_error_of(h, bins=bins) == pytest.approx(naive, abs=2e-3)


def test_the_calibration_error_vanishes_where_the_scores_are_the_frequencies():
    scores = np.random.default_rng(0).random(400_000)
    truth = np.random.default_rng(1).random(400_000) < scores
    assert calibration_error_of(histogram(scores, truth)) < 0.005
    assert calibration_error_of(histogram(scores, ~truth)) > 0.4


@pytest.mark.parametrize("metric", VECTORISED)
def test_many_histograms_at_once_are_scored_as_one_by_one(metric):
    many = np.stack(
        [histogram(*random_case(seed, pixels=1000)) for seed in range(5)] + [np.zeros((2, BINS), np.uint32)]
    )
    many = many.reshape(2, 3, 2, BINS)
    expected = [[metric(h) for h in row] for row in many]
    assert metric(many).shape == (2, 3)
    np.testing.assert_allclose(metric(many), expected, rtol=1e-14)
    assert metric(np.zeros((0, 2, BINS), int)).shape == (0,)


def test_a_missing_class_has_no_rank_but_an_error():
    scores = np.array([0.25, 0.75])
    for truth in (np.zeros(2, bool), np.ones(2, bool)):
        h = histogram(scores, truth)
        assert math.isnan(roc_auc_of(h))
        assert math.isnan(average_precision_of(h))
        assert brier_of(h) == pytest.approx((0.25**2 + 0.75**2) / 2, abs=0.01)
        assert calibration_error_of(h) == pytest.approx(0.5, abs=0.01)
        for curve in (roc_curve_of(h), precision_recall_curve_of(h)):
            assert [axis.size for axis in curve] == [0, 0]


def test_no_pixels_have_no_score():
    h = histogram(np.zeros((0, 4)), np.zeros((0, 4), bool))
    assert (h.shape, h.sum()) == ((2, BINS), 0)
    assert all(math.isnan(metric(h)) for metric in VECTORISED)
    assert best_threshold_of(h) == (0.5, 1)
    assert reliability_of(h).shape == (0, 3)


def test_more_pixels_than_an_integer_can_multiply_do_not_overflow():
    h = np.zeros((2, BINS), np.uint32)
    h[0, 0] = h[1, -1] = 4_000_000_000
    assert (roc_auc_of(h), average_precision_of(h), best_threshold_of(h)) == (1, 1, (0.5, 1))


@pytest.mark.parametrize("share", [0.01, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_threshold_is_that_of_trying_every_edge(seed, share):
    scores, truth = random_case(seed, share=share, pixels=3000)
    threshold, dice = best_threshold_of(histogram(scores, truth))
    dices = [2 * (scores[truth] >= t).sum() / ((scores >= t).sum() + truth.sum()) for t in EDGES[1:-1]]
    assert dice == pytest.approx(max(dices), abs=1e-12)
    assert f1_score(truth.ravel(), scores.ravel() >= threshold) == pytest.approx(dice, abs=1e-12)


@given(scored())
def test_the_threshold_parts_the_scores_as_the_histogram_does(case):
    scores, truth = case
    h = histogram(scores, truth)
    threshold, _ = best_threshold_of(h)
    above = h[:, np.searchsorted(EDGES, threshold) :].sum(axis=1)
    mask = scores >= threshold
    assert (np.count_nonzero(mask & ~truth), np.count_nonzero(mask & truth)) == tuple(above.tolist())


def test_a_tie_takes_the_threshold_nearest_to_one_half_and_then_the_lower():
    def best(scores, truth):
        return best_threshold_of(histogram(np.array(scores), np.array(truth)))

    assert best([0.1, 0.9], [False, True]) == (0.5, 1)
    assert best([EDGES[700], EDGES[900]], [False, True]) == (EDGES[900], 1)
    assert best([EDGES[1200], EDGES[1400]], [False, True]) == (EDGES[1201], 1)
    around = EDGES[[1022, 1025, 1025, 1400]]  # at 1022 and at 1026 the Dice is 2/3, between 2/5
    assert best(around, [True, False, False, True]) == (EDGES[1022], 2 / 3)


@pytest.mark.parametrize(("score", "dice"), [(0.4, 1), (0.5, 0)])
def test_an_empty_truth_leaves_the_threshold_at_one_half(score, dice):
    assert best_threshold_of(histogram(np.array([0.1, score]), np.zeros(2, bool))) == (0.5, dice)


@pytest.mark.parametrize("seed", range(3))
def test_the_roc_curve_runs_from_corner_to_corner_over_the_area(seed):
    h = histogram(*random_case(seed))
    x, y = roc_curve_of(h)
    assert 50 < x.size == y.size <= CURVE_POINTS
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.all(np.diff(x) >= 0)
    assert np.all(np.diff(y) >= 0)
    assert np.trapezoid(y, x) == pytest.approx(roc_auc_of(h), abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_precision_recall_curve_has_the_points_of_its_thresholds(seed):
    scores, truth = random_case(seed)
    h = histogram(scores, truth)
    recall, precision = precision_recall_curve_of(h)
    assert 50 < recall.size == precision.size <= CURVE_POINTS
    assert (recall[-1], precision[-1]) == (1, pytest.approx(truth.mean()))
    masks = [scores >= t for t in EDGES[:-1]]
    every = {((m & truth).sum() / truth.sum(), (m & truth).sum() / m.sum()) for m in masks if m.any()}
    assert set(zip(recall.tolist(), precision.tolist(), strict=True)) <= every
    assert np.trapezoid(precision, recall) == pytest.approx(average_precision_of(h), abs=0.01)


def test_a_reliability_row_says_probability_frequency_and_pixels():
    scores = np.array([0.1, 0.15, 0.3, 0.9, 1.0])
    rows = reliability_of(histogram(scores, np.array([False, True, False, True, True])), bins=5)
    np.testing.assert_allclose(rows, [[0.125, 0.5, 2], [0.3, 0, 1], [0.95, 1, 2]], atol=2e-3)


@given(scored())
def test_the_reliability_rows_add_up_to_the_calibration_error(case):
    h = histogram(*case)
    mean, frequency, pixels = reliability_of(h).T
    assert pixels.sum() == h.sum()
    if pixels.size:
        error = (np.abs(mean - frequency) * pixels).sum() / pixels.sum()
        assert calibration_error_of(h) == pytest.approx(error)


@pytest.mark.parametrize("metric", VECTORISED + OF_ONE)
def test_an_array_that_is_no_histogram_is_refused(metric):
    for shape in ((BINS,), (3, BINS), (2, BINS - 1)):
        with pytest.raises(ValueError, match="h has shape"):
            metric(np.zeros(shape, int))


@pytest.mark.parametrize("metric", OF_ONE)
def test_many_histograms_are_refused_where_one_is_asked_for(metric):
    with pytest.raises(ValueError, match="one histogram"):
        metric(np.zeros((3, 2, BINS), int))


@pytest.mark.parametrize(
    ("scores", "truth", "cause"),
    [
        (np.zeros(3), np.zeros(2, bool), "shape"),
        (np.zeros((2, 3)), np.zeros(6, bool), "shape"),
        (np.zeros(2), np.zeros(2, np.uint8), "truth is uint8"),
        (np.zeros(2, np.uint8), np.zeros(2, bool), "scores are uint8"),
        (np.array([0.5, np.nan]), np.zeros(2, bool), "nan"),
        (np.array([0.5, 1.001], np.float32), np.zeros(2, bool), "outside 0 to 1"),
        (np.array([-1e-9, 0.5]), np.zeros(2, bool), "outside 0 to 1"),
    ],
)
def test_wrong_input_is_refused_with_its_cause(scores, truth, cause):
    with pytest.raises(ValueError, match=cause):
        histogram(scores, truth)
