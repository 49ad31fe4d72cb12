"""Comparisons and ablations are the same before they are saved and after they are read."""

import json

import pytest
import reports

from cenet.errors import CenetError
from cenet.evaluation.compare import compare
from cenet.evaluation.comparison_report import AblationReport, ComparedMetric, ComparisonReport


@pytest.fixture
def comparison(tmp_path):
    paths = [reports.write_report(tmp_path, name, seed=seed) for seed, name in enumerate("ab")]
    return compare(paths, output=tmp_path / "compared")


def test_a_comparison_comes_back_as_it_was_saved(comparison):
    assert ComparisonReport.load(comparison.folder).model_dump_json() == comparison.model_dump_json()


@pytest.mark.parametrize(
    ("field", "value"), [("format", 1), ("runs", []), ("minimum_p", 2), ("primary", {"key": "auc"}), ("notes", [])]
)
def test_a_file_that_cannot_be_meant_is_refused(comparison, field, value):
    file = comparison.folder / "compare.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, field: value}), encoding="utf-8")
    with pytest.raises(CenetError) as refusal:
        ComparisonReport.load(comparison.folder)
    assert refusal.value.subject == str(file)
    assert "cenet compare" in refusal.value.remedy


def test_a_missing_ablation_is_refused_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(CenetError) as refusal:
        AblationReport.load(tmp_path)
    assert "cenet ablate" in refusal.value.remedy


def test_metrics_are_equal_by_what_they_are():
    metric = ComparedMetric(key="dice", average="pooled")
    assert metric == ComparedMetric(key="dice", average="pooled", part="")
    assert metric != ComparedMetric(key="dice", average="per_image")
