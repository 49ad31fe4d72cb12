"""JSON files of annotations: which tool wrote one, by the names in it and without parsing it, and how it is read."""

import mmap
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cenet.datasets.layouts.listing import FolderListing

KINDS: dict[str, tuple[bytes, tuple[bytes, ...]]] = {
    "coco": (b"{", (b'"images"', b'"annotations"', b'"categories"')),
    "labelme": (b"{", (b'"shapes"', b'"imagePath"')),
    "label-studio": (b"[", (b'"data"', b'"annotations"', b'"result"')),
}
"""How the content of a file of each kind begins, and the names that it holds."""

MAX_ANNOTATION_BYTES = 256 * 1024 * 1024
TOO_LARGE = "split the file, or convert the labels to masks with the tool that made it"


class AnnotationModel(BaseModel):
    """A part of a JSON file of annotations; fields that are not read are ignored, since tools add new ones."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def find_json(listing: FolderListing, kind: str) -> list[Path]:
    """Return the JSON files of one kind.

    Args:
        listing: The folder.
        kind: A key of `KINDS`.
    """
    return [path for path in listing.with_suffix(".json") if kind_of_json(path) == kind]


def kind_of_json(path: Path) -> str | None:
    """Return which tool wrote a JSON file, a key of `KINDS`, or None for any other.

    Args:
        path: The file.
    """
    try:
        if not path.is_file() or not path.stat().st_size:
            return None
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            start = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
            for kind, (begins, names) in KINDS.items():
                if start == begins and all(content.find(name) >= 0 for name in names):
                    return kind
    except (OSError, ValueError):
        return None
    return None
