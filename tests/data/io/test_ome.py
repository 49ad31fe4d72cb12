"""OME-TIFFs that name their channels."""

import numpy as np
import pytest
import tifffile

from cenet.data.io.ome import read_channel_names
from cenet.data.io.read import page_count, read_image
from cenet.errors import CenetError

NAMES = ("DAPI", "tubulin & <actin>", "Cy5")


def write(path, values, axes, names=NAMES, **options):
    metadata = {"axes": axes, **({"Channel": {"Name": list(names)}} if names else {})}
    tifffile.imwrite(path, values, ome=True, photometric="minisblack", metadata=metadata, **options)
    return path


def noise(*shape, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"planarconfig": "separate"}], ids=str)
def test_named_channels_are_one_image(tmp_path, dtype, options):
    values = noise(3, 12, 20, dtype=dtype)
    path = write(tmp_path / "cells.ome.tif", values, "CYX", **options)
    assert page_count(path) == 1
    np.testing.assert_array_equal(read_image(path), np.moveaxis(values, 0, -1))
    assert read_image(path).dtype == dtype


def test_names_are_read_as_they_were_written(tmp_path):
    assert read_channel_names(write(tmp_path / "cells.ome.tif", noise(3, 12, 20), "CYX")) == NAMES
    assert read_channel_names(write(tmp_path / "one.ome.tif", noise(1, 12, 20), "CYX", ("DAPI",))) == ("DAPI",)


@pytest.mark.parametrize("axes", ["TZCYX", "TCZYX", "ZCTYX", "CZTYX"])
def test_each_slice_has_its_own_channels_in_whatever_order_they_lie(tmp_path, axes):
    sizes = {"T": 2, "Z": 4, "C": 3}
    values = noise(*(sizes[axis] for axis in axes[:3]), 12, 20)
    path = write(tmp_path / "stack.ome.tif", values, axes)
    in_order = np.moveaxis(values, [axes.index(axis) for axis in "TZYXC"], range(5))
    assert page_count(path) == 8
    for page, expected in enumerate(in_order.reshape(8, 12, 20, 3)):
        np.testing.assert_array_equal(read_image(path, page=page), expected)


@pytest.mark.parametrize("names", [None, ("DAPI", "DAPI", "Cy5")], ids=str)
def test_pages_without_names_of_their_own_are_images(tmp_path, names):
    path = write(tmp_path / "pages.ome.tif", noise(3, 12, 20), "CYX", names)
    assert (page_count(path), read_channel_names(path)) == (3, ())
    with pytest.raises(CenetError):
        read_image(path)


def test_other_files_name_nothing(tmp_path):
    tifffile.imwrite(tmp_path / "plain.tif", noise(3, 12, 20), photometric="minisblack")
    (tmp_path / "text.tif").write_text("no TIFF")
    (tmp_path / "cut.tif").write_bytes(b"II*\0\x08")
    for name in ("plain.tif", "text.tif", "cut.tif", "missing.tif"):
        assert read_channel_names(tmp_path / name) == ()


@pytest.mark.parametrize("size", ["99999999999999999999", "-3", "x", "3000000"])
def test_sizes_that_the_file_does_not_hold_count_for_nothing(tmp_path, size):
    path = write(tmp_path / "cells.ome.tif", noise(3, 12, 20), "CYX", ("a", "b", "c"))
    description = tifffile.tiffcomment(path).replace('SizeZ="1"', f'SizeZ="{size}"')
    tifffile.imwrite(path, noise(3, 12, 20), photometric="minisblack", description=description, metadata=None)
    assert page_count(path) == (3 if size == "3000000" else 1)  # what is no number counts as one slice


def test_planes_in_another_order_than_stated_are_refused(tmp_path):
    path = write(tmp_path / "cells.ome.tif", noise(2, 12, 20), "CYX", ("a", "b"))
    planes = "".join(f'<TiffData FirstC="{1 - number}" IFD="{number}" PlaneCount="1"/>' for number in range(2))
    described = tifffile.tiffcomment(path).replace('<TiffData IFD="0" PlaneCount="2"/>', planes)
    tifffile.imwrite(path, noise(2, 12, 20), photometric="minisblack", description=described, metadata=None)
    with pytest.raises(CenetError) as error:
        read_image(path)
    assert error.value.subject == str(path)


def test_reduced_copies_are_no_channels(tmp_path):
    values = noise(3, 12, 20)
    described = tifffile.tiffcomment(write(tmp_path / "cells.ome.tif", values, "CYX"))
    with tifffile.TiffWriter(tmp_path / "copies.ome.tif") as writer:
        for page in values:
            writer.write(page, photometric="minisblack", metadata=None, description=described or None)
            writer.write(page[::2, ::2], photometric="minisblack", metadata=None, subfiletype=1)
            described = ""
    assert (page_count(tmp_path / "copies.ome.tif"), read_channel_names(tmp_path / "copies.ome.tif")) == (1, NAMES)
    np.testing.assert_array_equal(read_image(tmp_path / "copies.ome.tif"), np.moveaxis(values, 0, -1))
