"""An evaluation as text, read as its readers do."""

import math

import pytest
from drawn_reports import run_info, write_evaluation

from cenet.evaluation.report_scores import Score, TaskMetricScores
from cenet.metrics import Counts
from cenet.reporting.evaluation_text import (
    format_evaluation,
    image_means,
    list_warnings,
    primary_means,
    source_means,
    summarise_evaluation,
)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_evaluation(tmp_path_factory.mktemp("text") / "scores", images=9, size_px=64, cases=False).report


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    return write_evaluation(tmp_path_factory.mktemp("text") / "s", images=9, size_px=64, cases=False, folds=3).report


def with_data(report, **changes):
    return report.model_copy(update={"data": report.data.model_copy(update=changes)})


def with_per_image(report, **scores):
    """The report with other means over images at the first threshold, of each class."""
    classes = []
    for of_class in report.classes:
        first = of_class.thresholds[0]
        first = first.model_copy(update={"per_image": {**first.per_image, **scores}})
        classes.append(of_class.model_copy(update={"thresholds": (first, *of_class.thresholds[1:])}))
    return report.model_copy(update={"classes": tuple(classes)})


DICE = Score(value=0.797, low=0.779, high=0.815, method="t over 9 groups")
IOU = Score(value=0.664)
FEW = DICE.model_copy(update={"method": "range of 5 groups", "interval_kind": "range"})


def test_the_result_is_one_sentence(report):
    sentence = summarise_evaluation(with_per_image(report, dice=DICE, iou=IOU))
    assert sentence == "Dice of vessel: 0.797 (95 % interval 0.779 to 0.815) as mean of 9 test images. IoU 0.664."


def test_the_sentence_names_the_metric_that_the_task_is_judged_by(report):
    vessels = with_data(with_per_image(report, dice=DICE, iou=IOU), task="vessels")
    auc = report.classes[0].per_image["auc"]
    assert summarise_evaluation(vessels).startswith(f"AUC of vessel: {auc.value:.3f} (95 % interval {auc.low:.3f} to")
    assert summarise_evaluation(vessels).endswith("Dice 0.797, IoU 0.664.")
    boundary = TaskMetricScores(metric="boundary_error", per_image=Score(value=6.2, low=3.6, high=8.8))
    layers = with_data(report, task="oct").model_copy(update={"task_metrics": (boundary,)})
    assert summarise_evaluation(layers).startswith("Boundary error: 6.200 px (95 % interval 3.600 to 8.800) as mean")


def test_of_few_groups_the_sentence_has_their_range_and_of_one_nothing(report):
    scored = with_per_image(report, dice=FEW, iou=IOU)
    assert "0.797 (range of 5 groups 0.779 to 0.815)" in summarise_evaluation(with_data(scored, groups=5))
    single = with_data(scored, groups=1, images=report.data.images[:1])
    assert summarise_evaluation(single) == "Dice of vessel: 0.797 as mean of 1 test image. IoU 0.664."


def test_a_metric_that_few_images_have_is_said_to_be_of_these_with_their_range(report):
    scored = with_per_image(report, dice=FEW.model_copy(update={"undefined": 4}), iou=IOU)
    sentence = summarise_evaluation(scored)
    assert sentence.startswith("Dice of vessel: 0.797 (range of 5 groups 0.779 to 0.815) as mean of 5 test images.")
    assert sentence.endswith("IoU 0.664 as mean of 9 test images.")
    assert any("Dice vessel is undefined for 4 of these images" in warning for warning in list_warnings(scored))
    assert not any("is undefined" in warning for warning in list_warnings(report))
    text = format_evaluation(scored, "markdown")
    assert "| 95 % interval or range |" in text.replace("   ", " ").replace("  ", " ")
    assert "0.7790 to 0.8150 (range)" in text


def test_several_classes_are_named_and_the_rest_counted(report):
    (vessel,) = with_per_image(report, dice=DICE).classes
    classes = tuple(vessel.model_copy(update={"name": name}) for name in "abcde")
    sentence = summarise_evaluation(report.model_copy(update={"classes": classes}))
    assert sentence.startswith("Dice of a: 0.797 (95 % interval 0.779 to 0.815), of b: 0.797")
    assert ", and 2 more classes as mean of 9 test images." in sentence


def test_in_a_cross_validation_no_image_is_said_to_be_of_the_test_part(folds):
    assert "as mean of 9 images, each predicted by a network that was not trained on it" in summarise_evaluation(folds)


def test_an_undefined_metric_is_called_so(report):
    assert "Dice of vessel: undefined as mean" in summarise_evaluation(
        with_per_image(report, dice=Score(value=math.nan))
    )


def test_a_task_without_its_metric_is_judged_by_dice(report):
    assert [mean.metric for mean in primary_means(with_data(report, task="oct"))] == ["dice"]
    assert image_means(report, "v_rand") == []


def test_the_text_begins_with_the_sentence_and_what_was_scored(report):
    lines = format_evaluation(report).splitlines()
    assert lines[0] == summarise_evaluation(report)
    assert "- run eyes, started from bundled: resnet34-preact-imagenet.safetensors" in lines
    assert "- data eyes, part test: 9 images in 9 groups" in lines
    assert "- protocol region: original resolution, only pixels inside the region; 1 view" in lines
    assert "- recipe values that the paper's record does not confirm: weight_decay, loss" in lines
    several = report.model_copy(update={"runs": tuple(run_info(f"fold-{n}", "..") for n in range(5))})
    assert "- 5 runs such as fold-0, started from" in format_evaluation(several)


def cells(text, title):
    """The rows of the Markdown table under a title, its header first."""
    lines = text[text.index(f"**{title}**") :].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return [rows[0], *rows[2:]]


