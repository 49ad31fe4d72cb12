"""The networks once more, for the tests: numpy loops for the blocks, torch.nn.functional for the graphs.

Nothing here imports cenet. The graphs are functions of an image and a state dict, so they prove the wiring
and the tensors' names at once.
"""

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

State = Mapping[str, Tensor]

# Loops over arrays (C, H, W) --------------------------------------------------------------------------------


def conv(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, rate: int = 1) -> np.ndarray:
    """y[o, i] = bias[o] + sum_ck x[c, i + rate k] w[o, c, k]; k from the kernel's centre, zero outside."""
    outputs, channels, size, _ = weight.shape
    _, height, width = x.shape
    y = np.zeros((outputs, height, width))
    for o, row, column in product(range(outputs), range(height), range(width)):
        total = bias[o]
        for c, u, v in product(range(channels), range(size), range(size)):
            i, j = row + rate * (u - size // 2), column + rate * (v - size // 2)
            if 0 <= i < height and 0 <= j < width:
                total += x[c, i, j] * weight[o, c, u, v]
        y[o, row, column] = total
    return y


def max_pool(x: np.ndarray, kernel: int) -> np.ndarray:
    """The largest value of each whole kernel x kernel tile; the rest at the border is dropped."""
    channels, height, width = x.shape
    y = np.empty((channels, height // kernel, width // kernel))
    for c, i, j in np.ndindex(*y.shape):
        y[c, i, j] = x[c, i * kernel : (i + 1) * kernel, j * kernel : (j + 1) * kernel].max()
    return y


def bilinear(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize with half-pixel centres: output pixel i lies at (i + 1/2) scale - 1/2, held inside the image."""
    channels, old_height, old_width = x.shape

    def place(i: int, old: int, new: int) -> tuple[int, int, float]:
        at = max((i + 0.5) * old / new - 0.5, 0.0)
        low = min(int(at), old - 1)
        return low, min(low + 1, old - 1), at - low

    y = np.empty((channels, height, width))
    for c, i, j in np.ndindex(*y.shape):
        top, bottom, down = place(i, old_height, height)
        left, right, along = place(j, old_width, width)
        upper = (1 - along) * x[c, top, left] + along * x[c, top, right]
        lower = (1 - along) * x[c, bottom, left] + along * x[c, bottom, right]
        y[c, i, j] = (1 - down) * upper + down * lower
    return y


# Graphs over tensors (N, C, H, W) ---------------------------------------------------------------------------


def conv2d(state: State, name: str, x: Tensor, *, stride: int = 1, padding: int = 0, rate: int = 1) -> Tensor:
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride, padding, rate)


def _norm(state: State, name: str, x: Tensor, *, eps: float = 1e-5) -> Tensor:
    mean, var, weight, bias = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, mean, var, weight, bias, training=False, eps=eps)


def resnet(state: State, image: Tensor, names: "Names", depths: tuple[int, ...]) -> list[Tensor]:
    """Features at strides 2, 4, 8, 16, 32 of the post-activation ResNet of basic units."""
    x = F.relu(_norm(state, names.stem_norm, conv2d(state, names.stem_conv, image, stride=2, padding=3)))
    features = [x]
    x = F.max_pool2d(x, 3, 2, 1)
    for level, depth in enumerate(depths, 1):
        for i in range(depth):
            unit, stride = f"{names.layer}{level}.{i}", 2 if level > 1 and i == 0 else 1
            y = F.relu(_norm(state, f"{unit}.bn1", conv2d(state, f"{unit}.conv1", x, stride=stride, padding=1)))
            y = _norm(state, f"{unit}.bn2", conv2d(state, f"{unit}.conv2", y, padding=1))
            if stride == 2:
                x = _norm(state, f"{unit}.downsample.1", conv2d(state, f"{unit}.downsample.0", x, stride=2))
            x = F.relu(x + y)
        features.append(x)
    return features


def preact_resnet34(state: State, image: Tensor, prefix: str = "") -> list[Tensor]:
    """Features at strides 2, 4, 8, 16, 32 of the pre-activation ResNet-34, each after the next BN-ReLU."""

    def norm_relu(name: str, x: Tensor) -> Tensor:
        return F.relu(_norm(state, prefix + name, x, eps=2e-5))

    x = _norm(state, prefix + "bn_data", image, eps=2e-5)
    x = norm_relu("bn0", conv2d(state, prefix + "conv0", x, stride=2, padding=3))
    features = [x]
    x = F.max_pool2d(x, 3, 2, 1)
    for stage, depth in enumerate((3, 4, 6, 3), 1):
        for i in range(depth):
            unit, stride = f"stage{stage}.{i}", 2 if stage > 1 and i == 0 else 1
            y = norm_relu(f"{unit}.bn1", x)
            if i == 0:
                x = conv2d(state, f"{prefix}{unit}.sc", y, stride=stride)
                if stage > 1:
                    features.append(y)
            y = norm_relu(f"{unit}.bn2", conv2d(state, f"{prefix}{unit}.conv1", y, stride=stride, padding=1))
            x = x + conv2d(state, f"{prefix}{unit}.conv2", y, padding=1)
    return [*features, norm_relu("bn1", x)]


class Names(NamedTuple):
    """What a state dict calls the parts of a CE-Net.

    `dac` lists each branch's convolutions in order, `rmp` the four levels', `head` the last three layers.
    """

    stem_conv: str
    stem_norm: str
    layer: str
    dac: tuple[tuple[str, ...], ...]
    rmp: tuple[str, str, str, str]
    head: tuple[str, str, str]


# Paper 1.2, branches b1 to b4: the first alone has no 1x1 convolution.
DAC_RATES = ((1,), (3, 1), (1, 3, 1), (1, 3, 5, 1))
SHARED_DAC = (
    ("dilate1",),
    ("dilate2", "conv1x1"),
    ("dilate1", "dilate2", "conv1x1"),
    ("dilate1", "dilate2", "dilate3", "conv1x1"),
)
DRAWN_DAC = (
    ("branch1",),
    ("branch2.0", "branch2.1"),
    ("branch3.0", "branch3.1", "branch3.2"),
    ("branch4.0", "branch4.1", "branch4.2", "branch4.3"),
)


def _under(prefix: str, branches: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(prefix + name for name in branch) for branch in branches)


OURS = Names(
    "encoder.conv1",
    "encoder.bn1",
    "encoder.layer",
    _under("dac.", SHARED_DAC),
    ("rmp.conv",) * 4,
    ("head.deconv", "head.conv1", "head.conv2"),
)
DRAWN = OURS._replace(dac=_under("dac.", DRAWN_DAC), rmp=("rmp.conv.0", "rmp.conv.1", "rmp.conv.2", "rmp.conv.3"))
AUTHORS = Names(
    "firstconv",
    "firstbn",
    "encoder",
    _under("dblock.", SHARED_DAC),
    ("spp.conv",) * 4,
    ("finaldeconv1", "finalconv2", "finalconv3"),
)


def dac(
    state: State,
    x: Tensor,
    branches: tuple[tuple[str, ...], ...],
    rates: tuple[tuple[int, ...], ...] = DAC_RATES,
) -> Tensor:
    """Paper 1.2: the input plus the ReLU of each cascade; no ReLU inside a cascade, none after the sum."""
    total = x
    for names, branch_rates in zip(branches, rates, strict=True):
        y = x
        for name, rate in zip(names, branch_rates, strict=True):
            size = state[f"{name}.weight"].shape[-1]
            y = conv2d(state, name, y, padding=rate * (size // 2), rate=rate)
        total = total + F.relu(y)
    return total


def rmp(state: State, x: Tensor, levels: tuple[str, ...]) -> Tensor:
    """Paper 1.2: four pooled maps of one channel before the map itself."""
    pooled = [conv2d(state, name, F.max_pool2d(x, k)) for name, k in zip(levels, (2, 3, 5, 6), strict=True)]
    resized = [F.interpolate(y, x.shape[-2:], mode="bilinear", align_corners=False) for y in pooled]
    return torch.cat([*resized, x], dim=1)


def decode(state: State, names: Names, features: list[Tensor], x: Tensor, *, use_stem_skip: bool = False) -> Tensor:
    """Paper 1.2: four blocks (1x1, transposed 3x3, 1x1), features added after each, then the head."""
    skips = [features[0] if use_stem_skip else None, *features[1:4]]
    for level in (4, 3, 2, 1):
        block = f"decoder{level}"
        x = F.relu(_norm(state, f"{block}.norm1", conv2d(state, f"{block}.conv1", x)))
        weight, bias = state[f"{block}.deconv2.weight"], state[f"{block}.deconv2.bias"]
        x = F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
        x = F.relu(_norm(state, f"{block}.norm2", x))
        x = F.relu(_norm(state, f"{block}.norm3", conv2d(state, f"{block}.conv3", x)))
        skip = skips[level - 1]
        x = x if skip is None else x + skip
    deconv, conv1, conv2 = names.head
    x = F.relu(F.conv_transpose2d(x, state[f"{deconv}.weight"], state[f"{deconv}.bias"], stride=2, padding=1))
    return conv2d(state, conv2, F.relu(conv2d(state, conv1, x, padding=1)), padding=1)


def cenet(state: State, image: Tensor, names: Names = OURS, *, use_stem_skip: bool = False) -> Tensor:
    """The logits of CE-Net with ResNet-34; by default the authors' graph (shared weights, three skips)."""
    features = resnet(state, image, names, (3, 4, 6, 3))
    context = rmp(state, dac(state, features[-1], names.dac), names.rmp)
    return decode(state, names, features, context, use_stem_skip=use_stem_skip)


def unet(state: State, image: Tensor) -> Tensor:
    """The logits of the paper's U-Net: double convolutions, pooling, bilinear doubling, corners aligned."""

    def doubleconv2d(name: str, x: Tensor) -> Tensor:
        x = F.relu(_norm(state, f"{name}.1", conv2d(state, f"{name}.0", x, padding=1)))
        return F.relu(_norm(state, f"{name}.4", conv2d(state, f"{name}.3", x, padding=1)))

    skips = [doubleconv2d("down1", image)]
    for level in (2, 3, 4, 5):
        skips.append(doubleconv2d(f"down{level}", F.max_pool2d(skips[-1], 2)))
    x = skips.pop()
    for level in (4, 3, 2, 1):
        skip = skips.pop()
        x = F.interpolate(x, skip.shape[-2:], mode="bilinear", align_corners=True)
        x = doubleconv2d(f"up{level}", torch.cat([skip, x], dim=1))
    return conv2d(state, "head", x)


def authors_shapes(num_classes: int = 1) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor in a checkpoint of the authors' code, num_batches_tracked apart."""
    shapes: dict[str, tuple[int, ...]] = {"firstconv.weight": (64, 3, 7, 7)}

    def norm(name: str, channels: int) -> None:
        shapes.update({f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")})

    def biased(name: str, *weight: int, outputs: int) -> None:
        shapes.update({f"{name}.weight": weight, f"{name}.bias": (outputs,)})

    norm("firstbn", 64)
    inputs = 64
    for level, (depth, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True), 1):
        for i in range(depth):
            unit = f"encoder{level}.{i}"
            shapes |= {f"{unit}.conv1.weight": (width, inputs, 3, 3)}
            norm(f"{unit}.bn1", width)
            shapes |= {f"{unit}.conv2.weight": (width, width, 3, 3)}
            norm(f"{unit}.bn2", width)
            if inputs != width:
                shapes |= {f"{unit}.downsample.0.weight": (width, inputs, 1, 1)}
                norm(f"{unit}.downsample.1", width)
            inputs = width
    for name, size in (("dilate1", 3), ("dilate2", 3), ("dilate3", 3), ("conv1x1", 1)):
        biased(f"dblock.{name}", 512, 512, size, size, outputs=512)
    biased("spp.conv", 1, 512, 1, 1, outputs=1)
    for level, inputs, outputs in ((4, 516, 256), (3, 256, 128), (2, 128, 64), (1, 64, 64)):
        block, middle = f"decoder{level}", inputs // 4
        biased(f"{block}.conv1", middle, inputs, 1, 1, outputs=middle)
        norm(f"{block}.norm1", middle)
        biased(f"{block}.deconv2", middle, middle, 3, 3, outputs=middle)
        norm(f"{block}.norm2", middle)
        biased(f"{block}.conv3", outputs, middle, 1, 1, outputs=outputs)
        norm(f"{block}.norm3", outputs)
    biased("finaldeconv1", 64, 32, 4, 4, outputs=32)
    biased("finalconv2", 32, 32, 3, 3, outputs=32)
    biased("finalconv3", num_classes, 32, 3, 3, outputs=num_classes)
    return shapes


def our_name(theirs: str) -> str:
    """What our state dict calls a tensor of the authors'."""
    for start, ours in (
        ("firstconv.", "encoder.conv1."),
        ("firstbn.", "encoder.bn1."),
        ("encoder", "encoder.layer"),
        ("dblock.", "dac."),
        ("spp.", "rmp."),
        ("finaldeconv1.", "head.deconv."),
        ("finalconv2.", "head.conv1."),
        ("finalconv3.", "head.conv2."),
    ):
        if theirs.startswith(start):
            return ours + theirs.removeprefix(start)
    return theirs


def randomise(state: State, seed: int) -> None:
    """Fill a state dict in place: kernels that keep the scale, norms and statistics that are not trivial.

    The input rule stays.
    """
    random = torch.Generator().manual_seed(seed)
    for name, tensor in state.items():
        if name.startswith("normalise.") or not tensor.is_floating_point():
            continue
        if tensor.ndim == 4:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=random)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=random)
        elif name.endswith("weight"):
            tensor.uniform_(0.5, 1.0, generator=random)
        else:
            tensor.normal_(0, 0.1, generator=random)
