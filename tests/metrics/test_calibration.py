import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from cenet.metrics.binned import BINS, CENTRES, LOGITS, brier_of, calibration_error_of, histogram, roc_auc_of
from cenet.metrics.calibration import SCALE_RANGE, apply, edges, fit_scale_and_bias, fit_temperature

SCALES = st.floats(*SCALE_RANGE)
PROBABILITIES = hnp.arrays(np.float32, st.integers(1, 30), elements=st.floats(0, 1, width=32))


def skewed_case(scale, bias, *, pixels=400_000, seed=0):
    """Probabilities that (scale, bias) puts right."""
    rng = np.random.default_rng(seed)
    right = expit(rng.normal(-1, 2, pixels))
    truth = rng.random(pixels) < right
    return expit((logit(right) - bias) / scale).astype(np.float32), truth


def log_loss_of(h, scale, bias):
    z = scale * LOGITS + bias
    return (h[0] * np.logaddexp(0, z) + h[1] * np.logaddexp(0, -z)).sum()


@pytest.mark.parametrize(("scale", "bias"), [(1, 0), (0.5, 0.3), (2, -1), (0.3, -2), (4, 1)])
def test_a_known_scale_and_bias_are_found(scale, bias):
    found = fit_scale_and_bias(histogram(*skewed_case(scale, bias)))
    assert found == pytest.approx((scale, bias), abs=0.02 * max(scale, 1))


@pytest.mark.parametrize("seed", range(3))
def test_scale_and_bias_are_those_of_logistic_regression(seed):
    h = histogram(*skewed_case(0.6, -0.5, seed=seed, pixels=20_000))
    x, y = np.tile(LOGITS, 2)[:, None], np.repeat([0, 1], BINS)
    reference = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(x, y, sample_weight=h.ravel())
    expected = reference.coef_.item(), reference.intercept_.item()
    assert fit_scale_and_bias(h) == pytest.approx(expected, abs=2e-3)


@given(hnp.arrays(np.uint16, (2, 5), elements=st.integers(0, 1000)), st.permutations(range(0, BINS, 64)))
def test_scale_and_bias_are_in_range_and_no_worse_than_none(counts, places):
    h = np.zeros((2, BINS), np.uint32)
    h[:, places[:5]] = counts
    scale, bias = fit_scale_and_bias(h)
    assert SCALE_RANGE[0] <= scale <= SCALE_RANGE[1]
    assert np.isfinite(bias)
    assert log_loss_of(h, scale, bias) <= log_loss_of(h, 1, 0) * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("truth", [[], [False, False], [True, True]])
def test_a_missing_class_changes_nothing(truth):
    assert fit_scale_and_bias(histogram(np.full(len(truth), 0.7), np.array(truth, bool))) == (1, 0)


def test_separable_classes_end_at_a_finite_scale():
    scores = np.repeat([0.4, 0.45, 0.55], 10_000)
    scale, bias = fit_scale_and_bias(histogram(scores, scores > 0.5))
    assert 10 < scale <= SCALE_RANGE[1]
    assert expit(scale * logit(0.45) + bias) < 0.1
    assert expit(scale * logit(0.55) + bias) > 0.9


def test_two_pixels_say_too_little_to_move_far():
    h = histogram(np.array([0.1, 0.9]), np.array([False, True]))
    assert fit_scale_and_bias(h) == pytest.approx((1, 0), abs=0.4)


def test_probabilities_that_mislead_keep_their_order_and_fall_to_the_share():
    scores, truth = skewed_case(1, 0)
    scale, bias = fit_scale_and_bias(histogram(scores, ~truth))
    assert scale == SCALE_RANGE[0]
    calibrated = apply(scores[None], [(scale, bias)], softmax=False)[0]
    assert calibrated.mean() == pytest.approx((~truth).mean(), abs=1e-3)


def test_calibration_lowers_the_errors_and_leaves_the_ranking():
    scores, truth = skewed_case(0.4, -1)
    unseen, its_truth = skewed_case(0.4, -1, seed=1)
    calibrated = apply(unseen[None], [fit_scale_and_bias(histogram(scores, truth))], softmax=False)[0]
    before, after = histogram(unseen, its_truth), histogram(calibrated, its_truth)
    assert calibration_error_of(before) > 0.1
    assert calibration_error_of(after) < 0.005
    assert brier_of(after) < brier_of(before)
    assert roc_auc_of(after) == pytest.approx(roc_auc_of(before), abs=1e-4)


