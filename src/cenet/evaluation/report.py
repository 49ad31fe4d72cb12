"""What an evaluation finds, as one value: `EvaluationReport`, saved as `report.json` and validated when it is read."""

from math import nan
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, JsonValue, NonNegativeInt, model_validator

from cenet.config.json_files import read_json
from cenet.data.io.outputs import OutputFolder
from cenet.data.labels.encoding import LabelEncoding
from cenet.errors import CenetError
from cenet.evaluation.report_scores import (
    ClassReport,
    ImageScores,
    ImageThresholdScores,
    NonNegative,
    Number,
    Score,
    Share,
    TaskMetricScores,
    ThresholdScores,
    Value,
)

__all__ = [
    "ClassReport",
    "Cost",
    "CurveRow",
    "DatasetInfo",
    "EvaluationReport",
    "ImageInfo",
    "ImageScores",
    "ImageThresholdScores",
    "Protocol",
    "ProtocolInfo",
    "RunInfo",
    "SavedReport",
    "Score",
    "TaskMetricScores",
    "ThresholdScores",
]

MAX_BYTES = 256 * 1024 * 1024  # of a report, some 100,000 images
Protocol = Literal["region", "frame", "authors"]
Part = Literal["train", "validation", "test", "all", "out-of-fold"]


class ImageInfo(Value):
    """An image that was scored.

    Args:
        name: Its name in the data set.
        group: Patient, eye or volume.
        part: Where the run's split has an image with these pixels; None: the run has never seen it.
        fingerprint: Checksum of its pixels.
        label_fingerprint: Checksum of its label where pixels count.
        size_px: Width and height.
        seconds: How long its prediction took.
        field_of_view_px: Diameter of the field of view by which a fundus photograph was scaled.
        source: The data set that it belongs to, where several were read together.
        fold: In a cross-validation, the fold that held it out.
    """

    name: str
    group: str
    part: Literal["train", "validation", "test"] | None
    fingerprint: str
    label_fingerprint: str
    size_px: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    seconds: NonNegative
    field_of_view_px: NonNegative | None = None
    source: str = ""
    fold: NonNegativeInt | None = None


class DatasetInfo(Value):
    """What was scored.

    Args:
        name: The folder's name.
        task: Its layout, one of `cenet.TASKS`.
        part: `train`, `validation`, `test`, `all` images, or `out-of-fold` in a cross-validation.
        groups: How many patients, eyes or volumes there are.
        grouping: What makes a group, in words.
        labels: How label files became classes.
        images: All images, in one order throughout the report.
    """

    name: str
    task: str
    part: Part
    groups: Annotated[int, Field(ge=1)]
    grouping: str = ""
    labels: LabelEncoding | None = None
    images: Annotated[tuple[ImageInfo, ...], Field(min_length=1)]

    def count_training_images(self) -> int:
        """How many of the images the run was trained on, or chose its epoch and thresholds by."""
        return sum(image.part in ("train", "validation") for image in self.images)


class CurveRow(Value):
    """One epoch of a training.

    Args:
        epoch: From 0.
        step: Optimiser steps so far.
        loss: Mean training loss.
        learning_rate: At its end.
        validation_dice: NaN in an epoch that was not validated.
        validation_thresholds: Of each sigmoid map, the best on the validation images.
        seconds: How long it took.
        skipped: Batches that were left out because their loss was not finite.
    """

    epoch: NonNegativeInt
    step: NonNegativeInt
    loss: Number
    learning_rate: NonNegative
    validation_dice: Share = nan
    validation_thresholds: tuple[Share, ...] = ()
    seconds: NonNegative
    skipped: NonNegativeInt = 0


