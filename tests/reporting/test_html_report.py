import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from drawn_reports import Clairvoyant, run_entry, write_evaluation, write_run

from cenet.errors import CenetError
from cenet.inference.device import DeviceConfig
from cenet.inference.run import Run
from cenet.phantoms import write_phantoms
from cenet.reporting.html_report import duration, number, write_html_report

HOME = "/" + "home"  # of nobody here

CPU = DeviceConfig("cpu", "32-true", 0)
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
        return [attributes for each, attributes in self.elements if each == tag]


def page_of(paths, output, **options):
    paths = paths if isinstance(paths, list) else [paths]
    assert write_html_report(paths, output=output, machine=CPU, **options) == output
    return output.read_text(encoding="utf-8")


def change(folder, **changes):
    """Change what a report.json says."""
    path = folder / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "eyes"
    write_phantoms(folder, task="vessels", count=5, seed=3, size_px=64)
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory, data):
    """Evaluations whose run is not there: of one class, of four folds, of three classes."""
    folder = tmp_path_factory.mktemp("kept")
    write_evaluation(folder / "one", data=data)
    write_evaluation(folder / "four", data=data, folds=4)
    write_evaluation(folder / "three", data=data, classes=("disc", "cup", "rim"))
    return folder


@pytest.fixture(scope="module")
def pages(kept, tmp_path_factory):
    """Their pages."""
    folder = tmp_path_factory.mktemp("pages")
    return {name: page_of(kept / name, folder / f"{name}.html") for name in ("one", "four", "three")}


@pytest.fixture
def scored(data, tmp_path, monkeypatch):
    """A run with its scores, whose predictor only pretends."""
    known = Clairvoyant(data)
    monkeypatch.setattr(Run, "predictor", lambda self, **options: known)
    run = write_run(tmp_path / "eyes-run", data)
    write_evaluation(run.path / "evaluation-test-region", data=data)
    return run.path


# What the page shows ----------------------------------------------------------------------------------------


def test_a_page_has_every_section(scored, tmp_path):
    page = Page(page_of(scored, tmp_path / "page.html"))
    ids = {attributes.get("id") for _, attributes in page.elements}
    for section in ("scores", "curves", "learning", "cases", "data", "configuration", "repeat"):
        assert f"report-1-{section}" in ids
    links = [attributes["href"][1:] for attributes in page.all("a")]
    assert set(links) <= ids
    assert "For research; not a medical device, and not for diagnosis." in page.text
    assert "cenet evaluate runs/eyes --split test" in page.text
    assert "Test part scored 2 times" in page.text
    assert "scale 0.82, bias -0.11" in page.text
    assert "0 -> background, 255 -> vessel" in page.text
    assert "64 x 64 (5 images)" in page.text
    assert "Groups in train 3" in page.text
    assert "11 min 0 s" in page.text


def test_the_scores_are_those_of_the_report_with_interval_and_how(pages, kept):
    text = Page(pages["one"]).text
    scores = json.loads((kept / "one" / "report.json").read_text())["classes"]["vessel"]
    for score in (scores["pooled"]["auc"], scores["cuts"]["threshold 0.5"]["pooled"]["dice"]):
        assert f"{score['value']:.4f} {score['low']:.4f} to {score['high']:.4f}" in text
    spread = scores["cuts"]["validation threshold 0.4"]["per_image"]["dice"]
    assert f"{spread['value']:.4f} ± {spread['sd']:.4f}" in text
    assert f"{scores['before_calibration']['brier']:.4f}" in text
    assert f"All pixels together {scores['pooled']['auc']['how']}" in text
    assert "range of 5 groups" in text


def test_folds_have_their_column_lines_and_strips(pages):
    page = Page(pages["four"])
    assert "Mean of the folds range of 5 groups" in page.text
    assert "a thin line is one of the folds" in page.text
    assert [page.words.count(f"fold {n}") for n in range(4)] == [2] * 4  # strips of Dice and of AUC
    assert [page.words.count(f"fold-{n}") for n in range(4)] == [3] * 4  # two legends and the table of runs
    assert "seed 0 / 1 / 2 / 3" in page.text
    assert page.text.count("cross-entropy") == 1  # what the folds share stands there once


