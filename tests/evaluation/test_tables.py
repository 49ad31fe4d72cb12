"""A report as files, read back as its readers do."""

import csv
import json

import numpy as np
import pytest
from test_scores import tally_of

from cenet.errors import CenetError
from cenet.evaluation.scores import PixelCounts, class_scores, load_tallies
from cenet.evaluation.tables import format_evaluation, ordinal, write_report
from cenet.evaluation.task_metrics import TaskMetrics


def report_of(tallies, *, runs=1, views=1, **run):
    images = [{"name": row["image"], "part": "test"} for row in tallies[0].rows]
    entry = {"name": "seven", "started_from": "random weights", "unverified": [], **run}
    return {
        "protocol": {"name": "region", "description": "inside the region", "views": views},
        "data": {"name": "eyes", "part": "test", "images": images, "groups": len(set(tallies[0].groups))},
        "runs": [entry] * runs,
        "classes": {f"class {number}": class_scores(each) for number, each in enumerate(tallies, start=1)},
    }


@pytest.fixture(scope="module")
def tallies():
    return [PixelCounts.of([tally_of(20 * number + index) for index in range(9)]) for number in range(2)]


@pytest.fixture(scope="module")
def report(tallies):
    return report_of(tallies)


def cells(text):
    """The tables of a Markdown text, as lists of rows of cells."""
    blocks, block = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            block.append([cell.strip() for cell in line.strip("|").split("|")])
        elif block:
            blocks.append(block)
            block = []
    return blocks


# --- table -------------------------------------------------------------------------------------------------


def test_a_table_says_what_was_scored_and_how(report):
    first, second = format_evaluation(report).splitlines()[:2]
    assert first == "run seven on eyes, part test (9 images, 9 groups), started from random weights"
    assert second == "protocol region: inside the region; 1 view"
    assert "; 8 views" in format_evaluation(report_of([tally_of(0)], views=8))


def test_images_that_were_trained_on_are_told(report):
    parts = [*["train"] * 3, "validation", "test", *[None] * 4]
    images = [{**image, "part": part} for image, part in zip(report["data"]["images"], parts, strict=True)]
    seen = {**report, "data": {**report["data"], "part": "all", "images": images}}
    told = "warning: 4 of these images were trained or validated on: no test of anything"
    assert told in format_evaluation(seen).splitlines()
    assert "no test of anything" not in format_evaluation(report)


def test_of_few_groups_ranges_are_named_so_and_calibration_errors_have_none():
    report = report_of([PixelCounts.of([tally_of(index) for index in range(7)])])
    first, second = cells(format_evaluation(report))
    assert first[0] == ["class 1", "value", "range of groups", "how"]
    assert second[0][0] == "class 1 (range of groups)"
    rows = {row[0]: row[2:] for row in first}
    assert rows["brier"][0]
    assert rows["brier"][1] == "range of 7 groups"
    assert rows["calibration error"] == rows["calibration error edges"] == ["", "no interval of 7 groups"]


def test_several_runs_are_counted_in_the_first_line(tallies):
    assert format_evaluation(report_of(tallies, runs=5)).startswith("5 runs such as seven on eyes, part test ")


def test_unverified_values_are_named(report, tallies):
    told = "recipe values that the paper's record does not confirm: epochs, momentum"
    assert told in format_evaluation(report_of(tallies, unverified=["epochs", "momentum"])).splitlines()
    assert "does not confirm" not in format_evaluation(report)


def test_every_pooled_and_mean_figure_stands_with_its_interval(report):
    blocks = cells(format_evaluation(report))
    assert len(blocks) == 4  # two for each class
    for name, block in zip(report["classes"], blocks[::2], strict=True):
        scores = report["classes"][name]
        assert block[0] == [name, "value", "95 % interval", "how"]
        rows = {row[0]: row[1:] for row in block[2:]}
        assert set(rows) == {*(key.replace("_", " ") for key in scores["pooled"]), "auc, mean of images"}
        for key, score in scores["pooled"].items():
            interval = f"{score['low']:.4f} to {score['high']:.4f}"
            assert rows[key.replace("_", " ")] == [f"{score['value']:.4f}", interval, "bootstrap over 9 groups"]
        mean = scores["per_image"]["auc"]
        assert rows["auc, mean of images"][0] == f"{mean['value']:.4f} ± {mean['sd']:.4f}"
        assert rows["auc, mean of images"][2] == "t over 9 groups"


def test_every_cut_stands_pooled_and_as_mean_of_images(report):
    for name, block in zip(report["classes"], cells(format_evaluation(report))[1::2], strict=True):
        assert block[0][0] == f"{name} (95 % interval)"
        assert [cell for cell in block[0] if cell.startswith(("first:", "second:"))] == [
            "first: pooled", "second: pooled",
        ]  # fmt: skip
        rows = {row[0]: row[1:] for row in block[2:]}
        assert list(rows) == ["sensitivity", "specificity", "accuracy", "dice", "overlap error"]
        assert {len(row) for row in block} == {5}
        for place, (cut, how) in enumerate((c, h) for c in ("first", "second") for h in ("pooled", "per_image")):
            for metric, row in rows.items():
                score = report["classes"][name]["cuts"][cut][how][metric.replace(" ", "_")]
                spread = f" ± {score['sd']:.4f}" if how == "per_image" else ""
                assert row[place] == f"{score['value']:.4f}{spread} ({score['low']:.4f} to {score['high']:.4f})"


