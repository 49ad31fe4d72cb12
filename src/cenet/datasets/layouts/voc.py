"""Pascal VOC, and the masks that CVAT exports: images in JPEGImages, masks in SegmentationClass."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cenet.config.json_files import read_regular_file
from cenet.data.io.files import compose_accents
from cenet.data.io.read import image_stem
from cenet.data.labels.schema import ClassesFile, ClassSpec, Declaration, int_to_colour
from cenet.data.sample import Sample
from cenet.data.splits import Part
from cenet.datasets.contents import DatasetContents, Note
from cenet.datasets.folder import format_list, group_from_name
from cenet.datasets.layouts.annotations import BACKGROUND_NAMES
from cenet.datasets.layouts.listing import FolderListing
from cenet.datasets.layouts.pairing import pair_files
from cenet.datasets.layouts.part_names import part_from_name
from cenet.datasets.layouts.split_folders import settle_parts
from cenet.errors import CenetError

MASKS, OBJECTS, LABELMAP = "SegmentationClass", "SegmentationObject", "labelmap.txt"
MAX_LIST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Voc:
    """`SegmentationClass/NAME.png` for `JPEGImages/NAME.jpg`, with the split in `ImageSets/Segmentation`."""

    name: str = "voc"
    title: str = "Pascal VOC, or masks exported by CVAT"
    tree: str = (
        "DATA/JPEGImages/NAME.jpg            or images/\n"
        "DATA/SegmentationClass/NAME.png     with a palette or colours\n"
        "DATA/labelmap.txt                   optional: the class of each colour, as CVAT writes it\n"
        "DATA/ImageSets/Segmentation/train.txt, val.txt, test.txt     optional: the split"
    )

    def find_evidence(self, listing: FolderListing) -> str | None:
        folder = _find_folder(listing)
        if folder is None:
            return None
        with_labelmap = " and labelmap.txt" if (folder / LABELMAP).is_file() else ""
        return f"masks in {listing.name(folder / MASKS)}{with_labelmap}"

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        folder = _find_folder(listing)
        if folder is None:
            raise CenetError(listing.root, f"it has no folder {MASKS} with masks", "name the folder that holds it")
        others = [
            path
            for path in listing.images_by_folder
            if path.name not in (MASKS, OBJECTS) and folder in (path, *path.parents)
        ]
        if len(others) != 1:
            names = format_list(listing.name(path) for path in others) or "none"
            raise CenetError(folder, f"its images may lie in several folders: {names}", "keep JPEGImages alone")
        masks = listing.images_in(folder / MASKS)
        pairs = pair_files(listing.images_in(others[0]), masks, folder=folder / MASKS)
        part_of = _read_parts(folder)
        declared = _read_labelmap(folder / LABELMAP, masks[0])
        samples = [
            Sample(
                image_stem(image),
                image,
                (mask,),
                group=group_from_name(image, group_pattern),
                part=part_of.get(image_stem(image)),
                declared=declared,
            )
            for image, mask in pairs.mask_of.items()
        ]
        notes = list(pairs.notes(listing.root))
        images = listing.images_in(others[0])
        if unlabelled := [image.name for image in images if image not in pairs.mask_of]:
            cause = (
                f"there is no mask for {format_list(unlabelled)}, which is left out, as VOC has them for other tasks"
            )
            notes.append(Note(listing.name(others[0]), cause, "add masks, if they are to be used"))
        if declared is None:
            cause = "no labelmap.txt names the classes, so they are called by their numbers"
            remedy = "add a classes.json, or --ignore-value 255 where 255 marks the borders of objects"
            notes.append(Note(listing.name(folder / MASKS), cause, remedy))
        if part_of and any(sample.part is None for sample in samples):
            cause = "some images are in no list of ImageSets/Segmentation, and are left out"
            notes.append(Note(listing.root.name, cause, "add them to train.txt"))
            samples = [sample for sample in samples if sample.part is not None]
        samples, remarks = settle_parts(samples, listing.root)
        return DatasetContents(samples, (*notes, *remarks))


def _find_folder(listing: FolderListing) -> Path | None:
    """Return the folder that holds SegmentationClass; VOC itself has it in VOCdevkit/VOC2012."""
    return next((path.parent for path in listing.folders if path.name == MASKS and listing.images_in(path)), None)


def _read_parts(folder: Path) -> dict[str, Part]:
    """Return the part of each image that a list names; lists of several parts together are not read."""
    part_of: dict[str, Part] = {}
    for path in sorted((folder / "ImageSets" / "Segmentation").glob("*.txt")):
        part = part_from_name(path.stem)
        if part is None:
            continue
        content = read_regular_file(path, remedy="check the file", max_bytes=MAX_LIST_BYTES)
        text = compose_accents(content.decode("utf-8-sig", "replace"))
        for name in filter(None, map(str.strip, text.splitlines())):
            if part_of.setdefault(name, part) != part:
                raise CenetError(path, f"{name} is in {part_of[name]} too", "keep it in one list")
    return part_of


def _read_labelmap(path: Path, mask: Path) -> Declaration | None:
    """Return the classes of a labelmap.txt: lines such as `disc:0,170,255::`.

    Args:
        path: The file.
        mask: One of the masks, which shows whether the colours are those of a palette.

    Raises:
        CenetError: It cannot be read.
    """
    if not path.is_file():
        return None
    text = read_regular_file(path, remedy="check the file", max_bytes=MAX_LIST_BYTES).decode("utf-8", "replace")
    colours: dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        try:
            red, green, blue = (int(number) for number in rest.split(":")[0].split(","))
            colours[name.strip()] = int.from_bytes(bytes((red, green, blue)), "big")
        except ValueError as error:
            raise CenetError(path, f"{line[:80]} is no class with a colour", "write NAME:R,G,B::") from error
    background = {name for name, colour in colours.items() if name.lower() in BACKGROUND_NAMES and colour == 0}
    index_of = _palette_of(mask)
    specs = []
    for name, colour in colours.items():
        if name in background:
            continue
        if index_of is None:
            specs.append(ClassSpec(name=name, colour=int_to_colour(colour)))
        elif colour in index_of:
            specs.append(ClassSpec(name=name, value=index_of[colour], colour=int_to_colour(colour)))
    if not specs:
        raise CenetError(path, "it names no class beside the background", "export it again from CVAT")
    try:
        return Declaration(path, ClassesFile(classes=tuple(specs)))
    except ValueError as error:
        raise CenetError(path, "two of its classes have the same colour", "give each its own in CVAT") from error


def _palette_of(mask: Path) -> dict[int, int] | None:
    """Return the index of each colour of a mask with a palette, or None for one without."""
    try:
        with Image.open(mask, formats=("PNG",)) as image:
            palette = image.getpalette("RGB") if image.mode == "P" else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CenetError(mask, "the mask is no undamaged PNG", "export it again") from error
    if palette is None:
        return None
    index_of: dict[int, int] = {}
    for index in range(len(palette) // 3):
        index_of.setdefault(int.from_bytes(bytes(palette[3 * index : 3 * index + 3]), "big"), index)
    return index_of