def test_the_first_figures_of_folds_are_means_of_the_folds_beside_those_of_all_pixels(pages, kept):
    page = Page(pages["four"])
    scores = json.loads((kept / "four" / "report.json").read_text())["classes"]["vessel"]
    for key, name in (("auc", "AUC"), ("average_precision", "Average precision")):
        mean, together = scores["folds"][key], scores["pooled"][key]["value"]
        assert f"{mean['value']:.4f}" != f"{together:.4f}"
        ends = f"{mean['low']:.4f} to {mean['high']:.4f}"
        told = f"{name}, mean of the folds {mean['value']:.4f} {ends} all pixels together {together:.4f}"
        assert told in page.text
    assert page.text.index("Mean of the folds range") < page.text.index("All pixels together range")
    assert "mean of the folds" not in Page(pages["one"]).text


def test_a_summary_of_several_ranks_within_folds(kept, tmp_path):
    folders = [kept / name for name in ("one", "four")]
    text = Page(page_of(folders, tmp_path / "page.html")).text
    summary = text[: text.index("part: ")]
    for name, kind in (("one", "pooled"), ("four", "folds")):
        scores = json.loads((kept / name / "report.json").read_text())["classes"]["vessel"]
        assert f"{scores[kind]['auc']['value']:.4f}" in summary


@pytest.mark.parametrize(
    ("protocol", "pixels"),
    [("region", "inside the region, if any"), ("frame", "whole frame"), ("authors", "whole frame")],
)
def test_a_share_is_told_with_the_pixels_that_it_is_of(kept, tmp_path, protocol, pixels):
    folder = shutil.copytree(kept / "one", tmp_path / "copy")
    content = json.loads((folder / "report.json").read_text())
    change(folder, protocol={**content["protocol"], "name": protocol})
    text = Page(page_of(folder, tmp_path / "page.html")).text
    share = content["classes"]["vessel"]["share"]
    assert f"Share of vessel, scored ({pixels}) {100 * share:.2f} %" in text
    assert "Share of vessel, trained on (whole frame) 11.00 %" in text


def test_a_range_of_folds_in_an_earlier_report_is_called_one(kept, tmp_path):
    folder = shutil.copytree(kept / "four", tmp_path / "four")
    classes = json.loads((folder / "report.json").read_text())["classes"]
    classes["vessel"]["folds"]["auc"] |= {"low": 0.5, "high": 0.75, "how": "range of 4 folds"}
    change(folder, classes=classes)
    assert "0.5000 to 0.7500 (range of 4 folds)" in Page(page_of(folder, tmp_path / "page.html")).text


def test_images_that_were_trained_on_make_no_test(data, tmp_path):
    write_evaluation(tmp_path / "seen", data=data, part="train")
    assert (
        "No test of anything: 5 of these 5 images were trained or validated on."
        in Page(page_of(tmp_path / "seen", tmp_path / "page.html")).text
    )


def test_pictures_of_other_images_are_found_where_they_are_said_to_be(scored, tmp_path, monkeypatch):
    other = tmp_path / "other"
    write_phantoms(other, task="vessels", count=5, seed=9, size_px=64)
    monkeypatch.setattr(Run, "predictor", lambda self, **options: Clairvoyant(other))
    write_evaluation(scored / "evaluation-all-region", data=other, part=None)
    without = page_of(scored, tmp_path / "without.html", part="all")
    assert Page(without).text.count("Scored on other images than the run's own; no picture.") == 3
    assert "No test of anything" not in without
    shown = Page(page_of(scored, tmp_path / "shown.html", part="all", data=other))
    assert len(shown.all("img")) == 12


def test_the_command_line_says_where_the_images_are(scored, cenet, tmp_path, monkeypatch):
    other = tmp_path / "other"
    write_phantoms(other, task="vessels", count=5, seed=9, size_px=64)
    monkeypatch.setattr(Run, "predictor", lambda self, **options: Clairvoyant(other))
    write_evaluation(scored / "evaluation-all-region", data=other, part=None)
    words = ("report", scored, "--split", "all", "--output", tmp_path / "page.html", "--device", "cpu")
    for data, pictures in (((), 0), (("--data", other), 12)):
        assert cenet(*words, *data) == 0
        assert len(Page((tmp_path / "page.html").read_text(encoding="utf-8")).all("img")) == pictures


