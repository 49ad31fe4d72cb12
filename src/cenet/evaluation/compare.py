"""`cenet compare`: whether one run is better than another on the same images, and what each of them costs."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.outputs import OutputFolder
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError
from cenet.evaluation.comparability import check_comparable, common_folds
from cenet.evaluation.comparison_report import (
    ALL_CLASSES,
    ComparedData,
    ComparedMetric,
    ComparisonReport,
    ComparisonRow,
    MethodCost,
)
from cenet.evaluation.intervals import Interval, interval_of_paired_pooled
from cenet.evaluation.report import Score
from cenet.evaluation.report_files import LoadedEvaluation, read_evaluations
from cenet.evaluation.scores import compute_pooled, sum_by_group, within_folds
from cenet.evaluation.significance import difference_of_means, holm, minimum_p, paired_permutation_test
from cenet.metrics.registry import METRICS, PIXEL_METRICS, RANKING, PixelMetric
from cenet.models.installed import resolve_run

Floats = NDArray[np.float64]
Method = Sequence[LoadedEvaluation]  # the seeds of one run

POOLED = (
    "auc",
    "average_precision",
    "calibration_error",
    "calibration_error_edges",
    "brier",
    "brier_edges",
    "dice",
    "sensitivity",
    "specificity",
)
FILES = ("compare.json", "compare.md", "compare.svg", "compare.png")  # what `cenet compare` writes
PER_IMAGE = ("auc", "dice", "iou", "overlap_error")


@dataclass(frozen=True)
class DifferenceFromReference:
    """How a run differs from the reference, in how many groups, and how likely that is by chance."""

    score: Score
    groups: int
    p: float


def compare(
    paths: Sequence[Path | str] | Path | str,
    *,
    protocol: str = "region",
    part: str | None = None,
    tta: bool = False,
    output: Path | str | None = None,
    overwrite: bool = False,
) -> ComparisonReport:
    """Compare runs with the first of them, image by image, over groups.

    Args:
        paths: Folders: of a report, which is compared whatever the options say, of a run that has one, or of several
            seeds of one method; or names of released models that were scored.
        protocol: Which report of a run.
        part: Which report of a run; by default the first there is of `cenet.evaluation.report_files.PARTS`.
        tta: Which report of a run: that of eight flips and turns.
        output: Folder for `compare.json`; None writes nothing.
        overwrite: Replace files there that no comparison wrote, or that were changed since.

    Raises:
        CenetError: A report is missing, corrupted or named twice, or the reports are not of the same images.

    >>> compare("runs/unet")
    Traceback (most recent call last):
    cenet.errors.CenetError: runs/unet: is nothing to compare with; name two runs or more
    """
    if isinstance(paths, str | Path):
        paths = [paths]
    if len(paths) < 2:
        raise CenetError(paths[0] if paths else "compare", "is nothing to compare with", "name two runs or more")
    folders = [resolve_run(path) for path in paths]
    written = OutputFolder(Path(output), verb="compare", overwrite=overwrite) if output else None
    if written is not None:
        written.check(FILES)
    methods: list[Method] = []
    seen: list[set[Path]] = []
    for path in folders:
        method = read_evaluations(path, protocol=protocol, part=part, tta=tta)
        places = {evaluation.folder.resolve() for evaluation in method}
        if places in seen:
            raise CenetError(path, "would be compared with itself", "name every run once")
        methods.append(method)
        seen.append(places)
        for evaluation in method:
            check_comparable(methods[0][0], evaluation)
    first = methods[0][0].report  # a folder of a report is what it is, whatever is asked for
    views = {evaluation.report.protocol.views for method in methods for evaluation in method}
    options = f" --protocol {first.protocol.name}" + (f" --split {first.data.part}" if part else "")
    options += " --tta" if tta and views != {1} else ""
    shown = [path.name if path.is_absolute() else path.as_posix() for path in folders]
    command = f"cenet compare {' '.join(shlex.quote(name) for name in shown)}{options}"
    report = compare_evaluations(methods, _name_runs(folders), command=command)
    return report if written is None else report.save(written)


def compare_evaluations(methods: Sequence[Method], names: Sequence[str], *, command: str = "") -> ComparisonReport:
    """Compare methods with the first of them; of one alone give its values.

    Args:
        methods: The evaluations of each run's seeds; all are comparable, see `check_comparable`.
        names: Of the runs.
        command: What asked for it.
    """
    first = methods[0][0].report
    groups = methods[0][0].groups
    rows = [row for index in range(len(first.classes)) for row in _compare_class(index, methods, names)]
    rows += _compare_task_metrics(methods, names)
    primary = _primary_metric(methods)
    fitted = max(evaluation.report.data.count_training_images() for method in methods for evaluation in method)
    if fitted:  # nothing to test: one of the runs was trained on these images
        rows = [row.model_copy(update={"p": nan}) for row in rows]
    leading = [row for row in rows if row.metric == primary]
    adjusted = holm([row.p for row in leading])
    leading = [row.model_copy(update={"adjusted_p": float(p)}) for row, p in zip(leading, adjusted, strict=True)]
    folds = methods[0][0].folds
    return ComparisonReport(
        command=command,
        protocol=first.protocol,
        data=ComparedData(
            name=first.data.name,
            task=first.data.task,
            part=first.data.part,
            images=len(groups),
            groups=len(set(groups)),
            training_images=fitted,
        ),
        primary=primary,
        minimum_p=minimum_p(max((row.groups for row in leading if row.groups), default=len(set(groups)))),
        same_folds=all(evaluation.folds == folds for method in methods for evaluation in method),
        runs=tuple(
            MethodCost.average([evaluation.report for evaluation in method], name=name)
            for name, method in zip(names, methods, strict=True)
        ),
        rows=(*leading, *(row for row in rows if row.metric != primary)),
    )


def _name_runs(paths: Sequence[Path]) -> list[str]:
    """What the runs are called, in as few words as distinguish them."""
    parts = [path.resolve().parts for path in paths]
    short = [components[-2] if components[-1].startswith("evaluation-") else components[-1] for components in parts]
    long = ["/".join(components[-2:]) for components in parts]
    names = short if len(set(short)) == len(short) else long
    return names if len(set(names)) == len(names) else [f"{name} ({index})" for index, name in enumerate(long, start=1)]


def _primary_metric(methods: Sequence[Method]) -> ComparedMetric:
    """The metric that decides, in the mean over images: only there is every metric tested."""
    task = methods[0][0].report.data.task
    return ComparedMetric(key=TASKS[task].primary_metric if task in TASKS else "dice", average="per_image")


def _compare_class(class_index: int, methods: Sequence[Method], names: Sequence[str]) -> list[ComparisonRow]:
    """Every metric of one class: for each the reference, then each other run."""
    class_name = methods[0][0].report.classes[class_index].name
    rows: list[ComparisonRow] = []
    for key in POOLED:
        metric = PIXEL_METRICS[key]
        sums = [[evaluation.sums_for(class_index, metric.source) for evaluation in method] for method in methods]
        if all(counts.any() for seeds in sums for counts in seeds):  # nothing may be near an edge
            rows += _compare_pooled(class_name, metric, sums, methods, names)
    for key in PER_IMAGE:
        values = [[evaluation.image_values(class_index, key) for evaluation in method] for method in methods]
        compared = ComparedMetric(key=key, average="per_image")
        rows += _compare_means(class_name, compared, values, names, methods[0][0].groups)
    return rows


def _compare_pooled(
    class_name: str,
    metric: PixelMetric,
    sums: list[list[NDArray[Any]]],
    methods: Sequence[Method],
    names: Sequence[str],
) -> list[ComparisonRow]:
    """A metric over all pixels together; what ranks probabilities within each network, then averaged over networks."""
    groups, ranking = methods[0][0].groups, metric in RANKING
    folds = common_folds(methods) if ranking else None
    compute = within_folds(metric.compute) if ranking else metric.compute

    def add_up(seeds: list[NDArray[Any]]) -> Floats:
        return _sum_by_network(seeds, groups, folds) if ranking else sum_by_group(seeds, groups)

    first, *others = (add_up(seeds) for seeds in sums)
    values = [compute_pooled(counts, compute) for counts in (first, *others)]
    differences = []
    for value, other in zip(values[1:], others, strict=True):
        interval = interval_of_paired_pooled(other, first, compute, between_groups=metric.between_groups)
        p = nan
        if metric.condense is not None:
            p = paired_permutation_test(*metric.condense(other, first), metric.compute_condensed)
        differences.append(DifferenceFromReference(_score_difference(value - values[0], interval), len(first), p))
    seeds = [[compute_pooled(add_up([seed]), compute) for seed in method] for method in sums]
    compared = ComparedMetric(key=metric.key, average="within_folds" if folds else "pooled")
    return _build_rows(class_name, compared, names, values=values, seeds=seeds, differences=differences)


def _sum_by_network(seeds: Sequence[NDArray[Any]], groups: list[str], folds: list[int] | None) -> Floats:
    """The sums of each group and network, `(G, N, ...)`: each seed has a network, or one for each fold."""
    return np.concatenate([sum_by_group([counts], groups, folds or [0] * len(groups)) for counts in seeds], axis=1)


def _compare_task_metrics(methods: Sequence[Method], names: Sequence[str]) -> list[ComparisonRow]:
    """What the task measures beside its classes, of the metrics that all runs have."""
    rows: list[ComparisonRow] = []
    reference = methods[0][0].task_metrics
    for metric in reference.values if reference else ():
        shared = all(e.task_metrics is not None and metric in e.task_metrics.values for m in methods for e in m)
        if shared and METRICS[metric.key].compared:
            values = [[evaluation.task_values(metric) for evaluation in method] for method in methods]
            compared = ComparedMetric(key=metric.key, average="per_image", part=metric.part)
            rows += _compare_means(ALL_CLASSES, compared, values, names, methods[0][0].groups)
    return rows


def _compare_means(
    class_name: str, metric: ComparedMetric, scores: list[list[Floats]], names: Sequence[str], groups: list[str]
) -> list[ComparisonRow]:
    """A metric that every image has: `scores` are those of each run's seeds, `(images,)`."""
    means = [np.mean(seeds, axis=0) for seeds in scores]
    differences = []
    for mean in means[1:]:
        tested = difference_of_means(mean, means[0], groups)
        score = _score_difference(tested.value, tested.interval)
        differences.append(DifferenceFromReference(score, tested.groups, tested.p))
    values = [_mean_of_defined(mean) for mean in means]
    seeds = [[_mean_of_defined(seed) for seed in method] for method in scores]
    return _build_rows(class_name, metric, names, values=values, seeds=seeds, differences=differences)


def _build_rows(
    class_name: str,
    metric: ComparedMetric,
    names: Sequence[str],
    *,
    values: Sequence[float],
    seeds: Sequence[Sequence[float]],
    differences: Sequence[DifferenceFromReference],
) -> list[ComparisonRow]:
    """A row for each run, the reference first; `differences` are those of the others."""
    rows = []
    for name, value, own, difference in zip(names, values, seeds, [None, *differences], strict=True):
        rows.append(
            ComparisonRow(
                class_name=class_name,
                metric=metric,
                run=name,
                value=value,
                seeds_sd=float(np.std(own, ddof=1)) if len(own) > 1 else nan,
                difference=difference.score if difference else None,
                groups=difference.groups if difference else None,
                p=difference.p if difference else nan,
            )
        )
    return rows


def _score_difference(value: float, interval: Interval) -> Score:
    return Score(value=value, low=interval.low, high=interval.high, method=interval.method, interval_kind=interval.kind)


def _mean_of_defined(scores: Floats) -> float:
    defined = scores[~np.isnan(scores)]
    return float(defined.mean()) if defined.size else nan
