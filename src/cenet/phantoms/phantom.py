"""Fundus phantoms: photographs composed of eye, retina, vessels and camera."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError
from cenet.phantoms.camera import apply_camera, draw_field_of_view
from cenet.phantoms.eye import choose_eye
from cenet.phantoms.retina import paint_background, paint_lesions, paint_macula, paint_nerve_fibres, paint_optic_disc
from cenet.phantoms.vessels import draw_vessels

MIN_SIZE = 64  # smallest side of an image in output pixels


@dataclass(frozen=True)
class Phantom:
    """One drawn photograph with its truth.

    Shape:
        image: (H, W, 3) uint8. label: (H, W) uint8, 1 = vessel. region: (H, W) bool, the field of view.
        disc: (H, W) uint8, 1 = optic disc, 2 = its cup.

    >>> draw_fundus(0, size_px=64).image.shape
    (64, 64, 3)
    """

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]
    region: NDArray[np.bool_]
    disc: NDArray[np.uint8]


def check_seed_and_size(subject: object, seed: int, size_px: int) -> None:
    """Refuse a seed or a size from which nothing can be drawn.

    Raises:
        CenetError: The seed is negative, or the size below `MIN_SIZE`; the message begins with the subject.

    >>> check_seed_and_size("phantom", 0, 64)
    """
    if seed < 0:
        raise CenetError(subject, f"seed {seed} is negative", "give a whole number from 0")
    if size_px < MIN_SIZE:
        raise CenetError(subject, f"a size of {size_px} px is too small", f"give at least {MIN_SIZE} px")


def draw_fundus(seed: int, *, size_px: int = 512) -> Phantom:
    """Draw a colour fundus photograph whose vessels, optic disc and cup are known exactly.

    The same seed gives the same bytes; at another size it gives the same eye.

    Args:
        seed: Any whole number from 0.
        size_px: Side of the square image, at least 64 pixels.

    Raises:
        CenetError: The seed is negative or the size too small.

    >>> phantom = draw_fundus(7, size_px=64)
    >>> bool((phantom.label[~phantom.region] == 0).all())
    True
    """
    check_seed_and_size("phantom", seed, size_px)
    streams = iter(np.random.default_rng(seed).spawn(9))  # one each, so that no part disturbs another
    eye = choose_eye(next(streams), size_px)
    light, truth = draw_vessels(next(streams), eye)
    region = draw_field_of_view(next(streams), eye)
    canvas = paint_background(next(streams), eye)
    paint_macula(next(streams), eye, canvas)
    paint_nerve_fibres(next(streams), eye, canvas)
    nested = paint_optic_disc(next(streams), eye, canvas)
    paint_lesions(next(streams), eye, canvas)
    image = apply_camera(next(streams), eye, canvas * light, region)
    return Phantom(image, (truth & region).astype(np.uint8), region, nested * region)
