"""Augmentation: how a training image is varied, at random but repeatable from a seed."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.data import get_track_meta, set_track_meta
from monai.transforms import (
    CenterSpatialCrop,
    Compose,
    MapTransform,
    Rand2DElasticd,
    RandAffined,
    RandFlipd,
    RandomizableTransform,
    RandRotate90d,
    Transform,
)
from monai.transforms.utils import create_control_grid, create_grid
from monai.utils import fall_back_tuple
from numpy.typing import NDArray

from cenet.config.recipe import Recipe

Augmentation = Callable[[dict[str, Any]], Mapping[Hashable, Any]]  # of `image`, `label` and `region`

KEYS = ("image", "label", "region")
ELASTIC_SPACING_PX = 32  # between the points that an elastic warp moves
ELASTIC_REACH = 3  # standard deviations, which few of the points move farther
DARKEST = "darkest"  # key of the value that is subtracted from an image while it is warped
SHADING_POINTS = 4  # along each side, between which light and shadow change smoothly


def build_augmentation(recipe: Recipe, custom: Augmentation | None = None) -> Compose:
    """Return what a recipe does to a training image: warp, crop, flip, then vary the values.

    It takes and returns a dictionary with `image` (C, H, W), `label` (1, H, W) and `region` (1, H, W), all float32; if
    crops are cut, of any type. What a warp or a crop brings in from outside them is as dark as the image's darkest
    pixel, and belongs to no region.
    `set_random_state(seed)` replays it.

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
        steps.append(RandWindow(side, margin=_warp_margin(recipe, side)))
    if recipe.rotate_deg or recipe.zoom or recipe.translate or recipe.elastic_px:
        shift = 0 if side is not None else round(recipe.translate * recipe.size_px)  # a random crop is a shift already
        warp: dict[str, Any] = {
            "keys": KEYS,
            "spatial_size": (side, side) if side is not None else None,
            "prob": 1.0,
            "rotate_range": np.deg2rad(recipe.rotate_deg),
            "scale_range": (recipe.zoom, recipe.zoom),
            "translate_range": (shift, shift),
            "mode": ("bilinear", "nearest", "nearest"),
            "padding_mode": "zeros",
        }
        bends: dict[str, Any] = {"spacing": (ELASTIC_SPACING_PX,) * 2, "magnitude_range": (0, recipe.elastic_px)}
        warping = RandElastic(**bends, **warp) if recipe.elastic_px else RandAffined(**warp)
        steps += [SubtractDarkest(), warping, AddDarkest()]  # as a warp fills with zeros
    if recipe.flips:
        turns = [] if recipe.horizontal_flip_only else [RandRotate90d(KEYS, prob=0.75, max_k=3)]
        steps += [RandFlipd(KEYS, prob=0.5, spatial_axis=1), *turns]
    values = [RandValues(recipe)]
    return Compose([*steps, *values, custom] if custom else [*steps, *values])


def _warp_margin(recipe: Recipe, side: int) -> int:
    """How far around a crop its warp looks, pixels."""
    reach = (1 + recipe.zoom) * (2**0.5 if recipe.rotate_deg else 1.0) - 1
    return ceil(side * reach / 2 + ELASTIC_REACH * recipe.elastic_px)


class RandWindow(RandomizableTransform, MapTransform):
    """A square at a random place of the image with a margin around it.

    Where either reaches beyond the image, the image is as dark as its darkest pixel, and label and region are 0. An
    image that is smaller than the square lies in its middle.

    Args:
        side: Of the square, pixels.
        margin: On each side of it, pixels.

    >>> item = {key: np.ones((1, 5, 9), np.uint8) for key in KEYS}
    >>> window = RandWindow(4, margin=3)(item)["region"]
    >>> window.shape, window.dtype, int(window[0].any(1).sum()), float(window[0, 3:7, 3:7].min())
    ((1, 10, 10), dtype('float32'), 5, 1.0)
    """

    def __init__(self, side: int, *, margin: int = 0) -> None:
        MapTransform.__init__(self, KEYS)
        RandomizableTransform.__init__(self, prob=1.0)
        self.side, self.margin = side, margin

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        starts = [self._draw_start(size) for size in data["image"].shape[-2:]]
        arrays = {key: np.asarray(data[key]) for key in KEYS}
        return {**data, **{key: self._cut(array, starts, key == "image") for key, array in arrays.items()}}

    def _draw_start(self, size: int) -> int:
        rest = size - self.side
        return (self.R.randint(rest + 1) if rest > 0 else rest // 2) - self.margin

    def _cut(self, array: NDArray[Any], starts: Sequence[int], fill_with_darkest: bool) -> NDArray[np.float32]:
        side = self.side + 2 * self.margin
        window = np.full((len(array), side, side), array.min() if fill_with_darkest else 0, np.float32)
        inner, outer = zip(*(_overlap(*pair, side) for pair in zip(starts, array.shape[-2:], strict=True)), strict=True)
        window[:, *inner] = array[:, *outer]
        return window


def _overlap(start: int, size: int, side: int) -> tuple[slice, slice]:
    """Where a window and an axis of an image meet, in the window and in the image.

    >>> _overlap(-2, 5, 4)
    (slice(2, 4, None), slice(0, 2, None))
    """
    low, high = max(start, 0), min(start + side, size)
    return slice(low - start, high - start), slice(low, high)


class SubtractDarkest(MapTransform):
    """Subtract an image's darkest value, which `AddDarkest` adds again."""

    def __init__(self) -> None:
        super().__init__(("image",))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image = torch.as_tensor(data["image"])
        darkest = image.min()
        return {**data, "image": image - darkest, DARKEST: darkest}


class AddDarkest(MapTransform):
    """Undo `SubtractDarkest`."""

    def __init__(self) -> None:
        super().__init__(("image",))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        darkest = data[DARKEST]
        return {key: value for key, value in data.items() if key != DARKEST} | {"image": data["image"] + darkest}


class RandElastic(Rand2DElasticd):
    """MONAI's elastic warp, whose displacements alone are interpolated.

    MONAI interpolates places instead, by a kernel that does not keep a straight line straight, which adds the same
    ripple of 1.5 px to every warp.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        warp, item = self.rand_2d_elastic, dict(data)
        size = fall_back_tuple(warp.spatial_size, item["image"].shape[1:])
        warp.randomize(size)
        spacing = (ELASTIC_SPACING_PX,) * 2
        moves = warp.deform_grid(spatial_size=size) - create_control_grid(size, spacing, backend="torch")
        moves = F.interpolate(moves[None], scale_factor=spacing, mode="bicubic", align_corners=False)[0]
        grid = create_grid(size, backend="torch") + CenterSpatialCrop(size)(moves)
        grid = warp.rand_affine_grid(grid=grid)
        for key, mode, padding_mode in self.key_iterator(item, self.mode, self.padding_mode):
            item[key] = warp.resampler(item[key], grid, mode=mode, padding_mode=padding_mode)
        return item


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
            shade = F.interpolate(points, unit.shape[1:], mode="bicubic", align_corners=True)[0]
            unit = unit * shade.clamp(1 - self.recipe.shading, 1 + self.recipe.shading)  # splines overshoot
        return {**data, "image": unit * (high - low) + low}
