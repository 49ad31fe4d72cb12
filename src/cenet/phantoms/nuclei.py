"""Microscopy of cell nuclei in four stains, one an image: a set whose images differ much from one another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cenet.phantoms.eye import Array, Rng
from cenet.phantoms.noise import smooth_noise
from cenet.phantoms.phantom import check_seed_and_size

TEXTURE_PX = 6  # about the size of a clump of chromatin
BLOTCHES = 5  # across the image, in what lies between the nuclei


@dataclass(frozen=True)
class Stain:
    """How a stain shows tissue: colours (R, G, B) from 0 to 255, and how much chance changes them.

    Args:
        background: Colour between nuclei.
        nucleus: Colour of a nucleus.
        patchiness: Spread of the background, as a share of the way to the colour of nuclei.
        noise: Spread of the camera's noise.
    """

    background: tuple[int, int, int]
    nucleus: tuple[int, int, int]
    patchiness: float
    noise: float


STAINS = {
    "fluorescence": Stain((6, 8, 14), (60, 90, 210), 0.05, 4.0),
    "haematoxylin": Stain((232, 190, 214), (96, 62, 142), 0.2, 7.0),
    "brown": Stain((214, 216, 226), (120, 78, 48), 0.15, 6.0),
    "phase-contrast": Stain((128, 128, 128), (168, 168, 168), 0.3, 9.0),
}


def draw_nuclei(seed: int, *, stain: str, size_px: int = 256) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw nuclei in one of four stains: bright on black, dark on light in two colours, or grey on grey.

    Args:
        seed: Any whole number from 0; the same gives the same bytes.
        stain: One of `STAINS`.
        size_px: Side of the square image, at least 64 pixels.

    Returns:
        The image (H, W, 3) and its truth (H, W): 255 on a nucleus, 0 elsewhere.

    Raises:
        CenetError: The seed is negative or the size too small.

    >>> image, label = draw_nuclei(0, stain="brown", size_px=64)
    >>> image.shape, sorted(set(label.ravel().tolist()))
    ((64, 64, 3), [0, 255])
    """
    from scipy.ndimage import gaussian_filter

    check_seed_and_size("phantom", seed, size_px)
    places, tissue, camera = np.random.default_rng(seed).spawn(3)
    stain_style = STAINS[stain]
    density, label = _draw_shapes(places, size_px)
    texture = smooth_noise(tissue.standard_normal((size_px // TEXTURE_PX + 3,) * 2, np.float32), size_px)
    blotches = smooth_noise(tissue.standard_normal((BLOTCHES + 3,) * 2, np.float32), size_px)
    share = density * (1 + 0.2 * texture) + stain_style.patchiness * blotches * (1 - density)
    tint = tissue.normal(1, 0.06, (2, 3))
    background, nucleus = tint * np.array([stain_style.background, stain_style.nucleus])
    canvas = background + np.clip(share, -0.5, 1.3)[..., None] * (nucleus - background)
    canvas = gaussian_filter(canvas, (camera.uniform(0.6, 1.2),) * 2 + (0,))
    canvas += stain_style.noise * camera.standard_normal(canvas.shape)
    return np.clip(np.round(canvas), 0, 255).astype(np.uint8), label


def _draw_shapes(rng: Rng, size_px: int) -> tuple[Array, NDArray[np.uint8]]:
    """Scatter ellipses of one typical size: how much stain each pixel takes up, and the truth."""
    y, x = np.mgrid[:size_px, :size_px].astype(np.float32)
    density, label = np.zeros((size_px, size_px), np.float32), np.zeros((size_px, size_px), np.uint8)
    typical = rng.uniform(7, 14)
    for _ in range(rng.poisson(0.22 * size_px**2 / (np.pi * typical**2)) + 1):
        (row, column), angle = rng.uniform(0, size_px, 2), rng.uniform(0, np.pi)
        long, short = typical * rng.uniform(0.7, 1.4) * np.array([1, rng.uniform(0.6, 1)])
        along = ((x - column) * np.cos(angle) + (y - row) * np.sin(angle)) / long
        across = ((y - row) * np.cos(angle) - (x - column) * np.sin(angle)) / short
        inside = along**2 + across**2 < 1
        density[inside] = rng.uniform(0.55, 1.1)
        label[inside] = 255
    return density, label
