"""Images in one folder and masks in another, under other names than `images/` and `masks/`."""

from dataclasses import dataclass
from pathlib import Path

from cenet.data.io.read import image_stem
from cenet.data.sample import Sample
from cenet.data.splits import Part
from cenet.datasets.contents import DatasetContents, Note
from cenet.datasets.documents import describe_stranger, is_document
from cenet.datasets.folder import REGION_ENDINGS, format_list, group_from_name, natural_key
from cenet.datasets.layouts.listing import FolderListing
from cenet.datasets.layouts.pairing import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    looks_like_mask,
    pair_files,
)
from cenet.datasets.stacks import expand_stacks
from cenet.errors import CenetError

REGION_FOLDERS = ("regions", "region", "fov", "roi", "rois")


@dataclass(frozen=True)
class Folders:
    """The folders of images, masks and regions.

    Args:
        images: Where the images are.
        masks: Where the masks are, alone or in a folder for each class; None where there are none.
        regions: Where the regions are, if there are any.
    """

    images: Path
    masks: Path | None
    regions: Path | None = None


@dataclass(frozen=True)
class ImageFolders:
    """`Images/` with `Masks/`, `image/` with `manual/`, images with a folder of masks beside or among them."""

    name: str = "image-folders"
    title: str = "Images in one folder, masks in another"
    tree: str = (
        "DATA/Images/NAME.png      or image, img, img_dir, ... or DATA itself\n"
        "DATA/Masks/NAME.png       or mask, labels, manual, gt, ann_dir, annotations, ...;\n"
        "                          also NAME_vessels, or MASK_0001 for IMG_0001"
    )

    def find_evidence(self, listing: FolderListing) -> str | None:
        folders = find_folders(listing, listing.root)
        if folders is None or folders.masks is None:
            return None
        masks = listing.name(folders.masks)
        if folders.images == listing.root:
            return f"images, and their masks in {masks}"
        return f"images in {listing.name(folders.images)}, masks in {masks}"

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        folders = find_folders(listing, listing.root)
        if folders is None or folders.masks is None:
            remedy = f"name them images and masks, or as one of {', '.join(MASK_FOLDERS[:8])}"
            raise CenetError(listing.root, "it has no folder of images with a folder of masks", remedy)
        samples, notes = read_folders(listing, folders, Membership(group_pattern))
        return DatasetContents(samples, notes)


@dataclass(frozen=True)
class Membership:
    """What the samples of a folder belong to.

    Args:
        group_pattern: A pattern that finds the group in an image's name.
        group: The group where no pattern is given; empty for each image alone.
        part: The part of the split.
        prefix: Put before each name.
    """

    group_pattern: str | None = None
    group: str = ""
    part: Part | None = None
    prefix: str = ""

    def find_group(self, image: Path) -> str:
        """Return the group of an image."""
        return group_from_name(image, self.group_pattern, default=self.group)


def find_folders(listing: FolderListing, folder: Path) -> Folders | None:
    """Return the folders of images and masks in a place, by their names.

    Args:
        listing: The whole folder.
        folder: The folder in which they are searched for.

    Raises:
        CenetError: There are several that may be it.

    Returns:
        The folders, the masks None where there is none; or None where there are no images.
    """
    subfolders = listing.subfolders(folder)
    named = [path for path in subfolders if path.name.lower() in IMAGE_FOLDERS and listing.images_in(path)]
    if len(named) > 1:
        names = " and ".join(listing.name(path) for path in named)
        raise CenetError(
            folder, f"it has several folders for images: {names}", "keep one of them, or move one elsewhere"
        )
    if not named and not listing.images_in(folder):
        return None
    images = named[0] if named else folder
    inside = listing.subfolders(images) if images != folder else []
    masks = [
        path for path in (*subfolders, *inside) if path.name.lower() in MASK_FOLDERS and _holds_masks(listing, path)
    ]
    if len(masks) > 1:
        names = " and ".join(listing.name(path) for path in masks)
        remedy = "name the one with the labels masks, and one with the field of view regions"
        raise CenetError(folder, f"it has several folders that may hold the masks: {names}", remedy)
    regions = [path for path in subfolders if path.name.lower() in REGION_FOLDERS and listing.images_in(path)]
    return Folders(images, masks[0] if masks else None, regions[0] if regions else None)


