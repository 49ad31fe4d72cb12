"""`cenet report`: the scores of runs as one page that opens by double click and needs no network."""

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from cenet.data.io.files import atomic_write, check_writable
from cenet.errors import CenetError
from cenet.evaluation.protocol import Protocol
from cenet.evaluation.report_files import Evaluation, read_evaluations
from cenet.evaluation.scores import RANKING, PixelCounts
from cenet.evaluation.tables import count_training_images
from cenet.evaluation.task_metrics import is_error, title
from cenet.inference.device import DeviceConfig
from cenet.metrics.binned import precision_recall_curve_of, reliability_of, roc_curve_of
from cenet.reporting import plots
from cenet.reporting.cases import COMPARED, run_folder, select_examples

KINDS = {"folds": "Mean of the folds", "pooled": "All pixels together", "per_image": "Mean of the images"}
METRICS = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
    "brier_edges": "Brier score near edges",
    "calibration_error_edges": "Calibration error near edges",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "dice": "Dice",
    "overlap_error": "Overlap error",
}
UNDEFINED = "\N{EN DASH}"
MOST_CURVES = 60  # thin ones, of single images


def write_html_report(
    paths: Sequence[Path],
    *,
    protocol: Protocol = "region",
    part: str | None = None,
    tta: bool = False,
    output: Path,
    cases: int = 3,
    data: Path | None = None,
    machine: DeviceConfig,
) -> Path:
    """Write one page about evaluations: scores, curves, cases, data, configuration, and how to repeat it all.

    Args:
        paths: Run folders that were scored, the folders of evaluations and cross-validations, or several seeds of one.
        protocol: Which evaluation of a run.
        part: Likewise; by default the test part, what every fold held out, or all images, whichever was scored.
        tta: Likewise.
        output: The `.html` file to write or replace.
        cases: Pictures to show, evenly from the worst to the best.
        data: The folder with the scored images, where it is not the run's own.
        machine: What predicts them.

    Returns:
        The file.

    Raises:
        CenetError: A run has not been scored so; the command that does it is said.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    if output.suffix.lower() not in (".html", ".htm"):
        raise CenetError(output, "the name must end in .html, the only format written", "rename it")
    check_writable(output.parent)
    evaluations = [each for path in paths for each in read_evaluations(path, protocol=protocol, part=part, tta=tta)]
    sections = [
        _section(f"report-{number}", evaluation, cases=cases, data=data, device=machine.device)
        for number, evaluation in enumerate(evaluations, start=1)
    ]
    jinja = Environment(
        loader=PackageLoader("cenet.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {"number": number, "duration": duration, "measure": title, "is_error": is_error}
    template = jinja.get_template("report.html")
    page = template.render(
        sections=sections, names=METRICS, kinds=KINDS, compared=COMPARED, version=metadata.version("cenet")
    )
    with atomic_write(output) as file:
        file.write(page.encode())
    return output


def number(value: Any, digits: int = 4) -> str:
    """A number as the page shows it; what is undefined is a dash.

    >>> number(0.98765), number(29005531), number(None), number(float("nan"))
    ('0.9877', '29,005,531', '–', '–')
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


def duration(seconds: float | None) -> str:
    """Seconds as a person says them.

    >>> duration(0.0312), duration(75), duration(4000), duration(None)
    ('0.031 s', '1 min 15 s', '1 h 7 min', '–')
    """
    if seconds is None:
        return UNDEFINED
    if seconds < 59.5:
        return f"{seconds:.2g} s"
    (minutes, rest), (hours, left) = divmod(round(seconds), 60), divmod(round(seconds / 60), 60)
    return f"{hours} h {left} min" if hours else f"{minutes} min {rest} s"


