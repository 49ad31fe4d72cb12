"""What is known of a released model beside its run folder: the typed content of `model.json`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cenet.config.formats import check_format
from cenet.config.json_files import read_json
from cenet.errors import CenetError

MODEL = "model.json"  # makes a run folder a released model
CARD = "MODEL_CARD.md"
FOLD = "fold"  # recipe and split of the fold that is trained again
MAX_BYTES = 16 * 2**20  # of a model's folder
MAX_BYTES_WITH_LOCALISER = 24 * 2**20
MAX_BYTES_TOGETHER = 60 * 2**20  # of all models of the package cenet-models
MAX_DICE_LOST = 0.002  # by rounding the weights

Sentence = Annotated[str, Field(min_length=1, max_length=10_000)]
Word = Annotated[str, Field(min_length=1, max_length=1000)]
ModelName = Annotated[str, Field(pattern="^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=100)]
Version = Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+(\.[0-9]+)?$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Protocol = Literal["region", "frame", "authors"]
CheckImage = Literal["retina", "vessels", "disc", "lung", "cells", "oct"]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10**12)]
Number = Annotated[float, Field(ge=-1e12, le=1e12)]


class Value(BaseModel):
    """A part of `model.json`: immutable, without unknown fields, NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelReference(Value):
    """Which released model a training started from.

    Args:
        name: The model.
        version: Its version.
    """

    name: ModelName
    version: Version


class TrainingSet(Value):
    """Images that a model was trained on.

    Args:
        name: Of the data set.
        images: How many.
        terms: Under which they may be used, in words.
        reference: Where they are described.
    """

    name: Word
    images: Count
    terms: Sentence
    reference: str = Field("", max_length=1000)


class ReleasedScore(Value):
    """A score of a model's recipe on images that the scored networks were not trained on.

    Args:
        data: The data set, in words.
        protocol: Which pixels were compared with which truth.
        images: How many were scored.
        groups: Of how many patients, eyes or volumes.
        metric: Its key in `cenet.metrics.registry`.
        part: The class, layer or boundary that it is of; empty where it is of the image as a whole.
        average: What the value is: the mean over images, or of all of them together.
        value: The score.
        low: Lower end of its 95 % interval, or of the range of few groups; None where there is neither.
        high: The upper end.
        method: How the interval was made, in words.
        source: The one of several data sets, scored together, that it is of; empty where it is of all images.
    """

    data: Word
    protocol: Protocol
    images: Count
    groups: Count
    metric: Word
    part: str = Field("", max_length=1000)
    average: Literal["per_image", "pooled"] = "per_image"
    value: Number
    low: Number | None = None
    high: Number | None = None
    method: str = Field("", max_length=1000)
    source: str = Field("", max_length=1000)


class Reproduction(Value):
    """The fold that `cenet reproduce` trains again, and how much its score differs from seed to seed.

    Args:
        data: The data set that it needs, in words.
        fold: Its number, from 0.
        folds: How many folds there were.
        protocol: Which pixels are compared with which truth.
        metric: The key in `cenet.metrics.registry` of the score, a mean over images.
        part: The class that it is of; empty where it is of the image as a whole.
        values: Its value for each seed.
        low: Lower end of the 95 % prediction interval of a further training.
        high: The upper end.
        minutes: How long the first training took.
        started_from_model: The released model that the trainings went on from, if any.
    """

    data: Word
    fold: Annotated[int, Field(ge=0, le=10**6)]
    folds: Count
    protocol: Protocol = "region"
    metric: Word
    part: str = Field("", max_length=1000)
    values: Annotated[tuple[Number, ...], Field(min_length=2)]
    low: Number
    high: Number
    minutes: Annotated[float, Field(ge=0, le=1e9)]
    started_from_model: ModelReference | None = None


class CheckedPrediction(Value):
    """What the model says of an image that everyone has, so that a test notices when it says something else.

    Args:
        image: `retina`, the photograph of scikit-image, or the task of a phantom of `cenet.phantoms`.
        size_px: Side of the phantom; of the photograph 0.
        grid: For each map of probabilities the means over 8 x 8 blocks of the image, row by row.
        mask_shares: Of the mask's pixels, for each class.
    """

    image: CheckImage
    size_px: Annotated[int, Field(ge=0, le=10**6)]
    grid: Annotated[tuple[Annotated[tuple[Share, ...], Field(max_length=64)], ...], Field(max_length=255)]
    mask_shares: Annotated[tuple[Share, ...], Field(max_length=255)]


class ModelInfo(Value):
    """A released model: where it comes from, how good it is, what it may be used for, and where it fails.

    Args:
        format: Of the file.
        name: What it is called wherever a run is named.
        version: Raised with every change of the weights; a released version is never retrained.
        title: What it is for.
        task: The layout of the data sets that it is scored on, see `cenet tasks`.
        recipe: The name of its recipe; every number of it is in `recipe.json`.
        licence: Of the weights.
        data: What it was trained on.
        encoder: Where the encoder's first weights come from.
        scores: What its recipe scores on images that the scored networks were not trained on.
        limits: Which images it is for, and which it is not for, in sentences.
        failures: Where it fails, in sentences.
        parameters: How many weights it has, with those of a localiser.
        weights_bytes: Size of the files of weights.
        weights_sha256: Of `weights.safetensors`.
        dice_lost: How far masks of the stored weights differ from those of the trained ones: 1 - Dice between the two,
            the largest of some images.
        notice: What it must not be used for.
        reproduction: The fold that `cenet reproduce` trains again.
        check: What it says of an image that everyone has.
    """

    format: Literal[1] = 1
    name: ModelName
    version: Version
    title: Word
    task: Word
    recipe: Word
    licence: Sentence
    data: Annotated[tuple[TrainingSet, ...], Field(min_length=1)]
    encoder: Sentence
    scores: tuple[ReleasedScore, ...] = ()
    limits: Annotated[tuple[Sentence, ...], Field(min_length=1)]
    failures: Annotated[tuple[Sentence, ...], Field(min_length=1)]
    parameters: Count
    weights_bytes: Count
    weights_sha256: Sha256
    dice_lost: Share
    notice: Literal["Research use only, not a medical device."] = "Research use only, not a medical device."
    reproduction: Reproduction | None = None
    check: CheckedPrediction | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the `model.json` in a folder.

        Raises:
            CenetError: It is missing, corrupted, or of another format.
        """
        path = folder / MODEL
        remedy = "install the package that it came with again"
        try:
            return read_json(path, cls, cause="is not what cenet writes", remedy=remedy)
        except CenetError:
            check_format(path, cls.model_fields["format"].default)
            raise

    @property
    def reference(self) -> ModelReference:
        """Name and version."""
        return ModelReference(name=self.name, version=self.version)

    @model_validator(mode="after")
    def _check_intervals(self) -> Self:
        for score in self.scores:
            if (score.low is None) != (score.high is None):
                raise ValueError(f"the interval of {score.metric} has one end")
            if score.low is not None and score.high is not None and score.low > score.high:
                raise ValueError(f"the interval of {score.metric} ends before it begins")
        if self.reproduction and self.reproduction.low > self.reproduction.high:
            raise ValueError("the interval from seed to seed ends before it begins")
        return self
