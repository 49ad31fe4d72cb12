"""Tiled TIFF files that are written from the top down."""

import io
from contextlib import ExitStack, closing

import numpy as np
import pytest
import tifffile
from PIL import Image

from cenet.data.io import tiled_tiff
from cenet.data.io.tiled_tiff import TiledTiffWriter
from cenet.data.io.write import class_colours


@pytest.fixture
def open_writer(monkeypatch, tmp_path):
    """Opens a writer of small tiles, which is closed when the test ends."""
    monkeypatch.setattr(tiled_tiff, "TILE_PX", 32)
    with ExitStack() as stack:
        yield lambda shape, dtype: stack.enter_context(closing(TiledTiffWriter(tmp_path, shape, dtype)))


@pytest.mark.parametrize("step", [1, 31, 100])
@pytest.mark.parametrize("shape", [(1, 100, 70), (3, 32, 33), (2, 5, 3)], ids=str)
def test_what_was_added_is_read_back(open_writer, tmp_path, shape, step):
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    writer, file = open_writer(shape, np.float32), io.BytesIO()
    for top in range(0, shape[1], step):
        writer.add(values[:, top : top + step])
    writer.write(file)
    file.seek(0)
    assert np.array_equal(tifffile.imread(file).reshape(shape), values)
    file.seek(0)
    with tifffile.TiffFile(file) as written:
        assert all(page.is_tiled for page in written.pages)
        assert {page.compression for page in written.pages} == {8}
    assert list(tmp_path.iterdir()) == []


def test_classes_have_their_colours(open_writer, tmp_path):
    classes = np.arange(120, dtype=np.uint8).reshape(1, 10, 12) % 3
    writer = open_writer(classes.shape, np.uint8)
    writer.add(classes)
    with (tmp_path / "mask.tif").open("xb") as file:
        writer.write(file, colours=class_colours(256))
    with Image.open(tmp_path / "mask.tif") as image:
        assert image.mode == "P"
        assert np.array_equal(np.array(image), classes[0])
        assert np.array_equal(np.array(image.convert("RGB")), class_colours(3)[classes[0]])


def test_a_file_is_written_once_all_rows_are_there(open_writer):
    writer = open_writer((1, 10, 10), np.uint8)
    writer.add(np.zeros((1, 9, 10), np.uint8))
    with pytest.raises(ValueError, match="9 of 10"):
        writer.write(io.BytesIO())
