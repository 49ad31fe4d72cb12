"""Comparisons and ablations as text: their tables, and the notes that one must know to read them."""

from collections.abc import Iterable, Sequence
from math import isfinite

from cenet.evaluation.comparison_report import (
    AblationReport,
    AblationRow,
    AblationScore,
    ComparedMetric,
    ComparisonReport,
    ComparisonRow,
    MethodCost,
)
from cenet.evaluation.intervals import ENOUGH_GROUPS, MIN_GROUPS
from cenet.evaluation.protocol import PROTOCOLS
from cenet.evaluation.significance import MIN_TEST_GROUPS
from cenet.metrics.registry import RANKING
from cenet.reporting.tables import (
    BulletList,
    Style,
    Table,
    compared_metric_title,
    format_number,
    format_optional,
    format_titled_interval,
    interval_title,
    render,
)
from cenet.safe_text import format_count

PAPER_STEPS = 2_000  # of the paper's training on DRIVE, as far as it is known


def format_comparison(report: ComparisonReport, style: Style = "terminal") -> str:
    """A comparison as text: the differences, what must be known to read them, and the costs.

    Args:
        report: The comparison.
        style: For a terminal, or for `compare.md`.
    """
    data, protocol = report.data, report.protocol
    scope = (
        f"{data.name}, part {data.part} ({format_count(data.images, 'image')}, {format_count(data.groups, 'group')}), "
        f"protocol {protocol.name}: {protocol.description}"
    )
    interval = interval_title(row.difference for row in report.rows if row.difference)
    header = ("class", "metric", "run", "value", "difference", interval, "p", "p (Holm)")
    rows = tuple(_comparison_cells(row, interval) for row in report.rows)
    differences = Table(f"differences from {report.runs[0].name}", header, rows, "lllrrrrr")
    return render([scope, differences, BulletList(tuple(_comparison_notes(report))), _cost_table(report.runs)], style)


def _comparison_cells(row: ComparisonRow, title: str) -> tuple[str, ...]:
    spread = f" ± {format_number(row.seeds_sd, like=row.value)}" if isfinite(row.seeds_sd) else ""
    difference = format_number(row.difference.value, like=row.value, signed=True) if row.difference else "reference"
    interval = format_titled_interval(row.difference, title, signed=True) if row.difference else ""
    return (
        row.class_name,
        compared_metric_title(row.metric),
        row.run,
        format_number(row.value) + spread,
        difference,
        interval,
        format_optional(row.p, "{:.2g}"),
        format_optional(row.adjusted_p, "{:.2g}"),
    )


def _cost_table(costs: Iterable[MethodCost], title: str = "costs") -> Table:
    costs = tuple(costs)
    rows = [
        ("seeds", *(str(cost.seeds) for cost in costs)),
        ("views", *(" or ".join(map(str, cost.views)) for cost in costs)),
        ("threshold", *(_format_thresholds(cost.thresholds) for cost in costs)),
        ("parameters", *(format_optional(cost.parameters, "{:,.0f}") for cost in costs)),
        ("multiply-adds per image", *(format_optional(cost.multiply_adds_per_image, "{:.3g}") for cost in costs)),
        ("seconds per image", *(format_optional(cost.seconds_per_image, "{:.3g}") for cost in costs)),
        ("peak memory", *(format_optional(cost.peak_memory_mib, "{:,.0f} MiB") for cost in costs)),
        ("training", *(format_optional(cost.training_seconds, "{:,.0f} s") for cost in costs)),
        ("device", *(", ".join(cost.devices) for cost in costs)),
        ("started from", *(", ".join(cost.started_from) for cost in costs)),
    ]
    return Table(title, ("cost", *(cost.name for cost in costs)), tuple(rows), "l" * (len(costs) + 1))


def _format_thresholds(thresholds: tuple[float, ...]) -> str:
    if not thresholds:
        return "largest probability"
    ends = dict.fromkeys(f"{threshold:.3g}" for threshold in (thresholds[0], thresholds[-1]))
    return " to ".join(ends)


