import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import binary_erosion, distance_transform_edt, gaussian_filter
from skimage.metrics import adapted_rand_error, variation_of_information
from skimage.segmentation import watershed

from cenet.metrics.partition import (
    ENTROPY_S,
    ENTROPY_T,
    GRID,
    PAIRS,
    PAIRS_S,
    PAIRS_T,
    SHARED,
    best_of,
    segments_of,
    statistics,
    sweep,
    v_info,
    v_info_merge,
    v_info_split,
    v_rand,
    v_rand_merge,
    v_rand_split,
)
from cenet.phantoms.cells import draw_stack

METRICS = [v_rand, v_rand_split, v_rand_merge, v_info, v_info_split, v_info_merge]


def pictures(shape):
    return hnp.arrays(bool, shape)


SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=7)
PICTURES = SHAPES.flatmap(pictures)
PAIRS_OF_PICTURES = SHAPES.flatmap(lambda shape: st.tuples(pictures(shape), pictures(shape)))


def drawn(text):
    """A picture from rows of '.' inside and '#' membrane."""
    return np.array([[mark == "." for mark in row] for row in text.split()])


@pytest.fixture(scope="module")
def stack():
    return draw_stack(0, slices=3, size_px=192)[1] > 0


def flooded(inside):
    """Components of the inside, by filling one after the other."""
    numbers, count = np.zeros(inside.shape, int), 0
    for start in np.argwhere(inside).tolist():
        waiting = [tuple(start)] if not numbers[tuple(start)] else []
        count += bool(waiting)
        while waiting:
            row, column = waiting.pop()
            on = 0 <= row < inside.shape[0] and 0 <= column < inside.shape[1]
            if on and inside[row, column] and not numbers[row, column]:
                numbers[row, column] = count
                waiting += [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    return numbers


def naive(segments, cells):
    """The six statistics by a loop over the pixels of true cells."""
    pixels = [(s, t) for s, t in zip(segments.ravel().tolist(), cells.ravel().tolist(), strict=True) if t]
    joint, of_s, of_t = Counter(pixels), Counter(s for s, _ in pixels), Counter(t for _, t in pixels)
    n = len(pixels)
    pairs = [sum((count / n) ** 2 for count in counts.values()) for counts in (joint, of_s, of_t)]
    shared = sum(count / n * math.log(count * n / (of_s[s] * of_t[t])) for (s, t), count in joint.items())
    return [*pairs, shared, *(-sum(c / n * math.log(c / n) for c in counts.values()) for counts in (of_s, of_t))]


def partition(numbers):
    """Which pixels are together, whatever their numbers."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return first[inverse].reshape(numbers.shape)


@settings(deadline=None)
@given(PICTURES)
def test_segments_are_the_components_of_the_inside(inside):
    segments = segments_of(inside)
    assert segments.shape == inside.shape
    np.testing.assert_array_equal(segments[inside], flooded(inside)[inside])


@settings(deadline=None)
@given(PICTURES)
def test_each_pixel_falls_to_a_segment_that_no_other_is_nearer_than(inside):
    segments, places = segments_of(inside), np.argwhere(inside)
    if not inside.any():
        assert np.all(segments == 0)
        return
    for pixel in np.ndindex(inside.shape):
        away = np.square(places - pixel).sum(axis=1)
        assert segments[pixel] in segments[inside][away == away.min()]


def test_segments_are_the_watershed_of_the_distance_but_for_where_two_meet(stack):
    for inside in stack:
        segments = segments_of(inside)
        flooded = watershed(distance_transform_edt(~inside), segments * inside)
        assert np.mean(segments != flooded) < 0.02
        assert statistics(inside, inside).tolist() == pytest.approx(naive(flooded, segments * inside))


def test_diagonal_neighbours_are_not_together():
    assert len(np.unique(segments_of(drawn(".# #.")))) == 2


@settings(deadline=None)
@given(PAIRS_OF_PICTURES)
def test_statistics_are_those_of_a_naive_loop(pair):
    inside, truth = pair
    counted = statistics(inside, truth)
    expected = naive(segments_of(inside), flooded(truth)) if truth.any() else [0] * 6
    np.testing.assert_allclose(counted, expected, rtol=0, atol=1e-12)


@settings(deadline=None)
@given(PAIRS_OF_PICTURES)
def test_metrics_are_their_formulas(pair):
    stats = statistics(*pair)
    if not pair[1].any():
        assert all(math.isnan(metric(stats)) for metric in METRICS)
        return
    p, s, t, shared, of_s, of_t = stats.tolist()
    assert v_rand(stats) == pytest.approx(p / (s / 2 + t / 2))
    assert (v_rand_split(stats), v_rand_merge(stats)) == pytest.approx((p / t, p / s))
    for metric, whole in ((v_info, of_s + of_t), (v_info_split, of_s), (v_info_merge, of_t)):
        part = 2 * shared if metric is v_info else shared
        assert metric(stats) == pytest.approx(part / whole if whole else 1)
    assert all(0 <= metric(stats) <= 1 + 1e-12 for metric in METRICS)


@settings(deadline=None)
@given(PAIRS_OF_PICTURES)
def test_the_metric_is_the_harmonic_mean_of_split_and_merge(pair):
    stats = statistics(*pair)
    for whole, split, merge in ((v_rand, v_rand_split, v_rand_merge), (v_info, v_info_split, v_info_merge)):
        one, other = float(split(stats)), float(merge(stats))
        if stats[SHARED] > 0 or whole is v_rand:
            assert whole(stats) == pytest.approx(2 * one * other / (one + other), nan_ok=True)


@settings(deadline=None)
@given(PAIRS_OF_PICTURES, st.integers(0, 3), st.booleans())
def test_other_numbers_for_the_same_segments_change_nothing(pair, turns, mirrored):
    # In a turned picture the components are numbered in another order; only ties among nearest pixels may differ, and
    # none is left where the prediction covers the true cells.
    inside, truth = pair[0] | pair[1], pair[1]
    moved = [np.rot90(picture.T if mirrored else picture, turns) for picture in (inside, truth)]
    assert statistics(*moved).tolist() == statistics(inside, truth).tolist()


@settings(deadline=None)
@given(PICTURES)
def test_a_perfect_prediction_scores_exactly_one(truth):
    stats = statistics(truth, truth)
    for metric in METRICS:
        np.testing.assert_equal(float(metric(stats)), 1.0 if truth.any() else math.nan)


def test_rounding_neither_lets_the_numbering_matter_nor_the_information_leave_its_range():
    rng = np.random.default_rng(0)
    for _ in range(100):
        rows, columns = rng.random((2, 24)) < 0.7
        truth = rng.random((24, 24)) < 0.6
        turned = statistics(truth[::-1], truth[::-1])
        assert turned.tolist() == statistics(truth, truth).tolist()
        assert turned[SHARED] == turned[ENTROPY_S] == turned[ENTROPY_T]
        bars = statistics(np.tile(rows[:, None], 24), np.tile(columns, (24, 1)))  # they know nothing of each other
        assert 0 <= bars[SHARED] <= bars[[ENTROPY_S, ENTROPY_T]].min()


def test_the_membranes_pixels_do_not_count():
    truth = drawn("..##.. ..##..")
    stats = statistics(drawn("..#... ..#..."), truth)
    assert stats.tolist() == statistics(truth, truth).tolist()


def test_split_and_merge_are_distinguished():
    one, two = drawn("....... ......."), drawn("...#... ...#...")
    split, merged = statistics(two, one), statistics(one, two)
    assert v_rand_split(split) < 1
    assert v_rand_merge(split) == 1
    assert (v_info_split(split), v_info_merge(split)) == (0, 1)
    assert (v_rand_split(merged), v_rand_merge(merged)) == (1, 0.5)
    assert (v_info_split(merged), v_info_merge(merged)) == (1, 0)
    assert v_rand(merged) == pytest.approx(2 / 3)
    assert v_info(merged) == 0


def test_half_a_merge_by_hand():
    # Cells of 4, 2 and 2 pixels; the first two run together.
    truth = drawn("....#..#..")
    stats = statistics(drawn(".......#.."), truth)
    assert stats[[PAIRS, PAIRS_S, PAIRS_T]].tolist() == [24 / 64, 40 / 64, 24 / 64]
    of_s = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    of_t = -(0.5 * math.log(0.5) + 0.5 * math.log(0.25))
    assert stats[[SHARED, ENTROPY_S, ENTROPY_T]] == pytest.approx([of_s, of_s, of_t])


@pytest.mark.parametrize(
    ("inside", "truth", "rand", "info"),
    [
        ("## ##", "## ##", math.nan, math.nan),  # no true cell
        (".. ..", "## ##", math.nan, math.nan),
        ("## ##", ".. ..", 1, 1),  # nothing predicted is one segment, and so is the truth
        (".. ..", ".. ..", 1, 1),
        ("### ###", ".#. .#.", 2 / 3, 0),  # nothing predicted merges all
        (".#. .#.", "... ...", 10 / 14, 0),  # a single cell, split 4 to 2: the tie falls to one side
        ("#.# ###", "... ...", 1, 1),  # one pixel grows over all
        ("...", "#.#", 1, 1),  # a single true pixel
        ("#.#", "#.#", 1, 1),
        (".", ".", 1, 1),
        ("#", ".", 1, 1),
        (".", "#", math.nan, math.nan),
        ("..#.. ..#..", "..#.. ..#..", 1, 1),  # cells cut by the frame
        ("####. .####", "####. .####", 1, 1),  # pixels in its corners
    ],
)
def test_empty_full_and_single_pixels(inside, truth, rand, info):
    stats = statistics(drawn(inside), drawn(truth))
    np.testing.assert_allclose([v_rand(stats), v_info(stats)], [rand, info], rtol=1e-12)


def test_membranes_that_reach_the_frame_stay_closed_there():
    cells = drawn("...#... ...#... ####### ...#... ...#...")
    assert segments_of(cells)[[0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [1, 2, 3, 4]
    assert v_rand(statistics(binary_erosion(cells, border_value=1), cells)) == 1


@pytest.mark.parametrize("corners", [False, True])
def test_membranes_a_pixel_wider_cost_next_to_nothing(stack, corners):
    around = np.ones((3, 3), bool) if corners else None
    wider = [statistics(binary_erosion(truth, around, border_value=1), truth) for truth in stack]
    assert v_rand(np.mean(wider, axis=0)) >= 0.995
    assert v_info(np.mean(wider, axis=0)) >= 0.99


def gap_between(segments, truth):
    """A way one pixel wide across the membrane between the two largest cells that face each other in a row."""
    sizes = np.bincount(segments[truth], minlength=segments.max() + 1)
    best = (0, None)
    for row in range(len(truth)):
        inside = np.flatnonzero(truth[row])
        for left, right in zip(inside[:-1].tolist(), inside[1:].tolist(), strict=True):
            pair = segments[row, left], segments[row, right]
            if right - left > 1 and pair[0] != pair[1]:
                best = max(best, (sizes[list(pair)].min(), (row, left, right)))
    return best[1]


def test_a_gap_one_pixel_wide_lowers_it(stack):
    for truth in stack:
        row, left, right = gap_between(segments_of(truth), truth)
        leaking = truth.copy()
        leaking[row, left + 1 : right] = True
        stats = statistics(leaking, truth)
        assert max(v_rand(stats), v_info(stats)) < 0.99
        assert v_rand_merge(stats) < v_rand_split(stats) == 1
        assert v_info_merge(stats) < v_info_split(stats) == pytest.approx(1)


def test_slices_are_averaged_before_the_metric_and_an_empty_one_does_not_count(stack):
    slices = np.stack([statistics(binary_erosion(truth, iterations=3, border_value=1), truth) for truth in stack])
    for metric in METRICS:
        np.testing.assert_allclose(metric(slices.sum(axis=0)), metric(slices.mean(axis=0)), rtol=1e-12)
        empty = statistics(stack[0], np.zeros_like(stack[0]))
        np.testing.assert_allclose(metric(np.vstack([slices, empty]).mean(axis=0)), metric(slices.mean(axis=0)))
    p, s, t = slices[:, :3].mean(axis=0)
    assert v_rand(slices.mean(axis=0)) == pytest.approx(2 * p / (s + t))
    assert v_rand(slices.mean(axis=0)) != pytest.approx(v_rand(slices).mean(), abs=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shape", [(), (5,), (2000,), (3, 4), (0,)])
def test_metrics_are_computed_over_all_leading_axes_at_once(metric, shape):
    stats = np.random.default_rng(0).random((*shape, 6))
    values = metric(stats)
    assert values.shape == shape
    assert values.ravel().tolist() == [float(metric(row)) for row in stats.reshape(-1, 6)]


def test_scikit_image_measures_other_quantities():
    truth, inside = drawn("..#... ..#... ..#..."), drawn("..#.#. ..#.#. ..#.#.")
    stats, cells = statistics(inside, truth), flooded(truth)
    error = adapted_rand_error(cells, segments_of(inside))[0]
    assert 1 - error != pytest.approx(v_rand(stats), abs=0.01)  # it leaves the pairs of a pixel with itself out
    split, merged = variation_of_information(cells, segments_of(inside), ignore_labels=[0])
    of_s, of_t = stats[[ENTROPY_S, ENTROPY_T]]
    assert split + merged == pytest.approx((of_s + of_t - 2 * stats[SHARED]) / math.log(2))  # bits, not a share


@st.composite
def swept(draw):
    """Probabilities, many of them at or beside a threshold, and a truth."""
    shape = draw(SHAPES)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    on_grid = st.sampled_from(GRID.tolist()).map(dtype)
    beside = st.tuples(on_grid, st.sampled_from([0.0, 1.0])).map(lambda pair: np.nextafter(pair[0], dtype(pair[1])))
    values = on_grid | beside | st.sampled_from([0.0, 1.0]).map(dtype)
    return draw(hnp.arrays(dtype, shape, elements=values)), draw(pictures(shape))


@given(swept())
def test_a_sweep_counts_each_mask_as_it_would_be_cut(case):
    probability, truth = case
    swept = sweep(probability, truth, GRID)
    expected = [statistics(~(probability >= float(threshold)), truth) for threshold in GRID]
    np.testing.assert_array_equal(swept, expected)


def test_the_grid_has_the_hundredths_between_nothing_and_all():
    assert GRID.tolist() == [float(f"0.{number:02d}") for number in range(1, 100)]


def test_the_best_threshold_is_one_for_all_slices(stack):
    rng = np.random.default_rng(0)
    sweeps = []
    for truth, shift in zip(stack, (-0.1, 0.0, 0.15), strict=True):
        soft = gaussian_filter((~truth).astype(np.float32), 1) + shift + rng.normal(0, 0.1, truth.shape)
        sweeps.append(sweep(np.clip(soft, 0, 1).astype(np.float32), truth, GRID[::7]))
    for metric in METRICS:
        threshold, stats = best_of(np.stack(sweeps), GRID[::7], metric=metric)
        means = np.mean(sweeps, axis=0)
        assert metric(stats) == max(float(metric(row)) for row in means)
        np.testing.assert_array_equal(means[GRID[::7].tolist().index(threshold)], stats)
    assert best_of(np.stack(sweeps), GRID[::7])[0] == best_of(np.stack(sweeps), GRID[::7], metric=v_rand)[0]


@pytest.mark.parametrize(
    ("good", "chosen"),
    [([10], 0.1), ([10, 45, 60], 0.45), ([80, 30, 70], 0.3), (range(1, 100), 0.5), ([40, 60], 0.4), ([], 0.5)],
)
def test_of_equally_good_thresholds_the_nearest_to_one_half_is_chosen(good, chosen):
    sweeps = np.tile([0.5, 1.0, 0.5, 0.1, 0.2, 0.3], (2, 99, 1))
    sweeps[:, [number - 1 for number in good], PAIRS] = 0.7
    assert best_of(sweeps, GRID)[0] == chosen


def test_without_a_true_cell_the_threshold_is_one_half():
    threshold, stats = best_of(np.zeros((2, 99, 6)), GRID)
    assert threshold == 0.5
    assert stats.tolist() == [0] * 6


def test_the_answers_leave_the_images_as_they_are(stack):
    before = stack[0].copy()
    statistics(stack[0], stack[0])
    sweep((~stack[0]).astype(np.float32), stack[0], GRID)
    np.testing.assert_array_equal(stack[0], before)


YES = np.ones((2, 3), bool)


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        (lambda: segments_of(YES.astype(np.uint8)), "^inside is uint8"),
        (lambda: segments_of(YES[None]), r"^inside is bool of shape \(1, 2, 3\)"),
        (lambda: statistics(YES.T, YES), r"^inside has shape \(3, 2\)"),
        (lambda: statistics(YES, YES.astype(int)), "^truth_inside is int64"),
        (lambda: sweep(YES.T * 0.5, YES, GRID), "^probability has shape"),
        (lambda: sweep(YES, YES, GRID), "^probability is bool"),
        (lambda: sweep(np.full((2, 3), np.nan), YES, GRID), "without nan"),
        (lambda: v_rand(np.zeros(5)), r"^stats have shape \(5,\)"),
        (lambda: v_info(np.zeros(())), r"^stats have shape \(\)"),
        (lambda: best_of(np.zeros((2, 98, 6)), GRID), r"^sweeps have shape \(2, 98, 6\)"),
        (lambda: best_of(np.zeros((0, 99, 6)), GRID), r"^sweeps have shape \(0, 99, 6\)"),
        (lambda: best_of(np.zeros((99, 6)), GRID), r"^sweeps have shape \(99, 6\)"),
    ],
)
def test_wrong_input_is_refused_with_its_cause(call, cause):
    with pytest.raises(ValueError, match=cause):
        call()
