"""What is done to a mask after the threshold: small pieces are removed and small holes are filled."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from cenet.measurements.areas import EIGHT

Share = Annotated[float, Field(ge=0, le=1)]


class PostProcessing(BaseModel):
    """Which pieces and holes of a mask go, by their share of its largest piece: so it suits images of any size.

    Pixels of a piece touch at a corner at least, those of a hole along a side. A hole that reaches the border of the
    image is none. Of nested regions each is processed, and then cut to the ones around it.

    Args:
        min_piece: Smaller pieces are removed; 0: none, 1: only the largest stays.
        max_hole: Holes that are not larger are filled; 0: none.

    >>> mask = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 0, 0], [1, 1, 1, 0, 1]], np.uint8)
    >>> PostProcessing(min_piece=0.5, max_hole=0.5).apply(mask).tolist()
    [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 0, 0]]
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_piece: Share = 0.0
    max_hole: Share = 0.0

    @property
    def changes_nothing(self) -> bool:
        return not (self.min_piece or self.max_hole)

    def apply(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Process a mask of one class, or of nested ones.

        Args:
            mask: `(H, W)` class indices.
        """
        if self.changes_nothing:
            return mask
        processed, around = np.zeros_like(mask), np.ones(mask.shape, bool)
        for number in range(1, int(mask.max(initial=0)) + 1):
            around = around & self._process_region(mask >= number)
            processed += around
        return processed

    def _process_region(self, region: NDArray[np.bool_]) -> NDArray[np.bool_]:
        pieces, _ = ndimage.label(region, EIGHT)
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        region = (sizes >= self.min_piece * sizes.max())[pieces] & region
        if not self.max_hole:
            return region
        holes, count = ndimage.label(~region)
        is_small = np.bincount(holes.ravel(), minlength=count + 1) <= self.max_hole * sizes.max()
        is_small[0] = False
        for side in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
            is_small[side] = False
        return np.asarray(region | is_small[holes])

    def describe(self) -> str:
        """Say what is done, in words.

        >>> PostProcessing(min_piece=0.01).describe(), PostProcessing(min_piece=1, max_hole=1).describe()
        ('pieces below 1 % of the largest are removed', 'only the largest piece stays, holes are filled')
        """
        steps = []
        if self.min_piece == 1:
            steps.append("only the largest piece stays")
        elif self.min_piece:
            steps.append(f"pieces below {100 * self.min_piece:g} % of the largest are removed")
        if self.max_hole == 1:
            steps.append("holes are filled")
        elif self.max_hole:
            steps.append(f"holes up to {100 * self.max_hole:g} % of the largest piece are filled")
        return ", ".join(steps) or "masks are not post-processed"


class PostProcessingTrial(BaseModel):
    """Whether a step of post-processing helps on images that it was not chosen on.

    Args:
        images: How many images there are.
        dice_before: Their mean Dice without it; None where there are too few images.
        dice_after: With the step that is best on all other images.
        margin: What their difference must exceed.
        kept: Whether it does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    images: Annotated[int, Field(ge=0, le=10**9)]
    dice_before: Share | None = None
    dice_after: Share | None = None
    margin: Annotated[float, Field(ge=0, le=1)] | None = None
    kept: bool = False

    def describe(self) -> str:
        """Say what came out, in words.

        >>> PostProcessingTrial(images=5, dice_before=0.8, dice_after=0.81, margin=0.002, kept=True).describe()
        'kept: Dice of images that were left out 0.8000, with it 0.8100 (must rise by 0.0020)'
        """
        decision = "kept" if self.kept else "not kept"
        if self.dice_before is None:
            return f"{decision}: too few images ({self.images}) to try it on"
        return (
            f"{decision}: Dice of images that were left out {self.dice_before:.4f}, with it {self.dice_after:.4f} "
            f"(must rise by {self.margin:.4f})"
        )


NO_POST_PROCESSING = PostProcessing()


def find_common_post_processing(members: list[PostProcessing]) -> PostProcessing:
    """What the members of an ensemble do at least: what one of them leaves alone is left alone.

    >>> find_common_post_processing([PostProcessing(min_piece=1), PostProcessing(min_piece=0.1, max_hole=1)])
    PostProcessing(min_piece=0.1, max_hole=0.0)
    """
    return PostProcessing(
        min_piece=min(member.min_piece for member in members), max_hole=min(member.max_hole for member in members)
    )
