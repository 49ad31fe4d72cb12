"""The size of a pixel as a user writes it, such as `0.7mm` or `3.87x11.5um`."""

import re

from cenet.errors import CenetError

MICROMETRES = {
    "nm": 1e-3,
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "mm": 1e3,
    "cm": 1e4,
}  # µ is the sign of micro or the letter


def parse_pixel_size(text: str) -> tuple[float, float]:
    """Height and width of a pixel in micrometres.

    Args:
        text: A number with its unit (um, mm, nm or cm); or height x width, where the sides differ.

    Raises:
        CenetError: It is not of this form, or not above 0.

    >>> parse_pixel_size("0.7mm"), parse_pixel_size("3.87x11.5um")
    ((700.0, 700.0), (3.87, 11.5))
    """
    match = re.fullmatch(r"([\d.]+)(?:\s*[x*]\s*([\d.]+))?\s*(nm|um|µm|μm|mm|cm)", text.strip())
    try:
        sides = (float(match[1]), float(match[2] or match[1])) if match else (0.0, 0.0)
    except ValueError:  # such as 1.2.3
        sides = (0.0, 0.0)
    if match is None or min(sides) <= 0:
        raise CenetError(
            f"--pixel-size {text}",
            "is no size of a pixel with its unit",
            "write it as 7.5um or 0.7mm, or as height x width: 3.87x11.5um",
        )
    unit = MICROMETRES[match[3]]
    return sides[0] * unit, sides[1] * unit
