"""Exported models: what their file says, and the pipeline around them. Nothing here imports PyTorch."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cenet.config.recipe import Recipe
from cenet.data.appearance import ImageAppearance
from cenet.data.io.files import hash_file
from cenet.errors import CenetError
from cenet.inference.engines import EngineName, open_engine
from cenet.inference.model_file import OPENVINO, read_description
from cenet.inference.operating_point import choose_operating_point
from cenet.inference.pipeline import Pipeline
from cenet.inference.run_metadata import RunMetadata

Sentence = Annotated[str, Field(min_length=1, max_length=10_000)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[^/\\\x00]+$", max_length=255)]
Share = Annotated[float, Field(ge=0, le=1)]


class Value(BaseModel):
    """A part of the description: immutable, without unknown fields, NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SecondFile(Value):
    """A file that belongs to a model's file and is beside it.

    Args:
        name: Of the file.
        sha256: Of its content.
    """

    name: FileName
    sha256: Sha256


class Agreement(Value):
    """How an exported model was compared with the run that it was made of.

    Args:
        images: What was predicted by both, in words.
        count: How many images that were.
        largest_difference: Of any probability.
        mask_agreement: The share of pixels to which both give the same class, the least of all images.
        dice: Mean Dice of the exported model's masks, over labelled images; None where there are none.
        dice_lost: By how much it is below that of the run.
        mask_dice: The least Dice between both masks, of images whose label does not tell: there is none, or the run
            itself misses it. None where there is no such image, or the run finds nothing on them.
        judged: On how many images the run finds something to compare.
        engine: What computed the exported model.
    """

    images: Sentence
    count: Annotated[int, Field(ge=1, le=10**9)]
    largest_difference: Share
    mask_agreement: Share
    dice: Share | None = None
    dice_lost: Annotated[float, Field(ge=-1, le=1)] | None = None
    mask_dice: Share | None = None
    judged: Annotated[int, Field(ge=0, le=10**9)] = 1
    engine: Sentence


class ExportedInfo(Value):
    """What an exported model's file says of itself, as JSON.

    Args:
        format: Of the description.
        cenet: The version that wrote it.
        title: What the model is for.
        name: Of the released model or run; masks do not depend on it.
        version: Of a released model.
        licence: Of the weights, where it is known.
        notice: What it must not be used for.
        precision: In which it computes.
        recipe: How an image meets the network.
        facts: Kind of images, classes, calibration and thresholds.
        parameters: How many weights the network has.
        stride: The network's sides are multiples of it.
        min_size: Its smallest side, in pixels.
        raw_output: The output with the probabilities before calibration.
        inside: What the graph does, in words.
        outside: What it does not, and whoever runs it alone has to do.
        agreement: How it was compared with the run.
        appearance: How the training images look.
        localiser: The exported model that finds where to look.
        weights: The file of weights beside an OpenVINO file.
    """

    format: Literal[2] = 2
    cenet: Sentence
    title: str = Field("", max_length=1000)
    name: str = Field("", max_length=1000)
    version: str = Field("", max_length=100)
    licence: str = Field("", max_length=10_000)
    notice: Sentence = "For research; not a medical device, and not for diagnosis."
    precision: Literal["fp32", "int8"] = "fp32"
    recipe: Recipe
    facts: RunMetadata
    parameters: Annotated[int, Field(ge=0)]
    stride: Annotated[int, Field(ge=1, le=4096)]
    min_size: Annotated[int, Field(ge=1, le=65536)]
    raw_output: Literal["probabilities", "uncalibrated"]
    inside: tuple[Sentence, ...]
    outside: tuple[Sentence, ...]
    agreement: Agreement | None = None
    appearance: ImageAppearance | None = None
    localiser: SecondFile | None = None
    weights: SecondFile | None = None


