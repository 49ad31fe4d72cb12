"""Whether an exported model says what its run says: the gate before a file is written."""

import numpy as np
from numpy.typing import NDArray

from cenet.config.recipe import Recipe
from cenet.data.labels.encoding import IGNORED
from cenet.errors import CenetError
from cenet.exporting.images import GateImages
from cenet.inference.exported import Agreement
from cenet.inference.pipeline import Pipeline
from cenet.metrics.overlap import dice, multiclass_counts

MAX_DIFFERENCE = 1e-4  # of a probability in fp32
MIN_AGREEMENT = 0.99  # share of pixels of the same class, in int8
MAX_DICE_LOST = 0.002  # in int8


def measure_agreement(
    expected: Pipeline, exported: Pipeline, images: GateImages, *, recipe: Recipe, engine: str
) -> Agreement:
    """Predict images by the run and by the exported model, and compare.

    Args:
        expected: The run's pipeline.
        exported: That of the exported model.
        images: What is predicted.
        recipe: Of both.
        engine: What computes the exported model, with its version.
    """
    differences, agreements, dices = [], [], []
    for image in images.compared:
        before, prediction = expected.predict_raw_and_calibrated(image.pixels, name=image.name)
        after, exported_prediction = exported.predict_raw_and_calibrated(image.pixels, name=image.name)
        differences.append(float(np.abs(before - after).max()))
        masks = prediction.mask, exported_prediction.mask
        agreements.append(float((masks[0] == masks[1]).mean()))
        if image.label is not None:
            dices.append([mean_dice(mask, image.label, recipe) for mask in masks])
    before_and_after = np.nanmean(dices, axis=0) if dices else None
    return Agreement(
        images=images.source,
        count=len(differences),
        largest_difference=max(differences),
        mask_agreement=min(agreements),
        dice=None if before_and_after is None else float(before_and_after[1]),
        dice_lost=None if before_and_after is None else float(before_and_after[0] - before_and_after[1]),
        engine=engine,
    )


def mean_dice(mask: NDArray[np.uint8], label: NDArray[np.uint8], recipe: Recipe) -> float:
    """Mean Dice over the foreground classes of one image."""
    annotated = label != IGNORED
    counts = multiclass_counts(
        mask, np.where(annotated, label, 0), num_classes=max(recipe.num_classes, 2), region=annotated
    )
    return float(np.mean([dice(each) for each in counts]))


def check_agreement(agreement: Agreement, subject: object, *, precision: str) -> None:
    """Refuse a model that does not say what its run says.

    Args:
        agreement: What was measured.
        subject: What was exported.
        precision: `fp32` or `int8`.

    Raises:
        CenetError: It does not.
    """
    where = f"on {agreement.count} images ({agreement.images})"
    if precision == "fp32" and not agreement.largest_difference <= MAX_DIFFERENCE:
        cause = (
            f"the exported model is not equal to it {where}: the largest difference of a probability is "
            f"{agreement.largest_difference:.2g}, allowed is {MAX_DIFFERENCE:g}; nothing is written"
        )
        raise CenetError(subject, cause, "try another version of onnx and onnxruntime, and report it")
    if precision == "int8":
        lost = agreement.dice_lost
        if agreement.mask_agreement < MIN_AGREEMENT or (lost is not None and lost >= MAX_DICE_LOST):
            dice_text = "" if lost is None else f", and Dice falls by {lost:.4f}, allowed is below {MAX_DICE_LOST:g}"
            cause = (
                f"int8 loses too much {where}: the masks agree in {agreement.mask_agreement:.4f} of the pixels of the "
                f"worst, required is {MIN_AGREEMENT:g}{dice_text}; nothing is written"
            )
            raise CenetError(subject, cause, "use --precision fp32, or more images with --calibration")


def format_agreement(agreement: Agreement) -> str:
    """Say in a sentence how well an exported model agrees with its run.

    >>> format_agreement(Agreement(images="phantoms", count=2, largest_difference=1e-6, mask_agreement=1, engine="x 1"))
    'compared on 2 images (phantoms) in x 1: largest difference of a probability 1.0e-06, masks agree in 1.0000'
    """
    text = (
        f"compared on {agreement.count} images ({agreement.images}) in {agreement.engine}: largest difference of a "
        f"probability {agreement.largest_difference:.1e}, masks agree in {agreement.mask_agreement:.4f}"
    )
    if agreement.dice is None or agreement.dice_lost is None:
        return text
    return f"{text}, Dice {agreement.dice:.4f}, which is {agreement.dice_lost:.4f} lower"
