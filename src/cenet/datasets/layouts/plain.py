"""The layout of this package itself: `images/` with `masks/` or `labels/`, or such folders for each image."""

from dataclasses import dataclass
from pathlib import Path

from cenet.data.io.read import image_stem
from cenet.datasets.contents import DatasetContents, Note
from cenet.datasets.conversion_file import CONVERSION, read_conversion
from cenet.datasets.folder import LABEL_ENDINGS, read_plain_folder
from cenet.datasets.layouts.listing import FolderListing
from cenet.datasets.layouts.part_names import part_from_name


@dataclass(frozen=True)
class Plain:
    """`images/` with `masks/` or `labels/`; what `cenet convert` writes."""

    name: str = "plain"
    title: str = "A plain folder"
    tree: str = "DATA/images/NAME.png and DATA/masks/NAME.png"

    def find_evidence(self, listing: FolderListing) -> str | None:
        images = listing.root / "images"
        if listing.images_in(images) and not any(listing.has_images(path) for path in listing.subfolders(images)):
            for name in ("masks", "labels"):
                labels = listing.root / name
                parts = [path for path in listing.subfolders(labels) if part_from_name(path.name)]
                if listing.has_images(labels) and not parts and self._names_fit(listing, images, labels):
                    return f"images in images/, masks in {name}/"
            return None
        folders = [path for path in listing.subfolders(listing.root) if listing.images_in(path / "images")]
        if all(part_from_name(path.name) for path in folders):
            return None  # a split, of one image each
        one_each = all(len(listing.images_in(path / "images")) == 1 for path in folders)
        if one_each and any(listing.images_in(path / "masks") for path in folders):
            return f"{len(folders)} folders with one image and its masks each"
        return None

    @staticmethod
    def _names_fit(listing: FolderListing, images: Path, labels: Path) -> bool:
        """Whether at least one mask has the name of its image, or there is a folder for each class."""
        if not listing.images_in(labels):
            return True
        names = {image_stem(path) + ending for path in listing.images_in(images) for ending in LABEL_ENDINGS}
        return any(image_stem(path) in names for path in listing.images_in(labels))

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        contents = read_plain_folder(listing.root, group_pattern=group_pattern)
        origin = read_conversion(listing.root)
        if origin is None:
            return contents
        cause = f"groups and split are those of the converted data ({origin.layout})"
        note = Note(CONVERSION, cause, "remove it to have them formed anew")
        return DatasetContents(contents.samples, (*contents.notes, note), grouping=f"as {CONVERSION} has them")
