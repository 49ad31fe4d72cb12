"""How the images of a training look, in a few numbers, and how far another image lies from them."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cenet.config.json_files import read_json

APPEARANCE = "appearance.json"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LONGEST_PX = 1024  # longer images are shrunk, which costs little and hides the noise of single pixels
FALSE_ALARMS = 0.05  # share of images of the same kind that may be called unfamiliar
FEW_IMAGES_FACTOR = 1.5  # on the limit, where too few images set it
MAX_FEATURE = 1e29  # so that spread and limit are numbers of the file, whatever the values of an image
FAR_OUTSIDE = 1e4  # score from which not the look of an image is unusual, but its values
MIN_SPREAD = 1 / 256  # of a feature, as a share of the range of the values: less is rounding, as in a black frame

Number = Annotated[float, Field(ge=-1e30, le=1e30)]
Positive = Annotated[float, Field(gt=0, le=1e30)]


def list_features(channels: int) -> tuple[str, ...]:
    """Name the features of images with a number of channels, in the order of `describe_appearance`.

    >>> list_features(1)[-3:]
    ('contrast', 'sharpness', 'coarse sharpness')
    """
    brightness = tuple(f"brightness of the {round(100 * share)} % darkest pixels" for share in QUANTILES)
    colours = tuple(f"colour of channel {number}" for number in range(1, channels + 1)) if channels > 1 else ()
    return *brightness, *colours, "contrast", "sharpness", "coarse sharpness"


def describe_appearance(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return the features of an image: brightness, colour, contrast and sharpness.

    Sharpness is how much neighbouring pixels differ, as a logarithm, and relative to the contrast; coarse sharpness is
    that of the image at a quarter of its size.

    Shape:
        (H, W, C) to (features,).

    >>> flat = describe_appearance(np.full((8, 8, 3), 100, np.uint8))
    >>> dict(zip(list_features(3), flat.round(), strict=True))["brightness of the 50 % darkest pixels"].item()
    100.0
    """
    with np.errstate(over="ignore"):
        values = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
    pixels = _shrink(values, -(-max(values.shape[:2]) // LONGEST_PX))
    grey = pixels.mean(2)
    contrast = float(grey.std())
    colours = pixels.mean((0, 1)) - grey.mean() if pixels.shape[2] > 1 else ()
    sharpness = [math.log10((_mean_step(scale) + 1e-6) / (contrast + 1e-3)) for scale in (grey, _shrink(grey, 4))]
    features = np.array([*np.quantile(grey, QUANTILES), *colours, contrast, *sharpness], np.float64)
    return np.clip(features, -MAX_FEATURE, MAX_FEATURE)


class ImageAppearance(BaseModel):
    """How the images of a training look, and the score from which another image is called unfamiliar.

    The score of an image is its largest deviation in any feature, in standard deviations of the training images.

    Args:
        format: Of the file.
        images: How many images it was made of.
        centre: The mean of each feature.
        spread: Its standard deviation, enlarged where the images are few.
        limit: At most 5 % of images of the same kind have a larger score, found by leaving out each group (patient) in
            turn; of fewer than 19 images it is one and a half times the largest.
        of: Which images they are, where the training was on others, as on drawings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1] = 1
    images: Annotated[int, Field(ge=2, le=10**9)]
    centre: Annotated[tuple[Number, ...], Field(min_length=8, max_length=1000)]
    spread: Annotated[tuple[Positive, ...], Field(min_length=8, max_length=1000)]
    limit: Positive
    of: Annotated[str, Field(min_length=1, max_length=1000)] = "the training images"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(self.centre) != len(self.spread):
            raise ValueError("centre and spread are of other features")
        return self

    @classmethod
    def load(cls, folder: Path) -> "ImageAppearance | None":
        """Read the `appearance.json` of a run folder; None where there is none.

        Raises:
            CenetError: It is corrupted.
        """
        path = folder / APPEARANCE
        return read_json(path, cls, remedy="copy the run folder again") if path.is_file() else None

    def score(self, features: NDArray[np.float64]) -> tuple[float, int]:
        """Return the score of an image, and the number of the feature that deviates most.

        Args:
            features: From `describe_appearance`.
        """
        deviations = np.abs(features - np.array(self.centre)) / np.array(self.spread)
        return float(deviations.max()), int(deviations.argmax())

    def describe_unfamiliar(self, image: NDArray[Any]) -> str | None:
        """Say how an image differs from those of the training; None where it does not.

        Args:
            image: (H, W, C), as it was read.
        """
        features = describe_appearance(image)
        if len(features) != len(self.centre):
            return f"has another number of channels than {self.of}"
        score, worst = self.score(features)
        if score <= self.limit:
            return None
        where = "above" if features[worst] > self.centre[worst] else "below"
        name = list_features(image.shape[2])[worst]
        deviation = f"{name} is {score:.1f} standard deviations {where} theirs (the limit is {self.limit:.1f})"
        if score > FAR_OUTSIDE:
            deviation = f"some of its values lie far outside the range of theirs ({name} is far {where})"
        return f"looks unlike {self.of}: {deviation}, so the prediction may be wrong"


def summarise_appearance(features: Iterable[NDArray[np.float64]], groups: Sequence[str] = ()) -> ImageAppearance | None:
    """Summarise the features of images; None for fewer than three images.

    Args:
        features: Of each image, from `describe_appearance`.
        groups: The group of each image, as a patient: a new image is of a group that was not seen. Without them, or of
            fewer than three, each image is left out alone.

    >>> looks = [describe_appearance(np.random.default_rng(k).random((16, 16, 1))) for k in range(20)]
    >>> summarise_appearance(looks).images
    20
    """
    table = np.array(list(features))
    count = len(table)
    if count < 3:
        return None
    value_range = max(float(np.ptp(table[:, : len(QUANTILES)])), 1e-6)
    members = np.array(groups if len(set(groups)) >= 3 else range(count))
    scores: list[float] = []
    for group in np.unique(members):
        others = table[members != group]
        deviations = np.abs(table[members == group] - others.mean(0)) / _spread(others, value_range)
        scores += deviations.max(1).tolist()
    rank = math.ceil((1 - FALSE_ALARMS) * (count + 1))
    limit = sorted(scores)[rank - 1] if rank <= count else FEW_IMAGES_FACTOR * max(scores)
    spread, limit = _spread(table, value_range), min(max(limit, MIN_SPREAD), MAX_FEATURE)
    return ImageAppearance(images=count, centre=tuple(table.mean(0)), spread=tuple(spread), limit=limit)


def _spread(table: NDArray[np.float64], value_range: float) -> NDArray[np.float64]:
    """Return the standard deviation with which another image lies around the mean of these."""
    floor = np.full(table.shape[1], MIN_SPREAD * value_range)
    floor[-2:] = 0.01  # of logarithms
    return np.asarray(np.maximum(table.std(0, ddof=1), floor) * math.sqrt(1 + 1 / len(table)), np.float64)


def _mean_step(grey: NDArray[np.float64]) -> float:
    """Return the mean difference of neighbouring pixels."""
    steps = [np.abs(np.diff(grey, axis=axis)) for axis in (0, 1)]
    return float(np.mean([step.mean() if step.size else 0.0 for step in steps]))


def _shrink(image: NDArray[Any], factor: int) -> NDArray[np.float64]:
    """Return the means of blocks of pixels; a rest that fills no block is left out."""
    factor = min(factor, *image.shape[:2])
    rows, columns = (side // factor for side in image.shape[:2])
    blocks = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, *image.shape[2:])
    return np.asarray(blocks.mean((1, 3), dtype=np.float64), np.float64)  # sums and squares would overflow float32
