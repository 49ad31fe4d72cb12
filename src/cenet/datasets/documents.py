"""Text and documents, which may lie among images and are left alone."""

from pathlib import Path

DOCUMENT_SUFFIXES = (
    *(".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml"),
    *(".html", ".pdf", ".doc", ".docx", ".xls", ".xlsx"),
)
DOCUMENT_NAMES = ("readme", "license", "licence")


def is_document(path: Path) -> bool:
    """Return whether a file is text or a document, which nobody takes for an image.

    >>> is_document(Path("readme.txt")), is_document(Path("scan.dcm"))
    (True, False)
    """
    return path.suffix.lower() in DOCUMENT_SUFFIXES or path.name.lower() in DOCUMENT_NAMES
