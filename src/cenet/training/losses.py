"""Losses: the paper's Dice with squared denominators, cross-entropy, their sum, and gaps in thin structures."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from scipy import ndimage
from torch import Tensor, nn

from cenet.config.recipe import Recipe

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # from logits, label and region to a scalar

TINY = 1e-5  # makes two empty maps a Dice of one, instead of zero by zero
NEIGHBOURS_8 = np.ones((1, 3, 3), bool)  # pixels of one map that touch, at corners too


class SegmentationLoss(nn.Module):
    """The loss that a recipe names; pixels outside the region count for nothing.

    With `loss_outside_fov` the training's region is the whole image. Nested regions are learnt as maps of their own:
    map k is where the label is k or more. Dice is 1 - 2 sum(p g) / (sum p^2 + sum g^2) over the
    batch, averaged over the classes. The paper's regularisation term is the optimiser's weight decay.

    `gap_weight` adds skeleton recall: 1 - sum(p s) / sum(s), where s is 1 on the centre lines of a foreground class and
    beside them. There a gap in a membrane, which merges two cells, costs as much as it is long, however thin the
    membrane is. Centre lines are drawn in each crop as it is, after augmentation, so that where a structure leaves the
    crop they end up to half its width earlier than those of the whole image.

    Args:
        recipe: Says `loss`, `gap_weight` and `num_classes`.

    Shape:
        logits `(N, K, H, W)`, label `(N, H, W)` of class indices, region `(N, H, W)` bool, to a scalar.

    Reference:
        Section II-D, equations for L_dice and L_loss. Skeleton recall: Kirchhoff et al., Skeleton Recall Loss for
        Connectivity Conserving and Resource Efficient Segmentation of Thin Tubular Structures, ECCV 2024.

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
        self.gap_weight = recipe.gap_weight
        self.dice = DiceLoss(squared_pred=True, batch=True, smooth_nr=TINY, smooth_dr=TINY)

    def forward(self, logits: Tensor, label: Tensor, region: Tensor) -> Tensor:
        logits = logits.float()
        losses = {"dice": self._dice, "cross-entropy": self._cross_entropy}
        loss = torch.stack([losses[term](logits, label, region) for term in self.terms]).sum()
        return loss + self.gap_weight * self._missed_centre_lines(logits, label, region) if self.gap_weight else loss

    def _dice(self, logits: Tensor, label: Tensor, region: Tensor) -> Tensor:
        probabilities, truth = self._inside(logits, label, region)
        loss: Tensor = self.dice(probabilities, truth)
        return loss

    def _missed_centre_lines(self, logits: Tensor, label: Tensor, region: Tensor) -> Tensor:
        probabilities, truth = self._inside(logits, label, region)
        if not self.sigmoid:
            probabilities, truth = probabilities[:, 1:], truth[:, 1:]  # the background has no centre line
        lines = _draw_centre_lines(truth)
        hits, lengths = (probabilities * lines).sum(dim=(0, 2, 3)), lines.sum(dim=(0, 2, 3))
        return (1 - (hits + TINY) / (lengths + TINY)).mean()

    def _inside(self, logits: Tensor, label: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities and truth of each map, `(N, K, H, W)`, zero outside the region."""
        if self.sigmoid:
            probabilities, truth = logits.sigmoid(), _regions(label, logits.shape[1])
        else:
            probabilities = logits.softmax(dim=1)
            truth = F.one_hot(label, logits.shape[1]).movedim(-1, 1).float()
        inside = region[:, None]
        return probabilities * inside, truth * inside

    def _cross_entropy(self, logits: Tensor, label: Tensor, region: Tensor) -> Tensor:
        if self.sigmoid:
            truth = _regions(label, logits.shape[1])
            per_pixel = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(dim=1)
        else:
            per_pixel = F.cross_entropy(logits, label, reduction="none")
        return (per_pixel * region).sum() / region.sum().clamp(min=1)


def _regions(label: Tensor, maps: int) -> Tensor:
    """Where the label is 1 or more, 2 or more ...: `(N, H, W)` to `(N, maps, H, W)`, float."""
    levels = torch.arange(1, maps + 1, device=label.device)[:, None, None]
    return (label[:, None] >= levels).float()


def _draw_centre_lines(truth: Tensor) -> Tensor:
    """The centre lines of maps of 0 and 1, three pixels wide but inside the maps: `(N, K, H, W)` to the same."""
    from skimage.morphology import skeletonize

    maps = truth.flatten(0, 1).cpu().numpy() > 0
    lines = np.stack([skeletonize(one) for one in maps])
    wide = ndimage.binary_dilation(lines, NEIGHBOURS_8) & maps
    return torch.from_numpy(wide).to(truth).view_as(truth)
