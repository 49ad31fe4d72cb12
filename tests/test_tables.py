"""README and docs/results.md say what results/ says."""

import pytest
import tables


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_a_page_equals_what_the_results_render(page):
    text = page.read_text(encoding="utf-8")
    assert tables.rendered(text) == text, "run: python benchmarks/tables.py"


def test_every_table_has_its_place():
    texts = [page.read_text(encoding="utf-8") for page in tables.PAGES]
    for name in tables.TABLES:
        assert (
            sum(
                text.count(f"<!-- {name}: rendered -->\n|") + text.count(f"<!-- {name}: rendered -->\n```")
                for text in texts
            )
            == 1
        )
    assert sum(text.count(": rendered -->") for text in texts) == len(tables.TABLES)
    assert sum(text.count("<!-- end -->") for text in texts) == len(tables.TABLES)


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_a_changed_figure_is_noticed(page):
    text = page.read_text(encoding="utf-8")
    changed = text.replace("| AUC, pooled | 0.", "| AUC, pooled | 1.")
    assert changed != text == tables.rendered(changed)


def test_no_image_of_a_data_set_is_committed_with_the_results():
    folders = [path for path in (tables.ROOT / "results").rglob("*") if path.is_file()]
    assert {path.suffix for path in folders} <= {".json", ".md", ".csv", ".npz", ".txt"}
