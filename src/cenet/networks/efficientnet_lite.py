"""EfficientNet-Lite0, the encoder of the slim CE-Net: inverted bottlenecks with ReLU6, without squeeze-and-excite."""

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cenet.networks.same_convolution import conv2d_same
from cenet.networks.tracing import is_traced


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 without its classifier.

    Shape:
        `(N, in_channels, H, W)` to five maps with 16, 24, 40, 112, 320 channels, sides rounded up.

    Reference:
        Tan and Le, EfficientNet, 2019, table 1; "Lite" has ReLU6 in place of swish and no squeeze-and-excite.

    >>> [m.shape[1] for m in EfficientNetLite0(3)(torch.zeros(1, 3, 64, 64))]
    [16, 24, 40, 112, 320]
    """

    channels = (16, 24, 40, 112, 320)
    mean = (127.0, 127.0, 127.0)  # of RGB 0..255, as the authors of "Lite" trained it
    std = (128.0, 128.0, 128.0)
    eps = 1e-3  # of every batch norm, as the weights were trained
    momentum = 0.1  # they were trained with 0.01, but in a few hundred steps that would lag behind

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.stem = ConvolutionNorm(in_channels, 32, 3, stride=2)
        self.stage1 = _build_stage(32, 16, blocks=1, expansion=1, kernel=3, stride=1)
        self.stage2 = _build_stage(16, 24, blocks=2, expansion=6, kernel=3, stride=2)
        self.stage3 = _build_stage(24, 40, blocks=2, expansion=6, kernel=5, stride=2)
        self.stage4 = _build_stage(40, 80, blocks=3, expansion=6, kernel=3, stride=2)
        self.stage5 = _build_stage(80, 112, blocks=3, expansion=6, kernel=5, stride=1)
        self.stage6 = _build_stage(112, 192, blocks=4, expansion=6, kernel=5, stride=2)
        self.stage7 = _build_stage(192, 320, blocks=1, expansion=6, kernel=3, stride=1)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        stem = F.relu6(self.stem(image), inplace=True)  # (N, 32, H/2, W/2)
        e0 = self.stage1(stem)  # (N, 16, H/2, W/2)
        e1 = self.stage2(e0)  # (N, 24, H/4, W/4)
        e2 = self.stage3(e1)  # (N, 40, H/8, W/8)
        e3 = self.stage5(self.stage4(e2))  # (N, 112, H/16, W/16)
        e4 = self.stage7(self.stage6(e3))  # (N, 320, H/32, W/32)
        return e0, e1, e2, e3, e4


class InvertedBottleneck(nn.Module):
    """A 1x1 convolution that widens, a depthwise one, and a 1x1 convolution that narrows, without activation.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        expansion: How many times wider the depthwise convolution is than the input; 1 leaves the first 1x1 out.
        kernel: Side of the depthwise kernel, in pixels.
        stride: Of the depthwise convolution; at stride 1 and equal channels, the input is added to the output.

    Shape:
        `(N, in_channels, h, w)` to `(N, out_channels, ceil(h / stride), ceil(w / stride))`.

    Reference:
        Sandler et al., MobileNetV2, 2018, section 3.3.
    """

    def __init__(self, in_channels: int, out_channels: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = expansion * in_channels
        self.expand = ConvolutionNorm(in_channels, wide, 1) if expansion > 1 else None
        self.depthwise = ConvolutionNorm(wide, wide, kernel, stride=stride, groups=wide)
        self.project = ConvolutionNorm(wide, out_channels, 1)
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y: Tensor = self.project(F.relu6(self.depthwise(wide), inplace=True))
        return x + y if self.is_residual else y


class ConvolutionNorm(nn.Module):
    """A convolution padded as TensorFlow does, and its batch norm; in prediction the two are one convolution.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        kernel: Side of the kernel, in pixels.
        stride: Of the convolution, in pixels.
        groups: As in `torch.nn.Conv2d`.

    Shape:
        `(N, in_channels, h, w)` to `(N, out_channels, ceil(h / stride), ceil(w / stride))`.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, eps=EfficientNetLite0.eps, momentum=EfficientNetLite0.momentum)
        self.stride, self.groups = stride, groups

    def forward(self, x: Tensor) -> Tensor:
        weight, norm = self.conv.weight, self.norm
        needs_gradients = torch.is_grad_enabled() and not is_traced()
        if self.training or needs_gradients or norm.running_var is None or norm.running_mean is None:
            return norm(conv2d_same(x, weight, stride=self.stride, groups=self.groups))  # type: ignore[no-any-return]
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        bias = norm.bias - norm.running_mean * scale
        return conv2d_same(x, weight * scale.view(-1, 1, 1, 1), bias, stride=self.stride, groups=self.groups)


def _build_stage(
    in_channels: int, out_channels: int, *, blocks: int, expansion: int, kernel: int, stride: int
) -> nn.Sequential:
    """The blocks of one row of the paper's table; the first changes channels and stride."""
    first = InvertedBottleneck(in_channels, out_channels, expansion=expansion, kernel=kernel, stride=stride)
    rest = (
        InvertedBottleneck(out_channels, out_channels, expansion=expansion, kernel=kernel, stride=1)
        for _ in range(blocks - 1)
    )
    return nn.Sequential(first, *rest)


_BLOCKS = [f"stage{stage}.{block}" for stage, blocks in enumerate((1, 2, 2, 3, 3, 4, 1), 1) for block in range(blocks)]
_PARTS = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}
_CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")


def rename_port_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `efficientnet-lite0-57934424.pth`, the PyTorch port on PyPI, under our names.

    Args:
        tensors: Of that file, whose names begin with `_conv_stem`; its classifier is left out.

    >>> list(rename_port_tensors({"_blocks.2._bn1.bias": Tensor(1), "_fc.bias": Tensor(1)}))
    ['stage2.1.depthwise.norm.bias']
    """
    renamed = {}
    for name, tensor in tensors.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
            block, part, value = match.groups()
            renamed[f"{_BLOCKS[int(block)]}.{_PARTS[part]}.{value}"] = tensor
        elif not name.startswith(_CLASSIFIER):
            renamed[name.replace("_conv_stem.", "stem.conv.").replace("_bn0.", "stem.norm.")] = tensor
    return renamed
