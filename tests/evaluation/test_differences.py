import pytest
from reports import write_report

from cenet.evaluation.compare import compare
from cenet.evaluation.differences import draw_differences, metric_title, spread_title


@pytest.mark.parametrize(
    ("metric", "shown"),
    [
        ("auc_within_folds", "AUC, pooled within folds"),
        ("calibration_error_edges_pooled", "calibration error near edges, pooled (lower is better)"),
        ("brier_pooled", "Brier score, pooled (lower is better)"),
        ("overlap_error_per_image", "overlap error, per image (lower is better)"),
        ("hd95_per_image", "HD95 [px], per image (lower is better)"),
        ("v_rand_pooled", "V_Rand, pooled"),
    ],
)
def test_a_metric_is_told_with_how_it_is_taken_and_which_way_is_better(metric, shown):
    assert metric_title(metric) == shown


def test_few_groups_give_a_range_and_many_an_interval():
    assert spread_title(2) == spread_title(7) == "range of groups"
    assert spread_title(8) == "95 % interval"


def test_the_same_numbers_make_the_same_picture(tmp_path):
    comparison = compare([write_report(tmp_path, "one"), write_report(tmp_path, "two", seed=1)])
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        draw_differences(tmp_path / name, comparison)
    for suffix in ("svg", "png"):
        first, second = ((tmp_path / name / f"compare.{suffix}").read_bytes() for name in ("a", "b"))
        assert first == second
    assert b"svg" in (tmp_path / "a" / "compare.svg").read_bytes()[:400]
