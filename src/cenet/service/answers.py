"""From a prediction to what is sent: PNG, TIFF, CSV, or JSON with run lengths."""

import base64
import io
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cenet.data.io.dicom_seg import SegmentedClasses, encode_dicom_segmentation
from cenet.data.io.write import hex_colours, overlay, write_mask, write_overlay, write_probability
from cenet.data.io.write_uncertainty import write_uncertainty
from cenet.data.labels.run_lengths import encode_runs
from cenet.errors import CenetError
from cenet.inference.overlap import describe_uniform_prediction
from cenet.inference.trust import estimate_prediction_dice
from cenet.service.measuring import PixelSize, describe_measurements, format_measurements, measure
from cenet.service.problems import ProblemError
from cenet.service.schemas import ClassMask, ImagePrediction, Measurement, ModelDescription, RunLengths
from cenet.service.served_model import ServedModel
from cenet.service.uploads import DecodedImage

if TYPE_CHECKING:
    from cenet.inference.prediction import Prediction

FileKind = Literal["mask", "overlay", "probability", "uncertainty", "csv", "dicom-seg"]
Inclusion = Literal["mask", "probability", "uncertainty", "preview", "measurements"]
MEDIA_TYPES: dict[FileKind, str] = {
    "mask": "image/png",
    "overlay": "image/png",
    "probability": "image/tiff",
    "uncertainty": "image/tiff",
    "csv": "text/csv; charset=utf-8",
    "dicom-seg": "application/dicom",
}


def encode_file(
    kind: FileKind,
    model: ServedModel,
    image: DecodedImage,
    prediction: "Prediction",
    *,
    pixel_um: PixelSize | None = None,
) -> bytes:
    """Encode what `cenet predict` would write: the same bytes, in memory.

    Args:
        kind: Which file.
        model: Whose the prediction is.
        image: Of what.
        prediction: What was predicted.
        pixel_um: Height and width of a pixel, where they are stated; else those of the file.
    """
    if kind == "csv":
        return format_measurements(model, image, prediction, pixel_um=pixel_um or image.pixel_um)
    if kind == "dicom-seg":
        return encode_segmentation(model, image, prediction.mask)
    file = io.BytesIO()
    if kind == "mask":
        write_mask(file, prediction.mask, num_classes=model.num_classes, colours=model.colours)
    elif kind == "overlay":
        write_overlay(file, image.pixels, prediction.mask, colours=model.colours)
    elif kind == "uncertainty":
        assert prediction.uncertainty is not None
        write_uncertainty(file, prediction.uncertainty.total, prediction.uncertainty.disagreement)
    else:
        write_probability(file, prediction.probabilities)
    return file.getvalue()


def encode_segmentation(
    model: ServedModel, image: DecodedImage, mask: NDArray[np.uint8], *, corrected: bool = False
) -> bytes:
    """Encode a mask as a DICOM segmentation that refers to its source.

    Args:
        model: What predicted it.
        image: Of what; a DICOM file with one frame.
        mask: Class indices, (H, W).
        corrected: Whether it was changed by hand.

    Raises:
        ProblemError: The image is no such file, or lacks what a segmentation refers to.
    """
    if image.dicom is None:
        raise ProblemError(422, "no-dicom", "a DICOM segmentation refers to a DICOM image; ask for format=mask")
    classes = SegmentedClasses(
        names=model.classes,
        nested=model.nested,
        colours=model.colours,
        model=model.name,
        version=model.version,
        corrected=corrected,
    )
    try:
        return encode_dicom_segmentation(image.dicom, mask, classes, name="image")
    except CenetError as error:
        raise ProblemError(422, "no-dicom", f"{error.cause}; ask for format=mask") from error
    except ValueError as error:
        detail = "a DICOM segmentation covers all frames, and one was predicted; ask for format=mask"
        raise ProblemError(422, "no-dicom", detail) from error


def describe_prediction(
    model: ServedModel,
    image: DecodedImage,
    prediction: "Prediction",
    *,
    include: Collection[Inclusion] = (),
    pixel_um: PixelSize | None = None,
) -> ImagePrediction:
    """Describe a prediction in JSON.

    Args:
        model: Whose it is.
        image: Of what.
        prediction: What was predicted.
        include: Which parts are added.
        pixel_um: Height and width of a pixel, where they are stated; else those of the file.
    """
    mask, pixel_um = prediction.mask, pixel_um or image.pixel_um
    unsure = prediction.uncertainty if "uncertainty" in include else None
    preview = overlay(image.pixels, np.zeros(mask.shape, np.uint8)) if "preview" in include else None
    foreground = prediction.probabilities if prediction.thresholds else prediction.probabilities[1:]
    return ImagePrediction(
        model=model.name,
        version=model.version,
        width=mask.shape[1],
        height=mask.shape[0],
        classes=[
            ClassMask(index=index, name=name, pixels=int((mask == index).sum()), rle=encode_run_lengths(mask == index))
            for index, name in enumerate(model.classes, start=1)
        ],
        nested=model.nested,
        notes=[*list_notes(prediction), *image.notes],
        expected_dice=estimate_prediction_dice(prediction),
        pixel_um=pixel_um,
        measurements=_measure(model, image, prediction, pixel_um) if "measurements" in include else None,
        mask=_to_base64(encode_file("mask", model, image, prediction)) if "mask" in include else None,
        probability=_to_png(np.rint(foreground.max(axis=0) * 255)) if "probability" in include else None,
        uncertainty=_to_png(np.rint(unsure.total * 255)) if unsure is not None else None,
        preview=_to_png(preview) if preview is not None else None,
    )


def _measure(
    model: ServedModel, image: DecodedImage, prediction: "Prediction", pixel_um: PixelSize | None
) -> dict[str, Measurement]:
    return describe_measurements(measure(model, image, prediction, pixel_um=pixel_um))


def list_notes(prediction: "Prediction") -> list[str]:
    """What to know before trusting a mask."""
    notes = [prediction.unfamiliar, describe_uniform_prediction(prediction)]
    return [note for note in notes if note]


def describe_model(model: ServedModel) -> ModelDescription:
    """Describe a model in JSON."""
    return ModelDescription(
        name=model.name,
        title=model.title,
        version=model.version,
        classes=list(model.classes),
        colours=hex_colours(len(model.classes), model.colours),
        nested=model.nested,
        fingerprint=model.fingerprint,
    )


def encode_run_lengths(mask: NDArray[np.bool_]) -> RunLengths:
    """Encode a binary mask as lengths of runs, down the columns, beginning with the outside.

    >>> encode_run_lengths(np.array([[False, True], [True, True]])).counts
    [1, 3]
    >>> encode_run_lengths(np.array([[True], [False]])).counts
    [0, 1, 1]
    """
    return RunLengths(size=(mask.shape[0], mask.shape[1]), counts=encode_runs(mask))


def _to_png(values: NDArray[Any]) -> str:
    file = io.BytesIO()
    Image.fromarray(values.astype(np.uint8)).save(file, "PNG", compress_level=1)  # sent once, so quickly made
    return _to_base64(file.getvalue())


def _to_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
