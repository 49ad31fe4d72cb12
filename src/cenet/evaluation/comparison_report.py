"""What a comparison of runs finds, as values: `ComparisonReport` of a few runs, `AblationReport` of many variants."""

from collections.abc import Sequence
from math import nan
from statistics import fmean
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, JsonValue, NonNegativeInt, model_validator

from cenet.evaluation.report import EvaluationReport, Protocol, ProtocolInfo, SavedReport
from cenet.evaluation.report_scores import NonNegative, Number, Score, Share, Value

Average = Literal["pooled", "within_folds", "per_image"]  # over all pixels together, per fold, or over images

ALL_CLASSES = "all classes"  # the class of a metric that is of the image as a whole


class ComparedMetric(Value):
    """A metric, and what it is averaged over.

    Args:
        key: In `cenet.metrics.registry`.
        average: Over all pixels together, over pixels within each fold, or over images.
        part: Of a task's metric, the class, layer or boundary it is of.
    """

    key: str
    average: Average
    part: str = ""


class ComparisonRow(Value):
    """One metric of one class and run, beside that of the first run, the reference.

    Args:
        class_name: The class, or `ALL_CLASSES`.
        metric: The metric.
        run: The run's name.
        value: Its value, in the mean over seeds.
        seeds_sd: Standard deviation over seeds; NaN with one seed.
        difference: The value minus the reference's, with its interval; None for the reference itself.
        groups: In how many groups both runs have a value; None for the reference itself.
        p: Of the permutation test over groups; NaN where nothing was tested, as with pooled metrics of ranks.
        adjusted_p: By Holm's rule over the runs, for the primary metric only.
    """

    class_name: str
    metric: ComparedMetric
    run: str
    value: Number
    seeds_sd: NonNegative = nan
    difference: Score | None = None
    groups: NonNegativeInt | None = None
    p: Share = nan
    adjusted_p: Share = nan


class MethodCost(Value):
    """What a method costs, in the mean over its seeds, and how it was used.

    Args:
        name: The run's name.
        seeds: How many runs.
        views: Over how many flips and turns predictions were averaged; several numbers where seeds differ.
        thresholds: All distinct thresholds of its runs, ascending; empty where the largest probability decides.
        parameters: Weights.
        multiply_adds_per_image: Multiplications with an addition; None where they are not known.
        seconds_per_image: Of a prediction.
        peak_memory_mib: Largest memory in use; None where it is not known.
        training_seconds: Of the training; None where it is not known.
        devices: What predicted.
        started_from: What the weights were before training.
    """

    name: str
    seeds: Annotated[int, Field(ge=1)]
    views: tuple[int, ...]
    thresholds: tuple[Share, ...]
    parameters: NonNegative
    multiply_adds_per_image: NonNegative | None
    seconds_per_image: NonNegative
    peak_memory_mib: NonNegative | None
    training_seconds: NonNegative | None
    devices: tuple[str, ...]
    started_from: tuple[str, ...]

    @classmethod
    def average(cls, reports: Sequence[EvaluationReport], *, name: str) -> Self:
        """The cost of a method, from the reports of its seeds.

        Args:
            reports: Of its seeds.
            name: The method's.
        """
        runs = [run for report in reports for run in report.runs]
        costs = [report.cost for report in reports]
        return cls(
            name=name,
            seeds=len(reports),
            views=tuple(sorted({report.protocol.views for report in reports})),
            thresholds=tuple(sorted({threshold for run in runs for threshold in run.thresholds})),
            parameters=fmean(cost.parameters for cost in costs),
            multiply_adds_per_image=_mean_of_known([cost.multiply_adds_per_image for cost in costs]),
            seconds_per_image=fmean(cost.seconds_per_image for cost in costs),
            peak_memory_mib=_mean_of_known([cost.peak_memory_mib for cost in costs]),
            training_seconds=_mean_of_known([cost.training_seconds for cost in costs]),
            devices=tuple(sorted({cost.device for cost in costs})),
            started_from=tuple(sorted({run.started_from for run in runs})),
        )