def read_folders(
    listing: FolderListing, folders: Folders, membership: Membership
) -> tuple[list[Sample], tuple[Note, ...]]:
    """Return the samples of a folder of images with its masks, and what was left out.

    Args:
        listing: The whole folder.
        folders: The folders.
        membership: What the samples belong to.

    Raises:
        CenetError: A name is twice there, or a mask fits no image.
    """
    _refuse_strangers(listing, folders)
    notes = list(_note_others(listing, folders))
    images = listing.images_in(folders.images)
    if folders.masks is not None:
        copies = [path for path in images if looks_like_mask(path)]
        if len(copies) < len(images):
            notes += [
                Note(listing.name(path), "it is named as a mask, so it is not read as an image", "move it elsewhere")
                for path in copies
            ]
            images = [path for path in images if path not in copies]
    classes, masks_of = _find_masks(listing, folders, images, notes)
    region_of: dict[Path, Path] = {}
    if folders.regions is not None:
        region_of = _pair_regions(images, listing.images_in(folders.regions), folders.regions)
    samples = [
        Sample(
            membership.prefix + image_stem(path),
            path,
            masks_of.get(path, ()),
            region_of.get(path),
            membership.find_group(path),
            classes if path in masks_of else (),
            part=membership.part,
        )
        for path in sorted(images, key=lambda path: natural_key(path.name))
    ]
    return expand_stacks(samples), tuple(notes)


def _holds_masks(listing: FolderListing, folder: Path) -> bool:
    """Whether a folder holds masks, alone or in a folder for each class."""
    if listing.images_in(folder):
        return True
    return any(listing.images_in(path) for path in listing.subfolders(folder))


def _find_masks(
    listing: FolderListing, folders: Folders, images: list[Path], notes: list[Note]
) -> tuple[tuple[str, ...], dict[Path, tuple[Path, ...]]]:
    """Return the classes that have a folder each, if any, and the masks of each image."""
    if folders.masks is None:
        return (), {}
    if masks := listing.images_in(folders.masks):
        pairs = pair_files(images, masks, folder=folders.masks)
        notes += pairs.notes(listing.root)
        return (), {image: (mask,) for image, mask in pairs.mask_of.items()}
    class_folders = [path for path in listing.subfolders(folders.masks) if listing.images_in(path)]
    by_class = [pair_files(images, listing.images_in(path), folder=path) for path in class_folders]
    labelled = [image for image in images if any(image in pairs.mask_of for pairs in by_class)]
    for path, pairs in zip(class_folders, by_class, strict=True):
        notes += pairs.notes(listing.root)
        if missing := [image.name for image in labelled if image not in pairs.mask_of]:
            cause = f"there is no file for {format_list(missing)}, which the other folders have"
            raise CenetError(path, cause, "add an empty mask where the class is absent")
    masks_of = {image: tuple(pairs.mask_of[image] for pairs in by_class) for image in labelled}
    return tuple(path.name for path in class_folders), masks_of


def _pair_regions(images: list[Path], regions: list[Path], folder: Path) -> dict[Path, Path]:
    by_stem = {image_stem(path): path for path in regions}
    region_of = {}
    for image in images:
        stem = image_stem(image)
        matches = [by_stem[stem + ending] for ending in REGION_ENDINGS if stem + ending in by_stem]
        if len(matches) != 1:
            cause = f"it has {len(matches)} files for {image.name}"
            raise CenetError(folder, cause, "give each image one region with its name, or move the folder elsewhere")
        region_of[image] = matches[0]
    return region_of


def _note_others(listing: FolderListing, folders: Folders) -> tuple[Note, ...]:
    """Note the documents among images and masks; the files beside their folders may be anything."""
    places = [folder for folder in (folders.images, folders.masks) if folder is not None and folder != listing.root]
    files = [path for path in listing.files if path.parent in places and is_document(path)]
    notes = [
        Note(listing.name(path), "this is not an image, so it is not read", "nothing need be done") for path in files
    ]
    for path in listing.subfolders(folders.images) if folders.images != listing.root else ():
        if path != folders.masks and listing.has_images(path):
            cause = "images in a folder of their own are not read here"
            notes.append(Note(listing.name(path), cause, "move them up, if they belong to the others"))
    return tuple(notes)


def _refuse_strangers(listing: FolderListing, folders: Folders) -> None:
    """Refuse what is neither an image nor a document where images or masks are expected."""
    for folder in (folders.images, folders.masks):
        if folder is not None and folder != listing.root and (strangers := listing.strangers_in(folder)):
            raise describe_stranger(strangers[0])
