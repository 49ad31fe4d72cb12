import hashlib
import os
import pickle
import struct
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from cenet.data.io import limits
from cenet.data.io.read import (
    describe_file,
    fingerprint,
    page_count,
    read_image,
    read_label,
    read_region,
    read_rows,
)
from cenet.errors import CenetError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY16 = RNG.integers(0, 65536, (6, 9), dtype=np.uint16)
RGB16 = RNG.integers(0, 65536, (6, 9, 3), dtype=np.uint16)

# what makes a stored image upright, by the meaning of the EXIF tag: where row 0 and column 0 are seen
TURNS = {
    1: lambda stored: stored,  # top, left
    2: np.fliplr,  # top, right
    3: lambda stored: np.rot90(stored, 2),  # bottom, right
    4: np.flipud,  # bottom, left
    5: lambda stored: np.moveaxis(stored, 0, 1),  # left, top
    6: lambda stored: np.rot90(stored, -1),  # right, top
    7: lambda stored: np.rot90(np.moveaxis(stored, 0, 1), 2),  # right, bottom
    8: lambda stored: np.rot90(stored, 1),  # left, bottom
}


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def save_tiff(path, array, **options):
    tifffile.imwrite(path, array, **options)
    return path


def save_palette(path, indices, *colours):
    image = Image.fromarray(np.array(indices, np.uint8))
    image.putpalette(np.array(colours, np.uint8).tobytes())
    image.save(path)
    return path


