"""The raw data of nnU-Net, recognised by its dataset.json; `cenet.datasets.nnunet` reads it."""

from dataclasses import dataclass

from cenet.data.labels.schema import NNUNET_IMAGES
from cenet.datasets.contents import DatasetContents
from cenet.datasets.layouts.listing import FolderListing
from cenet.datasets.nnunet import NNUNET, read_nnunet


@dataclass(frozen=True)
class NnunetRaw:
    """`dataset.json` beside `imagesTr/` and `labelsTr/`."""

    name: str = "nnunet"
    title: str = NNUNET.title
    tree: str = NNUNET.layout

    def find_evidence(self, listing: FolderListing) -> str | None:
        root = listing.root
        if (root / "dataset.json").is_file() and (root / NNUNET_IMAGES).is_dir():
            return f"dataset.json and {NNUNET_IMAGES}"
        return None

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        return DatasetContents(read_nnunet(listing.root, group_pattern=group_pattern))
