"""Layers that every network here shares: the input rule, and the check of an image's size."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cenet.errors import CenetError


class Normalise(nn.Module):
    """The first layer of a saved network: it takes the image's own values, so that no engine can forget to.

    Computes `(image[:, order] - mean) / std`; the identity by default. What it holds is saved with the weights.

    Args:
        in_channels: Channels of the image.
        mean: One number, or one per channel.
        std: One number, or one per channel.
        order: Which channel comes first, second, ...; `(2, 1, 0)` turns RGB to BGR. None keeps the order.

    Shape:
        `(N, C, H, W)` to `(N, C, H, W)`.

    >>> Normalise(1, mean=100.0, std=50.0)(torch.full((1, 1, 1, 1), 200.0)).item()
    2.0
    """

    def __init__(
        self,
        in_channels: int,
        *,
        mean: float | Sequence[float] = 0.0,
        std: float | Sequence[float] = 1.0,
        order: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.order: Tensor
        self.register_buffer("mean", per_channel(mean, in_channels))
        self.register_buffer("std", per_channel(std, in_channels))
        self.register_buffer("order", torch.arange(in_channels) if order is None else torch.tensor(order))

    def forward(self, image: Tensor) -> Tensor:
        return (image[:, self.order] - self.mean) / self.std


def per_channel(value: float | Sequence[float], channels: int) -> Tensor:
    """One number for each channel, shaped to meet a batch of images.

    >>> per_channel(0.5, 3).shape
    torch.Size([3, 1, 1])
    """
    return torch.as_tensor(value, dtype=torch.float32).expand(channels).reshape(-1, 1, 1).clone()


def check_size(image: Tensor, *, stride: int, min_size: int) -> None:
    """Refuse an image that the network cannot return at its own size.

    Raises:
        CenetError: A side is no multiple of `stride` or shorter than `min_size`; the nearest legal size is named.

    >>> check_size(torch.zeros(1, 3, 100, 224), stride=32, min_size=192)
    Traceback (most recent call last):
    cenet.errors.CenetError: an image of 100x224 px does not fit the network: sides are multiples of 32 and at \
least 192 px; the nearest legal size is 192x224
    """
    height, width = image.shape[-2:]
    legal = [max(round(side / stride) * stride, min_size) for side in (height, width)]
    if [height, width] != legal:
        raise CenetError(
            f"an image of {height}x{width} px does not fit the network",
            f"sides are multiples of {stride} and at least {min_size} px",
            f"the nearest legal size is {legal[0]}x{legal[1]}",
        )
