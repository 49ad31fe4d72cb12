import json
import shutil
from functools import partial

import numpy as np
import pytest
import reports

from cenet.errors import CenetError
from cenet.evaluation.report_files import PER_IMAGE, check_comparable, common_folds, cost, read_evaluations
from cenet.evaluation.scores import load_tallies
from cenet.metrics.binned import BINS


@pytest.fixture
def write_report(tmp_path):
    return partial(reports.write_report, tmp_path)


def names_of(path, **options):
    return [evaluation.folder.name for evaluation in read_evaluations(path, **options)]


def alike(one, other):
    (first,), (second,) = read_evaluations(one), read_evaluations(other)
    check_comparable(first, second)


# Where the scores are ---------------------------------------------------------------------------------------


def test_an_evaluation_is_found_by_part_protocol_and_views(write_report, tmp_path):
    for name in ("test-region", "test-region-tta", "validation-frame", "test-authors"):
        write_report(f"evaluation-{name}", groups=1)
    assert names_of(tmp_path) == ["evaluation-test-region"]
    assert names_of(tmp_path, tta=True) == ["evaluation-test-region-tta"]
    assert names_of(tmp_path, part="validation", protocol="frame") == ["evaluation-validation-frame"]
    assert names_of(tmp_path, protocol="authors", tta=True) == ["evaluation-test-authors"]
    assert names_of(tmp_path / "evaluation-test-region", tta=True) == ["evaluation-test-region"]


def test_without_a_test_part_what_the_folds_held_out_is_found_and_then_all_images(write_report, tmp_path):
    for part in ("all", "out-of-fold", "test"):
        write_report(f"evaluation-{part}-region", groups=1)
        assert names_of(tmp_path) == [f"evaluation-{part}-region"]


def test_seeds_are_found_in_their_order(write_report, tmp_path):
    for seed in (1, 0):
        write_report(f"seed-{seed}/evaluation-test-region", groups=1)
    assert [each.folder.parent.name for each in read_evaluations(tmp_path)] == ["seed-0", "seed-1"]


@pytest.mark.parametrize(
    ("holds", "options", "command"),
    [
        ("", {}, "evaluate RUN --protocol region"),
        ("", {"part": "validation"}, "evaluate RUN --split validation --protocol region"),
        ("", {"protocol": "frame", "tta": True}, "evaluate RUN --protocol frame --tta"),
        ("", {"protocol": "authors", "tta": True}, "evaluate RUN --protocol authors"),
        ("folds", {"tta": True}, "cross-validate ... --output RUN --protocol region --tta"),
        ("folds", {"part": "all"}, "evaluate RUN --split all --protocol region"),
    ],
)
def test_what_was_not_scored_so_is_an_error_with_the_command(tmp_path, holds, options, command):
    path = tmp_path / "my run"
    (path / holds).mkdir(parents=True)
    command = command.replace("RUN", f"'{path}'")
    with pytest.raises(CenetError) as told:
        read_evaluations(path, **options)
    assert str(told.value) == f"{path}: holds no such report; run `cenet {command}` first"


def test_of_several_seeds_the_one_that_was_not_scored_is_named(write_report, tmp_path):
    write_report("seed-0/evaluation-test-region", groups=1)
    (tmp_path / "seed-1").mkdir()
    with pytest.raises(CenetError, match=r"seed-1: holds no such report; run `cenet evaluate .*seed-1 "):
        read_evaluations(tmp_path)


# What is read -----------------------------------------------------------------------------------------------


def test_images_are_in_the_order_of_their_fingerprints_and_tallies_in_that_of_the_report(write_report):
    images = ["c_left", "a_left", "b_left"]
    (found,) = read_evaluations(write_report("one", images=images))
    assert found.images == [(f"print of {name}", name) for name in sorted(images)]
    assert (found.groups, found.folds) == (["a", "b", "c"], [None] * 3)
    (tally,) = found.tallies
    assert [row["image"] for row in tally.rows] == images
    scores = found.classes["vessel"]
    np.testing.assert_array_equal(scores["histograms"], tally.histograms[[1, 2, 0]])
    np.testing.assert_array_equal(scores["counts"], tally.counts(reports.CUT)[[1, 2, 0]])
    assert scores["auc"].tolist() == [tally.rows[place]["auc"] for place in (1, 2, 0)]
    assert scores["dice"].tolist() == [tally.rows[place][f"dice @ {reports.CUT}"] for place in (1, 2, 0)]
    assert set(scores) == {"histograms", "edges", "counts", *PER_IMAGE}


def test_folds_follow_their_images(write_report):
    folder = write_report("one", images=["b", "a"])
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    for fold, image in enumerate(report["data"]["images"]):
        image["fold"] = fold
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert read_evaluations(folder)[0].folds == [1, 0]