class ComparedData(Value):
    """The images on which runs are compared.

    Args:
        name: The folder's name.
        task: Its layout.
        part: As in `cenet.evaluation.report.DatasetInfo`.
        images: How many.
        groups: How many patients, eyes or volumes.
        training_images: On how many of them a run was trained or validated: if any, nothing is tested.
    """

    name: str
    task: str
    part: str
    images: NonNegativeInt
    groups: NonNegativeInt
    training_images: NonNegativeInt = 0


class ComparisonReport(SavedReport):
    """Runs beside the first of them, on the same images.

    Args:
        format: Of the file.
        command: What made it.
        protocol: Which pixels were compared with which truth; `views` are those of the reference.
        data: The images.
        primary: The metric that decides; all others are exploratory.
        minimum_p: The smallest p that the groups can reach in which the primary metric is defined.
        same_folds: Whether every run's images were dealt into folds alike; True where there are no folds.
        runs: What each costs; the first is the reference.
        rows: The primary metric first; for each metric the reference, then the other runs.
    """

    file_name: ClassVar[str] = "compare.json"
    command_to_repeat: ClassVar[str] = "cenet compare"

    format: Literal[3] = 3
    command: str = ""
    protocol: ProtocolInfo
    data: ComparedData
    primary: ComparedMetric
    minimum_p: Share
    same_folds: bool = True
    runs: Annotated[tuple[MethodCost, ...], Field(min_length=1)]
    rows: tuple[ComparisonRow, ...]


class AblationScore(Value):
    """One metric of a variant, beside its reference.

    Args:
        class_name: The class, or `ALL_CLASSES`.
        metric: The metric.
        score: Of the variant, with its own interval.
        reference_value: Of the reference.
        difference: The variant's value minus the reference's; None for the reference itself.
        p: As in `ComparisonRow`, that of the primary metric adjusted by Holm's rule.
        values: Of each image, in the order of the row's `images`; empty where they were not kept.
        reference_values: Likewise, of the reference.
    """

    class_name: str
    metric: ComparedMetric
    score: Score
    reference_value: Number
    difference: Score | None = None
    p: Share = nan
    values: tuple[Number, ...] = ()
    reference_values: tuple[Number, ...] = ()


class AblationRow(Value):
    """One variant.

    Args:
        variant: Its title.
        reference: The title of what it is compared with; None where it is not compared.
        folds: The folds that both have.
        data: The images in these folds.
        images: Their names; empty where the values of images were not kept.
        groups: The group of each.
        primary: The metric that decides.
        scores: The primary metric and Dice, of each class.
        cost: Of one training and one prediction.
        steps: Optimiser steps of a training; NaN where it is not known.
        settings: Every field of the first run's recipe.
    """

    variant: str
    reference: str | None = None
    folds: tuple[NonNegativeInt, ...]
    data: ComparedData
    images: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    primary: ComparedMetric
    scores: tuple[AblationScore, ...]
    cost: MethodCost
    steps: NonNegative = nan
    settings: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_images(self) -> Self:
        kept = [self.groups, *(values for score in self.scores for values in (score.values, score.reference_values))]
        if any(len(values) != len(self.images) for values in kept):
            raise ValueError("not every image has a group and a value of each metric")
        return self


class AblationReport(SavedReport):
    """Variants of one recipe, trained alike on the same folds.

    Args:
        format: Of the file.
        command: What made it.
        protocol: What was scored.
        folds: How many folds a whole cross-validation has.
        rows: The variants that were trained.
        missing: Titles of the variants that no fold has been trained of.
    """

    file_name: ClassVar[str] = "ablation.json"
    command_to_repeat: ClassVar[str] = "cenet ablate"

    format: Literal[3] = 3
    command: str = ""
    protocol: Protocol
    folds: Annotated[int, Field(ge=1)]
    rows: tuple[AblationRow, ...]
    missing: tuple[str, ...] = ()


def _mean_of_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
