"""Which mask belongs to which image, by their names: never by their order, and never by a guess."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cenet.data.io.read import image_stem
from cenet.datasets.contents import Note
from cenet.datasets.folder import LABEL_ENDINGS, format_list
from cenet.errors import CenetError

ENDINGS = (
    *(ending for ending in LABEL_ENDINGS if ending),
    *("_vessels", "_vessel", "_masks", "_groundtruth", "_ground_truth", "_annotation", "_manual", "_1stHO", "_binary"),
    *("_ah", "_vk"),  # the two observers of STARE
)
IMAGE_FOLDERS = ("images", "image", "img", "imgs", "img_dir", "jpegimages", "photos", "scans", "inputs", "input")
MASK_FOLDERS = (
    *("masks", "mask", "labels", "label", "manual", "manual1", "1st_manual", "annotations", "annotation", "ann_dir"),
    *("gt", "gts", "groundtruth", "ground_truth", "groundtruths", "segmentation", "segmentations", "seg", "segs"),
    *("targets", "target", "segmentationmasks", "vessels", "annots"),
)
_IMAGE_WORDS = "image|images|img|im|photo|scan|frame|slice|pic|picture|input"
_MASK_WORDS = "mask|masks|msk|label|labels|lab|lbl|seg|segmentation|gt|groundtruth|manual|annotation|target"
_IMAGE_START = re.compile(rf"^(?:{_IMAGE_WORDS})(?=[-_ .]?\d|[-_ .])[-_ .]?", re.IGNORECASE)
_MASK_START = re.compile(rf"^(?:{_MASK_WORDS})(?=[-_ .]?\d|[-_ .])[-_ .]?", re.IGNORECASE)


@dataclass(frozen=True)
class Pairs:
    """The masks of images.

    Args:
        mask_of: The mask of each image that has one.
        unpaired: Masks without an image.
        rule: How the names were matched, in words, where they differ by more than an ending.
    """

    mask_of: dict[Path, Path]
    unpaired: list[Path]
    rule: str

    def notes(self, root: Path) -> tuple[Note, ...]:
        """Notes about masks without an image, and about names that differ by more than an ending."""
        notes = note_unpaired(self.unpaired, root)
        if self.rule:
            cause = f"images and masks are paired by what follows the first word: {self.rule}"
            notes += (Note(root.name, cause, "give each mask the name of its image, if this is not meant"),)
        return notes


def note_unpaired(paths: Sequence[Path], root: Path) -> tuple[Note, ...]:
    """Return a note about masks without an image, if there are any.

    Args:
        paths: The masks.
        root: The folder from which they are named.
    """
    if not paths:
        return ()
    names = [path.relative_to(root).as_posix() for path in paths]
    subject = names[0] if len(names) == 1 else f"{len(names)} masks"
    cause = "there is no image for it" if len(names) == 1 else f"there is no image for {format_list(names)}"
    return (Note(subject, f"{cause}, so it is not read", "add the image, or remove the file"),)


def pair_files(images: Sequence[Path], masks: Sequence[Path], *, folder: Path) -> Pairs:
    """Pair images and masks of two folders by their names.

    The names are equal, or the mask's ends with one of `ENDINGS` beside; or both begin with a word for what they are
    and continue alike, as `IMG_0001` and `MASK_0001`.

    Args:
        images: The images.
        masks: The masks.
        folder: The folder of the masks, for messages.

    Raises:
        CenetError: A name fits twice, or none fits.

    >>> pairs = pair_files([Path("IMG_01.jpg")], [Path("MASK_01.png")], folder=Path("masks"))
    >>> pairs.mask_of[Path("IMG_01.jpg")].name, pairs.rule
    ('MASK_01.png', 'IMG_01 with MASK_01')
    """
    by_name = _pair_by(masks, {image_stem(image): image for image in _check_unique(images)}, _stems_of_image)
    if by_name.mask_of:
        return by_name
    keys: dict[str, Path] = {}
    for image in images:
        key = _IMAGE_START.sub("", image_stem(image)).lower()
        if key in keys:
            cause = f"its name is {image_stem(keys[key])} but for the word in front"
            raise CenetError(image, cause, "rename one of them")
        keys[key] = image
    by_word = _pair_by(masks, keys, _keys_without_word)
    if by_word.mask_of:
        return by_word
    cause = f"no name in it fits an image: it holds {format_list(path.name for path in masks)}"
    first = image_stem(images[0])
    remedy = f"give each mask the name of its image, such as {first}.png or {first}_mask.png"
    raise CenetError(folder, cause, remedy)


def find_pairs_in(images: Sequence[Path]) -> dict[Path, Path]:
    """Return the mask of each image where both lie in one folder, `NAME.png` and `NAME_mask.png`; masks have no mask.

    Args:
        images: All images of the folder.

    Raises:
        CenetError: An image has two masks.

    >>> pairs = find_pairs_in([Path("a.jpg"), Path("a_mask.gif"), Path("b.jpg")])
    >>> [(image.name, mask.name) for image, mask in pairs.items()]
    [('a.jpg', 'a_mask.gif')]
    """
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in images:
        by_stem[image_stem(path)].append(path)
    mask_of: dict[Path, Path] = {}
    for path in images:
        stems = [stem for stem in _stems_of_image(path)[1:] if stem in by_stem]
        candidates = [image for stem in stems[:1] for image in by_stem[stem]]
        for image in candidates:
            if image in mask_of:
                raise CenetError(path, f"{mask_of[image].name} is for the same image", "keep one of them")
            mask_of[image] = path
    masks = set(mask_of.values())
    if not mask_of:
        numbered = [path for path in images if _IMAGE_START.match(path.name)]
        keys: dict[str, list[Path]] = defaultdict(list)
        for path in numbered:
            keys[_IMAGE_START.sub("", image_stem(path)).lower()].append(path)
        for path in images:
            key = _MASK_START.sub("", image_stem(path)).lower()
            if not _MASK_START.match(image_stem(path)) or key not in keys:
                continue
            if len(keys[key]) > 1:
                names = " and ".join(image.name for image in keys[key])
                raise CenetError(path, f"it fits the images {names}", "rename it")
            (image,) = keys[key]
            if image in mask_of:
                raise CenetError(path, f"{mask_of[image].name} is for the same image", "keep one of them")
            mask_of[image] = path
        return mask_of
    return {image: mask for image, mask in mask_of.items() if image not in masks}


def looks_like_mask(path: Path) -> bool:
    """Return whether a file is named like a mask.

    >>> looks_like_mask(Path("eye_mask.png")), looks_like_mask(Path("MASK_0001.png")), looks_like_mask(Path("eye.png"))
    (True, True, False)
    """
    return len(_stems_of_image(path)) > 1 or _MASK_START.match(image_stem(path)) is not None


def _check_unique(images: Sequence[Path]) -> Sequence[Path]:
    first: dict[str, Path] = {}
    for image in images:
        stem = image_stem(image)
        if stem in first:
            raise CenetError(image, f"{first[stem].name} has the same name", "rename or remove one of them")
        first[stem] = image
    return images


def _stems_of_image(mask: Path) -> list[str]:
    """Return the names that the image of a mask may have: its own, and that without an ending."""
    stem = image_stem(mask)
    lower = stem.lower()
    endings = [ending for ending in ENDINGS for joint in ("_", "-", ".") if lower.endswith(joint + ending[1:].lower())]
    return [stem, *(stem[: -len(ending)] for ending in sorted(endings, key=len) if len(ending) < len(lower))]


def _keys_without_word(mask: Path) -> list[str]:
    return [_MASK_START.sub("", stem).lower() for stem in _stems_of_image(mask)]


def _pair_by(masks: Sequence[Path], image_by_key: dict[str, Path], keys_of: Callable[[Path], list[str]]) -> Pairs:
    mask_of: dict[Path, Path] = {}
    unpaired = []
    rule = ""
    for mask in masks:
        images = [image_by_key[key] for key in keys_of(mask) if key in image_by_key]
        fitting = list(dict.fromkeys(images))
        if len(fitting) > 1:
            names = " and ".join(image_stem(image) for image in fitting)
            raise CenetError(mask, f"it fits the images {names}", "rename it")
        if not fitting:
            unpaired.append(mask)
        elif fitting[0] in mask_of:
            raise CenetError(mask, f"{mask_of[fitting[0]].name} is for the same image", "keep one of them")
        else:
            mask_of[fitting[0]] = mask
            if image_stem(fitting[0]) not in image_stem(mask):
                rule = rule or f"{image_stem(fitting[0])} with {image_stem(mask)}"
    return Pairs(mask_of, unpaired, rule)