class ExportedPredictor(Pipeline):
    """An exported model with everything that an image needs on its way to a mask.

    Args:
        path: The model's file.
        info: What it says of itself.
        tta: Average the recipe's views.
        engine: What computes it.
        localiser: Finds where to look, for a recipe with `roi_fraction`.
    """

    def __init__(
        self,
        path: Path,
        info: ExportedInfo,
        *,
        tta: bool = False,
        engine: EngineName = "auto",
        localiser: "ExportedPredictor | None" = None,
    ) -> None:
        point = choose_operating_point(info.facts.operating_points, len(info.recipe.views) if tta else 1)
        super().__init__(
            info.recipe,
            stride=info.stride,
            min_size=info.min_size,
            thresholds=point.thresholds,
            calibration=point.calibration,
            post_processing=point.post_processing,
            expects=(info.facts.in_channels, info.facts.dtype),
            tta=tta,
            localiser=localiser,
            appearance=info.appearance,
            pixel_um=info.facts.pixel_um,
            channels=info.facts.channels,
        )
        self.engine = open_engine(path, info.raw_output, engine=engine)

    def forward(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        (answer,) = self.engine.compute(np.ascontiguousarray(image)[None])
        return np.asarray(answer, np.float32)


class ExportedModel:
    """The file of an exported model, opened strictly: what is damaged or foreign is an error.

    Args:
        path: An ONNX or OpenVINO file that `cenet export` wrote.

    Attributes:
        info: What it says of itself.
        recipe: How an image meets the network.
        facts: Kind of images, classes, calibration and thresholds.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        description = read_description(self.path)
        try:
            self.info = ExportedInfo.model_validate_json(description)
            self.info.facts.check_fits(self.info.recipe)
        except (ValidationError, ValueError) as error:
            cause = "was exported by another version of cenet, whose description this version does not read"
            raise CenetError(self.path, cause, "export the run again, or install the version that wrote it") from error
        self.recipe, self.facts = self.info.recipe, self.info.facts
        if (self.info.weights is None) == (self.path.suffix.lower() == OPENVINO):
            raise CenetError(self.path, "does not name the file of its weights", "export the run again")
        for second in (self.info.weights, self.info.localiser):
            if second is not None:
                _check_second_file(self.path.with_name(second.name), second, self.path)
        if self.info.weights is not None and self.info.weights.name != self.path.with_suffix(".bin").name:
            remedy = f"give it back the name {Path(self.info.weights.name).with_suffix(self.path.suffix)}"
            raise CenetError(self.path, f"its weights are in {self.info.weights.name}, another name", remedy)
        if (self.recipe.roi_fraction is None) != (self.info.localiser is None):
            raise CenetError(self.path, "does not fit its recipe: it has no localiser", "export the run again")

    def fingerprint(self) -> str:
        """The SHA-256 of what its predictions depend on, but for the engine."""
        return hashlib.sha256(hash_file(self.path).encode()).hexdigest()

    def part_of(self, fingerprint: str) -> None:
        """The part of the data in which the run had an image: the file does not say.

        Args:
            fingerprint: Of the image's pixels.
        """

    def predictor(self, *, tta: bool = False, engine: EngineName = "auto") -> ExportedPredictor:
        """Everything that an image needs to become a mask, rebuilt from the file alone."""
        localiser = None
        if self.info.localiser is not None:
            second = ExportedModel(self.path.with_name(self.info.localiser.name))
            if second.info.localiser is not None:
                raise CenetError(second.path, "a localiser must see whole images", "export the run again")
            localiser = second.predictor(engine=engine)
        return ExportedPredictor(self.path, self.info, tta=tta, engine=engine, localiser=localiser)


def describe_inside(output_names: Sequence[str], *, classes: Sequence[str], softmax: bool) -> tuple[str, ...]:
    """What a graph does, in words.

    >>> describe_inside(["probabilities", "mask"], classes=["vessel"], softmax=False)[-1]
    'the mask holds 0 for the background, 1 for vessel'
    """
    steps = ["takes float32 in the file's own values, (N, C, H, W), of any height and width", "pads and normalises"]
    steps.append("gives probabilities, by softmax over all classes" if softmax else "gives probabilities, by sigmoid")
    if "uncalibrated" in output_names:
        steps.append("calibrates them; the output uncalibrated holds them before")
    if "mask" in output_names:
        names = ", ".join(f"{number} for {name}" for number, name in enumerate(classes, 1))
        steps.append("compares them with the thresholds of one view" if not softmax else "chooses the largest")
        steps.append(f"the mask holds 0 for the background, {names}")
    return tuple(steps)


def _check_second_file(path: Path, second: SecondFile, model: Path) -> None:
    if not path.is_file():
        raise CenetError(path, f"is missing, and {model.name} needs it", "copy both files into one folder")
    if hash_file(path) != second.sha256:
        raise CenetError(path, f"is damaged, or belongs to another file than {model.name}", "copy both files again")
