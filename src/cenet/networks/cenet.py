"""CE-Net: a pretrained encoder, a context extractor (DAC and RMP) and a decoder (Gu et al., IEEE TMI 2019)."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cenet.networks.contract import Network, check_size
from cenet.networks.encoders import ENCODERS
from cenet.networks.normalise import Normalise

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


class Decoder(nn.Module):
    """A decoder block: 1x1 convolution, 3x3 transposed convolution that doubles the size, 1x1 convolution.

    Shape:
        `(N, in_channels, h, w)` to `(N, out_channels, 2h, 2w)`.

    Reference:
        Section II-C, figure 1; batch norm and ReLU after each as in the authors' code.

    >>> Decoder(64, 32)(torch.zeros(1, 64, 14, 14)).shape
    torch.Size([1, 32, 28, 28])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        middle = in_channels // 4
        self.conv1 = nn.Conv2d(in_channels, middle, 1)
        self.norm1 = nn.BatchNorm2d(middle)
        self.deconv2 = nn.ConvTranspose2d(middle, middle, 3, stride=2, padding=1, output_padding=1)
        self.norm2 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, out_channels, 1)
        self.norm3 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.deconv2(x)))
        return F.relu(self.norm3(self.conv3(x)))


class Head(nn.Module):
    """The last doubling and two 3x3 convolutions, to one logit per class.

    Shape:
        `(N, in_channels, h, w)` to `(N, num_classes, 2h, 2w)`.

    Reference:
        The authors' code; the paper does not describe it.

    >>> Head(64, 2)(torch.zeros(1, 64, 14, 14)).shape
    torch.Size([1, 2, 28, 28])
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(in_channels, 32, 4, stride=2, padding=1)
        self.conv1 = nn.Conv2d(32, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, num_classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.relu(self.conv1(F.relu(self.deconv(x)))))  # type: ignore[no-any-return]  # nn.Module


class CENet(Network):
    """CE-Net. The defaults are the authors' wiring; the paper's drawing is `share_weights=False, use_stem_skip=True`.

    Args:
        num_classes: Maps out; 1 for one foreground (sigmoid), K for K classes with the background first (softmax).
        in_channels: Channels of the image.
        encoder: A name from `ENCODERS`.
        dac: The dense atrous convolution ("atrous"), an ablation in its place, or None to leave it out.
        rmp: Whether residual multi-kernel pooling follows.
        share_weights: Whether the branches of DAC, and those of RMP, share their weights.
        use_stem_skip: Whether the encoder's first feature map is added to the last decoder block's output.
        normalise: The first layer; None leaves the image's values as they are.

    Shape:
        image `(N, in_channels, H, W)` with its own values, H and W multiples of `stride` and at least `min_size`,
        to logits `(N, num_classes, H, W)`.

    Raises:
        CenetError: The image's size is not valid; the nearest valid one is named.

    Reference:
        Section II, figure 1.

    >>> net = CENet(encoder="resnet34")
    >>> sum(p.numel() for p in net.parameters())
    29003093
    """

    stride = 32
    min_size = 192  # RMP's widest kernel, 6, at stride 32

    def __init__(
        self,
        num_classes: int = 1,
        in_channels: int = 3,
        *,
        encoder: str = "resnet34",
        dac: Dac | None = "atrous",
        rmp: bool = True,
        share_weights: bool = True,
        use_stem_skip: bool = False,
        normalise: Normalise | None = None,
    ) -> None:
        super().__init__()
        self.normalise = normalise or Normalise(in_channels)
        self.encoder = ENCODERS[encoder](in_channels)
        c0, c1, c2, c3, c4 = self.encoder.channels
        self.dac = _context(dac, c4, share_weights=share_weights)
        self.rmp = ResidualMultiKernelPooling(c4, share_weights=share_weights) if rmp else nn.Identity()
        self.decoder4 = Decoder(c4 + 4 * rmp, c3)
        self.decoder3 = Decoder(c3, c2)
        self.decoder2 = Decoder(c2, c1)
        self.decoder1 = Decoder(c1, c0)
        self.head = Head(c0, num_classes)
        self.use_stem_skip = use_stem_skip

    def forward(self, image: Tensor) -> Tensor:
        check_size(image, stride=self.stride, min_size=self.min_size)
        e0, e1, e2, e3, e4 = self.encoder(self.normalise(image))  # strides 2, 4, 8, 16, 32
        context = self.rmp(self.dac(e4))  # (N, 516, H/32, W/32)
        d4 = self.decoder4(context) + e3  # (N, 256, H/16, W/16)
        d3 = self.decoder3(d4) + e2  # (N, 128, H/8, W/8)
        d2 = self.decoder2(d3) + e1  # (N, 64, H/4, W/4)
        d1 = self.decoder1(d2)  # (N, 64, H/2, W/2)
        if self.use_stem_skip:
            d1 = d1 + e0
        return self.head(d1)  # type: ignore[no-any-return]  # (N, num_classes, H, W); nn.Module returns Any


def _context(dac: Dac | None, channels: int, *, share_weights: bool) -> nn.Module:
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
    raise ValueError(f"no context extractor is called {dac!r}")


def _zero_biases(module: nn.Module) -> None:
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