def test_every_class_has_its_scores_and_curves(pages):
    page = Page(pages["three"])
    names = [attributes["aria-label"] for attributes in page.all("svg")]
    for name in ("disc", "cup", "rim"):
        assert sum(f", {name}: " in label for label in names) == 6
        assert f"Share of {name}, scored (inside the region, if any)" in page.text
    assert len(names) == len(set(names)) == 6 * 3 + 2


def test_values_that_nobody_confirmed_are_marked(pages):
    page = Page(pages["one"])
    assert "weight decay unverified 0.0001" in page.text
    assert "learning rate unverified" not in page.text


def test_several_paths_make_one_page_with_a_summary(kept, scored, tmp_path):
    page = Page(page_of([scored, kept / "four", kept / "three"], tmp_path / "page.html"))
    assert "3 evaluations" in page.text
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert {"report-1", "report-2", "report-3"} <= set(ids)
    summary = page.text[: page.text.index("Original resolution")]
    for name in ("eyes", "four", "vessel", "disc", "cup", "rim", "out-of-fold"):
        assert name in summary


# Cases ------------------------------------------------------------------------------------------------------


def test_a_case_has_layers_boxes_and_words_for_those_who_do_not_see_it(scored, tmp_path):
    page = Page(page_of(scored, tmp_path / "page.html"))
    images = page.all("img")
    assert [image["class"] for image in images] == ["image", "truth", "prediction", "comparison"] * 3
    assert all(image["src"].startswith("data:image/") and "fundus-" in image["alt"] for image in images)
    assert [("hidden" in image) for image in images[:4]] == [False, True, True, False]
    boxes = page.all("input")
    assert [box["data-layer"] for box in boxes[:4]] == ["image", "truth", "prediction", "comparison"]
    assert [("checked" in box) for box in boxes[:4]] == [True, False, False, True]
    assert all(name in page.text for name in ("Worst: ", "Median: ", "Best: "))


def test_without_the_images_the_page_says_so(scored, tmp_path, capsys):
    Run(scored).update(data=str(tmp_path / "moved-away"))
    page = Page(page_of(scored, tmp_path / "page.html"))
    assert page.text.count("The picture cannot be shown") == 3
    assert page.all("img") == []
    assert capsys.readouterr().err.count("note: no picture of ") == 3


def test_no_cases_may_be_asked_for(scored, tmp_path):
    assert Page(page_of(scored, tmp_path / "page.html", cases=0)).all("img") == []


def test_a_real_run_is_reported(cenet, run_copy, tmp_path, capsys):
    assert cenet("evaluate", run_copy, "--device", "cpu") == 0
    page = Page(page_of(run_copy, tmp_path / "page.html"))
    assert len(page.all("img")) == 4 * 2  # two images were set aside
    assert "no picture" not in capsys.readouterr().err


def test_a_real_run_of_three_classes_is_reported(cenet, classes_run, tmp_path, capsys):
    scores = tmp_path / "scores"
    assert cenet("evaluate", classes_run, "--device", "cpu", "--output", scores) == 0
    page = Page(page_of(scores, tmp_path / "page.html"))
    assert len(page.all("img")) == 4 * 2
    assert "no picture" not in capsys.readouterr().err


# Nothing but itself, and nothing of a person ----------------------------------------------------------------


