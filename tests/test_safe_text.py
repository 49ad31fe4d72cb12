"""Names of files reach terminal, Markdown and CSV as data."""

import pytest

from cenet.safe_text import escape_csv, escape_markdown, replace_unprintable

HOSTILE = ["\x1b[31mred", "a\rb", "a\nb", "a\u2028b", "\u202egnp.exe", "\x07", "\x9b2J", "\udcff", "\u200b", "\x00"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_neither_steers_the_terminal_nor_begins_a_line(name):
    for text in (replace_unprintable(name), escape_markdown(name), escape_csv(name)):
        assert text.isprintable()
        text.encode("utf-8")


@pytest.mark.parametrize(
    "name", ["eye 1.png", "Auge-\u00e4\u00f6\u00fc.png", "\u773c.png", "01_test_image-2.tif", "100 %", "x (1)"]
)
def test_a_plain_name_stays_as_it_is(name):
    assert replace_unprintable(name) == escape_markdown(name) == escape_csv(name) == name


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "\t1"])
def test_no_text_is_a_formula(name):
    assert escape_csv(name).startswith("'")


@pytest.mark.parametrize("number", [-1, -0.25, 0, 1e-9, None, True])
def test_a_number_in_a_table_stays_one(number):
    assert escape_csv(number) is number


@pytest.mark.parametrize(
    "name",
    ["a|b", "`rm`", "<script>", "*bold*", "_emphasis_", "__strong__", "[a](http://b)", "~~x~~", "&lt;", "a\\"],
)
def test_markup_is_escaped(name):
    marks = escape_markdown(name).count("\\")
    assert marks > name.count("\\")
    assert escape_markdown(name).replace("\\", "") == name.replace("\\", "")
