"""Measure masks in files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.field_of_view import find_field_of_view
from cenet.data.io.read import IMAGE_SUFFIXES, read_image, read_label
from cenet.errors import CenetError
from cenet.measurements import Kind, MaskToMeasure, measure_mask

MASK_ENDING = "_mask"  # of what `cenet predict` writes
OTHER_ENDINGS = ("_overlay", "_probability", "_uncertainty")  # and what it writes beside


def measure_files(
    paths: Sequence[Path],
    kind: Kind,
    *,
    images: Path | None = None,
    pixel_um: tuple[float, float] | None = None,
) -> list[dict[str, str | float]]:
    """Measure masks, a row for each; a row begins with the name of its mask.

    Masks hold 0 and one other value, or class indices. Of the files that `cenet predict` writes into a folder, the
    masks are measured.

    Args:
        paths: Masks, and folders of them.
        kind: What they show.
        images: A folder with their images, for the field of view; of `a_mask.png` the image `a` of any format.
        pixel_um: Height and width of a pixel in micrometres, where they are known.

    Raises:
        CenetError: There is no mask, one cannot be read or is no mask, or has no image of its size.
    """
    masks = [mask for path in paths for mask in (_list_masks(path) if path.is_dir() else [path])]
    if not masks:
        raise CenetError("measure", "no mask is named", "name a mask, or a folder of masks")
    rows: list[dict[str, str | float]] = []
    for path in masks:
        classes = read_class_indices(path)
        count = 2 if kind == "disc" else max(int(classes.max()), 1)
        if kind == "disc" and classes.max() > count:
            raise CenetError(path, f"holds class {classes.max()}", "a mask of the disc has 0, 1 (disc) and 2 (cup)")
        names = _name_classes(kind, count)
        region = _find_region(path, images, classes.shape) if images and kind == "vessels" else None
        mask = MaskToMeasure(classes, names, nested=kind == "disc", pixel_um=pixel_um, region=region)
        rows.append({"mask": path.name, **measure_mask(mask, kind)})
    return rows


def read_class_indices(path: Path) -> NDArray[np.uint8]:
    """Read a mask as class indices; one of 0 and one other value has one class.

    Raises:
        CenetError: It cannot be read, or is no mask.
    """
    values = read_label(path)
    levels = np.unique(values)
    if values.ndim != 2 or levels[0] < 0 or levels[-1] > 255 or (levels != levels.astype(np.uint8)).any():
        raise CenetError(path, "is no mask of class indices", "save 0 for the background, and 1, 2, ... as grey PNG")
    if levels.size <= 2 and levels[0] == 0 and levels[-1] > 2:
        return np.asarray(values > 0, np.uint8)
    if levels[-1] >= 2 * levels.size + 8:
        cause = f"its values go up to {levels[-1]} in {levels.size} levels, which are no class indices"
        raise CenetError(path, cause, "save the classes as 0, 1, 2, ... in grey PNG")
    return np.asarray(values, np.uint8)


def _name_classes(kind: Kind, count: int) -> tuple[str, ...]:
    if kind == "disc":
        return "disc", "cup"
    if kind == "layers":
        return (*(f"layer {number}" for number in range(1, count)), "below")
    return ("foreground",) if count == 1 else tuple(f"class {number}" for number in range(1, count + 1))


def _list_masks(folder: Path) -> list[Path]:
    """The masks of a folder: those called so, or else every image but what is written beside masks."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".")
    named = [path for path in files if path.stem.endswith(MASK_ENDING)]
    pngs = {path.stem for path in named if path.suffix.lower() == ".png"}
    named = [path for path in named if path.suffix.lower() == ".png" or path.stem not in pngs]  # not in two formats
    masks = named or [path for path in files if not path.stem.endswith(OTHER_ENDINGS)]
    if not masks:
        raise CenetError(folder, "holds no mask", "name a folder that does")
    return masks


def _find_region(mask: Path, images: Path, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    stem = mask.stem.removesuffix(MASK_ENDING)
    matches = [path for path in sorted(images.iterdir()) if stem in (path.stem, path.name) and path != mask]
    matches = [path for path in matches if path.suffix.lower() in IMAGE_SUFFIXES]
    if not matches:
        raise CenetError(mask, f"has no image {stem} in {images}", "add it, or leave out --images")
    image: NDArray[Any] = read_image(matches[0])
    if image.shape[:2] != shape:
        raise CenetError(
            matches[0], f"is {image.shape[:2]} where its mask is {shape}", "name the images of these masks"
        )
    return find_field_of_view(image, name=str(matches[0]))
