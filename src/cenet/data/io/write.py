"""Write masks, overlays and probability maps, so that a person can judge them and a program can read them."""

import colorsys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cenet.data.io.files import atomic_write
from cenet.errors import CenetError

Target = Path | IO[bytes]  # a file to write or replace, or one that is open

# Twenty colours far apart in CIELAB and visible on black, grey and orange grounds.
_COLOURS = bytes.fromhex(
    "00eeff ffaa00 ff3355 7700ff 00ff00 0077ee 007700 ff33cc ddff66 00ffaa"
    "ffaaee 775500 ffaa88 993366 aabb77 66bbff 8833bb ff5500 008866 aa4433"
)
_TRUE_POSITIVE, _FALSE_POSITIVE, _FALSE_NEGATIVE = (0, 220, 130), (255, 230, 0), (60, 150, 255)


def write_mask(target: Target, mask: NDArray[Any], *, num_classes: int = 1, colours: Sequence[str] = ()) -> None:
    """Write class indices as PNG: binary as grey 0 and 255, else a palette whose index is the class.

    Args:
        target: The PNG file to write or replace, or a file that is open for writing.
        mask: Class indices (H, W).
        num_classes: 1 for a binary mask; otherwise with the background.
        colours: As for `class_colours`.

    Raises:
        CenetError: The file cannot be written.

    >>> import tempfile
    >>> from cenet.data.io.read import read_label
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "layers.png")
    ...     write_mask(path, np.array([[0, 1, 2]], np.uint8), num_classes=3)
    ...     read_label(path)
    array([[0, 1, 2]], dtype=uint8)
    """
    values = _checked_mask(mask, max(num_classes, 2))
    image = Image.fromarray(values * np.uint8(255) if num_classes == 1 else values)
    if num_classes > 1:
        image.putpalette(class_colours(num_classes, colours).tobytes())
    with _open_target(target, ".png") as file:
        image.save(file, "PNG")


def write_overlay(
    target: Target,
    image: NDArray[Any],
    mask: NDArray[Any],
    *,
    label: NDArray[Any] | None = None,
    colours: Sequence[str] = (),
) -> None:
    """Write an `overlay` as 8-bit RGB PNG.

    Args:
        target: The PNG file to write or replace, or a file that is open for writing.
        image: The image (H, W, C).
        mask: Class indices (H, W) of the prediction.
        label: Class indices (H, W) of the truth.
        colours: As for `class_colours`.

    Raises:
        CenetError: The file cannot be written.

    >>> import tempfile
    >>> from cenet.data.io.read import read_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "overlay.png")
    ...     write_overlay(path, np.zeros((2, 2, 1), np.uint8), np.eye(2, dtype=np.uint8))
    ...     read_image(path)[0].tolist()
    [[0, 238, 255], [0, 0, 0]]
    """
    drawn = overlay(image, mask, label=label, colours=colours)
    with _open_target(target, ".png") as file:
        Image.fromarray(drawn).save(file, "PNG", compress_level=4)  # as small as 6, the default, in 40 % of the time


def overlay(
    image: NDArray[Any], mask: NDArray[Any], *, label: NDArray[Any] | None = None, colours: Sequence[str] = ()
) -> NDArray[np.uint8]:
    """Draw a mask over its image, so that a person can judge it.

    Areas are tinted and outlined in `class_colours`; a thin vessel is all outline. With a label the colours
    tell right from wrong: true positive bluish green, false positive (or a wrong class) yellow, false
    negative sky blue, which colour-blind eyes can tell apart on red photographs and on grey slices. 8 bits
    are shown as they are, other images stretched between their percentiles 0.5 and 99.5. Unless there are
    three channels the first is shown as grey. Where the label is 255, which is unannotated, nothing is shown.

    Args:
        image: The image (H, W, C).
        mask: Class indices (H, W) of the prediction.
        label: Class indices (H, W) of the truth.
        colours: As for `class_colours`.

    Shape:
        (H, W, 3).

    >>> overlay(np.zeros((1, 2, 1), np.uint8), np.array([[1, 0]]), label=np.array([[0, 1]])).tolist()
    [[[255, 230, 0], [60, 150, 255]]]
    """
    shown, table, tint = _checked_mask(mask, 256), class_colours(256, colours), 0.4
    if label is not None:
        truth = _checked_mask(label, 256)
        right = (shown > 0) & (shown == truth)
        tint = 0.6
        shown = np.select([truth == 255, right, shown > 0, truth > 0], [0, 1, 2, 3], 0)
        table = np.array([(0, 0, 0), _TRUE_POSITIVE, _FALSE_POSITIVE, _FALSE_NEGATIVE], np.uint8)
    opacity = np.where(shown > 0, np.where(_outline(shown), 1.0, tint), 0.0)[..., None]
    blended = _displayed(image) * (1 - opacity) + table[shown] * opacity
    return np.asarray(np.rint(blended), np.uint8)


