"""The table of an ablation: every row beside its reference, on the folds that both have."""

from collections.abc import Mapping, Sequence
from math import isnan, nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cenet.evaluation.compare import compare_reports
from cenet.evaluation.differences import metric_title
from cenet.evaluation.intervals import MIN_TEST_GROUPS
from cenet.evaluation.protocol import PROTOCOLS, Protocol
from cenet.evaluation.report_files import check_comparable, read_evaluations
from cenet.experiments.cross_validation import _report, _scores

ENOUGH = 2_000  # steps of a model: those of the paper on DRIVE, as far as they are known
DICE = "dice_per_image"
KINDS = {"_pooled": "pooled", "_within_folds": "folds", "_per_image": "per_image"}  # of means, by a metric's ending


def compare_variants(
    rows: Mapping[str, tuple[Path, bool]], beside: Mapping[str, str], *, folds: int, protocol: Protocol = "region"
) -> dict[str, Any]:
    """Compare each row with its reference by the task's own metric and by Dice; without a test where folds are missing.

    A row whose reference has none of its folds stands alone, with its figures and no difference.

    Args:
        rows: By title, the folder of a cross-validation, and whether its report of all views is meant.
        beside: The title of each row's reference; that of all others is its own.
        folds: How many there are in the end.
        protocol: What was scored.

    Returns:
        `protocol`, `folds`, `rows` and `notes`, for `format_ablation`.

    >>> compare_variants({"CE-Net": (Path("runs/nowhere"), False)}, {"CE-Net": "CE-Net"}, folds=4)["notes"]
    ['To be done: CE-Net.']
    """
    done = {
        title: {n for n in range(folds) if (_scores(place / f"fold-{n}", protocol, tta) / "report.json").exists()}
        for title, (place, tta) in rows.items()
    }
    alike: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for title in rows:
        reference = beside[title] if done[title] & done[beside[title]] else title  # its own figures are known already
        if shared := tuple(sorted(done[title] & done[reference])):
            alike.setdefault((reference, shared), []).append(title)
    found: dict[str, dict[str, Any]] = {}
    for (reference, shared), titles in alike.items():
        with TemporaryDirectory() as folder:
            reports = {}
            for number, title in enumerate(dict.fromkeys([reference, *titles])):
                (place, tta), part = rows[title], Path(folder, str(number))
                reports[title] = _report(part, [place / f"fold-{n}" for n in shared], protocol, tta, command="")
            for row in _rows(reports, tested=len(shared) == folds):
                if row["row"] in titles:
                    found[row["row"]] = {**row, "folds": list(shared)}
    told = [found[title] for title in rows if title in found]
    return {"protocol": protocol, "folds": folds, "rows": told, "notes": _notes(told, list(rows), folds, protocol)}


def _rows(reports: Mapping[str, dict[str, Any]], *, tested: bool) -> list[dict[str, Any]]:
    """What is said of each row; the first is the reference."""
    titles, methods = list(reports), [read_evaluations(report["folder"]) for report in reports.values()]
    for method in methods:
        check_comparable(methods[0][0], method[0])
    found = compare_reports(methods, titles)
    each = {(row["run"], row["class"], row["metric"]): row for row in found["rows"]}
    shown = [key[1:] for key in each if key[0] == titles[0] and key[2] in (found["primary"], DICE)]
    rows = []
    for title, cost in zip(titles, found["runs"], strict=True):
        report, figures = reports[title], []
        for kind in shown:
            row = each[title, *kind]
            p = (row["p"] if isnan(row["adjusted_p"]) else row["adjusted_p"]) if tested else nan
            told = {key: row[key] for key in ("class", "metric", "value", "difference", "low", "high", "how")}
            figures.append(
                told | {"interval": _score(report, *kind), "beside": each[titles[0], *kind]["value"], "p": p}
            )
        steps = [run["steps"] for run in report["runs"] if run["steps"]]
        rows.append(
            {
                "row": title,
                "beside": titles[0] if title != titles[0] else None,
                "primary": found["primary"],
                "figures": figures,
                **{key: report["data"][key] for key in ("name", "task", "groups")},
                "images": len(report["data"]["images"]),
                **{key: cost[key] for key in ("parameters", "views", "seconds_per_image", "device", "started_from")},
                "training_seconds": cost["training_seconds"] / len(report["runs"]),
                "steps": sum(steps) / len(steps) if steps else nan,
                "settings": report["runs"][0]["settings"],
            }
        )
    return rows


def _score(report: dict[str, Any], name: str, metric: str) -> dict[str, Any]:
    """The interval that a report has of a figure of `cenet.evaluation.compare`."""
    kind, key = next((kind, metric.removesuffix(end)) for end, kind in KINDS.items() if metric.endswith(end))
    scores = report["classes"].get(name) or report["measures"]
    tables = [scores, *scores.get("cuts", {}).values()]
    score: dict[str, Any] = next((each[kind][key] for each in tables if key in each.get(kind, {})), {})
    return {key: score.get(key, default) for key, default in (("low", nan), ("high", nan), ("how", ""))}


