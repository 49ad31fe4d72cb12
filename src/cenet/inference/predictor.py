"""The engine behind validation, evaluation and prediction: a pipeline whose network is computed by PyTorch."""

from collections.abc import Sequence
from contextlib import nullcontext
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cenet.config.recipe import Recipe
from cenet.data.appearance import ImageAppearance
from cenet.inference.device import translate_out_of_memory
from cenet.inference.memory import check_window
from cenet.inference.pipeline import Pipeline, PixelUm
from cenet.inference.post_processing import NO_POST_PROCESSING, PostProcessing
from cenet.networks import Network

LESS_MEMORY = "lower --tile-px, or compute with --device cpu"


class Predictor(Pipeline):
    """A network in PyTorch with everything that an image needs on its way to a mask.

    Args:
        network: Logits from the image's own values.
        recipe: Says how an image meets the network.
        thresholds: For sigmoid maps; 0.5 where there are none.
        calibration: The (scale, bias) that probabilities go through before they leave, see `metrics.calibration`.
        post_processing: What is done to masks after the thresholds.
        expects: Channels and type of the values of its images; others are refused.
        device: Where it computes.
        bf16: Compute in bfloat16 where that saves much time; the scores that are reported are computed without.
        memory_format: How tensors of images lie in memory.
        tta: Average the recipe's views, its flips and turns (test-time augmentation).
        localiser: Finds where to look, for a recipe with `roi_fraction`; without it one looks at the middle.
        appearance: How the training images look, so that an image that does not look so is called out.
        pixel_um: Height and width of a pixel of the training images in micrometres, where they are known.
        channels: What the channels of its images are called, where that is known.

    >>> from cenet.networks import build_network
    >>> from cenet.config.presets import load_recipe
    >>> recipe = load_recipe("folder").replace(network="unet", encoder_weights="none")
    >>> Predictor(build_network(recipe), recipe)(np.zeros((50, 70, 3), np.uint8)).mask.shape
    (50, 70)
    """

    localiser: "Predictor | None"

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        *,
        thresholds: Sequence[float] = (),
        calibration: Sequence[tuple[float, float]] = (),
        post_processing: PostProcessing = NO_POST_PROCESSING,
        expects: tuple[int, str] | None = None,
        device: str | torch.device = "cpu",
        bf16: bool = False,
        memory_format: torch.memory_format = torch.channels_last,
        tta: bool = False,
        localiser: "Predictor | None" = None,
        appearance: ImageAppearance | None = None,
        pixel_um: PixelUm | None = None,
        channels: Sequence[str] = (),
    ) -> None:
        self.network = network.to(device=device, memory_format=memory_format)  # type: ignore[call-overload]  # torch's stubs lack it
        super().__init__(
            recipe,
            stride=network.stride,
            min_size=network.min_size,
            thresholds=thresholds,
            calibration=calibration,
            post_processing=post_processing,
            expects=expects,
            tta=tta,
            localiser=localiser,
            appearance=appearance,
            pixel_um=pixel_um,
            channels=channels,
        )
        self.device, self.bf16, self.memory_format = torch.device(device), bf16, memory_format
        self._checked_shapes: set[tuple[int, ...]] = set()

    def multiply_adds(self, shape: tuple[int, int]) -> int:
        """Multiplications with an addition that one image of this height and width takes, counted without computing."""
        from torch.utils.flop_counter import FlopCounterMode  # slow to import, and only an evaluation counts

        network = deepcopy(self.network).to("meta").eval()
        channels = self.expects[0] if self.expects else len(network.normalise.mean)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            for rows, columns in self.geometry.for_image(shape).windows:
                sides = rows.stop - rows.start, columns.stop - columns.start
                network(torch.zeros(1, channels, *sides, device="meta"))
        finding = self.localiser.multiply_adds(shape) if self.localiser else 0
        return int(counter.get_total_flops()) // 2 * len(self.views) + finding

    def forward(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the network's probabilities of one image, without gradients.

        Raises:
            CenetError: The memory does not suffice.
        """
        if self.device.type == "cpu" and image.shape not in self._checked_shapes:  # other devices say so themselves
            check_window(self.network, image.shape)
            self._checked_shapes.add(image.shape)
        batch = torch.from_numpy(image.copy())[None].to(self.device, memory_format=self.memory_format)
        was_training = self.network.training
        self.network.eval()
        with (
            translate_out_of_memory(f"a window of {image.shape[2]} x {image.shape[1]} px", self.device, LESS_MEMORY),
            torch.inference_mode(),
            torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext(),
        ):
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
