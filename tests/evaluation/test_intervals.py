"""Intervals against SciPy, plain loops, and what can be proven of them."""

import json
import math

import interval_coverage
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sums import auc, counts, dice, histograms, mean, single

from cenet.evaluation import intervals as statistics
from cenet.evaluation.intervals import (
    MIN_GROUPS,
    Interval,
    interval_of_mean,
    interval_of_paired_pooled,
    interval_of_pooled,
)
from cenet.evaluation.significance import paired_permutation_test

scores = st.floats(0, 1).map(lambda value: round(value, 6))
some_scores = st.lists(scores, min_size=1, max_size=30)


def widened(level, groups):
    """The level whose normal quantile is Student's, stretched by what draws of so few groups vary too little."""
    return stats.norm.cdf(math.sqrt(groups / (groups - 1)) * stats.t.ppf(level, groups - 1))


# --- the mean over images ----------------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("count", [8, 20, 200])
def test_with_one_image_in_each_group_it_is_the_t_interval(count, confidence):
    values = np.random.default_rng(count).beta(18, 2, count)
    interval = interval_of_mean(values, single(count), confidence=confidence)
    expected = stats.t.interval(confidence, count - 1, loc=values.mean(), scale=stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx(expected, rel=1e-12)
    assert interval.method == f"t over {count} groups"


def test_with_groups_it_is_the_sandwich_of_a_regression_on_a_constant():
    rng = np.random.default_rng(0)
    member = np.repeat(np.arange(12), rng.integers(1, 6, 12))
    values = rng.beta(18, 2, 12)[member] + rng.normal(0, 0.02, len(member))
    ones = np.ones((len(values), 1))
    bread = np.linalg.inv(ones.T @ ones)
    residuals = values - values.mean()
    meat = sum((ones[member == g].T @ residuals[member == g]) ** 2 for g in range(12))
    error = math.sqrt((bread @ meat.reshape(1, 1) @ bread).item() * 12 / 11)
    interval = interval_of_mean(values, [f"patient {g}" for g in member])
    assert (interval.low, interval.high) == pytest.approx(stats.t.interval(0.95, 11, loc=values.mean(), scale=error))


def test_an_image_repeated_within_its_group_makes_nothing_surer():
    values = np.random.default_rng(1).beta(18, 2, 10)
    once = interval_of_mean(values, single(10))
    often = interval_of_mean(np.repeat(values, 5), np.repeat(single(10), 5))
    assert (often.low, often.high, often.method) == pytest.approx((once.low, once.high, once.method))


@given(some_scores, st.integers(8, 12))
def test_the_interval_lies_symmetrically_about_the_mean(values, groups):
    names = [str(number % groups) for number in range(len(values))]
    interval = interval_of_mean(values, names)
    if len(set(names)) >= MIN_GROUPS:
        assert (interval.low + interval.high) / 2 == pytest.approx(np.mean(values), abs=1e-12)
    else:
        assert interval.low - 1e-12 <= np.mean(values) <= interval.high + 1e-12


@given(st.lists(scores, min_size=8, max_size=30), st.floats(0.1, 10), st.floats(-5, 5))
def test_the_interval_of_the_mean_moves_and_stretches_with_the_scores(values, factor, offset):
    names = single(len(values))
    plain = interval_of_mean(values, names)
    moved = interval_of_mean(factor * np.array(values) + offset, names)
    expected = (factor * plain.low + offset, factor * plain.high + offset)
    assert (moved.low, moved.high) == pytest.approx(expected, abs=1e-9)


def test_undefined_scores_are_left_out_with_their_groups():
    values = np.append(np.random.default_rng(2).random(9), [math.nan, math.nan])
    names = single(10)
    assert interval_of_mean(values, [*names, names[0]]) == interval_of_mean(values[:9], names[:9])


def test_below_eight_groups_it_is_the_range_of_the_groups_means():
    values, names = [0.2, 0.4, 0.9, 0.5], ["a", "a", "b", "c"]
    interval = interval_of_mean(values, names)
    assert (interval.low, interval.high, interval.method) == (pytest.approx(0.3), 0.9, "range of 3 groups")
    assert interval_of_mean(range(7), single(7)).method == "range of 7 groups"
    assert interval_of_mean(range(8), single(8)).method == "t over 8 groups"
    assert interval_of_mean([0.5, 0.7], ["a", "a"]) == Interval(0.6, 0.6, "range of 1 group", "range")


@pytest.mark.parametrize("values", [[], [math.nan], [math.nan] * 20])
def test_without_a_defined_score_there_is_no_interval(values):
    interval = interval_of_mean(values, single(len(values)))
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert interval.method == "no interval of 0 groups"


@pytest.mark.parametrize(("values", "names"), [([0.5], []), ([0.5, 0.6], ["a"]), ([[0.5], [0.6]], ["a", "b"])])
def test_a_value_without_its_group_is_refused(values, names):
    with pytest.raises(ValueError, match="groups"):
        interval_of_mean(values, names)


# --- pooled metrics ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [8, 20, 60])
def test_the_bootstrap_is_that_of_scipy_at_a_widened_level(groups):
    sums = counts(groups, groups) * np.random.default_rng(groups).integers(1, 9, (groups, 1))

    def of_columns(tp, fp, fn, axis):
        return 2 * tp.sum(axis) / (2 * tp + fp + fn).sum(axis)

    expected = stats.bootstrap(
        tuple(sums.T),
        of_columns,
        paired=True,
        vectorized=True,
        method="BCa",
        n_resamples=20_000,
        confidence_level=2 * widened(0.975, groups) - 1,
        rng=1,
    ).confidence_interval
    interval = interval_of_pooled(sums, dice, resamples=20_000)
    width = expected.high - expected.low
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=0.03 * width)
    assert interval.method == f"bootstrap over {groups} groups"


