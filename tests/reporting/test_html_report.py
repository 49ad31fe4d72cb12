import math
import re
import shutil
from html.parser import HTMLParser

import pytest
from drawn_reports import COST, PROTOCOL, run_info, write_evaluation, write_run

from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError
from cenet.evaluation.report import EvaluationReport, Score, TaskMetricScores
from cenet.inference.run import Run
from cenet.phantoms import write_phantoms
from cenet.reporting.html_report import capitalise, format_duration, format_score, format_value, report

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """A page taken apart; every element that is opened must be closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(html)
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if not {"script", "style"} & set(self.open):
            self.words.append(text)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(paths, output, **options):
    paths = paths if isinstance(paths, list) else [paths]
    assert report(paths, output=output, **options) == output
    return output.read_text(encoding="utf-8")


def resave(folder, target, **changes):
    """Copy an evaluation and change fields of its report."""
    shutil.copytree(folder, target, dirs_exist_ok=True)
    EvaluationReport.load(folder).model_copy(update=changes).save(OutputFolder(target, verb="evaluate"))
    return target


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "eyes"
    write_phantoms(folder, task="vessels", count=5, seed=3, size_px=64)
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory, data):
    """Evaluations whose run is not there: of one class, of four folds, of two classes."""
    folder = tmp_path_factory.mktemp("kept")
    write_evaluation(folder / "one", data=data)
    write_evaluation(folder / "four", data=data, folds=4)
    write_evaluation(folder / "two", data=data, classes=("disc", "cup"))
    return folder


@pytest.fixture(scope="module")
def pages(kept, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return {name: page_of(kept / name, folder / f"{name}.html") for name in ("one", "four", "two")}


# What the page shows ----------------------------------------------------------------------------------------


def test_a_page_has_every_section(data, blank_plots, tmp_path):
    run = write_run(tmp_path / "eyes-run", data)
    write_evaluation(run.path / "evaluation-test-region", data=data)
    page = Page(page_of(run.path, tmp_path / "page.html"))
    ids = {attributes.get("id") for _, attributes in page.elements}
    for section in ("scores", "curves", "learning", "cases", "data", "configuration", "repeat"):
        assert f"report-1-{section}" in ids
    assert {attributes["href"][1:] for attributes in page.all("a")} <= ids
    for words in (
        "For research; not a medical device, and not for diagnosis.",
        "cenet evaluate runs/eyes --split test",
        "Test part scored 2 times",
        "scale 0.82, bias -0.11",
        "0 -> background, 255 -> vessel",
        "64 x 64 (5 images)",
        "Groups in train 3",
        "11 min 0 s",
    ):
        assert words in page.text


@pytest.mark.parametrize(("task", "first"), [("folder", "Dice"), ("vessels", "AUC"), ("lung", "Overlap error")])
def test_the_page_opens_with_the_mean_over_images_of_the_metric_that_the_task_is_judged_by(
    kept, blank_plots, tmp_path, task, first
):
    report = EvaluationReport.load(kept / "one")
    folder = resave(kept / "one", tmp_path / "copy", data=report.data.model_copy(update={"task": task}))
    text = Page(page_of(folder, tmp_path / "page.html")).text
    of_class = report.classes[0]
    scores = {**of_class.per_image, **of_class.thresholds[0].per_image}
    score = scores[first.lower().replace(" ", "_")]
    assert f"{first} of vessel: {score.value:.3f} (range of 5 groups {score.low:.3f} to {score.high:.3f})" in text
    tile = text.index(f"Repeat it {first} {score.value:.4f} {score.low:.4f} to {score.high:.4f}")
    dice, iou = scores["dice"], scores["iou"]
    side_by_side = f"Dice {dice.value:.4f} {dice.low:.4f} to {dice.high:.4f} (range) IoU {iou.value:.4f}"
    assert tile <= text.index(side_by_side) < text.index("All pixels together")


def test_a_metric_of_the_image_as_a_whole_comes_before_the_classes(kept, blank_plots, tmp_path):
    few = Score(value=1.25, low=1, high=2, method="range of 5 groups", interval_kind="range")
    metrics = (
        TaskMetricScores(metric="thickness_error", per_image=Score(value=2.5), values=(2.5,) * 5),
        TaskMetricScores(metric="boundary_error", per_image=few, values=(1.25,) * 5),
        TaskMetricScores(metric="boundary_error", part="1", per_image=Score(value=7.5), values=(7.5,) * 5),
    )
    data = EvaluationReport.load(kept / "one").data.model_copy(update={"task": "oct"})
    folder = resave(kept / "one", tmp_path / "copy", data=data, task_metrics=metrics)
    text = Page(page_of(folder, tmp_path / "page.html")).text
    assert "Boundary error: 1.250 px (range of 5 groups 1.000 to 2.000) as mean of 5 test images" in text
    tiles = text[text.index("Repeat it") : text.index("Means of the images")]
    assert "Boundary error [px] 1.25 1.00 to 2.00 (range) Thickness error [px] 2.50 vessel Dice" in tiles
    assert "7.50" not in tiles  # of one boundary: in the table only
    assert "Boundary error 1 [px] (lower is better) 7.50" in text


def test_the_scores_are_those_of_the_report_with_interval_and_method(pages, kept):
    text = Page(pages["one"]).text
    scores = EvaluationReport.load(kept / "one").classes[0]
    for score in (scores.pooled["brier"], scores.thresholds[1].pooled["dice"]):
        assert f"{score.value:.4f} {score.low:.4f} to {score.high:.4f}" in text
    spread = scores.thresholds[0].per_image["dice"]
    assert f"{spread.value:.4f} ± {spread.sd:.4f}" in text
    assert f"{scores.before_calibration['brier']:.4f}" in text
    assert f"All pixels together {scores.pooled['brier'].method}" in text


def test_folds_have_their_column_lines_and_strips(pages):
    page = Page(pages["four"])
    assert "Mean of the folds" in page.text
    assert "a thin line is one of the folds" in page.text
    assert [page.words.count(f"fold {n}") for n in range(4)] == [2] * 4  # strips of Dice and of AUC
    assert [page.words.count(f"fold-{n}") for n in range(4)] == [3] * 4  # two legends and the table of runs
    assert "seed 0 / 1 / 2 / 3" in page.text
    assert page.text.count("cross-entropy") == 1  # what the folds share is there once
    assert "Mean of the folds" not in Page(pages["one"]).text


@pytest.mark.parametrize(
    ("protocol", "pixels"),
    [("region", "inside the region, if any"), ("frame", "whole frame"), ("authors", "whole frame")],
)
def test_a_share_is_shown_with_the_pixels_that_it_is_of(kept, blank_plots, tmp_path, protocol, pixels):
    folder = resave(kept / "one", tmp_path / "copy", protocol=PROTOCOL.model_copy(update={"name": protocol}))
    text = Page(page_of(folder, tmp_path / "page.html")).text
    share = EvaluationReport.load(folder).classes[0].share
    assert f"Share of vessel, scored ({pixels}) {100 * share:.2f} %" in text
    assert "Share of vessel, trained on (whole frame) 11.00 %" in text


def test_images_that_were_trained_on_make_no_test(data, blank_plots, tmp_path):
    write_evaluation(tmp_path / "seen", data=data, part="train")
    page = Page(page_of(tmp_path / "seen", tmp_path / "page.html"))
    assert "5 of these 5 images were trained or validated on; this is no test." in page.text


def test_every_class_has_its_scores_and_curves(pages):
    page = Page(pages["two"])
    names = [attributes["aria-label"] for attributes in page.all("svg")]
    for name in ("disc", "cup"):
        assert sum(f", {name}: " in label for label in names) == 6
        assert f"Share of {name}, scored (inside the region, if any)" in page.text
    assert len(names) == len(set(names)) == 6 * 2 + 2


def test_values_that_the_paper_does_not_confirm_are_marked(pages):
    page = Page(pages["one"])
    assert "weight decay unverified 0.0001" in page.text
    assert "learning rate unverified" not in page.text


def test_several_paths_make_one_page_with_a_summary(kept, blank_plots, tmp_path):
    page = Page(page_of([kept / name for name in ("one", "four", "two")], tmp_path / "page.html"))
    assert "3 evaluations" in page.text
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert {"report-1", "report-2", "report-3"} <= set(ids)
    summary = page.text[: page.text.index("part: ")]
    for name in ("eyes", "four", "vessel", "disc", "cup", "out-of-fold"):
        assert name in summary
    for name in ("one", "four"):
        score = EvaluationReport.load(kept / name).classes[0].thresholds[0].per_image["iou"]
        assert f"{score.value:.4f} {score.low:.4f} to {score.high:.4f}" in summary


def test_where_classes_are_judged_they_come_before_the_image_as_a_whole(kept, blank_plots, tmp_path):
    metrics = (TaskMetricScores(metric="cup_to_disc_error", per_image=Score(value=0.125), values=(0.125,) * 5),)
    data = EvaluationReport.load(kept / "two").data.model_copy(update={"task": "disc"})
    folder = resave(kept / "two", tmp_path / "copy", data=data, task_metrics=metrics)
    text = Page(page_of([folder, kept / "one"], tmp_path / "page.html")).text
    tiles = text[text.index("Repeat it") : text.index("Means of the images, those")]
    assert tiles.index("disc Overlap error") < tiles.index("Image as a whole Cup-to-disc ratio error 0.1250")
    summary = text[: text.index("part: ")]
    assert summary.count("Overlap error 0.") == 2  # of each class


# Cases ------------------------------------------------------------------------------------------------------


def test_a_case_has_layers_boxes_and_words_for_those_who_do_not_see_it(pages):
    page = Page(pages["one"])
    images = page.all("img")
    assert [image["class"] for image in images] == ["image", "truth", "prediction", "comparison"] * 3
    assert all(image["src"].startswith("data:image/") and "fundus-" in image["alt"] for image in images)
    assert [("hidden" in image) for image in images[:4]] == [False, True, True, False]
    boxes = page.all("input")
    assert [box["data-layer"] for box in boxes[:4]] == ["image", "truth", "prediction", "comparison"]
    assert [("checked" in box) for box in boxes[:4]] == [True, False, False, True]
    assert all(name in page.text for name in ("Worst: ", "Median: ", "Best: "))


def test_without_kept_images_there_are_names_and_scores(kept, blank_plots, tmp_path):
    folder = shutil.copytree(kept / "one", tmp_path / "one")
    shutil.rmtree(folder / "cases")
    page = Page(page_of(folder, tmp_path / "page.html"))
    assert page.text.count("The evaluation did not keep this image") == 3
    assert page.all("img") == []
    assert "Worst: fundus-" in page.text


def test_no_cases_may_be_asked_for(kept, blank_plots, tmp_path):
    assert Page(page_of(kept / "one", tmp_path / "page.html", cases=0)).all("img") == []


def test_a_page_needs_neither_the_run_nor_its_images(cenet, run_copy, blank_plots, tmp_path):
    assert cenet("evaluate", run_copy, "--device", "cpu", "--output", tmp_path / "scores") == 0
    Run(run_copy).update(data=str(tmp_path / "moved-away"))
    for weights in run_copy.rglob("*.safetensors"):
        weights.write_bytes(b"")
    page = Page(page_of(tmp_path / "scores", tmp_path / "page.html"))
    assert len(page.all("img")) == 4 * 2  # two images were held out


# Nothing but itself, and nothing of a person ----------------------------------------------------------------


@pytest.mark.parametrize("which", ["one", "four", "two"])
def test_a_page_needs_no_network_and_prints_no_nan(pages, which):
    html = pages[which]
    assert re.findall(r"https?:|//[a-z]+\.|@import|url\((?!#)", html) == []
    page = Page(html)
    for attributes in (attributes for _, attributes in page.elements):
        for name in ("src", "href", "xlink:href", "data", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert not re.search(r"\b(nan|NaN|inf|None|null|undefined)\b", page.text)
    assert [attributes for attributes in page.all("script") if "src" in attributes] == []


def test_what_was_not_calibrated_says_why_and_has_no_column_for_it(data, blank_plots, tmp_path, pages):
    reason = "not calibrated: too few images (2) to try it on"
    runs = [run_info("eyes", "..", epochs=1, epoch=0, calibration=(), calibration_reason=reason)]
    write_evaluation(tmp_path / "scores", data=data, runs=runs)
    text = Page(page_of(tmp_path / "scores", tmp_path / "page.html")).text
    assert f"Probabilities are {reason}." in text
    assert "Before calibration" not in text
    assert "Epoch whose weights were kept 1 of 1" in text
    calibrated = Page(pages["one"]).text
    assert "Probabilities are calibrated." in calibrated
    assert "Before calibration" in calibrated
    assert "Epoch whose weights were kept 10 of 12" in calibrated


def test_what_is_undefined_is_a_dash(data, blank_plots, tmp_path):
    runs = [run_info("imported", "..", epochs=0, epoch=None, validation_dice=None, thresholds=(), calibration=())]
    runs[0] = runs[0].model_copy(
        update={"split": None, "steps": None, "environment": None, "labels": None, "class_share": {}}
    )
    report = write_evaluation(tmp_path / "scores", data=data, runs=runs).report
    images = tuple(image.model_copy(update={"auc": math.nan}) for image in report.classes[0].images)
    undefined = {"auc": Score(value=math.nan, undefined=5)}
    of_class = report.classes[0].model_copy(update={"pooled": undefined, "per_image": undefined, "images": images})
    cost = COST.model_copy(update={"training_seconds": None, "peak_memory_mib": None})
    folder = resave(tmp_path / "scores", tmp_path / "copy", classes=(of_class,), cost=cost)
    page = Page(page_of(folder, tmp_path / "page.html"))
    assert "AUC \N{EN DASH} undefined for 5" in page.text
    assert "Training time \N{EN DASH}" in page.text
    assert "No epoch was recorded" in page.text
    assert not re.search(r"\b(nan|NaN|None)\b", page.text)


def test_names_are_shown_and_never_run(data, tmp_path):
    evil = ["<script>alert(1)", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "$x_1$", "a&b"]
    write_evaluation(tmp_path / "scores", data=data, names=evil, classes=("<b>vessel</b>",), cases=False)
    folder = resave(
        tmp_path / "scores", tmp_path / "copy", commands=("cenet train '<script>'",), environment={"<i>": "</style>"}
    )
    page = Page(page_of(folder, tmp_path / "page.html"))
    assert len(page.all("script")) == 1
    assert page.all("b") != []
    assert not any("onerror" in attributes for _, attributes in page.elements)
    for name in (*evil, "<b>vessel</b>", "cenet train '<script>'"):
        assert name in page.text


def test_the_place_of_the_run_is_not_on_the_page(cenet, run_copy, blank_plots, tmp_path):
    assert cenet("evaluate", run_copy, "--device", "cpu") == 0
    html = page_of(run_copy, tmp_path / "page.html")
    assert str(tmp_path) not in html
    assert str(run_copy.parent) not in html


# Where the scores are ---------------------------------------------------------------------------------------


def test_a_run_that_was_not_scored_so_is_refused_with_the_command(run_copy, tmp_path):
    with pytest.raises(CenetError) as refusal:
        report([run_copy], output=tmp_path / "page.html", protocol="frame", part="validation", tta=True)
    assert refusal.value.subject == str(run_copy)
    assert f"cenet evaluate {run_copy} --split validation --protocol frame --tta" in refusal.value.remedy


def test_several_seeds_of_a_run_are_a_section_each(kept, blank_plots, tmp_path):
    for seed in (0, 1):
        shutil.copytree(kept / "one", tmp_path / "seeds" / f"seed-{seed}" / "evaluation-test-region")
    assert "2 evaluations" in Page(page_of(tmp_path / "seeds", tmp_path / "page.html")).text


@pytest.mark.parametrize("file", ["report.json", "histograms.npz"])
def test_a_corrupted_evaluation_is_refused(kept, tmp_path, file):
    folder = shutil.copytree(kept / "one", tmp_path / "copy")
    (folder / file).write_bytes(b"{")
    with pytest.raises(CenetError) as refusal:
        report([folder], output=tmp_path / "page.html")
    assert refusal.value.subject == str(folder / file)


def test_another_format_is_refused(kept, tmp_path):
    with pytest.raises(CenetError) as refusal:
        report([kept / "one"], output=tmp_path / "page.pdf")
    assert refusal.value.subject == str(tmp_path / "page.pdf")


def test_a_page_is_written_whole_into_a_new_folder(kept, blank_plots, tmp_path):
    page_of(kept / "one", tmp_path / "new" / "page.html")
    assert [path.name for path in (tmp_path / "new").glob("[!.]*")] == ["page.html"]


def test_the_same_scores_make_the_same_page(pages, kept, tmp_path):
    assert page_of(kept / "one", tmp_path / "again.html") == pages["one"]


# Numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.12345, "0.1235"), (1234567, "1,234,567"), (None, "\N{EN DASH}"), (float("inf"), "\N{EN DASH}"), (0, "0")],
)
def test_a_number_is_short(value, text):
    assert format_value(value) == text


def test_a_metric_has_the_decimals_of_its_size():
    assert [format_score(value) for value in (0.5, 12.345, math.nan)] == ["0.5000", "12.35", "\N{EN DASH}"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0004, "0.0004 s"),
        (59.4, "59 s"),
        (59.9, "1 min 0 s"),
        (60, "1 min 0 s"),
        (3599.9, "1 h 0 min"),
        (7260, "2 h 1 min"),
    ],
)
def test_a_duration_is_as_a_person_says_it(seconds, text):
    assert format_duration(seconds) == text


def test_only_the_first_letter_becomes_a_capital():
    assert capitalise("mean AUC") == "Mean AUC"
