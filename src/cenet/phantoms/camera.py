"""The camera: its field of view, and what its lens, sensor and file format do to the image."""

import math

import numpy as np
from numpy.typing import NDArray

from cenet.phantoms.eye import Array, Eye, Rng


def draw_field_of_view(rng: Rng, eye: Eye) -> Array:
    """Choose the field of view: a circle, sometimes cut at top and bottom, sometimes with a tab at the edge."""
    circle: Array = np.hypot(eye.across, eye.down) <= 1
    shape, angle = rng.random(), rng.uniform(-math.pi, math.pi)
    if shape < 0.25:
        circle &= np.abs(eye.down) <= rng.uniform(0.8, 0.97)
    elif shape < 0.65:
        circle |= np.hypot(eye.across - math.cos(angle), eye.down - math.sin(angle)) <= rng.uniform(0.03, 0.07)
    return circle


def apply_camera(rng: Rng, eye: Eye, canvas: Array, region: Array) -> NDArray[np.uint8]:
    """Photograph the canvas: haze, lens blur, black surround, noise, sharpening, and coarse colour as in JPEG."""
    from scipy.ndimage import gaussian_filter

    def smooth(pixels: Array, radius_px: float) -> Array:
        return np.asarray(gaussian_filter(pixels, (radius_px, radius_px, 0)))

    canvas = canvas + rng.uniform(0, 0.15) * (canvas[region].mean(0) - canvas)
    edge = smooth(region[..., None].astype(np.float32), 0.7 * eye.scale)
    canvas = smooth(canvas, rng.uniform(0.25, 0.9) * eye.scale) * edge + rng.uniform(0, 6)
    noise = smooth(rng.standard_normal(canvas.shape, np.float32), 0.6)
    canvas += rng.uniform(1, 7) * noise * (0.3 + 0.7 * edge)
    canvas += rng.uniform(0, 0.8) * (canvas - smooth(canvas, 1.5 * eye.scale))
    grey = (canvas @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    return np.clip(np.round(grey + smooth(canvas - grey, 1)), 0, 255).astype(np.uint8)