def _notes(rows: Sequence[dict[str, Any]], titles: Sequence[str], folds: int, protocol: Protocol) -> list[str]:
    """What must be known to read the table."""
    notes = []
    if rows:
        most = max(rows, key=lambda row: int(row["images"]))
        settings, steps = most["settings"], [round(row["steps"]) for row in rows if not isnan(row["steps"])]
        learnt = " to ".join(f"{n:,}" for n in sorted({min(steps), max(steps)})) if steps else "no"
        crops = f"crops of {settings['crop_px']} px" if settings["crop_px"] else "whole images"
        notes = [
            f"{most['name']}: {most['images']} images in {most['groups']} groups, dealt into {folds} folds with seed "
            f"{settings['seed']}; each is scored by a network that has never met it. Protocol {protocol}: "
            f"{PROTOCOLS[protocol]}.",
            f"Recipe {settings['name']}: {learnt} steps a model, each of {settings['batch_size']} {crops}.",
            "A difference is a row's figure minus that of the row beside it, on the same images, with its own interval "
            f"over groups. The question is {metric_title(most['primary'])}; all else is exploratory.",
            "p is how often chance alone, swapping two rows in whole groups, makes so large a difference; that of the "
            "question is adjusted by Holm's rule over the rows beside the same one."
            if most["groups"] >= MIN_TEST_GROUPS
            else f"No test: it takes {MIN_TEST_GROUPS} groups to reach 0.05.",
            "Approximate: the networks of any two folds share training images, so neither interval nor p tells how "
            "another training set would do.",
        ]
        if steps and min(steps) < ENOUGH:
            notes[1] += (
                f" The budget is short: the paper's training on DRIVE takes some {ENOUGH:,} steps, as far as it is "
                "known, and after so many the rows may stand otherwise."
            )
    for row in rows:
        if (done := len(row["folds"])) < folds:
            notes.append(
                f"{row['row']}: {done} of {folds} folds; its figures are those of {row['images']} images, no test."
            )
    if missing := [title for title in titles if title not in [row["row"] for row in rows]]:
        notes.append(f"To be done: {'; '.join(missing)}.")
    return notes


def format_ablation(ablation: Mapping[str, Any]) -> str:
    """An ablation as Markdown: the figures, the task's own first, then the costs, and how to read them.

    >>> row = {"row": "U-Net", "folds": [0], "figures": [], "steps": 150, "views": "1", "parameters": 3.1e7}
    >>> row |= {"training_seconds": 1500.0, "seconds_per_image": 2.0, "started_from": "random weights"}
    >>> print(format_ablation({"rows": [row], "folds": 4, "notes": ["The budget is short."]}))
    | class | metric | row | value | interval | beside | difference | interval | p |
    |---|---|---|---|---|---|---|---|---|
    <BLANKLINE>
    | row | folds | parameters | steps | training, a model | views | seconds per image | started from |
    |---|---|---|---|---|---|---|---|
    | U-Net | 1 of 4 | 31,000,000 | 150 | 1500 s | 1 | 2 | random weights |
    <BLANKLINE>
    - The budget is short.
    """
    lines = ["| class | metric | row | value | interval | beside | difference | interval | p |", "|---" * 9 + "|"]
    figures = [(row, each) for row in ablation["rows"] for each in row["figures"]]
    for row, each in sorted(figures, key=lambda pair: pair[1]["metric"] != pair[0]["primary"]):
        beside = f"{row['beside']} {_number(each['beside'], '{:.4f}')}" if row["beside"] else ""
        cells = [each["class"], metric_title(each["metric"]), row["row"], _number(each["value"], "{:.4f}")]
        cells += [_interval(each["interval"], "{:.4f}"), beside, _number(each["difference"], "{:+.4f}")]
        cells += [_interval(each, "{:+.4f}"), _number(each["p"], "{:.2g}")]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| row | folds | parameters | steps | training, a model | views | seconds per image | started from |"]
    lines += ["|---" * 8 + "|"]
    for row in ablation["rows"]:
        cells = [row["row"], f"{len(row['folds'])} of {ablation['folds']}", _number(row["parameters"], "{:,.0f}")]
        cells += [_number(row["steps"], "{:.0f}"), _number(row["training_seconds"], "{:.0f} s"), row["views"]]
        cells += [_number(row["seconds_per_image"], "{:.3g}"), row["started_from"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in ablation["notes"])])


def _number(value: float, form: str) -> str:
    return "" if isnan(value) else form.format(value)


def _interval(score: Mapping[str, Any], form: str) -> str:
    """An interval; a range says that it is none."""
    ends = [_number(score[end], form) for end in ("low", "high")]
    return " to ".join(ends) + f" ({score['how']})" * score["how"].startswith("range") if all(ends) else ""
