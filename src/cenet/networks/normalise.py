"""The first layer of every network: it normalises the image's own values."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cenet.errors import CenetError
from cenet.networks.tracing import is_traced
from cenet.safe_text import format_count


class Normalise(nn.Module):
    """The first layer of a saved network: it normalises the image's own values, so that no caller can forget to.

    Computes `(image[:, order] - mean) / std`; the identity by default. What it holds is saved with the weights.

    Args:
        in_channels: Channels of the image.
        mean: One number, or one per channel.
        std: One number, or one per channel.
        order: Which channel comes first, second, ...; `(2, 1, 0)` turns RGB to BGR. None keeps the order.

    Shape:
        `(N, C, H, W)` to `(N, C, H, W)`.

    Raises:
        CenetError: A batch has another shape or number of channels.

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
        if not is_traced() and (image.ndim != 4 or image.shape[1] != len(self.order)):
            cause = f"is no batch of images with {format_count(len(self.order), 'channel')}"
            raise CenetError(f"input of shape {tuple(image.shape)}", cause, "give (N, C, H, W)")
        return (image[:, self.order] - self.mean) / self.std


def per_channel(value: float | Sequence[float], channels: int) -> Tensor:
    """One number for each channel, shaped to broadcast over a batch of images.

    >>> per_channel(0.5, 3).shape
    torch.Size([3, 1, 1])
    """
    return torch.as_tensor(value, dtype=torch.float32).expand(channels).reshape(-1, 1, 1).clone()
