"""A plain folder of images, with masks and regions in folders next to it."""

import re
from collections.abc import Iterable
from pathlib import Path

from cenet.data.io.read import has_image_suffix, image_stem
from cenet.data.sample import Sample
from cenet.datasets.contents import DatasetContents, Note
from cenet.datasets.conversion_file import apply_conversion
from cenet.datasets.documents import describe_stranger, is_document, is_system_file
from cenet.datasets.stacks import expand_stacks, group_dicom
from cenet.errors import CenetError

LABEL_ENDINGS = ("", "_mask", "_label", "_labels", "_manual1", "_segmentation", "_seg", "_gt")
REGION_ENDINGS = ("", "_mask", "_region", "_fov")

Notes = list[Note] | None  # None: what would be noted is an error


def read_folder(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List the samples of a folder with `images/`, `masks/` (or `labels/`) and, optionally, `regions/`.

    A label has its image's name, alone or with one of `LABEL_ENDINGS`; a region with one of `REGION_ENDINGS`.
    Every label needs an image; images may lack a label. With `regions/` every image needs a region. Instead of
    files, `masks/` may hold a folder for each class, and then a labelled image needs a file in each. The samples
    are in the natural order of their names.

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
    ...     [(s.name, s.group, s.label[0].name) for s in read_folder(Path(folder), group_pattern="^[0-9]+")]
    [('7_L', '7', '7_L_gt.png'), ('12_L', '12', '12_L.png')]
    """
    return _read_plain(folder, group_pattern, None).samples


def read_plain_folder(folder: Path, *, group_pattern: str | None = None) -> DatasetContents:
    """List the samples of a plain folder as `read_folder` does, but note and leave out documents and masks too many.

    Args:
        folder: As for `read_folder`.
        group_pattern: As for `read_folder`.

    Raises:
        CenetError: As for `read_folder`.
    """
    notes: list[Note] = []
    return DatasetContents(_read_plain(folder, group_pattern, notes).samples, tuple(notes))


def _read_plain(folder: Path, group_pattern: str | None, notes: Notes) -> DatasetContents:
    """Read a plain folder; without a list for notes, a file that belongs to no image is an error."""
    check_folder(folder)
    if not (folder / "images").is_dir():
        return DatasetContents(_read_folder_per_image(folder, group_pattern))
    images: dict[str, Path] = {}
    for path in _list_images(folder / "images", notes):
        stem = image_stem(path)
        if stem in images:
            raise CenetError(path, f"{images[stem].name} has the same name", "rename or remove one of them")
        images[stem] = path
    if not images:
        raise CenetError(folder / "images", "it contains no image", "add at least one")

    masks, labels = folder / "masks", folder / "labels"
    if masks.exists() and labels.exists():
        raise CenetError(folder, "it has both masks and labels", "keep one of them")
    classes, label_of = _find_labels(images, labels if labels.exists() else masks, notes)
    if notes is not None:
        _leave_out_copies_of_masks(images, label_of, notes)
    region_of = _pair(images, folder / "regions", REGION_ENDINGS, notes)
    samples = [
        Sample(
            stem,
            images[stem],
            label_of.get(stem, ()),
            region_of.get(stem),
            group_from_name(images[stem], group_pattern),
            classes if stem in label_of else (),
        )
        for stem in sorted(images, key=natural_key)
    ]
    samples = group_dicom(expand_stacks(samples), group_pattern=group_pattern)
    return DatasetContents(apply_conversion(samples, folder, group_pattern=group_pattern))


def find_expert_labels(images: dict[str, Path], folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return the label files of each labelled image, one from each expert.

    Args:
        images: The image files by their names.
        folder: Holds a folder for each expert, with files named as for `read_folder`.

    Raises:
        CenetError: There is no folder for an expert, or something is missing, unpaired or ambiguous.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("1", "2"):
    ...         Path(folder, name).mkdir()
    ...         Path(folder, name, "a.png").touch()
    ...     paths = find_expert_labels({"a": Path("a.png"), "b": Path("b.png")}, Path(folder))
    >>> [path.parent.name for path in paths["a"]]
    ['1', '2']
    """
    experts = _list_subfolders(folder, "experts")
    if not experts:
        remedy = f"put the labels into {folder.name}/1/, {folder.name}/2/ and so on"
        raise CenetError(folder, "it has no folder for an expert", remedy)
    return _pair_all(images, experts, "add the missing files, or remove the others", None)


def check_folder(folder: Path) -> None:
    """Raise CenetError unless this is a folder.

    >>> check_folder(Path("nowhere"))
    Traceback (most recent call last):
    cenet.errors.CenetError: nowhere: there is no such folder; check the name
    """
    if not folder.exists():
        raise CenetError(folder, "there is no such folder", "check the name")
    if not folder.is_dir():
        raise CenetError(folder, "this is a file, not a folder", "name the folder that holds it")


def group_from_name(path: Path, pattern: str | None, *, default: str = "") -> str:
    """Return the group that a regular expression finds in an image's name without suffix.

    Args:
        path: The image file, or the folder or case that it is named after.
        pattern: The expression; its first group, or else the whole match, is returned.
        default: Returned without an expression.

    Raises:
        CenetError: The expression is invalid, or finds nothing.

    >>> group_from_name(Path("Image_07L.jpg"), "_([0-9]+)")
    '07'
    """
    if pattern is None:
        return default
    name = image_stem(path) if has_image_suffix(path) else path.name
    try:
        match = re.search(pattern, name)
    except re.error as error:
        raise CenetError(f"--group-pattern {pattern}", f"it is not a regular expression ({error})", "fix it") from error
    group = match.group(1 if match.re.groups else 0) if match else None
    if not group:
        cause = f"--group-pattern {pattern} finds no group in its name"
        raise CenetError(path, cause, "fix the expression, or rename the file")
    return group


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
    text = ", ".join(all_names[:5])
    return text if len(all_names) <= 5 else f"{text} and {len(all_names) - 5} more"


def _list_images(folder: Path, notes: Notes) -> list[Path]:
    """Return the images in a folder in natural order; note documents among them, and refuse anything else."""
    paths = [path for path in folder.iterdir() if not is_system_file(path.name)]
    if notes is not None:
        documents = [f"{folder.name}/{path.name}" for path in paths if is_document(path)]
        notes += [Note(name, "this is not an image, so it is not read", "nothing need be done") for name in documents]
        paths = [path for path in paths if not is_document(path)]
    for path in paths:
        if path.is_dir() or not has_image_suffix(path):
            raise describe_stranger(path)
    return sorted(paths, key=lambda path: natural_key(path.name))


def _leave_out_copies_of_masks(
    images: dict[str, Path], label_of: dict[str, tuple[Path, ...]], notes: list[Note]
) -> None:
    """Take from the images those that are named as the mask of another one, which has its mask where it belongs."""
    for stem in list(images):
        owners = [stem.removesuffix(ending) for ending in LABEL_ENDINGS if ending and stem.endswith(ending)]
        if stem not in label_of and any(owner in label_of for owner in owners):
            name = f"images/{images.pop(stem).name}"
            notes.append(Note(name, "it is named as a mask, so it is not read", "move it elsewhere"))


def _read_folder_per_image(folder: Path, group_pattern: str | None) -> list[Sample]:
    """List samples that have their own folder each, with one image and a mask for each object."""
    image_folders = sorted(
        (path for path in folder.iterdir() if (path / "images").is_dir()), key=lambda path: natural_key(path.name)
    )
    if not image_folders:
        raise CenetError(folder, "it has no folder images", "put images into images/ and their labels into masks/")
    samples = []
    for path in image_folders:
        images = _list_images(path / "images", None)
        if len(images) != 1:
            raise CenetError(path / "images", f"it holds {len(images)} images", "keep exactly one")
        label = tuple(_list_images(path / "masks", None)) if (path / "masks").is_dir() else ()
        samples.append(Sample(path.name, images[0], label, group=group_from_name(path, group_pattern)))
    return samples


def _find_labels(
    images: dict[str, Path], folder: Path, notes: Notes
) -> tuple[tuple[str, ...], dict[str, tuple[Path, ...]]]:
    """Return the classes that have a folder each, if any, and the label files of each labelled image."""
    class_folders = _list_subfolders(folder, "classes")
    if not class_folders:
        paths = _pair(images, folder, LABEL_ENDINGS, notes, complete=False)
        return (), {stem: (path,) for stem, path in paths.items()}
    remedy = "add an empty mask where the class is absent"
    return tuple(path.name for path in class_folders), _pair_all(images, class_folders, remedy, notes)


def _list_subfolders(folder: Path, content: str) -> list[Path]:
    """Return the subfolders of a folder in natural order; refuse files next to them."""
    if not folder.is_dir():
        return []
    visible = [path for path in folder.iterdir() if path.name[0] != "."]
    subfolders = [path for path in visible if path.is_dir()]
    loose_files = [path for path in visible if not path.is_dir()]
    if subfolders and loose_files:
        cause = f"this file is beside folders for {content}"
        raise CenetError(loose_files[0], cause, "move it into one, or remove the folders")
    return sorted(subfolders, key=lambda path: natural_key(path.name))


def _pair_all(images: dict[str, Path], folders: list[Path], remedy: str, notes: Notes) -> dict[str, tuple[Path, ...]]:
    """Return the files of each labelled image, one from each folder."""
    paths_by_folder = [_pair(images, path, LABEL_ENDINGS, notes, complete=False) for path in folders]
    labelled = [stem for stem in images if any(stem in paths for paths in paths_by_folder)]
    for folder, paths in zip(folders, paths_by_folder, strict=True):
        missing = [images[stem].name for stem in labelled if stem not in paths]
        if missing:
            cause = f"there is no file for {format_list(missing)}, which the other folders have"
            raise CenetError(folder, cause, remedy)
    return {stem: tuple(paths[stem] for paths in paths_by_folder) for stem in labelled}


def _pair(
    images: dict[str, Path], folder: Path, endings: tuple[str, ...], notes: Notes, *, complete: bool = True
) -> dict[str, Path]:
    """Return the file in `folder` of each image, or nothing where there is no such folder.

    If `complete` is false, some images may lack a file, but not all of them.
    """
    if not folder.exists():
        return {}
    check_folder(folder)
    path_of: dict[str, Path] = {}
    unpaired = []
    for path in _list_images(folder, notes):
        name = image_stem(path)
        stems = [stem for end in endings if name.endswith(end) and (stem := name.removesuffix(end)) in images]
        if len(stems) > 1:
            raise CenetError(path, f"it fits the images {' and '.join(stems)}", "rename it")
        if not stems:
            unpaired.append(path.name)
        elif stems[0] in path_of:
            raise CenetError(path, f"{path_of[stems[0]].name} is for the same image", "keep one of them")
        else:
            path_of[stems[0]] = path
    missing = [image.name for stem, image in images.items() if stem not in path_of]
    if missing and (complete or not path_of):
        remedy = "add a file with the name of each image, or remove these images"
        raise CenetError(folder, f"there is no file for {format_list(missing)}", remedy)
    cause, remedy = f"there is no image for {format_list(unpaired)}", "add the image, or remove the file"
    if unpaired and notes is None:
        raise CenetError(folder, cause, remedy)
    if unpaired and notes is not None:
        notes.append(Note(folder.name, f"{cause}, which is not read", remedy))
    return path_of
