"""Large TIFF files are read in parts as they are read at once, and within limits of their own."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiffs import tiff

from cenet.data.io.large_tiff import is_large_tiff, make_small_copy, open_large_tiff
from cenet.data.io.limits import MAX_PART_BYTES, MAX_PIXELS_IN_PARTS, ImageTooLargeError
from cenet.data.io.read import read_image
from cenet.errors import CenetError

SHAPE = (75, 111)
STORED = {
    "one strip": {"rowsperstrip": 75},
    "strips": {"rowsperstrip": 7, "compression": "zlib"},
    "one compressed strip": {"rowsperstrip": 75, "compression": "zlib", "predictor": True},
    "tiles": {"tile": (32, 48)},
    "compressed tiles": {"tile": (48, 32), "compression": "zlib", "predictor": True},
    "channels apart": {"planarconfig": "separate", "tile": (32, 32)},
    "big-endian": {"byteorder": ">", "rowsperstrip": 10},
}


@pytest.fixture
def few_pixels(monkeypatch):
    """Lets images above 3,000 pixels be too large; gives a function that lifts that again."""
    monkeypatch.setenv("CENET_MAX_PIXELS", "3000")
    return lambda: monkeypatch.delenv("CENET_MAX_PIXELS")


def drawn(dtype, channels):
    values = np.random.default_rng(0).integers(0, 256, (*SHAPE, channels))
    return values.astype(dtype) if channels > 1 else values[..., 0].astype(dtype)


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 3), (np.uint16, 1), (np.float32, 1), (np.uint8, 4)])
def test_parts_are_those_of_the_whole_image(few_pixels, tmp_path, stored, dtype, channels):
    if stored.get("planarconfig") and channels == 1:
        stored = {name: value for name, value in stored.items() if name != "planarconfig"}
    if dtype == np.float32:  # whose predictor needs imagecodecs
        stored = {name: value for name, value in stored.items() if name != "predictor"}
    photometric = {"photometric": "minisblack"} if channels == 1 else {"photometric": "rgb"}
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    image = drawn(dtype, channels)
    if stored.get("planarconfig"):
        image = np.moveaxis(image, -1, 0)
    tifffile.imwrite(tmp_path / "large.tif", image, **stored, **photometric, **extra)
    large = open_large_tiff(tmp_path / "large.tif")
    few_pixels()
    whole = read_image(tmp_path / "large.tif")
    assert (large.shape, large.dtype) == (whole.shape, whole.dtype)
    for top, bottom in ((0, 1), (0, 40), (30, 41), (41, 60), (60, 75), (5, 8), (0, 75)):  # onwards, and back
        assert np.array_equal(large[slice(top, bottom), slice(3, 99)], whole[top:bottom, 3:99])


def test_what_is_within_the_limits_or_no_tiff_is_read_at_once(few_pixels, tmp_path):
    tifffile.imwrite(tmp_path / "small.tif", np.zeros((50, 60), np.uint8))
    Image.new("L", (100, 100)).save(tmp_path / "large.png")
    for name in ("small.tif", "large.png", "missing.tif"):
        assert open_large_tiff(tmp_path / name) is None


def test_only_rows_that_are_needed_are_read_of_what_is_not_compressed(few_pixels, tmp_path):
    content = tiff(bytes(range(100)) * 100, width=100, height=100)
    (tmp_path / "cut.tif").write_bytes(content[:-500])
    large = open_large_tiff(tmp_path / "cut.tif")
    assert large[slice(20, 90), slice(0, 100)].shape == (70, 100, 1)
    with pytest.raises(CenetError, match="truncated"):
        large[slice(90, 100), slice(0, 100)]


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 10**5, "height": MAX_PIXELS_IN_PARTS // 10**5 + 1},
        {"width": 10**6, "height": 100},
        {"width": 20_000, "height": MAX_PART_BYTES // 20_000 + 1, "compression": 8},
    ],
    ids=["too many pixels", "too wide", "one huge strip"],
)
def test_parts_have_limits_too(few_pixels, tmp_path, changes):
    (tmp_path / "huge.tif").write_bytes(tiff(b"0" * 100, **changes))
    with pytest.raises(ImageTooLargeError):
        open_large_tiff(tmp_path / "huge.tif")
    assert not is_large_tiff(tmp_path / "huge.tif")


@pytest.mark.parametrize("changes", [{"photometric": 0}, {"t274": (3, [6])}], ids=["white is zero", "on its side"])
def test_what_cannot_be_read_in_parts_is_refused(few_pixels, tmp_path, changes):
    (tmp_path / "odd.tif").write_bytes(tiff(bytes(10_000), width=100, height=100, **changes))
    with pytest.raises(CenetError) as refusal:
        open_large_tiff(tmp_path / "odd.tif")
    assert "in parts" in refusal.value.cause


def test_a_small_copy_holds_means_and_whether_channels_are_equal(monkeypatch, tmp_path):
    monkeypatch.setenv("CENET_MAX_PIXELS", "3000")
    monkeypatch.setattr("cenet.data.io.large_tiff.MAX_COPY_PX", 40)
    image = np.repeat(drawn(np.uint8, 1)[..., None], 3, axis=2)
    tifffile.imwrite(tmp_path / "large.tif", image, photometric="rgb")
    copy = make_small_copy(open_large_tiff(tmp_path / "large.tif"))
    assert copy.factor == 3
    expected = image.reshape(25, 3, 37, 3, 3).mean((1, 3))
    assert np.abs(copy.pixels - expected).max() <= 0.5
    assert (copy.is_uniform, copy.has_equal_channels) == (False, True)
    tifffile.imwrite(tmp_path / "flat.tif", np.full((75, 111, 3), (1, 2, 3), np.uint8), photometric="rgb")
    copy = make_small_copy(open_large_tiff(tmp_path / "flat.tif"))
    assert (copy.is_uniform, copy.has_equal_channels) == (True, False)


def test_pages_of_large_images_are_counted_without_reduced_copies(few_pixels, tmp_path):
    path, values = tmp_path / "slide.tif", drawn(np.uint8, 1)
    with tifffile.TiffWriter(path) as writer:
        for pixels, kind in ((values, 0), (values[::2, ::2], 1), (255 - values, 0)):
            writer.write(pixels, photometric="minisblack", metadata=None, subfiletype=kind)
    part = slice(0, 9), slice(0, 9)
    np.testing.assert_array_equal(open_large_tiff(path, page=1)[part][..., 0], (255 - values)[part])
