"""Small files that took a reader of images down, or would take one without limits: gigabytes, or minutes."""

import io
import struct
import zlib

import numpy as np
from image_seeds import encode
from PIL import Image
from tiffs import LONG, SHORT, deflated_zeros, tiff


def list_hostile_images():
    """A function that makes the bytes of each file, by its name."""
    return {
        "TIFF with two values of ImageWidth": two_widths,
        "TIFF whose strip inflates to 6 GiB": inflating_strip,
        "TIFF of 79 megapixels with 7 doubles each": many_doubles,
        "TIFF of one tile of 10^12 pixels": large_tile,
        "TIFF of ten million strips": many_strips,
        "TIFF without channels": lambda: tiff(bytes(100), samples=0),
        "TIFF in YCbCr whose strip is corrupted": corrupted_ycbcr,
        "JPEG of 3,000 scans": lambda: progressive_jpeg(3000, side_px=4000),
        "PNG that claims 100 gigapixels": lambda: png(316_228, 316_228, b""),
        "BMP of 80 megapixels in run lengths": run_length_bmp,
        "NPY of 10^18 numbers": many_rows,
    }


def list_largest_images():
    """A function that makes the bytes of sound files at the limits, by name: what reading takes at most."""
    return {
        "JPEG of 40 scans and 80 megapixels": lambda: progressive_jpeg(40, side_px=8944),
        "PNG of 80 megapixels in colour": lambda: png(10_000, 8_000, deflated_zeros(8_000 * 30_001)),
        "GIF of 80 megapixels": lambda: encode(Image.new("P", (10_000, 8_000)), "GIF"),
        "TIFF of 80 megapixels in 16-bit colour": lambda: tiff(
            deflated_zeros(480_000_000), width=10_000, height=8_000, samples=3, bits=16, photometric=2, compression=8
        ),
        "TIFF of 60 megapixels as doubles": lambda: tiff(
            deflated_zeros(480_000_000), width=10_000, height=6_000, bits=64, compression=8, t339=(SHORT, [3])
        ),
    }


def two_widths():
    return tiff(bytes(64), height=250_000_000, bits=32, t256=(LONG, [10, 10]), t278=(LONG, [1]), t339=(SHORT, [3]))


def inflating_strip():
    return tiff(deflated_zeros(6 * 2**30), samples=3, bits=16, photometric=2, compression=8)


def many_doubles():
    strip = deflated_zeros(10_000 * 7_900 * 56)
    return tiff(strip, width=7_900, height=10_000, samples=7, bits=64, compression=8, t339=(SHORT, [3] * 7))


def large_tile():
    return tiff(bytes(100), t322=(LONG, [10**6]), t323=(LONG, [10**6]))


def many_strips():
    return tiff(bytes(100), width=1, height=10**7, t278=(LONG, [1]))


def corrupted_ycbcr():
    colours = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encode(Image.fromarray(colours).convert("YCbCr"), "TIFF", compression="tiff_lzw")
    return content[:5000] + b"\xff" * 200 + content[5200:]


def progressive_jpeg(scans, *, side_px):
    """A progressive JPEG whose last scan is repeated until there are so many."""
    content = encode(Image.new("L", (side_px, side_px), 100), "JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * (scans - content.count(b"\xff\xda")) + content[-2:]


def png(width, height, deflated):
    """The bytes of an 8-bit colour PNG."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT": deflated, b"IEND": b""}
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def run_length_bmp():
    width, height = 10_000, 8_000
    row = bytes([255, 0x12]) * (width // 255 + 1) + b"\0\0"
    palette = bytes(64)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 4, 2, len(row) * height, 2835, 2835, 16, 0)
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start, 0, 0, start) + header + palette + row * height


def many_rows():
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**9)})
    return file.getvalue() + bytes(1000)
