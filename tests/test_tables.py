"""The README says what results/ says."""

import tables


def test_the_readme_equals_what_the_results_render():
    text = tables.README.read_text(encoding="utf-8")
    assert tables.rendered(text) == text, "run: python benchmarks/tables.py"


def test_every_marker_is_rendered():
    text = tables.README.read_text(encoding="utf-8")
    assert text.count(": rendered -->") == text.count("<!-- end -->") == 3
    assert "| AUC, pooled | 0." in text


def test_a_changed_figure_is_noticed():
    text = tables.README.read_text(encoding="utf-8")
    changed = text.replace("| AUC, pooled | 0.", "| AUC, pooled | 1.")
    assert changed != text == tables.rendered(changed)


def test_no_image_of_a_data_set_is_committed_with_the_results():
    folders = [path for path in (tables.ROOT / "results").rglob("*") if path.is_file()]
    assert {path.suffix for path in folders} <= {".json", ".md", ".csv", ".npz", ".txt"}