def test_an_undefined_score_is_nan(write_report):
    (found,) = read_evaluations(write_report("one", share=0))
    assert np.isnan(found.classes["vessel"]["auc"]).all()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 1}', '{"format": 2, "data": {"images": []}, "classes": {}}', "\xff"]
)
def test_a_foreign_report_is_refused(write_report, content):
    folder = write_report("one")
    (folder / "report.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(CenetError) as told:
        read_evaluations(folder)
    assert str(told.value) == (
        f"{folder / 'report.json'}: is torn, or another version of cenet wrote it; "
        "score again with `cenet evaluate` or `cenet cross-validate`"
    )


@pytest.mark.parametrize("section", ["protocol", "data", "runs", "cost", "classes"])
def test_a_report_without_a_section_is_refused(write_report, section):
    folder = write_report("one")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    del report[section]
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    with pytest.raises(CenetError, match="torn"):
        read_evaluations(folder)


@pytest.mark.parametrize("spoil", ["cut", "missing", "flipped", "another", "one pixel more"])
def test_torn_histograms_are_refused(write_report, spoil):
    folder = write_report("one")
    path = folder / "histograms.npz"
    content = path.read_bytes()
    middle = len(content) // 2
    if spoil == "missing":
        path.unlink()
    elif spoil == "another":
        shutil.copy(write_report("more", groups=9) / "histograms.npz", path)
    elif spoil == "one pixel more":
        (tally,) = load_tallies(folder, json.loads((folder / "report.json").read_text(encoding="utf-8")))
        tally.histograms[0, 0, BINS // 2] += 1
        reports.save_histograms(path, [tally])
    elif spoil == "cut":
        path.write_bytes(content[:middle])
    else:
        flipped = bytes(255 - byte for byte in content[middle : middle + 40])
        path.write_bytes(content[:middle] + flipped + content[middle + 40 :])
    with pytest.raises(CenetError, match="torn"):
        read_evaluations(folder)


# What may be compared ---------------------------------------------------------------------------------------


def test_a_label_that_was_redrawn_with_the_same_area_is_noticed(write_report):
    paths = [write_report(name) for name in "ab"]
    for name, path in zip("ab", paths, strict=True):
        report = json.loads((path / "report.json").read_text(encoding="utf-8"))
        report["data"]["images"][2]["label_fingerprint"] = f"drawn by {name}"
        report["data"]["images"][4]["label_fingerprint"] = "drawn alike"
        reports.change(path, data=report["data"])
    with pytest.raises(CenetError, match=r"labels or regions differ in 1 images, such as eye-2 \(vessel\)"):
        alike(*paths)
    report["data"]["images"][2]["label_fingerprint"] = None  # an older report does not know it
    reports.change(paths[1], data=report["data"])
    alike(*paths)


@pytest.mark.parametrize(("folds", "common"), [([0, 1, 0], [0, 1, 0]), ([1, 0, 0], None), ([None] * 3, None)])
def test_folds_are_common_where_every_report_has_the_same(write_report, folds, common):
    paths = [write_report(name, groups=3) for name in "ab"]
    for path, each in zip(paths, ([0, 1, 0] if common or folds[0] else folds, folds), strict=True):
        report = json.loads((path / "report.json").read_text(encoding="utf-8"))
        for image, fold in zip(report["data"]["images"], each, strict=True):
            image["fold"] = fold
        reports.change(path, data=report["data"])
    assert common_folds([read_evaluations(path) for path in paths]) == common


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"task": "folder"}, "task folder and drive"),
        ({"part": "all"}, "part all and test"),
        ({"classes": ("disc",)}, "classes disc and vessel"),
        ({"share": 0.5}, "labels or regions differ in 8 images, such as eye-0"),
        (
            {"images": [f"eye-{n}" for n in range(1, 10)]},
            "2 images only in the former (such as eye-8) and 1 images only in",
        ),
        ({"groups": 7}, "1 images only in the latter (such as eye-7)"),
    ],
)
def test_unlike_reports_are_refused_with_the_difference(write_report, changes, told):
    with pytest.raises(CenetError, match="cannot be compared with") as caught:
        alike(write_report("a"), write_report("b", **changes))
    assert told in str(caught.value)


def test_another_protocol_is_refused(write_report):
    other = reports.change(write_report("b"), protocol={"name": "frame"})
    with pytest.raises(CenetError, match="protocol frame and region"):
        alike(write_report("a"), other)


def test_other_groups_are_refused(write_report):
    other = write_report("b")
    report = json.loads((other / "report.json").read_text(encoding="utf-8"))
    report["data"]["images"][1]["group"] = "eye-0"
    (other / "report.json").write_text(json.dumps(report), encoding="utf-8")
    with pytest.raises(CenetError, match="grouped differently"):
        alike(write_report("a"), other)


def test_the_order_the_views_and_the_names_of_groups_may_differ(write_report):
    names = [f"p{n}_{eye}" for n in (1, 2) for eye in ("left", "right")]
    other = write_report("b", images=names, order=[2, 0, 3, 1], views=8, seed=1)
    report = json.loads((other / "report.json").read_text(encoding="utf-8"))
    for image in report["data"]["images"]:
        image["group"] = f"patient {image['group']}"
    (other / "report.json").write_text(json.dumps(report), encoding="utf-8")
    alike(write_report("a", images=names), other)


# What it costs ----------------------------------------------------------------------------------------------


def test_seeds_cost_their_mean_and_unlike_values_are_all_told(write_report):
    folders = [write_report("a"), write_report("b", views=8)]
    reports.change(folders[1], cost={"seconds_per_image": 0.3, "device": "cuda", "training_seconds": 60})
    found = cost([each.report for folder in folders for each in read_evaluations(folder)])
    assert found == {
        "seeds": 2,
        "views": "1 or 8",
        "threshold": "0.5",
        "parameters": 1_000_000,
        "multiply_adds_per_image": 2.5e9,
        "seconds_per_image": pytest.approx(0.2),
        "peak_memory_mib": 300,
        "training_seconds": 60,
        "device": "cpu, cuda",
        "started_from": "random weights",
    }


@pytest.mark.parametrize(
    ("thresholds", "told"), [([], "largest probability"), ([0.4], "0.4"), ([0.7, 0.4, 0.5], "0.4 to 0.7")]
)
def test_the_thresholds_are_told_in_a_word(write_report, thresholds, told):
    (found,) = read_evaluations(write_report("a"))
    found.report["runs"][0]["thresholds"] = thresholds
    assert cost([found.report])["threshold"] == told
