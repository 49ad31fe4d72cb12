"""TIFF files are read with the values that independent programs read, or refused before anything is decoded."""

import tracemalloc

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiffs import LONG, SHORT, deflated_zeros, tiff

from cenet.data.io.read import page_count, read_image
from cenet.errors import CenetError

RNG = np.random.default_rng(0)
DTYPES = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.float16, np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"rowsperstrip": 7},
        {"tile": (16, 32)},
        {"compression": "zlib"},
        {"compression": "zlib", "rowsperstrip": 5, "predictor": True},
        {"compression": "zlib", "tile": (32, 16), "predictor": True},
        {"compression": "lzma", "rowsperstrip": 9},
        {"bigtiff": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_every_kind_of_number_and_layout_is_read_as_tifffile_reads_it(tmp_path, dtype, order, how, planar):
    if how.get("bigtiff"):
        order = "<"  # Pillow does not know the other one
    if how.get("predictor") and np.dtype(dtype).kind == "f":
        how = {**how, "predictor": False}  # tifffile writes none of floating-point numbers
    shape = (41, 37, 3) if planar == "contig" else (3, 41, 37)
    stored = RNG.integers(0, 120, shape).astype(dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig=planar, byteorder=order, **how)
    image = read_image(path)
    expected = tifffile.imread(path)
    assert (image == (expected if planar == "contig" else np.moveaxis(expected, 0, -1))).all()
    assert image.dtype == (dtype if dtype in (np.uint8, np.uint16) else np.float32)
    assert image.dtype.isnative


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_lzma", "zstd"])
@pytest.mark.parametrize("predictor", [1, 2, 3])
def test_floating_point_numbers_that_libtiff_writes_are_read(tmp_path, compression, predictor):
    values = RNG.normal(size=(33, 29)).astype(np.float32)
    path = tmp_path / "a.tif"
    Image.fromarray(values).save(path, compression=compression, tiffinfo={317: predictor, 278: 8})
    assert (read_image(path)[..., 0] == values).all()


def test_whole_numbers_with_lzw_are_read(tmp_path):
    values = RNG.integers(-9, 9, (33, 29)).astype(np.int32)
    Image.fromarray(values).save(tmp_path / "a.tif", compression="tiff_lzw", tiffinfo={317: 2})
    assert (read_image(tmp_path / "a.tif")[..., 0] == values).all()


def test_strips_that_are_left_out_are_zeros(tmp_path):
    content = tiff(b"", bits=16, samples=3, photometric=2, t273=(LONG, [0, 0]), t279=(LONG, [0, 0]), t278=(LONG, [5]))
    (tmp_path / "a.tif").write_bytes(content)
    assert not read_image(tmp_path / "a.tif").any()


def test_bits_in_reverse_order_are_read(tmp_path):
    values = RNG.integers(0, 2**16, (10, 10, 3)).astype("<u2")
    reverse = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
    content = tiff(values.tobytes().translate(reverse), bits=16, samples=3, photometric=2, t266=(SHORT, [2]))
    (tmp_path / "a.tif").write_bytes(content)
    assert (read_image(tmp_path / "a.tif") == values).all()


GREY = bytes(range(100))
CORRUPTED = {
    "two widths": tiff(GREY, t256=(LONG, [60_000, 60_000])),
    "two widths without byte counts": tiff(GREY, height=500_000_000, t256=(LONG, [10, 10]), t279=None),
    "a negative width": tiff(GREY, t256=(9, [-10])),
    "a fractional height": tiff(GREY, t257=(12, [10.5])),
    "no width": tiff(GREY, t256=None),
    "no rows": tiff(GREY, height=0),
    "no channels": tiff(GREY, samples=0),
    "only alpha": tiff(GREY, t338=(SHORT, [1])),
    "channels of different depth": tiff(bytes(300), samples=3, photometric=2, t258=(SHORT, [8, 16, 8])),
    "99 bits": tiff(GREY, bits=99),
    "no rows in a strip": tiff(GREY, t278=(LONG, [0])),
    "too few strips": tiff(GREY, t278=(LONG, [5])),
    "no strips": tiff(GREY, t273=None),
    "tiles without a width": tiff(GREY, t322=(LONG, [0]), t323=(LONG, [16])),
    "strips and tiles": tiff(GREY, t324=(LONG, [8])),
    "strange subsampling": tiff(GREY, t530=(SHORT, [3, 1])),
    "a strip beyond the end": tiff(GREY, samples=3, bits=16, photometric=2, t273=(LONG, [10**9])),
    "half a strip": tiff(bytes(300), samples=3, bits=16, photometric=2),
    "more in a strip than its pixels": tiff(deflated_zeros(10**6), samples=3, bits=16, photometric=2, compression=8),
    "less in a strip than its pixels": tiff(deflated_zeros(599), samples=3, bits=16, photometric=2, compression=8),
    "an unknown compression": tiff(bytes(600), samples=3, bits=16, photometric=2, compression=999),
    "an unknown sample format": tiff(bytes(600), samples=3, bits=16, photometric=2, t339=(SHORT, [5, 5, 5])),
    "an unknown predictor": tiff(
        deflated_zeros(600), samples=3, bits=16, photometric=2, compression=8, t317=(SHORT, [9])
    ),
}
TOO_LARGE = {
    "many pixels": tiff(GREY, width=12_000, height=9_000),
    "many channels": tiff(b"", width=7_900, height=10_000, samples=7, bits=64, t339=(SHORT, [3] * 7)),
    "a large tile": tiff(GREY, t322=(LONG, [10**6]), t323=(LONG, [10**6])),
    "many strips": tiff(GREY, width=1, height=10**7, t278=(LONG, [1])),
}


@pytest.mark.parametrize("name", CORRUPTED | TOO_LARGE)
def test_a_tiff_that_no_program_writes_is_refused_before_it_takes_memory(tmp_path, name):
    path = tmp_path / "a.tif"
    path.write_bytes((CORRUPTED | TOO_LARGE)[name])
    tracemalloc.start()
    with pytest.raises(CenetError) as error:
        read_image(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.value.subject == str(path)
    assert peak < 5 * 2**20
    assert ("limit of" in error.value.cause) == (name in TOO_LARGE)


@pytest.mark.parametrize("name", ["many pixels", "many channels"])
def test_what_is_too_large_says_how_large_and_how_to_raise_the_limit(tmp_path, name):
    path = tmp_path / "a.tif"
    path.write_bytes(TOO_LARGE[name])
    with pytest.raises(CenetError, match="--max-pixels") as error:
        read_image(path)
    assert ("108 megapixels" in error.value.cause) or ("4,219 MiB" in error.value.cause)


def test_directories_that_lead_in_a_circle_are_counted_once(tmp_path):
    content = bytearray(tiff(GREY))
    content[8 + 2 + 12 * 9 : 8 + 2 + 12 * 9 + 4] = (8).to_bytes(4, "little")
    (tmp_path / "a.tif").write_bytes(content)
    assert page_count(tmp_path / "a.tif") == 1
    assert read_image(tmp_path / "a.tif").shape == (10, 10, 1)


# --- what libtiff reports --------------------------------------------------------------------------------------


def write_ycbcr(path, compression):
    """A sound YCbCr TIFF; the place of its compressed strip."""
    colours = RNG.integers(0, 256, (32, 24, 3), dtype=np.uint8).repeat(2, 0).repeat(2, 1)
    Image.fromarray(colours).convert("YCbCr").save(path, compression=compression)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        return page.dataoffsets[0], sum(page.databytecounts)


@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "tiff_lzw"])
def test_a_corrupted_ycbcr_tiff_is_refused_and_nothing_is_printed(tmp_path, capfd, compression):
    path = tmp_path / "a.tif"
    offset, size = write_ycbcr(path, compression)
    assert read_image(path).shape == (64, 48, 3)
    content = path.read_bytes()
    middle = offset + size // 2
    path.write_bytes(content[:middle] + bytes([255]) * 200 + content[middle + 200 :])
    with pytest.raises(CenetError):
        read_image(path)
    assert capfd.readouterr() == ("", "")


def test_a_corrupted_lzw_tiff_is_refused_and_nothing_is_printed(tmp_path, capfd):
    path = tmp_path / "a.tif"
    Image.fromarray(RNG.integers(0, 256, (40, 40), dtype=np.uint8)).save(path, compression="tiff_lzw")
    content = path.read_bytes()
    path.write_bytes(content[:500] + b"\xff" * 100 + content[600:])
    with pytest.raises(CenetError):
        read_image(path)
    assert capfd.readouterr() == ("", "")