def png(*, width=2, height=1, bits=8, colour=0, raw=b"\0\1\2"):
    """The bytes of a PNG file, of kinds that Pillow does not write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(raw))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def refusal(read, path, **options):
    """The cause and the remedy of what `read` refuses, on one line; its subject is the file."""
    with pytest.raises(CenetError) as error:
        read(path, **options)
    assert error.value.subject == str(path)
    assert "\n" not in str(error.value)
    return f": {error.value.cause}; {error.value.remedy}"


# --- reading images ------------------------------------------------------------------------------------------


def pixels(dtype, channels):
    shape = st.tuples(st.integers(1, 12), st.integers(1, 12), *[st.just(n) for n in channels])
    return shape.flatmap(lambda shape: hnp.arrays(dtype, shape))


ROUND_TRIPS = {
    "grey 8 bit png": ("png", np.uint8, (), save),
    "grey 8 bit tif": ("tif", np.uint8, (), save),
    "grey 8 bit bmp": ("bmp", np.uint8, (), save),
    "rgb 8 bit png": ("png", np.uint8, (3,), save),
    "rgb 8 bit tiff": ("tiff", np.uint8, (3,), save),
    "rgb 8 bit bmp": ("bmp", np.uint8, (3,), save),
    "grey 16 bit png": ("png", np.uint16, (), save),
    "grey 16 bit tif": ("tif", np.uint16, (), save),
    "rgb 16 bit tif": ("tif", np.uint16, (3,), save_tiff),
    "five channels": ("tif", np.uint16, (5,), save_tiff),
}


@pytest.mark.parametrize("kind", ROUND_TRIPS)
@settings(max_examples=15)
@given(data=st.data())
def test_what_is_written_is_read(kind, data):
    suffix, dtype, channels, write = ROUND_TRIPS[kind]
    array = data.draw(pixels(dtype, channels))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"image.{suffix}")
        if write is save_tiff:
            photometric = "rgb" if channels == (3,) else "minisblack"
            save_tiff(path, array, photometric=photometric, planarconfig="contig")
        else:
            save(path, array)
        image = read_image(path)
    assert image.dtype == dtype
    assert image.flags.c_contiguous
    assert image.flags.writeable
    assert image.dtype.isnative
    np.testing.assert_array_equal(image, array.reshape(*array.shape[:2], -1))


@pytest.mark.parametrize("suffix", ["gif", "png", "tif", "bmp"])
def test_a_palette_becomes_rgb(tmp_path, suffix):
    colours = [(9, 8, 7), (200, 0, 1), (0, 99, 255)]
    path = save_palette(tmp_path / f"image.{suffix}", [[0, 1, 2], [2, 2, 0]], *colours)
    np.testing.assert_array_equal(read_image(path), np.array(colours, np.uint8)[[[0, 1, 2], [2, 2, 0]]])


@pytest.mark.parametrize("transparency", [1, b"\0\x80"])
def test_the_transparency_of_a_palette_is_dropped(tmp_path, transparency):
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([9, 8, 7, 200, 0, 1])
    image.save(tmp_path / "image.png", transparency=transparency)
    assert read_image(tmp_path / "image.png").tolist() == [[[9, 8, 7], [200, 0, 1]]]


@pytest.mark.parametrize("suffix", ["gif", "png", "tif", "bmp"])
def test_one_bit_becomes_0_and_255(tmp_path, suffix):
    bits = GREY > 100
    np.testing.assert_array_equal(read_image(save(tmp_path / f"a.{suffix}", bits))[..., 0], bits * 255)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_dropped(tmp_path, suffix, channels):
    array = np.dstack([RGB, GREY])[..., -channels:]
    np.testing.assert_array_equal(read_image(save(tmp_path / f"a.{suffix}", array)), array[..., :-1])


def test_alpha_beside_a_palette_is_dropped(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([0, 0, 0, 200, 0, 1, 0, 99, 255])
    image.convert("PA").save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").tolist() == [[[0, 0, 0], [200, 0, 1], [0, 99, 255]]]
    assert read_label(tmp_path / "a.tif").tolist() == [[0, 1, 2]]


def test_the_colours_under_full_transparency_are_kept(tmp_path):
    array = np.dstack([RGB, np.zeros_like(GREY)])
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", array)), RGB)


def test_the_alpha_of_a_16_bit_tiff_is_dropped(tmp_path):
    array = np.dstack([RGB16, GREY16])
    path = save_tiff(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_image(path), RGB16)


def test_a_further_channel_that_is_not_alpha_is_kept(tmp_path):
    array = np.dstack([RGB, GREY])
    path = save_tiff(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(read_image(path), array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_any_number_of_channels_is_read(tmp_path, dtype, channels, planarconfig):
    array = RNG.integers(0, 256, (6, 9, channels)).astype(dtype)
    stored = array if planarconfig == "contig" else np.moveaxis(array, -1, 0)
    path = save_tiff(tmp_path / "a.tif", stored, photometric="minisblack", planarconfig=planarconfig)
    image = read_image(path)
    assert image.dtype == dtype
    np.testing.assert_array_equal(image, array)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("array", [GREY16, RGB16, GREY16 / np.float32(3)], ids=["grey", "rgb", "float"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}], ids=str)
def test_every_byte_order_and_layout_is_read(tmp_path, byteorder, array, options):
    image = read_image(save_tiff(tmp_path / "a.tif", array, byteorder=byteorder, **options))
    assert image.dtype == array.dtype
    assert image.dtype.isnative
    np.testing.assert_array_equal(np.squeeze(image), array)


@pytest.mark.parametrize("array", [GREY, GREY16, RGB16], ids=["grey", "grey 16 bit", "rgb 16 bit"])
def test_a_big_tiff_is_read(tmp_path, array):
    np.testing.assert_array_equal(np.squeeze(read_image(save_tiff(tmp_path / "a.tif", array, bigtiff=True))), array)


@pytest.mark.parametrize("array", [GREY, GREY16, RGB, RGB16], ids=["grey", "grey 16 bit", "rgb", "rgb 16 bit"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}], ids=str)
def test_a_big_endian_big_tiff_is_read(tmp_path, array, options):
    tags = [(274, "H", 1, 6, True)]
    path = save_tiff(tmp_path / "a.tif", array, bigtiff=True, byteorder=">", extratags=tags, **options)
    image, label = read_image(path), read_label if array is GREY else read_image
    assert image.dtype == array.dtype
    np.testing.assert_array_equal(np.squeeze(image), TURNS[6](array))
    np.testing.assert_array_equal(np.squeeze(label(path)), TURNS[6](array))


def test_the_alpha_of_a_big_endian_big_tiff_is_dropped(tmp_path):
    array = np.dstack([RGB, GREY])
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"], "bigtiff": True, "byteorder": ">"}
    np.testing.assert_array_equal(read_image(save_tiff(tmp_path / "a.tif", array, **options)), RGB)


@pytest.mark.parametrize(
    ("array", "options", "cause"),
    [
        (GREY, {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}, "BigTIFF of this colour kind"),
        (GREY, {"photometric": "miniswhite"}, "BigTIFF of this colour kind"),
        (GREY > 9, {"photometric": "minisblack"}, "samples of 1 bits"),
    ],
)
def test_a_big_endian_big_tiff_of_a_rare_kind_is_named_as_that(tmp_path, array, options, cause):
    path = save_tiff(tmp_path / "a.tif", array, bigtiff=True, byteorder=">", **options)
    with pytest.raises(CenetError) as caught:
        read_image(path)
    assert cause in caught.value.cause


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits", "raw"])
@pytest.mark.parametrize("array", [GREY, RGB, GREY16], ids=["grey", "rgb", "grey 16 bit"])
def test_common_compressions_are_read(tmp_path, compression, array):
    path = save(tmp_path / "a.tif", array, compression=compression)
    np.testing.assert_array_equal(np.squeeze(read_image(path)), array)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint32, np.int64, np.float16, np.float64])
def test_other_numbers_become_float32_without_loss(tmp_path, dtype):
    array = RNG.integers(-100, 100, (6, 9)).astype(dtype) if dtype != np.uint32 else GREY.astype(dtype)
    image = read_image(save_tiff(tmp_path / "a.tif", array))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image[..., 0], array)


def test_white_is_bright_where_zero_means_white(tmp_path):
    path = save_tiff(tmp_path / "a.tif", 255 - GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(path)[..., 0], GREY)


def test_the_content_decides_not_the_suffix(tmp_path):
    path = tmp_path / "photograph.jpg"
    save(path, RGB, format="PNG")
    np.testing.assert_array_equal(read_image(path), RGB)


def test_the_main_image_of_a_jpeg_with_further_ones_is_read(tmp_path):
    grey, white = Image.new("L", (16, 8), 90), Image.new("L", (16, 8), 255)
    grey.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[white])
    assert (read_image(tmp_path / "a.jpg") == 90).all()


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@given(array=pixels(np.uint8, (3,)))
@settings(max_examples=5)
def test_an_image_is_turned_upright(suffix, orientation, array):
    with tempfile.TemporaryDirectory() as folder:
        plain, turned = Path(folder, f"plain.{suffix}"), Path(folder, f"turned.{suffix}")
        save(plain, array)
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(turned, array, exif=exif)
        np.testing.assert_array_equal(read_image(turned), TURNS[orientation](read_image(plain)))


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("array", [GREY, GREY16, RGB, RGB16, GREY / np.float32(7)], ids=lambda a: f"{a.dtype}{a.ndim}")
def test_a_tiff_is_turned_upright_whoever_decodes_it(tmp_path, array, orientation):
    path = save_tiff(tmp_path / "a.tif", array, extratags=[(274, "H", 1, orientation, True)])
    image = read_image(path)
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(np.squeeze(image), TURNS[orientation](array))


@pytest.mark.parametrize("orientation", [0, 9, 1000])
def test_an_orientation_without_meaning_is_upright(tmp_path, orientation):
    for array in (GREY, RGB16):
        path = save_tiff(tmp_path / "a.tif", array, extratags=[(274, "H", 1, orientation, True)])
        np.testing.assert_array_equal(np.squeeze(read_image(path)), array)


def test_labels_and_regions_are_turned_as_images_are(tmp_path):
    stored = np.array([[0, 0, 255], [0, 255, 255]], np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.png", stored, exif=exif)
    upright = np.rot90(stored, -1) == 255
    np.testing.assert_array_equal(read_label(path), upright * 255)
    np.testing.assert_array_equal(read_region(path), upright)


def bad_files():
    """Every kind of file that is refused: (name, how to write it, what is told)."""
    inf, nan = np.full((2, 2), np.inf, np.float32), np.full((2, 2, 3), np.nan, np.float32)
    pages = [Image.new("L", (3, 2), grey) for grey in (0, 90, 255)]
    four, cube = np.zeros((2, 2, 4), np.uint16), np.zeros((16, 16, 16), np.uint16)
    more = {"save_all": True, "append_images": pages[1:]}
    return [
        ("missing.png", lambda path: None, "No such file"),
        ("folder.png", lambda path: path.mkdir(), "this is a folder"),
        ("empty.png", lambda path: path.touch(), "the file is empty"),
        ("one.tif", lambda path: path.write_bytes(b"I"), "undamaged"),
        ("header.tif", lambda path: path.write_bytes(b"II*\0"), "cannot be decoded"),
        ("text.png", lambda path: path.write_text("an image"), "undamaged PNG, JPEG, TIFF, GIF, BMP"),
        ("text.tif", lambda path: path.write_text("an image"), "undamaged"),
        ("noise.jpg", lambda path: path.write_bytes(RGB.tobytes()), "undamaged"),
        ("other.png", lambda path: save(path, RGB, format="TGA"), "undamaged"),
        ("array.png", lambda path: path.write_bytes(b"\x93NUMPY\1\0" + bytes(99)), "undamaged"),
        ("signature.png", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), "undamaged"),
        ("empty.jpg", lambda path: path.write_bytes(b"\xff\xd8\xff\xd9"), "undamaged"),
        ("checksum.png", lambda path: path.write_bytes(png().replace(b"IHDR\0", b"IHDR\1")), "undamaged"),
        ("short.png", lambda path: path.write_bytes(png(width=9)), "cannot be decoded"),
        ("rgb16.png", lambda path: path.write_bytes(png(bits=16, colour=2, raw=bytes(13))), "16-bit TIFF"),
        ("la16.png", lambda path: path.write_bytes(png(bits=16, colour=4, raw=bytes(9))), "16-bit TIFF"),
        ("rgba16.png", lambda path: path.write_bytes(png(bits=16, colour=6, raw=bytes(17))), "16-bit TIFF"),
        ("large.png", lambda path: path.write_bytes(png(width=10_000, height=8_001)), "limit of 80 megapixels"),
        ("larger.png", lambda path: path.write_bytes(png(width=100_000, height=1_000)), "limit of 80 megapixels"),
        ("huge.png", lambda path: path.write_bytes(png(width=2**31 - 1, height=2**31 - 1)), "raise --max-pixels"),
        ("pages.tif", lambda path: pages[0].save(path, **more), "holds 3 images; save every page"),
        ("pages16.tif", lambda path: save_tiff(path, cube, photometric="minisblack"), "holds 16"),
        ("frames.gif", lambda path: pages[0].save(path, **more), "holds 3 images"),
        ("frames.png", lambda path: pages[0].save(path, **more), "holds 3 images"),
        ("cmyk.jpg", lambda path: Image.new("CMYK", (3, 2)).save(path), "mode CMYK"),
        ("cmyk.tif", lambda path: Image.new("CMYK", (3, 2)).save(path), "mode CMYK"),
        ("lab.tif", lambda path: Image.new("LAB", (3, 2)).save(path), "mode LAB"),
        ("ycbcr.tif", lambda path: Image.new("YCbCr", (3, 2)).save(path), "image"),  # Pillow 12 calls it truncated
        ("cmyk16.tif", lambda path: save_tiff(path, four, photometric="separated"), "colour kind"),
        ("white16.tif", lambda path: save_tiff(path, GREY16, photometric="miniswhite"), "colour kind"),
        ("nan.tif", lambda path: save_tiff(path, nan, photometric="rgb"), "NaN or infinite"),
        ("nan1.tif", lambda path: save_tiff(path, nan[..., 0]), "NaN or infinite"),
        ("inf.tif", lambda path: save_tiff(path, inf), "NaN or infinite"),
        ("double.tif", lambda path: save_tiff(path, np.full((2, 2), 1e300)), "NaN or infinite"),
        ("long.tif", lambda path: save_tiff(path, np.full((2, 2), 2**24 + 1, np.uint32)), "do not fit float32"),
        ("min.tif", lambda path: save_tiff(path, np.full((2, 2), -(2**31) + 1, np.int32)), "do not fit float32"),
        ("volume.tif", lambda path: save_tiff(path, cube, volumetric=True, tile=(16, 16, 16)), "holds a volume"),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "write", "cause"), bad_files(), ids=[name for name, _, _ in bad_files()])
@pytest.mark.parametrize("read", [read_image, read_label, read_region])
def test_a_file_that_is_not_one_good_image_is_reported_in_one_sentence(tmp_path, read, name, write, cause):
    write(tmp_path / name)
    assert cause in refusal(read, tmp_path / name)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a regular file" in refusal(read_image, tmp_path / "pipe.png")


def test_an_unreadable_file_is_reported(tmp_path, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    path = save(tmp_path / "a.png", GREY)
    monkeypatch.setattr(Path, "open", denied)
    assert "the file cannot be read (Permission denied)" in refusal(read_image, path)


def test_a_name_that_no_file_can_have_is_reported():
    assert "cannot be read" in refusal(read_image, Path("a\0b.png"))


@pytest.mark.parametrize("array", [RGB, GREY16, RGB16], ids=["rgb", "grey 16 bit", "rgb 16 bit"])
def test_the_limit_of_pixels_holds_for_every_decoder(tmp_path, monkeypatch, array):
    path = save_tiff(tmp_path / "a.tif", array)
    monkeypatch.setattr(limits, "MAX_PIXELS", 54)
    assert read_image(path).size == array.size
    monkeypatch.setattr(limits, "MAX_PIXELS", 53)
    assert "over the limit of 53 pixels; crop or scale it, or raise --max-pixels" in refusal(read_image, path)


@pytest.mark.parametrize("array", [RGB, GREY16, RGB16], ids=["rgb", "grey 16 bit", "rgb 16 bit"])
def test_the_limit_of_pixels_is_the_users(tmp_path, monkeypatch, array):
    path = save_tiff(tmp_path / "a.tif", array)
    monkeypatch.setenv("CENET_MAX_PIXELS", "54")
    assert read_image(path).size == array.size
    monkeypatch.setenv("CENET_MAX_PIXELS", "53")
    assert "over the limit of 53 pixels" in refusal(read_image, path)


def test_pillow_does_not_refuse_what_the_user_allows(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    monkeypatch.setenv("CENET_MAX_PIXELS", "54")
    assert read_image(path).size == 54
    assert Image.MAX_IMAGE_PIXELS == 10
    monkeypatch.setenv("CENET_MAX_PIXELS", "9")
    assert "over the limit of 9 pixels" in refusal(read_image, path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert "over the limit of 9 pixels" in refusal(read_image, path)


@pytest.mark.parametrize("text", ["0", "-1", "8e7", "80 000 000", "many", "1.5", "9" * 5000, "٣"])
def test_a_limit_that_is_no_number_of_pixels_is_reported(tmp_path, monkeypatch, text):
    monkeypatch.setenv("CENET_MAX_PIXELS", text)
    with pytest.raises(CenetError, match=r"^CENET_MAX_PIXELS: .* is no number of pixels; give a whole number"):
        read_image(save(tmp_path / "a.png", GREY))


WHOLE = {
    "png": lambda path: save(path, RGB),
    "jpg": lambda path: save(path, RGB),
    "gif": lambda path: save(path, GREY),
    "bmp": lambda path: save(path, RGB),
    "tif": lambda path: save(path, RGB),
    "lzw.tif": lambda path: save(path, RGB, compression="tiff_lzw"),
    "rgb16.tif": lambda path: save_tiff(path, RGB16),
    "zlib.tif": lambda path: save_tiff(path, RGB16, compression="zlib", rowsperstrip=2),
    "tile.tif": lambda path: save_tiff(path, RGB16, tile=(16, 16)),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_truncated_file_is_refused_or_read_whole(tmp_path, kind):
    whole, cut = tmp_path / f"whole.{kind}", tmp_path / f"cut.{kind}"
    WHOLE[kind](whole)
    content, image = whole.read_bytes(), read_image(whole)
    refused = 0
    for size in range(1, len(content), 1 + len(content) // 70):
        cut.write_bytes(content[:size])
        try:
            np.testing.assert_array_equal(read_image(cut), image)
        except CenetError:
            refused += 1
    assert refused > 40


@pytest.mark.parametrize("rows", [0, 1, 6, 15])
def test_a_tile_of_which_whole_rows_are_missing_is_refused(tmp_path, rows):
    path = save_tiff(tmp_path / "a.tif", RGB16, tile=(16, 16))
    with tifffile.TiffFile(path) as file:
        start = file.pages.first.dataoffsets[0]
    path.write_bytes(path.read_bytes()[: start + rows * 16 * 6])
    assert "truncated" in refusal(read_image, path)


@given(content=st.binary(max_size=200), start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0"]))
@settings(max_examples=60)
def test_arbitrary_bytes_give_an_image_or_one_sentence(content, start):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.png")
        path.write_bytes(start + content)
        for read in (read_image, read_label, read_region):
            with suppress(CenetError):
                assert read(path).ndim in (2, 3)


@pytest.mark.parametrize("kind", WHOLE)
@given(data=st.data())
@settings(max_examples=15)
def test_a_damaged_file_gives_an_image_or_one_sentence(kind, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"damaged.{kind}")
        WHOLE[kind](path)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        for read in (read_image, read_label, read_region):
            with suppress(CenetError):
                assert read(path).ndim in (2, 3)


# --- labels and regions --------------------------------------------------------------------------------------


def grey(tmp_path, *values, suffix="png", dtype=np.uint8):
    return save(tmp_path / f"label.{suffix}", np.array([values], dtype))


@pytest.mark.parametrize("values", [[0, 1], [0, 255], [4, 252], [0, 7, 99]])
@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_label_is_read_as_it_is_stored(tmp_path, values, suffix, channels):
    array = np.repeat(np.array([values], np.uint8)[..., None], channels, axis=2)
    if channels == 4:
        array[..., 3] = 77
    path = save(tmp_path / f"a.{suffix}", np.squeeze(array, axis=2) if channels == 1 else array)
    read = read_label(path)
    assert read.dtype == np.uint8
    assert read.tolist() == [values]


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.float64])
def test_a_label_may_be_stored_in_wider_numbers(tmp_path, dtype):
    path = save_tiff(tmp_path / "a.tif", np.array([[0, 1, 2, 7]], dtype))
    assert read_label(path).tolist() == [[0, 1, 2, 7]]


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "gif"])
def test_a_label_of_one_bit_is_0_and_1_or_the_greys_of_a_gif(tmp_path, suffix):
    bits = GREY > 100
    path = save(tmp_path / f"a.{suffix}", bits)
    np.testing.assert_array_equal(read_label(path), bits * (255 if suffix == "gif" else 1))
    np.testing.assert_array_equal(read_region(path), bits)


@pytest.mark.parametrize("suffix", ["png", "gif", "tif", "bmp"])
def test_the_indices_of_a_palette_are_the_classes(tmp_path, suffix):
    path = save_palette(tmp_path / f"a.{suffix}", [[0, 1, 2]], (255, 255, 255), (200, 0, 0), (0, 0, 9))
    assert read_label(path).tolist() == [[0, 1, 2]]


def test_a_grey_palette_that_rises_from_black_gives_its_indices(tmp_path):
    path = save_palette(tmp_path / "a.png", [[0, 1, 2]], (0, 0, 0), (100, 100, 100), (255, 255, 255))
    assert read_label(path).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("indices", [[[0, 1]], [[0, 0]]])
def test_a_grey_palette_out_of_order_is_refused(tmp_path, indices):
    path = save_palette(tmp_path / "a.png", indices, (255, 255, 255), (0, 0, 0))
    assert "does not rise from black" in refusal(read_label, path)
    assert "does not rise from black" in refusal(read_region, path)


def test_a_grey_palette_that_falls_again_is_refused(tmp_path):
    path = save_palette(tmp_path / "a.png", [[0, 1, 2]], (0, 0, 0), (255, 255, 255), (100, 100, 100))
    assert "does not rise from black" in refusal(read_label, path)


@pytest.mark.parametrize("full", [1, 255])
def test_a_mask_that_pillow_saves_as_gif_is_never_inverted(tmp_path, full):
    for mask in (GREY > 100, GREY > 250, GREY > 255):
        path = save(tmp_path / "a.gif", mask * np.uint8(full))
        np.testing.assert_array_equal(read_label(path), mask * full)
    assert "does not rise from black" in refusal(read_label, save(tmp_path / "a.gif", 255 + 0 * GREY))


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_a_coloured_label_is_read_as_rgb(tmp_path, suffix):
    read = read_label(save(tmp_path / f"a.{suffix}", RGB))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, RGB)


def test_a_label_of_other_colours_is_refused(tmp_path):
    five = RNG.integers(0, 256, (6, 9, 5), dtype=np.uint8)
    assert "not 3 different channels of uint16" in refusal(
        read_label, save_tiff(tmp_path / "a.tif", RGB16, photometric="rgb")
    )
    assert "not 5 different channels of uint8" in refusal(
        read_label, save_tiff(tmp_path / "b.tif", five, photometric="minisblack", planarconfig="contig")
    )


def test_a_coloured_region_is_refused(tmp_path):
    assert "must not be coloured" in refusal(read_region, save(tmp_path / "a.png", RGB))


@pytest.mark.parametrize("inside", [1, 7, 255])
def test_a_region_is_0_outside_and_one_value_inside(tmp_path, inside):
    region = read_region(grey(tmp_path, 0, inside, 0))
    assert (region.dtype, region.tolist()) == (np.bool_, [[False, True, False]])
    assert read_region(grey(tmp_path, inside, inside)).all()


def test_a_region_of_16_bits_is_read(tmp_path):
    assert read_region(grey(tmp_path, 0, 65535, dtype=np.uint16)).tolist() == [[False, True]]


def test_a_region_of_nothing_is_refused(tmp_path):
    assert "no pixel counts" in refusal(read_region, grey(tmp_path, 0, 0))


@pytest.mark.parametrize("values", [[0, 1, 2], [1, 2], [0, 254, 255], range(20)])
def test_a_region_of_several_values_is_refused(tmp_path, values):
    shown = ", ".join(str(value) for value in values[:8])
    assert f"holds the values {shown}" in refusal(read_region, grey(tmp_path, *values))


def test_a_negative_region_is_refused(tmp_path):
    assert "holds the values -1, 0" in refusal(read_region, save_tiff(tmp_path / "a.tif", np.array([[0, -1]], np.int8)))


# --- fingerprints ---------------------------------------------------------------------------------------------


def test_a_fingerprint_is_the_sha_256_of_shape_type_and_bytes():
    assert fingerprint(GREY16) == hashlib.sha256(b"(6, 9) <u2 " + GREY16.astype("<u2").tobytes()).hexdigest()


def test_a_fingerprint_does_not_depend_on_memory_layout():
    for other in (GREY16.astype(">u2"), np.asfortranarray(GREY16), np.repeat(GREY16, 2, axis=0)[::2]):
        assert fingerprint(other) == fingerprint(GREY16)


def test_a_fingerprint_tells_shape_type_and_pixels_apart():
    zeros = np.zeros((2, 6, 1), np.uint8)
    changed = zeros.copy()
    changed[0, 0] = 1
    others = [
        zeros.reshape(6, 2, 1),
        zeros.reshape(2, 3, 2),
        zeros.view(np.int8),
        zeros.reshape(2, 3, 2).view("<u2"),
        changed,
    ]
    assert len({fingerprint(array) for array in [zeros, *others]}) == 6


# --- real images ---------------------------------------------------------------------------------------------


@pytest.mark.data
def test_real_images_and_labels_are_read(data_set):
    photograph = read_image(data_set("CHASE_DB1") / "images" / "Image_01L.jpg")
    label = read_label(data_set("CHASE_DB1") / "manual" / "Image_01L_1stHO.png")
    assert (photograph.shape, photograph.dtype) == ((960, 999, 3), np.uint8)
    assert label.shape == photograph.shape[:2]
    assert 0.03 < label.mean() < 0.15
    layers = sorted((data_set("oct-layers/eight-layers") / "labels").glob("*.png"))
    assert set(np.unique(read_label(layers[0]))) <= set(range(9))
    for path in (data_set("lung-ct/one-patient") / "masks").iterdir():
        assert set(np.unique(read_label(path))) <= {0, 1}


@pytest.mark.data
def test_a_real_volume_is_refused_with_its_number_of_slices(data_set):
    assert "holds 24 images" in refusal(read_image, data_set("ISBI2012") / "train-volume.tif")


def test_rows_of_boundaries_are_read_as_they_are(tmp_path):
    rows = np.array([[1.25, np.nan, 3], [2, 5, 3]])
    for dtype in (np.float32, np.float64):
        np.save(tmp_path / "scan.npy", rows.astype(dtype))
        read = read_rows(tmp_path / "scan.npy")
        np.testing.assert_array_equal(read, rows)
        assert read.dtype == np.float64


def test_whole_numbers_are_rows_too(tmp_path):
    np.save(tmp_path / "scan.npy", np.array([[1, 2], [3, 4]], np.uint16))
    assert read_rows(tmp_path / "scan.npy").tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), r"its shape is 5, but rows of boundaries are \(boundaries, columns\); "),
        (np.zeros((2, 3, 4)), "its shape is 2 x 3 x 4, but"),
        (np.float64(3), "its shape is a single number, but"),
        (np.zeros((0, 7)), "its shape is 0 x 7, but"),
        (np.zeros((2, 3), complex), "are one array of numbers; "),
        (np.zeros((2, 3), bool), "are one array of numbers; "),
        (np.array([["1", "2"]]), "are one array of numbers; "),
        (np.array([[1, None]], object), r"no undamaged \.npy file of numbers; "),
    ],
)
def test_what_is_no_array_of_rows_is_refused(tmp_path, array, message):
    np.save(tmp_path / "scan.npy", array)
    with pytest.raises(CenetError, match=rf"scan\.npy: .*{message}"):
        read_rows(tmp_path / "scan.npy")


def test_a_pickle_is_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was opened",))

    (tmp_path / "scan.npy").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(CenetError, match=r"no undamaged \.npy file"):
        read_rows(tmp_path / "scan.npy")


def test_several_arrays_in_one_file_are_refused(tmp_path):
    np.savez(tmp_path / "scan.npz", rows=np.zeros((2, 3)))
    (tmp_path / "scan.npz").rename(tmp_path / "scan.npy")
    with pytest.raises(CenetError, match="are one array of numbers; "):
        read_rows(tmp_path / "scan.npy")


def test_missing_empty_and_foreign_files_hold_no_rows(tmp_path):
    (tmp_path / "empty.npy").touch()
    (tmp_path / "image.npy").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(CenetError, match=r"gone\.npy: the rows of boundaries cannot be read \(No such file"):
        read_rows(tmp_path / "gone.npy")
    with pytest.raises(CenetError, match="this is a folder"):
        read_rows(tmp_path)
    for name in ("empty", "image"):
        with pytest.raises(CenetError, match=rf"{name}\.npy: this is no undamaged \.npy file of numbers; "):
            read_rows(tmp_path / f"{name}.npy")


@given(cut=st.floats(0, 0.99))
def test_a_corrupted_file_of_rows_is_reported(tmp_path_factory, cut):
    path = tmp_path_factory.getbasetemp() / "corrupted.npy"
    np.save(path, np.zeros((3, 40)))
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(CenetError, match=r"corrupted\.npy: "):
        read_rows(path)


def write_pages(path, kinds):
    """A TIFF of a page for each kind, filled with its number."""
    with tifffile.TiffWriter(path) as writer:
        for number in range(len(kinds)):
            pixels = np.full((9, 12), number, np.uint8)
            writer.write(pixels, photometric="minisblack", metadata=None, subfiletype=1)
    with tifffile.TiffFile(path, mode="r+") as file:
        for page, kind in zip(file.pages, kinds, strict=True):
            page.tags["NewSubfileType"].overwrite(kind)
    return path


@pytest.mark.parametrize(
    ("kinds", "images", "remark"),
    [
        ((0, 1, 4), [0], "2 of its 3 pages are reduced copies or transparency masks, and were left out"),
        ((1, 0, 0), [1, 2], "1 of its 3 pages is a reduced copy or a transparency mask, and was left out"),
        ((0, 5, 0, 9), [0, 2], "2 of its 4 pages are reduced copies or transparency masks, and were left out"),
        ((0, 2, 2), [0, 1, 2], None),  # pages of a document
        ((1, 1), [0, 1], None),  # nothing else is there
    ],
)
def test_pages_that_are_no_images_are_left_out_and_that_is_said(tmp_path, kinds, images, remark):
    path = write_pages(tmp_path / "pages.tif", kinds)
    assert page_count(path) == len(images)
    assert [read_image(path, page=page)[0, 0, 0] for page in range(len(images))] == images
    assert describe_file(path) == ([remark] if remark else [])
    if len(images) == 1:
        assert read_image(path)[0, 0, 0] == images[0]
    with pytest.raises(CenetError, match=f"there is no page {len(images)} in it"):
        read_image(path, page=len(images))


def test_of_a_tiff_that_is_cut_nothing_is_said(tmp_path):
    whole = write_pages(tmp_path / "pages.tif", (0, 1)).read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    assert describe_file(tmp_path / "cut.tif") == []
