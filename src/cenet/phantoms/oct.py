"""OCT B-scans of the retina: ten layers between eleven boundaries, known to a fraction of a pixel."""

import math

import numpy as np
from numpy.typing import NDArray

from cenet.phantoms.eye import Array, Rng
from cenet.phantoms.phantom import check_seed_and_size

# Depths are in micrometres, places across in millimetres from the fovea.
LAYERS = (  # thickness far from the fovea, in it, and added on the ring around it; brightness
    (24.0, 0.0, 6.0, 0.72),  # RNFL: nerve fibres; its top is the inner limiting membrane
    (16.0, 0.0, 32.0, 0.47),  # GCL: ganglion cells
    (24.0, 0.0, 16.0, 0.53),  # IPL: inner plexiform
    (30.0, 2.0, 8.0, 0.35),  # INL: inner nuclear
    (22.0, 6.0, 6.0, 0.50),  # OPL: outer plexiform
    (56.0, 100.0, 8.0, 0.24),  # ONL: outer nuclear
    (22.0, 28.0, 0.0, 0.34),  # inner segments, below the external limiting membrane
    (14.0, 16.0, 0.0, 0.88),  # IS/OS: ellipsoids
    (17.0, 30.0, 0.0, 0.46),  # outer segments
    (22.0, 22.0, 0.0, 0.90),  # RPE, down to Bruch's membrane
)
RNFL, INL, ONL, IS_OS, OUTER, RPE = 0, 3, 5, 7, 8, 9
VITREOUS, FLUID, DRUSEN = 0.03, 0.07, 0.52  # brightness
Pocket = tuple[int, float, Array, float]  # layer, how deep in it (0 top, 1 bottom), thickness (W,), brightness


def _smooth_waves(rng: Rng, across: Array, length: float) -> Array:
    """Smooth noise of unit spread along x with waves of about this length."""
    size, turn, phase = rng.normal(0, 1, 8), rng.uniform(0.5, 1.5, 8), rng.uniform(-math.pi, math.pi, 8)
    waves = np.cos(2 * math.pi / length * turn[:, None] * across + phase[:, None])
    return np.asarray(size @ waves / 2)


def _bump(across: Array, middle: float, half: float) -> Array:
    """A hill of height 1 that ends at both sides."""
    return np.clip(1 - ((across - middle) / half) ** 2, 0, 1)


def draw_layer_thickness(rng: Rng, across: Array) -> Array:
    """Choose how thick each layer is.

    Shape:
        (10, W), micrometres.
    """
    away = np.abs(across) / rng.uniform(0.85, 1.15)
    pit = np.exp(-((away / rng.uniform(0.45, 0.70)) ** 2))
    ring = np.exp(-(((away - 1.0) / 0.65) ** 2)) * (1 - pit)
    nose = 1 / (1 + np.exp(-(across - rng.uniform(1.5, 3.5)) / 0.5))  # fibres gather towards the disc
    thickness = np.empty((len(LAYERS), across.size))
    for own, (far, foveal, swell, _) in zip(thickness, LAYERS, strict=True):
        shape = far * (1 - pit) + foveal * pit + swell * ring
        own[:] = shape * rng.uniform(0.85, 1.2) * np.exp(0.06 * _smooth_waves(rng, across, 2.5))
    thickness[RNFL] += rng.uniform(20, 70) * nose * np.exp(0.12 * _smooth_waves(rng, across, 1.5))
    return thickness


def add_disease(rng: Rng, across: Array, thickness: Array) -> list[Pocket]:
    """Choose what is ill: change the thickness of layers, and return what fills them.

    A layer may be lost over some way, drusen lift the RPE, and fluid lies below the outer segments or in cysts.
    """
    pockets: list[Pocket] = []
    left, right = across[0], across[-1]
    if rng.random() < 0.40:
        lost = [[RNFL], [IS_OS], [OUTER], [IS_OS, OUTER], [IS_OS, OUTER, RPE]][rng.integers(5)]
        middle = rng.uniform(left, right)
        half, slope = rng.uniform([0.05, 0.02], [0.16, 0.06]) * (right - left)
        thickness[lost] *= np.clip((np.abs(across - middle) - half) / slope, 0, 1)
    if rng.random() < 0.35:
        places, halves, steep = rng.uniform([[left], [0.1], [80]], [[right], [0.4], [240]], (3, 8))
        hills = [s * half * _bump(across, at, half) for at, half, s in zip(places, halves, steep, strict=True)]
        hill = np.max(hills[: rng.integers(1, 9)], 0)
        thickness[RPE] += hill
        thickness[ONL] -= np.minimum(0.9 * hill, 0.75 * thickness[ONL])  # the inner retina stays nearly flat
        pockets.append((RPE, 1, hill, DRUSEN * rng.uniform(0.7, 1.15)))
    if rng.random() < 0.25:
        hill = rng.uniform(30, 140) * _bump(across, rng.normal(0, 0.8), rng.uniform(0.5, 1.5)) ** 1.5
        thickness[OUTER] += hill
        pockets.append((OUTER, 1, hill, FLUID))
    if rng.random() < 0.30:
        middle, half = rng.normal(0, 0.8), rng.uniform(0.8, 1.8)
        for layer in (INL, ONL):
            thickness[layer] += rng.uniform(10, 90) * _bump(across, middle, 2 * half) ** 2
            for _ in range(rng.integers(0, 7)):
                cyst = np.sqrt(_bump(across, middle + rng.uniform(-half, half), rng.uniform(0.06, 0.3)))
                hill = rng.uniform(0.4, 0.9) * cyst * thickness[layer]
                pockets.append((layer, rng.uniform(0.2, 0.8), hill, FLUID * rng.uniform(0.8, 1.8)))
    return pockets


