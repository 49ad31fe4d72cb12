"""CE-Net: a pretrained encoder, a context extractor (DAC and RMP) and a decoder (Gu et al., IEEE TMI 2019)."""

from typing import Any

from torch import Tensor, nn

from cenet.networks.context import Dac, ResidualMultiKernelPooling, build_context
from cenet.networks.contract import Network, check_size
from cenet.networks.decoders import LITE_WIDTHS, Decoder, Head, SlimDecoder, SlimHead, SlimSkip
from cenet.networks.encoders import LITE_ENCODER, find_encoder
from cenet.networks.normalise import Normalise


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
        use_image_skip: Whether the head looks at the image again at full resolution, see `ImageSkip`.
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
        use_image_skip: bool = False,
        normalise: Normalise | None = None,
    ) -> None:
        super().__init__()
        self.normalise = normalise or Normalise(in_channels)
        self.encoder = find_encoder(encoder)(in_channels)
        c0, c1, c2, c3, c4 = self.encoder.channels
        self.dac = build_context(dac, c4, share_weights=share_weights)
        self.rmp = ResidualMultiKernelPooling(c4, share_weights=share_weights) if rmp else nn.Identity()
        is_lite = encoder == LITE_ENCODER
        block, head, skip = (SlimDecoder, SlimHead, SlimSkip) if is_lite else (Decoder, Head, nn.Identity)
        w0, w1, w2, w3 = LITE_WIDTHS if is_lite else (c0, c1, c2, c3)
        self.decoder4 = block(c4 + 4 * rmp, w3)
        self.decoder3 = block(w3, w2)
        self.decoder2 = block(w2, w1)
        self.decoder1 = block(w1, w0)
        self.head = head(w0, num_classes, in_channels if use_image_skip else 0)
        self.use_stem_skip = use_stem_skip
        self.skip3, self.skip2, self.skip1 = skip(c3, w3), skip(c2, w2), skip(c1, w1)
        self.skip0 = skip(c0, w0) if use_stem_skip else nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        check_size(image, stride=self.stride, min_size=self.min_size)
        image = self.normalise(image)
        e0, e1, e2, e3, e4 = self.encoder(image)  # strides 2, 4, 8, 16, 32
        context = self.rmp(self.dac(e4))  # (N, 516, H/32, W/32)
        d4 = self.decoder4(context) + self.skip3(e3)  # (N, 256, H/16, W/16)
        d3 = self.decoder3(d4) + self.skip2(e2)  # (N, 128, H/8, W/8)
        d2 = self.decoder2(d3) + self.skip1(e1)  # (N, 64, H/4, W/4)
        d1 = self.decoder1(d2)  # (N, 64, H/2, W/2)
        if self.use_stem_skip:
            d1 = d1 + self.skip0(e0)
        return self.head(d1, image)  # type: ignore[no-any-return]  # (N, num_classes, H, W); nn.Module returns Any


class CENetLite(CENet):
    """CE-Net with the encoder EfficientNet-Lite0 and a slim decoder: a fifth of the parameters.

    Args:
        num_classes: As for `CENet`.
        in_channels: As for `CENet`.
        options: Those of `CENet` but the encoder.

    Shape:
        As `CENet`.

    >>> sum(p.numel() for p in CENetLite().parameters())
    6039746
    """

    def __init__(self, num_classes: int = 1, in_channels: int = 3, **options: Any) -> None:
        super().__init__(num_classes, in_channels, **{"encoder": LITE_ENCODER, **options})
