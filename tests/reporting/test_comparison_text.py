"""Comparisons and ablations as text: numbers where they belong, and the notes that a reader must know."""

from math import nan

import pytest

from cenet.evaluation.comparison_report import (
    AblationReport,
    AblationRow,
    AblationScore,
    ComparedData,
    ComparedMetric,
    ComparisonReport,
    ComparisonRow,
    MethodCost,
)
from cenet.evaluation.report import ProtocolInfo
from cenet.evaluation.report_scores import Score
from cenet.reporting.comparison_text import format_ablation, format_comparison

AUC = ComparedMetric(key="auc", average="pooled")
BRIER = ComparedMetric(key="brier", average="pooled")
DATA = ComparedData(name="EYES", task="drive", part="test", images=20, groups=20)
DIFFERENCE = Score(value=0.01, low=0.005, high=0.015, method="bootstrap over 20 groups")


def cost(name, **changes):
    fields = {
        "name": name,
        "seeds": 1,
        "views": (1,),
        "thresholds": (0.4,),
        "parameters": 1e6,
        "multiply_adds_per_image": 2.5e9,
        "seconds_per_image": 0.1,
        "peak_memory_mib": None,
        "training_seconds": 1500.0,
        "devices": ("cpu",),
        "started_from": ("random weights",),
    }
    return MethodCost(**{**fields, **changes})


def comparison(**changes):
    rows = (
        ComparisonRow(class_name="vessel", metric=AUC, run="a", value=0.97),
        ComparisonRow(
            class_name="vessel", metric=AUC, run="b", value=0.98, difference=DIFFERENCE, p=0.002, adjusted_p=0.004
        ),
        ComparisonRow(class_name="vessel", metric=BRIER, run="a", value=0.05, seeds_sd=0.002),
        ComparisonRow(class_name="vessel", metric=BRIER, run="b", value=nan, difference=Score(value=nan)),
    )
    fields = {
        "protocol": ProtocolInfo(name="region", description="inside the region", views=1),
        "data": DATA,
        "primary": AUC,
        "minimum_p": 2e-6,
        "runs": (cost("a"), cost("b")),
        "rows": rows,
    }
    return ComparisonReport(**{**fields, **changes})


def rows_of(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def notes_of(text):
    return [line for line in text.splitlines() if line.startswith("- ")]


def test_every_row_has_value_difference_interval_and_p():
    rows = rows_of(format_comparison(comparison(), "markdown"))
    assert rows[0] == ["class", "metric", "run", "value", "difference", "95 % interval", "p", "p (Holm)"]
    assert rows[2:6] == [
        ["vessel", "AUC, pooled", "a", "0.9700", "reference", "", "", ""],
        ["vessel", "AUC, pooled", "b", "0.9800", "+0.0100", "+0.0050 to +0.0150", "0.002", "0.004"],
        ["vessel", "Brier score, pooled (lower is better)", "a", "0.0500 ± 0.0020", "reference", "", "", ""],
        ["vessel", "Brier score, pooled (lower is better)", "b", "undefined", "undefined", "", "", ""],
    ]


def test_costs_are_a_column_for_each_run():
    text = format_comparison(comparison(runs=(cost("a"), cost("b", thresholds=(0.3, 0.5), views=(1, 8)))), "markdown")
    costs = {row[0]: row[1:] for row in rows_of(text)[6:]}
    assert costs["cost"] == ["a", "b"]
    assert costs["threshold"] == ["0.4", "0.3 to 0.5"]
    assert costs["views"] == ["1", "1 or 8"]
    assert costs["parameters"] == ["1,000,000"] * 2
    assert costs["peak memory"] == ["", ""]
    assert costs["training"] == ["1,500 s"] * 2
    assert "largest probability" in format_comparison(comparison(runs=(cost("a", thresholds=()),)))


def test_the_notes_name_reference_primary_metric_and_test():
    notes = notes_of(format_comparison(comparison()))
    assert "a, the reference" in notes[0]
    assert "bootstrap over 20 groups" in notes[0]
    assert "AUC, pooled" in notes[1]
    assert "for 1 comparison;" in notes[2]
    assert "have no p" in notes[3]
    assert len(notes) == 5  # with the warning of few groups


def test_that_pooled_ranks_have_no_test_is_noted_only_where_there_are_any():
    rows = [row for row in comparison().rows if row.metric == BRIER]
    assert "have no p" not in format_comparison(comparison(rows=tuple(rows), primary=BRIER))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": DATA.model_copy(update={"groups": 5})}, "No test: with 5 groups"),
        ({"data": DATA.model_copy(update={"groups": 5})}, "there is no interval"),
        ({"data": DATA.model_copy(update={"training_images": 3})}, "3 of these 20 images"),
        ({"data": DATA.model_copy(update={"part": "out-of-fold"})}, "Approximate: "),
        ({"same_folds": False}, "dealt into different folds"),
        ({"runs": (cost("a", seeds=3), cost("b"))}, "Seeds of one run are averaged"),
        ({"runs": (cost("a"), cost("b", views=(8,)))}, "different numbers of views"),
    ],
)
def test_what_weakens_a_comparison_is_noted_only_where_it_is_so(changes, words):
    assert words in " ".join(notes_of(format_comparison(comparison(**changes))))
    assert words not in format_comparison(comparison())