@pytest.mark.parametrize("groups", [8, 12, 20])
def test_of_symmetric_scores_the_bootstrap_comes_close_to_the_t_interval(groups):
    values = stats.norm.ppf((np.arange(groups) + 0.5) / groups)
    interval = interval_of_pooled(np.stack([values, np.ones(groups)], axis=1), mean, resamples=50_000)
    exact = interval_of_mean(values, single(groups))
    assert (interval.low, interval.high) == pytest.approx((exact.low, exact.high), rel=0.04)


def test_the_ends_are_those_of_efrons_formula_step_by_step():
    sums = counts(3, 10)
    draws = np.random.default_rng(5).multinomial(10, [0.1] * 10, size=500)
    drawn = np.array([dice(sum(times * row for times, row in zip(draw, sums, strict=True))) for draw in draws])
    without = np.array([dice(np.delete(sums, number, axis=0).sum(axis=0)) for number in range(10)])
    below = (drawn < dice(sums.sum(axis=0))).mean() + (drawn == dice(sums.sum(axis=0))).mean() / 2
    acceleration = stats.skew(without.mean() - without) / 6 / math.sqrt(10)
    bias = stats.norm.ppf(below)
    widest = math.sqrt(10 / 9) * stats.t.ppf(0.975, 9)
    levels = [stats.norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z))) for z in (-widest, widest)]
    interval = interval_of_pooled(sums, dice, resamples=500, seed=5)
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(drawn, levels)), abs=1e-9)


@given(st.lists(scores, min_size=8, max_size=20), st.sampled_from([0.5, 2.0, 8.0]), st.sampled_from([-1.0, 0.0, 4.0]))
def test_the_bootstrap_moves_and_stretches_with_the_metric(values, factor, offset):
    sums = np.stack([np.round(np.array(values) * 64), np.ones(len(values))], axis=1)  # whole numbers: no rounding
    plain = interval_of_pooled(sums, mean, resamples=200)
    moved = interval_of_pooled(sums, lambda drawn: factor * mean(drawn) + offset, resamples=200)
    assert (moved.low, moved.high) == pytest.approx((factor * plain.low + offset, factor * plain.high + offset))


@given(st.lists(scores, min_size=8, max_size=20))
def test_the_bootstrap_of_a_mean_stays_within_the_scores(values):
    sums = np.stack([values, np.ones(len(values))], axis=1)
    interval = interval_of_pooled(sums, mean, resamples=200)
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    sums = counts(0, 20)
    assert interval_of_pooled(sums, dice, seed=3) == interval_of_pooled(sums, dice, seed=3)
    assert interval_of_pooled(sums, dice, seed=3) != interval_of_pooled(sums, dice, seed=4)


