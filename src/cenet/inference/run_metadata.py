"""What a run knows beside its recipe: the typed content of `run.json`."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, model_validator

from cenet.config.formats import check_format
from cenet.config.json_files import read_json
from cenet.config.plan import Choice
from cenet.config.recipe import Recipe
from cenet.data.labels.detect import LabelEncoding
from cenet.errors import CenetError
from cenet.inference.operating_point import OperatingPoint, choose_operating_point
from cenet.models.model_info import ModelReference

Text = Annotated[str, Field(max_length=100_000)]
Name = Annotated[str, Field(min_length=1, max_length=1000)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Length = Annotated[float, Field(gt=0, le=1e6)]
Finite = Annotated[float, Field(ge=-3.5e38, le=3.5e38)]  # what single precision holds


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError("is no regular expression") from error
    return pattern


class RunMetadata(BaseModel):
    """What a run knows beside its recipe, kept in `run.json`.

    Args:
        format: Of this file.
        command: What made the run.
        started_from: What the weights were before training.
        started_from_model: The released model that they were, if any.
        seen_in_earlier_training: Fingerprints of the images seen by the earlier run that the weights started from.
        in_channels: Channels of its images.
        channels: What they are called, where all training images say the same.
        dtype: Type of their values; others are refused.
        pixel_um: Height and width of a pixel of its training images in micrometres, where they state nearly the same.
        value_range: The image values that count as black and white.
        classes: Names of the foreground classes.
        labels: How its label files were read; None for an imported network.
        shares: Of the pixels of the training labels, for each foreground class (a nested one with all inside it).
        data: The folder it was trained on, so that `evaluate` finds it again.
        init_from: The earlier run that it starts from, for a training that is stopped before its first checkpoint.
        group_pattern: The pattern that found the group in an image's name.
        precision: How it is computed, so that a training is resumed as it was started; None for an imported network.
        precision_reason: Why that precision.
        memory_format: Likewise.
        deterministic: Likewise.
        custom_loss: The name of the user's own loss, which a resumed training needs again; None for the recipe's.
        custom_augmentation: Likewise, of an augmentation that came after the recipe's.
        choices: Where the recipe was planned, its values that follow from what was measured, each with the reason.
        keep_checkpoints: Whether the checkpoints stay when training is finished.
        epoch: The epoch of the weights, chosen by validation Dice; None until there is one.
        validation_dice: Its Dice on the validation part.
        operating_points: Calibration and thresholds, chosen on the validation part for predictions from one view and,
            if the recipe says `validate_tta`, for those from all views.
        test_scored: How often its test part was scored.
        weights_sha256: Of `weights.safetensors`.
        finished: Whether training came to its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[4] = 4
    command: Text
    started_from: Text
    started_from_model: ModelReference | None = None
    seen_in_earlier_training: tuple[Sha256, ...] = ()
    in_channels: Annotated[int, Field(ge=1, le=1024)]
    channels: Annotated[tuple[Name, ...], Field(max_length=1024)] = ()
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"
    pixel_um: tuple[Length, Length] | None = None
    value_range: tuple[Finite, Finite] = (0.0, 255.0)
    classes: Annotated[tuple[Name, ...], Field(min_length=1, max_length=254)] = ("foreground",)
    labels: LabelEncoding | None = None
    shares: Annotated[tuple[Share, ...], Field(max_length=254)] = ()
    data: Annotated[str, Field(max_length=10_000)] | None = None
    init_from: Annotated[str, Field(max_length=10_000)] | None = None
    group_pattern: Annotated[str, Field(max_length=1000), AfterValidator(_check_pattern)] | None = None
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] | None = None
    precision_reason: Text | None = None
    memory_format: Literal["channels-last", "contiguous"] | None = None
    deterministic: bool | None = None
    custom_loss: Name | None = None
    custom_augmentation: Name | None = None
    choices: Annotated[tuple[Choice, ...], Field(max_length=200)] = ()
    keep_checkpoints: bool = False
    epoch: NonNegativeInt | None = None
    validation_dice: Share | None = None
    operating_points: Annotated[tuple[OperatingPoint, ...], Field(max_length=2)] = ()
    test_scored: Annotated[int, Field(ge=0, le=10**9)] = 0
    weights_sha256: Sha256 | None = None
    finished: bool = False

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Those of predictions from one view."""
        return choose_operating_point(self.operating_points, 1).thresholds

    @property
    def has_chosen_thresholds(self) -> bool:
        """Whether validation images chose them, the run's own or those of a model's folds: else each is 0.5."""
        chosen = self.validation_dice is not None or any(threshold != 0.5 for threshold in self.thresholds)
        return self.epoch is not None and chosen

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a `run.json`.

        Raises:
            CenetError: It is missing, corrupted, or of another format.
        """
        try:
            return read_json(path, cls, cause="is not what cenet writes", remedy="name a run folder that is whole")
        except CenetError:
            check_format(path, cls.model_fields["format"].default)
            raise

    @model_validator(mode="after")
    def _check_consistent(self) -> Self:
        low, high = self.value_range
        if low >= high:
            raise ValueError("black is not below white in value_range")
        if len(set(self.channels)) < len(self.channels) or len(self.channels) not in (0, self.in_channels):
            raise ValueError(f"channels are {len(set(self.channels))} names of {self.in_channels} channels")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two classes have the same name")
        for name, count in (("shares", len(self.shares)), ("labels", len(self.labels.names) if self.labels else 0)):
            if count not in (0, len(self.classes)):
                raise ValueError(f"{name} are of {count} classes, not of {len(self.classes)}")
        return self

    def check_fits(self, recipe: Recipe) -> None:
        """Refuse a recipe of other classes.

        Args:
            recipe: The one beside `run.json`.

        Raises:
            ValueError: The number of classes, thresholds or calibrations is not the recipe's.
        """
        if len(self.classes) != max(recipe.num_classes - 1, 1):
            raise ValueError(f"classes are {len(self.classes)} where the recipe has {max(recipe.num_classes - 1, 1)}")
        for point in self.operating_points:
            point.check_fits(recipe)
        if self.labels is not None and self.labels.nested != recipe.nested:
            raise ValueError("only one of labels and recipe is nested")