def _comparison_notes(report: ComparisonReport) -> list[str]:
    """What must be known to read the differences."""
    data, groups = report.data, report.data.groups
    primary = compared_metric_title(report.primary)
    tests = sum(row.metric == report.primary and isfinite(row.p) for row in report.rows)
    compared = [row.difference for row in report.rows if row.difference]
    methods = sorted({score.method for score in compared if score.method and not score.is_range})
    tested = max((row.groups for row in report.rows if row.metric == report.primary and row.groups), default=groups)
    first = f"A difference is a run's value minus that of {report.runs[0].name}, the reference, on the same images."
    if groups >= MIN_GROUPS and methods:
        first += f" Intervals: {', '.join(methods)}."
    notes = [first, f"The primary metric is {primary}; all others are exploratory."]
    if data.training_images:
        notes.append(
            f"Warning: a run was trained or validated on {data.training_images} of these {data.images} images; this is "
            "no test, and there is no p."
        )
    elif tested < MIN_TEST_GROUPS:
        start = "No test: with" if tested == groups else "No test of the primary metric: where it is defined, with"
        notes.append(
            f"{start} {format_count(tested, 'group')} the smallest possible p is {report.minimum_p:.2g}; "
            f"reaching 0.05 takes {MIN_TEST_GROUPS} groups."
        )
    else:
        notes.append(
            "p is how often chance alone, swapping the two runs in whole groups, makes a difference as large as this; "
            f"the smallest possible with {tested} groups is {report.minimum_p:.2g}. That of the primary metric is "
            f"adjusted by Holm's rule for {format_count(tests, 'comparison')}; every other p is unadjusted."
        )
        if any(_is_pooled_ranking(row.metric) for row in report.rows):
            notes.append(f"{POOLED_RANKS_HAVE_NO_TEST} Tested is the AUC in the mean over images.")
    if groups < MIN_GROUPS or any(score.is_range for score in compared):
        notes.append(
            f"With fewer than {MIN_GROUPS} groups there is no interval, only the smallest and the largest difference "
            "of a single group, where the difference lies between them."
        )
    if MIN_GROUPS <= groups < ENOUGH_GROUPS:
        notes.append(f"Warning: with fewer than {ENOUGH_GROUPS} groups a 95 % interval may be too narrow.")
    if data.part == "out-of-fold":
        notes.append(SHARED_TRAINING_IMAGES)
    if not report.same_folds:
        notes.append(
            "Warning: the images were dealt into different folds, so the runs were trained on different ones; pooled "
            "metrics mix the probabilities of several networks."
        )
    if any(cost.seeds > 1 for cost in report.runs):
        notes.append(
            "Seeds of one run are averaged image by image before anything else; ± is the standard deviation of the "
            "seeds' values. The intervals are over groups, and do not show how other seeds would do."
        )
    if len({views for cost in report.runs for views in cost.views}) > 1:
        notes.append("Warning: the runs predicted with different numbers of views (see the costs).")
    return notes


POOLED_RANKS_HAVE_NO_TEST = (
    "AUC and average precision over pixels of several images have no p: swapped groups would rank the probabilities of "
    "two networks together."
)
SHARED_TRAINING_IMAGES = (
    "Approximate: the networks of any two folds share training images, so groups are not independent, and neither "
    "interval nor p shows how another training set would do."
)


def _is_pooled_ranking(metric: ComparedMetric) -> bool:
    """Whether probabilities of several images are ranked together."""
    return metric.average != "per_image" and metric.key in {ranking.key for ranking in RANKING}


def format_ablation(report: AblationReport, style: Style = "terminal") -> str:
    """An ablation as text: a table for each metric, the primary one first, then the costs, and how to read them.

    Args:
        report: The ablation.
        style: For a terminal, or for `ablation.md`.
    """
    scores = [(row, score) for row in report.rows for score in row.scores]
    scores.sort(key=lambda pair: pair[1].metric != pair[0].primary)
    tables: dict[tuple[str, ComparedMetric], list[tuple[str, ...]]] = {}
    for row, score in scores:
        tables.setdefault((score.class_name, score.metric), []).append(_ablation_cells(row, score))
    header = ("variant", "value", "interval", "reference", "its value", "difference", "interval", "p")
    blocks: list[str | BulletList | Table] = [
        Table(f"{class_name}, {compared_metric_title(metric)}", header, tuple(cells), "lrrlrrrr")
        for (class_name, metric), cells in tables.items()
    ]
    return render([*blocks, _ablation_costs(report), BulletList(tuple(_ablation_notes(report)))], style)


