"""Write labels as COCO: run lengths of every connected piece, so that nothing of a mask is lost."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.files import write_text
from cenet.data.labels.encoding import IGNORED, LabelEncoding
from cenet.data.labels.run_lengths import encode_runs, pack_counts
from cenet.data.sample import Sample

IGNORE_CATEGORY = "__ignore__"
FILE_OF_PART = {None: "instances", "train": "instances_train", "validation": "instances_val", "test": "instances_test"}


class CocoWriter:
    """Collects the labels of images, and writes a JSON file for each part of the split.

    Args:
        folder: The new folder; the files come into `annotations/`.
        encoding: What the class indices are called; None where no image has a label.
    """

    def __init__(self, folder: Path, encoding: LabelEncoding | None) -> None:
        self.folder, self.encoding = folder, encoding
        self._images: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
        self._annotations: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
        self._count = 0

    def add(self, sample: Sample, image_name: str, label: NDArray[np.uint8] | None, shape: tuple[int, int]) -> None:
        """Add an image with a label; one without is none of COCO's, whose images without objects are empty."""
        if label is None or self.encoding is None:
            return
        self._count += 1
        number = self._count
        entry = {"id": number, "file_name": image_name, "width": shape[1], "height": shape[0]}
        self._images[sample.part].append(entry)
        for category in range(1, len(self.encoding.names) + 1):
            inside = label == category
            if self.encoding.nested:
                inside = (label >= category) & (label != IGNORED)
            self._add_pieces(sample.part, number, category, inside)
        self._add_pieces(sample.part, number, len(self.encoding.names) + 1, label == IGNORED)

    def finish(self) -> None:
        """Write the files."""
        if self.encoding is None:
            return
        names = [*self.encoding.names]
        ignored = len(names) + 1
        if any(item["category_id"] == ignored for items in self._annotations.values() for item in items):
            names.append(IGNORE_CATEGORY)
        categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
        for part, images in self._images.items():
            content = {"images": images, "annotations": self._annotations[part], "categories": categories}
            write_text(self.folder / "annotations" / f"{FILE_OF_PART[part]}.json", content)

    def _add_pieces(self, part: str | None, image: int, category: int, inside: NDArray[np.bool_]) -> None:
        from scipy import ndimage

        pieces, count = ndimage.label(inside, np.ones((3, 3)))
        for number, box in enumerate(ndimage.find_objects(pieces, count), start=1):
            piece = pieces == number
            rows, columns = box
            self._annotations[part].append(
                {
                    "id": sum(map(len, self._annotations.values())) + 1,
                    "image_id": image,
                    "category_id": category,
                    "segmentation": {"size": list(inside.shape), "counts": pack_counts(encode_runs(piece))},
                    "area": int(piece.sum()),
                    "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
                    "iscrowd": 0,
                }
            )
