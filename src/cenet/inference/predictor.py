"""From an image to its probabilities and mask: the one engine behind validation, evaluation and prediction."""

from collections.abc import Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from cenet.config.recipe import Recipe
from cenet.data.appearance import ImageAppearance
from cenet.data.field_of_view import find_field_of_view, measure_diameter
from cenet.data.preprocessing import Box, ResizePolicy, SpatialTransform, augment_view, undo_view
from cenet.errors import CenetError
from cenet.inference.pixels import InputImage, InputImages, to_pixels
from cenet.metrics.calibration import apply as calibrate
from cenet.metrics.layer_boundaries import decode
from cenet.networks import Network


@dataclass(frozen=True)
class Prediction:
    """What a network says of one image, in the image's own geometry.

    Args:
        probabilities: `(maps, H, W)` float32; sigmoid maps of one foreground or of nested regions, or softmax maps of
            every class.
        thresholds: Where each sigmoid map becomes foreground; softmax maps have none, the largest decides.
        ordered: Whether softmax maps are of classes below each other: the most probable such order decides.
        box: The square that was looked at, by top row, left column and side; None where it was the whole image.
        field_of_view_px: The diameter by which a fundus photograph was scaled or cut; None where none was measured.
        unfamiliar: How the image differs from those of the training; None where it does not, or nothing is known.

    >>> Prediction(np.array([[[0.2, 0.6]]], np.float32), (0.5,)).mask.tolist()
    [[0, 1]]
    """

    probabilities: NDArray[np.float32]
    thresholds: tuple[float, ...] = ()
    ordered: bool = False
    box: Box | None = None
    field_of_view_px: float | None = None
    unfamiliar: str | None = None

    @cached_property
    def layers(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Ordered classes, `(H, W)`, and the boundaries between them, `(maps - 1, W)`, in rows from the top."""
        return decode(self.probabilities)

    @cached_property
    def mask(self) -> NDArray[np.uint8]:
        """Class indices, `(H, W)`; a nested region counts only inside those around it."""
        if self.ordered:
            return self.layers[0]
        if not self.thresholds:
            return np.asarray(self.probabilities.argmax(axis=0), np.uint8)
        mask, inside = np.zeros(self.probabilities.shape[1:], np.uint8), np.True_
        for probabilities, threshold in zip(self.probabilities, self.thresholds, strict=True):
            inside = inside & (probabilities >= threshold)
            mask += inside
        return mask


class Predictor:
    """A network with everything that an image needs on its way to a mask.

    Args:
        network: Logits from the image's own values.
        recipe: Says how an image meets the network.
        thresholds: For sigmoid maps; 0.5 where there are none.
        calibration: The (scale, bias) that probabilities go through before they leave, see `metrics.calibration`.
        expects: Channels and type of the values of its images; others are refused.
        device: Where it computes.
        bf16: Compute in bfloat16 where that saves much time; the scores that are reported are computed without.
        memory_format: How tensors of images lie in memory.
        tta: Average the recipe's views, its flips and turns (test-time augmentation).
        localiser: Finds where to look, for a recipe with `roi_fraction`; without it one looks at the middle.
        appearance: How the training images look, so that an image that does not look so is called out.

    >>> from cenet.networks import build_network
    >>> from cenet.config.presets import load_recipe
    >>> recipe = load_recipe("folder").replace(network="unet", encoder_weights="none")
    >>> Predictor(build_network(recipe), recipe)(np.zeros((50, 70, 3), np.uint8)).mask.shape
    (50, 70)
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        *,
        thresholds: Sequence[float] = (),
        calibration: Sequence[tuple[float, float]] = (),
        expects: tuple[int, str] | None = None,
        device: str | torch.device = "cpu",
        bf16: bool = False,
        memory_format: torch.memory_format = torch.channels_last,
        tta: bool = False,
        localiser: "Predictor | None" = None,
        appearance: ImageAppearance | None = None,
    ) -> None:
        self.network = network.to(device=device, memory_format=memory_format)  # type: ignore[call-overload]  # torch's stubs lack it
        self.thresholds = tuple(thresholds or [0.5] * recipe.maps) if recipe.sigmoid else ()
        self.calibration, self.softmax = tuple(calibration), not recipe.sigmoid
        self.expects, self.localiser, self.ordered = expects, localiser, recipe.ordered
        self.appearance = appearance
        self.views = recipe.views if tta else recipe.views[:1]
        self.maps = recipe.maps
        self.device, self.bf16, self.memory_format = torch.device(device), bf16, memory_format
        self.geometry = ResizePolicy(
            resize_mode=recipe.resize_mode,
            scale=recipe.scale,
            size_px=recipe.size_px,
            around=recipe.roi_fraction,
            tile_px=recipe.tile_px,
            stride=network.stride,
            min_size=network.min_size,
            smooth=recipe.input_normalisation != "authors",
            clip=recipe.clip,
        )

    @overload
    def __call__(self, image: InputImage, *, name: str = ...) -> Prediction: ...
    @overload
    def __call__(self, image: InputImages, *, name: str = ...) -> list[Prediction]: ...
    def __call__(self, image: InputImage | InputImages, *, name: str = "image") -> Prediction | list[Prediction]:
        """Predict images of any size.

        Args:
            image: A file, a PIL image, or an array `(H, W, C)` as the network was trained on; or a list of these.
            name: What errors call an image that is not a file.

        Returns:
            The prediction; for a list one for each image.

        Raises:
            CenetError: A file cannot be read, or an image is of another kind than those of the training.
        """
        if isinstance(image, list | tuple):
            return [self(each, name=f"{name} {number}") for number, each in enumerate(image)]
        pixels, name = to_pixels(image, name=name)
        prediction = self.predict_raw_and_calibrated(pixels, name=name)[1]
        return replace(prediction, unfamiliar=self.appearance.describe_unfamiliar(pixels) if self.appearance else None)

    def predict_raw_and_calibrated(
        self, image: NDArray[Any], *, name: str = "image"
    ) -> tuple[NDArray[np.float32], Prediction]:
        """The probabilities before calibration, `(maps, H, W)`, and the prediction after it."""
        found = self.predict_network_scale(image, name=name)
        if found is None:  # what the localiser does not find is nowhere
            raw = np.zeros((self.maps, *image.shape[:2]), np.float32)
            return raw, self.calibrated(raw)
        probabilities, placement = found
        raw = placement.inverse(probabilities)
        return raw, replace(self.calibrated(raw), box=placement.box, field_of_view_px=placement.diameter)

    def predict_raw(self, image: NDArray[Any], *, name: str = "image") -> NDArray[np.float32]:
        """The probabilities as the network gives them, `(maps, H, W)`."""
        return self.predict_raw_and_calibrated(image, name=name)[0]

    def calibrated(self, probabilities: NDArray[np.float32]) -> Prediction:
        """What to say of an image with these uncalibrated probabilities."""
        after = calibrate(probabilities, self.calibration, softmax=self.softmax)
        return Prediction(after, self.thresholds, self.ordered)

    def find(self, image: NDArray[Any], *, name: str = "image") -> tuple[int, int] | None:
        """Row and column of the middle of the largest piece of foreground in the field of view; None without any."""
        from scipy.ndimage import find_objects, label

        pieces, number = label((self(image, name=name).mask > 0) & find_field_of_view(image, name=name))
        if not number:
            return None
        rows, columns = find_objects(pieces)[int(np.bincount(pieces.ravel())[1:].argmax())]
        return (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2

    def multiply_adds(self, shape: tuple[int, int]) -> int:
        """Multiplications with an addition that one image of this height and width takes, counted without computing."""
        network = deepcopy(self.network).to("meta").eval()
        channels = self.expects[0] if self.expects else len(network.normalise.mean)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            for rows, columns in self.geometry.for_image(shape).windows():
                sides = rows.stop - rows.start, columns.stop - columns.start
                network(torch.zeros(1, channels, *sides, device="meta"))
        finding = self.localiser.multiply_adds(shape) if self.localiser else 0
        return int(counter.get_total_flops()) // 2 * len(self.views) + finding

    def predict_network_scale(
        self, image: NDArray[Any], *, name: str = "image"
    ) -> tuple[NDArray[np.float32], SpatialTransform] | None:
        """The uncalibrated probabilities at the network's scale, `(maps, height, width)`, and the way back.

        None where the localiser does not find what to look at.
        """
        given = (image.shape[2], str(image.dtype)) if image.ndim == 3 else None
        if given is None or (self.expects and given != self.expects):
            has = f"{given[0]} channels of {given[1]}" if given else f"the shape {image.shape}"
            channels, dtype = self.expects or ("C", "values")
            raise CenetError(
                name,
                f"has {has} where the network was trained on images (H, W, {channels}) of {dtype}",
                "convert it, or use a run that was trained on such images",
            )
        centre = self.localiser.find(image, name=name) if self.localiser else None
        if self.localiser and centre is None:
            return None
        diameter = measure_diameter(find_field_of_view(image, name=name)) if self.geometry.needs_field_of_view else None
        placement = self.geometry.for_image((image.shape[0], image.shape[1]), diameter=diameter, centre=centre)
        entered = np.moveaxis(placement.forward(image), -1, 0)
        answers = ((window, self._predict_window(entered[:, *window])) for window in placement.windows())
        probabilities = placement.merge_windows(answers)
        if not np.isfinite(probabilities).all():
            raise CenetError(name, "the network answers with NaN", "its weights diverged in training, train it anew")
        return probabilities, placement

    def _predict_window(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean probabilities over the views of one window."""
        answers = [undo_view(self._forward(augment_view(window, number)), number) for number in self.views]
        return np.asarray(np.mean(answers, axis=0), np.float32)

    def _forward(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        batch = torch.from_numpy(image.copy())[None].to(self.device, memory_format=self.memory_format)
        was_training = self.network.training
        self.network.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext():
            probabilities = to_probabilities(self.network(batch), softmax=self.softmax)
        self.network.train(was_training)
        answer: NDArray[np.float32] = probabilities[0].cpu().numpy()
        return answer


def to_probabilities(logits: Tensor, *, softmax: bool) -> Tensor:
    """Softmax over the maps, or the sigmoid of each: `(N, maps, H, W)` to the same, float32.

    >>> to_probabilities(torch.zeros(1, 1, 1, 1), softmax=False).item()
    0.5
    """
    logits = logits.float()
    return logits.softmax(dim=1) if softmax else logits.sigmoid()
