"""The masks of files and folders, such as `cenet predict` writes, and the image that belongs to each."""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cenet.data.io.files import list_once
from cenet.data.io.magic import is_dicom_without_suffix
from cenet.data.io.outputs import to_unicode
from cenet.data.io.read import has_image_suffix, image_stem, page_count
from cenet.errors import CenetError

MASK_ENDING = "_mask"  # of what `cenet predict` writes
OTHER_ENDINGS = ("_overlay", "_probability", "_uncertainty")  # and what it writes beside
PAGE = re.compile(r"(?s)(.+)-(\d{2,})")  # what it calls a page of a stack


def list_masks(paths: Sequence[Path]) -> list[Path]:
    """List the masks of files and folders, each once.

    Of a folder these are the files called so, or else every image but what is written beside masks. Where a mask is
    there in several formats the PNG counts, and where the pages of a stack are there each, the stack does not.

    Args:
        paths: The files and folders.

    Raises:
        CenetError: There is none, or a folder holds none.
    """
    masks = [mask for path in paths for mask in (_list_folder(path) if path.is_dir() else [path])]
    if not masks:
        raise CenetError("measure", "no mask is named", "name a mask, or a folder of masks")
    return list_once(masks)


def _list_folder(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if has_image_suffix(path) and path.name[0] != ".")
    named = [path for path in files if image_stem(path).endswith(MASK_ENDING)]
    pngs = {image_stem(path) for path in named if path.suffix.lower() == ".png"}
    pages = {f"{page[1]}{MASK_ENDING}" for stem in pngs if (page := PAGE.fullmatch(stem.removesuffix(MASK_ENDING)))}
    masks = [path for path in named if path.suffix.lower() == ".png" or not _is_there_as_png(path, pngs, pages)]
    masks = masks or [path for path in files if not image_stem(path).endswith(OTHER_ENDINGS)]
    if not masks:
        raise CenetError(folder, "holds no mask", "name a folder that does")
    return masks


def _is_there_as_png(path: Path, pngs: set[str], pages: set[str]) -> bool:
    """Whether a mask in another format, or the pages of a stack, are there as PNG."""
    stem = image_stem(path)
    if stem in pngs or stem not in pages:
        return stem in pngs
    return path.suffix.lower() == ".dcm" or _is_stack(path)  # a segmentation in DICOM may have a frame for each class


def _is_stack(path: Path) -> bool:
    """Whether a file holds several images; a damaged one is reported when it is read."""
    with suppress(CenetError):
        return page_count(path) > 1
    return False


def name_apart(paths: Sequence[Path]) -> list[str]:
    """The name of each file, with as many of its folders as set it apart from the others.

    >>> name_apart([Path("left/a.png"), Path("right/a.png"), Path("right/b.png")])
    ['left/a.png', 'right/a.png', 'b.png']
    """
    parts = [path.absolute().parts for path in paths]
    names = [""] * len(parts)
    for depth in range(1, max(map(len, parts), default=0) + 1):
        times = Counter(part[-depth:] for part in parts)
        names = [
            name or (to_unicode(Path(*part[-depth:]).as_posix()) if times[part[-depth:]] == 1 else "")
            for name, part in zip(names, parts, strict=True)
        ]
    return names


def find_image_of(mask: Path, images: Path) -> tuple[Path, int | None]:
    """Find the image of a mask: of `a_mask.png` it is `a` of any format, of `a-07_mask.png` also page 7 of a stack `a`.

    Args:
        mask: The mask.
        images: The folder of the images; or an image, or a stack.

    Returns:
        Its file, and its page where that is a stack.

    Raises:
        CenetError: It has none.
    """
    stem = image_stem(mask).removesuffix(MASK_ENDING)
    files = sorted(images.iterdir()) if images.is_dir() else [images]
    files = [path for path in files if path != mask and (has_image_suffix(path) or is_dicom_without_suffix(path))]
    page = PAGE.fullmatch(stem)
    of_page = [path for path in _find_named(page[1], files) if _is_stack(path)] if page else []
    for found, number in ((_find_named(stem, files), None), (of_page, page and int(page[2]))):
        if len(found) > 1:
            raise CenetError(found[1], f"{found[0].name} has the same name", "rename or remove one of them")
        if found:
            return found[0], number
    raise CenetError(mask, f"has no image {stem} in {images}", "add it, or leave out --images")


def _find_named(stem: str, files: Sequence[Path]) -> list[Path]:
    return [path for path in files if path.name == stem] or [path for path in files if image_stem(path) == stem]
