"""Measure masks in files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cenet.data.field_of_view import find_field_of_view
from cenet.data.io.read import read_image, read_label
from cenet.datasets.mask_files import find_image_of, list_masks, name_apart
from cenet.errors import CenetError
from cenet.measurements import Kind, MaskToMeasure, measure_mask


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
        images: A folder with their images, for the field of view, see `cenet.datasets.mask_files.find_image_of`.
        pixel_um: Height and width of a pixel in micrometres, where they are known.

    Raises:
        CenetError: There is no mask, one cannot be read or is no mask, or has no image of its size.
    """
    masks = list_masks(paths)
    rows: list[dict[str, str | float]] = []
    for path, name in zip(masks, name_apart(masks), strict=True):
        classes = read_class_indices(path)
        count = 2 if kind == "disc" else max(int(classes.max()), 1)
        if kind == "disc" and classes.max() > count:
            raise CenetError(path, f"holds class {classes.max()}", "a mask of the disc has 0, 1 (disc) and 2 (cup)")
        names = _name_classes(kind, count)
        region = _find_region(path, images, classes.shape) if images and kind == "vessels" else None
        mask = MaskToMeasure(classes, names, nested=kind == "disc", pixel_um=pixel_um, region=region)
        rows.append({"mask": name, **measure_mask(mask, kind)})
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


def _find_region(mask: Path, images: Path, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    path, page = find_image_of(mask, images)
    image = read_image(path, page=page)
    if image.shape[:2] != shape:
        raise CenetError(path, f"is {image.shape[:2]} where its mask is {shape}", "name the images of these masks")
    return find_field_of_view(image, name=str(path))
