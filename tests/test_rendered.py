"""README and docs/results.md say what results/ says, and so do the texts within results/."""

import re

import pytest
import render_results
import tables


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_a_page_equals_what_the_results_render(page):
    text = page.read_text(encoding="utf-8")
    assert tables.render_page(text) == text, "run: python benchmarks/tables.py"


def test_every_table_is_on_one_page():
    texts = [page.read_text(encoding="utf-8") for page in tables.PAGES]
    markers = [name for text in texts for name in re.findall(r"<!-- ([\w-]+): rendered -->\n(?:[|]|```|[*]{2})", text)]
    assert sorted(markers) == sorted(tables.TABLES)
    assert sum(text.count(": rendered -->") for text in texts) == len(tables.TABLES)
    assert sum(text.count("<!-- end -->") for text in texts) == len(tables.TABLES)


def test_a_changed_number_is_noticed():
    text = "<!-- folds: rendered -->\n| AUC, pooled | 1.0 |\n<!-- end -->\n"
    assert tables.render_page(text) != text


def test_the_texts_of_results_equal_what_their_reports_render():
    rendered = render_results.render_results()
    differing = [
        path.relative_to(render_results.RESULTS) for path, text in rendered.items() if path.read_text() != text
    ]
    assert differing == [], "run: python benchmarks/render_results.py"
    texts = {path for path in render_results.RESULTS.rglob("*.md") if path.name != "coverage.md"}
    assert texts <= set(rendered)


def test_no_image_of_a_data_set_is_committed_with_the_results():
    files = [path for path in render_results.RESULTS.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".md", ".csv", ".npz", ".txt"}
