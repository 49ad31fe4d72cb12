"""The one place where an `EvaluationReport` is built: from what was counted in a run, or in all folds."""

from collections.abc import Sequence

import numpy as np
from pydantic import JsonValue

from cenet.evaluation.counts import PixelCounts
from cenet.evaluation.report import (
    ClassReport,
    Cost,
    DatasetInfo,
    EvaluationReport,
    ImageScores,
    ImageThresholdScores,
    ProtocolInfo,
    RunInfo,
    Score,
    ThresholdScores,
)
from cenet.evaluation.report_files import LoadedEvaluation
from cenet.evaluation.scores import fold_score, mean_score, pooled_score
from cenet.evaluation.task_metrics import TaskMetrics
from cenet.metrics import Counts
from cenet.metrics.registry import CALIBRATION, OVERLAP, RANKING, PixelMetric


def build_report(
    *,
    commands: Sequence[str],
    protocol: ProtocolInfo,
    data: DatasetInfo,
    runs: Sequence[RunInfo],
    cost: Cost,
    class_names: Sequence[str],
    counts: Sequence[PixelCounts],
    task_metrics: TaskMetrics | None,
    environment: dict[str, JsonValue],
    notes: Sequence[str] = (),
) -> LoadedEvaluation:
    """Compute every score of a report.

    Args:
        commands: What made the runs and the report.
        protocol: Which pixels were compared with which truth.
        data: The images; where they have folds, metrics are averaged over folds too.
        runs: What was scored.
        cost: What it took.
        class_names: Of the foreground classes.
        counts: Of each class.
        task_metrics: What the task measures, if it does.
        environment: Versions and machine.
        notes: As for `EvaluationReport`.
    """
    folds = [image.fold for image in data.images if image.fold is not None]
    report = EvaluationReport(
        commands=tuple(commands),
        protocol=protocol,
        data=data,
        runs=tuple(runs),
        cost=cost,
        classes=tuple(
            build_class_report(name, class_counts, folds)
            for name, class_counts in zip(class_names, counts, strict=True)
        ),
        task_metrics=task_metrics.compute_scores() if task_metrics else (),
        environment=environment,
        notes=tuple(notes),
    )
    return LoadedEvaluation(report, tuple(counts), task_metrics)


def build_fold_report(
    folds: Sequence[LoadedEvaluation], *, numbers: Sequence[int], commands: Sequence[str] = ()
) -> LoadedEvaluation:
    """Put the evaluations of folds together: every image is scored by the run that held it out.

    Args:
        folds: The evaluation of each fold's test part.
        numbers: The number of each fold, whose run is in `fold-NUMBER` beside the report's folder.
        commands: What made the cross-validation.
    """
    first = folds[0].report
    reports = [fold.report for fold in folds]
    images = tuple(
        image.model_copy(update={"fold": number})
        for number, report in zip(numbers, reports, strict=True)
        for image in report.data.images
    )
    data = first.data.model_copy(
        update={"part": "out-of-fold", "groups": len({image.group for image in images}), "images": images}
    )
    seconds = [report.cost.training_seconds for report in reports]
    known = [second for second in seconds if second is not None]
    cost = first.cost.model_copy(
        update={
            "seconds_per_image": float(np.median([image.seconds for image in images])),
            "training_seconds": sum(known) if len(known) == len(seconds) else None,
        }
    )
    task_metrics = [fold.task_metrics for fold in folds if fold.task_metrics is not None]
    return build_report(
        commands=commands,
        protocol=first.protocol,
        data=data,
        runs=[
            run.model_copy(update={"folder": f"../fold-{number}"})
            for number, report in zip(numbers, reports, strict=True)
            for run in report.runs
        ],
        cost=cost,
        class_names=[of_class.name for of_class in first.classes],
        counts=[PixelCounts.concatenate(parts) for parts in zip(*(fold.counts for fold in folds), strict=True)],
        task_metrics=TaskMetrics.concatenate(task_metrics) if task_metrics else None,
        environment=first.environment,
        notes=[*dict.fromkeys(note for report in reports for note in report.notes)],
    )


def build_class_report(name: str, counts: PixelCounts, folds: Sequence[int] = ()) -> ClassReport:
    """Compute every score of one class.

    Args:
        name: The class.
        counts: Of at least one image.
        folds: Of the images, in a cross-validation.
    """
    totals = counts.confusion[:, 0].sum(axis=0)
    before = {"histograms": counts.before, "edges": counts.edges_before}
    return ClassReport(
        name=name,
        pixels=int(totals.sum()),
        share=float((totals[0] + totals[2]) / max(totals.sum(), 1)),
        pooled={
            metric.key: _pooled(metric, counts)
            for metric in (*RANKING, *CALIBRATION)
            if metric.source != "edges" or counts.edges.any()
        },
        per_image={"auc": mean_score(counts.auc, counts.groups)},
        folds=_fold_scores(counts, folds) if folds else {},
        thresholds=tuple(_threshold_scores(counts, index) for index in range(len(counts.thresholds))),
        before_calibration={metric.key: float(metric.compute(before[metric.source])) for metric in CALIBRATION},
        images=build_image_scores(counts),
    )


def _pooled(metric: PixelMetric, counts: PixelCounts, *, threshold: int = 0) -> Score:
    sums = counts.sums_for(metric.source, threshold=threshold)
    return pooled_score(sums, counts.groups, metric.compute, between_groups=metric.between_groups)


def _threshold_scores(counts: PixelCounts, threshold: int) -> ThresholdScores:
    confusion = counts.confusion[:, threshold]
    return ThresholdScores(
        name=counts.thresholds[threshold],
        pooled={metric.key: _pooled(metric, counts, threshold=threshold) for metric in OVERLAP},
        per_image={metric.key: mean_score(metric.compute(confusion), counts.groups) for metric in OVERLAP},
        counts=Counts(*confusion.sum(axis=0).tolist()),
    )


def _fold_scores(counts: PixelCounts, folds: Sequence[int]) -> dict[str, Score]:
    """Of the probabilities, and of the mask at the first threshold."""
    scores = {
        metric.key: fold_score(
            counts.histograms, counts.groups, folds, metric.compute, between_groups=metric.between_groups
        )
        for metric in RANKING
    }
    for metric in OVERLAP:
        scores[metric.key] = fold_score(counts.confusion[:, 0], counts.groups, folds, metric.compute)
    return scores


def build_image_scores(counts: PixelCounts) -> tuple[ImageScores, ...]:
    """Compute what a class scores in each image.

    Args:
        counts: Of the class.
    """
    values = {metric.key: metric.compute(counts.confusion) for metric in OVERLAP}  # (images, thresholds) each
    return tuple(
        ImageScores(
            image=name,
            group=counts.groups[index],
            auc=float(counts.auc[index]),
            thresholds=tuple(
                ImageThresholdScores(
                    counts=Counts(*counts.confusion[index, threshold].tolist()),
                    scores={key: float(array[index, threshold]) for key, array in values.items()},
                )
                for threshold in range(len(counts.thresholds))
            ),
        )
        for index, name in enumerate(counts.images)
    )