def write_probability(target: Target, probabilities: NDArray[Any]) -> None:
    """Write probabilities as a float32 TIFF with one page per class.

    Args:
        target: The .tif or .tiff file to write or replace, or a file that is open for writing.
        probabilities: Maps (K, H, W), classes first.

    Raises:
        CenetError: The file cannot be written.

    >>> import tempfile, tifffile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "probability.tif")
    ...     write_probability(path, np.full((2, 3, 4), 0.5))
    ...     tifffile.imread(path).shape
    (2, 3, 4)
    """
    import tifffile

    maps = np.asarray(probabilities, np.float32)
    if maps.ndim != 3 or not np.isfinite(maps).all():
        raise ValueError(f"probabilities must be finite and of shape (K, H, W), not {maps.shape}")
    with _open_target(target, ".tif", ".tiff") as file:
        tifffile.imwrite(file, maps, photometric="minisblack", compression="zlib", metadata={"axes": "CYX"})


def write_boundaries(target: Target, rows: NDArray[Any]) -> None:
    """Write the boundaries between layers as the float32 array that the reader of OCT takes for a label.

    Args:
        target: The .npy file to write or replace, or a file that is open for writing.
        rows: Row of each boundary, from the top down, in every column (K - 1, W).

    Raises:
        CenetError: The file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "boundaries.npy")
    ...     write_boundaries(path, np.array([[3.5, 4], [7, 7.25]]))
    ...     np.load(path).tolist()
    [[3.5, 4.0], [7.0, 7.25]]
    """
    with _open_target(target, ".npy") as file:
        np.save(file, np.asarray(rows, np.float32), allow_pickle=False)


def class_colours(num_classes: int, colours: Sequence[str] = ()) -> NDArray[np.uint8]:
    """Return the RGB colour of every class: black for 0, twenty well-separated ones, then generated ones.

    Args:
        num_classes: How many, at most 256.
        colours: Of the first foreground classes, as "#rrggbb", instead of those.

    Shape:
        (num_classes, 3).

    >>> class_colours(2).tolist()
    [[0, 0, 0], [0, 238, 255]]
    """
    table = [(0.0, 0.0, 0.0), *zip(*[iter(_COLOURS)] * 3, strict=True)]
    for index in range(len(table), num_classes):
        # steps of the golden ratio spread the hues; three levels of brightness tell neighbours apart
        rgb = colorsys.hsv_to_rgb(index * 0.618034 % 1, 0.85, (1.0, 0.8, 0.6)[index % 3])
        table.append((255 * rgb[0], 255 * rgb[1], 255 * rgb[2]))
    for index, colour in enumerate(colours, start=1):
        table[index] = tuple(float(part) for part in bytes.fromhex(colour.removeprefix("#")))
    return np.array(table[:num_classes]).astype(np.uint8)


def hex_colours(count: int, colours: Sequence[str] = ()) -> list[str]:
    """Return the colours of foreground classes as "#rrggbb".

    Args:
        count: How many classes.
        colours: Of the first of them, instead of the usual ones.

    >>> hex_colours(2, ["#ff0000"])
    ['#ff0000', '#ffaa00']
    """
    return [f"#{bytes(colour).hex()}" for colour in class_colours(count + 1, colours)[1:]]


def _checked_mask(mask: NDArray[Any], classes: int) -> NDArray[np.uint8]:
    if mask.ndim != 2 or not np.isin(mask, range(classes)).all():
        raise ValueError(f"a mask must have the shape (H, W) and values below {classes}")
    return mask.astype(np.uint8)


def _outline(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels that have a neighbour (of four) of another class."""
    wide = np.pad(mask, 1, mode="edge")
    neighbours = wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]
    differs: NDArray[np.bool_] = np.any([mask != neighbour for neighbour in neighbours], axis=0)
    return differs


def _displayed(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image (H, W, 1 or 3) as it is shown, with values 0..255."""
    shown = image if image.shape[2] == 3 else image[..., :1]
    if image.dtype == np.uint8:
        return shown
    stretched: NDArray[Any] = np.interp(shown, np.percentile(shown, (0.5, 99.5)), (0, 255))
    return stretched


@contextmanager
def _open_target(target: Target, *suffixes: str) -> Iterator[IO[bytes]]:
    """Open a file by its path, which must end in one of these; an open file is used as it is."""
    if not isinstance(target, Path):
        yield target
        return
    if target.suffix.lower() not in suffixes:
        raise CenetError(target, f"the name must end in {suffixes[0]}, the only format written", "rename it")
    with atomic_write(target) as file:
        yield file
