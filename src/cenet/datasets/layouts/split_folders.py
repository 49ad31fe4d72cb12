"""Data sets that come divided: `train/`, `val/` and `test/`, outside or inside the folders of images and masks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cenet.data.io.read import image_stem
from cenet.data.sample import Sample
from cenet.data.splits import PARTS, Part
from cenet.datasets.contents import DatasetContents, Note
from cenet.datasets.folder import format_list
from cenet.datasets.layouts.image_folders import Folders, Membership, find_folders, read_folders
from cenet.datasets.layouts.listing import FolderListing
from cenet.datasets.layouts.one_folder import read_one_folder
from cenet.datasets.layouts.pairing import IMAGE_FOLDERS, MASK_FOLDERS, find_pairs_in
from cenet.datasets.layouts.part_names import part_from_name
from cenet.errors import CenetError

MASK_FOLDER_ENDINGS = ("_masks", "_mask", "_labels", "_label", "_gt", "_annotations", "_manual", "-masks", "masks")


@dataclass(frozen=True)
class PartFolders:
    """What belongs to one part of the split.

    Args:
        part: The part.
        folder: Its folder, as messages call it.
        folders: Its folders of images and masks; None where both lie side by side in `folder`.
    """

    part: Part
    folder: Path
    folders: Folders | None


@dataclass(frozen=True)
class SplitFolders:
    """`train/images` with `train/masks`, `images/train` with `masks/train`, or `train` with `train_masks`."""

    name: str = "split-folders"
    title: str = "A folder for each part of the split: train, val, test"
    tree: str = (
        "DATA/train/images/NAME.png and DATA/train/masks/NAME.png     val and test likewise\n"
        "or DATA/images/train/NAME.png and DATA/masks/train/NAME.png  also img_dir and ann_dir\n"
        "or DATA/train/NAME.jpg and DATA/train_masks/NAME_mask.gif"
    )

    def find_evidence(self, listing: FolderListing) -> str | None:
        parts = find_parts(listing)
        if not any(_is_labelled(listing, item) for item in parts):
            return None
        masks = [item.folders.masks for item in parts if item.folders and item.folders.masks]
        beside = f", masks in {format_list(map(listing.name, masks))}" if masks else ""
        images = [item.folders.images if item.folders else item.folder for item in parts]
        return f"images in {format_list(map(listing.name, images))}{beside}"

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        parts = find_parts(listing)
        if not any(_is_labelled(listing, item) for item in parts):
            remedy = "name them train, val and test, each with images and masks"
            raise CenetError(listing.root, "it has no folders for the parts of a split with masks", remedy)
        samples: list[Sample] = []
        notes: list[Note] = []
        for item in parts:
            members, remarks = _read_part(listing, item, group_pattern)
            samples += members
            notes += remarks
        samples, remarks = settle_parts(samples, listing.root)
        return DatasetContents(name_uniquely(samples, keep_groups=group_pattern is not None), (*notes, *remarks))


def find_parts(listing: FolderListing) -> list[PartFolders]:
    """Return the folders of each part of a split, in the order of the parts.

    Args:
        listing: The whole folder.
    """
    parts: list[PartFolders] = []
    for folder in listing.subfolders(listing.root):
        part = part_from_name(folder.name)
        if part is None:
            continue
        if find_pairs_in(listing.images_in(folder)):
            parts.append(PartFolders(part, folder, None))
        elif folders := find_folders(listing, folder):
            masks = folders.masks or _find_masks_beside(listing, folder)
            parts.append(PartFolders(part, folder, replace(folders, masks=masks)))
    for images in listing.subfolders(listing.root):
        if images.name.lower() not in IMAGE_FOLDERS:
            continue
        for folder in listing.subfolders(images):
            part = part_from_name(folder.name)
            if part is not None and listing.images_in(folder):
                parts.append(PartFolders(part, folder, Folders(folder, _find_masks_across(listing, folder))))
    parts.sort(key=lambda item: PARTS.index(item.part))
    return parts


def settle_parts(samples: Sequence[Sample], root: Path) -> tuple[list[Sample], tuple[Note, ...]]:
    """Return the samples with the parts of the split that can be respected, and what was decided.

    Where the test part has no labels at all, its images are left out, as nothing can be scored on them. Where only one
    part is left, the data set says nothing of a split.

    Args:
        samples: The samples with their parts.
        root: The folder, for messages.
    """
    notes: list[Note] = []
    kept = list(samples)
    for part in ("test", "validation"):
        members = [sample for sample in kept if sample.part == part]
        if members and not any(sample.label for sample in members):
            kept = [sample for sample in kept if sample.part != part]
            cause = f"the {len(members)} images of its {part} part have no label, so they are left out"
            notes.append(Note(root.name, cause, "predict them with a trained run: cenet predict"))
    parts = {sample.part for sample in kept}
    if len(parts) == 1:
        return [replace(sample, part=None) for sample in kept], tuple(notes)
    counts = ", ".join(f"{sum(sample.part == part for sample in kept)} {part}" for part in PARTS if part in parts)
    cause = f"its own split is kept: {counts}"
    if "test" not in parts:
        notes.append(Note(root.name, f"{cause}; none is held out", "name a folder test to hold some out"))
    elif "validation" not in parts:
        notes.append(Note(root.name, f"{cause}, of which some validate", "name a folder val to choose them"))
    else:
        notes.append(Note(root.name, cause, "join the folders to have it divided anew"))
    return kept, tuple(notes)


def add_folders_to_names(samples: list[Sample], *, keep_groups: bool) -> list[Sample]:
    """Put the name of its folder before that of each sample whose name another one has in its part."""
    counts = Counter((sample.part, sample.name) for sample in samples)
    return [
        replace(sample, name=name, group=name if sample.group == sample.name and not keep_groups else sample.group)
        for sample in samples
        for is_twice in [counts[sample.part, sample.name] > 1]
        for name in [f"{sample.image.parent.name}_{sample.name}" if is_twice else sample.name]
    ]


def name_uniquely(samples: Sequence[Sample], *, keep_groups: bool = False) -> list[Sample]:
    """Return the samples with their part before their names, where two would have the same name.

    A group that is named after a file gets the part too.

    Args:
        samples: The samples.
        keep_groups: The user has named the groups, so that one in two parts is an error.

    Raises:
        CenetError: Two still have.
    """
    if len({sample.name for sample in samples}) < len(samples):
        prefixes = [sample.part or "image" for sample in samples]
        stems = (
            set() if keep_groups else {name for sample in samples for name in (sample.name, image_stem(sample.image))}
        )
        samples = [
            replace(
                sample,
                name=f"{prefix}_{sample.name}",
                group=f"{prefix}_{sample.group}" if sample.group in stems else sample.group,
            )
            for sample, prefix in zip(samples, prefixes, strict=True)
        ]
    first: dict[str, Sample] = {}
    for sample in samples:
        if sample.name in first:
            raise CenetError(sample.image, f"{first[sample.name].image} has the same name", "rename one of them")
        first[sample.name] = sample
    return list(samples)


def _read_part(
    listing: FolderListing, item: PartFolders, group_pattern: str | None
) -> tuple[list[Sample], tuple[Note, ...]]:
    membership = Membership(group_pattern, part=item.part)
    if item.folders is None:
        return read_one_folder(listing, item.folder, membership)
    return read_folders(listing, item.folders, membership)


def _is_labelled(listing: FolderListing, item: PartFolders) -> bool:
    return item.folders is None or (item.folders.masks is not None and listing.has_images(item.folders.masks))


def _find_masks_beside(listing: FolderListing, folder: Path) -> Path | None:
    """Return the folder of masks that is named after that of the images, such as `train_masks` for `train`."""
    by_name = {path.name.lower(): path for path in listing.subfolders(folder.parent) if listing.images_in(path)}
    candidates = [
        by_name[folder.name.lower() + ending]
        for ending in MASK_FOLDER_ENDINGS
        if folder.name.lower() + ending in by_name
    ]
    return candidates[0] if candidates else None


def _find_masks_across(listing: FolderListing, folder: Path) -> Path | None:
    """Return `masks/train` for `images/train`."""
    candidates = [
        path
        for masks in listing.subfolders(listing.root)
        if masks.name.lower() in MASK_FOLDERS
        for path in listing.subfolders(masks)
        if path.name == folder.name and listing.has_images(path)
    ]
    if len(candidates) > 1:
        names = " and ".join(listing.name(path) for path in candidates)
        raise CenetError(folder, f"several folders may hold its masks: {names}", "keep one of them")
    return candidates[0] if candidates else None
