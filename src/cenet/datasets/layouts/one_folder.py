"""Images and masks side by side in one folder, or in a folder for each patient."""

from dataclasses import dataclass
from pathlib import Path

from cenet.data.io.read import image_stem
from cenet.data.sample import Sample
from cenet.datasets.contents import DatasetContents, Note
from cenet.datasets.folder import format_list, group_from_name
from cenet.datasets.layouts.image_folders import REGION_FOLDERS, Membership, find_folders, read_folders
from cenet.datasets.layouts.listing import FolderListing
from cenet.datasets.layouts.pairing import IMAGE_FOLDERS, MASK_FOLDERS, find_pairs_in, looks_like_mask, note_unpaired
from cenet.datasets.layouts.part_names import part_from_name
from cenet.datasets.stacks import expand_stacks
from cenet.errors import CenetError

IMAGE_NAMES = ("image", "img", "photo", "slide", "scan", "original", "input")
MASK_NAMES = ("mask", "label", "seg", "segmentation", "gt", "manual", "annotation", "target")


@dataclass(frozen=True)
class Pairs:
    """`NAME.png` and `NAME_mask.png` in one folder, which may be called `images`."""

    name: str = "pairs"
    title: str = "Images and masks side by side in one folder"
    tree: str = (
        "DATA/NAME.png             or in DATA/images/\n"
        "DATA/NAME_mask.png        or NAME_seg, NAME_vessels, NAME_manual1, NAME_gt, ..., or MASK_0001 for IMG_0001"
    )

    def find_evidence(self, listing: FolderListing) -> str | None:
        folder = _find_folder(listing)
        if folder is None:
            return None
        image, mask = next(iter(find_pairs_in(listing.images_in(folder)).items()))
        return f"{image.name} and {mask.name} lie side by side"

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        folder = _find_folder(listing)
        if folder is None:
            remedy = "give each mask the name of its image, followed by _mask"
            raise CenetError(listing.root, "it has no image with a mask beside it", remedy)
        samples, notes = read_one_folder(listing, folder, Membership(group_pattern))
        return DatasetContents(samples, notes)


@dataclass(frozen=True)
class Patients:
    """A folder for each patient (eye, volume, case), with images and masks of any of these kinds in it."""

    name: str = "patients"
    title: str = "A folder for each patient, with images and masks in it"
    tree: str = (
        "DATA/PATIENT/NAME.png and DATA/PATIENT/NAME_mask.png\n"
        "or DATA/PATIENT/image.png and DATA/PATIENT/mask.png\n"
        "or DATA/PATIENT/images/NAME.png and DATA/PATIENT/masks/NAME.png"
    )

    def find_evidence(self, listing: FolderListing) -> str | None:
        patients = _find_patients(listing)
        if not patients or all(part_from_name(path.name) for path in patients):
            return None
        folders = f"{len(patients)} folders" if len(patients) > 1 else "a folder"
        return f"{folders} with images and masks each, such as {listing.name(patients[0])}"

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        patients = _find_patients(listing)
        if not patients:
            cause = "no folder in it holds an image with its mask"
            raise CenetError(listing.root, cause, "give each patient a folder with images and masks")
        samples: list[Sample] = []
        notes: list[Note] = []
        for folder in patients:
            members, remarks = _read_patient(listing, folder, group_pattern)
            samples += members
            notes += remarks
        others = [
            path for path in listing.subfolders(listing.root) if path not in patients and listing.has_images(path)
        ]
        if others:
            cause = f"no mask lies in {format_list(path.name for path in others)}, so they are not read"
            notes.append(Note(listing.root.name, cause, "add masks, or move them elsewhere"))
        return DatasetContents(samples, tuple(notes), grouping="every folder is a group")


def read_one_folder(
    listing: FolderListing, folder: Path, membership: Membership
) -> tuple[list[Sample], tuple[Note, ...]]:
    """Return the samples of a folder in which images and masks lie side by side, and what was left out.

    Args:
        listing: The whole folder.
        folder: The folder.
        membership: What the samples belong to.

    Raises:
        CenetError: An image has two masks.
    """
    everything = listing.images_in(folder)
    mask_of = find_pairs_in(everything)
    masks = set(mask_of.values())
    unpaired = [path for path in everything if path not in masks and path not in mask_of and looks_like_mask(path)]
    images = [path for path in everything if path not in masks and path not in unpaired]
    samples = [
        Sample(
            membership.prefix + image_stem(path),
            path,
            (mask_of[path],) if path in mask_of else (),
            group=membership.find_group(path),
            part=membership.part,
        )
        for path in images
    ]
    notes = note_unpaired(unpaired, listing.root)
    if strangers := [path.name for path in listing.strangers_in(folder)]:
        cause = f"{format_list(strangers)} is of a format that is not read"
        notes += (Note(listing.name(folder), cause, "convert it, if it is an image"),)
    return expand_stacks(samples), notes


def _find_folder(listing: FolderListing) -> Path | None:
    """Return the folder in which images and masks lie side by side: the whole, or one for images in it."""
    for folder in (listing.root, *listing.subfolders(listing.root)):
        is_for_images = folder == listing.root or folder.name.lower() in ("images", "image", "img", "data")
        if is_for_images and find_pairs_in(listing.images_in(folder)):
            return folder
    return None


def _find_patients(listing: FolderListing) -> list[Path]:
    """Return the folders with pairs that are not named for what lies in them, such as `Masks`."""
    names = (*IMAGE_FOLDERS, *MASK_FOLDERS, *REGION_FOLDERS)
    folders = [path for path in listing.subfolders(listing.root) if path.name.lower() not in names]
    return [path for path in folders if _has_pair(listing, path)]


def _has_pair(listing: FolderListing, folder: Path) -> bool:
    if find_pairs_in(listing.images_in(folder)) or _image_and_mask(listing, folder):
        return True
    folders = find_folders(listing, folder)
    return folders is not None and folders.masks is not None


def _image_and_mask(listing: FolderListing, folder: Path) -> tuple[Path, Path] | None:
    """Return `image.png` and `mask.png` of a folder that holds these two."""
    images = [path for path in listing.images_in(folder) if image_stem(path).lower() in IMAGE_NAMES]
    masks = [path for path in listing.images_in(folder) if image_stem(path).lower() in MASK_NAMES]
    return (images[0], masks[0]) if len(images) == len(masks) == 1 else None


def _read_patient(
    listing: FolderListing, folder: Path, group_pattern: str | None
) -> tuple[list[Sample], tuple[Note, ...]]:
    """Read the folder of a patient, who is the group unless a pattern finds it in the folder's name."""
    group = group_from_name(folder, group_pattern, default=folder.name)
    if both := _image_and_mask(listing, folder):
        return expand_stacks([Sample(folder.name, both[0], (both[1],), group=group)]), ()
    membership = Membership(group=group, prefix=f"{folder.name}_")
    if find_pairs_in(listing.images_in(folder)):
        return read_one_folder(listing, folder, membership)
    folders = find_folders(listing, folder)
    assert folders is not None  # else it would be no patient
    return read_folders(listing, folders, membership)
