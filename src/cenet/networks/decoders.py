"""Decoder blocks and heads: CE-Net's own, and slim ones that upsample instead of transposed convolution."""

import torch.nn.functional as F
from torch import Tensor, nn

LITE_WIDTHS = (24, 32, 48, 112)
"""Channels that the slim decoder blocks give at strides 2, 4, 8 and 16."""


class Decoder(nn.Module):
    """A decoder block: 1x1 convolution, 3x3 transposed convolution that doubles the size, 1x1 convolution.

    Shape:
        `(N, in_channels, h, w)` to `(N, out_channels, 2h, 2w)`.

    Reference:
        Section II-C, figure 1; batch norm and ReLU after each as in the authors' code.

    >>> import torch
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


class ImageSkip(nn.Module):
    """A residual block of two 3x3 convolutions, at full resolution, that sees the image beside the feature maps.

    The encoder halves the image at once, so that what is a pixel wide is lost to all that follows. The block changes
    nothing before it is trained.

    Shape:
        `(N, width, H, W)` and the image `(N, image_channels, H, W)` to `(N, width, H, W)`.

    >>> import torch
    >>> x = torch.ones(1, 16, 8, 8)
    >>> torch.equal(ImageSkip(16, 3)(x, torch.zeros(1, 3, 8, 8)), x)
    True
    """

    def __init__(self, width: int, image_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm_image = nn.BatchNorm2d(image_channels, affine=False)  # some encoders normalise the image themselves
        self.conv_image = nn.Conv2d(image_channels, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x) + self.conv_image(self.norm_image(image))))
        return x + self.norm2(self.conv2(y))  # type: ignore[no-any-return]  # nn.Module


class Head(nn.Module):
    """The last doubling and two 3x3 convolutions, to one logit per class.

    Args:
        image_channels: Of the image, where it is looked at again at full resolution; 0 where it is not.

    Shape:
        `(N, in_channels, h, w)` and the image `(N, image_channels, 2h, 2w)` to `(N, num_classes, 2h, 2w)`.

    Reference:
        The authors' code; the paper does not describe it.

    >>> import torch
    >>> Head(64, 2)(torch.zeros(1, 64, 14, 14), torch.zeros(1, 3, 28, 28)).shape
    torch.Size([1, 2, 28, 28])
    """

    def __init__(self, in_channels: int, num_classes: int, image_channels: int = 0) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(in_channels, 32, 4, stride=2, padding=1)
        self.image_skip = ImageSkip(32, image_channels) if image_channels else None
        self.conv1 = nn.Conv2d(32, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, num_classes, 3, padding=1)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        x = F.relu(self.deconv(x))
        if self.image_skip is not None:
            x = self.image_skip(x, image)
        return self.conv2(F.relu(self.conv1(x)))  # type: ignore[no-any-return]  # nn.Module


class SlimDecoder(nn.Module):
    """A decoder block without transposed convolution: 1x1 convolution, bilinear doubling, 3x3 convolution.

    Shape:
        `(N, in_channels, h, w)` to `(N, out_channels, 2h, 2w)`.

    >>> import torch
    >>> SlimDecoder(64, 32)(torch.zeros(1, 64, 14, 14)).shape
    torch.Size([1, 32, 28, 28])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.conv1(x)))  # before doubling, at a quarter of the cost
        x = F.interpolate(x, scale_factor=2, mode="bilinear")
        return F.relu(self.norm2(self.conv2(x)))


class SlimSkip(nn.Sequential):
    """What brings a map of the slim encoder to the decoder's width and range: 1x1 convolution, batch norm, ReLU.

    Shape:
        `(N, in_channels, h, w)` to `(N, out_channels, h, w)`.

    >>> import torch
    >>> SlimSkip(16, 24)(torch.zeros(1, 16, 14, 14)).shape
    torch.Size([1, 24, 14, 14])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
        )


class SlimHead(nn.Module):
    """A 3x3 convolution at half the resolution, bilinear doubling, and one 3x3 convolution at full resolution.

    Args:
        image_channels: Of the image, where it is looked at again at full resolution; 0 where it is not.

    Shape:
        `(N, in_channels, h, w)` and the image `(N, image_channels, 2h, 2w)` to `(N, num_classes, 2h, 2w)`.

    >>> import torch
    >>> SlimHead(16, 2)(torch.zeros(1, 16, 14, 14), torch.zeros(1, 3, 28, 28)).shape
    torch.Size([1, 2, 28, 28])
    """

    def __init__(self, in_channels: int, num_classes: int, image_channels: int = 0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1)
        self.image_skip = ImageSkip(16, image_channels) if image_channels else None
        self.conv2 = nn.Conv2d(16, num_classes, 3, padding=1)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        x = F.interpolate(F.relu(self.conv1(x)), scale_factor=2, mode="bilinear")
        if self.image_skip is not None:
            x = self.image_skip(x, image)
        return self.conv2(x)  # type: ignore[no-any-return]  # nn.Module
