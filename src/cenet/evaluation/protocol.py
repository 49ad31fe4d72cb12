"""Protocols: which pixels of a prediction are compared with which truth, and how they become a mask."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from cenet.config.recipe import Recipe
from cenet.data.labels.detect import IGNORED
from cenet.data.resampling import resize
from cenet.errors import CenetError
from cenet.evaluation.counts import PixelCounts
from cenet.evaluation.report import Protocol
from cenet.inference.ensemble import LoadedPredictor
from cenet.metrics import count, roc_auc
from cenet.metrics.binned import histogram
from cenet.metrics.calibration import edges

if TYPE_CHECKING:  # annotations alone: reports are read and compared without torch
    from cenet.inference.prediction import Prediction
    from cenet.inference.predictor import Predictor

PROTOCOLS: dict[Protocol, str] = {
    "region": "original resolution, untouched label, only pixels inside the region where there is one",
    "frame": "original resolution, untouched label, every pixel of the frame",
    "authors": (
        "as the authors' test script: 448x448, eight views summed, cut at 4 of 8, the 0/255 mask resized and cut at "
        "20/255, every pixel of the frame; the area under the curve for each image, then averaged"
    ),
}
VALIDATION_THRESHOLD = "validation threshold"


@dataclass(frozen=True)
class ClassView:
    """One class in one image, as a protocol sees it.

    Args:
        scores: `(H, W)` probabilities that count.
        raw: `(H, W)` the same before calibration.
        truth: `(H, W)`, where the class is; where pixels are unannotated, a guess that does not count.
        masks: `(H, W)`, where it is predicted, for each threshold of the protocol.
        inside: `(H, W)`, which pixels count.
        region: `(H, W)`, the region around these, with the unannotated pixels in it; None means everywhere.
    """

    scores: NDArray[np.float32]
    raw: NDArray[np.float32]
    truth: NDArray[np.bool_]
    masks: Mapping[str, NDArray[np.bool_]]
    inside: NDArray[np.bool_]
    region: NDArray[np.bool_] | None = None

    def count_pixels(self, image: str, group: str) -> PixelCounts:
        """Count what the class's scores are computed from.

        Args:
            image: The image's name.
            group: Its group.
        """
        inside, first = self.inside, next(iter(self.masks.values()))
        near = edges(first, self.truth) & inside
        truth, scores = self.truth[inside], self.scores[inside]
        confusion = [np.asarray(count(mask[inside], truth)) for mask in self.masks.values()]
        return PixelCounts(
            images=(image,),
            groups=(group,),
            auc=np.array([roc_auc(scores, truth)]),
            thresholds=tuple(self.masks),
            confusion=np.array([confusion], np.int64),
            histograms=histogram(scores, truth)[None],
            edges=histogram(self.scores[near], self.truth[near])[None],
            before=histogram(self.raw[inside], truth).astype(np.int64),
            edges_before=histogram(self.raw[near], self.truth[near]).astype(np.int64),
        )


def check_protocol(protocol: Protocol, recipe: Recipe) -> None:
    """Refuse a protocol that is not defined for a recipe.

    Raises:
        CenetError: It is not.
    """
    settings = recipe.resize_mode, recipe.size_px, recipe.num_classes, recipe.roi_fraction
    if protocol == "authors" and settings != ("square", 448, 1, None):
        raise CenetError(
            f"recipe {recipe.name}",
            (
                "the protocol authors is defined for one class at 448x448 squash, and this run is "
                f"resize_mode={recipe.resize_mode}, size_px={recipe.size_px}, num_classes={recipe.num_classes}"
            ),
            "use --protocol region or frame",
        )


@dataclass(frozen=True)
class ProtocolResult:
    """What a protocol sees of one image.

    Args:
        mask: `(H, W)` predicted class indices.
        views: An entry for each foreground class.
        prediction: What the network says; None where the protocol makes its own mask.
    """

    mask: NDArray[np.uint8]
    views: list[ClassView]
    prediction: "Prediction | None" = None


def apply_protocol(
    protocol: Protocol,
    predictor: LoadedPredictor,
    image: NDArray[Any],
    *,
    label: NDArray[np.uint8],
    region: NDArray[np.bool_] | None = None,
    name: str = "image",
    validated: bool = True,
) -> ProtocolResult:
    """Predict an image, and compare it with its label as a protocol does.

    Args:
        protocol: See `PROTOCOLS`.
        predictor: What predicts; for `authors` one that averages the eight flips and turns.
        image: `(H, W, C)`.
        label: `(H, W)` class indices; what is `IGNORED` counts by no protocol.
        region: `(H, W)`, where pixels count; None means everywhere.
        name: What errors call the image.
        validated: Whether the thresholds were chosen on validation images; those of an imported network were not, nor
            those of a training without such images.
    """
    if protocol == "authors":
        return _authors(cast("Predictor", predictor), image, label, name)
    annotated = label != IGNORED
    region = None if protocol == "frame" else region
    inside = annotated if region is None else region & annotated
    label = _fill_unannotated(label)
    raw, prediction = predictor.predict_raw_and_calibrated(image, name=name)
    maps, mask = prediction.probabilities, prediction.mask
    if not prediction.thresholds:
        rule = "most probable order" if prediction.ordered else "largest probability"
        views = [ClassView(maps[k], raw[k], label == k, {rule: mask == k}, inside, region) for k in range(1, len(maps))]
        return ProtocolResult(mask, views, prediction)
    views = []
    halves = np.logical_and.accumulate(maps >= 0.5)  # a nested region only inside those around it, as in the mask
    for k, (probabilities, before, half) in enumerate(zip(maps, raw, halves, strict=True), start=1):
        masks = {VALIDATION_THRESHOLD: mask >= k} if validated else {}
        masks["threshold 0.5"] = half
        views.append(ClassView(probabilities, before, label >= k, masks, inside, region))
    return ProtocolResult(mask, views, prediction)


def _authors(predictor: "Predictor", image: NDArray[Any], label: NDArray[np.uint8], name: str) -> ProtocolResult:
    prediction = predictor.predict_network_scale(image, name=name)
    assert prediction is not None  # it has no localiser
    small, placement = prediction  # the mean of eight views is their sum / 8
    mask = resize((placement.crop(small)[0] > 0.5) * 255.0, placement.shape) > 20
    scores = placement.inverse(small)[0]
    view = ClassView(scores, scores, _fill_unannotated(label) > 0, {"4 of 8, then 20/255": mask}, label != IGNORED)
    return ProtocolResult(mask.astype(np.uint8), [view])


def _fill_unannotated(label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give unannotated pixels the class of the nearest annotated one: they do not count, their border is no edge."""
    from scipy.ndimage import distance_transform_edt

    blank = label == IGNORED
    if blank.all():
        return np.zeros_like(label)
    nearest = distance_transform_edt(blank, return_distances=False, return_indices=True) if blank.any() else None
    return label if nearest is None else np.asarray(label[tuple(nearest)])
