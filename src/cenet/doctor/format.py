"""A diagnosis as text: for a terminal, as Markdown and as the content of `doctor.json`."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cenet.doctor.diagnosis import Diagnosis, Finding
from cenet.safe_text import escape_markdown, replace_unprintable

MAX_LISTED = 20  # findings with the same remedy that are listed
MAX_SEPARATE = 3  # more findings with the same cause become one line
MAX_KINDS = 4  # sizes, or value types, that are listed


def format_diagnosis(diagnosis: Diagnosis) -> str:
    """Format a diagnosis for a terminal: what there is, each finding in a line, and the summary.

    >>> finding = Finding("warning", "masks/1.png", "it has no foreground", "check it")
    >>> print(format_diagnosis(Diagnosis("eyes", "folder", (finding,), images=3, readable=3, labelled=3)))
    images   3 of 3 can be read, 3 have labels
    <BLANKLINE>
    warning  masks/1.png: it has no foreground; check it
    <BLANKLINE>
    no errors, 1 warning: this can be trained on
    a contact sheet of the images with their labels: add --output DIR
    """
    properties = [f"{name:8} {text}" for name, text in describe_data(diagnosis)]
    findings = _list_findings(diagnosis)
    where = "a contact sheet of the images with their labels: add --output DIR"
    if diagnosis.output is not None:
        where = f"report: {diagnosis.output}; look at {diagnosis.output / 'contact-sheet.png'}"
    sections = [properties, findings, [summarise(diagnosis), where]]
    return "\n\n".join("\n".join(map(replace_unprintable, section)) for section in sections if section)


def format_markdown(diagnosis: Diagnosis) -> str:
    """Format a diagnosis as the Markdown of `doctor.md`, with the contact sheet beside it."""
    lines = [f"# {escape_markdown(diagnosis.data)}", "", summarise(diagnosis)]
    properties = [f"- {name}: {escape_markdown(text)}" for name, text in describe_data(diagnosis)]
    if properties:
        lines += ["", *properties]
    if diagnosis.findings:
        lines += ["", "| | file | problem | remedy |", "|---|---|---|---|"]
    for finding in diagnosis.findings:
        cells = (finding.severity, finding.subject, finding.cause, finding.remedy)
        lines.append(f"| {' | '.join(map(escape_markdown, cells))} |")
    return "\n".join([*lines, "", "![The images with their labels](contact-sheet.png)", ""])


def diagnosis_content(diagnosis: Diagnosis) -> dict[str, Any]:
    """The content of `doctor.json`: every field of a diagnosis but the folder that it was written to."""
    content = asdict(diagnosis)
    del content["output"]
    return {"format": 3, **content}


def describe_data(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """What there is, as pairs of a name and a text.

    >>> describe_data(Diagnosis("eyes", "folder", images=3, readable=2, labelled=3))
    [('images', '2 of 3 can be read, 3 have labels')]
    """
    if not diagnosis.images:
        return []
    read = f"{diagnosis.readable} of {diagnosis.images} can be read, {diagnosis.labelled} have labels"
    described = [("layout", diagnosis.layout)] if diagnosis.layout else []
    described.append(("images", read))
    if diagnosis.groups is not None:
        described.append(("groups", f"{diagnosis.groups}: {diagnosis.grouping}"))
    if diagnosis.sizes:
        described.append(("sizes", _list_counts(diagnosis.sizes, unit=" px")))
        described.append(("values", _list_counts(diagnosis.value_types)))
    if diagnosis.label_encoding:
        described.append(("labels", diagnosis.label_encoding))
    pixels = "of the pixels" if diagnosis.region_share is None else "of the pixels inside the regions"
    for part in diagnosis.classes:
        text = f"{part.name}: {part.share:.3%} {pixels}, in {_count(part.images, 'image')}"
        described.append(("class", text))
    if diagnosis.region_share is not None:
        described.append(("regions", f"{diagnosis.region_share:.1%} of the pixels count"))
    if diagnosis.unannotated_columns:
        text = f"{diagnosis.unannotated_columns} without annotation, so they do not count"
        described.append(("columns", text))
    return described


def summarise(diagnosis: Diagnosis) -> str:
    """Count errors and warnings, and say whether the data can be trained on.

    >>> summarise(Diagnosis("eyes", "folder"))
    'no errors, no warnings: this can be trained on'
    """
    counts = f"{_count(diagnosis.errors, 'error')}, {_count(diagnosis.warnings, 'warning')}"
    return f"{counts}: {'fix the errors before training' if diagnosis.errors else 'this can be trained on'}"


def _list_findings(diagnosis: Diagnosis) -> list[str]:
    """Each finding in a line; many with the same cause, or the same remedy, are summed up."""
    by_remedy: dict[tuple[str, str], dict[str, list[Finding]]] = defaultdict(lambda: defaultdict(list))
    for finding in diagnosis.findings:
        by_remedy[finding.severity, finding.remedy][finding.cause].append(finding)
    lines: list[str] = []
    for (severity, remedy), by_cause in by_remedy.items():
        entries: list[str] = []
        for cause, findings in by_cause.items():
            subjects = [finding.subject for finding in findings]
            if len(subjects) > MAX_SEPARATE:
                shown = ", ".join(subjects[:MAX_SEPARATE])
                entries.append(f"{len(subjects)} files: {cause}; {remedy} ({shown}, ...)")
            else:
                entries += [f"{subject}: {cause}; {remedy}" for subject in subjects]
        if len(entries) > MAX_LISTED:
            entries[MAX_LISTED:] = [f"and {len(entries) - MAX_LISTED} more; {remedy}"]
        lines += [f"{severity:8} {entry}" for entry in entries]
    return lines


def _list_counts(counts: Mapping[str, int], unit: str = "") -> str:
    """The most common kinds, each with its number where there are several."""
    if len(counts) == 1:
        return f"{next(iter(counts))}{unit}"
    kinds = sorted(counts, key=lambda kind: -counts[kind])
    text = ", ".join(f"{kind}{unit} ({counts[kind]})" for kind in kinds[:MAX_KINDS])
    return text if len(kinds) <= MAX_KINDS else f"{text} and {len(kinds) - MAX_KINDS} others"


def _count(number: int, name: str) -> str:
    if number == 1:
        return f"1 {name}"
    return f"{number or 'no'} {name}s"
