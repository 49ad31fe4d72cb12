"""An evaluation as text: one sentence with the metric that the task is judged by, then tables of all metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from cenet.datasets.registry import TASKS
from cenet.evaluation.intervals import ENOUGH_GROUPS, MIN_GROUPS
from cenet.evaluation.report import EvaluationReport
from cenet.evaluation.report_scores import ClassReport, Score, ThresholdScores
from cenet.evaluation.scores import mean_score
from cenet.metrics.registry import METRICS
from cenet.reporting.tables import (
    RANGES,
    BulletList,
    Style,
    Table,
    format_interval,
    format_number,
    interval_title,
    metric_title,
    render,
    sort_metrics,
)
from cenet.safe_text import format_count

Row = tuple[str, str, Score]  # a metric, what it is averaged over, and its score

MAX_SENTENCE_CLASSES = 3
SCORED_IMAGES = {
    "train": "training image",
    "validation": "validation image",
    "test": "test image",
    "all": "image",
    "out-of-fold": "image",
}


@dataclass(frozen=True)
class ImageMean:
    """The mean of a metric over images.

    Args:
        metric: Its key in `cenet.metrics.registry`.
        part: The class, layer or boundary that it is of; empty where it is of the image as a whole.
        score: The mean with its interval.
    """

    metric: str
    part: str
    score: Score


def primary_means(report: EvaluationReport) -> list[ImageMean]:
    """The metric that the task is judged by, as mean over images: of each class, or of the image as a whole.

    Args:
        report: The evaluation.
    """
    spec = TASKS.get(report.data.task)
    return image_means(report, spec.primary_metric if spec else "dice") or image_means(report, "dice")


def image_means(report: EvaluationReport, metric: str) -> list[ImageMean]:
    """A metric as mean over images: of the image as a whole, or else of each class at the first threshold.

    Args:
        report: The evaluation.
        metric: Its key in `cenet.metrics.registry`.
    """
    for task_metric in report.task_metrics:
        if task_metric.metric == metric and not task_metric.part and task_metric.per_image:
            return [ImageMean(metric, "", task_metric.per_image)]
    scores = {of_class.name: {**of_class.per_image, **of_class.thresholds[0].per_image} for of_class in report.classes}
    return [ImageMean(metric, name, means[metric]) for name, means in scores.items() if metric in means]


def source_means(report: EvaluationReport, metric: str) -> list[tuple[str, ImageMean]]:
    """A metric of each class as mean over the images of each data set; empty where one set was scored alone.

    Args:
        report: The evaluation.
        metric: Key in `cenet.metrics.registry`: of the overlap, or `auc`.
    """
    members: dict[str, list[int]] = {}
    for index, image in enumerate(report.data.images):
        members.setdefault(image.source, []).append(index)
    if len(members) < 2:
        return []
    means = []
    for source, indices in members.items():
        for of_class in report.classes:
            images = [of_class.images[index] for index in indices]
            values = [image.auc if metric == "auc" else image.thresholds[0].scores[metric] for image in images]
            means.append(
                (source, ImageMean(metric, of_class.name, mean_score(values, [image.group for image in images])))
            )
    return means


def summarise_evaluation(report: EvaluationReport) -> str:
    """The result in one sentence: the metric that the task is judged by, with its interval, then Dice and IoU.

    Args:
        report: The evaluation.
    """
    means = primary_means(report)
    metric = METRICS[means[0].metric]
    values = [
        f"{f'of {mean.part}: ' if mean.part else ''}{_format_mean(mean, with_interval=report.data.groups > 1)}"
        for mean in means[:MAX_SENTENCE_CLASSES]
    ]
    if len(means) > MAX_SENTENCE_CLASSES:
        values.append(f"and {len(means) - MAX_SENTENCE_CLASSES} more classes")
    images = _count_defined(report, means)
    separator = " " if means[0].part else ": "
    text = f"{metric.title[:1].upper()}{metric.title[1:]}{separator}{', '.join(values)} as mean of {images}"
    if report.data.part == "out-of-fold":
        text += ", each predicted by a network that was not trained on it"
    others = [key for key in ("dice", "iou") if key != metric.key]
    if len(report.classes) == 1:
        further = [image_means(report, key)[0] for key in others]
        scores = [f"{METRICS[mean.metric].title} {_format_mean(mean)}" for mean in further]
        text += f". {', '.join(scores)}"
        if (count := _count_defined(report, further)) != images:
            text += f" as mean of {count}"
    return f"{text}."


def _count_defined(report: EvaluationReport, means: Sequence[ImageMean]) -> str:
    """Of how many images means are: a metric may be undefined for some."""
    counts = sorted({len(report.data.images) - mean.score.undefined for mean in means})
    most = format_count(counts[-1], SCORED_IMAGES[report.data.part])
    return most if len(counts) == 1 else f"{counts[0]} to {most}"


def _format_mean(mean: ImageMean, *, with_interval: bool = False) -> str:
    """A mean with its unit, and if asked for with its interval, or the range of few groups."""
    unit = METRICS[mean.metric].unit
    value = format_number(mean.score.value, decimals=3) + (f" {unit}" if unit else "")
    interval = format_interval(mean.score, decimals=3)
    if not with_interval or not interval:
        return value
    return f"{value} ({mean.score.method if mean.score.is_range else '95 % interval'} {interval})"


def format_evaluation(report: EvaluationReport, style: Style = "terminal") -> str:
    """An evaluation as text.

    Args:
        report: The evaluation.
        style: For a terminal, which shows the first threshold only, or for `report.md`.
    """
    blocks: list[str | BulletList | Table] = [summarise_evaluation(report), _describe(report), *list_warnings(report)]
    blocks.append(_task_metrics_table(report))
    for of_class in report.classes:
        thresholds = of_class.thresholds if style == "markdown" else of_class.thresholds[:1]
        blocks += [_threshold_table(of_class, threshold) for threshold in thresholds]
        blocks.append(_probabilities_table(of_class))
    if rows := [_row(mean.metric, source, mean.score, part=mean.part) for source, mean in _list_source_means(report)]:
        blocks.append(_table("each data set, mean of its images", rows))
    return render(blocks, style)


def _list_source_means(report: EvaluationReport) -> list[tuple[str, ImageMean]]:
    return [mean for metric in ("auc", "dice", "iou") for mean in source_means(report, metric)]


def _describe(report: EvaluationReport) -> BulletList:
    """What was scored and how, one line for each of run, data and protocol."""
    data, protocol, run = report.data, report.protocol, report.runs[0]
    name = f"run {run.name}" if len(report.runs) == 1 else f"{len(report.runs)} runs such as {run.name}"
    images, groups = format_count(len(data.images), "image"), format_count(data.groups, "group")
    lines = [
        f"{name}, started from {run.started_from}" if run.started_from else name,
        f"data {data.name}, part {data.part}: {images} in {groups}",
        f"protocol {protocol.name}: {protocol.description}; {format_count(protocol.views, 'view')}",
    ]
    if data.grouping:
        lines.append(f"groups: {data.grouping}")
    if processed := list(dict.fromkeys(run.post_processing for run in report.runs if run.post_processing)):
        lines.append(f"masks of the validation threshold are post-processed: {'; in other runs '.join(processed)}")
    if run.unverified:
        lines.append(f"recipe values that the paper's record does not confirm: {', '.join(run.unverified)}")
    return BulletList(tuple(lines))


def list_warnings(report: EvaluationReport) -> list[str]:
    """What makes the numbers weaker than they look, in words.

    Args:
        report: The evaluation.
    """
    groups, warnings = report.data.groups, [f"Note: {note}" for note in report.notes]
    if training_images := report.data.count_training_images():
        warnings.append(
            f"Warning: {training_images} of these {len(report.data.images)} images were trained or validated on; this "
            "is no test."
        )
    warnings += [f"Warning: {text}" for of_class in report.classes if (text := _describe_untrained(of_class))]
    if groups < MIN_GROUPS:
        warnings.append(
            f"Warning: {format_count(groups, 'group')}: too few for an interval; the range of the groups is shown."
        )
    elif groups < ENOUGH_GROUPS:
        warnings.append(f"Warning: {groups} groups are few; below {ENOUGH_GROUPS} an interval may be too narrow.")
    means = [] if groups < MIN_GROUPS else primary_means(report)
    warnings += [
        f"Warning: {metric_title(mean.metric, mean.part)} is undefined for {mean.score.undefined} of these images: too "
        f"few groups for an interval; the {mean.score.method} is shown."
        for mean in means
        if mean.score.is_range
    ]
    return warnings


def _describe_untrained(of_class: ClassReport) -> str:
    """Say that a class was found everywhere or nowhere in all images, though that is not the truth; else nothing."""
    counts, number = of_class.thresholds[0].counts, len(of_class.images)
    if counts.fp and not counts.tn + counts.fn:
        found = "full"
    elif counts.fn and not counts.tp + counts.fp:
        found = "empty"
    else:
        return ""
    masks = f"all {number} masks of {of_class.name} are" if number > 1 else f"the mask of {of_class.name} is"
    return f"{masks} {found}: the network has not learnt this class yet."


def _threshold_table(of_class: ClassReport, threshold: ThresholdScores) -> Table:
    """The metrics of a mask; Dice and IoU stand first."""
    rows = []
    for key in sort_metrics(threshold.per_image):
        rows.append(_row(key, "images", threshold.per_image[key]))
        if threshold is of_class.thresholds[0] and key in of_class.folds:
            rows.append(_row(key, "folds", of_class.folds[key]))
        rows.append(_row(key, "all pixels", threshold.pooled[key]))
    return _table(f"{of_class.name}, {threshold.name}", rows)


def _probabilities_table(of_class: ClassReport) -> Table:
    """The metrics of probabilities."""
    rows = []
    for key in sort_metrics([*of_class.per_image, *of_class.pooled]):
        if key in of_class.per_image:
            rows.append(_row(key, "images", of_class.per_image[key]))
        if key in of_class.folds:
            rows.append(_row(key, "folds", of_class.folds[key]))
        if key in of_class.pooled:
            rows.append(_row(key, "all pixels", of_class.pooled[key]))
    return _table(f"{of_class.name}, probabilities", rows)


def _task_metrics_table(report: EvaluationReport) -> Table:
    """What the task measures beside the overlap of classes."""
    rows = []
    for scores in report.task_metrics:
        if scores.per_image:
            rows.append(_row(scores.metric, "images", scores.per_image, part=scores.part))
        if scores.pooled:
            rows.append(_row(scores.metric, "all images together", scores.pooled, part=scores.part))
    return _table(f"metrics of the task {report.data.task}", rows)


def _row(key: str, over: str, score: Score, *, part: str = "") -> Row:
    return metric_title(key, part, direction=True), over, score


def _table(title: str, rows: list[Row]) -> Table:
    interval = interval_title(score for _, _, score in rows)
    header = ("metric", "over", "value", "sd", interval, "how")
    cells = tuple((label, over, *_score_cells(score, interval)) for label, over, score in rows)
    return Table(title, header, cells, "llrrrl")


def _score_cells(score: Score, title: str) -> tuple[str, ...]:
    """Value, standard deviation, interval, and how it was made."""
    remarks = [score.method] if score.method else []
    if score.threshold is not None:
        remarks.append(f"at threshold {score.threshold:g}")
    if score.undefined:
        remarks.append(f"undefined for {score.undefined}")
    sd = format_number(score.sd, like=score.value) if isfinite(score.sd) else ""
    interval = format_interval(score)
    if interval and score.is_range and title != RANGES:
        interval += " (range)"  # of what stands in the next cell
    return (format_number(score.value), sd, interval, ", ".join(remarks))
