"""An evaluation's report as files: JSON for programs, Markdown for readers, and a row for each image."""

import csv
import io
from math import isfinite, nan
from pathlib import Path
from typing import Any

from cenet.data.io.files import write_text
from cenet.evaluation.intervals import FEW, MANY
from cenet.evaluation.scores import OVERLAP, PixelCounts, Score, save_histograms
from cenet.evaluation.task_metrics import title


def format_evaluation(report: dict[str, Any]) -> str:
    """A report as Markdown, with the protocol beside its numbers.

    >>> print(format_evaluation({"protocol": {"name": "frame", "description": "all", "views": 1}, "classes": {},
    ...              "data": {"name": "d", "part": "test", "images": [{"part": "test"}], "groups": 60},
    ...              "runs": [{"name": "r", "started_from": "random weights", "unverified": []}]}))
    run r on d, part test (1 images, 60 groups), started from random weights
    protocol frame: all; 1 view
    """
    data, (run, *others), protocol = report["data"], report["runs"], report["protocol"]
    name = f"{len(others) + 1} runs such as {run['name']}" if others else f"run {run['name']}"
    lines = [
        f"{name} on {data['name']}, part {data['part']} ({len(data['images'])} images, "
        f"{data['groups']} groups), started from {run['started_from']}",
        f"protocol {protocol['name']}: {protocol['description']}; {protocol['views']} view"
        + "s" * (protocol["views"] > 1),
    ]
    if "grouping" in data:
        lines.append(f"groups: {data['grouping']}")
    if fitted := count_training_images(data):
        lines.append(f"warning: {fitted} of these images were trained or validated on: no test of anything")
    if run["unverified"]:
        lines.append(f"recipe values that the paper's record does not confirm: {', '.join(run['unverified'])}")
    spread = "range of groups" if data["groups"] < FEW else "95 % interval"
    for name, scores in report["classes"].items():
        cuts = list(scores["cuts"])
        folds: dict[str, Score] = scores.get("folds", {})
        overall: dict[str, Score] = {}
        for key in dict.fromkeys([*scores["pooled"], *folds]):
            if key in folds:  # first: it mixes no probabilities of two networks
                overall[f"{key}, mean of folds"] = folds[key]
            if key in scores["pooled"]:
                overall[f"{key}, all folds together" if key in folds else key] = scores["pooled"][key]
        overall |= {f"{key}, mean of images": each for key, each in scores["per_image"].items()}
        lines += ["", f"| {name} | value | {spread} | how |", "|---|---|---|---|"]
        lines += [
            f"| {key.replace('_', ' ')} | {_value(each)} | {_interval(each)} | {each['how']} |"
            for key, each in overall.items()
        ]
        lines += [
            "",
            f"| {name} ({spread}) | {' | '.join(f'{cut}: pooled | mean of images ± sd' for cut in cuts)} |",
            "|---" * (2 * len(cuts) + 1) + "|",
        ]
        for metric in OVERLAP:
            each = [scores["cuts"][cut][how][metric] for cut in cuts for how in ("pooled", "per_image")]
            lines.append(f"| {metric.replace('_', ' ')} | {' | '.join(_with_interval(score) for score in each)} |")
    if measures := report.get("measures"):
        overall = {title(key): each for key, each in measures["pooled"].items()}
        overall |= {f"{title(key)}, mean of images": each for key, each in measures["per_image"].items()}
        lines += ["", f"| measured | value | {spread} | how |", "|---|---|---|---|"]
        lines += [f"| {key} | {_value(each)} | {_interval(each)} | {_how(each)} |" for key, each in overall.items()]
    if data["groups"] < FEW:
        lines += ["", f"warning: {data['groups']} groups are too few for an interval; the range of the groups is shown"]
    elif data["groups"] < MANY:
        lines += ["", f"warning: {data['groups']} groups are few; below {MANY} an interval may be too narrow"]
    return "\n".join(lines)


def count_training_images(data: dict[str, Any]) -> int:
    """How many of the images of a report the run has met in training, or chose epoch and thresholds by.

    >>> images = [{"part": "train"}, {"part": "validation"}, {"part": "test"}, {}]
    >>> count_training_images({"part": "all", "images": images})
    2
    """
    return sum(image.get("part", data["part"]) in ("train", "validation") for image in data["images"])


def _how(score: Score) -> str:
    at = f", at {score['threshold']:g}" if "threshold" in score else ""
    return f"{score['how']}{at}" + (f", undefined for {score['undefined']}" if score.get("undefined") else "")


def _value(score: Score) -> str:
    spread = f" ± {score['sd']:.4f}" if isfinite(score.get("sd", nan)) else ""
    return f"{score['value']:.4f}{spread}" if isfinite(score["value"]) else "undefined"


def _interval(score: Score) -> str:
    return f"{score['low']:.4f} to {score['high']:.4f}" if isfinite(score["low"]) else ""


def _with_interval(score: Score) -> str:
    interval = _interval(score)
    return _value(score) + f" ({interval})" * bool(interval)


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd ...

    >>> [ordinal(number) for number in (1, 2, 3, 4, 11, 22, 113)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd', '113th']
    """
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def write_report(folder: Path, report: dict[str, Any], tallies: list[PixelCounts]) -> None:
    """Write what an evaluation found; overlays of an earlier one go.

    Raises:
        CenetError: The place cannot be written.
    """
    for stale in folder.glob("*_overlay.png"):
        stale.unlink()
    save_histograms(folder / "histograms.npz", tallies)
    write_text(folder / "report.json", report)
    write_text(folder / "report.md", format_evaluation(report))
    images = [{"class": name, **row} for name, scores in report["classes"].items() for row in scores["images"]]
    write_text(folder / "images.csv", _csv(images))
    if "measures" in report:
        write_text(folder / "measures.csv", _csv(report["measures"]["images"]))


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=dict.fromkeys(key for row in rows for key in row), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
