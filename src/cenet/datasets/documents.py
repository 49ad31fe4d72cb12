"""Text and documents, which may be among images and are ignored."""

from pathlib import Path

from cenet.data.io.magic import UNSUPPORTED, name_unsupported, read_start
from cenet.data.io.read import IMAGE_SUFFIXES
from cenet.errors import CenetError

DOCUMENT_SUFFIXES = (
    *(".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml"),
    *(".html", ".pdf", ".doc", ".docx", ".xls", ".xlsx"),
)
DOCUMENT_NAMES = ("readme", "license", "licence")


def is_document(path: Path) -> bool:
    """Return whether a file is text or a document, and so no image.

    >>> is_document(Path("readme.txt")), is_document(Path("scan.dcm"))
    (True, False)
    """
    return path.suffix.lower() in DOCUMENT_SUFFIXES or path.name.lower() in DOCUMENT_NAMES


def describe_stranger(path: Path) -> CenetError:
    """The error of a file among images that is neither an image that is read nor a document, with the way out.

    Args:
        path: The file, or a folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "eye.heic")
    ...     _ = path.write_bytes(b"1234ftypheic")
    ...     describe_stranger(path).cause
    'this is a HEIC or AVIF photograph, which is not read'
    """
    kind = name_unsupported(read_start(path)) if path.is_file() else None
    if kind is not None:
        return CenetError(path, f"this is a {kind}, which is not read", f"{UNSUPPORTED[kind]}, or move it elsewhere")
    return CenetError(path, f"this is not an image ({', '.join(IMAGE_SUFFIXES)})", "convert it, or move it elsewhere")


def is_system_file(name: str) -> bool:
    """Return whether a file is one that an operating system hides, not the user's.

    >>> [is_system_file(name) for name in (".DS_Store", "Thumbs.db", "desktop.ini", "eye.png")]
    [True, True, True, False]
    """
    return name.startswith(".") or name.lower() in ("thumbs.db", "desktop.ini")
