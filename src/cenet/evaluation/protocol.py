"""Protocols: which pixels of a prediction are compared with which truth, and how they become a mask."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cenet.config.recipe import Recipe
from cenet.data.labels.detect import IGNORED
from cenet.data.preprocessing import resize
from cenet.errors import CenetError
from cenet.evaluation.scores import OVERLAP, PixelCounts
from cenet.inference.predictor import AnyPredictor, Prediction, Predictor
from cenet.metrics import count, roc_auc
from cenet.metrics.binned import histogram
from cenet.metrics.calibration import edges

Protocol = Literal["region", "frame", "authors"]
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
        truth: `(H, W)`, where the class is; where nobody drew, a guess that counts for nothing.
        masks: `(H, W)`, where it was found, for each cut that the protocol makes.
        inside: `(H, W)`, which pixels count.
    """

    scores: NDArray[np.float32]
    raw: NDArray[np.float32]
    truth: NDArray[np.bool_]
    masks: Mapping[str, NDArray[np.bool_]]
    inside: NDArray[np.bool_]

    def tally(self, image: str, group: str) -> PixelCounts:
        """Count it."""
        inside, first = self.inside, next(iter(self.masks.values()))
        near = edges(first, self.truth) & inside
        truth, scores = self.truth[inside], self.scores[inside]
        row: dict[str, Any] = {"image": image, "group": group, "auc": roc_auc(scores, truth)}
        for cut, mask in self.masks.items():
            counts = count(mask[inside], truth)
            row |= {f"{name} @ {cut}": number for name, number in asdict(counts).items()}
            row |= {f"{name} @ {cut}": metric(counts) for name, metric in OVERLAP.items()}
        return PixelCounts(
            [row],
            histogram(scores, truth)[None],
            histogram(self.scores[near], self.truth[near])[None],
            histogram(self.raw[inside], truth).astype(np.int64),
            histogram(self.raw[near], self.truth[near]).astype(np.int64),
        )


def check_protocol(protocol: Protocol, recipe: Recipe) -> None:
    """Refuse a protocol that is not defined for a recipe.

    Raises:
        CenetError: It is not; the reason is said.
    """
    given = recipe.resize_mode, recipe.size_px, recipe.num_classes, recipe.roi_fraction
    if protocol == "authors" and given != ("square", 448, 1, None):
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
        seen: An entry for each foreground class.
        prediction: What the engine says; None where the protocol makes its own mask.
    """

    mask: NDArray[np.uint8]
    seen: list[ClassView]
    prediction: Prediction | None = None


def apply_protocol(
    protocol: Protocol,
    predictor: AnyPredictor,
    image: NDArray[Any],
    *,
    label: NDArray[np.uint8],
    region: NDArray[np.bool_] | None = None,
    name: str = "image",
    validated: bool = True,
) -> ProtocolResult:
    """Predict an image, and see it as a protocol does.

    Args:
        protocol: See `PROTOCOLS`.
        predictor: The engine; for `authors` one that averages the eight views.
        image: `(H, W, C)`.
        label: `(H, W)` class indices; what is `IGNORED` counts by no protocol.
        region: `(H, W)`, where pixels count; None means everywhere.
        name: What errors call the image.
        validated: Whether the thresholds were chosen on validation images; an imported network's were not.
    """
    if protocol == "authors":
        assert isinstance(predictor, Predictor)  # `check_protocol` has seen to it
        return _authors(predictor, image, label, name)
    drawn = label != IGNORED
    inside, label = drawn if region is None or protocol == "frame" else region & drawn, _completed(label)
    raw, prediction = predictor.predict_raw_and_calibrated(image, name=name)
    maps, mask = prediction.probabilities, prediction.mask
    if not prediction.thresholds:
        cut = "most probable order" if prediction.ordered else "largest probability"
        found = {k: {cut: mask == k} for k in range(1, len(maps))}
        seen = [ClassView(maps[k], raw[k], label == k, masks, inside) for k, masks in found.items()]
        return ProtocolResult(mask, seen, prediction)
    seen = []
    halves = np.logical_and.accumulate(maps >= 0.5)  # a nested region only inside those around it, as in the mask
    for k, (probabilities, before, half) in enumerate(zip(maps, raw, halves, strict=True), start=1):
        masks = {**({VALIDATION_THRESHOLD: mask >= k} if validated else {}), "threshold 0.5": half}
        seen.append(ClassView(probabilities, before, label >= k, masks, inside))
    return ProtocolResult(mask, seen, prediction)


def _authors(predictor: Predictor, image: NDArray[Any], label: NDArray[np.uint8], name: str) -> ProtocolResult:
    found = predictor.predict_network_scale(image, name=name)
    assert found is not None  # it has no localiser
    small, placement = found  # the mean of eight views is their sum / 8
    mask = resize((placement.crop(small)[0] > 0.5) * 255.0, placement.shape) > 20
    scores = placement.inverse(small)[0]
    seen = ClassView(scores, scores, _completed(label) > 0, {"4 of 8, then 20/255": mask}, label != IGNORED)
    return ProtocolResult(mask.astype(np.uint8), [seen])


def _completed(label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What nobody drew takes the class of the nearest drawn pixel: it does not count, and its border is no edge."""
    from scipy.ndimage import distance_transform_edt

    blank = label == IGNORED
    if blank.all():
        return np.zeros_like(label)
    nearest = distance_transform_edt(blank, return_distances=False, return_indices=True) if blank.any() else None
    return label if nearest is None else np.asarray(label[tuple(nearest)])
