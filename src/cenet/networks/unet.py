"""U-Net, the paper's baseline."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cenet.networks.contract import Network, check_size
from cenet.networks.normalise import Normalise


class DoubleConvolution(nn.Sequential):
    """Two 3x3 convolutions, each with batch norm and ReLU.

    >>> DoubleConvolution(3, 8)(torch.zeros(1, 3, 16, 16)).shape
    torch.Size([1, 8, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class UNet(Network):
    """U-Net with 64-128-256-512-512 channels, batch norm and bilinear upsampling, as the authors' code compares with.

    Args:
        num_classes: Maps out; 1 for one foreground (sigmoid), K for K classes with the background first (softmax).
        in_channels: Channels of the image.
        normalise: The first layer; None leaves the image's values as they are.

    Shape:
        image `(N, in_channels, H, W)`, H and W multiples of `stride`, to logits `(N, num_classes, H, W)`.

    Raises:
        CenetError: The image's size is not valid; the nearest valid one is named.

    Reference:
        Ronneberger et al., 2015; widths and upsampling as in the CE-Net authors' code.

    >>> UNet(num_classes=2)(torch.zeros(1, 3, 32, 48)).shape
    torch.Size([1, 2, 32, 48])
    """

    stride = 16
    min_size = 32

    def __init__(
        self,
        num_classes: int = 1,
        in_channels: int = 3,
        *,
        normalise: Normalise | None = None,
    ) -> None:
        super().__init__()
        self.normalise = normalise or Normalise(in_channels)
        self.down1 = DoubleConvolution(in_channels, 64)
        self.down2 = DoubleConvolution(64, 128)
        self.down3 = DoubleConvolution(128, 256)
        self.down4 = DoubleConvolution(256, 512)
        self.down5 = DoubleConvolution(512, 512)
        self.up4 = DoubleConvolution(512 + 512, 256)
        self.up3 = DoubleConvolution(256 + 256, 128)
        self.up2 = DoubleConvolution(128 + 128, 64)
        self.up1 = DoubleConvolution(64 + 64, 64)
        self.head = nn.Conv2d(64, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        check_size(image, stride=self.stride, min_size=self.min_size)
        e1 = self.down1(self.normalise(image))  # (N, 64, H, W)
        e2 = self.down2(F.max_pool2d(e1, 2))  # (N, 128, H/2, W/2)
        e3 = self.down3(F.max_pool2d(e2, 2))  # (N, 256, H/4, W/4)
        e4 = self.down4(F.max_pool2d(e3, 2))  # (N, 512, H/8, W/8)
        x = self.down5(F.max_pool2d(e4, 2))  # (N, 512, H/16, W/16)
        x = self.up4(torch.cat([e4, _double(x)], dim=1))  # (N, 256, H/8, W/8)
        x = self.up3(torch.cat([e3, _double(x)], dim=1))  # (N, 128, H/4, W/4)
        x = self.up2(torch.cat([e2, _double(x)], dim=1))  # (N, 64, H/2, W/2)
        x = self.up1(torch.cat([e1, _double(x)], dim=1))  # (N, 64, H, W)
        return self.head(x)  # type: ignore[no-any-return]  # (N, num_classes, H, W); nn.Module returns Any


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
