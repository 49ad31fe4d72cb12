"""Augmentation: how a training image is varied, at random but repeatable from a seed."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.data import get_track_meta, set_track_meta
from monai.transforms import (
    Compose,
    MapTransform,
    Rand2DElasticd,
    RandAffined,
    RandFlipd,
    RandomizableTransform,
    RandRotate90d,
    RandSpatialCropd,
    SpatialPadd,
    Transform,
)

from cenet.config.recipe import Recipe

Augmentation = Callable[[dict[str, Any]], Mapping[Hashable, Any]]  # of `image`, `label` and `region`

KEYS = ("image", "label", "region")
ELASTIC_SPACING_PX = 32  # between the points that an elastic warp moves
SHADING_POINTS = 4  # along each side, between which light and shadow change smoothly


def build_augmentation(recipe: Recipe, custom: Augmentation | None = None) -> Compose:
    """Return what a recipe does to a training image: warp, crop, flip, then vary the values.

    It takes and returns a dictionary with `image` (C, H, W), `label` (1, H, W) and `region` (1, H, W), all float32;
    what a warp or a crop brings in from outside them belongs to no region. `set_random_state(seed)` replays it.

    Args:
        recipe: Says how strong each of them is.
        custom: A transform of the user that follows.

    >>> from cenet.config.presets import load_recipe
    >>> item = {key: torch.ones(1, 64, 64) for key in KEYS}
    >>> tuple(build_augmentation(load_recipe("drive").replace(crop_px=32))(item)["image"].shape)
    (1, 32, 32)
    """
    side = recipe.crop_px
    steps: list[Transform] = []
    if side is not None:
        # Warping a crop with room around it costs less than warping the whole image.
        room = round(side * (1 + recipe.zoom) * (1.4 if recipe.rotate_deg else 1.0))
        steps.append(RandSpatialCropd(KEYS, (room, room), random_size=False))
    if recipe.rotate_deg or recipe.zoom or recipe.translate or recipe.elastic_px:
        shift = 0 if side is not None else round(recipe.translate * recipe.size_px)  # a random crop is a shift already
        warp: dict[str, Any] = {
            "keys": KEYS,
            "prob": 1.0,
            "rotate_range": np.deg2rad(recipe.rotate_deg),
            "scale_range": (recipe.zoom, recipe.zoom),
            "translate_range": (shift, shift),
            "mode": ("bilinear", "nearest", "nearest"),
            "padding_mode": "zeros",
        }
        if recipe.elastic_px:
            bends = (0, recipe.elastic_px)
            steps.append(Rand2DElasticd(spacing=(ELASTIC_SPACING_PX,) * 2, magnitude_range=bends, **warp))
        else:
            steps.append(RandAffined(**warp))
    if side is not None:
        steps += [
            SpatialPadd(KEYS, (side, side), mode="constant"),
            RandSpatialCropd(KEYS, (side, side), random_size=False),
        ]
    if recipe.flips:
        turns = [] if recipe.horizontal_flip_only else [RandRotate90d(KEYS, prob=0.75, max_k=3)]
        steps += [RandFlipd(KEYS, prob=0.5, spatial_axis=1), *turns]
    values = [RandValues(recipe)]
    return Compose([*steps, *values, custom] if custom else [*steps, *values])


@contextmanager
def without_meta_tracking() -> Iterator[None]:
    """Let MONAI's transforms compute on plain tensors.

    They would otherwise record where each pixel came from, which is not used, and take up to three times as long.
    """
    was_tracking = get_track_meta()
    set_track_meta(False)
    try:
        yield
    finally:
        set_track_meta(was_tracking)


class RandValues(RandomizableTransform, MapTransform):
    """Random gamma, brightness, colour and shading of the image, relative to its own range of values.

    >>> from cenet.config.presets import load_recipe
    >>> tuple(RandValues(load_recipe("drive"))({"image": torch.zeros(3, 4, 4)})["image"].shape)
    (3, 4, 4)
    """

    def __init__(self, recipe: Recipe) -> None:
        MapTransform.__init__(self, ("image",))
        RandomizableTransform.__init__(self, prob=1.0)
        self.recipe = recipe

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        def around_one(spread: float, size: tuple[int, ...] = ()) -> torch.Tensor:
            return torch.as_tensor(self.R.uniform(1 - spread, 1 + spread, size), dtype=torch.float32)

        image = torch.as_tensor(data["image"])
        low, high = image.min(), image.max()
        unit = (image - low) / (high - low).clamp(min=1e-6)
        unit = unit ** around_one(self.recipe.gamma)
        unit = unit * around_one(self.recipe.brightness) * around_one(self.recipe.channel_jitter, (len(image), 1, 1))
        if self.recipe.shading:
            points = around_one(self.recipe.shading, (1, 1, SHADING_POINTS, SHADING_POINTS))
            unit = unit * F.interpolate(points, unit.shape[1:], mode="bicubic", align_corners=True)[0]
        return {**data, "image": unit * (high - low) + low}