def _fit_into_picture(rng: Rng, across: Array, thickness: Array, depth: float) -> tuple[Array, float]:
    """Bend and tilt the retina and fit it into the image.

    Returns:
        The boundaries (11, W) as shares of the image's height, and the height of a micrometre.
    """
    u = np.linspace(-1, 1, across.size)
    bruch = rng.normal(0, 0.07) * u + rng.normal(0.03, 0.05) * u**2 + 0.006 * _smooth_waves(rng, across, 3)
    rows = np.vstack([bruch - np.cumsum(thickness[::-1], 0)[::-1] / depth, bruch])
    squeeze = min(1, 0.72 / np.ptp(rows))  # a tilted, swollen retina would not fit
    rows *= squeeze
    return rows + rng.uniform(0.06, 0.84 - np.ptp(rows)) - rows.min(), squeeze / depth


def _smooth_noise(rng: Rng, shape: tuple[int, int], rows: int, columns: int) -> Array:
    """Smooth noise of unit spread with about so many blotches from top to bottom and across."""
    from PIL import Image

    knots = Image.fromarray(rng.standard_normal((rows + 3, columns + 3), np.float32))
    box = (1.0, 1.0, columns + 2.0, rows + 2.0)
    return np.asarray(knots.resize(shape[::-1], Image.Resampling.BICUBIC, box=box), np.float32) / 0.7


def _share_between(top: Array, bottom: Array, height_px: int) -> Array:
    """Share of each pixel (H, W) that lies between two rows (W,)."""
    row = np.arange(height_px, dtype=np.float32)[:, None]
    return np.asarray(np.clip(np.minimum(row + 1, bottom) - np.maximum(row, top), 0, 1))


def _paint_tissue(rng: Rng, across: Array, edges: Array, micron: float, height_px: int) -> Array:
    """Paint vitreous, layers and choroid (H, W) between the edges (11, W), all in pixels."""
    shape = (height_px, across.size)
    row = np.arange(height_px, dtype=np.float32)[:, None] + 0.5
    canvas = VITREOUS + rng.uniform(0, 0.05) * np.clip(_smooth_noise(rng, shape, 3, 4) + 0.5, 0, 2)
    if rng.random() < 0.35:  # the detached border of the vitreous
        gap = 110 * np.clip(rng.uniform(-0.2, 1) + 0.5 * _smooth_waves(rng, across, 10), 0, 2)
        line = edges[0] - gap * micron
        canvas += rng.uniform(0.05, 0.22) * _share_between(line - 7 * micron, line, height_px) * (gap > 5)
    canvas *= row < edges[0]
    grain = 1 + 0.06 * _smooth_noise(rng, shape, height_px // 6, 40)
    for top, bottom, (*_, brightness) in zip(edges[:-1], edges[1:], LAYERS, strict=True):
        own = brightness * np.exp(0.06 * rng.normal() + 0.10 * _smooth_waves(rng, across, 2))
        canvas += _share_between(top, bottom, height_px) * own * grain
    reflex = rng.uniform(0, 0.3) * np.clip(_smooth_waves(rng, across, 2), 0, 1)
    for k, bright in ((0, reflex), (6, rng.uniform(0.05, 0.15))):  # inner and outer limiting membrane
        canvas += bright * _share_between(edges[k], edges[k] + 5 * micron, height_px)
    below = (row - edges[-1]) / micron
    lumens = np.clip(_smooth_noise(rng, shape, 14, 24), 0, 1.5) * np.clip(below / 40 - 0.5, 0, 1)
    glow = 1 + 0.7 * np.clip(1 - (edges[-1] - edges[-2]) / (15 * micron), 0, 1)  # light that no RPE holds back
    deep = np.exp(-np.clip(below, 0, None) / rng.uniform(60, 200))
    choroid = rng.uniform(0.35, 0.6) * deep * glow * np.exp(-rng.uniform(0.1, 0.5) * lumens) * grain
    return np.asarray(canvas + choroid * _share_between(edges[-1], np.full(across.size, np.inf), height_px))


def _draw_light(rng: Rng, across: Array, edges: Array, micron: float, height_px: int) -> Array:
    """Share of the light (H, W) that comes back: uneven across, and little of it from below vessels."""
    row = np.arange(height_px, dtype=np.float32)[:, None] + 0.5
    light = np.exp(rng.uniform(0.05, 0.2) * _smooth_waves(rng, across, 4))
    if rng.random() < 0.3:  # something floats above
        light = light * (1 - rng.uniform(0.3, 0.75) * _bump(across, rng.uniform(across[0], across[-1]), 0.7) ** 2)
    shadow = np.zeros(across.size)
    for _ in range(rng.integers(0, 12)):
        middle, half = rng.uniform(across[0], across[-1]), rng.uniform(0.02, 0.09)
        if abs(middle) > 0.4:  # the fovea has no vessels
            shadow += rng.uniform(0.3, 1.4) * np.exp(-(((across - middle) / half) ** 4))
    start = (row - edges[1]) / micron
    return np.asarray(
        light * (1 + 0.3 * shadow * np.exp(-((start / 20) ** 2))) * np.exp(-shadow * np.clip(start / 30, 0, 1))
    )


def _apply_scanner(rng: Rng, canvas: Array, micron: float) -> NDArray[np.uint8]:
    """Scan the tissue: blur along the beam and across, speckle, noise of the sensor, and the display's curve."""
    from scipy.ndimage import gaussian_filter

    sharp = gaussian_filter(canvas, (max(rng.uniform(1.5, 3.5) * micron, 0.3), rng.uniform(0.3, 1.2)))
    looks = math.exp(rng.uniform(math.log(1.2), math.log(12)))
    grains = rng.standard_gamma(looks, canvas.shape, np.float32) / looks
    speckle = gaussian_filter(grains, (rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.8)))
    floor = np.abs(rng.standard_normal(canvas.shape, np.float32)) * rng.uniform(0.02, 0.12)
    shown = np.clip(rng.uniform(0.6, 1.1) * sharp * speckle + floor, 0, 1) ** rng.uniform(0.75, 1.35)
    return np.asarray(np.round(255 * shown), np.uint8)


