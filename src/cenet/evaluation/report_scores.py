"""The scores in a report, as values: of a class, of its masks, of each image, and of what a task measures besides.

Numbers that are undefined are NaN in Python and null in JSON.
"""

from math import isnan, nan
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, model_validator

from cenet.evaluation.intervals import IntervalKind
from cenet.metrics.overlap import Counts
from cenet.metrics.registry import METRICS


def _nan_from_null(value: object) -> object:
    return nan if value is None else value


def _check_not_negative(value: float) -> float:
    if value < 0:
        raise ValueError("must not be negative")
    return value


def _check_share(value: float) -> float:
    if not isnan(value) and not 0 <= value <= 1:
        raise ValueError("must lie between 0 and 1")
    return value


def _check_counts(counts: Counts) -> Counts:
    if min(counts.tp, counts.fp, counts.fn, counts.tn) < 0:
        raise ValueError("must not be negative")
    return counts


Number = Annotated[float, BeforeValidator(_nan_from_null)]
NonNegative = Annotated[Number, AfterValidator(_check_not_negative)]
Share = Annotated[Number, AfterValidator(_check_share)]
PixelTotals = Annotated[Counts, AfterValidator(_check_counts)]


def _check_metric(key: str) -> str:
    if key not in METRICS:
        raise ValueError("there is no such metric")
    return key


MetricKey = Annotated[str, AfterValidator(_check_metric)]


class Value(BaseModel):
    """A part of a report: immutable, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(Value):
    """A metric with its uncertainty.

    Args:
        value: The metric; NaN where it is undefined.
        low: Lower end of the 95 % interval, or of the range of few groups; NaN where there is neither.
        high: The upper end.
        method: How the interval was made, in words, such as "t over 20 groups" or "range of 5 groups".
        interval_kind: The same as one of four kinds; "none" where there is no interval.
        sd: Standard deviation over images, or over folds; NaN for a pooled metric.
        undefined: Images, or folds, where the metric is undefined, which the mean leaves out.
        values: Of a mean over folds, the metric of each fold.
        threshold: Where a metric is the best of all thresholds, the threshold; else None.
    """

    value: Number
    low: Number = nan
    high: Number = nan
    method: str = ""
    interval_kind: IntervalKind = "none"
    sd: NonNegative = nan
    undefined: NonNegativeInt = 0
    values: tuple[Number, ...] = ()
    threshold: Share | None = None

    @property
    def is_range(self) -> bool:
        """Whether `low` and `high` are the range of few groups, which has no stated coverage."""
        return self.interval_kind == "range"

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.low > self.high:
            raise ValueError("the interval's lower end is above its upper end")
        return self


class ThresholdScores(Value):
    """What a class scores once its probabilities have become a mask.

    Args:
        name: How the mask was made: "validation threshold", "threshold 0.5", "largest probability", ...
        pooled: Over all pixels together, by the metric's key in `cenet.metrics.registry`.
        per_image: The mean over images, by the metric's key.
        counts: True and false positives and negatives of all images together, in pixels.
    """

    name: str
    pooled: dict[MetricKey, Score]
    per_image: dict[MetricKey, Score]
    counts: PixelTotals

    @model_validator(mode="after")
    def _check_metrics(self) -> Self:
        if self.pooled.keys() != self.per_image.keys():
            raise ValueError("the metrics of all pixels and of the images are not the same")
        return self


class ImageThresholdScores(Value):
    """One image at one threshold.

    Args:
        counts: True and false positives and negatives, in pixels.
        scores: By the metric's key.
    """

    counts: PixelTotals
    scores: dict[MetricKey, Share]


class ImageScores(Value):
    """What a class scores in one image.

    Args:
        image: Its name.
        group: Its group.
        auc: Area under the ROC curve; NaN where the truth has only one class.
        thresholds: An entry for each of `ClassReport.thresholds`.
    """

    image: str
    group: str
    auc: Share
    thresholds: tuple[ImageThresholdScores, ...]


class ClassReport(Value):
    """What is known of one class.

    Args:
        name: The class.
        pixels: How many pixels count.
        share: How much of them is this class.
        pooled: Metrics of the probabilities over all pixels together, by key.
        per_image: The same, as means over images.
        folds: In a cross-validation, pooled within each fold and averaged over folds, by key: of the probabilities, and
            at the first threshold.
        thresholds: Scores of each mask; the first is the one to report.
        before_calibration: Pooled calibration metrics of the network's own probabilities, by key.
        images: An entry for each image, in the order of `DatasetInfo.images`.
    """

    name: str
    pixels: NonNegativeInt
    share: Share
    pooled: dict[MetricKey, Score]
    per_image: dict[MetricKey, Score]
    folds: dict[MetricKey, Score] = Field(default_factory=dict)
    thresholds: Annotated[tuple[ThresholdScores, ...], Field(min_length=1)]
    before_calibration: dict[MetricKey, Number]
    images: tuple[ImageScores, ...]

    @model_validator(mode="after")
    def _check_thresholds(self) -> Self:
        if any(len(image.thresholds) != len(self.thresholds) for image in self.images):
            raise ValueError("an image lacks the scores of a threshold")
        if {tuple(threshold.per_image) for threshold in self.thresholds} != {tuple(self.thresholds[0].pooled)}:
            raise ValueError("pooled scores and those of images are of different metrics")
        keys = {tuple(threshold.scores) for image in self.images for threshold in image.thresholds}
        if len(keys) > 1:
            raise ValueError("images are scored by different metrics")
        return self


class TaskMetricScores(Value):
    """A metric that a task has beside the overlap of its classes, such as a distance or a boundary error.

    Args:
        metric: Its key in `cenet.metrics.registry`.
        part: Which class, layer or boundary it is of; empty where it is of the image as a whole.
        pooled: Over all images together, for metrics that are counted so.
        per_image: The mean over images, for metrics that an image has.
        values: Of each image, in the order of `DatasetInfo.images`; empty for metrics that only all have together.
    """

    metric: MetricKey
    part: str = ""
    pooled: Score | None = None
    per_image: Score | None = None
    values: tuple[Number, ...] = ()
