"""Smooth noise that changes slowly from slice to slice."""

from collections.abc import Sequence

import numpy as np

from cenet.phantoms.eye import Array, Rng


def draw_noise_knots(rng: Rng, slices: int, grains: int, *, pace: float = 3.0) -> Array:
    """Draw the knots of smooth noise of unit spread for every slice.

    Args:
        rng: Source of randomness.
        slices: Number of slices.
        grains: Blotches across the image.
        pace: Slices after which the noise has changed.

    Shape:
        (S, grains + 3, grains + 3) float32.

    >>> draw_noise_knots(np.random.default_rng(0), 4, 5).shape
    (4, 8, 8)
    """
    from scipy.ndimage import gaussian_filter1d

    margin = int(4 * pace) + 1  # so that the first and the last slice vary as the others do
    knots = rng.standard_normal((slices + 2 * margin, grains + 3, grains + 3), np.float32)
    blurred = gaussian_filter1d(knots, pace, axis=0)[margin : margin + slices]
    return np.asarray(blurred * np.sqrt(2 * np.sqrt(np.pi) * pace), np.float32)


def draw_noise_layers(rng: Rng, slices: int, grains: Sequence[int], *, pace: float = 3.0) -> list[Array]:
    """Draw several kinds of smooth noise, each from its own stream: `draw_noise_knots` for every number of grains.

    >>> [knots.shape for knots in draw_noise_layers(np.random.default_rng(0), 2, [1, 4])]
    [(2, 4, 4), (2, 7, 7)]
    """
    streams = rng.spawn(len(grains))
    return [draw_noise_knots(own, slices, count, pace=pace) for own, count in zip(streams, grains, strict=True)]


def smooth_noise(knots: Array, size_px: int) -> Array:
    """Enlarge the knots of one slice to smooth noise of about unit spread.

    Args:
        knots: (grains + 3, grains + 3), one slice of `draw_noise_knots`.
        size_px: Side of the square image.

    >>> smooth_noise(np.ones((8, 8), np.float32), 32).shape
    (32, 32)
    """
    from PIL import Image

    box = (1.0, 1.0, knots.shape[1] - 1.0, knots.shape[0] - 1.0)  # the outer knots only shape the edge
    side = (size_px, size_px)
    return np.asarray(Image.fromarray(knots).resize(side, Image.Resampling.BICUBIC, box=box), np.float32) / 0.7
