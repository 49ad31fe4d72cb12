"""Render the texts beside the JSON of results/: `python benchmarks/render_results.py`; a test compares them."""

from pathlib import Path

from cenet.evaluation.comparison_report import AblationReport, ComparisonReport
from cenet.evaluation.report import EvaluationReport
from cenet.reporting.comparison_text import format_ablation, format_comparison
from cenet.reporting.files import format_evaluation_files

RESULTS = Path(__file__).parents[1] / "results"


def render_results() -> dict[Path, str]:
    """The text of every file that is rendered from a committed report, by its path."""
    texts: dict[Path, str] = {}
    for path in sorted(RESULTS.rglob("report.json")):
        report = EvaluationReport.load(path.parent)
        texts |= {path.parent / name: text for name, text in format_evaluation_files(report).items()}
    for path in sorted(RESULTS.rglob("compare.json")):
        texts[path.with_suffix(".md")] = format_comparison(ComparisonReport.load(path.parent), "markdown") + "\n"
    for path in sorted(RESULTS.rglob("ablation.json")):
        texts[path.with_suffix(".md")] = format_ablation(AblationReport.load(path.parent), "markdown") + "\n"
    return texts


if __name__ == "__main__":
    for path, text in render_results().items():
        path.write_text(text, encoding="utf-8")
