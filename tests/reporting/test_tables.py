from math import inf, nan

import pytest

from cenet.evaluation.comparison_report import ComparedMetric
from cenet.evaluation.report_scores import Score
from cenet.metrics.registry import METRICS
from cenet.reporting.tables import (
    Table,
    compared_metric_title,
    format_interval,
    format_number,
    format_optional,
    interval_title,
    metric_title,
    render,
    sort_metrics,
)


def test_columns_of_a_terminal_are_aligned():
    table = Table("t", ("name", "value"), (("a", "1.5"), ("longer", "12.25")), "lr")
    lines = render([table], "terminal").splitlines()
    assert [len(line) for line in lines[1:]] == [len(lines[1])] * 4


def test_a_bar_in_a_name_does_not_end_its_cell():
    text = render([Table("t", ("name",), (("a|b",),), "l")], "markdown")
    assert "a\\|b" in text


def test_numbers_are_written_as_they_are_given():
    text = render([Table("t", ("name", "value"), (("1e5", "0.7970"),), "lr")], "markdown")
    assert "0.7970" in text
    assert "1e5" in text


def test_what_is_empty_leaves_no_gap():
    empty = Table("empty", ("name",), (), "l")
    assert render(["one", "", empty, "two"], "markdown") == "one\n\ntwo"


@pytest.mark.parametrize(
    ("value", "options", "text"),
    [
        (0.12345, {}, "0.1235"),
        (1.0, {}, "1.0000"),
        (12.345, {}, "12.35"),
        (-12.345, {"signed": True}, "-12.35"),
        (0.5, {"signed": True}, "+0.5000"),
        (0.5, {"like": 20.0}, "0.50"),
        (20.0, {"like": nan}, "20.00"),
        (0.12345, {"decimals": 3}, "0.123"),
        (nan, {}, "undefined"),
        (inf, {}, "undefined"),
    ],
)
def test_a_number_has_the_decimals_that_it_deserves(value, options, text):
    assert format_number(value, **options) == text


def test_the_ends_of_an_interval_have_the_decimals_of_its_middle():
    assert format_interval(Score(value=1.2, low=0.8, high=1.6)) == "0.80 to 1.60"
    assert format_interval(Score(value=0.8, low=nan, high=0.9)) == ""


def test_few_groups_have_a_range_and_many_an_interval():
    few, many = (Score(value=0.8, low=0.7, high=0.9, interval_kind=kind) for kind in ("range", "t"))
    assert interval_title([few, few, Score(value=0.5)]) == "range of groups"
    assert interval_title([many, Score(value=0.5)]) == interval_title([]) == "95 % interval"
    assert interval_title([few, many]) == "95 % interval or range"


def test_what_is_unknown_is_empty():
    assert [format_optional(value, "{:.1f}") for value in (1.25, None, nan)] == ["1.2", "", ""]


@pytest.mark.parametrize(
    ("metric", "title"),
    [
        (ComparedMetric(key="auc", average="within_folds"), "AUC, pooled within folds"),
        (
            ComparedMetric(key="calibration_error_edges", average="pooled"),
            "calibration error near edges, pooled (lower is better)",
        ),
        (
            ComparedMetric(key="hd95", average="per_image", part="cup"),
            "HD95 cup [px], mean of images (lower is better)",
        ),
        (ComparedMetric(key="v_rand", average="pooled"), "V_Rand, pooled"),
    ],
)
def test_a_metric_is_named_with_its_average_and_direction(metric, title):
    assert compared_metric_title(metric) == title


def test_every_metric_has_a_title_and_dice_and_iou_stand_side_by_side():
    assert all(metric_title(key) for key in METRICS)
    assert sort_metrics(["accuracy", "iou", "sensitivity", "dice"]) == ["dice", "iou", "sensitivity", "accuracy"]
