"""Write labels as the masks of a plain folder, with the values that `classes.json` names."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cenet.data.io.files import write_text
from cenet.data.io.write import class_colours, write_mask
from cenet.data.labels.encoding import IGNORED, LabelEncoding
from cenet.data.sample import Sample


class PlainWriter:
    """Writes a mask for each image, and `classes.json`.

    Args:
        folder: The new folder; the masks come into `masks/`.
        encoding: What the class indices are called; None where no image has a label.
    """

    def __init__(self, folder: Path, encoding: LabelEncoding | None) -> None:
        self.folder, self.encoding = folder, encoding
        self._has_ignored = False

    def add(self, sample: Sample, image_name: str, label: NDArray[np.uint8] | None, shape: tuple[int, int]) -> None:
        """Write the mask of an image, if it has one."""
        if label is None or self.encoding is None:
            return
        self._has_ignored |= bool((label == IGNORED).any())
        path = self.folder / "masks" / f"{sample.name}.png"
        path.parent.mkdir(exist_ok=True)
        _write_values(path, label, self.encoding)

    def finish(self) -> None:
        """Write what the values of the masks mean."""
        if self.encoding is None:
            return
        values = values_of(self.encoding)
        content: dict[str, Any] = {
            "classes": [{"name": name, "value": value} for value, name in values.items() if value],
            "background": {"value": 0},
        }
        if self.encoding.nested:
            content["nested"] = True
        if self._has_ignored:
            content["ignore"] = IGNORED
        write_text(self.folder / "classes.json", content)


def values_of(encoding: LabelEncoding) -> dict[int, str]:
    """Return the values of the masks that are written, with their classes: 255 for one class alone, else 1, 2, 3, ...

    Args:
        encoding: What the class indices are called.
    """
    if len(encoding.names) == 1 and not encoding.ignore and encoding.kind not in ("layers", "boundaries"):
        return {0: "background", 255: encoding.names[0]}
    return indices_of(encoding)


def indices_of(encoding: LabelEncoding) -> dict[int, str]:
    """Return the class indices with their classes.

    Args:
        encoding: What they are called.

    >>> indices_of(LabelEncoding(kind="values", names=("disc",), values=((0,), (7,))))
    {0: 'background', 1: 'disc'}
    """
    return dict(enumerate(("background", *encoding.names)))


def _write_values(path: Path, label: NDArray[np.uint8], encoding: LabelEncoding) -> None:
    if 255 in values_of(encoding):
        write_mask(path, np.where(label == 1, 1, 0).astype(np.uint8))
        return
    image = Image.fromarray(label)
    palette = np.full((256, 3), 128, np.uint8)  # unannotated pixels are grey
    palette[: len(encoding.names) + 1] = class_colours(len(encoding.names) + 1, encoding.colours)
    image.putpalette(palette.tobytes())
    image.save(path)
