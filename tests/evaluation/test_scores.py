"""Scores against scikit-learn and plain sums over the pixels."""

from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_build_report import count_image

from cenet.evaluation.intervals import interval_of_mean
from cenet.evaluation.scores import fold_score, mean_score, pooled_score, sum_by_group, within_folds
from cenet.metrics.binned import roc_auc_of
from cenet.metrics.overlap import dice

some_values = st.lists(st.floats(0, 1) | st.just(nan), min_size=1, max_size=20)


def test_images_of_a_group_are_one_in_the_interval_of_a_pooled_metric():
    sums = np.concatenate([count_image(number).histograms for number in range(16)])
    score = pooled_score(sums, [f"patient{number // 2}" for number in range(16)], roc_auc_of)
    assert score.method == "bootstrap over 8 groups"
    assert score == pooled_score(sums[::2].astype(int) + sums[1::2], list("abcdefgh"), roc_auc_of)
    apart = pooled_score(sums, [str(number) for number in range(16)], roc_auc_of)
    assert apart.value == pytest.approx(score.value)
    assert apart.method == "bootstrap over 16 groups"


def test_few_groups_show_their_range():
    sums = np.array([[8, 1, 1, 5], [6, 2, 2, 5], [1, 1, 0, 9]])
    score = pooled_score(sums, ["left", "right", "left"], dice)
    assert score.value == pytest.approx(2 * 15 / (2 * 15 + 4 + 3))
    assert (score.low, score.high) == pytest.approx((2 * 6 / 16, 2 * 9 / 21))
    assert score.method == "range of 2 groups"


@pytest.mark.parametrize(("groups", "method"), [("a", "no interval of 1 group"), ("ab", "no interval of 2 groups")])
def test_a_metric_that_does_not_lie_between_its_groups_has_no_range(groups, method):
    score = pooled_score(np.array([[8, 1, 1, 5]] * len(groups)), list(groups), dice, between_groups=False)
    assert isnan(score.low)
    assert isnan(score.high)
    assert score.method == method


def test_the_order_of_the_images_changes_no_pooled_score():
    sums = np.random.default_rng(0).integers(1, 50, (12, 4))
    groups = [f"g{number % 9}" for number in range(12)]
    order = np.random.default_rng(1).permutation(12)
    score = pooled_score(sums, groups, dice).model_dump_json()
    assert pooled_score(sums[order], [groups[index] for index in order], dice).model_dump_json() == score


@given(some_values, st.integers(1, 20))
def test_a_mean_over_images_lies_in_an_interval_that_scores_can_reach(values, count):
    groups = [str(number % count) for number in range(len(values))]
    score = mean_score(values, groups)
    defined = [value for value in values if not isnan(value)]
    assert score.undefined == len(values) - len(defined)
    if not defined:
        assert isnan(score.value)
        assert isnan(score.low)
        assert isnan(score.high)
        return
    assert score.value == pytest.approx(np.mean(defined))
    assert 0 <= score.low <= score.high <= 1
    interval = interval_of_mean(values, groups)
    assert score.low == max(interval.low, 0)
    assert score.high == min(interval.high, 1)
    assert isnan(score.sd) if len(defined) == 1 else score.sd == pytest.approx(np.std(defined, ddof=1))


def test_an_interval_ends_where_no_score_can_be():
    values, groups = [0.0, 1.0, 0.98, 1.0, 1.0, 1.0, 1.0, 1.0], list("abcdefgh")
    assert interval_of_mean(values, groups).high > 1
    assert mean_score(values, groups).high == 1
    low = mean_score([1 - value for value in values], groups)
    assert (low.low, low.method) == (0, "t over 8 groups")


def test_a_mean_of_folds_leaves_out_the_folds_without_a_value():
    histograms = np.concatenate([count_image(number, empty=number >= 6).histograms for number in range(9)])
    folds = [number // 3 for number in range(9)]
    score = fold_score(histograms, [str(number) for number in range(9)], folds, roc_auc_of)
    values = [float(roc_auc_of(histograms[np.array(folds) == fold].sum(axis=0))) for fold in range(2)]
    assert score.values[:2] == pytest.approx(values)
    assert isnan(score.values[2])
    assert score.value == pytest.approx(np.mean(values))
    assert score.sd == pytest.approx(np.std(values, ddof=1))
    assert score.undefined == 1


def test_within_folds_a_metric_is_the_mean_of_the_folds_that_have_it():
    histograms = np.stack([count_image(number, empty=number == 2).histograms[0] for number in range(3)])
    expected = np.mean([roc_auc_of(histogram) for histogram in histograms[:2]])
    assert within_folds(roc_auc_of)(histograms[None])[0] == pytest.approx(expected)


def test_methods_of_few_and_many_seeds_weigh_alike():
    for seeds in (1, 2, 3):
        sums = sum_by_group([np.array([[1], [2], [4]])] * seeds, ["a", "b", "a"])
        np.testing.assert_array_equal(sums, [[5], [2]])
