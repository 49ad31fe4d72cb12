"""The retina behind the vessels: every layer paints on a canvas (H, W, 3), about 0 to 255."""

import math
from typing import Any

import numpy as np

from cenet.phantoms.eye import FRAME, Array, Eye, Rng
from cenet.phantoms.noise import smooth_noise
from cenet.phantoms.vessels import rasterise_capsules


def _float32(values: Any) -> Array:
    return np.asarray(values, np.float32)


def _blotches(rng: Rng, size_px: int, grains: int) -> Array:
    """Smooth noise of unit spread with about `grains` blotches across the image."""
    return smooth_noise(_float32(rng.standard_normal((grains + 3, grains + 3))), size_px)


def _blend(canvas: Array, share: Array, colour: Any) -> None:
    """Move a canvas towards a colour by a share (H, W) between 0 and 1."""
    canvas += share[..., None] * (_float32(colour) - canvas)


def _soft_edge(distance: Array, softness: float) -> Array:
    """Fall softly from 1 to 0 where a distance passes 1."""
    return 0.5 - 0.5 * np.tanh((distance - 1) / (2 * softness))


def paint_background(rng: Rng, eye: Eye) -> Array:
    """Paint the colour of the retina under uneven light, with the texture of the choroid."""
    n = eye.size_px
    red = 250 - 140 * rng.random() ** 1.5
    green = red * rng.uniform(0.30, 0.62)
    texture = rng.uniform(0.03, 0.10) * sum(
        _blotches(rng, n, g) * rng.uniform(0.3, 1) / g**0.35 for g in (3, 8, 20, 50)
    )
    folds = (np.abs(_blotches(rng, n, grains) + 0.4 * _blotches(rng, n, 40)) for grains in (16, 22, 30))
    mesh = np.sqrt(sum(np.clip(1 - fold / 0.7, 0, 1) for fold in folds)) * np.clip(_blotches(rng, n, 3) + 0.3, 0, 1.5)
    mesh *= rng.choice([0.0, 0.04, 0.12, -0.06], p=[0.4, 0.3, 0.2, 0.1])  # choroidal vessels
    grain = texture + mesh + rng.uniform(0.005, 0.02) * _blotches(rng, n, n // 4)
    lamp_x, lamp_y = rng.uniform(-0.5, 0.5, 2)
    away = (eye.across - lamp_x) ** 2 + (eye.down - lamp_y) ** 2
    edge = np.minimum(np.hypot(eye.across, eye.down), 1) ** 8
    fall, rim, shade = rng.uniform(0.1, 0.4), rng.uniform(-0.35, 0.15), 0.09 * _blotches(rng, n, 2)
    channels = []
    for level, depth in ((red, 0.5), (green, 1.0), (green * rng.uniform(0.25, 0.85), 1.0)):
        light = shade - fall * rng.uniform(0.5, 1.5) * away + (rim + rng.uniform(-0.1, 0.1)) * edge
        own = rng.uniform(0, 0.05) * _blotches(rng, n, 2) + depth * rng.uniform(0.7, 1.3) * grain
        channels.append(level * np.exp(light + own))
    return np.stack(channels, -1).astype(np.float32)


def paint_macula(rng: Rng, eye: Eye, canvas: Array) -> None:
    """Darken the fovea and the macula around it; some have a bright reflex in the pit."""
    distance = ((eye.x - eye.reach) ** 2 + eye.y**2) / eye.reach**2
    pit = rng.uniform(0.1, 0.4) * np.exp(-distance / 0.02) + rng.uniform(0.05, 0.3) * np.exp(-distance / 0.10)
    glint = rng.choice([0.0, 0.15]) * np.exp(-distance / 0.0006)
    canvas *= np.exp((glint - pit)[..., None] * _float32([0.5, 1.0, 0.9]))


def paint_nerve_fibres(rng: Rng, eye: Eye, canvas: Array) -> None:
    """Add the pale streaks of nerve fibres that fan out of the disc above and below the macula."""
    fan = np.arctan2(eye.y, np.where(eye.x > 0, 2 * eye.x, eye.x))
    streak = np.interp(fan, np.linspace(-math.pi, math.pi, 400), rng.standard_normal(400))
    distance = np.hypot(eye.x, eye.y) / eye.reach
    weight = np.sin(fan) ** 2 * np.exp(-((distance - 0.35) ** 2) / 0.15)
    _blend(canvas, rng.uniform(0, 0.14) * weight * (1 + 0.35 * streak), [235, 190, 150])


def paint_optic_disc(rng: Rng, eye: Eye, canvas: Array) -> Array:
    """Draw the optic disc: a soft bright ellipse in a glow, a paler cup, sometimes a pigment crescent.

    Returns:
        The truth (H, W), uint8: 1 on the disc, 2 in its cup, bounded where the soft edges pass one half.
    """
    radius = eye.reach * rng.uniform(0.165, 0.21)
    x, y = eye.x / radius, eye.y / radius
    wobble = 1 + 0.04 * _blotches(rng, eye.size_px, 10)
    distance = np.hypot(x / rng.uniform(0.85, 1.0), y) * wobble
    _blend(canvas, rng.uniform(0, 0.2) * np.exp(-(distance**2) / 4), [250, 190, 120])
    if rng.random() < 0.35:
        facing = np.clip(np.cos(np.arctan2(y, x) - rng.uniform(-math.pi, math.pi)), 0, 1)
        patches = np.clip(0.5 + _blotches(rng, eye.size_px, 8), 0, 1) * facing
        canvas *= np.exp(-rng.uniform(0.1, 0.6) * patches * np.exp(-(((distance - 1.12) / 0.1) ** 2)))[..., None]
    bright = float(np.percentile(canvas[..., 0], 70))
    rim = bright * _float32([1.12, rng.uniform(0.55, 0.8), rng.uniform(0.25, 0.42)])
    cup = bright * _float32([1.2, rng.uniform(0.85, 1.02), rng.uniform(0.4, 0.68)])
    _blend(canvas, rng.uniform(0.75, 0.97) * _soft_edge(distance, rng.uniform(0.04, 0.12)), rim)
    depth = rng.uniform(0.3, 0.95)
    inner = np.hypot(x - 0.2, y) / rng.uniform(0.4, 0.7) * wobble
    _blend(canvas, depth * _soft_edge(inner, 0.15), cup)
    inside = distance <= 1
    return inside.astype(np.uint8) + (inside & (inner <= 1))


LESIONS = (  # chance, most spots, radii, most pieces in a spot, softness, strength, colour (None: dark)
    (0.45, 60, (0.8, 3.0), 1, 0.8, 0.35, (245, 215, 130)),  # drusen
    (0.30, 12, (0.8, 2.5), 14, 0.4, 0.75, (250, 225, 140)),  # hard exudates
    (0.20, 5, (4.0, 9.0), 4, 3.0, 0.45, (240, 220, 190)),  # cotton-wool spots
    (0.40, 30, (0.8, 2.0), 1, 0.5, 0.45, None),  # microaneurysms
    (0.35, 12, (2.0, 6.0), 6, 0.9, 0.60, None),  # haemorrhages
    (0.25, 6, (8.0, 25.0), 3, 5.0, 0.25, None),  # pigment and shadows
)


def paint_lesions(rng: Rng, eye: Eye, canvas: Array) -> None:
    """Scatter bright and dark spots that are not vessels."""
    from scipy.ndimage import gaussian_filter

    bright = float(np.percentile(canvas[..., 0], 80)) / 225
    for chance, most, radii, pieces, softness, strength, colour in LESIONS:
        spots = []
        for _ in range(rng.integers(1, most + 1) if rng.random() < chance else 0):
            centre = FRAME / 2 + rng.uniform(-0.9, 0.9, 2) * eye.radius
            for _ in range(rng.integers(1, pieces + 1)):
                radius = rng.uniform(*radii)
                position = centre + rng.normal(0, 1.2 * radius, 2) * (pieces > 1)
                spots.append((*position, *(position + rng.normal(0, radius / 2, 2)), radius, rng.uniform(0.4, 1)))
        if spots:
            capsules = np.array(spots) * [*[eye.scale] * 5, 1]
            share = strength * gaussian_filter(rasterise_capsules(capsules, eye.size_px)[0], softness * eye.scale)
            if colour is None:
                canvas *= np.exp(-share[..., None] * _float32([0.45, 1.0, 0.8]))
            else:
                _blend(canvas, share, bright * _float32(colour))