def test_a_primary_metric_that_is_defined_in_few_groups_is_noted_with_their_number():
    few = Score(value=0.01, low=0.0, high=0.02, method="range of 5 groups", interval_kind="range")
    first, second, *others = comparison().rows
    second = second.model_copy(update={"difference": few, "p": nan, "adjusted_p": nan, "groups": 5})
    others[1] = others[1].model_copy(update={"difference": DIFFERENCE, "groups": 20})
    text = format_comparison(comparison(rows=(first, second, *others), minimum_p=2 / 2**5), "markdown")
    rows = rows_of(text)
    assert rows[0][5] == "95 % interval or range"
    assert rows[3][5] == "+0.0000 to +0.0200 (range of 5 groups)"
    assert rows[5][5] == "+0.0050 to +0.0150"
    notes = " ".join(notes_of(text))
    assert "No test of the primary metric: where it is defined, with 5 groups the smallest possible p is 0.062" in notes
    assert "there is no interval, only the smallest" in notes
    assert "Intervals: bootstrap over 20 groups." in notes


def test_of_many_groups_there_is_no_warning():
    assert "Warning" not in format_comparison(comparison(data=DATA.model_copy(update={"groups": 50})))


# --- ablation ---------------------------------------------------------------------------------------------


def ablation(**changes):
    settings = {"name": "drive", "seed": 0, "crop_px": 448, "batch_size": 4}
    shared = {"data": DATA, "primary": AUC, "settings": settings, "steps": 150}
    dice = ComparedMetric(key="dice", average="per_image")
    whole = Score(value=0.97, low=0.96, high=0.98, method="range of 4 folds", interval_kind="range")
    rows = (
        AblationRow(
            variant="CE-Net",
            folds=(0, 1, 2, 3),
            scores=(
                AblationScore(class_name="vessel", metric=dice, score=Score(value=0.8), reference_value=0.8),
                AblationScore(class_name="vessel", metric=AUC, score=whole, reference_value=0.97),
            ),
            cost=cost("CE-Net"),
            **shared,
        ),
        AblationRow(
            variant="U-Net",
            reference="CE-Net",
            folds=(0,),
            scores=(
                AblationScore(
                    class_name="vessel",
                    metric=AUC,
                    score=Score(value=0.98),
                    reference_value=0.97,
                    difference=DIFFERENCE,
                    p=0.03,
                ),
            ),
            cost=cost("U-Net"),
            **shared,
        ),
    )
    return AblationReport(**{"protocol": "region", "folds": 4, "rows": rows, **changes})


def test_the_primary_metric_stands_first_and_each_variant_beside_its_reference():
    text = format_ablation(ablation(), "markdown")
    assert text.index("**vessel, AUC, pooled**") < text.index("**vessel, Dice, mean of images**")
    rows = rows_of(text)
    assert rows[2] == ["CE-Net", "0.9700", "0.9600 to 0.9800 (range of 4 folds)", "", "", "", "", ""]
    assert rows[3] == ["U-Net", "0.9800", "", "CE-Net", "0.9700", "+0.0100", "+0.0050 to +0.0150", "0.03"]
    assert ["U-Net", "1 of 4", "1,000,000", "150", "1,500 s", "1", "0.1", "random weights"] in rows


def test_the_notes_state_design_missing_folds_and_missing_variants():
    notes = " ".join(notes_of(format_ablation(ablation(missing=("backbone",)))))
    for words in (
        "EYES: 20 images in 20 groups, dealt into 4 folds with seed 0",
        "Recipe drive: 150 steps a model, each of 4 crops of 448 px.",
        "The training is short",
        "U-Net: 1 of 4 folds",
        "Not trained yet: backbone.",
    ):
        assert words in notes


def test_an_ablation_of_which_nothing_is_trained_says_so():
    assert format_ablation(ablation(rows=(), missing=("CE-Net", "U-Net"))) == "- Not trained yet: CE-Net; U-Net."
