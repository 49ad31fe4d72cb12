"""`cenet report`: evaluations as one HTML page that opens by double click and needs no network."""

import math
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError
from cenet.evaluation.report import Protocol
from cenet.evaluation.report_files import read_evaluations
from cenet.metrics.registry import METRICS
from cenet.models.installed import resolve_run
from cenet.reporting.cases import COMPARISON_COLOURS, load_cases
from cenet.reporting.html_sections import AVERAGES, build_section
from cenet.reporting.tables import format_interval, format_number, metric_title
from cenet.safe_text import format_count, replace_unprintable

UNDEFINED = "\N{EN DASH}"


def report(
    paths: Path | str | Sequence[Path | str],
    *,
    protocol: Protocol = "region",
    part: str | None = None,
    tta: bool = False,
    output: Path | str = "report.html",
    overwrite: bool = False,
    cases: int = 3,
) -> Path:
    """Write one page about evaluations: scores, curves, cases, data, configuration, and how to repeat it all.

    Args:
        paths: Run folders that were scored, the folders of evaluations and cross-validations, several seeds of one, or
            names of released models that were scored.
        protocol: Which evaluation of a run.
        part: Likewise; by default the test part, what every fold held out, or all images, whichever was scored.
        tta: Likewise.
        output: The `.html` file to write.
        overwrite: Replace a file that is no such page of ours, or that was changed since.
        cases: How many images to show, evenly from the worst to the best, of those that the evaluation kept.

    Returns:
        The file.

    Raises:
        CenetError: A run has no such evaluation; the remedy is the command that makes it.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    output = Path(output)
    folders = [resolve_run(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    if output.suffix.lower() not in (".html", ".htm"):
        raise CenetError(output, "the name must end in .html, the only format written", "rename it")
    folder = OutputFolder(output.parent, verb="report", overwrite=overwrite)
    folder.check([output.name])
    evaluations = [
        evaluation for path in folders for evaluation in read_evaluations(path, protocol=protocol, part=part, tta=tta)
    ]
    sections = [
        build_section(f"report-{number}", evaluation, cases=load_cases(evaluation.report, count=cases))
        for number, evaluation in enumerate(evaluations, start=1)
    ]
    environment = Environment(
        loader=PackageLoader("cenet.reporting"),
        autoescape=True,
        finalize=_replace_unprintable_lines,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_value,
        "score": format_score,
        "interval": format_interval,
        "duration": format_duration,
        "metric": metric_title,
        "capital": capitalise,
        "count": format_count,
    }
    page = environment.get_template("report.html").render(
        sections=sections,
        averages=AVERAGES,
        metrics=METRICS,
        comparison_colours=COMPARISON_COLOURS,
        version=metadata.version("cenet"),
    )
    with folder.open(output.name) as file:
        file.write(page.encode())
    return output


def format_value(value: float | None, decimals: int = 4) -> str:
    """A number as the page shows it: a whole one with separators; what is undefined is a dash.

    >>> format_value(0.98765), format_value(29005531), format_value(None), format_value(float("nan"))
    ('0.9877', '29,005,531', '–', '–')
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{decimals}f}"


def format_score(value: float) -> str:
    """A metric as the page shows it; what is undefined is a dash.

    >>> format_score(0.98765), format_score(12.345), format_score(float("nan"))
    ('0.9877', '12.35', '–')
    """
    return format_number(value) if math.isfinite(value) else UNDEFINED


def format_duration(seconds: float | None) -> str:
    """Seconds as a person says them.

    >>> format_duration(0.0312), format_duration(75), format_duration(4000), format_duration(None)
    ('0.031 s', '1 min 15 s', '1 h 7 min', '–')
    """
    if seconds is None or not math.isfinite(seconds):
        return UNDEFINED
    if seconds < 59.5:
        return f"{seconds:.2g} s"
    whole_minutes, rest_seconds = divmod(round(seconds), 60)
    hours, rest_minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest_minutes} min" if hours else f"{whole_minutes} min {rest_seconds} s"


def capitalise(text: str) -> str:
    """The text with a capital first letter, the others as they are.

    >>> capitalise("validation Dice")
    'Validation Dice'
    """
    return f"{text[:1].upper()}{text[1:]}"


def _replace_unprintable_lines(value: Any) -> Any:
    """Keep the line breaks of a text, but nothing else that is not printable; plots stay as they are."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "\n".join(map(replace_unprintable, value.split("\n")))
