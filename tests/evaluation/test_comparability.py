from functools import partial

import pytest
import reports

from cenet.errors import CenetError
from cenet.evaluation.comparability import check_comparable, common_folds
from cenet.evaluation.report_files import load_evaluation, read_evaluations


@pytest.fixture
def write_report(tmp_path):
    return partial(reports.write_report, tmp_path, groups=8)


def check(one, other):
    check_comparable(load_evaluation(one), load_evaluation(other))


def test_a_label_that_was_redrawn_with_the_same_area_is_noticed(write_report):
    paths = [write_report(name) for name in "ab"]
    labels = [f"label {index}" for index in range(8)]
    reports.change_images(paths[0], label_fingerprint=labels)
    check(paths[0], reports.change_images(paths[1], label_fingerprint=labels))
    reports.change_images(paths[1], label_fingerprint=[*labels[:2], "redrawn", *labels[3:]])
    with pytest.raises(CenetError, match=r"labels or regions differ in 1 images, such as eye-2 \(vessel\)"):
        check(*paths)


@pytest.mark.parametrize(("folds", "common"), [([0, 1, 0], [0, 1, 0]), ([1, 0, 0], None), (None, None)])
def test_folds_are_common_where_every_report_has_the_same(write_report, folds, common):
    first = write_report("a", groups=3, folds=[0, 1, 0] if folds else None)
    second = write_report("b", groups=3, folds=folds)
    assert common_folds([read_evaluations(path) for path in (first, second)]) == common


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"task": "folder"}, "task folder and drive"),
        ({"part": "all"}, "part all and test"),
        ({"protocol": "frame"}, "protocol frame and region"),
        ({"classes": ("disc", "cup")}, "classes disc, cup and vessel"),
        ({"share": 0.5}, "labels or regions differ in 8 images, such as eye-0"),
        (
            {"images": [f"eye-{n}" for n in range(1, 10)]},
            "2 images only in the former (such as eye-8) and 1 images only in",
        ),
        ({"groups": 7}, "1 images only in the latter (such as eye-7)"),
    ],
)
def test_evaluations_that_differ_are_refused_with_the_difference(write_report, changes, difference):
    other = write_report("b", **changes)
    with pytest.raises(CenetError) as refusal:
        check(write_report("a"), other)
    assert refusal.value.subject == str(other)
    assert difference in refusal.value.cause


def test_other_groups_are_refused(write_report):
    other = reports.change_images(write_report("b"), group=["eye-0", "eye-0", *(f"eye-{n}" for n in range(2, 8))])
    with pytest.raises(CenetError, match="grouped differently"):
        check(write_report("a"), other)


def test_the_order_the_views_and_the_names_of_groups_may_differ(write_report):
    names = [f"p{n}_{eye}" for n in (1, 2) for eye in ("left", "right")]
    other = write_report("b", images=names, order=[2, 0, 3, 1], views=8, seed=1)
    reports.change_images(other, group=[f"patient p{n}" for n in (2, 1, 2, 1)])
    check(write_report("a", images=names), other)


def test_a_single_class_may_have_two_names_where_its_pixels_are_the_same(write_report):
    other = write_report("b", seed=1)
    report = reports.read_json(other)
    report["classes"][0]["name"] = "foreground"
    check(write_report("a"), reports.write_json(other, report))
    with pytest.raises(CenetError, match="labels or regions differ"):
        check(write_report("c"), write_report("d", classes=("foreground",)))
