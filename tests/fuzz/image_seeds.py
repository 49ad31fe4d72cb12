"""Small sound files of every kind that the reader of images knows, drawn by a fixed generator."""

import io
import struct

import numpy as np
import tifffile
from PIL import Image

HEIGHT, WIDTH = 28, 36


def draw_seeds():
    """The bytes of each seed, by the name of its kind: `FORMAT DETAIL`."""
    rng = np.random.default_rng(0)
    steps = np.add.outer(np.arange(HEIGHT), 2 * np.arange(WIDTH))
    grey = (steps * 2 + rng.integers(0, 30, steps.shape)).astype(np.uint8)
    rgb = np.dstack([grey, grey[::-1], grey[:, ::-1]])
    grey16 = (steps * 300 + rng.integers(0, 300, steps.shape)).astype(np.uint16)
    return {**png_seeds(grey, rgb, grey16), **other_seeds(grey, rgb), **tiff_seeds(grey, rgb, grey16)}


def encode(image, kind, **options):
    """The bytes of a file that Pillow writes of an image or array."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def encode_tiff(array, **options):
    """The bytes of a TIFF that tifffile writes."""
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def png_seeds(grey, rgb, grey16):
    alpha = np.dstack([rgb, grey])
    return {
        "PNG grey": encode(grey, "PNG"),
        "PNG colour": encode(rgb, "PNG"),
        "PNG alpha": encode(alpha, "PNG", icc_profile=bytes(100)),
        "PNG palette": encode(Image.fromarray(rgb).quantize(16), "PNG"),
        "PNG one bit": encode(grey > 99, "PNG"),
        "PNG 16 bits": encode(grey16, "PNG"),
    }


def other_seeds(grey, rgb):
    turned = Image.Exif()
    turned[0x0112] = 6
    frames = [Image.fromarray(rgb).quantize(8), Image.fromarray(rgb[::-1]).quantize(8)]
    rows = io.BytesIO()
    np.save(rows, grey[:3].astype(np.float32))
    return {
        "JPEG grey": encode(grey, "JPEG"),
        "JPEG colour": encode(rgb, "JPEG", exif=turned),
        "JPEG progressive": encode(rgb, "JPEG", progressive=True),
        "JPEG restarts": encode(rgb, "JPEG", restart_marker_blocks=1),
        "JPEG CMYK": encode(Image.fromarray(rgb).convert("CMYK"), "JPEG"),
        "GIF palette": encode(frames[0], "GIF"),
        "GIF animation": encode(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "BMP colour": encode(rgb, "BMP"),
        "BMP palette": encode(frames[0], "BMP"),
        "BMP run lengths": run_length_bmp(grey),
        "NPY rows": rows.getvalue(),
    }


def tiff_seeds(grey, rgb, grey16):
    ycbcr = Image.fromarray(rgb).convert("YCbCr")
    pages = [Image.fromarray(grey), Image.fromarray(grey[::-1])]
    floats = np.sin(rgb.astype(np.float32))
    return {
        "TIFF grey": encode(grey, "TIFF"),
        "TIFF LZW": encode(rgb, "TIFF", compression="tiff_lzw", tiffinfo={317: 2, 278: 8}),
        "TIFF deflate": encode(rgb, "TIFF", compression="tiff_adobe_deflate"),
        "TIFF palette": encode(Image.fromarray(rgb).quantize(16), "TIFF", compression="packbits"),
        "TIFF fax": encode(grey > 99, "TIFF", compression="group4"),
        "TIFF JPEG": encode(rgb, "TIFF", compression="jpeg"),
        "TIFF YCbCr JPEG": encode(ycbcr, "TIFF", compression="jpeg"),
        "TIFF YCbCr LZW": encode(ycbcr, "TIFF", compression="tiff_lzw"),
        "TIFF YCbCr deflate": encode(ycbcr, "TIFF", compression="tiff_adobe_deflate"),
        "TIFF pages": encode(pages[0], "TIFF", save_all=True, append_images=pages[1:]),
        "TIFF 16 bits": encode(grey16, "TIFF", compression="tiff_lzw"),
        "TIFF 16 bits colour": encode_tiff(rgb.astype(np.uint16), photometric="rgb"),
        "TIFF signed tiles": encode_tiff(
            grey.astype(np.int16), photometric="minisblack", tile=(16, 16), compression="zlib", predictor=True
        ),
        "TIFF floats": encode_tiff(floats, photometric="rgb", rowsperstrip=9, compression="zlib"),
        "TIFF floats LZW": encode(floats[..., 0], "TIFF", compression="tiff_lzw", tiffinfo={317: 3}),
        "TIFF planes": encode_tiff(
            np.moveaxis(rgb, -1, 0), photometric="rgb", planarconfig="separate", byteorder=">", rowsperstrip=10
        ),
        "TIFF big-endian BigTIFF": encode_tiff(rgb, photometric="rgb", byteorder=">", bigtiff=True, rowsperstrip=9),
        "TIFF doubles": encode_tiff(floats.astype(np.float64), photometric="rgb", byteorder=">"),
        "BigTIFF": encode_tiff(grey16, photometric="minisblack", bigtiff=True, compression="lzma"),
    }


def run_length_bmp(grey):
    """A BMP with run lengths, which Pillow reads and does not write."""
    rows = b"".join(bytes([WIDTH // 2, row[0], WIDTH - WIDTH // 2, row[-1], 0, 0]) for row in grey[::-1]) + b"\0\1"
    palette = bytes(part for value in range(256) for part in (value, value, value, 0))
    header = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, len(rows), 2835, 2835, 256, 0)
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + palette + rows
