"""Finds the images that the files of annotation tools name."""

import os
from collections.abc import Sequence
from itertools import compress, takewhile
from pathlib import Path, PurePosixPath

from cenet.data.io.files import compose_accents
from cenet.datasets.folder import format_list
from cenet.datasets.layouts.listing import FolderListing
from cenet.datasets.layouts.pairing import IMAGE_FOLDERS
from cenet.datasets.layouts.part_names import part_from_name
from cenet.errors import CenetError


class ImageFinder:
    """Finds the image that an annotation file names.

    Args:
        listing: The folder.
    """

    def __init__(self, listing: FolderListing) -> None:
        self.listing = listing
        self._images = {_compose(path): path for paths in listing.images_by_folder.values() for path in paths}
        self._by_name: dict[str, list[Path]] = {}
        for path in sorted(self._images):
            self._by_name.setdefault(path.name, []).append(path)

    def find(self, name: str, origin: Path) -> Path | None:
        """Return the image, as seen from the annotation file or the folder, or the only one of its name.

        Args:
            name: As the file has it.
            origin: The annotation file.

        Raises:
            CenetError: Several images have this name.
        """
        stated = compose_accents(name.replace("\\", "/"))
        relative = stated.lstrip("/")
        root, beside = _compose(self.listing.root), _compose(origin.parent)
        for folder in (beside, beside / "images", root, root / "images"):
            path = Path(os.path.normpath(folder / relative))
            if path in self._images:
                return self._images[path]
        parts = PurePosixPath(relative).parts
        same_name = self._by_name.get(parts[-1], []) if parts else []
        own_folder = parts[-2] if len(parts) > 1 else ""
        is_of_elsewhere = stated.startswith("/") or ":" in stated.partition("/")[0]  # a place on another machine
        if not (is_of_elsewhere or _is_usual(own_folder)):  # eye.png of another patient is another image
            folders = [path.parent for path in same_name]
            fitting = [one == root or one.name == own_folder or _is_usual(one.name) for one in folders]
            same_name = list(compress(same_name, fitting))
        agreeing = [_count_agreeing(path.parts, parts) for path in same_name]
        same_name = [path for path, count in zip(same_name, agreeing, strict=True) if count == max(agreeing)]
        if len(same_name) > 1:
            names = format_list(self.listing.name(self._images[path]) for path in same_name)
            raise CenetError(origin, f"several images may be {name}: {names}", "give each image another name")
        return self._images[same_name[0]] if same_name else None


def _is_usual(folder: str) -> bool:
    """Whether the name of a folder says nothing of the images in it."""
    return folder in ("", ".", "..") or folder.lower() in IMAGE_FOLDERS or part_from_name(folder) is not None


def _count_agreeing(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the parts at the end of two paths that are the same."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _compose(path: Path) -> Path:
    return Path(compose_accents(str(path)))