def expected_row(label, over, score):
    sd = f"{score.sd:.4f}" if math.isfinite(score.sd) else ""
    return [label, over, f"{score.value:.4f}", sd, f"{score.low:.4f} to {score.high:.4f}", score.method]


def test_every_threshold_has_its_table_with_the_means_of_images_first(report):
    text = format_evaluation(report, "markdown")
    for threshold in report.classes[0].thresholds:
        header, *rows = cells(text, f"vessel, {threshold.name}")
        assert header == ["metric", "over", "value", "sd", "95 % interval", "how"]
        assert rows[:4] == [
            expected_row("Dice", "images", threshold.per_image["dice"]),
            expected_row("Dice", "all pixels", threshold.pooled["dice"]),
            expected_row("IoU", "images", threshold.per_image["iou"]),
            expected_row("IoU", "all pixels", threshold.pooled["iou"]),
        ]
        assert len(rows) == 2 * len(threshold.per_image)
    header, *rows = cells(text, "vessel, probabilities")
    assert rows[0] == expected_row("AUC", "images", report.classes[0].per_image["auc"])
    assert len(rows) == 1 + len(report.classes[0].pooled)


def test_a_terminal_shows_the_first_threshold_only_and_names_a_metric_once(report):
    text = format_evaluation(report)
    assert "vessel, validation threshold" in text
    assert "vessel, threshold 0.5" not in text
    assert sum(line.startswith("Dice") for line in text.splitlines()) == 2  # the sentence and one row
    assert max(len(line) for line in text.splitlines()) <= 120


def test_means_of_folds_stand_between_images_and_pixels(folds):
    text = format_evaluation(folds, "markdown")
    assert [row[1] for row in cells(text, "vessel, validation threshold")[1:4]] == ["images", "folds", "all pixels"]
    assert [row[1] for row in cells(text, "vessel, threshold 0.5")[1:3]] == ["images", "all pixels"]
    scores = folds.classes[0].folds
    assert expected_row("AUC", "folds", scores["auc"]) in cells(text, "vessel, probabilities")


def test_what_a_task_measures_has_its_table_with_units(report):
    hd95 = TaskMetricScores(
        metric="hd95",
        part="disc",
        per_image=Score(value=12.5, low=9, high=16, sd=3, method="t over 9 groups", undefined=1),
    )
    maximum = TaskMetricScores(metric="v_rand_challenge", pooled=Score(value=0.9, threshold=0.12))
    text = format_evaluation(report.model_copy(update={"task_metrics": (hd95, maximum)}), "markdown")
    _, *rows = cells(text, "metrics of the task folder")
    assert rows == [
        [
            "HD95 disc [px] (lower is better)", "images", "12.50", "3.00", "9.00 to 16.00",
            "t over 9 groups, undefined for 1",
        ],
        [
            "V_Rand of the challenge (best of 0, 0.1, ... 1)", "all images together", "0.9000", "", "",
            "at threshold 0.12",
        ],
    ]  # fmt: skip


@pytest.mark.parametrize(("groups", "count"), [(1, 1), (7, 1), (8, 1), (49, 1), (50, 0)])
def test_few_groups_are_a_warning(report, groups, count):
    warnings = list_warnings(with_data(report, groups=groups))
    assert len(warnings) == count
    assert all(warning in format_evaluation(with_data(report, groups=groups)) for warning in warnings)


def test_images_that_were_trained_on_are_a_warning(report):
    parts = ["train"] * 3 + ["validation", "test"] + [None] * 4
    images = tuple(
        image.model_copy(update={"part": part}) for image, part in zip(report.data.images, parts, strict=True)
    )
    first, *_ = list_warnings(with_data(report, images=images, part="all"))
    assert first == "Warning: 4 of these 9 images were trained or validated on; this is no test."


@pytest.mark.parametrize(
    ("counts", "warning"),
    [
        ((30, 70, 0, 0), "Warning: all 9 masks of vessel are full: the network has not learnt this class yet."),
        ((0, 0, 30, 70), "Warning: all 9 masks of vessel are empty: the network has not learnt this class yet."),
        ((100, 0, 0, 0), None),
        ((0, 0, 0, 100), None),
        ((0, 1, 30, 69), None),
        ((30, 69, 0, 1), None),
        ((29, 70, 1, 0), None),
    ],
)
def test_a_class_that_is_found_everywhere_or_nowhere_is_a_warning(report, counts, warning):
    first, *others = report.classes[0].thresholds
    thresholds = (first.model_copy(update={"counts": Counts(*counts)}), *others)
    of_class = report.classes[0].model_copy(update={"thresholds": thresholds})
    warnings = list_warnings(report.model_copy(update={"classes": (of_class,)}))
    assert [text for text in warnings if "learnt" in text] == ([warning] if warning else [])


def test_the_notes_of_a_report_stand_among_its_warnings(report):
    note = "The recipe was chosen on these folds."
    assert f"Note: {note}" in list_warnings(report.model_copy(update={"notes": (note,)}))


def test_data_sets_that_were_read_together_are_also_scored_apart(report):
    assert source_means(report, "dice") == []
    images = [
        image.model_copy(update={"source": "left" if k < 4 else "right"}) for k, image in enumerate(report.data.images)
    ]
    mixed = with_data(report, images=tuple(images))
    left, right = (mean.score.value for _, mean in source_means(mixed, "dice"))
    assert 4 * left + 5 * right == pytest.approx(9 * report.classes[0].thresholds[0].per_image["dice"].value)
    aucs = {source: mean.score.value for source, mean in source_means(mixed, "auc")}
    assert aucs["left"] == pytest.approx(sum(image.auc for image in report.classes[0].images[:4]) / 4)
    assert "right" in format_evaluation(mixed)