def test_figures_of_folds_stand_before_the_others(tallies):
    report = report_of(tallies[:1])
    report["classes"]["class 1"]["folds"] = {
        name: {"value": 0.8125, "low": 0.75, "high": 0.875, "how": "bootstrap over 20 groups", "sd": 0.03125}
        for name in ("auc", "dice")
    }
    header, _, first, *others = cells(format_evaluation(report))[0]
    assert header == ["class 1", "value", "95 % interval", "how"]
    assert first == ["auc, mean of folds", "0.8125 ± 0.0312", "0.7500 to 0.8750", "bootstrap over 20 groups"]
    assert [row[0] for row in others][:2] == ["auc, all folds together", "average precision"]  # which has no such mean
    assert [row[0] for row in others][-2:] == ["dice, mean of folds", "auc, mean of images"]


@pytest.mark.parametrize(
    ("groups", "warning"),
    [
        (2, "warning: 2 groups are too few for an interval; the range of the groups is shown"),
        (7, "warning: 7 groups are too few for an interval; the range of the groups is shown"),
        (8, "warning: 8 groups are few; below 50 an interval may be too narrow"),
        (49, "warning: 49 groups are few; below 50 an interval may be too narrow"),
        (50, None),
    ],
)
def test_few_groups_are_told(report, groups, warning):
    last = format_evaluation({**report, "data": {**report["data"], "groups": groups}}).splitlines()[-1]
    assert last == warning if warning else not last.startswith("warning")


# --- ordinals ----------------------------------------------------------------------------------------------


def test_ordinals_end_as_they_are_spoken():
    endings = {number: ordinal(number).removeprefix(str(number)) for number in range(1, 200)}
    assert [number for number in range(1, 100) if endings[number] == "st"] == [1, 21, 31, 41, 51, 61, 71, 81, 91]
    assert [number for number in range(1, 100) if endings[number] == "nd"] == [2, 22, 32, 42, 52, 62, 72, 82, 92]
    assert [number for number in range(1, 100) if endings[number] == "rd"] == [3, 23, 33, 43, 53, 63, 73, 83, 93]
    assert {endings[number] for number in (11, 12, 13, 111, 112, 113, 104)} == {"th"}
    assert all(endings[number + 100] == endings[number] for number in range(1, 100))


# --- files -------------------------------------------------------------------------------------------------


def test_a_report_is_written_for_programs_readers_and_tables(report, tallies, tmp_path):
    write_report(tmp_path / "new", report, tallies)
    folder = tmp_path / "new"
    assert sorted(path.name for path in folder.iterdir()) == [
        "histograms.npz", "images.csv", "report.json", "report.md",
    ]  # fmt: skip
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == json.loads(json.dumps(report))
    assert (folder / "report.md").read_text(encoding="utf-8") == format_evaluation(report) + "\n"
    with (folder / "images.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["class"], row["image"]) for row in rows] == [
        (name, image["image"]) for name in report["classes"] for image in report["classes"][name]["images"]
    ]
    assert [float(row["dice @ first"]) for row in rows[:9]] == [row["dice @ first"] for row in tallies[0].rows]
    found = load_tallies(folder, json.loads((folder / "report.json").read_text(encoding="utf-8")))
    assert all(np.array_equal(one.histograms, two.histograms) for one, two in zip(found, tallies, strict=True))


def test_what_is_undefined_is_null_for_programs_and_undefined_for_readers(tmp_path):
    tallies = [PixelCounts.of([tally_of(0, empty=True), tally_of(1, empty=True)])]
    write_report(tmp_path, report_of(tallies), tallies)
    found = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["classes"]["class 1"]
    auc = found["per_image"]["auc"]
    assert auc == {"value": None, "low": None, "high": None, "how": "range of 0 groups", "sd": None, "undefined": 2}
    assert [row["auc"] for row in found["images"]] == [None, None]
    assert "| auc, mean of images | undefined |" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_overlays_of_an_earlier_evaluation_go_and_other_files_stay(report, tallies, tmp_path):
    for name in ("eye0_overlay.png", "notes.txt", "figure.png"):
        (tmp_path / name).touch()
    write_report(tmp_path, report, tallies)
    assert not (tmp_path / "eye0_overlay.png").exists()
    assert (tmp_path / "notes.txt").exists()
    assert (tmp_path / "figure.png").exists()


def test_a_place_that_cannot_be_written_is_told(report, tallies, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CenetError, match=r"the file cannot be written"):
        write_report(tmp_path / "file" / "deeper", report, tallies)


# --- what a task measures ----------------------------------------------------------------------------------


@pytest.fixture
def measured(report):
    rows = [{"image": f"i{n}", "group": f"g{n}", "hd95": float(n), "found": 1.0} for n in range(9)]
    rows[2]["hd95"] = np.nan
    scores = TaskMetrics(rows, np.zeros((9, 0, 6))).scores()
    return report | {"measures": scores, "data": report["data"] | {"grouping": "every slice its own group"}}


def test_what_a_task_measures_has_a_table_with_units(measured):
    text = format_evaluation(measured)
    assert "groups: every slice its own group" in text.splitlines()
    of_measures = next(block for block in cells(text) if block[0][0] == "measured")
    (name, value, interval, how), (hits, _, _, certain) = of_measures[2:]
    score = measured["measures"]["per_image"]["hd95"]
    assert name == "HD95 [px], mean of images"
    assert value == f"{score['value']:.4f} ± {score['sd']:.4f}"
    assert interval == f"{score['low']:.4f} to {score['high']:.4f}"
    assert how.endswith("undefined for 1")
    assert hits == "localiser's hit rate, mean of images"
    assert "undefined" not in certain


def test_what_a_task_measures_is_a_table_of_the_images(measured, tallies, tmp_path):
    write_report(tmp_path, measured, tallies)
    with (tmp_path / "measures.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [f"i{n}" for n in range(9)]
    assert float(rows[3]["hd95"]) == 3
    read = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert read["measures"]["images"][2]["hd95"] is None
