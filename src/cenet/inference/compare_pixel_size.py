"""The size of an image's pixels beside that of the training images."""

import math
from pathlib import Path

from cenet.config.recipe import Recipe
from cenet.data.io.limits import ImageTooLargeError, check_size, check_size_in_parts
from cenet.data.io.pixel_size import format_pixel_size, read_pixel_size
from cenet.data.statistics import SAME_PIXEL_SIZE
from cenet.errors import CenetError
from cenet.inference.run_metadata import RunMetadata


def describe_other_pixel_size(path: Path, recipe: Recipe, facts: RunMetadata) -> str | None:
    """Say that an image's pixels have another size than those of the training images; None where that is not known.

    It does not matter to a recipe that brings every image to one size.

    Args:
        path: The image's file.
        recipe: Of the run.
        facts: Of the run.
    """
    if facts.pixel_um is None or recipe.resize_mode != "native":
        return None
    size = read_pixel_size(path)
    if size is None:
        return None
    own, trained = size.um, facts.pixel_um
    if all(1 / SAME_PIXEL_SIZE <= one / other <= SAME_PIXEL_SIZE for one, other in zip(own, trained, strict=True)):
        return None
    return (
        f"its pixels are {format_pixel_size(own)} in size ({size.source}), those of the training images "
        f"{format_pixel_size(trained)}: the model has not seen structures of this size"
    )


def check_matchable(
    subject: Path | str, resize_mode: str, trained_um: tuple[float, float] | None
) -> tuple[float, float]:
    """The pixel size of the training images, where images can be resampled to it.

    Args:
        subject: What an error is about.
        resize_mode: Of the recipe.
        trained_um: Height and width of a pixel of the training images in micrometres, where they are known.

    Raises:
        CenetError: The recipe brings images to one size whatever their pixels are, or the size is not known.
    """
    remedy = "leave out --match-pixel-size (in Python match_pixel_size and pixel_um)"
    if resize_mode != "native":
        cause = f"brings images to one size in pixels (--resize-mode {resize_mode}), whatever the size of a pixel is"
        raise CenetError(subject, cause, remedy)
    if trained_um is None:
        cause = "does not know the size of the pixels of its training images, as they did not all state nearly the same"
        raise CenetError(subject, cause, remedy)
    return trained_um


def find_zoom(
    shape: tuple[int, ...],
    own_um: tuple[float, float],
    trained_um: tuple[float, float],
    *,
    name: str,
    in_parts: bool = False,
) -> tuple[float, float]:
    """By which factors an image changes its height and width so that its pixels are those of the training images.

    Args:
        shape: Of the image, height and width first.
        own_um: Height and width of its pixels in micrometres.
        trained_um: Those of the training images.
        name: What errors call it.
        in_parts: Whether it is never in memory as a whole.

    Raises:
        CenetError: Its pixels have no size, or it becomes larger than images may be.

    >>> find_zoom((100, 200), (5, 10), (10, 10), name="scan.tif")
    (0.5, 1.0)
    """
    if not all(0 < side < math.inf for side in own_um):
        raise CenetError(name, f"pixels cannot have the size {own_um[0]} x {own_um[1]} µm", "state the true size")
    zoom = own_um[0] / trained_um[0], own_um[1] / trained_um[1]
    height, width = (int(min(side * factor, 1e9)) for side, factor in zip(shape, zoom, strict=False))
    try:
        if in_parts:
            check_size_in_parts(Path(name), width=width, height=height, pixel_bytes=4)
        else:
            check_size(Path(name), width=width, height=height)
    except ImageTooLargeError as error:
        cause = f"with pixels of the size of those of the training images, {error.cause}"
        raise CenetError(name, cause, "check the size of its pixels, or cut it into parts") from error
    return zoom
