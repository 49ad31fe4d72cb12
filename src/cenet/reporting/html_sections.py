"""What the page says of one evaluation: typed values that its template shows, and the plots."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from cenet.data.splits import Split
from cenet.evaluation.counts import PixelCounts
from cenet.evaluation.report import EvaluationReport, RunInfo
from cenet.evaluation.report_files import LoadedEvaluation
from cenet.evaluation.report_scores import ClassReport, Score, ThresholdScores
from cenet.metrics.registry import METRICS
from cenet.reporting.cases import CaseView, list_class_colours
from cenet.reporting.evaluation_text import list_warnings, primary_means, summarise_evaluation
from cenet.reporting.html_plots import draw_class_plots, draw_training_plots
from cenet.reporting.tables import metric_title, sort_metrics

TILES = ("dice", "iou", "sensitivity", "specificity", "auc")  # of each class, after the primary metric
MAX_TASK_TILES = 5
HIDDEN_SETTINGS = ("unverified", "title")
KEPT_WEIGHTS = {  # by the recipe's `selection`
    "best": "the best on the validation images",
    "last": "the last",
    "average": "the last, of whose weights and those before it a moving average was kept",
}
AVERAGES = {"per_image": "Mean of the images", "folds": "Mean of the folds", "pooled": "All pixels together"}


@dataclass(frozen=True)
class Tile:
    """A large number at the top of the page.

    Args:
        title: What it is.
        score: The mean over images with its interval.
    """

    title: str
    score: Score


@dataclass(frozen=True)
class ScoreRow:
    """A metric in the table of a class.

    Args:
        title: Of the metric.
        lower_is_better: Whether it is an error.
        scores: By the keys of `AVERAGES`.
        before_calibration: The metric of the network's own probabilities; None where calibration does not change it.
    """

    title: str
    lower_is_better: bool
    scores: Mapping[str, Score]
    before_calibration: float | None = None


@dataclass(frozen=True)
class ClassSection:
    """What the page says of a class.

    Args:
        scores: The class in the report.
        tiles: Its large numbers.
        averages: Which keys of `AVERAGES` its table has, each with how most of its intervals were made.
        blocks: The rows of its table: at the first threshold, of the probabilities, at the other thresholds.
        plots: SVG by caption.
    """

    scores: ClassReport
    tiles: tuple[Tile, ...]
    averages: Mapping[str, str]
    blocks: Mapping[str, tuple[ScoreRow, ...]]
    plots: Mapping[str, Markup]


@dataclass(frozen=True)
class Section:
    """What the page says of an evaluation.

    Args:
        id: Of its element.
        title: The run's name, or that of the folder of several.
        summary: The result in a sentence.
        warnings: What makes the numbers weaker than they look.
        report: The evaluation.
        tiles: The large numbers of the image as a whole.
        judged_as_a_whole: Whether the primary metric is of the image as a whole, not of each class.
        classes: An entry for each class.
        training_plots: SVG by caption.
        kept_epoch: Which epoch the weights are of, in words.
        cases: Images from the worst to the best.
        colours: Of each class in their layers.
        sizes: How many images have each size.
        groups: How many groups each part of the split has, where it is known.
        calibration: Whether the probabilities are calibrated, and why, in a sentence.
        settings: The distinct values of each field of the recipe, over the runs.
        unverified: Fields of the recipe that the paper's record does not confirm.
    """

    id: str
    title: str
    summary: str
    warnings: tuple[str, ...]
    report: EvaluationReport
    tiles: tuple[Tile, ...]
    judged_as_a_whole: bool
    classes: tuple[ClassSection, ...]
    training_plots: Mapping[str, Markup]
    kept_epoch: str
    cases: tuple[CaseView, ...]
    colours: Mapping[str, str]
    sizes: Mapping[str, int]
    groups: Mapping[str, int]
    calibration: str
    settings: Mapping[str, tuple[str, ...]]
    unverified: frozenset[str]


def build_section(identifier: str, evaluation: LoadedEvaluation, *, cases: tuple[CaseView, ...]) -> Section:
    """Gather what the page says of an evaluation.

    Args:
        identifier: Of its element.
        evaluation: The report and its pixel counts.
        cases: The images that are shown.
    """
    report = evaluation.report
    assert report.folder is not None  # it was read from there
    title = _title(report, report.folder)
    settings = {
        field: tuple(dict.fromkeys(_format_setting(run.settings.get(field)) for run in report.runs))
        for field in report.runs[0].settings
        if field not in HIDDEN_SETTINGS
    }
    classes = tuple(
        _build_class(title, scores, counts, report)
        for scores, counts in zip(report.classes, evaluation.counts, strict=True)
    )
    return Section(
        id=identifier,
        title=title,
        summary=summarise_evaluation(report),
        warnings=tuple(list_warnings(report)),
        report=report,
        tiles=_task_tiles(report),
        judged_as_a_whole=not primary_means(report)[0].part,
        classes=classes,
        training_plots=draw_training_plots(title, report.runs),
        kept_epoch=describe_kept_epoch(report.runs),
        cases=cases,
        colours=list_class_colours(report),
        sizes=Counter(f"{width} x {height}" for width, height in (image.size_px for image in report.data.images)),
        groups=_count_split_groups(report.folder, report.runs),
        calibration=_describe_calibration(report.runs),
        settings=settings,
        unverified=frozenset(field for run in report.runs for field in run.unverified),
    )


def _title(report: EvaluationReport, folder: Path) -> str:
    """The run's name; of several runs the name of the folder around them."""
    if len(report.runs) == 1:
        return report.runs[0].name
    folder = folder.resolve()
    return folder.parent.name if folder.name.startswith("evaluation-") else folder.name


