"""Reports as files for readers and spreadsheets, beside the JSON that programs read."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from cenet.data.io.outputs import OutputFolder
from cenet.evaluation.comparison_report import AblationReport, ComparisonReport
from cenet.evaluation.report import EvaluationReport
from cenet.evaluation.report_files import VERB
from cenet.reporting.cases import write_overlays
from cenet.reporting.comparison_text import format_ablation, format_comparison
from cenet.reporting.evaluation_text import format_evaluation
from cenet.reporting.plots import draw_differences
from cenet.safe_text import escape_csv


def write_evaluation_files(
    report: EvaluationReport, *, overlays: int = 0, overwrite: bool = False, only_missing: bool = False
) -> None:
    """Write `report.md`, `images.csv`, `task_metrics.csv` and overlays beside a saved report.

    Args:
        report: The evaluation, with the folder that it was saved in.
        overlays: How many overlays to write, of the images with the smallest Dice.
        overwrite: Replace files there that no evaluation wrote, or that were changed since.
        only_missing: Write only those that are not there, as their process was killed.

    Raises:
        CenetError: The folder cannot be written.
    """
    output = OutputFolder(_folder_of(report.folder), verb=VERB, overwrite=overwrite)
    files = format_evaluation_files(report)
    for name, text in files.items():
        if not (only_missing and output.exists(name)):
            output.write_text(name, text)
    output.remove_earlier("task_metrics.csv", keep=files)
    write_overlays(report, output, count=overlays, only_missing=only_missing)


def format_evaluation_files(report: EvaluationReport) -> dict[str, str]:
    """The files that `write_evaluation_files` writes, but for the overlays: their text by name.

    Args:
        report: The evaluation.
    """
    files = {
        "report.md": f"{format_evaluation(report, 'markdown')}\n",
        "images.csv": _format_csv(_image_rows(report)),
    }
    if report.task_metrics:
        files["task_metrics.csv"] = _format_csv(_task_metric_rows(report))
    return files


def write_comparison_files(report: ComparisonReport, *, overwrite: bool = False) -> None:
    """Write `compare.md`, `compare.svg` and `compare.png` beside a saved comparison.

    Raises:
        CenetError: The folder cannot be written.
    """
    output = OutputFolder(_folder_of(report.folder), verb="compare", overwrite=overwrite)
    output.write_text("compare.md", format_comparison(report, "markdown"))
    draw_differences(output, report)


def write_ablation_files(report: AblationReport, *, overwrite: bool = False) -> None:
    """Write `ablation.md` beside a saved ablation.

    Raises:
        CenetError: The folder cannot be written.
    """
    output = OutputFolder(_folder_of(report.folder), verb="ablate", overwrite=overwrite)
    output.write_text("ablation.md", format_ablation(report, "markdown"))


def _folder_of(folder: Path | None) -> Path:
    assert folder is not None  # the report was saved
    return folder


def _image_rows(report: EvaluationReport) -> list[dict[str, object]]:
    """A row for each class, image and threshold."""
    rows: list[dict[str, object]] = []
    for of_class in report.classes:
        for image in of_class.images:
            for threshold, scores in zip(of_class.thresholds, image.thresholds, strict=True):
                row = {"class": of_class.name, "image": image.image, "group": image.group, "threshold": threshold.name}
                rows.append({**row, **asdict(scores.counts), "auc": image.auc, **scores.scores})
    return rows


def _task_metric_rows(report: EvaluationReport) -> list[dict[str, object]]:
    """A row for each image, with a column for each metric, such as `hd95 disc`."""
    rows: list[dict[str, object]] = [{"image": image.name, "group": image.group} for image in report.data.images]
    for metric in report.task_metrics:
        for row, value in zip(rows, metric.values or (), strict=bool(metric.values)):
            row[f"{metric.metric} {metric.part}".rstrip()] = value
    return rows


def _format_csv(rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(escape_csv, rows[0]))
    writer.writerows([escape_csv(row.get(name, "")) for name in rows[0]] for row in rows)
    return text.getvalue()