def _ablation_cells(row: AblationRow, score: AblationScore) -> tuple[str, ...]:
    difference = format_number(score.difference.value, like=score.score.value, signed=True) if score.difference else ""
    return (
        row.variant,
        format_number(score.score.value),
        format_titled_interval(score.score),
        row.reference or "",
        format_number(score.reference_value, like=score.score.value) if row.reference else "",
        difference,
        format_titled_interval(score.difference, signed=True) if score.difference else "",
        format_optional(score.p, "{:.2g}"),
    )


def _ablation_costs(report: AblationReport) -> Table:
    """What a training and a prediction of each variant cost."""
    header = ("variant", "folds", "parameters", "steps", "training", "views", "seconds per image", "started from")
    rows = [
        (
            row.variant,
            f"{len(row.folds)} of {report.folds}",
            format_optional(row.cost.parameters, "{:,.0f}"),
            format_optional(row.steps, "{:,.0f}"),
            format_optional(row.cost.training_seconds, "{:,.0f} s"),
            " or ".join(map(str, row.cost.views)),
            format_optional(row.cost.seconds_per_image, "{:.3g}"),
            ", ".join(row.cost.started_from),
        )
        for row in report.rows
    ]
    return Table("costs of a model", header, tuple(rows), "lrrrrrrl")


def _ablation_notes(report: AblationReport) -> list[str]:
    """What must be known to read the tables."""
    notes = _ablation_design(report) if report.rows else []
    for row in report.rows:
        if len(row.folds) < report.folds:
            notes.append(
                f"{row.variant}: {len(row.folds)} of {report.folds} folds; its metrics are those of {row.data.images} "
                "images, without a test."
            )
    if report.missing:
        notes.append(f"Not trained yet: {'; '.join(report.missing)}.")
    return notes


def _format_steps(steps: Sequence[int]) -> str:
    """The fewest and the most steps, from a sorted list.

    >>> _format_steps([1]), _format_steps([90, 100, 1200])
    ('1 step', '90 to 1,200 steps')
    """
    if not steps or steps[0] == steps[-1]:
        return format_count(steps[0], "step") if steps else "no steps"
    return f"{steps[0]:,} to {format_count(steps[-1], 'step')}"


def _ablation_design(report: AblationReport) -> list[str]:
    """How the variants were trained, scored and compared."""
    largest = max(report.rows, key=lambda row: row.data.images)
    data, settings = largest.data, largest.settings
    steps = sorted({round(row.steps) for row in report.rows if isfinite(row.steps)})
    crops = f"crops of {settings['crop_px']} px" if settings["crop_px"] else "whole images"
    training = f"Recipe {settings['name']}: {_format_steps(steps)} a model, each of {settings['batch_size']} {crops}."
    if steps and steps[0] < PAPER_STEPS:
        training += (
            f" The training is short: the paper's on DRIVE takes some {PAPER_STEPS:,} steps, as far as it is known, "
            "and after so many the order of the variants may be another."
        )
    if data.groups >= MIN_TEST_GROUPS:
        test = (
            "p is how often chance alone, swapping two variants in whole groups, makes a difference as large as this; "
            "that of the primary metric is adjusted by Holm's rule over the variants with the same reference."
        )
    else:
        test = f"No test: reaching p = 0.05 takes {MIN_TEST_GROUPS} groups."
    if data.groups >= MIN_TEST_GROUPS and _is_pooled_ranking(largest.primary):
        test += f" {POOLED_RANKS_HAVE_NO_TEST}"
    return [
        f"{data.name}: {data.images} images in {data.groups} groups, dealt into {report.folds} folds with seed "
        f"{settings['seed']}; each image is predicted by a network that was not trained on it. Protocol "
        f"{report.protocol}: {PROTOCOLS[report.protocol]}.",
        training,
        "A difference is a variant's value minus that of its reference, on the same images, with its own interval over "
        f"groups. The primary metric is {compared_metric_title(largest.primary)}; all else is exploratory.",
        test,
        SHARED_TRAINING_IMAGES,
    ]