class RunInfo(Value):
    """A run that was scored, and how it was trained.

    Args:
        name: The run folder's name.
        folder: Where the run folder is, relative to the report's.
        recipe: The recipe's name.
        network: The network's name.
        parameters: How many weights it has.
        started_from: What the weights were before training.
        seed: Of the training.
        steps: Optimiser steps; None for imported weights.
        epoch: The epoch whose weights were kept; None for imported weights.
        thresholds: Of each sigmoid map, chosen on the validation part; 0.5 where there was none.
        calibration: (scale, bias) for each sigmoid map, or of all softmax maps.
        calibration_reason: Why it was calibrated or not, in words; empty where nothing is known of it.
        post_processing: What is done to the masks of the validated threshold, in words; empty where nothing is.
        validation_dice: Of the epoch that was kept.
        unverified: Fields of the recipe that the paper's record does not confirm.
        settings: Every field of the recipe.
        labels: How label files became classes, in words.
        split: How many images each part has.
        class_share: How much of the training labels' pixels each class has.
        environment: Versions and machine of the training.
        curve: A row for each epoch.
        test_scored: How often the test part was scored.
        command: What made the run.
    """

    name: str
    folder: str = ""
    recipe: str
    network: str
    parameters: NonNegativeInt
    started_from: str
    seed: int
    steps: NonNegativeInt | None = None
    epoch: NonNegativeInt | None = None
    thresholds: tuple[Share, ...] = ()
    calibration: tuple[tuple[Number, Number], ...] = ()
    calibration_reason: str = ""
    post_processing: str = ""
    validation_dice: Share | None = None
    unverified: tuple[str, ...] = ()
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    labels: str | None = None
    split: dict[str, NonNegativeInt] | None = None
    class_share: dict[str, Share] = Field(default_factory=dict)
    environment: dict[str, JsonValue] | None = None
    curve: tuple[CurveRow, ...] = ()
    test_scored: NonNegativeInt = 0
    command: str = ""


class ProtocolInfo(Value):
    """Which pixels were compared with which truth.

    Args:
        name: One of `cenet.evaluation.protocol.PROTOCOLS`.
        description: What it means, in words.
        views: Over how many flips and turns a prediction was averaged.
    """

    name: Protocol
    description: str
    views: Annotated[int, Field(ge=1, le=8)]


class Cost(Value):
    """What training and prediction took.

    Args:
        parameters: Weights of all networks that predict together.
        multiply_adds_per_image: Multiplications with an addition, for the first image; None of an exported model.
        seconds_per_image: Median time of a prediction.
        peak_memory_mib: Largest memory in use.
        training_seconds: Of all runs; None where it is not known.
        device: What predicted.
    """

    parameters: NonNegative
    multiply_adds_per_image: NonNegative | None
    seconds_per_image: NonNegative
    peak_memory_mib: NonNegative | None
    training_seconds: NonNegative | None
    device: str


class SavedReport(Value):
    """A report that is one JSON file in a folder.

    Args:
        folder: Where it is; None before it is saved. The file does not hold it.
    """

    file_name: ClassVar[str]
    command_to_repeat: ClassVar[str]

    folder: Path | None = Field(default=None, exclude=True)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read and validate the report in a folder.

        Raises:
            CenetError: It is missing, corrupted, or of another format.
        """
        path = folder / cls.file_name
        if not path.exists():
            raise CenetError(path, "is missing", f"run `{cls.command_to_repeat}`")
        report = read_json(
            path,
            cls,
            cause="is corrupted, or was written by another version of cenet",
            remedy=f"run `{cls.command_to_repeat}` again",
            max_bytes=MAX_BYTES,
        )
        return report.model_copy(update={"folder": folder})

    def save(self, output: OutputFolder) -> Self:
        """Write the report into a folder, and return it with that `folder`.

        Raises:
            CenetError: The folder cannot be written, or holds another file of this name.
        """
        output.write_text(self.file_name, self.model_dump_json(indent=1))
        return self.model_copy(update={"folder": output.path})


class EvaluationReport(SavedReport):
    """What one run, an ensemble, or all folds of a cross-validation score on labelled images.

    Args:
        format: Of the file.
        commands: What made the runs and this report.
        protocol: Which pixels were compared with which truth.
        data: The images.
        runs: What was scored: one run, the members of an ensemble, or the folds' runs.
        cost: What training and prediction took.
        classes: The foreground classes, in the order of the labels.
        task_metrics: What the task measures beside the overlap of classes.
        environment: Versions and machine of the evaluation.
        notes: What makes the numbers weaker than they look and no number shows, in sentences, such as that the recipe
            was chosen on these folds.
    """

    file_name: ClassVar[str] = "report.json"
    command_to_repeat: ClassVar[str] = "cenet evaluate"

    format: Literal[4] = 4
    commands: tuple[str, ...]
    protocol: ProtocolInfo
    data: DatasetInfo
    runs: Annotated[tuple[RunInfo, ...], Field(min_length=1)]
    cost: Cost
    classes: Annotated[tuple[ClassReport, ...], Field(min_length=1)]
    task_metrics: tuple[TaskMetricScores, ...] = ()
    environment: dict[str, JsonValue] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_images(self) -> Self:
        names = [image.name for image in self.data.images]
        if any([image.image for image in of_class.images] != names for of_class in self.classes):
            raise ValueError("the images of a class are not those of the data")
        if any(len(task_metric.values) not in (0, len(names)) for task_metric in self.task_metrics):
            raise ValueError("a task metric does not have one value for each image")
        return self
