"""A network of a few numbers, which trains in a moment; as a plugin, or where it is imported, it is called `tiny`."""

from torch import nn

from cenet.networks import NETWORKS

TINY = "tiny"


class Tiny(nn.Module):
    """Has what a run must not lose: weights, running statistics, and chance in every step."""

    stride, min_size = 16, 32

    def __init__(self, num_classes, in_channels, normalise):
        super().__init__()
        self.normalise = normalise
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1)
        )
        self.head = nn.Conv2d(8, num_classes, 1)

    def forward(self, image):
        return self.head(self.body(self.normalise(image)))


class TinyCENet(Tiny):
    """In place of a CE-Net; its start depends on what a CE-Net is made of."""

    def __init__(self, *arguments, encoder, dac, rmp, share_weights, use_stem_skip, use_image_skip, **options):
        super().__init__(*arguments, **options)
        nn.init.normal_(self.head.weight, std=0.1 + 0.2 * (dac is None) + 0.1 * rmp)


NETWORKS[TINY] = Tiny
