import re
from functools import cache, partial
from html.parser import HTMLParser

import numpy as np
import pytest
from reports import write_report

from cenet.data.io.outputs import OutputFolder
from cenet.evaluation.compare import compare
from cenet.reporting.plots import COLOURS, draw_curves, draw_differences, draw_lines, draw_reliability, draw_strips
from cenet.reporting.svg import BOX

STEP = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])
ROWS = np.array([[0.1, 0.2, 90.0], [0.9, 0.7, 10.0]])
DRAWINGS = {
    "lines": partial(
        draw_lines,
        {"one": (np.arange(5), np.arange(5.0)), "two": STEP},
        x_label="epoch",
        y_label="loss",
        title="Lines",
        marks={"one": 2},
    ),
    "a single point": partial(
        draw_lines, {"one": (np.array([0]), np.array([0.5]))}, x_label="epoch", y_label="loss", title="One"
    ),
    "many lines": partial(draw_lines, {str(n): STEP for n in range(12)}, x_label="x", y_label="loss", title="Many"),
    "curves": partial(
        draw_curves,
        STEP,
        others=[STEP, STEP],
        operating_point=(0.1, 0.9),
        x_label="recall",
        y_label="precision",
        chance=0.2,
        title="Curves",
    ),
    "no curve": partial(
        draw_curves, (np.zeros(0),) * 2, operating_point=(np.nan, 0.5), x_label="x", y_label="y", title="None"
    ),
    "reliability": partial(draw_reliability, ROWS, ROWS, title="Reliability"),
    "no pixels": partial(draw_reliability, np.zeros((0, 3)), np.zeros((0, 3)), title="Nothing"),
    "strips": partial(
        draw_strips, {"disc": np.linspace(0, 1, 90), "cup": np.array([0.5, np.nan])}, x_label="Dice", title="Strips"
    ),
    "all undefined": partial(draw_strips, {"disc": np.array([np.nan])}, x_label="Dice", title="Undefined"),
}

BOX_COLOUR = f"fill: var(--pale, {BOX})"


@cache
def drawing(name):
    return DRAWINGS[name]()


class Elements(HTMLParser):
    """Checks that every element is closed, and gathers the words."""

    def __init__(self, svg):
        super().__init__()
        self.open, self.words = [], []
        self.feed(svg)

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.words += [text] if text.strip() else []


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_one_svg_that_can_stand_in_a_page(name):
    svg = drawing(name)
    assert svg.startswith('<svg role="img" aria-label="')
    assert svg.strip().endswith("</svg>")
    assert Elements(svg).open == []
    for foreign in ("http", "<?xml", "<!DOCTYPE", "<metadata", "<style", "<script", "nan", "font-family"):
        assert foreign not in svg


def test_the_labels_are_text():
    words = Elements(drawing("lines")).words
    assert {"Lines", "epoch", "loss", "one", "two"} <= set(words)
    assert {"mean predicted probability", "before calibration", "after calibration"} <= set(
        Elements(drawing("reliability")).words
    )
    assert {"disc", "cup", "Dice"} <= set(Elements(drawing("strips")).words)


def test_a_legend_names_a_few_lines_and_not_many():
    assert "11" not in Elements(drawing("many lines")).words
    assert "one" not in Elements(drawing("a single point")).words


def test_fewer_than_five_values_are_dots_without_a_box():
    four, five = (draw_strips({"": np.linspace(0, 1, count)}, x_label="Dice", title="S") for count in (4, 5))
    assert BOX_COLOUR in five
    assert BOX_COLOUR not in four


def test_a_name_is_neither_markup_nor_a_formula():
    name = '<script>"$x_1$'
    svg = draw_lines({name: STEP, "b": STEP}, x_label="epoch", y_label="loss", title=name)
    assert "<script" not in svg
    assert svg.count("&lt;script&gt;") >= 3  # label, title, legend
    assert Elements(svg).words.count(name) == 2


def test_the_same_numbers_draw_the_same_bytes():
    again = [draw_strips({"a": np.linspace(0, 1, 9)}, x_label="Dice", title="Strips") for _ in range(2)]
    assert again[0] == again[1]


def test_ids_of_two_drawings_differ_unless_what_they_name_is_equal():
    drawn = [draw_curves(STEP, others=[STEP], x_label="x", y_label="y", title=title) for title in ("one", "two")]
    ids = [set(re.findall(r'id="([^"]*)"', svg)) for svg in drawn]
    assert ids[0]
    assert not ids[0] & ids[1]


def path_of(svg, colour):
    """Points of the last line drawn in a colour, in the coordinates of the drawing."""
    path = re.findall(rf'<path d="([^"]*)"[^>]*stroke: {colour}', svg)[-1]
    return np.array([[float(number) for number in pair.split()] for pair in re.split("[ML]", path)[1:]])


def test_points_lie_where_their_numbers_say():
    up = np.array([0.0, 0.5, 1.0])
    x, y = path_of(draw_curves((up, up**2), x_label="x", y_label="y", title="t"), COLOURS[0]).T
    assert np.diff(x)[0] == pytest.approx(np.diff(x)[1], abs=0.02)
    assert (y[0] - y[1]) / (y[0] - y[2]) == pytest.approx(0.25, abs=0.001)


def test_a_box_goes_from_quartile_to_quartile():
    values = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    svg = draw_strips({"a": values}, x_label="Dice", title="t")
    box = re.search(r'<path d="([^"]*)"[^>]*fill: var\(--pale', svg)[1]
    left, right = (bound([float(pair.split()[0]) for pair in re.split("[ML]", box)[1:]]) for bound in (min, max))
    dots = sorted(float(x) for x in re.findall(r'<use [^>]*x="([\d.]+)"[^>]*fill-opacity', svg))
    assert len(dots) == 5
    assert [dots[1], dots[3]] == pytest.approx([left, right], abs=0.05)


def test_a_comparison_draws_the_same_bytes_for_the_same_numbers(comparison, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        draw_differences(OutputFolder(tmp_path / name, verb="compare"), comparison)
    for suffix in ("svg", "png"):
        first, second = ((tmp_path / name / f"compare.{suffix}").read_bytes() for name in ("a", "b"))
        assert first == second
    assert b"svg" in (tmp_path / "a" / "compare.svg").read_bytes()[:400]


def test_a_single_epoch_has_whole_numbers_on_its_axis():
    svg = draw_lines({"one": (np.array([3]), np.array([0.5]))}, x_label="epoch", y_label="loss", title="One")
    assert [word for word in Elements(svg).words if word.isdigit()] == ["3"]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    return compare([write_report(folder, "one"), write_report(folder, "two", seed=1)])


@pytest.mark.parametrize("name", ["\u773c", "_hidden", "$x_{$", "a\x1b[2Jb", "<b>"])
def test_any_name_of_a_run_is_drawn_without_a_warning(comparison, tmp_path, name):
    rows = tuple(row.model_copy(update={"run": name}) for row in comparison.rows)
    draw_differences(OutputFolder(tmp_path, verb="compare"), comparison.model_copy(update={"rows": rows}))
    svg = draw_lines({name: STEP, "other": STEP}, x_label=name, y_label="loss", title=name)
    assert "\x1b" not in svg
    assert "<b>" not in svg
    assert "\x1b" not in (tmp_path / "compare.svg").read_text(encoding="utf-8")
    if name == "_hidden":
        assert "_hidden" in Elements(svg).words
