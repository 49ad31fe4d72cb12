"""The size of a pixel in millimetres, as far as an image's file states it."""

import logging
import math
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from cenet.data.io.files import check_regular_file
from cenet.data.io.limits import check_size
from cenet.data.io.magic import is_dicom, is_nifti, read_start
from cenet.data.io.tiff_tags import TIFF_STARTS, TURNED, TiffDirectory, list_tiff_pages

PRINTER_DPI = (72, 96, 100, 120, 150, 180, 200, 240, 300, 350, 360, 400, 600, 720, 1200)  # not of what was photographed
_MM = {"nm": 1e-6, "µm": 1e-3, "um": 1e-3, "micron": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0}
_INCH_MM = 25.4
_ORIENTATION = 0x0112  # the tag of EXIF


@dataclass(frozen=True)
class PixelSize:
    """The size of a pixel in millimetres.

    Args:
        height_mm: The distance between the centres of two rows.
        width_mm: The distance between the centres of two columns.
        source: What states it, such as `DICOM PixelSpacing`.

    >>> PixelSize(0.01, 0.02, "TIFF resolution").area_mm2
    0.0002
    """

    height_mm: float
    width_mm: float
    source: str

    @property
    def area_mm2(self) -> float:
        """The area of a pixel."""
        return self.height_mm * self.width_mm

    @property
    def um(self) -> tuple[float, float]:
        """Height and width in micrometres."""
        return self.height_mm * 1000, self.width_mm * 1000


def read_pixel_size(path: Path) -> PixelSize | None:
    """Return the size of a pixel of the upright image, or None where its file states none that can be trusted.

    DICOM, NIfTI, OME-TIFF, ImageJ's TIFF, resolution tags of TIFF and the pHYs of PNG are read. A resolution that
    printers and screens have, such as 72 or 300 dpi, says nothing of what was photographed and counts as none. Of a
    projection (a radiograph) the DICOM spacing is that at the detector, as the source says.

    Args:
        path: The file. One that is damaged has no size; reading its pixels reports the damage.

    Raises:
        CenetError: It is no regular file.
    """
    check_regular_file(path)
    with suppress(Exception):  # the size is an extra: what is wrong with a file is reported by its reader
        if is_dicom(path):
            from cenet.data.io.dicom import read_spacing

            return _checked(*read_spacing(path))
        if is_nifti(path):
            from cenet.data.io.nifti import read_slice_spacing

            return _checked(*read_slice_spacing(path))
        return _read_raster_size(path)
    return None


def _checked(height_mm: float, width_mm: float, source: str) -> PixelSize | None:
    sane = all(math.isfinite(side) and 0 < side < 1000 for side in (height_mm, width_mm))
    return PixelSize(height_mm, width_mm, source) if sane else None


def _read_raster_size(path: Path) -> PixelSize | None:
    if read_start(path).startswith(TIFF_STARTS):
        tags = TiffDirectory(path, list_tiff_pages(path)[0])
        return _turn(_read_tiff_size(tags), tags.number("Orientation", 1))
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    with path.open("rb") as file, Image.open(file, formats=("PNG",)) as image:
        dpi = image.info.get("dpi")  # only where pHYs has a unit
        size = _from_dpi(float(dpi[0]), float(dpi[1]), "PNG pHYs") if dpi else None
        if size is None or size.height_mm == size.width_mm:
            return size
        check_size(path, width=image.width, height=image.height)  # the orientation may stand behind the pixels
        return _turn(size, image.getexif().get(_ORIENTATION, 1))


def _turn(size: PixelSize | None, orientation: int) -> PixelSize | None:
    """The size of the pixels once the image is upright."""
    if size is None or orientation not in TURNED:
        return size
    return replace(size, height_mm=size.width_mm, width_mm=size.height_mm)


def _read_tiff_size(tags: TiffDirectory) -> PixelSize | None:
    description = tags.read_description()
    if "<OME" in description:
        height, width = (_read_ome_side(description, axis) for axis in "YX")
        return _checked(height, width, "OME PhysicalSize") if height and width else None
    per_unit = tags.read_resolution()
    if per_unit is None or not all(per_unit):
        return None
    if description.startswith("ImageJ="):
        unit = re.search(r"^unit=(.*)$", description, re.MULTILINE)
        name = unit[1].strip().replace("\\u00B5", "µ").replace("\u03bc", "µ") if unit else ""
        scale = _MM.get(name)
        return _checked(scale / per_unit[1], scale / per_unit[0], "ImageJ calibration") if scale else None
    unit_mm = {2: _INCH_MM, 3: 10.0}.get(tags.number("ResolutionUnit", 2))
    if unit_mm is None:
        return None
    return _from_dpi(per_unit[0] * _INCH_MM / unit_mm, per_unit[1] * _INCH_MM / unit_mm, "TIFF resolution")


def _read_ome_side(description: str, axis: str) -> float | None:
    size = re.search(rf'\bPhysicalSize{axis}="([^"]+)"', description)
    unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]+)"', description)
    scale = _MM.get(unit[1] if unit else "µm")
    return float(size[1]) * scale if size and scale else None


def _from_dpi(across: float, down: float, source: str) -> PixelSize | None:
    if any(abs(across - known) < 0.05 for known in PRINTER_DPI):
        return None
    return _checked(_INCH_MM / down, _INCH_MM / across, source)


def format_pixel_size(size_um: tuple[float, float]) -> str:
    """Write the size of a pixel, as height x width where the sides differ.

    Args:
        size_um: Height and width in micrometres.

    >>> format_pixel_size((7.5, 7.5)), format_pixel_size((3.87, 11.5)), format_pixel_size((3000, 3000))
    ('7.5 µm', '3.87 x 11.5 µm', '3 mm')
    """
    scale, unit = (1000, "mm") if min(size_um) >= 1000 else (1, "µm")
    sides = [f"{side / scale:.3g}" for side in size_um]
    return f"{sides[0] if sides[0] == sides[1] else ' x '.join(sides)} {unit}"
