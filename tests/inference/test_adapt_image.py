from pathlib import Path

import numpy as np
import pytest

from cenet.inference.adapt_image import adapt_to_run

COLOURED = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)


@pytest.mark.parametrize(
    ("image", "in_channels", "channels", "is_remarked"),
    [
        (COLOURED[..., :1], 3, 3, True),
        (np.repeat(COLOURED[..., :1], 3, axis=2), 1, 1, True),
        (COLOURED, 1, 3, False),  # which channel counts is not known
        (COLOURED, 3, 3, False),
        (COLOURED[..., :1].astype(np.uint16), 3, 1, False),  # refused as it is, for the type of its values
    ],
)
def test_only_what_is_unambiguous_is_converted(image, in_channels, channels, is_remarked):
    adapted, remarks = adapt_to_run(image, Path("eye.png"), in_channels=in_channels, dtype="uint8")
    assert (adapted.shape[2], bool(remarks)) == (channels, is_remarked)
    assert (adapted == image[..., :1]).all() or adapted is image
