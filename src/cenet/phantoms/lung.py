"""Computed tomography of the chest: slices in Hounsfield units, with exact truth of the lungs."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.phantoms.chest import (
    CARINA,
    HEIGHT,
    HILUM,
    Anatomy,
    Chest,
    choose_chest,
    ellipse_depth,
    locate_organs,
    smooth_step,
)
from cenet.phantoms.eye import Array, Rng
from cenet.phantoms.noise import draw_noise_layers, smooth_noise
from cenet.phantoms.vessels import rasterise_capsules

# Lengths are in mm, in the coordinates of chest.py; z is the level in mm.
THICKNESS = 3.0  # of a slice
FAT, MUSCLE, BLOOD, AIRWAY = -105.0, 55.0, 45.0, -985.0  # Hounsfield units


def grow_trees(rng: Rng, chest: Chest) -> tuple[Array, Array]:
    """Grow vessels and airways from the roots of the lungs: rows (x0, y0, z0, x1, y1, z1, radius)."""
    fork, root = np.array([2.0, 2.0, CARINA * HEIGHT]), HILUM * HEIGHT
    tubes = [np.array([[1, -12, -20, *fork, rng.uniform(7.5, 10)]])]
    for side in (-1, 1):
        tubes.append(np.array([[*fork, 4 + 38 * side, 4, root, rng.uniform(5.5, 7)]]))
    branches = []
    for side in (-1, 1):
        count = 13
        ends = np.array([4 + 38 * side, 2, root]) + rng.normal(0, [3, 9, 10], (count, 3))
        ways = rng.normal(0, 1, (count, 3)) * [0.8, 1, 1.3]
        ways[:, 0] = side * np.abs(ways[:, 0]) + 0.3 * side
        radii = rng.uniform(2.2, 4.6, count)
        for generation in range(9):
            ways /= np.linalg.norm(ways, axis=1, keepdims=True)
            starts, ends = ends, ends + ways * (rng.uniform(7, 15, len(ends)) + 2.5 * radii)[:, None]
            branches.append(np.column_stack([starts, ends, radii]))
            if generation < 4:
                beside = np.cross(ways, [0, 0.6, 0.8]) * (1.9 * radii)[:, None]
                tubes.append(np.column_stack([starts + beside, ends + beside, 0.85 * radii]))
            turn = rng.normal(0, 0.36, ways.shape)
            ways = np.concatenate([ways + turn, ways - turn * rng.uniform(0.5, 1.3, (len(turn), 1))])
            radii = np.concatenate([radii * 0.84, radii * rng.uniform(0.5, 0.8, len(radii))])
            ends = np.concatenate([ends, ends])
            kept = (radii > 0.45) & (np.hypot(ends[:, 0] / chest.wide, ends[:, 1] / chest.deep) < 1)
            ways, radii, ends = ways[kept], radii[kept], ends[kept]
    return np.concatenate(branches), np.concatenate(tubes)


def _draw_section(tubes: Array, level: float, chest: Chest, size_px: int) -> Array:
    """Cut tubes with a slice of finite thickness and rasterise them, depth in pixels."""
    low, high = level * HEIGHT - THICKNESS / 2, level * HEIGHT + THICKNESS / 2
    start, end, radius = tubes[:, :3], tubes[:, 3:6], tubes[:, 6]
    climb = end[:, 2] - start[:, 2]
    climb = np.where(np.abs(climb) < 0.01, 0.01, climb)
    first, last = np.sort(np.clip([(low - start[:, 2]) / climb, (high - start[:, 2]) / climb], 0, 1), axis=0)
    crosses, scale = last > first, size_px / chest.field
    ends = [((start + share[:, None] * (end - start)) * scale + size_px / 2)[crosses, :2] for share in (first, last)]
    real = radius[crosses] * scale
    drawn = np.maximum(real, 0.5)  # never thinner than a pixel, but fainter
    return rasterise_capsules(np.column_stack([*ends, drawn, real / drawn]), size_px)


def _cut_nodules(balls: Array, level: float) -> Array:
    """Cut balls at a level: the rows whose radius is left, with that radius."""
    radius = np.sqrt(np.clip(balls[:, 3] ** 2 - (balls[:, 2] - level * HEIGHT) ** 2, 0, None))
    return np.column_stack([balls[:, :3], radius, balls[:, 4]])[radius > 0]


def _choose_nodules(rng: Rng, chest: Chest) -> Array:
    """Choose nodules, half of them at the wall: rows (x, y, z, radius, Hounsfield units)."""
    rows = []
    for _ in range(rng.poisson(5)):
        angle, level, radius = rng.uniform(-math.pi, math.pi), rng.uniform(0.15, 0.95), rng.uniform(3, 9)
        radius *= 1 + (rng.random() < 0.25) * rng.uniform(0.5, 1.5)
        out = rng.choice([rng.uniform(0.5, 0.8), rng.uniform(0.93, 1.0)])
        x, y = out * chest.wide * math.cos(angle), out * chest.deep * math.sin(angle)
        rows.append([x, y, level * HEIGHT, radius, rng.choice([40.0, 20.0, -450.0, 250.0], p=[0.5, 0.2, 0.2, 0.1])])
    return np.array(rows).reshape(-1, 5)


def _paint(canvas: Array, depth: Array, value: Any, pixel: float) -> None:
    """Fill where the depth is positive; a pixel at the edge takes its share."""
    canvas += np.clip(depth / pixel + 0.5, 0, 1) * (value - canvas)


def _paint_body(
    canvas: Array, chest: Chest, parts: Anatomy, level: float, *, clouds: list[Array], pixel: float
) -> None:
    """Paint all that is not lung: fat, muscle, bone, heart, blood, and the belly with its gas."""
    loose, patch, fine, _ = clouds
    x, y, outside = parts.x, parts.y, -parts.cage
    blood = BLOOD + chest.contrast
    angle = np.arctan2(y, np.abs(x))
    _paint(canvas, parts.body, 20.0, pixel)  # skin
    _paint(canvas, parts.body - 2.5, FAT + 8 * fine, pixel)
    back = 16 * np.exp(-(((np.abs(x) - 32) / 22) ** 2)) * (y > 0)
    meat = np.clip(13 + 5 * patch + 6 * np.sin(5 * angle), 4, None) + back - outside
    _paint(
        canvas,
        np.minimum(meat, parts.body - 4),
        MUSCLE - 130 * np.clip(1 - np.abs(fine) / 0.25, 0, 1) * (patch > -0.3),
        pixel,
    )
    _paint(canvas, parts.cage - 1.5, FAT + 25 * np.clip(patch, 0, 2), pixel)  # between the organs
    for depth, value in ((parts.vessels, blood), (parts.heart, blood - 0.3 * chest.contrast * (patch > 0.3))):
        _paint(canvas, depth, value, pixel)
    _paint(canvas, ellipse_depth(x - 8, y - 0.3 * parts.deep, 9, 7), 40.0, pixel)  # gullet
    if loose.mean() > 0:
        _paint(canvas, ellipse_depth(x - 8, y - 0.3 * parts.deep, 4, 2.5), AIRWAY, pixel)
    bone = np.maximum(parts.spine, ellipse_depth(x, y + parts.deep + 4, 20, 5) if level > 0.15 else -99.0)
    for number in range(-6, 14):  # ribs run from the spine down to the front
        run = (level - 0.09 * number) / 0.45
        if 0 < run < 1:
            away = np.abs(angle - (0.5 - 0.92 * run) * math.pi) * np.hypot(x, y)
            bone = np.maximum(bone, 4.4 - 4.4 * np.hypot((outside - 6) / 4.4, away / 18) ** 1.5)
    if level < 0.32:
        bone = np.maximum(bone, np.minimum(3 - np.abs(outside - 24 - 8 * angle), 30 - 90 * np.abs(angle - 0.7)))
    bone = np.maximum(bone, np.minimum(4 - np.abs(x), 34 - np.abs(y - parts.deep - 20)))  # spinous process
    bone = np.minimum(bone, parts.body - 6)
    _paint(canvas, bone, 650.0 + 120 * fine, pixel)
    _paint(canvas, bone - 1.8, 190.0 + 70 * fine, pixel)
    _paint(canvas, ellipse_depth(x, y - parts.deep - 7, 9, 8), 30.0, pixel)  # spinal cord
    belly = np.minimum(parts.domes, parts.cage - 1)
    _paint(canvas, belly, 60 + 0.3 * chest.contrast + 4 * fine, pixel)
    size = chest.gas * smooth_step(level, 0.76, 1.0)
    if size > 0:
        stomach = ellipse_depth(x - 0.45 * chest.wide, y + 0.2 * chest.deep, 42 * size, 30 * size + 1)
        _paint(canvas, np.minimum(stomach, belly - 3), 15.0, pixel)
        _paint(canvas, np.minimum.reduce([stomach - 3, belly - 6, -0.22 * chest.deep - y]), -970.0, pixel)
        bowel = np.minimum(ellipse_depth(x - 6, y + 0.62 * chest.deep, 60 * size, 15 * size + 1), belly - 5)
        _paint(canvas, bowel, -60.0, pixel)
        _paint(canvas, np.minimum(bowel - 3, patch + 0.7), -950.0, pixel)


def _draw_lungs(chest: Chest, parts: Anatomy, clouds: list[Array], maps: tuple[Array, Array], nodules: Array) -> Array:
    """Compose the lungs alone, as if they filled the slice; `maps` are the sections of both trees."""
    _, patch, fine, grain = clouds
    x, y = parts.x, parts.y
    low = np.clip((y / chest.deep + 1) / 2, 0, 1)
    tissue = chest.tissue + 70 * low + 18 * patch + 14 * grain
    tissue += 90 * np.clip(1 - np.abs(y - 0.25 * chest.deep - 0.35 * np.abs(x) + 10) / 1.2, 0, 1)  # fissure
    shell = np.exp(-np.clip(parts.lung, 0, None) / 14) * np.clip(0.6 + 0.8 * patch, 0, 1.5)
    walls = np.clip(1 - np.abs(grain) / 0.5, 0, 1) * shell
    tissue += chest.mesh * (450 * walls + 220 * shell)
    if chest.opacity > 0:
        edge = 1.05 - 1.1 * chest.opacity + 0.10 * patch + 0.03 * fine
        dense = np.clip((low - edge) / 0.10, 0, 1)
        tissue += dense * (-190 + 60 * fine + 40 * grain - tissue)
    tree, tubes = maps
    tissue += tree[0] * (BLOOD + chest.contrast - tissue)
    for across, down, _, radius, value in nodules.astype(np.float32):
        _paint(tissue, radius - np.hypot(x - across, y - down) * (1 + 0.06 * fine), value, 1.5)
    tissue += np.clip(tubes[2] + 1.0, 0, 1) * (-150 - tissue)
    return np.asarray(tissue)


def _paint_table(canvas: Array, chest: Chest, u: Array, v: Array, *, air: Array, pixel: float) -> None:
    """Paint the table, a shell filled with foam, and the cushion between it and the back."""
    top = chest.deep + chest.fat + 27 - 0.0016 * u * u
    for depth, value in (
        (np.minimum(v - top + 8, 200 - np.abs(u)), -940.0),
        (np.minimum(np.minimum(v - top, top + 26 - v), 190 - np.abs(u)), -350.0),
        (np.minimum(np.minimum(v - top - 2.5, top + 23.5 - v), 187 - np.abs(u)), -930.0),
        (v - top - 26, -1000.0),
    ):
        _paint(canvas, np.where(air, depth, -99.0), value, pixel)


def draw_patient(seed: int, *, slices: int, size_px: int) -> list[tuple[NDArray[np.int16], NDArray[np.uint8]]]:
    """Draw slices of one patient from the tips of the lungs to below the diaphragm.

    All inside the outline of a lung is lung: its vessels, bronchi, nodules and dense parts. The windpipe, the roots
    of the lungs, gas in the bowel and the air around the patient are not.

    Args:
        seed: Any whole number from 0; the same gives the same bytes, at another size the same patient.
        slices: Number of slices, evenly from top to bottom.
        size_px: Side of a slice; the field is some 350 mm wide.

    Returns:
        One pair a slice: the image (H, W) in Hounsfield units, and the truth (H, W), 1 in a lung.

    >>> image, label = draw_patient(0, slices=3, size_px=64)[1]
    >>> bool(image[label == 1].mean() < -500 < image[32, 32])
    True
    """
    from scipy.ndimage import gaussian_filter

    streams = iter(np.random.default_rng(seed).spawn(7))  # one each, so that no part disturbs another
    chest = choose_chest(next(streams))
    tree, tubes = grow_trees(next(streams), chest)
    nodules = _choose_nodules(next(streams), chest)
    bends = draw_noise_layers(next(streams), slices, [4, 4, 13, 13], pace=slices / 10)
    weather = draw_noise_layers(next(streams), slices, [2, 6, 24, 70], pace=slices / 10)
    camera = next(streams)
    top, bottom, noise, blur = (camera.uniform(*r) for r in ((0.06, 0.14), (0.86, 1.0), (8, 32), (0.45, 0.8)))
    pixel = chest.field / size_px
    line = ((np.arange(size_px, dtype=np.float32) + 0.5) / size_px - 0.5) * np.float32(chest.field)
    u, v = np.meshgrid(line, line)
    drawn = []
    for number, rng in enumerate(next(streams).spawn(slices)):
        level = top + (bottom - top) * (number + 0.5) / slices
        aside, down, little, less = (smooth_noise(bend[number], size_px) for bend in bends)
        x, y = u + 3.5 * aside + little, v + 3.5 * down + less
        clouds = [smooth_noise(veil[number], size_px) for veil in weather]
        parts = locate_organs(chest, level, x, y, clouds[0])
        canvas = np.full_like(x, -1000.0)
        _paint_table(canvas, chest, u, v, air=parts.body < 0, pixel=pixel)
        _paint_body(canvas, chest, parts, level, clouds=clouds, pixel=pixel)
        maps = _draw_section(tree, level, chest, size_px), _draw_section(tubes, level, chest, size_px)
        _paint(canvas, parts.lung, _draw_lungs(chest, parts, clouds, maps, _cut_nodules(nodules, level)), pixel)
        airway = np.minimum.reduce([maps[1][2] * pixel, parts.cage, -4 - parts.heart, -parts.domes])
        _paint(canvas, airway - 0.8, AIRWAY, pixel)
        canvas = gaussian_filter(canvas, blur)
        shaken = gaussian_filter(rng.standard_normal(canvas.shape, np.float32), 0.7) * 2.4
        streaks = gaussian_filter(rng.standard_normal(canvas.shape, np.float32), (0.7, size_px / 30)) * 12
        thick = np.clip(parts.body, 0, 60) / 60
        canvas += noise * (0.4 + 0.6 * thick) * shaken + (4 + 45 * (1 - smooth_step(level, 0.0, 0.3))) * thick * streaks
        if chest.round_field:
            canvas[np.hypot(u, v) > chest.field / 2] = -1024
        label = (parts.lung >= 0).astype(np.uint8)
        drawn.append((np.clip(np.round(canvas), -1024, 3071).astype(np.int16), label))
    return drawn
