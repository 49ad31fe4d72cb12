from contextlib import suppress

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cenet.data.io.decode import decode, page_count
from cenet.data.io.limits import max_pixels
from cenet.data.io.read import read_image, read_label
from cenet.errors import CenetError

RNG = np.random.default_rng(0)


def stack(path, dtype=np.uint8, shape=(4, 6, 9), **how):
    slices = RNG.integers(0, 200, shape).astype(dtype)
    tifffile.imwrite(path, slices, photometric="minisblack", **how)
    return slices


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_a_page_of_a_stack_is_read_with_its_values(tmp_path, dtype):
    path = tmp_path / "volume.tif"
    slices = stack(path, dtype)
    assert page_count(path) == 4
    for page in range(4):
        image = read_image(path, page=page)
        assert (image[..., 0] == slices[page]).all()
        assert image.dtype == (np.float32 if dtype == np.int16 else dtype)
        assert (read_label(path, page=page) == slices[page]).all()


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_compressed_stacks_are_read_alike(tmp_path, compression, dtype):
    path = tmp_path / "volume.tif"
    slices = stack(path, dtype, compression=compression)
    assert (read_image(path, page=3)[..., 0] == slices[3]).all()


def test_pages_of_different_sizes_and_kinds_are_each_read_as_they_are(tmp_path):
    path = tmp_path / "mixed.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(np.full((3, 4), 7, np.uint8), photometric="minisblack")
        file.write(np.full((5, 2, 3), 9, np.uint8), photometric="rgb")
        file.write(np.full((2, 2), -1000, np.int16), photometric="minisblack")
    assert [read_image(path, page=page).shape for page in range(3)] == [(3, 4, 1), (5, 2, 3), (2, 2, 1)]
    assert [read_image(path, page=page).flat[0] for page in range(3)] == [7, 9, -1000]


def test_each_page_is_turned_by_its_own_tag(tmp_path):
    path = tmp_path / "turned.tif"
    first, second = np.arange(6, dtype=np.uint8).reshape(2, 3), np.arange(6, 12, dtype=np.uint8).reshape(2, 3)
    with tifffile.TiffWriter(path) as file:
        file.write(first, photometric="minisblack")
        file.write(second, photometric="minisblack", extratags=[(0x0112, "H", 1, 3, True)])
    assert (read_image(path, page=0)[..., 0] == first).all()
    assert (read_image(path, page=1)[..., 0] == np.rot90(second, 2)).all()


def test_a_one_bit_page_is_a_mask(tmp_path):
    path = tmp_path / "labels.tif"
    masks = [Image.fromarray(np.eye(4, dtype=bool)), Image.fromarray(np.zeros((4, 4), bool))]
    masks[0].save(path, save_all=True, append_images=masks[1:])
    assert (read_image(path, page=0)[..., 0] == 255 * np.eye(4)).all()
    assert (read_label(path, page=0) == np.eye(4)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
@pytest.mark.parametrize("page", [-1, 4, 99])
def test_a_page_that_is_not_there_is_reported_with_the_number_of_pages(tmp_path, dtype, page):
    stack(tmp_path / "volume.tif", dtype)
    with pytest.raises(CenetError, match=rf"volume\.tif: there is no page {page} in it, it holds 4, counted from 0; "):
        read_image(tmp_path / "volume.tif", page=page)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_without_a_page_several_images_are_refused(tmp_path, dtype):
    stack(tmp_path / "volume.tif", dtype)
    with pytest.raises(CenetError, match=r"volume\.tif: the file holds 4 images; save every page or frame"):
        read_image(tmp_path / "volume.tif")


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "tif"])
def test_a_file_of_one_image_has_page_0_alone(tmp_path, ending):
    path = tmp_path / f"image.{ending}"
    Image.new("L", (5, 4), 7).save(path)
    assert page_count(path) == 1
    assert (read_image(path, page=0) == read_image(path)).all()
    with pytest.raises(CenetError, match="there is no page 1 in it, it holds 1, counted from 0; "):
        read_image(path, page=1)


def test_the_frames_of_an_animation_are_no_pages(tmp_path):
    path = tmp_path / "moving.gif"
    frames = [Image.fromarray(RNG.integers(0, 255, (8, 8), dtype=np.uint8)) for _ in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert page_count(path) == 3
    for page in (None, 1):
        with pytest.raises(CenetError, match=r"moving\.gif: the file holds 3 images; save every page or frame"):
            read_image(path, page=page)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; "),
        (b"not an image at all", "this is no undamaged PNG"),
        (b"II*\0\x08\0\0\0", "cannot be decoded|no undamaged"),
        (b"MM\0*", "cannot be decoded|no undamaged"),
    ],
)
def test_the_pages_of_what_is_no_image_are_not_counted(tmp_path, content, message):
    path = tmp_path / "volume.tif"
    path.write_bytes(content)
    with pytest.raises(CenetError, match=message) as error:
        page_count(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_folder_have_no_pages(tmp_path):
    with pytest.raises(CenetError, match=r"gone\.tif: the file cannot be read"):
        page_count(tmp_path / "gone.tif")
    with pytest.raises(CenetError, match="this is a folder; "):
        page_count(tmp_path)


@given(cut=st.floats(0.02, 0.98), dtype=st.sampled_from([np.uint8, np.int16]))
def test_a_corrupted_stack_is_refused_or_read_rightly(tmp_path_factory, cut, dtype):
    path = tmp_path_factory.mktemp("corrupted") / "volume.tif"
    slices = stack(path, dtype)
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    image = None
    with suppress(CenetError):
        image = read_image(path, page=2)
    assert image is None or (image[..., 0] == slices[2]).all()


def test_the_size_of_a_page_is_limited(tmp_path, monkeypatch):
    monkeypatch.setenv("CENET_MAX_PIXELS", "53")
    for dtype in (np.uint8, np.int16):
        stack(tmp_path / "volume.tif", dtype)
        with pytest.raises(CenetError, match="over the limit of 53 pixels"):
            decode(tmp_path / "volume.tif", indices=False, page=1)
    assert max_pixels() == 53


def test_npy_is_one_image_and_of_two_or_three_axes(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 6), np.uint8))
    assert page_count(tmp_path / "x.npy") == 1
    np.save(tmp_path / "volume.npy", np.zeros((2, 4, 6, 3), np.uint8))
    with pytest.raises(CenetError, match="2 x 4 x 6 x 3"):
        read_image(tmp_path / "volume.npy")


def test_channels_of_different_sizes_are_no_image(tmp_path):
    path = tmp_path / "cells.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(path, np.ones((2, 4, 6), np.uint8), ome=True, photometric="minisblack", metadata=metadata)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[1].tags["ImageLength"].overwrite(3)
        file.pages[1].tags["RowsPerStrip"].overwrite(3)
    with pytest.raises(CenetError, match="channels differ in size"):
        read_image(path)
