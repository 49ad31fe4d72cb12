import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from cenet.metrics.binned import BINS, CENTRES, LOGITS, brier_of, calibration_error_of, histogram, roc_auc_of
from cenet.metrics.calibration import (
    MIN_IMAGES,
    PRIOR_IMAGES,
    SCALE_RANGE,
    TEMPERATURE_SCALES,
    apply,
    edges,
    fit_scale_and_bias,
    fit_temperature,
    temperature_losses,
    try_scale_and_bias,
    try_temperature,
)

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


def many(h):
    """So many images with these counts that the prior does not matter."""
    return np.stack([h] * 1000)


@pytest.mark.parametrize(("scale", "bias"), [(1, 0), (0.5, 0.3), (2, -1), (0.3, -2), (4, 1)])
def test_a_known_scale_and_bias_are_found(scale, bias):
    fitted = fit_scale_and_bias(many(histogram(*skewed_case(scale, bias))))
    assert fitted == pytest.approx((scale, bias), abs=0.02 * max(scale, 1))


@pytest.mark.parametrize("images", [1, 3])
def test_scale_and_bias_are_those_of_logistic_regression_with_an_image_that_comes_true(images):
    cases = [histogram(*skewed_case(0.6, -0.5, seed=seed, pixels=5_000 * (seed + 1))) for seed in range(images)]
    shares = sum(h / h.sum() for h in cases)
    one_more = shares.sum(axis=0) / images * PRIOR_IMAGES
    weights = shares + one_more * np.stack([1 - CENTRES, CENTRES])
    x, y = np.tile(LOGITS, 2)[:, None], np.repeat([0, 1], BINS)
    reference = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(x, y, sample_weight=1e4 * weights.ravel())
    expected = reference.coef_.item(), reference.intercept_.item()
    assert fit_scale_and_bias(np.stack(cases)) == pytest.approx(expected, abs=2e-3)


@given(hnp.arrays(np.uint16, (2, 5), elements=st.integers(0, 1000)), st.permutations(range(0, BINS, 64)))
def test_scale_and_bias_are_in_range_and_no_worse_than_none(counts, places):
    h = np.zeros((2, BINS), np.uint32)
    h[:, places[:5]] = counts
    scale, bias = fit_scale_and_bias(h[None])
    assert SCALE_RANGE[0] <= scale <= SCALE_RANGE[1]
    assert np.isfinite(bias)
    assert log_loss_of(h, scale, bias) <= log_loss_of(h, 1, 0) * (1 + 1e-6) + 1e-6


@pytest.mark.parametrize("truth", [[], [False, False], [True, True]])
def test_a_missing_class_changes_nothing(truth):
    h = histogram(np.full(len(truth), 0.7), np.array(truth, bool))
    assert fit_scale_and_bias(h[None]) == (1, 0)
    assert not try_scale_and_bias([h] * 5).kept


def test_separable_classes_end_at_a_finite_scale():
    scores = np.repeat([0.4, 0.45, 0.55], 10_000)
    scale, bias = fit_scale_and_bias(many(histogram(scores, scores > 0.5)))
    assert 10 < scale <= SCALE_RANGE[1]
    assert expit(scale * logit(0.45) + bias) < 0.1
    assert expit(scale * logit(0.55) + bias) > 0.9


def test_the_prior_counts_as_an_image_however_many_pixels_there_are():
    few, lots = (histogram(*skewed_case(1, 1, pixels=n)) for n in (4_000, 400_000))
    biases = [fit_scale_and_bias(h[None])[1] for h in (few, lots)]
    assert biases == pytest.approx([0.5, 0.5], abs=0.15)  # half way between the image and no change
    assert fit_scale_and_bias(many(lots))[1] == pytest.approx(1, abs=0.02)


def test_probabilities_that_mislead_keep_their_order_and_fall_to_the_share():
    scores, truth = skewed_case(1, 0)
    scale, bias = fit_scale_and_bias(many(histogram(scores, ~truth)))
    assert scale == SCALE_RANGE[0]
    calibrated = apply(scores[None], [(scale, bias)], softmax=False)[0]
    assert calibrated.mean() == pytest.approx((~truth).mean(), abs=1e-3)


def test_calibration_lowers_the_errors_and_leaves_the_ranking():
    scores, truth = skewed_case(0.4, -1)
    unseen, its_truth = skewed_case(0.4, -1, seed=1)
    calibrated = apply(unseen[None], [fit_scale_and_bias(many(histogram(scores, truth)))], softmax=False)[0]
    before, after = histogram(unseen, its_truth), histogram(calibrated, its_truth)
    assert calibration_error_of(before) > 0.1
    assert calibration_error_of(after) < 0.005
    assert brier_of(after) < brier_of(before)
    assert roc_auc_of(after) == pytest.approx(roc_auc_of(before), abs=1e-4)


def drawn_images(count, *, bias, spread, rng):
    """Images whose probabilities are wrong by a bias that they share, and by one of their own."""
    images = []
    for _ in range(count):
        logits = rng.normal(-2, 2.5, 3000)
        truth = rng.random(3000) < expit(logits + bias + spread * rng.normal())
        images.append(histogram(expit(logits).astype(np.float32), truth))
    return images


