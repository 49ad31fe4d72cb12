"""How the page of a TIFF is stored, checked before anything is decoded."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.limits import (
    MAX_TIFF_SEGMENTS,
    check_bytes,
    check_bytes_in_parts,
    check_size,
    check_size_in_parts,
)
from cenet.data.io.tiff_tags import TiffDirectory
from cenet.errors import CenetError

YCBCR = 6
UNCOMPRESSED = 1

_JPEG_COMPRESSIONS = (6, 7)


@dataclass(frozen=True)
class TiffLayout:
    """One page of a TIFF.

    Args:
        byte_order: `<` or `>`.
        width: In pixels.
        height: In pixels.
        samples: How many each pixel has, alpha among them.
        alphas: Whether each of the extra samples, the last ones, is alpha.
        bits: Of each sample.
        sample_format: 1 for unsigned, 2 for signed, 3 for floating-point numbers.
        photometric: What the samples mean: 0 white is 0, 1 black is 0, 2 RGB, 6 YCbCr, and others.
        compression: As TIFF numbers them.
        predictor: 1 for none, 2 for differences of neighbours, 3 for those of floating-point numbers.
        fill_order: 2 where the bits of each byte are reversed.
        orientation: As EXIF numbers it.
        separate: Whether each channel is stored for itself.
        tiled: Whether the image lies in tiles, each of full size, or in strips, of which the last may be shorter.
        segment_width: Of a strip or tile, in pixels.
        segment_height: Of a strip or tile, in rows.
        offsets: Where the strips or tiles begin.
        byte_counts: How long they are as they are stored; empty where the file does not say it.
        subsampling: How many pixels, across and down, share the colour of YCbCr.
    """

    byte_order: str
    width: int
    height: int
    samples: int
    alphas: tuple[bool, ...]
    bits: int
    sample_format: int
    photometric: int
    compression: int
    predictor: int
    fill_order: int
    orientation: int
    separate: bool
    tiled: bool
    segment_width: int
    segment_height: int
    offsets: NDArray[np.int64]
    byte_counts: NDArray[np.int64]
    subsampling: tuple[int, int]

    @property
    def channels(self) -> int:
        """How many samples are no alpha."""
        return self.samples - sum(self.alphas)

    @property
    def segments_across(self) -> int:
        """How many tiles lie beside each other; 1 for strips."""
        return ceil(self.width / self.segment_width)

    @property
    def segments_per_plane(self) -> int:
        """How many strips or tiles cover the image."""
        return self.segments_across * ceil(self.height / self.segment_height)

    def segment_bytes(self, rows: int) -> int:
        """How many bytes so many rows of a strip or tile decode to."""
        if self.photometric == YCBCR and self.compression not in _JPEG_COMPRESSIONS and not self.separate:
            across, down = self.subsampling
            blocks = ceil(self.segment_width / across) * ceil(rows / down)
            return ceil(blocks * (across * down + 2) * self.bits / 8)
        samples = 1 if self.separate else self.samples
        return rows * ceil(self.segment_width * samples * self.bits / 8)


def read_tiff_layout(path: Path, page: int, *, in_parts: bool = False) -> TiffLayout:
    """Read how a page of a TIFF is stored, and refuse what no sound file says.

    Args:
        path: The file.
        page: From 0.
        in_parts: Whether it is to be decoded in parts: then the limits are those of a part.

    Raises:
        CenetError: The image is too large, has no pixels or channels, or contradicts itself.
        EOFError: The file is truncated.
    """
    tags = TiffDirectory(path, page)
    width, height = tags.number("ImageWidth", 0), tags.number("ImageLength", 0)
    photometric, compression = tags.number("PhotometricInterpretation", 0), tags.number("Compression", 1)
    coloured_jpeg = compression in _JPEG_COMPRESSIONS and photometric in (2, YCBCR)
    samples = tags.number("SamplesPerPixel", 3 if coloured_jpeg else 1)
    alphas = tuple(kind in (1, 2) for kind in tags.numbers("ExtraSamples", ()))  # associated or not; 0 is a channel
    if not width or not height:
        raise tags.refuse("the image has no pixels")
    if samples <= len(alphas):
        raise tags.refuse("the image has no channels")
    bits = tags.number_of_all_samples("BitsPerSample", samples)
    if not 1 <= bits <= 64:
        raise tags.refuse(f"its samples have {bits} bits")
    if in_parts:
        check_size_in_parts(path, width=width, height=height, pixel_bytes=samples * ceil(bits / 8))
    else:
        check_size(path, width=width, height=height, pixel_bytes=samples * ceil(bits / 8))
    if tags.number("ImageDepth", 1) > 1:
        raise CenetError(path, "the TIFF holds a volume", "save every slice as one image")
    if tags.has("TileOffsets") and tags.has("StripOffsets"):
        raise tags.refuse("it has both strips and tiles")
    subsampling = tags.numbers("YCbCrSubSampling", (2, 2))
    if len(subsampling) != 2 or not set(subsampling) <= {1, 2, 4}:
        raise tags.refuse("its YCbCrSubSampling is none that TIFF knows")
    tiled, segment = tags.has("TileWidth"), "Tile" if tags.has("TileOffsets") else "Strip"
    layout = TiffLayout(
        byte_order=tags.byte_order,
        width=width,
        height=height,
        samples=samples,
        alphas=alphas,
        bits=bits,
        sample_format=tags.number_of_all_samples("SampleFormat", samples),
        photometric=photometric,
        compression=compression,
        predictor=tags.number("Predictor", 1),
        fill_order=tags.number("FillOrder", 1),
        orientation=tags.number("Orientation", 1),
        separate=tags.number("PlanarConfiguration", 1) == 2 and samples > 1,
        tiled=tiled,
        segment_width=tags.number("TileWidth", 0) if tiled else width,
        segment_height=tags.number("TileLength", 0) if tiled else min(tags.number("RowsPerStrip", height), height),
        offsets=np.array(tags.numbers(f"{segment}Offsets", ()), np.int64),
        byte_counts=np.array(tags.numbers(f"{segment}ByteCounts", ()), np.int64),
        subsampling=(subsampling[0], subsampling[1]),
    )
    _check_segments(tags, layout, in_parts=in_parts)
    return layout


def _check_segments(tags: TiffDirectory, layout: TiffLayout, *, in_parts: bool) -> None:
    """Refuse strips or tiles that are too few, too many or too large."""
    if layout.segment_width < 1 or layout.segment_height < 1:
        raise tags.refuse("its strips or tiles have no pixels")
    count = layout.segments_per_plane * (layout.samples if layout.separate else 1)
    if count > MAX_TIFF_SEGMENTS:
        cause = f"the image lies in {count:,} strips or tiles, over the limit of {MAX_TIFF_SEGMENTS:,}"
        raise CenetError(tags.path, cause, "save it in larger ones, or as PNG")
    if not in_parts:
        check_bytes(tags.path, count * layout.segment_bytes(layout.segment_height))
    elif layout.compression != UNCOMPRESSED:  # of one that is not compressed single rows are read
        check_bytes_in_parts(tags.path, layout.segment_bytes(layout.segment_height))
    if len(layout.offsets) < count:
        raise tags.refuse(f"it names {len(layout.offsets)} of its {count} strips or tiles")
