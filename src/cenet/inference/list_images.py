"""Which images `cenet predict` and its relatives are given: files, stacks of several pages, and folders of these."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cenet.data.io.files import list_once
from cenet.data.io.magic import is_dicom_without_suffix
from cenet.data.io.read import IMAGE_SUFFIXES, has_image_suffix, image_stem, page_count
from cenet.errors import CenetError
from cenet.safe_text import format_names

STACK_SUFFIXES = (".tif", ".tiff", ".dcm", ".nii", ".nii.gz")


@dataclass(frozen=True)
class ImageFile:
    """An image in a file, to predict.

    Args:
        file: Where it is.
        page: Which one of a stack; None for the only one.

    >>> image = ImageFile(Path("scans/stack.tif"), 7)
    >>> image.stem, image.full_stem, image.title
    ('stack-07', 'stack.tif-07', 'stack.tif, page 7')
    """

    file: Path
    page: int | None = None

    @property
    def stem(self) -> str:
        """What its prediction is called where no other image has this name."""
        return image_stem(self.file) + self._number

    @property
    def full_stem(self) -> str:
        """What its prediction is called otherwise."""
        return self.file.name + self._number

    @property
    def title(self) -> str:
        """What messages call it beside others of its folder."""
        return self.describe(self.file.name)

    @property
    def _number(self) -> str:
        return "" if self.page is None else f"-{self.page:02}"

    def describe(self, name: str) -> str:
        """What messages call it, by the name or the path of its file."""
        return name if self.page is None else f"{name}, page {self.page}"


def list_images(paths: Sequence[Path]) -> list[ImageFile]:
    """List the images of files, stacks and folders, each once.

    Args:
        paths: The files and folders.

    Raises:
        CenetError: There is none, or a folder holds none.
    """
    files = [file for path in paths for file in (_list_files(path) if path.is_dir() else [path])]
    if not files:
        raise CenetError("predict", "no image is named", "name an image, or a folder of images")
    return [image for file in list_once(files) for image in _list_pages(file)]


def check_not_replaced(images: Iterable[ImageFile], outputs: Iterable[Path]) -> None:
    """Refuse to write a file where an image lies, however its path is spelt: also through links, and as a hard link.

    Args:
        images: All images of the call.
        outputs: The files to write.

    Raises:
        CenetError: One of them is an image.
    """
    inputs = {key for image in images for key in _identify(image.file)}
    for output in outputs:
        if not inputs.isdisjoint(_identify(output)):
            cause = "is an image to predict, and would be replaced by a prediction"
            raise CenetError(output, cause, "choose another --output")


def _identify(file: Path) -> set[Path | tuple[int, int]]:
    """What a file is known by: its place, and its number on the disk where it is there."""
    keys: set[Path | tuple[int, int]] = {Path(os.path.realpath(file))}
    with suppress(OSError):
        status = file.stat()
        keys.add((status.st_dev, status.st_ino))
    return keys


def list_ignored(paths: Sequence[Path]) -> list[str]:
    """A remark for each folder in which something lies beside the images, such as images of a kind that is not read.

    Args:
        paths: Files and folders.
    """
    remarks = []
    for folder in paths:
        others = [path.name for path in sorted(folder.iterdir()) if not _is_read(path)] if folder.is_dir() else []
        if others:
            kinds = ", ".join(IMAGE_SUFFIXES)
            remarks.append(f"{format_names(others)}: passed over, as only {kinds} files are read")
    return remarks


def _list_files(folder: Path) -> list[Path]:
    """The images of a folder."""
    files = sorted(path for path in folder.iterdir() if _is_read(path) and not path.name.startswith("."))
    if not files:
        raise CenetError(folder, f"holds no image ({', '.join(IMAGE_SUFFIXES)})", "name a folder that does")
    return files


def _is_read(path: Path) -> bool:
    return has_image_suffix(path) or path.name.startswith(".") or is_dicom_without_suffix(path)


def _list_pages(file: Path) -> list[ImageFile]:
    """List the pages of a file; one that cannot be read is reported when its turn comes."""
    if file.name.lower().endswith(STACK_SUFFIXES) or is_dicom_without_suffix(file):
        with suppress(CenetError):
            if (count := page_count(file)) > 1:
                return [ImageFile(file, page) for page in range(count)]
    return [ImageFile(file)]
