"""Encoders: what turns an image into five feature maps, at strides 2, 4, 8, 16 and 32.

Another encoder is one small class, a line in `ENCODERS` and its name in `Recipe.encoder`. The class has `channels` of
its five maps, `mean` and `std` (the input rule that its pretrained weights expect of images with values 0..255), and
a `forward` that returns the maps.
"""

from typing import TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn

from cenet.errors import CenetError
from cenet.networks.efficientnet_lite import EfficientNetLite0


class ResNet34(nn.Module):
    """ResNet-34 without its classifier, under torchvision's names.

    Shape:
        `(N, in_channels, H, W)` to five maps with 64, 64, 128, 256, 512 channels.

    Reference:
        He et al., Deep Residual Learning for Image Recognition, 2016; the paper's section II-A takes ResNet-34.

    >>> import torch
    >>> ResNet34(3)(torch.zeros(1, 3, 64, 64))[-1].shape
    torch.Size([1, 512, 2, 2])
    """

    name = "resnet34"  # in MONAI
    channels = (64, 64, 128, 256, 512)
    mean = (123.675, 116.28, 103.53)  # ImageNet's, of RGB 0..255
    std = (58.395, 57.12, 57.375)

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        from monai.networks.nets import resnet  # takes seconds to import, and other encoders do not need it

        net = getattr(resnet, self.name)(
            spatial_dims=2,
            n_input_channels=in_channels,
            conv1_t_size=7,
            conv1_t_stride=2,  # MONAI's own default, 1, is that of MedicalNet
            shortcut_type="B",
            bias_downsample=False,
        )
        self.conv1, self.bn1 = net.conv1, net.bn1
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        e0 = F.relu(self.bn1(self.conv1(image)))  # (N, 64, H/2, W/2)
        e1 = self.layer1(F.max_pool2d(e0, 3, stride=2, padding=1))  # (N, 64, H/4, W/4)
        e2 = self.layer2(e1)  # (N, 128, H/8, W/8)
        e3 = self.layer3(e2)  # (N, 256, H/16, W/16)
        e4 = self.layer4(e3)  # (N, 512, H/32, W/32)
        return e0, e1, e2, e3, e4


class ResNet18(ResNet34):
    """ResNet-18 without its classifier, under torchvision's names."""

    name = "resnet18"


class PreactUnit(nn.Module):
    """A pre-activation residual unit; the first of a stage projects its shortcut."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, project: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels, eps=PreactResNet34.eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels, eps=PreactResNet34.eps)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.sc = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False) if project else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The unit's activated input (where a feature map is taken) and its output."""
        activated = F.relu(self.bn1(x))
        residual = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        return activated, residual + (x if self.sc is None else self.sc(activated))


class PreactStage(nn.ModuleList):
    """The units of one stage; returns the first unit's activated input and the last one's output."""

    def __init__(self, in_channels: int, out_channels: int, *, units: int, stride: int) -> None:
        first = PreactUnit(in_channels, out_channels, stride=stride, project=True)
        rest = (PreactUnit(out_channels, out_channels, stride=1, project=False) for _ in range(units - 1))
        super().__init__([first, *rest])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        activated, x = self[0](x)
        for unit in list(self)[1:]:
            _, x = unit(x)
        return activated, x


class PreactResNet34(nn.Module):
    """The pre-activation ResNet-34 of the bundled weights; its first layer normalises RGB 0..255 itself.

    Shape:
        `(N, in_channels, H, W)` to five maps with 64, 64, 128, 256, 512 channels.

    Reference:
        He et al., Identity Mappings in Deep Residual Networks, 2016.

    >>> import torch
    >>> [m.shape[1] for m in PreactResNet34(3)(torch.zeros(1, 3, 64, 64))]
    [64, 64, 128, 256, 512]
    """

    channels = (64, 64, 128, 256, 512)
    mean = (0.0, 0.0, 0.0)
    std = (1.0, 1.0, 1.0)
    eps = 2e-5  # of every batch norm, as the weights were trained

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.bn_data = nn.BatchNorm2d(in_channels, eps=self.eps)
        self.conv0 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn0 = nn.BatchNorm2d(64, eps=self.eps)
        self.stage1 = PreactStage(64, 64, units=3, stride=1)
        self.stage2 = PreactStage(64, 128, units=4, stride=2)
        self.stage3 = PreactStage(128, 256, units=6, stride=2)
        self.stage4 = PreactStage(256, 512, units=3, stride=2)
        self.bn1 = nn.BatchNorm2d(512, eps=self.eps)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        e0 = F.relu(self.bn0(self.conv0(self.bn_data(image))))  # (N, 64, H/2, W/2)
        _, x = self.stage1(F.max_pool2d(e0, 3, stride=2, padding=1))
        e1, x = self.stage2(x)  # e1: (N, 64, H/4, W/4)
        e2, x = self.stage3(x)  # e2: (N, 128, H/8, W/8)
        e3, x = self.stage4(x)  # e3: (N, 256, H/16, W/16)
        e4 = F.relu(self.bn1(x))  # (N, 512, H/32, W/32)
        return e0, e1, e2, e3, e4


LITE_ENCODER = "efficientnet-lite0"
EncoderClass: TypeAlias = type[ResNet34] | type[PreactResNet34] | type[EfficientNetLite0]
ENCODERS: dict[str, EncoderClass] = {
    "resnet18": ResNet18,
    "resnet34": ResNet34,
    "resnet34-preact": PreactResNet34,
    LITE_ENCODER: EfficientNetLite0,
}


def find_encoder(name: str) -> EncoderClass:
    """The class of an encoder.

    Raises:
        CenetError: There is none of this name.
    """
    if name not in tuple(ENCODERS):  # a list could not be looked up
        raise CenetError(f"encoder {name!r}", "there is no such encoder", f"use {', '.join(ENCODERS)}")
    return ENCODERS[name]