def test_a_correction_that_images_do_not_share_is_seldom_kept():
    rng = np.random.default_rng(0)
    trials = [try_scale_and_bias(drawn_images(4, bias=0, spread=0.5, rng=rng)) for _ in range(30)]
    assert sum(trial.kept for trial in trials) <= 6
    assert all(trial.kept == (trial.log_loss_before - trial.log_loss_after > trial.margin) for trial in trials)


def test_a_correction_that_all_images_need_is_kept():
    rng = np.random.default_rng(1)
    trials = [try_scale_and_bias(drawn_images(4, bias=1.2, spread=0.2, rng=rng)) for _ in range(8)]
    assert all(trial.kept and trial.log_loss_after < trial.log_loss_before for trial in trials)


@pytest.mark.parametrize("images", [1, MIN_IMAGES - 1])
def test_too_few_images_keep_nothing_however_wrong_they_are(images):
    trial = try_scale_and_bias(drawn_images(images, bias=3, spread=0, rng=np.random.default_rng(2)))
    assert (trial.kept, trial.log_loss_before, trial.images) == (False, None, images)
    assert trial.bias > 0.5


def test_each_image_is_judged_by_a_fit_on_the_others():
    rng = np.random.default_rng(3)
    images = drawn_images(3, bias=0.5, spread=0.3, rng=rng)
    trial = try_scale_and_bias(images)
    losses = [
        log_loss_of(h / h.sum(), *fit_scale_and_bias(np.stack([other for other in images if other is not h])))
        for h in images
    ]
    assert trial.log_loss_after == pytest.approx(np.mean(losses))
    assert trial.log_loss_before == pytest.approx(np.mean([log_loss_of(h / h.sum(), 1, 0) for h in images]))
    gains = [log_loss_of(h / h.sum(), 1, 0) - loss for h, loss in zip(images, losses, strict=True)]
    assert trial.margin == pytest.approx(np.std(gains, ddof=1) / np.sqrt(3))


def softmax_image(scale, seed, pixels=20_000):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (4, pixels))
    label = (rng.gumbel(size=logits.shape) + logits).argmax(axis=0).astype(np.uint8)
    return temperature_losses(softmax(logits / scale, axis=0).astype(np.float32), label)


@pytest.mark.parametrize("scale", [0.3, 1, 3])
def test_a_known_temperature_is_found(scale):
    losses = np.stack([softmax_image(scale, 0)] * 100)
    assert fit_temperature(losses) == pytest.approx(scale, rel=0.05)
    trial = try_temperature([softmax_image(scale, seed) for seed in range(4)])
    assert trial.kept == (scale != 1)
    assert trial.bias == 0  # a softmax has none


def test_the_losses_of_a_temperature_are_those_of_the_powers():
    rng = np.random.default_rng(1)
    probabilities, label = rng.dirichlet([0.5, 1, 2], 200).T, rng.choice(3, 200, p=[0.2, 0.3, 0.5])
    by_label, by_network = temperature_losses(probabilities, label)
    for index in (0, 30, 48, 96):
        powers = softmax(TEMPERATURE_SCALES[index] * np.log(np.maximum(probabilities.T, np.exp(-16))), axis=1)
        assert by_label[index] == pytest.approx(log_loss(label, powers, labels=[0, 1, 2]), rel=1e-4)
        expected = -(probabilities.T * np.log(powers)).sum(axis=1).mean()
        assert by_network[index] == pytest.approx(expected, rel=1e-4)
    assert np.argmin(by_network) == 48  # by itself, a network is right


def test_a_temperature_without_pixels_is_one():
    assert fit_temperature(temperature_losses(np.zeros((3, 0)), np.zeros(0, int))[None]) == 1


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
    for edge in (edges(mask, mask), edges(mask, np.zeros_like(mask)), edges(mask.T, mask.T).T):
        np.testing.assert_array_equal(edge, np.tile((np.arange(20) >= 7) & (np.arange(20) < 13), (20, 1)))


def test_without_an_edge_no_pixel_is_near_one():
    for classes in (np.zeros((4, 5), np.uint8), np.ones((4, 5), bool), np.zeros((0, 3), bool), np.ones((1, 1), bool)):
        edge = edges(classes, classes)
        assert (edge.dtype, edge.shape, edge.any()) == (bool, classes.shape, False)


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
        temperature_losses(np.ones(shape), np.array(label))


@pytest.mark.parametrize(("mask", "label"), [((2, 3), (3, 2)), ((3,), (3,)), ((1, 2, 2), (1, 2, 2))])
def test_arrays_without_edges_to_compare_are_refused(mask, label):
    with pytest.raises(ValueError, match="shape"):
        edges(np.zeros(mask), np.zeros(label))


def test_one_histogram_alone_is_refused():
    with pytest.raises(ValueError, match="those of N images"):
        fit_scale_and_bias(np.zeros((2, BINS), int))