@pytest.mark.parametrize("scale", [0.3, 1, 3])
def test_a_known_temperature_is_found(scale):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4, 100_000))
    label = (rng.gumbel(size=logits.shape) + logits).argmax(axis=0).astype(np.uint8)
    assert fit_temperature(softmax(logits / scale, axis=0).astype(np.float32), label) == pytest.approx(scale, rel=0.02)


def test_the_temperature_is_the_best_of_many():
    rng = np.random.default_rng(1)
    probabilities, label = rng.dirichlet([0.5, 1, 2], 2000).T, rng.choice(3, 2000, p=[0.2, 0.3, 0.5])
    grid = np.geomspace(*SCALE_RANGE, 200)
    losses = [log_loss(label, softmax(s * np.log(probabilities.T + 1e-7), axis=1), labels=[0, 1, 2]) for s in grid]
    assert fit_temperature(probabilities, label) == pytest.approx(grid[np.argmin(losses)], rel=0.03)


def test_a_temperature_ends_well_where_the_pixels_say_little():
    label = np.array([0, 1, 1, 0] * 500)
    sure = np.stack([label == 0, label == 1]).astype(np.float32)
    assert fit_temperature(np.zeros((3, 0)), np.zeros(0, int)) == pytest.approx(1, abs=1e-3)
    assert fit_temperature(sure, label) == pytest.approx(1, abs=1e-2)
    assert fit_temperature(sure, 1 - label) == pytest.approx(SCALE_RANGE[0], rel=1e-3)
    assert 5 < fit_temperature(0.4 + 0.2 * sure, label) <= SCALE_RANGE[1]


@given(PROBABILITIES, SCALES, st.floats(-20, 20))
def test_sigmoid_calibration_keeps_order_ends_and_range(p, scale, bias):
    p = np.sort(np.append(p, np.array([0, 1], np.float32)))
    calibrated = apply(p[None], [(scale, bias)], softmax=False)[0]
    assert calibrated.dtype == np.float32
    assert (calibrated[0], calibrated[-1]) == (0, 1)
    assert np.all(np.diff(calibrated) >= 0)


@given(st.floats(0.2, 2), st.floats(-2, 2), st.floats(0.01, 0.98))
def test_sigmoid_calibration_follows_its_formula_and_keeps_apart_what_is_apart(scale, bias, p):
    pair = np.array([p, p + 1e-3], np.float32)
    calibrated = apply(pair[None], [(scale, bias)], softmax=False)[0]
    assert calibrated[0] < calibrated[1]
    odds = (pair / (1 - pair.astype(float))) ** scale * np.exp(bias)
    np.testing.assert_allclose(calibrated, odds / (1 + odds), rtol=1e-6)


@given(PROBABILITIES)
def test_scale_one_and_bias_nought_change_nothing(p):
    np.testing.assert_allclose(apply(p[None], [(1, 0)], softmax=False)[0], p, rtol=2e-7, atol=0)


def test_each_sigmoid_map_has_its_own_pair():
    p = np.random.default_rng(0).random((2, 5, 6), np.float32)
    calibrated = apply(p, [(2, 1), (0.5, -1)], softmax=False)
    assert calibrated.shape == p.shape
    np.testing.assert_array_equal(calibrated[:1], apply(p[:1], [(2, 1)], softmax=False))
    np.testing.assert_array_equal(calibrated[1:], apply(p[1:], [(0.5, -1)], softmax=False))


