"""What the service answers in JSON, as types that /docs shows."""

from typing import Literal

from pydantic import BaseModel, Field

NOTICE = "For research; not a medical device, and not for diagnosis."


class RunLengths(BaseModel):
    """A binary mask in the uncompressed form of COCO, as `pycocotools.mask.frPyObjects` reads it."""

    size: tuple[int, int] = Field(description="Height and width in pixels.")
    counts: list[int] = Field(
        description="Lengths of runs, down the columns from the left, first of pixels outside, then inside, and so on."
    )


class ClassMask(BaseModel):
    """Where one class is."""

    index: int = Field(description="Its value in the mask; 0 is the background.")
    name: str
    pixels: int = Field(description="How many pixels it has.")
    rle: RunLengths


class Measurement(BaseModel):
    """A value, and its range over thresholds, which is no confidence interval."""

    value: float | None = Field(description="None where it is not defined, such as the calibre of no vessel.")
    low: float | None = Field(None, description="Its least value, where all odds are three times less or more.")
    high: float | None = Field(None, description="Its greatest value there.")


class ImagePrediction(BaseModel):
    """What a model says of an image."""

    model: str
    version: str = Field(description="Of a released model; empty for a run.")
    width: int = Field(description="Of the image, upright, in pixels.")
    height: int
    classes: list[ClassMask] = Field(description="Each pixel is in one class at most, also where classes are nested.")
    nested: bool = Field(description="Whether each class lies inside the one before, as the cup in the disc.")
    notes: list[str] = Field(
        description="What to know before trusting the mask: that the image looks unlike those of the training, that "
        "the mask is empty or full, or that the image was converted."
    )
    expected_dice: float = Field(
        description="The Dice that the mask is expected to have, from its probabilities alone; too high for an image "
        "unlike those of the training."
    )
    pixel_um: tuple[float, float] | None = Field(
        None, description="Height and width of a pixel in micrometres, where the request or the file states them."
    )
    measurements: dict[str, Measurement] | None = Field(
        None, description="What `cenet predict --measure` measures, where it was asked for; names end in their units."
    )
    notice: str = NOTICE
    mask: str | None = Field(None, description="The mask as PNG in base64, where it was asked for.")
    probability: str | None = Field(
        None, description="The largest probability of any foreground, as grey PNG in base64: 0 is 0, 255 is 1."
    )
    uncertainty: str | None = Field(
        None,
        description="How unsure the prediction is of each pixel, as grey PNG in base64: 0 is certain, at 255 all "
        "classes are equally likely. It takes the prediction of every flip and turn.",
    )
    preview: str | None = Field(None, description="The image as it is shown, as 8-bit RGB PNG in base64.")


class FailedImage(BaseModel):
    """An image of a batch that was refused."""

    type: str
    status: int
    detail: str


class BatchItem(BaseModel):
    """One image of a batch: its prediction, or why there is none."""

    prediction: ImagePrediction | None = None
    problem: FailedImage | None = None


class Batch(BaseModel):
    """The images of a batch, in the order in which they were sent."""

    items: list[BatchItem]


class ModelDescription(BaseModel):
    """A model that is served."""

    name: str
    title: str
    version: str
    classes: list[str] = Field(description="Names of the foreground classes; the first has the value 1 in a mask.")
    colours: list[str] = Field(description='"#rrggbb" in which each class is shown.')
    nested: bool
    fingerprint: str = Field(description="SHA-256 of all that its predictions depend on.")


class ModelList(BaseModel):
    """The models that are served; the first is used where a request names none."""

    models: list[ModelDescription]
    notice: str = NOTICE


class State(BaseModel):
    """Whether the service runs."""

    status: Literal["ok"] = "ok"
