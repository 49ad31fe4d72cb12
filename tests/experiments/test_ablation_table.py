"""The table of an ablation, of made-up folds: figures against their means by hand, tests only where all folds are."""

import math

import numpy as np
import pytest
from drawn_reports import PROTOCOL, probabilities, run_entry, tally_of

from cenet.evaluation.compare import compare
from cenet.evaluation.scores import PixelCounts, class_scores
from cenet.evaluation.tables import write_report
from cenet.experiments.ablation_table import _report, compare_variants, format_ablation

FOLDS = 4
BESIDE = {"whole": "whole", "weak": "whole", "weaker": "whole", "other": "weak"}
CUT = "validation threshold 0.4"


def write_fold(place, fold, *, skill, seed, task="folder", classes=("vessel",), images=2, steps=25):
    """The report of a fold of a row, and nothing else of its run; the images are the same for every row."""
    tallies = []
    names = [f"eye-{fold}-{number}" for number in range(images)]
    for number, name in enumerate(names):
        label = (np.random.default_rng([fold, number]).random((24, 24)) < 0.3).astype(np.uint8)
        found = probabilities(label, seed=[seed, fold, number], skill=skill)
        inside = np.ones(label.shape, bool)
        tallies.append([tally_of(name, f"patient {name}", label, inside, found) for _ in classes])
    counted = [PixelCounts.of(each) for each in zip(*tallies, strict=True)]
    report = {
        "format": 2,
        "commands": [],
        "protocol": PROTOCOL,
        "data": {
            "name": "eyes",
            "task": task,
            "part": "test",
            "groups": images,
            "labels": {},
            "images": [
                {"name": name, "group": f"patient {name}", "fingerprint": name, "size_px": [24, 24], "seconds": 0.5}
                for name in names
            ],
        },
        "runs": [run_entry(f"fold-{fold}", "..", fold=fold, epochs=steps // 25)],
        "cost": {
            "parameters": 1000 + seed,
            "multiply_adds_per_image": 2e9,
            "seconds_per_image": 0.5,
            "peak_memory_mib": 100.0,
            "training_seconds": 60.0 * (fold + 1),
            "device": "cpu",
        },
        "classes": {name: class_scores(each) for name, each in zip(classes, counted, strict=True)},
        "environment": {},
    }
    write_report(place / f"fold-{fold}" / "evaluation-test-region", report, counted)


SKILLS = {"whole": 1.5, "weak": 0.8, "weaker": 0.5, "other": 0.4}


def write_rows(folder, folds, **options):
    """Rows of ever less skill, each with the folds that it has."""
    for seed, (title, numbers) in enumerate(folds.items()):
        for fold in numbers:
            write_fold(folder / title, fold, skill=SKILLS[title], seed=seed, **options)
    return {title: (folder / title, False) for title in BESIDE}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """All rows with all folds, but for one, which has two."""
    numbers = range(FOLDS)
    folds = {"whole": numbers, "weak": numbers, "weaker": numbers, "other": (1, 3)}
    return write_rows(tmp_path_factory.mktemp("rows"), folds, task="drive")


@pytest.fixture(scope="module")
def found(places):
    return compare_variants(places, BESIDE, folds=FOLDS)


def rows_of(found):
    return {row["row"]: {each["metric"]: each for each in row["figures"]} for row in found["rows"]}


def test_the_question_of_the_task_stands_first_with_dice_after_it(found):
    assert all(list(row) == ["auc_within_folds", "dice_per_image"] for row in rows_of(found).values())
    lines = [line for line in format_ablation(found).splitlines() if line.startswith("| vessel")]
    assert {line.count("|") for line in lines} == {10}
    assert [("AUC" in line, line.split(" | ")[2]) for line in lines] == [
        (question, title) for question in (True, False) for title in BESIDE
    ]


def test_rows_with_all_folds_are_compared_as_cenet_compare_does(places, found, tmp_path):
    numbers = range(FOLDS)
    for title in ("whole", "weak", "weaker"):
        runs = [places[title][0] / f"fold-{fold}" for fold in numbers]
        _report(tmp_path / title, runs, "region", False, command="")
    comparison = compare([tmp_path / title for title in ("whole", "weak", "weaker")])
    rows = rows_of(found)
    for row in comparison["rows"]:
        if (figure := rows[row["run"]].get(row["metric"])) is not None:
            for key in ("value", "difference", "low", "high"):
                assert figure[key] == pytest.approx(row[key], nan_ok=True)
            p = row["adjusted_p"] if row["metric"] == "auc_within_folds" else row["p"]
            assert figure["p"] == pytest.approx(p, nan_ok=True)
    assert rows["weaker"]["auc_within_folds"]["p"] > 2 / 2**8  # of two questions
    assert [row["beside"] for row in found["rows"]] == [None, "whole", "whole", "weak"]


def test_a_row_with_some_folds_stands_beside_its_reference_on_those_without_a_test(places, found):
    figure, row = rows_of(found)["other"]["dice_per_image"], found["rows"][-1]
    means = {}
    for title in ("other", "weak"):
        scores = []
        for fold in (1, 3):
            text = (places[title][0] / f"fold-{fold}" / "evaluation-test-region" / "images.csv").read_text()
            header, *lines = [line.split(",") for line in text.splitlines()]
            scores += [float(line[header.index(f"dice @ {CUT}")]) for line in lines]
        assert len(scores) == 4
        means[title] = np.mean(scores)
    assert (row["folds"], row["images"], row["groups"]) == ([1, 3], 4, 4)
    assert figure["value"] == pytest.approx(means["other"])
    assert figure["beside"] == pytest.approx(means["weak"])
    assert figure["difference"] == pytest.approx(means["other"] - means["weak"])
    assert all(math.isnan(each["p"]) for each in row["figures"])
    assert "| 2 of 4 |" in format_ablation(found)
    assert found["notes"][-1] == "other: 2 of 4 folds; its figures are those of 4 images, no test."


def test_a_value_has_the_interval_of_its_report_and_a_range_is_called_one(found):
    figures, fewer = rows_of(found)["weak"], rows_of(found)["other"]
    assert figures["auc_within_folds"]["interval"]["how"] == "bootstrap over 8 groups"
    assert figures["dice_per_image"]["interval"]["how"] == "t over 8 groups"
    assert fewer["auc_within_folds"]["interval"]["how"] == "range of 4 groups"
    assert "(range of 4 groups) |" in format_ablation(found)
    low, high = (figures["dice_per_image"]["interval"][end] for end in ("low", "high"))
    assert f"| {low:.4f} to {high:.4f} |" in format_ablation(found)


def test_costs_are_those_of_one_model(found):
    row = found["rows"][1]
    assert (row["parameters"], row["steps"], row["views"], row["device"]) == (1001, 25, "1", "cpu")
    assert row["training_seconds"] == pytest.approx(60 * (1 + 2 + 3 + 4) / 4)
    assert row["settings"]["name"] == "drive"


def test_a_row_whose_reference_is_to_be_done_has_its_own_figures_and_is_done(tmp_path):
    places = write_rows(tmp_path, {"weak": (0, 1), "other": (1,)}, task="folder")
    found = compare_variants(places, BESIDE, folds=2)
    assert [(row["row"], row["beside"], row["folds"]) for row in found["rows"]] == [
        ("weak", None, [0, 1]),  # of all its folds, not only of those that the row beside it has
        ("other", "weak", [1]),
    ]
    assert found["notes"][-1] == "To be done: whole; weaker."
    (figure,) = found["rows"][0]["figures"]
    alone = _report(
        tmp_path / "alone", [tmp_path / "weak" / f"fold-{fold}" for fold in (0, 1)], "region", False, command=""
    )
    expected = alone["classes"]["vessel"]["cuts"][CUT]["per_image"]["dice"]
    assert figure["value"] == pytest.approx(expected["value"])
    assert (figure["interval"]["low"], figure["interval"]["high"]) == (expected["low"], expected["high"])
    line = (
        f"| vessel | Dice, per image | weak | {figure['value']:.4f} | {expected['low']:.4f} to {expected['high']:.4f}"
    )
    assert f"{line} ({expected['how']}) |  |  |  |  |\n" in format_ablation(found)


def test_a_row_of_other_folds_than_its_reference_stands_alone(tmp_path):
    places = write_rows(tmp_path, {"whole": (0,), "weak": (1,)}, task="folder")
    found = compare_variants(places, BESIDE, folds=2)
    assert [(row["row"], row["beside"], row["folds"]) for row in found["rows"]] == [
        ("whole", None, [0]),
        ("weak", None, [1]),
    ]
    assert found["notes"][-1] == "To be done: weaker; other."


def test_one_row_alone_has_its_figures_and_no_difference(tmp_path):
    found = compare_variants(write_rows(tmp_path, {"whole": (0, 1)}), BESIDE, folds=2)
    (figure,) = found["rows"][0]["figures"]
    assert figure["metric"] == "dice_per_image"
    assert 0 < figure["value"] < 1
    assert math.isnan(figure["difference"])
    assert f"| whole | {figure['value']:.4f} |" in format_ablation(found)


def test_every_class_has_its_figures(tmp_path):
    rows = write_rows(tmp_path, {"whole": (0, 1), "weak": (0, 1)}, classes=("disc", "cup"))
    found = compare_variants(rows, BESIDE, folds=2)
    assert [[each["class"] for each in row["figures"]] for row in found["rows"]] == [["disc", "cup"]] * 2


@pytest.mark.parametrize(("images", "words"), [(2, "- No test: it takes 6 groups"), (3, "- p is how often chance")])
def test_it_is_said_whether_there_is_a_test(tmp_path, images, words):
    rows = write_rows(tmp_path, {"whole": (0, 1), "weak": (0, 1)}, images=images)
    assert words in format_ablation(compare_variants(rows, BESIDE, folds=2))


@pytest.mark.parametrize(("steps", "short"), [(150, True), (1975, True), (2000, False)])
def test_a_short_budget_is_called_short(tmp_path, steps, short):
    text = format_ablation(compare_variants(write_rows(tmp_path, {"whole": (0, 1)}, steps=steps), BESIDE, folds=2))
    assert f"Recipe drive: {steps:,} steps a model, each of 4 crops of 448 px." in text
    assert ("The budget is short" in text) == short
