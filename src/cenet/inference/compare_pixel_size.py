"""The size of an image's pixels beside that of the training images."""

from pathlib import Path

from cenet.config.recipe import Recipe
from cenet.data.io.pixel_size import read_pixel_size
from cenet.data.statistics import SAME_PIXEL_SIZE
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
    own, trained = (size.height_mm * 1000, size.width_mm * 1000), facts.pixel_um
    if all(1 / SAME_PIXEL_SIZE <= one / other <= SAME_PIXEL_SIZE for one, other in zip(own, trained, strict=True)):
        return None
    return (
        f"its pixels are {format_pixel_size(own)} in size ({size.source}), those of the training images "
        f"{format_pixel_size(trained)}: the model has not seen structures of this size"
    )


def format_pixel_size(size_um: tuple[float, float]) -> str:
    """Write the size of a pixel, as height x width where the sides differ.

    Args:
        size_um: Height and width in micrometres.

    >>> format_pixel_size((7.5, 7.5)), format_pixel_size((3.87, 11.5)), format_pixel_size((703.125, 703.125))
    ('7.5 µm', '3.87 x 11.5 µm', '703 µm')
    """
    sides = [f"{side:.3g}" for side in size_um]
    return f"{sides[0] if sides[0] == sides[1] else ' x '.join(sides)} µm"
