"""Measure masks in files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cenet.data.field_of_view import find_field_of_view
from cenet.data.io.pixel_size import format_pixel_size, read_pixel_size
from cenet.data.io.read import keep_decoded_labels, read_image
from cenet.data.labels.encoding import default_names
from cenet.data.labels.layer_maps import layer_names
from cenet.datasets.mask_classes import find_mask_classes
from cenet.datasets.mask_files import find_image_of, list_masks, name_apart
from cenet.errors import CenetError
from cenet.measurements import Kind, MaskToMeasure, measure_mask
from cenet.measurements.measure import TOO_FEW_LAYERS, has_kind

KEEP_BYTES = 250_000_000  # of decoded masks, which are read twice


def measure_files(
    paths: Sequence[Path],
    kind: Kind,
    *,
    images: Path | None = None,
    pixel_um: tuple[float, float] | None = None,
) -> list[dict[str, str | float]]:
    """Measure masks, a row for each; a row begins with the name of its mask.

    What the values of masks mean is decided once, for all of the call. Of the files that `cenet predict` writes into a
    folder, the masks are measured.

    Args:
        paths: Masks, and folders of them.
        kind: What they show.
        images: A folder with their images, for the size of a pixel and the field of view, see
            `cenet.datasets.mask_files.find_image_of`.
        pixel_um: Height and width of a pixel in micrometres; None: those that the file of the image states, or else
            that of the mask, if any.

    Raises:
        CenetError: There is no mask, one cannot be read, is no mask or not of this kind, or has no image of its size.
    """
    masks = list_masks(paths)
    rows: list[dict[str, str | float]] = []
    with keep_decoded_labels(KEEP_BYTES):
        classes = find_mask_classes(masks, nested=kind == "disc")
        names = _name_classes(masks, kind, classes.count)
        for path, name in zip(masks, name_apart(masks), strict=True):
            values = classes.read(path)
            region, size_um = None, pixel_um
            if images:
                image, page = find_image_of(path, images)
                pixels = _read_image(image, page, values.shape)
                region = find_field_of_view(pixels, name=str(image)) if kind == "vessels" else None
                size_um = size_um or _read_pixel_um(image)
            size_um = size_um or _read_pixel_um(path)
            mask = MaskToMeasure(values, names, nested=kind == "disc", pixel_um=size_um, region=region)
            size = format_pixel_size(size_um) if size_um else ""
            rows.append({"mask": name, "pixel_size": size, **measure_mask(mask, kind)})
    return rows


def _read_pixel_um(path: Path) -> tuple[float, float] | None:
    size = read_pixel_size(path)
    return size.um if size else None


def _name_classes(masks: Sequence[Path], kind: Kind, count: int) -> tuple[str, ...]:
    if kind == "disc":
        if count > 2:
            raise CenetError(masks[0], f"it and the others hold {count} classes", "save 0, 1 (disc) and 2 (cup)")
        return ("disc", "cup")[:count]
    if not has_kind(kind, count):
        raise CenetError(masks[0], TOO_FEW_LAYERS, "save an index for each layer, and one for what lies below")
    return layer_names(count) if kind == "layers" else default_names(count)


def _read_image(path: Path, page: int | None, shape: tuple[int, ...]) -> NDArray[Any]:
    image = read_image(path, page=page)
    if image.shape[:2] != shape:
        raise CenetError(path, f"is {image.shape[:2]} where its mask is {shape}", "name the images of these masks")
    return image
