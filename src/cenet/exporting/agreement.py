"""Whether an exported model says what its run says: the gate before a file is written."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cenet.config.recipe import Recipe
from cenet.data.labels.encoding import IGNORED
from cenet.errors import CenetError
from cenet.exporting.images import GateImages
from cenet.inference.exported import Agreement, ExportedPredictor
from cenet.inference.pipeline import Pipeline
from cenet.inference.prediction import Prediction
from cenet.metrics.overlap import dice, multiclass_counts

MAX_DIFFERENCE = 1e-4  # of a probability in fp32
MIN_AGREEMENT = 0.99  # share of pixels of the same class, in int8
MAX_DICE_LOST = 0.002  # in int8
MIN_MASK_DICE = 0.99  # between the masks of run and exported model, in int8, where no label tells
MIN_RUN_DICE = 0.5  # of the run itself; where it is lower, its label does not tell what an exported model loses


ExpectedPredictions = Sequence[tuple[NDArray[np.float32], Prediction]]
"""Of each image the probabilities before calibration, and the prediction after it."""


def predict_images(pipeline: Pipeline, images: GateImages) -> ExpectedPredictions:
    """Predict the images that an exported model is compared on.

    Args:
        pipeline: That of the run.
        images: What is predicted.
    """
    return [pipeline.predict_raw_and_calibrated(image.pixels, name=image.name) for image in images.compared]


def measure_agreement(
    expected: ExpectedPredictions, exported: ExportedPredictor, images: GateImages, *, recipe: Recipe
) -> Agreement:
    """Predict images by an exported model, and compare with what the run says.

    Args:
        expected: From `predict_images`.
        exported: That of the exported model.
        images: What is predicted.
        recipe: Of both.
    """
    differences, agreements, dices, mask_dices, judged = [], [], [], [], 0
    for image, (before, prediction) in zip(images.compared, expected, strict=True):
        after, exported_prediction = exported.predict_raw_and_calibrated(image.pixels, name=image.name)
        differences.append(float(np.abs(before - after).max()))
        masks = prediction.mask, exported_prediction.mask
        agreements.append(float((masks[0] == masks[1]).mean()))
        if image.label is not None:
            dices.append([mean_dice(mask, image.label, recipe) for mask in masks])
        judged += bool(masks[0].any())
        if masks[0].any() and (image.label is None or dices[-1][0] < MIN_RUN_DICE):
            mask_dices.append(mean_dice(masks[1], masks[0], recipe))
    before_and_after = np.nanmean(dices, axis=0) if dices else None
    return Agreement(
        images=images.source,
        count=len(differences),
        largest_difference=max(differences),
        mask_agreement=min(agreements),
        dice=None if before_and_after is None else float(before_and_after[1]),
        dice_lost=None if before_and_after is None else float(before_and_after[0] - before_and_after[1]),
        mask_dice=min(mask_dices, default=None),
        judged=judged,
        engine=f"{exported.engine.name} {exported.engine.version}",
    )


def mean_dice(mask: NDArray[np.uint8], label: NDArray[np.uint8], recipe: Recipe) -> float:
    """Mean Dice over the foreground classes of one image."""
    annotated = label != IGNORED
    counts = multiclass_counts(
        mask, np.where(annotated, label, 0), num_classes=max(recipe.num_classes, 2), region=annotated
    )
    return float(np.mean([dice(of_class) for of_class in counts]))


def find_loss(agreement: Agreement, *, precision: str) -> str | None:
    """Say in words what an exported model loses that its gate does not allow; None where it passes.

    Args:
        agreement: What was measured.
        precision: `fp32` or `int8`.
    """
    if precision == "fp32":
        if agreement.largest_difference <= MAX_DIFFERENCE:
            return None
        return (
            f"the largest difference of a probability is {agreement.largest_difference:.2g}, allowed is "
            f"{MAX_DIFFERENCE:g}"
        )
    if agreement.judged == 0:
        return "the run finds nothing on them, so that nothing can be compared"
    lost, mask_dice = agreement.dice_lost, agreement.mask_dice
    keeps_masks = agreement.mask_agreement >= MIN_AGREEMENT and (mask_dice is None or mask_dice >= MIN_MASK_DICE)
    if keeps_masks and (lost is None or lost < MAX_DICE_LOST):
        return None
    if mask_dice is not None and mask_dice < MIN_MASK_DICE:
        return (
            f"where no label tells, the Dice between both masks is {mask_dice:.4f}, required is {MIN_MASK_DICE:g}; "
            f"Dice to the labels is {_describe_change(lost or 0)}, allowed is below {MAX_DICE_LOST:g}"
        )
    dice_text = "" if lost is None else f"; Dice is {_describe_change(lost)}, allowed is below {MAX_DICE_LOST:g}"
    return (
        f"the masks agree in {agreement.mask_agreement:.4f} of the pixels of the worst, required is "
        f"{MIN_AGREEMENT:g}{dice_text}"
    )


def check_agreement(agreement: Agreement, subject: object, *, precision: str) -> None:
    """Refuse a model that does not say what its run says.

    Args:
        agreement: What was measured.
        subject: What was exported.
        precision: `fp32` or `int8`.

    Raises:
        CenetError: It does not.
    """
    loss = find_loss(agreement, precision=precision)
    if loss is None:
        return
    cause = (
        f"in {precision} the exported model is not equal to it on {agreement.count} images ({agreement.images}): "
        f"{loss}; nothing is written"
    )
    remedy = "use --precision fp32, or more images with --calibration"
    if precision == "fp32":
        remedy = "try another version of onnx and onnxruntime, and report it"
    raise CenetError(subject, cause, remedy)


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
    return f"{text}, Dice {agreement.dice:.4f}, which is {_describe_change(agreement.dice_lost)}"


def _describe_change(lost: float) -> str:
    """By how much a Dice is lower or higher."""
    return f"{abs(lost):.4f} {'lower' if lost >= 0 else 'higher'}"