@given(st.integers(2, 5), st.integers(0, 1000), SCALES)
def test_softmax_calibration_keeps_the_winner_and_the_sum(classes, seed, scale):
    p = np.random.default_rng(seed).dirichlet(np.ones(classes), (3, 4)).transpose(2, 0, 1).astype(np.float32)
    calibrated = apply(p, [(scale, 0)], softmax=True)
    assert calibrated.dtype == np.float32
    np.testing.assert_allclose(calibrated.sum(axis=0), 1, rtol=1e-6)
    winner = np.take_along_axis(calibrated, p.argmax(axis=0)[None], axis=0)[0]
    np.testing.assert_array_equal(winner, calibrated.max(axis=0))
    powers = p.astype(float) ** scale
    np.testing.assert_allclose(calibrated, powers / powers.sum(axis=0), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("scale", SCALE_RANGE)
def test_softmax_calibration_keeps_certainty(scale):
    p = np.array([[0, 1, 1e-7], [1, 0, 1], [0, 0, 1e-30]], np.float32)
    calibrated = apply(p, [(scale, 0)], softmax=True)
    np.testing.assert_array_equal(calibrated[:, :2], p[:, :2])
    assert not np.isnan(calibrated).any()


def test_two_softmax_maps_are_calibrated_as_one_sigmoid_map():
    p = CENTRES.astype(np.float32)
    both = apply(np.stack([1 - p, p]), [(1.7, 0)], softmax=True)
    np.testing.assert_allclose(both[1], apply(p[None], [(1.7, 0)], softmax=False)[0], rtol=1e-2, atol=1e-6)


def test_no_calibration_returns_the_same_array():
    p = np.full((1, 2, 3), 0.3, np.float32)
    assert apply(p, (), softmax=False) is p
    assert apply(p, [], softmax=True) is p


def test_the_input_is_left_alone():
    p = np.random.default_rng(0).random((2, 3, 4), np.float32)
    before = p.copy()
    apply(p, [(2, 1), (2, 1)], softmax=False)
    apply(p, [(2, 0)], softmax=True)
    np.testing.assert_array_equal(p, before)


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_edges_are_those_of_a_loop(seed, width):
    rng = np.random.default_rng(seed)
    mask, label = (np.kron(rng.integers(0, 3, (3, 4)), np.ones((4, 4), int)) for _ in range(2))
    mask[:, :8] = label[:8, :] = 1
    height, width_px = mask.shape
    touching = [
        (y, x)
        for y in range(height)
        for x in range(width_px)
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
        if 0 <= v < height and 0 <= u < width_px and (mask[v, u] != mask[y, x] or label[v, u] != label[y, x])
    ]
    expected = [
        [any((y - v) ** 2 + (x - u) ** 2 < width**2 for v, u in touching) for x in range(width_px)]
        for y in range(height)
    ]
    assert 0 < np.sum(expected) < mask.size or width > 1
    np.testing.assert_array_equal(edges(mask, label, width=width), expected)


def test_a_straight_edge_has_the_width_on_each_side():
    half = np.arange(20) >= 10
    mask = np.tile(half, (20, 1))
    for found in (edges(mask, mask), edges(mask, np.zeros_like(mask)), edges(mask.T, mask.T).T):
        np.testing.assert_array_equal(found, np.tile((np.arange(20) >= 7) & (np.arange(20) < 13), (20, 1)))


def test_without_an_edge_no_pixel_is_near_one():
    for classes in (np.zeros((4, 5), np.uint8), np.ones((4, 5), bool), np.zeros((0, 3), bool), np.ones((1, 1), bool)):
        found = edges(classes, classes)
        assert (found.dtype, found.shape, found.any()) == (bool, classes.shape, False)


@pytest.mark.parametrize(
    ("calibration", "softmax", "cause"),
    [
        ([(1, 0)], False, "1 pairs .* 2 sigmoid maps"),
        ([(1, 0), (0, 0)], False, "above 0"),
        ([(-1, 0)], True, "above 0"),
        ([(1, 0.5)], True, "bias of 0"),
        ([(1, 0), (1, 0)], True, "one scale"),
    ],
)
def test_a_calibration_that_does_not_fit_the_maps_is_refused(calibration, softmax, cause):
    with pytest.raises(ValueError, match=cause):
        apply(np.ones((2, 3), np.float32), calibration, softmax=softmax)


@pytest.mark.parametrize(
    ("shape", "label", "cause"),
    [
        ((2, 3), [0, 0], "shape"),
        ((3,), [0, 0, 0], "shape"),
        ((2, 3), [0, 1, 2], "class outside 0 to 1"),
        ((2, 3), [0, -1, 1], "class outside 0 to 1"),
    ],
)
def test_a_label_that_does_not_fit_the_probabilities_is_refused(shape, label, cause):
    with pytest.raises(ValueError, match=cause):
        fit_temperature(np.ones(shape), np.array(label))


@pytest.mark.parametrize(("mask", "label"), [((2, 3), (3, 2)), ((3,), (3,)), ((1, 2, 2), (1, 2, 2))])
def test_arrays_without_edges_to_compare_are_refused(mask, label):
    with pytest.raises(ValueError, match="shape"):
        edges(np.zeros(mask), np.zeros(label))


def test_more_than_one_histogram_is_refused():
    with pytest.raises(ValueError, match="one histogram"):
        fit_scale_and_bias(np.zeros((1, 2, BINS), int))
