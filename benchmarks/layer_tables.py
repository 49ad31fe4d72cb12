"""Render how far the boundaries of layers lie from the annotated ones, scan by scan."""

import csv
import statistics
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results"
SCANS = {  # by how their names begin
    "healthy eyes": ("tasks/oct", "h"),
    "ill eyes": ("tasks/oct", "i"),
    "drawn scans": ("oct-phantoms", ""),
}


def layers_table() -> str:
    """The boundary error of every scan, and the mean and the median of healthy and of ill eyes and of drawings."""
    lines = ["| scans | number | mean, px | median, px | each |", "|---|---|---|---|---|"]
    for title, (report, beginning) in SCANS.items():
        with (RESULTS / report / "task_metrics.csv").open(encoding="utf-8") as file:
            errors = {row["image"]: float(row["boundary_error"]) for row in csv.DictReader(file)}
        ranked = sorted(errors.items(), key=lambda item: item[1])
        errors = {name: error for name, error in ranked if name.startswith(beginning)}
        each = ", ".join(f"{name} {error:.1f}" for name, error in errors.items())
        values = list(errors.values())
        lines.append(
            f"| {title} | {len(values)} | {statistics.mean(values):.2f} | {statistics.median(values):.2f} | {each} |"
        )
    return "\n".join(lines)