def test_more_confidence_makes_a_wider_interval():
    sums = counts(0, 20)
    narrow, wide = (interval_of_pooled(sums, dice, confidence=confidence) for confidence in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("sums", [counts(1, 20), histograms(1, 20)], ids=["counts", "histograms"])
def test_the_size_of_the_chunks_does_not_matter(sums, monkeypatch):
    metric = dice if sums.ndim == 2 else auc
    expected = interval_of_pooled(sums, metric), paired_permutation_test(sums[:10], sums[10:], metric)
    monkeypatch.setattr(statistics, "CHUNK", 700)
    assert (interval_of_pooled(sums, metric), paired_permutation_test(sums[:10], sums[10:], metric)) == expected


def test_below_eight_groups_it_is_the_range_of_single_groups():
    sums = np.array([[8, 2, 2], [5, 5, 5], [0, 0, 0]])
    assert interval_of_pooled(sums, dice) == Interval(0.5, 0.8, "range of 2 groups", "range")
    assert interval_of_pooled(counts(0, 7), dice).method == "range of 7 groups"
    assert interval_of_pooled(counts(0, 8), dice).method == "bootstrap over 8 groups"


@pytest.mark.parametrize("sums", [np.zeros((0, 3)), np.zeros((5, 3))])
def test_without_a_defined_metric_there_is_no_range(sums):
    interval = interval_of_pooled(sums, dice)
    assert math.isnan(interval.low)
    assert interval.kind == "none"


def test_below_eight_groups_a_metric_outside_its_groups_has_no_range():
    good, shifted = np.zeros((2, 2, 50))
    good[0, 10] = good[1, 20] = 5  # in each group every foreground pixel ranks above every background pixel
    shifted[0, 30] = shifted[1, 40] = 5
    sums = np.stack([good, shifted])
    assert auc(sums).tolist() == [1, 1]
    assert float(auc(sums.sum(axis=0)[None])[0]) == 0.75
    interval = interval_of_pooled(sums, auc)
    assert (math.isnan(interval.low), interval.method, interval.kind) == (True, "no interval of 2 groups", "none")
    assert interval_of_pooled(np.stack([good, good]), auc).kind == "range"
    assert interval_of_pooled(np.stack([good, good]), auc, between_groups=False).kind == "none"


def test_paired_sums_may_be_of_as_many_networks_as_each_has():
    first, second = histograms(1, 12), histograms(2, 12)
    doubled = np.stack([second, second], axis=1)

    def over_networks(sums):
        return np.mean([auc(sums[:, index]) for index in range(sums.shape[1])], axis=0)

    once = interval_of_paired_pooled(first, second, auc)
    twice = interval_of_paired_pooled(first[:, None], doubled, over_networks)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


def test_a_metric_that_never_varies_has_an_interval_of_no_width():
    interval = interval_of_pooled(np.tile([[5, 0, 0]], (9, 1)), dice)
    assert (interval.low, interval.high) == (1, 1)


def test_a_metric_that_is_undefined_too_often_has_no_interval():
    sums = np.zeros((10, 3))
    sums[0] = 8, 1, 1  # a third of the resamples miss the only group with something in it
    interval = interval_of_pooled(sums, dice, resamples=1000)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    missed = int(interval.method.removeprefix("undefined in ").removesuffix(" of 1000 resamples"))
    assert missed / 1000 == pytest.approx(0.9**10, abs=0.06)


def test_a_few_undefined_resamples_are_left_out():
    sums = np.zeros((10, 3))
    sums[:4] = [8, 1, 1], [6, 2, 2], [9, 1, 0], [7, 3, 1]  # 0.6 ** 10: six in a thousand
    interval = interval_of_pooled(sums, dice)
    assert 0.6 <= interval.low < dice(sums.sum(axis=0)) < interval.high <= 18 / 19


def test_an_undefined_jackknife_leaves_the_widened_percentiles():
    def only_if_whole(sums):
        return np.where(sums[:, 1] == 9, math.nan, sums[:, 0])

    sums = np.stack([np.arange(10.0), np.ones(10)], axis=1)
    drawn = np.random.default_rng(0).multinomial(10, [0.1] * 10, size=2000) @ np.arange(10.0)
    interval = interval_of_pooled(sums, only_if_whole)
    expected = np.quantile(drawn, [widened(0.025, 10), widened(0.975, 10)])
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))


# --- the difference of two -----------------------------------------------------------------------------------


def test_a_pooled_difference_draws_the_same_groups_of_both():
    first, second = counts(0, 20), counts(1, 20)
    draws = np.random.default_rng(0).multinomial(20, [0.05] * 20, size=2000)
    drawn = dice(draws @ first) - dice(draws @ second)
    interval = interval_of_paired_pooled(first, second, dice)
    ranks = [np.mean(drawn <= end) for end in (interval.low, interval.high)]
    assert ranks == pytest.approx([widened(0.025, 20), widened(0.975, 20)], abs=0.02)  # BCa moves them a little
    turned = interval_of_paired_pooled(second, first, dice)
    width = interval.high - interval.low
    assert (turned.low, turned.high) == pytest.approx((-interval.high, -interval.low), abs=0.01 * width)


def test_what_both_share_makes_their_difference_surer():
    common = counts(0, 20) * np.random.default_rng(1).integers(1, 20, (20, 1))
    noise = np.random.default_rng(2).integers(0, 3, common.shape)
    alike = interval_of_paired_pooled(common, common + noise, dice)
    strange = interval_of_paired_pooled(common, np.roll(common, 7, axis=0) + noise, dice)
    assert alike.high - alike.low < (strange.high - strange.low) / 3


# --- the table of the simulation ---------------------------------------------------------------------------------


def test_the_table_and_the_page_say_what_the_simulation_found():
    report = json.loads(interval_coverage.RESULT.read_text(encoding="utf-8"))
    for table in (interval_coverage.rendered(report), interval_coverage.rendered_power(report)):
        for page in (interval_coverage.TABLE, interval_coverage.PAGE):
            assert table in page.read_text(encoding="utf-8"), f"run: {interval_coverage.COMMAND}"
