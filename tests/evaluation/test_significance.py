"""Paired tests over groups against SciPy, plain loops, and what can be proven of them."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sums import auc, counts, dice, histograms, single

from cenet.evaluation import significance
from cenet.evaluation.intervals import interval_of_mean
from cenet.evaluation.significance import (
    MIN_TEST_GROUPS,
    difference_of_means,
    holm,
    minimum_p,
    paired_permutation_test,
    sign_flip_test,
)

scores = st.floats(0, 1).map(lambda value: round(value, 6))
some_differences = st.lists(st.floats(-1, 1).map(lambda value: round(value, 3)), min_size=6, max_size=10)
some_p = st.lists(st.floats(0, 1), min_size=1, max_size=12)


# --- the difference of means ------------------------------------------------------------------------------


def test_the_difference_of_means_is_that_of_the_pairs_where_both_are_defined():
    rng = np.random.default_rng(0)
    first, second, names = rng.random(30), rng.random(30), [str(number // 3) for number in range(30)]
    first[4] = second[11] = math.nan
    both = ~np.isnan(first - second)
    result = difference_of_means(first, second, names)
    assert result.value == pytest.approx(first[both].mean() - second[both].mean())
    assert result.interval == interval_of_mean(first - second, names)
    assert result.groups == 10
    totals = [np.nansum((first - second)[3 * group : 3 * group + 3]) for group in range(10)]
    assert result.p == sign_flip_test(totals)


@given(some_differences)
def test_the_other_way_round_the_difference_has_the_other_sign_and_the_same_p(differences):
    zeros, names = np.zeros(len(differences)), single(len(differences))
    there, back = difference_of_means(differences, zeros, names), difference_of_means(zeros, differences, names)
    assert there.value == pytest.approx(-back.value)
    assert there.p == back.p


@pytest.mark.parametrize("groups", [0, 1, MIN_TEST_GROUPS - 1])
def test_below_six_groups_there_is_no_test(groups):
    assert math.isnan(difference_of_means(np.ones(groups), np.zeros(groups), single(groups)).p)
    assert math.isnan(sign_flip_test(np.ones(groups)))
    assert math.isnan(paired_permutation_test(counts(0, groups), counts(1, groups), dice))


# --- the tests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [6, 9, 12])
@pytest.mark.parametrize("seed", range(3))
def test_the_sign_flip_is_the_exact_permutation_test_of_scipy(groups, seed):
    differences = np.random.default_rng(seed).normal(0.3, 1, groups)
    expected = stats.permutation_test(
        (differences, np.zeros(groups)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert sign_flip_test(differences) == pytest.approx(expected.pvalue, abs=1e-12)


@given(st.lists(st.integers(-9, 9), min_size=6, max_size=8))
def test_equal_sums_are_hits_however_they_are_rounded(tenths):
    signs = product([1, -1], repeat=len(tenths))
    sums = [abs(sum(sign * tenth for sign, tenth in zip(choice, tenths, strict=True))) for choice in signs]
    expected = np.mean([total >= abs(sum(tenths)) for total in sums])
    assert sign_flip_test([tenth / 10 for tenth in tenths]) == expected


@given(some_differences)
def test_a_p_lies_between_the_minimum_possible_and_one(differences):
    assert minimum_p(len(differences)) <= sign_flip_test(differences) <= 1


@given(some_differences, st.sampled_from([0.001, 0.5, 3.0, 1e6]))
def test_neither_the_order_nor_the_scale_of_the_differences_matters(differences, factor):
    assert (
        sign_flip_test(differences)
        == sign_flip_test(differences[::-1])
        == sign_flip_test(factor * np.array(differences))
    )


@pytest.mark.parametrize("groups", [6, 13, 20, 21, 60])
def test_where_all_groups_agree_the_p_is_the_smallest(groups):
    assert sign_flip_test(np.full(groups, 0.01)) == pytest.approx(minimum_p(groups), abs=1e-3 * (groups > 20))
    assert sign_flip_test(np.zeros(groups)) == 1


def test_random_signs_come_close_to_all_signs(monkeypatch):
    differences = np.random.default_rng(0).normal(0.4, 1, 16)
    exact = sign_flip_test(differences)
    monkeypatch.setattr(significance, "EXACT_GROUPS", 10)
    p = sign_flip_test(differences)
    assert p == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 10_000))
    assert p == sign_flip_test(differences)
    assert p != sign_flip_test(differences, seed=1)


def test_of_many_groups_the_p_is_that_of_the_t_test():
    differences = np.random.default_rng(3).normal(0.1, 1, 300)
    assert sign_flip_test(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


def test_under_the_hypothesis_a_p_below_one_in_twenty_is_as_rare_as_it_says():
    rng = np.random.default_rng(0)
    p_values = np.array([sign_flip_test(rng.standard_t(2, 8)) for _ in range(2000)])
    for level in (0.05, 0.2, 0.5):
        assert np.mean(p_values <= level) <= level + 3 * math.sqrt(level * (1 - level) / 2000)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_differences_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        sign_flip_test([0.1, bad, 0.2, 0.1, 0.3, 0.1])


@pytest.mark.parametrize(("make", "metric"), [(counts, dice), (histograms, auc)])
@pytest.mark.parametrize("groups", [6, 7])
@pytest.mark.parametrize("seed", range(3))
def test_the_swap_is_that_of_trying_every_swap_in_a_loop(make, metric, groups, seed):
    first, second = make(seed, groups), make(seed + 10, groups)

    def difference(swapped):
        ours = sum(second[g] if swapped[g] else first[g] for g in range(groups))
        theirs = sum(first[g] if swapped[g] else second[g] for g in range(groups))
        return abs(metric(ours[None])[0] - metric(theirs[None])[0])

    all_of_them = [difference(swapped) for swapped in product([False, True], repeat=groups)]
    expected = np.mean([value >= difference([False] * groups) - 1e-12 for value in all_of_them])
    assert paired_permutation_test(first, second, metric) == expected


def test_a_run_against_itself_has_a_p_of_one():
    sums = histograms(0, 10)
    assert paired_permutation_test(sums, sums, auc) == 1


def test_counts_without_a_sign_do_not_wrap_round():
    first, second = counts(0, 8).astype(np.uint8), counts(1, 8).astype(np.uint8)
    assert paired_permutation_test(first, second, dice) == paired_permutation_test(
        first.astype(float), second.astype(float), dice
    )


def test_swaps_that_leave_the_metric_undefined_count_against_a_difference():
    first = np.array([[9.0, 1, 0]] + [[0, 0, 0]] * 6)
    second = np.array([[0.0, 0, 0]] + [[3, 3, 4]] * 6)

    def loose(sums):  # undefined where nothing was found
        return np.where(sums.sum(axis=1) <= 10, math.nan, dice(sums))

    assert math.isnan(paired_permutation_test(first, second, loose))  # undefined as it is
    first[1:] = 0, 1, 0
    with_all = paired_permutation_test(first, second, dice)
    assert (
        paired_permutation_test(first, second, lambda sums: np.where(sums.sum(axis=1) == 13, math.nan, dice(sums)))
        >= with_all
    )


def test_sums_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match="shape"):
        paired_permutation_test(counts(0, 8), counts(0, 9), dice)


def test_beyond_twenty_groups_the_swap_is_random_and_repeatable():
    first, second = counts(0, 40), counts(1, 40)
    p = paired_permutation_test(first, second, dice, resamples=999)
    assert p == paired_permutation_test(first, second, dice, resamples=999)
    assert p * 1000 == pytest.approx(round(p * 1000))
    assert paired_permutation_test(first + np.array([40, 0, 0]), second, dice, resamples=999) == 1 / 1000


@pytest.mark.parametrize(("groups", "expected"), [(0, 1), (1, 1), (2, 0.5), (6, 0.03125), (10, 2 / 1024)])
def test_the_minimum_p_is_two_of_all_sign_patterns(groups, expected):
    assert minimum_p(groups) == expected


# --- several questions -----------------------------------------------------------------------------------------


def naive_holm(p_values):
    """Walk from the smallest p to the largest, each time the number of questions that are left."""
    left, largest, adjusted = len(p_values), 0.0, {}
    for number, p in sorted(enumerate(p_values), key=lambda pair: pair[1]):
        largest = max(largest, min(p * left, 1.0))
        adjusted[number] = largest
        left -= 1
    return [adjusted[number] for number in range(len(p_values))]


@given(some_p)
def test_holm_is_that_of_walking_through_the_sorted_p(p_values):
    assert holm(p_values).tolist() == pytest.approx(naive_holm(p_values))


@given(some_p)
def test_holm_keeps_the_order_and_makes_nothing_surer(p_values):
    adjusted = holm(p_values)
    assert (adjusted >= np.array(p_values)).all()
    assert (adjusted <= np.minimum(np.array(p_values) * len(p_values), 1)).all()  # no worse than Bonferroni
    assert (np.diff(adjusted[np.argsort(p_values)]) >= 0).all()


@given(some_p, st.integers(1, 3))
def test_what_is_not_tested_does_not_count(p_values, times):
    with_nan = holm([math.nan] * times + p_values)
    assert np.isnan(with_nan[:times]).all()
    np.testing.assert_array_equal(with_nan[times:], holm(p_values))


def test_of_no_test_there_is_no_p():
    assert holm([]).size == 0
