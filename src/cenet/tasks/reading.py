"""Read what a sample names, and check that it fits together."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError
from cenet.images import read_image, read_label, read_region
from cenet.tasks.sample import Sample


def read(
    sample: Sample, *, num_classes: int = 1
) -> tuple[NDArray[Any], NDArray[np.uint8] | None, NDArray[np.bool_] | None]:
    """Read image, label and region of a sample; what it does not have is None.

    Args:
        sample: What to read.
        num_classes: As for `cenet.images.read_label`.

    Shape:
        Image (H, W, C), label (H, W), region (H, W).

    Raises:
        CenetError: A file cannot be read, or label or region are not of the image's size.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from cenet.pictures import write_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "eye.png")
    ...     write_mask(path, np.eye(3, dtype=np.uint8))
    ...     image, label, region = read(Sample("eye", path, label=path))
    >>> image.shape, label.shape, region
    ((3, 3, 1), (3, 3), None)
    """
    image = read_image(sample.image)
    label = None if sample.label is None else read_label(sample.label, num_classes=num_classes)
    region = None if sample.region is None else read_region(sample.region)
    for path, drawn in ((sample.label, label), (sample.region, region)):
        if drawn is not None and drawn.shape != image.shape[:2]:
            raise CenetError(
                f"{path}: its size is {_size(drawn)} but {sample.image} has {_size(image)}; "
                "use the file that was drawn on this image"
            )
    return image, label, region


def _size(array: NDArray[Any]) -> str:
    return f"{array.shape[1]} x {array.shape[0]} pixels"
