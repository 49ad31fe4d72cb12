"""One walk through a folder, of bounded depth and length, which every layout looks at."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cenet.data.io.read import has_image_suffix
from cenet.datasets.documents import is_document, is_system_file
from cenet.datasets.folder import check_folder, natural_key
from cenet.errors import CenetError

MAX_DEPTH = 6
MAX_FILES = 500_000


@dataclass(frozen=True)
class FolderListing:
    """The visible files of a folder and of the folders in it.

    Args:
        root: The folder.
        files: All files, in the natural order of their paths.
        folders: All folders in it, likewise.
    """

    root: Path
    files: tuple[Path, ...]
    folders: tuple[Path, ...]

    @cached_property
    def images_by_folder(self) -> dict[Path, list[Path]]:
        """The images in each folder that has some."""
        images: dict[Path, list[Path]] = {}
        for path in self.files:
            if has_image_suffix(path):
                images.setdefault(path.parent, []).append(path)
        return images

    def images_in(self, folder: Path) -> list[Path]:
        """The images in a folder, without those in folders in it."""
        return self.images_by_folder.get(folder, [])

    def strangers_in(self, folder: Path) -> list[Path]:
        """The files in a folder that are neither images nor documents, such as images of a format that is not read."""
        files = [path for path in self.files if path.parent == folder]
        return [path for path in files if not has_image_suffix(path) and not is_document(path)]

    def has_images(self, folder: Path) -> bool:
        """Whether a folder, or one in it, holds an image."""
        return any(folder == parent or folder in parent.parents for parent in self.images_by_folder)

    def subfolders(self, folder: Path) -> list[Path]:
        """The folders in a folder."""
        return [path for path in self.folders if path.parent == folder]

    def with_suffix(self, *suffixes: str) -> list[Path]:
        """The files with one of these suffixes, at any depth."""
        return [path for path in self.files if path.suffix.lower() in suffixes]

    def name(self, path: Path) -> str:
        """A path as seen from the folder."""
        return path.relative_to(self.root).as_posix() if path != self.root else path.name


def list_folder(root: Path) -> FolderListing:
    """Walk through a folder.

    Args:
        root: The folder; links are followed, `MAX_DEPTH` deep.

    Raises:
        CenetError: There is no such folder, or it holds more files than a data set does.
    """
    check_folder(root)
    files: list[Path] = []
    folders: list[Path] = []
    for folder_name, names, file_names in os.walk(root, followlinks=True):
        folder = Path(folder_name)
        names[:] = [name for name in names if name[0] != "." and name != "__MACOSX"]
        if len(folder.relative_to(root).parts) >= MAX_DEPTH:
            names.clear()
        folders += [folder / name for name in names]
        files += [folder / name for name in file_names if not is_system_file(name)]
        if len(files) > MAX_FILES:
            raise CenetError(root, f"it holds more than {MAX_FILES:,} files", "name the folder of one data set")
    return FolderListing(root, _sort(root, files), _sort(root, folders))


def _sort(root: Path, paths: list[Path]) -> tuple[Path, ...]:
    return tuple(sorted(paths, key=lambda path: natural_key(path.relative_to(root).as_posix())))
