"""Convolution with TensorFlow's padding, and gradients that equal PyTorch's."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F

from cenet.networks.same_convolution import conv2d_same


def expected_output(x, weight, stride):
    """Output pixel (i, j) looks at input pixels from `i * stride - before`, as TensorFlow defines "same"."""
    kernel = weight.shape[-1]
    sizes = x.shape[-2:]
    outputs = [-(-size // stride) for size in sizes]
    totals = [max((out - 1) * stride + kernel - size, 0) for out, size in zip(outputs, sizes, strict=True)]
    y, x_ = (total // 2 for total in totals)
    canvas = F.pad(x, (x_, totals[1] - x_, y, totals[0] - y))
    return F.conv2d(canvas, weight, stride=stride, groups=len(weight))


@pytest.mark.parametrize(("kernel", "stride", "size"), list(product((3, 5), (1, 2), ((8, 10), (7, 9)))), ids=str)
def test_output_and_gradients_equal_those_of_padding_and_convolution(kernel, stride, size):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 1, kernel, kernel, generator=generator, dtype=torch.float64, requires_grad=True)
    output, expected = conv2d_same(x, weight, stride=stride, groups=3), expected_output(x, weight, stride)
    torch.testing.assert_close(output, expected)
    gradient = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(
        torch.autograd.grad(output, (x, weight), gradient), torch.autograd.grad(expected, (x, weight), gradient)
    )
    with torch.no_grad():
        torch.testing.assert_close(conv2d_same(x, weight, stride=stride, groups=3), expected)


def test_half_precision_keeps_the_precision_of_input_and_weights():
    x = torch.randn(1, 2, 6, 6, requires_grad=True)
    weight = torch.randn(2, 1, 5, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = conv2d_same(x.bfloat16(), weight, stride=2, groups=2)
    y.float().sum().backward()
    assert (y.dtype, x.grad.dtype, weight.grad.dtype) == (torch.bfloat16, torch.float32, torch.float32)
