"""CE-Net's context extractor: DAC, its ablations, and RMP."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cenet.errors import CenetError

Dac = Literal["atrous", "regular", "inception-resnet", "inception"]


class DenseAtrousConvolution(nn.Module):
    """DAC: four cascades of atrous convolutions with receptive fields 3, 7, 9 and 19, added to their input.

    Args:
        channels: Channels in and out.
        rates: Atrous rates of the three 3x3 convolutions; `(1, 1, 1)` is the ablation without atrous.
        share_weights: Whether the branches share their convolutions, as the authors' code does, or each has its own, as
            the paper draws.

    Shape:
        `(N, channels, h, w)` to the same.

    Reference:
        Section II-B, figure 3; the branches as in the authors' code, without a 1x1 convolution in the first.

    >>> DenseAtrousConvolution(8)(torch.zeros(1, 8, 14, 14)).shape
    torch.Size([1, 8, 14, 14])
    """

    def __init__(self, channels: int, *, rates: Sequence[int] = (1, 3, 5), share_weights: bool = True) -> None:
        super().__init__()
        self.share_weights = share_weights
        r1, r2, r3 = rates

        def atrous(rate: int) -> nn.Conv2d:
            return nn.Conv2d(channels, channels, 3, padding=rate, dilation=rate)

        def pointwise() -> nn.Conv2d:
            return nn.Conv2d(channels, channels, 1)

        if share_weights:
            self.dilate1, self.dilate2, self.dilate3 = atrous(r1), atrous(r2), atrous(r3)
            self.conv1x1 = pointwise()
        else:
            self.branch1 = atrous(r1)
            self.branch2 = nn.Sequential(atrous(r2), pointwise())
            self.branch3 = nn.Sequential(atrous(r1), atrous(r2), pointwise())
            self.branch4 = nn.Sequential(atrous(r1), atrous(r2), atrous(r3), pointwise())
        _zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        if self.share_weights:
            b1 = self.dilate1(x)
            d12 = self.dilate2(b1)
            b2 = self.conv1x1(self.dilate2(x))
            b3 = self.conv1x1(d12)
            b4 = self.conv1x1(self.dilate3(d12))
        else:
            b1, b2, b3, b4 = self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)
        return x + F.relu(b1) + F.relu(b2) + F.relu(b3) + F.relu(b4)


class InceptionResnetContext(nn.Module):
    """The ablation of similar size in DAC's place: two inception branches, joined and added to their input.

    The 1x1 convolutions from `channels` to `channels` are one shared convolution.

    Shape:
        `(N, channels, h, w)` to the same.

    Reference:
        Section III-F (comparison with an inception-resnet-like block); the wiring is that of the authors' code.

    >>> InceptionResnetContext(8)(torch.zeros(1, 8, 14, 14)).shape
    torch.Size([1, 8, 14, 14])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(channels, channels, 1)
        self.conv3x3 = nn.Conv2d(channels, channels, 3, padding=1)
        self.join = nn.Conv2d(2 * channels, channels, 1)
        _zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        b1 = F.relu(self.conv1x1(x))
        b2 = F.relu(self.conv3x3(self.conv1x1(x)))
        joined = self.join(torch.cat([b1, b2], dim=1))
        return x + F.relu(self.conv1x1(joined))


class InceptionContext(nn.Module):
    """The ablation with plain inception branches in DAC's place, added up without a residual.

    The 1x1 convolutions are one shared convolution.

    Shape:
        `(N, channels, h, w)` to the same.

    Reference:
        Section III-F; the wiring is that of the authors' code.

    >>> InceptionContext(8)(torch.zeros(1, 8, 14, 14)).shape
    torch.Size([1, 8, 14, 14])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(channels, channels, 1)
        self.conv3x3 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv5x5 = nn.Conv2d(channels, channels, 5, padding=2)
        _zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.conv1x1(x)
        pooled = F.max_pool2d(x, 3, stride=1, padding=1)
        return F.relu(reduced) + F.relu(self.conv3x3(reduced)) + F.relu(self.conv5x5(reduced)) + pooled


class ResidualMultiKernelPooling(nn.Module):
    """RMP: one channel of context from each of four poolings, concatenated with the input.

    Args:
        channels: Channels in; `channels + len(kernels)` go out.
        kernels: Pooling kernels (and strides), in pixels of the feature map.
        share_weights: Whether the levels share one 1x1 convolution, as the authors' code does, or each has its own.

    Shape:
        `(N, channels, h, w)` to `(N, channels + len(kernels), h, w)`.

    Reference:
        Section II-B, figure 4.

    >>> ResidualMultiKernelPooling(8)(torch.zeros(1, 8, 14, 14)).shape
    torch.Size([1, 12, 14, 14])
    """

    def __init__(self, channels: int, *, kernels: Sequence[int] = (2, 3, 5, 6), share_weights: bool = True) -> None:
        super().__init__()
        self.kernels = tuple(kernels)
        self.conv: nn.Conv2d | nn.ModuleList = (
            nn.Conv2d(channels, 1, 1) if share_weights else nn.ModuleList(nn.Conv2d(channels, 1, 1) for _ in kernels)
        )

    def forward(self, x: Tensor) -> Tensor:
        convolutions = self.conv if isinstance(self.conv, nn.ModuleList) else [self.conv] * len(self.kernels)
        levels = [
            F.interpolate(conv(F.max_pool2d(x, kernel)), size=x.shape[-2:], mode="bilinear")
            for kernel, conv in zip(self.kernels, convolutions, strict=True)
        ]
        return torch.cat([*levels, x], dim=1)


def build_context(dac: Dac | None, channels: int, *, share_weights: bool) -> nn.Module:
    """The context extractor of a name: DAC, an ablation in its place, or nothing."""
    match dac:
        case "atrous":
            return DenseAtrousConvolution(channels, share_weights=share_weights)
        case "regular":
            return DenseAtrousConvolution(channels, rates=(1, 1, 1), share_weights=share_weights)
        case "inception-resnet":
            return InceptionResnetContext(channels)
        case "inception":
            return InceptionContext(channels)
        case None:
            return nn.Identity()
    raise CenetError(f"dac {dac!r}", "there is no such context extractor", f"use {', '.join(get_args(Dac))}, or None")


def _zero_biases(module: nn.Module) -> None:
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
