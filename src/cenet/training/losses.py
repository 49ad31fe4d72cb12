"""Losses: the paper's Dice with squared denominators, cross-entropy, and their sum, inside the region only."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from torch import Tensor, nn

from cenet.config.recipe import Recipe

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # from logits, label and region to a scalar


class SegmentationLoss(nn.Module):
    """The loss that a recipe names; pixels outside the region count for nothing.

    With `loss_outside_fov` the training's region is the whole image. Nested regions are learnt as maps of their own:
    map k is where the label is k or more. Dice is 1 - 2 sum(p g) / (sum p^2 + sum g^2) over the
    batch, averaged over the classes. The paper's regularisation term is the optimiser's weight decay.

    Args:
        recipe: Says `loss` and `num_classes`.

    Shape:
        logits `(N, K, H, W)`, label `(N, H, W)` of class indices, region `(N, H, W)` bool, to a scalar.

    Reference:
        Section II-D, equations for L_dice and L_loss.

    >>> from cenet.config.presets import load_recipe
    >>> label = torch.ones(1, 2, 2, dtype=torch.int64)
    >>> loss = SegmentationLoss(load_recipe("drive-paper"))
    >>> round(loss(torch.full((1, 1, 2, 2), 50.0), label, torch.ones(1, 2, 2, dtype=torch.bool)).item(), 4)
    0.0
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.sigmoid = recipe.sigmoid
        self.terms = recipe.loss.split("+")
        # The small numbers make two empty maps a Dice of one, instead of zero by zero.
        self.dice = DiceLoss(squared_pred=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5)

    def forward(self, logits: Tensor, label: Tensor, region: Tensor) -> Tensor:
        logits = logits.float()
        losses = {"dice": self._dice, "cross-entropy": self._cross_entropy}
        return torch.stack([losses[term](logits, label, region) for term in self.terms]).sum()

    def _dice(self, logits: Tensor, label: Tensor, region: Tensor) -> Tensor:
        if self.sigmoid:
            probabilities, truth = logits.sigmoid(), _regions(label, logits.shape[1])
        else:
            probabilities = logits.softmax(dim=1)
            truth = F.one_hot(label, logits.shape[1]).movedim(-1, 1).float()
        inside = region[:, None]
        loss: Tensor = self.dice(probabilities * inside, truth * inside)
        return loss

    def _cross_entropy(self, logits: Tensor, label: Tensor, region: Tensor) -> Tensor:
        if self.sigmoid:
            truth = _regions(label, logits.shape[1])
            each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(dim=1)
        else:
            each = F.cross_entropy(logits, label, reduction="none")
        return (each * region).sum() / region.sum().clamp(min=1)


def _regions(label: Tensor, maps: int) -> Tensor:
    """Where the label is 1 or more, 2 or more ...: `(N, H, W)` to `(N, maps, H, W)`, float."""
    levels = torch.arange(1, maps + 1, device=label.device)[:, None, None]
    return (label[:, None] >= levels).float()
