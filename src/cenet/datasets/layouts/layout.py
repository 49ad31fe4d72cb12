"""What a layout is: evidence for it in a folder, and a reader."""

from dataclasses import dataclass
from typing import Protocol

from cenet.datasets.contents import DatasetContents
from cenet.datasets.layouts.listing import FolderListing


class Layout(Protocol):
    """A way in which the files of a data set are arranged.

    Args:
        name: What `--task` and messages call it.
        title: What it is, in a line.
        tree: The files, as a tree.
    """

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def tree(self) -> str: ...

    def find_evidence(self, listing: FolderListing) -> str | None:
        """Return what of the files speaks for this layout, in words, or None where nothing does."""

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        """Return the samples and what was left out.

        Raises:
            CenetError: Something is missing, unpaired or ambiguous.
        """


@dataclass(frozen=True)
class Candidate:
    """A layout that may be that of a folder.

    Args:
        layout: The layout.
        evidence: What speaks for it.
    """

    layout: Layout
    evidence: str
