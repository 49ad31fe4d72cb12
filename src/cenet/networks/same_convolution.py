"""Convolution with TensorFlow's padding, and gradients of depthwise ones that a CPU computes in a reasonable time."""

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from cenet.networks.tracing import is_traced


def conv2d_same(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, groups: int = 1) -> Tensor:
    """A convolution padded as TensorFlow's "same": where the number of zeros is odd, more stand below and to the right.

    A map of even height is padded by one row less above than below at stride 2, so that the usual
    `padding=kernel // 2` would shift each feature by a pixel.

    Args:
        x: Feature maps.
        weight: Square kernels of odd side.
        bias: One number for each channel.
        stride: Of the kernels, in pixels.
        groups: As in `torch.nn.functional.conv2d`; as many as channels make the convolution depthwise.

    Shape:
        x `(N, C, h, w)` and weight `(D, C / groups, k, k)` to `(N, D, ceil(h / stride), ceil(w / stride))`.

    >>> conv2d_same(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3), stride=2).tolist()
    [[[[9.0, 6.0], [6.0, 4.0]]]]
    >>> conv2d_same(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), stride=2).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    if is_traced():
        x, padding = _pad_maps(x, weight, stride)
        return F.conv2d(x, weight, bias, stride=stride, padding=padding, groups=groups)
    is_depthwise = groups == len(weight) == x.shape[1]
    if is_depthwise and bias is None and x.device.type == "cpu" and torch.is_grad_enabled():
        y: Tensor = _CpuDepthwise.apply(x, weight, stride)  # type: ignore[no-untyped-call]  # torch's
        return y
    weight, padding = _pad_kernels(x, weight, stride)
    return F.conv2d(x, weight, bias, stride=stride, padding=padding, groups=groups)


def _same_padding(size: int, *, kernel: int, stride: int) -> tuple[int, int]:
    """The zeros before and after a row (or column) of pixels."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _pad_kernels(x: Tensor, weight: Tensor, stride: int) -> tuple[Tensor, tuple[int, int]]:
    """Kernels with a row of zeros above where the padding is uneven, and the even padding that fits them.

    The result is the same as that of padding the maps, which are far larger.
    """
    kernel = weight.shape[-1]
    top, bottom = _same_padding(x.shape[-2], kernel=kernel, stride=stride)
    left, right = _same_padding(x.shape[-1], kernel=kernel, stride=stride)
    if (top, left) != (bottom, right):
        weight = F.pad(weight, (right - left, 0, bottom - top, 0))
    return weight, (bottom, right)


def _pad_maps(x: Tensor, weight: Tensor, stride: int) -> tuple[Tensor, tuple[int, int]]:
    """The maps, with their padding where it is uneven, and the even padding that the convolution does itself.

    For a graph that is exported. The padding of the traced size becomes a constant, which is that of every even size;
    all maps have one that a network halves.
    """
    kernel, (height, width) = int(weight.shape[-1]), (int(side) for side in x.shape[-2:])
    top, bottom = _same_padding(height, kernel=kernel, stride=stride)
    left, right = _same_padding(width, kernel=kernel, stride=stride)
    if (top, left) == (bottom, right):
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom)), (0, 0)


class _CpuDepthwise(torch.autograd.Function):
    """A depthwise convolution whose gradients are computed in float32, and those of 5x5 kernels by 3x3 ones.

    On a CPU PyTorch computes the gradients of bfloat16 and of 5x5 kernels in plain loops, which take 5 to 50 times as
    long as the forward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        padded, padding = _pad_kernels(x, weight, stride)
        return F.conv2d(x, padded, stride=stride, padding=padding, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = (_as_float(tensor) for tensor in ctx.saved_tensors)
        gradient, stride = _as_float(gradient), ctx.stride
        for_x = for_weight = None
        if ctx.needs_input_grad[0]:
            padded, padding = _pad_kernels(x, weight, stride)
            for_x, _ = _gradients(gradient, x, padded, stride, padding, wants=(True, False))
        if ctx.needs_input_grad[1]:
            for_weight = _weight_gradient(gradient, x, weight, stride)
        return for_x, for_weight, None  # autograd brings each to its own precision


def _as_float(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.bfloat16 else x


def _gradients(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: tuple[int, int], *, wants: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of input and kernels, each if it is wanted, as PyTorch computes them."""
    for_x, for_weight, _ = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [stride] * 2, padding, [1, 1], False, [0, 0], len(weight), [*wants, False]
    )
    return for_x, for_weight


def _weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """The gradient of depthwise kernels; that of 5x5 kernels is put together from the four 3x3 ones that cover each."""
    kernel = weight.shape[-1]
    top, bottom = _same_padding(x.shape[-2], kernel=kernel, stride=stride)
    left, right = _same_padding(x.shape[-1], kernel=kernel, stride=stride)
    if kernel != 5 and (top, left) == (bottom, right):
        _, total = _gradients(gradient, x, weight, stride, (top, left), wants=(False, True))
        assert total is not None
        return total
    x = F.pad(x, (left, right, top, bottom))
    side = 3 if kernel == 5 else kernel
    height, width = ((size - 1) * stride + side for size in gradient.shape[-2:])
    total = torch.empty_like(weight)
    for row, column in product(range(0, kernel - side + 1, 2), repeat=2):
        part = x[..., row : row + height, column : column + width]
        corner = weight[..., :side, :side]  # only its shape counts
        _, of_corner = _gradients(gradient, part, corner, stride, (0, 0), wants=(False, True))
        assert of_corner is not None
        total[..., row : row + side, column : column + side] = of_corner
    return total
