"""Depthwise convolution with TensorFlow's padding, and a gradient that a CPU computes in a reasonable time."""

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def pad_same(x: Tensor, *, kernel: int, stride: int) -> Tensor:
    """Zeros around a map as TensorFlow's "same" adds them: where their number is odd, more below and to the right.

    A map of even height is padded by one row less above than below at stride 2, so that the usual
    `padding=kernel // 2` would shift each feature by a pixel.

    Args:
        x: Feature maps.
        kernel: Side of the kernel that follows, in pixels.
        stride: Its stride, in pixels.

    Shape:
        `(N, C, h, w)` to `(N, C, h + p, w + q)`; the convolution that follows gives `(ceil(h / stride), ...)`.

    >>> pad_same(torch.ones(1, 1, 4, 4), kernel=3, stride=2)[0, 0, 1].tolist()
    [1.0, 1.0, 1.0, 1.0, 0.0]
    >>> pad_same(torch.ones(1, 1, 5, 5), kernel=3, stride=2)[0, 0, 1].tolist()
    [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    """
    (top, bottom), (left, right) = (
        _same_padding(size, kernel=kernel, stride=stride) for size in (x.shape[-2], x.shape[-1])
    )
    return F.pad(x, (left, right, top, bottom))


def _same_padding(size: int, *, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def depthwise_conv2d(x: Tensor, weight: Tensor, *, stride: int) -> Tensor:
    """A depthwise convolution, padded as `pad_same` says.

    Args:
        x: Feature maps.
        weight: A kernel of odd side for each channel.
        stride: Of the kernel, in pixels.

    Shape:
        x `(N, C, h, w)` and weight `(C, 1, k, k)` to `(N, C, ceil(h / stride), ceil(w / stride))`.

    >>> depthwise_conv2d(torch.ones(1, 2, 4, 4), torch.ones(2, 1, 3, 3), stride=2)[0, 0].tolist()
    [[9.0, 6.0], [6.0, 4.0]]
    """
    kernel = weight.shape[-1]
    padding = kernel // 2
    if stride > 1:
        x, padding = pad_same(x, kernel=kernel, stride=stride), 0
    if x.device.type == "cpu" and torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
        y: Tensor = _CpuDepthwise.apply(x, weight, stride, padding)  # type: ignore[no-untyped-call]  # torch's
        return y
    return F.conv2d(x, weight, stride=stride, padding=padding, groups=len(weight))


class _CpuDepthwise(torch.autograd.Function):
    """The same output as `F.conv2d`, and its gradients in float32, 5x5 kernels by 3x3 ones.

    On a CPU PyTorch falls back to plain loops for the gradients of bfloat16 and of 5x5 kernels: they take 5 to 50 times
    as long as the forward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, stride=stride, padding=padding, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = (_as_float(tensor) for tensor in ctx.saved_tensors)
        gradient = _as_float(gradient)
        is_wide = weight.shape[-1] == 5
        wants_x, wants_weight = ctx.needs_input_grad[:2]
        for_x, for_weight = _gradients(
            gradient, x, weight, ctx.stride, ctx.padding, wants=(wants_x, wants_weight and not is_wide)
        )
        if is_wide and wants_weight:
            for_weight = _wide_weight_gradient(gradient, x, weight, ctx.stride, ctx.padding)
        return for_x, for_weight, None, None  # autograd brings each to its own precision


def _as_float(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.bfloat16 else x


def _gradients(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, *, wants: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of input and kernels, each if it is wanted, as PyTorch computes them."""
    channels = len(weight)
    for_x, for_weight, _ = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], channels, [*wants, False]
    )
    return for_x, for_weight


def _wide_weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """The gradient of 5x5 kernels, as that of the four 3x3 kernels that cover each."""
    x = F.pad(x, (padding,) * 4)
    height, width = ((size - 1) * stride + 3 for size in gradient.shape[-2:])
    total = torch.empty_like(weight)
    for top, left in product((0, 2), (0, 2)):
        seen = x[..., top : top + height, left : left + width]
        corner = weight[..., :3, :3]  # only its shape counts
        _, of_corner = _gradients(gradient, seen, corner, stride, 0, wants=(False, True))
        assert of_corner is not None
        total[..., top : top + 3, left : left + 3] = of_corner
    return total