def _choose_unannotated_columns(rng: Rng, width_px: int) -> NDArray[np.bool_]:
    """Choose the columns (W,) without annotation: sometimes an end of the scan, sometimes a stretch."""
    share = (np.arange(width_px) + 0.5) / width_px
    ends = np.where(rng.random(2) < 0.25, rng.uniform(0.02, 0.15, 2), 0)
    middle, half = rng.uniform(0.2, 0.8), rng.uniform(0.01, 0.05)
    stretch = (np.abs(share - middle) < half) & (rng.random() < 0.15)
    return np.asarray((share < ends[0]) | (share > 1 - ends[1]) | stretch)


def draw_oct(seed: int, *, height_px: int, width_px: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw a B-scan of a retina, healthy or ill, whose layers are known exactly.

    Args:
        seed: Any whole number from 0; the same gives the same bytes, at another size the same eye.
        height_px: Rows, at least 64.
        width_px: Columns, at least 64.

    Returns:
        The image (H, W), and the boundaries (11, W) from top to bottom: the height in pixels above each, between 0
        and H. Where a layer is lost, two boundaries coincide. Some columns are not annotated: NaN.

    Raises:
        CenetError: The seed is negative or the size too small.

    >>> image, boundaries = draw_oct(0, height_px=64, width_px=96)
    >>> image.shape, boundaries.shape, bool((np.diff(boundaries, axis=0) < 0).any())
    ((64, 96), (11, 96), False)
    """
    check_seed_and_size("phantom", seed, min(height_px, width_px))
    streams = iter(np.random.default_rng(seed).spawn(8))  # one each, so that no part disturbs another
    scan = next(streams)
    field, depth, flip = scan.uniform(4.5, 9), scan.uniform(650, 1400), scan.choice([-1, 1])
    fovea = field * (scan.uniform(0.3, 0.7) if scan.random() < 0.85 else scan.uniform(-0.4, 0))
    across = (np.arange(width_px) + 0.5) / width_px * field - fovea
    thickness = draw_layer_thickness(next(streams), across)
    pockets = add_disease(next(streams), across, thickness)
    rows, height = _fit_into_picture(next(streams), across, thickness, depth)
    edges, micron = rows * height_px, height * height_px
    canvas = _paint_tissue(next(streams), across, edges, micron, height_px)
    for layer, deep, hill, brightness in pockets:
        top = edges[layer] + deep * (thickness[layer] - hill) * micron
        canvas += (brightness - canvas) * _share_between(top, top + hill * micron, height_px)
    canvas *= _draw_light(next(streams), across, edges, micron, height_px)
    image = _apply_scanner(next(streams), canvas, micron)
    edges[:, _choose_unannotated_columns(next(streams), width_px)] = np.nan
    return np.ascontiguousarray(image[:, ::flip]), np.ascontiguousarray(edges[:, ::flip], np.float32)