def _format_setting(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)


def describe_kept_epoch(runs: Sequence[RunInfo]) -> str:
    """Which epoch the weights that were kept are of.

    >>> describe_kept_epoch([])
    ''
    """
    kept = dict.fromkeys(KEPT_WEIGHTS.get(str(run.settings.get("selection")), "") for run in runs)
    return "; or ".join(text for text in kept if text)


def _describe_calibration(runs: Sequence[RunInfo]) -> str:
    """Whether probabilities are calibrated; where none are, why not.

    >>> _describe_calibration([])
    'Probabilities are not calibrated.'
    """
    calibrated = sum(bool(run.calibration) for run in runs)
    if calibrated:
        return (
            f"Probabilities{f' of {calibrated} of {len(runs)} runs' if calibrated < len(runs) else ''} are calibrated."
        )
    reasons = dict.fromkeys(run.calibration_reason for run in runs if run.calibration_reason)
    return f"Probabilities are {next(iter(reasons), 'not calibrated')}{', and so on' if len(reasons) > 1 else ''}."


def _count_split_groups(folder: Path, runs: Sequence[RunInfo]) -> dict[str, int]:
    """The groups in each part of a run's split, where there is one run and its folder is still there."""
    file = folder / runs[0].folder / "splits.json"
    if len(runs) > 1 or not file.is_file():
        return {}
    split = Split.from_json(file)
    return {part: len({split.groups[name] for name in names}) for part, names in split.parts.items()}


def _task_tiles(report: EvaluationReport) -> tuple[Tile, ...]:
    """The metrics of the image as a whole, the primary one first; those of single layers are in the table only."""
    primary = primary_means(report)[0].metric
    whole = [scores for scores in report.task_metrics if not scores.part and scores.per_image]
    whole.sort(key=lambda scores: scores.metric != primary)
    return tuple(
        Tile(metric_title(scores.metric), scores.per_image) for scores in whole[:MAX_TASK_TILES] if scores.per_image
    )


def _build_class(title: str, scores: ClassReport, counts: PixelCounts, report: EvaluationReport) -> ClassSection:
    first, *others = scores.thresholds
    blocks = {
        f"At the {first.name}": _threshold_rows(first, scores.folds),
        "Of the probabilities": _probability_rows(scores),
        **{f"At the {threshold.name}": _threshold_rows(threshold, {}) for threshold in others},
    }
    per_image = {**scores.per_image, **first.per_image}
    keys = dict.fromkeys([mean.metric for mean in primary_means(report) if mean.part] + list(TILES))
    calibrated = any(run.calibration for run in report.runs)
    return ClassSection(
        scores=scores if calibrated else scores.model_copy(update={"before_calibration": {}}),
        tiles=tuple(Tile(metric_title(key), per_image[key]) for key in keys if key in per_image),
        averages=_find_averages(row for rows in blocks.values() for row in rows),
        blocks=blocks,
        plots=draw_class_plots(f"{title}, {scores.name}", scores, counts, report.data.images, calibrated=calibrated),
    )


def _threshold_rows(threshold: ThresholdScores, folds: Mapping[str, Score]) -> tuple[ScoreRow, ...]:
    return tuple(
        _build_row(key, threshold.per_image.get(key), folds.get(key), threshold.pooled.get(key))
        for key in sort_metrics([*threshold.per_image, *threshold.pooled])
    )


def _probability_rows(scores: ClassReport) -> tuple[ScoreRow, ...]:
    rows = []
    for key in sort_metrics([*scores.per_image, *scores.pooled]):
        row = _build_row(key, scores.per_image.get(key), scores.folds.get(key), scores.pooled.get(key))
        rows.append(replace(row, before_calibration=scores.before_calibration.get(key)))
    return tuple(rows)


def _build_row(key: str, per_image: Score | None, folds: Score | None, pooled: Score | None) -> ScoreRow:
    averages = {"per_image": per_image, "folds": folds, "pooled": pooled}
    present = {name: score for name, score in averages.items() if score}
    return ScoreRow(metric_title(key), METRICS[key].lower_is_better, present)


def _find_averages(rows: Iterable[ScoreRow]) -> dict[str, str]:
    """The averages that there are, each with the method of most of its intervals."""
    methods: dict[str, Counter[str]] = {}
    for row in rows:
        for name, score in row.scores.items():
            methods.setdefault(name, Counter())[score.method] += 1
    return {name: methods[name].most_common(1)[0][0] for name in AVERAGES if name in methods}
