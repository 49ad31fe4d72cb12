"""Label files with a number or a colour for each object."""

from pathlib import Path

import numpy as np
import pytest

from cenet.data.labels.objects import label_objects
from cenet.errors import CenetError

COLOURED = np.array([[[0, 0, 0], [0, 0, 255], [90, 5, 0], [255, 255, 255]]], np.uint8)


def test_every_colour_but_black_is_an_object_and_a_grey_may_be_unannotated():
    label = label_objects(Path("cells.png"), COLOURED, ignore=(255,), ignored=255)
    assert label.tolist() == [[0, 1, 1, 255]]


@pytest.mark.parametrize(("name", "raw"), [("cells.jpg", COLOURED), ("cells.png", COLOURED[:, 1:])])
def test_mixed_colours_and_colours_without_black_are_refused(name, raw):
    with pytest.raises(CenetError):
        label_objects(Path(name), raw, ignore=(), ignored=255)
