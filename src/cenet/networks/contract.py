"""What every network states beside its layers, whether it is ours or yours."""

from typing import Protocol

from torch import Tensor, nn

from cenet.errors import CenetError
from cenet.networks.normalise import Normalise
from cenet.networks.tracing import is_traced


class Network(nn.Module):
    """A segmentation network: the image's own values in, logits of the same height and width out.

    A network of your own may derive from it, but need not: an `nn.Module` with `stride` and `min_size` will do.

    Shape:
        image `(N, in_channels, H, W)`, H and W multiples of `stride` and at least `min_size`, to logits
        `(N, num_classes, H, W)`. Sigmoid, softmax and threshold are `cenet.inference`'s.
    """

    stride: int
    """Both sides of an image must be multiples of it, in pixels."""
    min_size: int
    """The shortest side, in pixels."""


class NetworkFactory(Protocol):
    """What builds a network, most often its class; by its `__name__` a run remembers it.

    Args:
        num_classes: Maps out; 1 for one foreground (sigmoid), K for K classes with the background first (softmax).
        in_channels: Channels of the image.
        normalise: A layer that brings the image's own values to about -2 to 2; to be used as the first.
    """

    __name__: str

    def __call__(self, *, num_classes: int, in_channels: int, normalise: Normalise) -> nn.Module: ...


def check_size(image: Tensor, *, stride: int, min_size: int) -> None:
    """Refuse an image that the network cannot return at its own size; a graph that is exported pads what it is given.

    Raises:
        CenetError: A side is not a multiple of `stride` or shorter than `min_size`; the nearest valid size is named.

    >>> import torch
    >>> check_size(torch.zeros(1, 3, 100, 224), stride=32, min_size=192)
    Traceback (most recent call last):
    cenet.errors.CenetError: an image of 100x224 px does not fit the network: sides are multiples of 32 and at \
least 192 px; the nearest valid size is 192x224
    """
    if is_traced():
        return
    height, width = image.shape[-2:]
    valid = [max(round(side / stride) * stride, min_size) for side in (height, width)]
    if [height, width] != valid:
        raise CenetError(
            f"an image of {height}x{width} px does not fit the network",
            f"sides are multiples of {stride} and at least {min_size} px",
            f"the nearest valid size is {valid[0]}x{valid[1]}",
        )
