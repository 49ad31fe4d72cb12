"""The table of an ablation: every variant beside its reference, on the folds that both have."""

from collections.abc import Mapping, Sequence
from math import isnan, nan
from pathlib import Path

from cenet.evaluation.build_report import build_fold_report
from cenet.evaluation.comparability import check_comparable
from cenet.evaluation.compare import compare_evaluations
from cenet.evaluation.comparison_report import (
    ALL_CLASSES,
    AblationReport,
    AblationRow,
    AblationScore,
    ComparedMetric,
    ComparisonReport,
)
from cenet.evaluation.report import EvaluationReport, Protocol, Score
from cenet.evaluation.report_files import LoadedEvaluation, evaluation_folder, load_evaluation
from cenet.evaluation.task_metrics import TaskMetric

DICE = ComparedMetric(key="dice", average="per_image")


def compare_variants(
    variants: Mapping[str, tuple[Path, bool]],
    references: Mapping[str, str],
    *,
    folds: int,
    protocol: Protocol = "region",
    command: str = "",
) -> AblationReport:
    """Compare each variant with its reference by the primary metric and by Dice; without a test if folds are missing.

    A variant whose reference has none of its folds is listed with its scores and no difference.

    Args:
        variants: By title, the folder of a cross-validation, and whether its report of all views is meant.
        references: The title of each variant's reference; that of all others is its own.
        folds: How many there are in the end.
        protocol: What was scored.
        command: What made the ablation.

    >>> compare_variants({"CE-Net": (Path("runs/nowhere"), False)}, {"CE-Net": "CE-Net"}, folds=4).missing
    ('CE-Net',)
    """
    folders = {
        title: {
            fold: evaluation_folder(folder / f"fold-{fold}", part="test", protocol=protocol, tta=tta)
            for fold in range(folds)
        }
        for title, (folder, tta) in variants.items()
    }
    scored = {
        title: {fold for fold, folder in of_folds.items() if (folder / "report.json").exists()}
        for title, of_folds in folders.items()
    }
    same_folds: dict[tuple[str, tuple[int, ...]], list[str]] = {}  # titles by their reference and the folds of both
    for title in variants:
        reference = references[title] if scored[title] & scored[references[title]] else title
        if shared := tuple(sorted(scored[title] & scored[reference])):
            same_folds.setdefault((reference, shared), []).append(title)
    rows: dict[str, AblationRow] = {}
    for (reference, shared), titles in same_folds.items():
        evaluations = {
            title: build_fold_report([load_evaluation(folders[title][fold]) for fold in shared], numbers=shared)
            for title in dict.fromkeys([reference, *titles])
        }
        compared = _build_rows(evaluations, shared, tested=len(shared) == folds)
        rows |= {title: compared[title] for title in titles}
    return AblationReport(
        command=command,
        protocol=protocol,
        folds=folds,
        rows=tuple(rows[title] for title in variants if title in rows),
        missing=tuple(title for title in variants if title not in rows),
    )


def _build_rows(
    evaluations: Mapping[str, LoadedEvaluation], folds: Sequence[int], *, tested: bool
) -> dict[str, AblationRow]:
    """A row for each variant; the first is the reference."""
    titles = list(evaluations)
    for evaluation in evaluations.values():
        check_comparable(evaluations[titles[0]], evaluation)
    comparison = compare_evaluations([[evaluation] for evaluation in evaluations.values()], titles)
    rows = {}
    for title, cost in zip(titles, comparison.runs, strict=True):
        report = evaluations[title].report
        steps = [run.steps for run in report.runs if run.steps]
        seconds = cost.training_seconds
        rows[title] = AblationRow(
            variant=title,
            reference=titles[0] if title != titles[0] else None,
            folds=tuple(folds),
            data=comparison.data,
            images=tuple(image.name for image in evaluations[title].images),
            groups=tuple(evaluations[title].groups),
            primary=comparison.primary,
            scores=_build_scores(comparison, evaluations, title, tested=tested),
            cost=cost.model_copy(update={"training_seconds": seconds and seconds / len(report.runs)}),
            steps=sum(steps) / len(steps) if steps else nan,
            settings=report.runs[0].settings,
        )
    return rows


def _build_scores(
    comparison: ComparisonReport, evaluations: Mapping[str, LoadedEvaluation], title: str, *, tested: bool
) -> tuple[AblationScore, ...]:
    """The primary metric and Dice, of each class."""
    scores, reference_value = [], nan
    evaluation, reference = evaluations[title], evaluations[comparison.runs[0].name]
    for row in comparison.rows:  # for each metric the reference comes first
        if row.run == comparison.runs[0].name:
            reference_value = row.value
        if row.run == title and row.metric in (comparison.primary, DICE):
            p = row.p if isnan(row.adjusted_p) else row.adjusted_p
            interval = find_score(evaluation.report, row.class_name, row.metric)
            scores.append(
                AblationScore(
                    class_name=row.class_name,
                    metric=row.metric,
                    score=interval.model_copy(update={"value": row.value}),
                    reference_value=reference_value,
                    difference=row.difference,
                    p=p if tested else nan,
                    values=_list_values(evaluation, row.class_name, row.metric),
                    reference_values=_list_values(reference, row.class_name, row.metric),
                )
            )
    return tuple(scores)


def _list_values(evaluation: LoadedEvaluation, class_name: str, metric: ComparedMetric) -> tuple[float, ...]:
    """A metric of each image, by which a later test needs no evaluation."""
    if class_name == ALL_CLASSES:
        values = evaluation.task_values(TaskMetric(metric.key, metric.part))
    else:
        names = [of_class.name for of_class in evaluation.report.classes]
        values = evaluation.image_values(names.index(class_name), metric.key)
    return tuple(values.tolist())


def find_score(report: EvaluationReport, class_name: str, metric: ComparedMetric) -> Score:
    """The score that a report has of a metric of a comparison; one without interval where it has none.

    Args:
        report: The report.
        class_name: The class, or `ALL_CLASSES` for a metric of the task.
        metric: The metric.
    """
    if class_name == ALL_CLASSES:
        means = {(scores.metric, scores.part): scores.per_image for scores in report.task_metrics}
        return means.get((metric.key, metric.part)) or Score(value=nan)
    of_class = next(scores for scores in report.classes if scores.name == class_name)
    first = of_class.thresholds[0]
    averages = {
        "pooled": {**of_class.pooled, **first.pooled},
        "within_folds": of_class.folds,
        "per_image": {**of_class.per_image, **first.per_image},
    }
    return averages[metric.average].get(metric.key, Score(value=nan))
