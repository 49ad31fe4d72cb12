"""Protocols: which pixels of a prediction are compared with which truth, and how they become a mask."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError
from cenet.geometry import resize
from cenet.inference import Predictor
from cenet.recipe import Recipe

Protocol = Literal["region", "frame", "authors"]
PROTOCOLS: dict[Protocol, str] = {
    "region": "original resolution, untouched label, only pixels inside the region where there is one",
    "frame": "original resolution, untouched label, every pixel of the frame",
    "authors": (
        "as the authors' test script: 448x448, eight views summed, cut at 4 of 8, the 0/255 mask resized and cut at "
        "20/255, every pixel of the frame; the area under the curve for each image, then averaged"
    ),
}


@dataclass(frozen=True)
class Scored:
    """The pixels of one image that count for one class, in one dimension.

    Args:
        scores: Probabilities.
        truth: Whether the class is there.
        masks: Whether the class was found, for each cut that the protocol makes.
    """

    scores: NDArray[np.float32]
    truth: NDArray[np.bool_]
    masks: Mapping[str, NDArray[np.bool_]]


def check_protocol(protocol: Protocol, recipe: Recipe) -> None:
    """Refuse a protocol that is not defined for a recipe.

    Raises:
        CenetError: It is not; the reason is said.
    """
    if protocol == "authors" and (recipe.fit, recipe.size_px, recipe.num_classes) != ("square", 448, 1):
        raise CenetError(
            f"recipe {recipe.name}: the protocol authors is defined for one class at 448x448 squash, and this run is "
            f"fit={recipe.fit}, size_px={recipe.size_px}, num_classes={recipe.num_classes}; "
            "use --protocol region or frame"
        )


def compare(
    protocol: Protocol,
    predictor: Predictor,
    image: NDArray[Any],
    *,
    label: NDArray[np.uint8],
    region: NDArray[np.bool_],
    name: str = "image",
    validated: bool = True,
) -> list[Scored]:
    """What is compared, one entry for each foreground class.

    Args:
        protocol: See `PROTOCOLS`.
        predictor: The engine; for `authors` one that averages the eight views.
        image: `(H, W, C)`.
        label: `(H, W)` class indices.
        region: `(H, W)`, where pixels count.
        name: What errors call the image.
        validated: Whether the threshold was chosen on validation images; an imported network's was not.
    """
    if protocol == "authors":
        return [_authors(predictor, image, label, name)]
    inside = region if protocol == "region" else np.ones_like(region)
    prediction, truth = predictor(image, name=name), label[inside]
    if len(prediction.probabilities) == 1:
        scores = prediction.probabilities[0][inside]
        chosen = {f"validation threshold {predictor.threshold:g}": predictor.threshold} if validated else {}
        cuts = {**chosen, "threshold 0.5": 0.5}
        return [Scored(scores, truth > 0, {name: scores >= cut for name, cut in cuts.items()})]
    found = prediction.mask[inside]
    return [
        Scored(probabilities[inside], truth == index, {"largest probability": found == index})
        for index, probabilities in enumerate(prediction.probabilities)
        if index > 0
    ]


def _authors(predictor: Predictor, image: NDArray[Any], label: NDArray[np.uint8], name: str) -> Scored:
    small, placement = predictor.at_network_scale(image, name=name)  # the mean of eight views is their sum / 8
    mask = resize((placement.crop(small)[0] > 0.5) * 255.0, placement.shape) > 20
    scores = placement.leave(small)[0]
    return Scored(scores.ravel(), label.ravel() > 0, {"4 of 8, then 20/255": mask.ravel()})
