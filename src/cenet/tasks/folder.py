"""A plain folder of images with masks and regions beside them."""

import re
from collections.abc import Iterable
from pathlib import Path

from cenet.errors import CenetError
from cenet.images import IMAGE_SUFFIXES
from cenet.tasks.sample import Sample

LABEL_ENDINGS = ("", "_mask", "_label", "_labels", "_manual1", "_segmentation", "_seg", "_gt")
REGION_ENDINGS = ("", "_mask", "_region", "_fov")


def read_folder(folder: Path, *, group: str | None = None) -> list[Sample]:
    """List the samples of a folder with `images/`, `masks/` (or `labels/`) and, if you like, `regions/`.

    A label has its image's name, alone or with one of `LABEL_ENDINGS`; a region with one of `REGION_ENDINGS`.
    With `masks/` every image needs a label and every label an image, and the same holds for `regions/`;
    without `masks/` no sample has a label. The samples come in the natural order of their names.

    Args:
        folder: The folder that holds `images/`.
        group: Regular expression searched in each image's name without suffix; its first group, or else the
            whole match, names what a split keeps together (patient, eye or volume). Without it every image is
            a group of its own.

    Raises:
        CenetError: Something is missing, unpaired or ambiguous.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("images/7_L.png", "images/12_L.png", "masks/7_L_gt.png", "masks/12_L.png"):
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         Path(folder, name).touch()
    ...     [(s.name, s.group, s.label.name) for s in read_folder(Path(folder), group="^[0-9]+")]
    [('7_L', '7', '7_L_gt.png'), ('12_L', '12', '12_L.png')]
    """
    check_folder(folder)
    if not (folder / "images").is_dir():
        raise CenetError(f"{folder}: there is no folder images in it; put images into images/ and labels into masks/")
    images: dict[str, Path] = {}
    for path in _files(folder / "images"):
        if path.stem in images:
            raise CenetError(f"{path}: {images[path.stem].name} has the same name; rename or remove one of them")
        images[path.stem] = path
    if not images:
        raise CenetError(f"{folder / 'images'}: there is no image in it; put at least one there")

    masks, labels = folder / "masks", folder / "labels"
    if masks.exists() and labels.exists():
        raise CenetError(f"{folder}: it holds both masks and labels; keep one of them")
    label_of = _paired(images, labels if labels.exists() else masks, LABEL_ENDINGS)
    region_of = _paired(images, folder / "regions", REGION_ENDINGS)
    return [
        Sample(stem, images[stem], label_of.get(stem), region_of.get(stem), group_of(images[stem], group))
        for stem in sorted(images, key=natural)
    ]


def check_folder(folder: Path) -> None:
    """Raise CenetError unless this is a folder.

    >>> check_folder(Path("nowhere"))
    Traceback (most recent call last):
    cenet.errors.CenetError: nowhere: there is no such folder; check the name
    """
    if not folder.exists():
        raise CenetError(f"{folder}: there is no such folder; check the name")
    if not folder.is_dir():
        raise CenetError(f"{folder}: this is a file; a folder is needed here")


def group_of(path: Path, pattern: str | None, *, default: str = "") -> str:
    """Return the group that a regular expression finds in a file's name without suffix.

    Args:
        path: The image file.
        pattern: The expression; its first group, or else the whole match, is the answer.
        default: The answer without an expression.

    Raises:
        CenetError: The expression is invalid, or finds nothing.

    >>> group_of(Path("Image_07L.jpg"), "_([0-9]+)")
    '07'
    """
    if pattern is None:
        return default
    try:
        match = re.search(pattern, path.stem)
    except re.error as error:
        raise CenetError(f"--group {pattern}: this is no regular expression ({error}); mend it") from error
    found = match and match.group(1 if match.re.groups else 0)
    if not found:
        raise CenetError(f"{path}: --group {pattern} finds no group in its name; mend the expression or rename it")
    return found


def natural(name: str) -> tuple[list[str | int], str]:
    """Return a sorting key that puts numbers within names in order.

    >>> sorted(["eye10", "eye9"], key=natural)
    ['eye9', 'eye10']
    """
    parts = re.split(r"(\d+)", name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def listed(names: Iterable[str]) -> str:
    """Return up to five names for a message.

    >>> listed("abcdefg")
    'a, b, c, d, e and 2 more'
    """
    all_names = list(names)
    return ", ".join(all_names[:5]) + (f" and {len(all_names) - 5} more" if len(all_names) > 5 else "")


def _files(folder: Path) -> list[Path]:
    """Return the images in a folder, in order; hidden files and Thumbs.db are skipped, all else is refused."""
    paths = [path for path in folder.iterdir() if path.name[0] != "." and path.name.lower() != "thumbs.db"]
    for path in paths:
        if path.is_dir() or path.suffix.lower() not in IMAGE_SUFFIXES:
            raise CenetError(f"{path}: this is not an image ({', '.join(IMAGE_SUFFIXES)}); move it elsewhere")
    return sorted(paths, key=lambda path: natural(path.name))


def _paired(images: dict[str, Path], folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """Return the file of `folder` that belongs to each image, or nothing where there is no such folder."""
    if not folder.exists():
        return {}
    check_folder(folder)
    found: dict[str, Path] = {}
    unused = []
    for path in _files(folder):
        owners = [path.stem.removesuffix(ending) for ending in endings if path.stem.endswith(ending)]
        owners = [stem for stem in owners if stem in images]
        if len(owners) > 1:
            raise CenetError(f"{path}: it fits the images {' and '.join(owners)}; rename it")
        if not owners:
            unused.append(path.name)
        elif owners[0] in found:
            raise CenetError(f"{path}: {found[owners[0]].name} is for the same image; keep one of them")
        else:
            found[owners[0]] = path
    without = [image.name for stem, image in images.items() if stem not in found]
    if without:
        remedy = "name a file there as the image, or remove the image"
        raise CenetError(f"{folder}: there is no file for {listed(without)}; {remedy}")
    if unused:
        raise CenetError(f"{folder}: there is no image for {listed(unused)}; add the image, or remove the file")
    return found
