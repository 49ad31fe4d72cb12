"""A plain folder of images with masks and regions beside them."""

import re
from collections.abc import Iterable
from pathlib import Path

from cenet.datasets.spec import DatasetSpec
from cenet.data.io.read import IMAGE_SUFFIXES
from cenet.data.sample import Sample
from cenet.errors import CenetError

LABEL_ENDINGS = ("", "_mask", "_label", "_labels", "_manual1", "_segmentation", "_seg", "_gt")
REGION_ENDINGS = ("", "_mask", "_region", "_fov")


def read_folder(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List the samples of a folder with `images/`, `masks/` (or `labels/`) and, if you like, `regions/`.

    A label has its image's name, alone or with one of `LABEL_ENDINGS`; a region with one of `REGION_ENDINGS`.
    Every label needs an image; an image without one has no label. With `regions/` every image needs a region. In
    place of files, `masks/` may hold a folder for each class, and then a labelled image needs a file in each.
    The samples come in the natural order of their names.

    Without `images/`, each folder of `folder` is a sample: one image in its own `images/`, and in its `masks/` one
    file for each object.

    Args:
        folder: The folder that holds `images/`, or a folder for each image.
        group_pattern: Regular expression searched in each image's name without suffix; its first group, or else the
            whole match, names what a split keeps together (patient, eye or volume). Without it every image is
            a group of its own.

    Raises:
        CenetError: Something is missing, unpaired or ambiguous.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("images/7_L.png", "images/12_L.png", "masks/7_L_gt.png", "masks/12_L.png"):
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         Path(folder, name).touch()
    ...     [(s.name, s.group, s.label[0].name) for s in read_folder(Path(folder), group="^[0-9]+")]
    [('7_L', '7', '7_L_gt.png'), ('12_L', '12', '12_L.png')]
    """
    check_folder(folder)
    if not (folder / "images").is_dir():
        return _one_folder_each(folder, group_pattern)
    images: dict[str, Path] = {}
    for path in _files(folder / "images"):
        if path.stem in images:
            raise CenetError(path, f"{images[path.stem].name} has the same name", "rename or remove one of them")
        images[path.stem] = path
    if not images:
        raise CenetError(folder / "images", "there is no image in it", "put at least one there")

    masks, labels = folder / "masks", folder / "labels"
    if masks.exists() and labels.exists():
        raise CenetError(folder, "it holds both masks and labels", "keep one of them")
    classes, label_of = _labels(images, labels if labels.exists() else masks)
    region_of = _paired(images, folder / "regions", REGION_ENDINGS)
    return [
        Sample(
            stem,
            images[stem],
            label_of.get(stem, ()),
            region_of.get(stem),
            group_of(images[stem], group_pattern),
            classes if stem in label_of else (),
        )
        for stem in sorted(images, key=natural_key)
    ]


def group_by_expert(images: dict[str, Path], folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return the label files of each image that the experts labelled, one for each expert.

    Args:
        images: The image files by their names.
        folder: Holds a folder for each expert, with files that are named as for `read_folder`.

    Raises:
        CenetError: There is no folder for an expert, or something is missing, unpaired or ambiguous.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("1", "2"):
    ...         Path(folder, name).mkdir()
    ...         Path(folder, name, "a.png").touch()
    ...     [path.parent.name for path in group_by_expert({"a": Path("a.png"), "b": Path("b.png")}, Path(folder))["a"]]
    ['1', '2']
    """
    experts = _inner(folder, "experts")
    if not experts:
        raise CenetError(
            folder, "there is no folder for an expert in it", f"put the labels into {folder.name}/1/ and so on"
        )
    return _of_each(images, experts, "add the missing, or remove the others")


def check_folder(folder: Path) -> None:
    """Raise CenetError unless this is a folder.

    >>> check_folder(Path("nowhere"))
    Traceback (most recent call last):
    cenet.errors.CenetError: nowhere: there is no such folder; check the name
    """
    if not folder.exists():
        raise CenetError(folder, "there is no such folder", "check the name")
    if not folder.is_dir():
        raise CenetError(folder, "this is a file", "a folder is needed here")


def group_of(path: Path, pattern: str | None, *, default: str = "") -> str:
    """Return the group that a regular expression finds in the name of an image without suffix.

    Args:
        path: The image file, or the folder or case that it is named after.
        pattern: The expression; its first group, or else the whole match, is the answer.
        default: The answer without an expression.

    Raises:
        CenetError: The expression is invalid, or finds nothing.

    >>> group_of(Path("Image_07L.jpg"), "_([0-9]+)")
    '07'
    """
    if pattern is None:
        return default
    name = path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name
    try:
        match = re.search(pattern, name)
    except re.error as error:
        raise CenetError(f"--group-pattern {pattern}", f"this is no regular expression ({error})", "mend it") from error
    found = match and match.group(1 if match.re.groups else 0)
    if not found:
        raise CenetError(
            path, f"--group-pattern {pattern} finds no group in its name", "mend the expression or rename it"
        )
    return found


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return a sorting key that puts numbers within names in order.

    >>> sorted(["eye10", "eye9"], key=natural_key)
    ['eye9', 'eye10']
    """
    parts = re.split(r"(\d+)", name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def format_list(names: Iterable[str]) -> str:
    """Return up to five names for a message.

    >>> format_list("abcdefg")
    'a, b, c, d, e and 2 more'
    """
    all_names = list(names)
    return ", ".join(all_names[:5]) + (f" and {len(all_names) - 5} more" if len(all_names) > 5 else "")


def _files(folder: Path) -> list[Path]:
    """Return the images in a folder, in order; hidden files and Thumbs.db are skipped, all else is refused."""
    paths = [path for path in folder.iterdir() if path.name[0] != "." and path.name.lower() != "thumbs.db"]
    for path in paths:
        if path.is_dir() or path.suffix.lower() not in IMAGE_SUFFIXES:
            raise CenetError(path, f"this is not an image ({', '.join(IMAGE_SUFFIXES)})", "move it elsewhere")
    return sorted(paths, key=lambda path: natural_key(path.name))


def _one_folder_each(folder: Path, group_pattern: str | None) -> list[Sample]:
    """List samples that have a folder each, with one image and a mask for each object."""
    places = sorted(
        (path for path in folder.iterdir() if (path / "images").is_dir()), key=lambda path: natural_key(path.name)
    )
    if not places:
        raise CenetError(folder, "there is no folder images in it", "put images into images/ and labels into masks/")
    samples = []
    for place in places:
        images = _files(place / "images")
        if len(images) != 1:
            raise CenetError(place / "images", f"it holds {len(images)} images", "keep exactly one beside its masks")
        label = tuple(_files(place / "masks")) if (place / "masks").is_dir() else ()
        samples.append(Sample(place.name, images[0], label, group=group_of(place, group_pattern)))
    return samples


def _labels(images: dict[str, Path], folder: Path) -> tuple[tuple[str, ...], dict[str, tuple[Path, ...]]]:
    """Return the classes that have a folder each, if any, and the label files of each image that has some."""
    inner = _inner(folder, "classes")
    if not inner:
        files = _paired(images, folder, LABEL_ENDINGS, complete=False)
        return (), {stem: (path,) for stem, path in files.items()}
    remedy = "add an empty mask where there is nothing of this class"
    return tuple(path.name for path in inner), _of_each(images, inner, remedy)


def _inner(folder: Path, holding: str) -> list[Path]:
    """Return the folders inside a folder in order, beside which there are no files."""
    inner = [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."] if folder.is_dir() else []
    loose = [path for path in folder.iterdir() if not path.is_dir() and path.name[0] != "."] if inner else []
    if loose:
        raise CenetError(loose[0], f"lies beside folders for {holding}", "move it into one, or remove the folders")
    return sorted(inner, key=lambda path: natural_key(path.name))


def _of_each(images: dict[str, Path], folders: list[Path], remedy: str) -> dict[str, tuple[Path, ...]]:
    """Return the files of each image that has some, one from each folder."""
    paired = [_paired(images, path, LABEL_ENDINGS, complete=False) for path in folders]
    labelled = [stem for stem in images if any(stem in files for files in paired)]
    for path, files in zip(folders, paired, strict=True):
        without = [images[stem].name for stem in labelled if stem not in files]
        if without:
            cause = f"there is no file for {format_list(without)}, which the other folders have"
            raise CenetError(path, cause, remedy)
    return {stem: tuple(files[stem] for files in paired) for stem in labelled}


def _paired(
    images: dict[str, Path], folder: Path, endings: tuple[str, ...], *, complete: bool = True
) -> dict[str, Path]:
    """Return the file of `folder` that belongs to each image, or nothing where there is no such folder.

    Unless it has to be complete, images may lack a file, but not all of them.
    """
    if not folder.exists():
        return {}
    check_folder(folder)
    found: dict[str, Path] = {}
    unused = []
    for path in _files(folder):
        owners = [path.stem.removesuffix(ending) for ending in endings if path.stem.endswith(ending)]
        owners = [stem for stem in owners if stem in images]
        if len(owners) > 1:
            raise CenetError(path, f"it fits the images {' and '.join(owners)}", "rename it")
        if not owners:
            unused.append(path.name)
        elif owners[0] in found:
            raise CenetError(path, f"{found[owners[0]].name} is for the same image", "keep one of them")
        else:
            found[owners[0]] = path
    without = [image.name for stem, image in images.items() if stem not in found]
    if without and (complete or not found):
        remedy = "name a file there as the image, or remove the image"
        raise CenetError(folder, f"there is no file for {format_list(without)}", remedy)
    if unused:
        raise CenetError(folder, f"there is no image for {format_list(unused)}", "add the image, or remove the file")
    return found


FOLDER = DatasetSpec(
    title="A plain folder: your own images",
    source="yours",
    layout=(
        "DATA/images/NAME.png     the images (png, jpg, tif, gif, bmp)\n"
        "DATA/masks/NAME.png      a mask for each, of the same size (or labels/)\n"
        "DATA/masks/CLASS/NAME.png   instead: one file for each class\n"
        "DATA/classes.json        optional: what the values of a mask mean\n"
        "DATA/regions/NAME.png    optional: white where pixels count\n"
        "or, one file for each object:\n"
        "DATA/NAME/images/NAME.png, DATA/NAME/masks/*.png"
    ),
    grouping="every image its own group, or what --group-pattern REGEX finds in its name",
    classes=(),
    read=read_folder,
)
