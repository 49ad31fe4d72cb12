"""Measurements of predictions and of corrected masks, as they are sent."""

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.pixel_size import format_pixel_size
from cenet.errors import CenetError
from cenet.inference.trust import estimate_prediction_dice, find_region, measure_prediction
from cenet.measurements import MaskToMeasure, format_csv, measure_mask, parse_pixel_size
from cenet.measurements.measure import HIGH, LOW
from cenet.service.problems import ProblemError
from cenet.service.schemas import Measurement
from cenet.service.served_model import ServedModel
from cenet.service.uploads import DecodedImage

if TYPE_CHECKING:
    from cenet.inference.prediction import Prediction

PixelSize = tuple[float, float]


def parse_pixel_size_option(text: str | None) -> PixelSize | None:
    """Height and width of a pixel in micrometres, as a request states them; None where it states none.

    Raises:
        ProblemError: It is no size.
    """
    if not text:
        return None
    try:
        return parse_pixel_size(text)
    except CenetError as error:
        raise ProblemError(422, "invalid-option", f"pixel_size: {error.cause}; {error.remedy}") from error


def measure(
    model: ServedModel, image: DecodedImage, prediction: "Prediction", *, pixel_um: PixelSize | None
) -> dict[str, float]:
    """Measure a prediction as `cenet predict --measure` does: each value with its range over thresholds."""
    return measure_prediction(prediction, image.pixels, model.kind, names=model.classes, pixel_um=pixel_um)


def measure_corrected(
    model: ServedModel, image: DecodedImage, mask: NDArray[np.uint8], *, pixel_um: PixelSize | None
) -> dict[str, float]:
    """Measure a mask that was corrected by hand, which has no range over thresholds."""
    region = find_region(image.pixels) if model.kind == "vessels" else None
    measured = MaskToMeasure(mask, model.classes, nested=model.nested, pixel_um=pixel_um, region=region)
    return measure_mask(measured, model.kind)


def describe_measurements(values: Mapping[str, float]) -> dict[str, Measurement]:
    """Join each value with its range over thresholds; what is not defined is None.

    >>> ends = {"area_px_min_over_thresholds": 2.0, "area_px_max_over_thresholds": math.nan}
    >>> describe_measurements({"area_px": 3.0, **ends})
    {'area_px': Measurement(value=3.0, low=2.0, high=None)}
    """
    ends = {name + end for name in values for end in (LOW, HIGH)}
    return {
        name: Measurement(
            value=_to_number(value), low=_to_number(values.get(name + LOW)), high=_to_number(values.get(name + HIGH))
        )
        for name, value in values.items()
        if name not in ends
    }


def format_measurements(
    model: ServedModel, image: DecodedImage, prediction: "Prediction", *, pixel_um: PixelSize | None
) -> bytes:
    """A table of one row, with the columns of `cenet predict --measure`, as CSV."""
    row: dict[str, str | float] = {
        "model": model.name,
        "version": model.version,
        "expected_dice_ratio": estimate_prediction_dice(prediction),
        "unfamiliar": prediction.unfamiliar or "",
        "pixel_size": format_pixel_size(pixel_um) if pixel_um else "",
        **measure(model, image, prediction, pixel_um=pixel_um),
    }
    return format_csv([row]).encode()


def _to_number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class RecentPrediction:
    """A prediction that can still be measured.

    Args:
        model: Whose it is.
        image: Of what.
        prediction: What was predicted.
    """

    model: ServedModel
    image: DecodedImage
    prediction: "Prediction"

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        unsure, arrays = self.prediction.uncertainty, [self.image.pixels, self.prediction.probabilities]
        if unsure is not None:
            arrays += [unsure.total, unsure.disagreement]
        return sum(int(values.nbytes) for values in arrays) + len(self.image.dicom or b"")


class RecentPredictions:
    """The latest predictions, in memory, so that measuring one does not predict it again.

    Args:
        max_bytes: That they may take together; the latest is kept whatever its size.
    """

    def __init__(self, max_bytes: int = 2**29) -> None:
        self.max_bytes = max_bytes
        self._kept: OrderedDict[str, RecentPrediction] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, key: str, recent: RecentPrediction) -> None:
        """Keep a prediction, in place of the oldest where there is no room."""
        with self._lock:
            self._kept[key] = recent
            while len(self._kept) > 1 and sum(kept.size for kept in self._kept.values()) > self.max_bytes:
                self._kept.popitem(last=False)

    def find(self, key: str) -> RecentPrediction:
        """The prediction of a key.

        Raises:
            ProblemError: It is no longer kept.
        """
        with self._lock:
            if key not in self._kept:
                raise ProblemError(404, "prediction-gone", "the prediction is no longer kept; predict the image again")
            return self._kept[key]
