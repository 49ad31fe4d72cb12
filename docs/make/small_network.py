"""A network of three layers, for examples that run in seconds."""

import torch
from torch import Tensor, nn

import cenet


class SmallNet(nn.Module):
    """Three convolutions, so that each pixel sees the 6 pixels around it in each direction."""

    stride, min_size = 1, 16

    def __init__(self, num_classes: int, in_channels: int, normalise: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            normalise,
            nn.Conv2d(in_channels, 8, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(8, 8, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(8, num_classes, 5, padding=2),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Image (N, C, H, W) to logits (N, K, H, W)."""
        logits: Tensor = self.layers(image)
        return torch.clamp(logits, -20, 20)


cenet.NETWORKS["small"] = SmallNet