def _without_places(value: Any) -> Any:
    """A place on somebody's machine is nobody's business: of absolute paths the last part stays."""
    if isinstance(value, dict):
        return {key: _without_places(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_places(each) for each in value]
    return re.sub(r"(?<![\w.~)-])([A-Za-z]:)?[\\/]([^\s\\/]+[\\/])+", "", value) if isinstance(value, str) else value


def _section(label: str, evaluation: Evaluation, *, cases: int, data: Path | None, device: str) -> dict[str, Any]:
    """What the page says of one evaluation."""
    folder, content = evaluation.folder, _without_places(evaluation.report)
    runs, images = content["runs"], content["data"]["images"]
    place = folder.resolve()
    around = place.parent if place.name.startswith("evaluation-") else place
    title = runs[0]["name"] if len(runs) == 1 else around.name
    named = zip(content["classes"].items(), evaluation.tallies, strict=True)
    sizes = Counter(" x ".join(map(str, image["size_px"])) for image in images)
    settings = {
        field: list(dict.fromkeys(_said(run["settings"].get(field)) for run in runs)) for field in runs[0]["settings"]
    }
    measured = _measured(content.get("measures"))
    return {
        "id": label,
        "title": title,
        "report": content,
        "learning": _learning(title, runs),
        "classes": [_class(f"{title}, {name}", scores, tally, images) for (name, scores), tally in named],
        "cases": select_examples(folder, content, count=cases, device=device, data=data),
        "fitted": count_training_images(content["data"]),
        "sizes": sizes,
        "groups": _groups(folder, runs),
        "measured": measured,
        "headline": _headline(measured),
        "settings": settings,
        "unverified": {field for run in runs for field in run["unverified"]},
    }


def _measured(measures: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """What the task measures beside its classes, by its title and the kind of mean."""
    if measures is None:
        return {}
    kinds = {kind: measures[kind] for kind in ("pooled", "per_image")}
    return {
        key: {kind: scores[key] for kind, scores in kinds.items() if key in scores}
        for key in dict.fromkeys(key for scores in kinds.values() for key in scores)
    }


def _headline(measured: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The first few of a task's measures; those of single boundaries or layers are parts of one of them."""
    whole = [key for key in measured if key.rpartition(" ")[0].split(" ")[0] not in measured]
    return {key: measured[key].get("pooled", measured[key].get("per_image")) for key in whole[:5]}


def _groups(folder: Path, runs: list[dict[str, Any]]) -> dict[str, int]:
    """The groups in each part of the split, where a single run still has it."""
    file = run_folder(folder, runs[0]) / "splits.json"
    if len(runs) > 1 or not file.is_file():
        return {}
    parts = json.loads(file.read_text(encoding="utf-8"))
    return {part: len({row["group"] for row in parts[part]}) for part in ("train", "validation", "test")}


def _said(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else f"{value}"


def _learning(title: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Training loss and validation Dice over the epochs; a dot marks the epoch that was chosen."""
    drawn = {}
    for column, what in (("loss", "training loss"), ("validation_dice", "validation Dice")):
        series: dict[str, plots.Points] = {}
        marks: dict[str, int] = {}
        for run in runs:
            rows = [row for row in run["curve"] or () if row.get(column)]
            if rows:
                epochs = np.array([int(row["epoch"]) for row in rows])
                series[run["name"]] = epochs, np.array([float(row[column]) for row in rows])
                marks.update((run["name"], int(at)) for at in np.flatnonzero(epochs == run["epoch"]))
        if series:
            drawn[what] = _safe(
                plots.draw_lines(series, x_label="epoch", y_label=what, title=f"{title}: {what}", marks=marks)
            )
    return drawn


def _class(title: str, scores: dict[str, Any], tally: PixelCounts, images: list[dict[str, Any]]) -> dict[str, Any]:
    """Table and curves of one class."""
    each, pooled = tally.histograms, tally.histograms.sum(axis=0)
    folds = np.array([image.get("fold", 0) for image in images])
    several = len(set(folds)) > 1
    parts = [each[folds == fold].sum(axis=0) for fold in np.unique(folds)] if several else list(each[:MOST_CURVES])
    cut, chosen = next(iter(scores["cuts"].items()))
    tp, fp, fn, tn = (chosen["counts"][name] for name in ("tp", "fp", "fn", "tn"))
    figures = {}
    for name, curve, x, y, point, chance in (
        ("ROC", roc_curve_of, "false positive rate", "sensitivity", (_part(fp, tn), _part(tp, fn)), None),
        ("precision and recall", precision_recall_curve_of, "recall", "precision", (_part(tp, fn), _part(tp, fp)), 1),
    ):
        figures[name] = plots.draw_curves(
            curve(pooled),
            others=[curve(counts) for counts in parts if len(parts) > 1],
            operating_point=point,
            chance=chance and float(scores["share"]),
            x_label=x,
            y_label=y,
            title=f"{title}: {name}",
        )
    for name, before, after in (
        ("reliability, all pixels", tally.before, tally.histograms),
        ("reliability within 3 px of edges", tally.edges_before, tally.edges),
    ):
        rows = reliability_of(before), reliability_of(after.sum(axis=0))
        figures[name] = plots.draw_reliability(*rows, title=f"{title}: {name}")
    for name, key in (("Dice", f"dice @ {cut}"), ("AUC", "auc")):
        values = np.array([row[key] for row in scores["images"]], float)
        strips = {f"fold {fold}": values[folds == fold] for fold in np.unique(folds)} if several else {"": values}
        figures[f"{name} of each image"] = plots.draw_strips(
            strips, x_label=name, title=f"{title}: {name} of each image"
        )
    return {
        "cut": cut,
        "tiles": _tiles(scores),
        "columns": _columns(scores),
        "blocks": _blocks(scores),
        "figures": {name: _safe(svg) for name, svg in figures.items()},
        "thin": "folds" if several else "images",
    }


def _part(some: int, others: int) -> float:
    return some / (some + others) if some + others else math.nan


def _tiles(scores: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The first figures of a class; what ranks is of folds their mean, with that of all pixels together `beside` it."""
    pooled, folds, tiles = scores["pooled"], scores.get("folds", {}), {}
    for metric in RANKING:
        if metric in folds:
            tiles[f"{METRICS[metric]}, mean of the folds"] = {**folds[metric], "beside": pooled[metric]["value"]}
        elif metric in pooled:
            tiles[METRICS[metric]] = pooled[metric]
    at_cut = next(iter(scores["cuts"].values()))["pooled"]
    return tiles | {METRICS[name]: at_cut[name] for name in ("dice", "sensitivity", "specificity") if name in at_cut}


def _columns(scores: dict[str, Any]) -> dict[str, str]:
    """The kinds of means that there are, each with how most of its intervals were made."""
    tables = [scores, *scores["cuts"].values()]
    hows = {
        kind: Counter(score["how"] for table in tables for score in table.get(kind, {}).values() if score.get("how"))
        for kind in KINDS
        if any(table.get(kind) for table in tables)
    }
    return {kind: how.most_common(1)[0][0] if how else "" for kind, how in hows.items()}


def _blocks(scores: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """The scores by block (of the probabilities, then each cut), by metric, and by kind of mean."""
    cuts = scores["cuts"]
    at_cuts = {metric for cut in cuts.values() for metric in cut["pooled"]}
    folds = scores.get("folds", {})
    tables = {"Of the probabilities": {**scores, "folds": {k: v for k, v in folds.items() if k not in at_cuts}}}
    tables |= {f"At the {cut}": cuts[cut] for cut in cuts}
    first = f"At the {next(iter(cuts))}"
    tables[first] = {**tables[first], "folds": {k: v for k, v in folds.items() if k in at_cuts}}
    return {
        block: {
            metric: {kind: table[kind][metric] for kind in KINDS if metric in table.get(kind, {})}
            for metric in dict.fromkeys(metric for kind in KINDS for metric in table.get(kind, {}))
        }
        for block, table in tables.items()
    }


def _safe(svg: str) -> Any:
    """An SVG of ours, whose texts are escaped already."""
    from markupsafe import Markup

    return Markup(svg)