@pytest.mark.parametrize("which", ["one", "four", "three"])
def test_a_page_needs_no_network_and_prints_no_nan(pages, which):
    html = pages[which]
    assert re.findall(r"https?:|//[a-z]+\.|@import|url\((?!#)", html) == []
    page = Page(html)
    for attributes in (attributes for _, attributes in page.elements):
        for name in ("src", "href", "xlink:href", "data", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert not re.search(r"\b(nan|NaN|inf|None|null|undefined)\b", page.text)
    assert [attributes for attributes in page.all("script") if "src" in attributes] == []


def test_what_is_undefined_is_a_dash(data, tmp_path):
    content = write_evaluation(tmp_path / "scores", data=data)
    classes = content["classes"]
    classes["vessel"]["pooled"]["auc"] = {"value": None, "low": None, "high": None, "how": "undefined"}
    for row in classes["vessel"]["images"]:
        row["auc"] = None
    cost = {**content["cost"], "training_seconds": None, "peak_memory_mib": None}
    runs = [run_entry("imported", "..", epochs=0, epoch=None, validation_dice=None, thresholds=[], calibration=[])]
    runs[0] |= {"split": None, "steps": None, "environment": None, "labels": None, "class_share": {}}
    change(tmp_path / "scores", classes=classes, cost=cost, runs=runs)
    page = Page(page_of(tmp_path / "scores", tmp_path / "page.html"))
    assert "AUC \N{EN DASH} Average precision" in page.text
    assert "Training time \N{EN DASH}" in page.text
    assert "No epoch was recorded" in page.text
    assert not re.search(r"\b(nan|NaN|None)\b", page.text)


def test_names_are_shown_and_never_run(data, tmp_path):
    evil = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "$x_1$", "a&b"]
    write_evaluation(tmp_path / "scores", data=data, names=evil, classes=("<b>vessel</b>",))
    change(tmp_path / "scores", commands=["cenet train '<script>'"], environment={"<i>": "</style>"})
    html = page_of(tmp_path / "scores", tmp_path / "page.html")
    page = Page(html)
    assert len(page.all("script")) == 1
    assert page.all("b") != []
    assert not any("onerror" in attributes for _, attributes in page.elements)
    for name in (*evil, "<b>vessel</b>", "cenet train '<script>'"):
        assert name in page.text


def test_no_place_on_somebodys_machine_is_told(scored, tmp_path):
    content = json.loads((scored / "evaluation-test-region" / "report.json").read_text())
    runs = [{**content["runs"][0], "started_from": f"{HOME}/jane/weights/old.pth"}]
    commands = [
        "cenet train drive --data /mnt/clinic/DRIVE",
        r"cenet evaluate D:\Profiles\jane\run",
        "cenet evaluate runs/eyes",
    ]
    change(scored / "evaluation-test-region", runs=runs, commands=commands)
    html = page_of(scored, tmp_path / "page.html")
    for place in (str(tmp_path), str(tmp_path.parent), "jane", "clinic", HOME, "Profiles"):
        assert place not in html
    text = Page(html).text
    assert "old.pth" in text
    assert "--data DRIVE cenet evaluate run cenet evaluate runs/eyes" in text


# Where the scores are ---------------------------------------------------------------------------------------


def test_a_run_that_was_not_scored_so_is_an_error_with_the_command(run_copy, tmp_path):
    command = f"cenet evaluate {run_copy} --split validation --protocol frame --tta"
    with pytest.raises(CenetError) as told:
        write_html_report(
            [run_copy], output=tmp_path / "page.html", machine=CPU, protocol="frame", part="validation", tta=True
        )
    assert str(told.value) == f"{run_copy}: holds no such report; run `{command}` first"


def test_several_seeds_of_a_run_are_a_section_each(kept, tmp_path):
    for seed in (0, 1):
        shutil.copytree(kept / "one", tmp_path / "seeds" / f"seed-{seed}" / "evaluation-test-region")
    page = Page(page_of(tmp_path / "seeds", tmp_path / "page.html"))
    assert "2 evaluations" in page.text


@pytest.mark.parametrize("file", ["report.json", "histograms.npz"])
def test_a_torn_evaluation_is_an_error(kept, tmp_path, file):
    folder = shutil.copytree(kept / "one", tmp_path / "copy")
    (folder / file).write_bytes(b"{")
    with pytest.raises(CenetError, match=rf"{file}: .* torn"):
        write_html_report([folder], output=tmp_path / "page.html", machine=CPU)


def test_a_page_is_html(kept, tmp_path):
    with pytest.raises(CenetError, match=r"page\.pdf: the name must end in \.html"):
        write_html_report([kept / "one"], output=tmp_path / "page.pdf", machine=CPU)


def test_a_page_is_written_whole_into_a_new_folder(kept, tmp_path):
    page_of(kept / "one", tmp_path / "new" / "page.html")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]


def test_the_same_scores_make_the_same_page(pages, kept, tmp_path):
    assert page_of(kept / "one", tmp_path / "again.html") == pages["one"]


# Numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.12345, "0.1235"), (1234567, "1,234,567"), (None, "\N{EN DASH}"), (float("inf"), "\N{EN DASH}"), (0, "0")],
)
def test_a_number_is_short(value, text):
    assert number(value) == text


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
    assert duration(seconds) == text
