"""Electron microscopy of nerve tissue: sections through curved cells, with exact truth of the membranes."""

import math

import numpy as np
from numpy.typing import NDArray

from cenet.phantoms.eye import Array, Rng
from cenet.phantoms.noise import draw_noise_layers, smooth_noise
from cenet.phantoms.vessels import rasterise_capsules

# Lengths are in pixels of about 4 nm: a larger image shows more tissue, not finer pixels.
SECTION = 9.0  # from one section to the next, and the thickness that one projects
TILE = 8  # side of the tiles that share their nearest cells
NEAREST = 8  # cells looked at in a tile
SIGHT = 80.0  # a section looks at cells that come as near as this
PAIRS_AT_ONCE = 2**23  # of a tile and a cell, whose distance is computed
SPECK = 24  # inside areas smaller than this belong to the membranes around them


def pack_neurites(rng: Rng, size_px: int, slices: int) -> Array:
    """Pack neurites, thick ones first; those near each other run alike.

    Returns:
        Rows (x0, y0, z0, x1, y1, z1, radius): the axis of a cell and how far it keeps others away.
    """
    low, high = np.full(3, -40.0), np.array([size_px + 40.0, size_px + 40.0, slices * SECTION + 40.0])
    bundles = rng.uniform(low, high, (3 + size_px // 128, 3))
    courses = rng.normal(0, 1, bundles.shape) * [0.6, 0.6, 0.9]
    count = int(np.prod(high - low) / 7000)
    widest = min(45.0, size_px / 7)  # a small image still shows several cells
    radii = -np.sort(-np.clip(6 * np.exp(np.abs(rng.normal(0, 0.65, count))), 6, widest))
    middles = rng.uniform(low, high, (count, 3))
    near = np.linalg.norm(middles[:, None] - bundles, axis=2).argmin(1)
    course = courses[near] + rng.normal(0, 0.3, (count, 3))
    course /= np.linalg.norm(course, axis=1, keepdims=True)
    half = course * (radii * rng.uniform(0.5, 4.5, count))[:, None]
    cells = np.column_stack([middles - half, middles + half, radii]).astype(np.float32)
    kept = cells[:0]
    along = np.linspace(-1, 1, 5)[:, None]
    for cell, middle, reach in zip(cells, middles, half, strict=True):
        axis = (middle + along * reach).astype(np.float32).T[:, :, None]
        for part in (axis[:, 2:3], axis):  # most are refused by their middle alone
            if _surface_distance(part, kept.T[:, None])[0].min(initial=math.inf) <= 0.75 * cell[6]:
                break
        else:
            kept = np.vstack([kept, cell])
    return kept


def _surface_distance(points: Array, cells: Array) -> tuple[Array, Array]:
    """Distance from points (3, ...) to the surface of cells (7, ...), and the vector from the axis (3, ...)."""
    way = cells[3:6] - cells[:3]
    offset = points - cells[:3]
    along = (offset * way).sum(0) / ((way * way).sum(0) + 1e-6)
    offset = offset - np.clip(along, 0, 1) * way
    return np.sqrt((offset * offset).sum(0)) - cells[6], offset


def cut_section(cells: Array, points: Array) -> tuple[Array, Array, Array]:
    """Cut through the cells, each reaching as far as no other is nearer.

    Args:
        cells: Rows of `pack_neurites`.
        points: (3, H, W) places (x, y, z) of the section's pixels; H and W are multiples of TILE.

    Returns:
        Maps (H, W): number of the cell, distance to its nearest wall, and steepness of that wall: 0 where it
        stands on the section, 1 where it lies in it.
    """
    rows, columns = (side // TILE for side in points.shape[1:])
    tiles = points.reshape(3, rows, TILE, columns, TILE).swapaxes(2, 3).reshape(3, rows * columns, TILE * TILE)
    middles = tiles.mean(2)[..., None]
    at_once = max(PAIRS_AT_ONCE // len(cells), 1)  # a large section has too many tiles and cells for the memory
    nearest = np.concatenate(  # (tiles, NEAREST)
        [
            np.argpartition(
                _surface_distance(middles[:, first : first + at_once], cells.T[:, None])[0], NEAREST, axis=1
            )[:, :NEAREST]
            for first in range(0, middles.shape[1], at_once)
        ]
    )
    away = _surface_distance(tiles[:, None], cells.T[:, nearest.T, None])[0]  # (NEAREST, tiles, pixels)
    sides = []
    for _ in range(2):
        chosen = away.argmin(0)
        owner = np.take_along_axis(nearest, chosen, 1)
        sides.append((owner, *_surface_distance(tiles, cells.T[:, owner])))
        np.put_along_axis(away, chosen[None], np.inf, 0)
    (owner, inner, to), (_, outer, fro) = sides
    across = fro / np.sqrt((fro * fro).sum(0) + 1e-6) - to / np.sqrt((to * to).sum(0) + 1e-6)
    rise = np.maximum(np.sqrt((across * across).sum(0)), 0.3)  # of the gap; the wall lies half way across it
    maps = (owner, (outer - inner) / rise, np.abs(across[2]) / rise)
    owner, wall, steep = (m.reshape(rows, columns, TILE, TILE).swapaxes(1, 2).reshape(points.shape[1:]) for m in maps)
    return owner, wall, steep


def place_mitochondria(rng: Rng, cells: Array) -> Array:
    """Put mitochondria into the wider cells: rows (centre x, y, z, half axis x, y, z, radius, turn of the cristae)."""
    rows = []
    for cell in cells[cells[:, 6] > 11]:
        way, radius = cell[3:6] - cell[:3], float(cell[6])
        length = float(np.linalg.norm(way))
        for _ in range(rng.poisson(0.2 + length / 130 + radius / 60)):
            thick = min(radius * rng.uniform(0.4, 0.75), rng.uniform(10, 26))
            position = cell[:3] + rng.random() * way + rng.normal(0, 0.35, 3) * (radius - thick)
            rows.append(
                [*position, *way / length * thick * rng.uniform(0.4, 2.2), thick, rng.uniform(-math.pi, math.pi)]
            )
    return np.array(rows, np.float32).reshape(-1, 8)


def _draw_mitochondria(points: Array, rows: Array, room: Array, folds: Array) -> Array:
    """Cut the mitochondria: a dark border, a grey matrix and cristae across it (H, W)."""
    dark = np.zeros_like(room)
    for row in rows[np.abs(rows[:, 2] - points[2].mean()) < np.abs(rows[:, 5]) + rows[:, 6] + 30]:
        axis = np.concatenate([row[:3] - row[3:6], row[:3] + row[3:6], row[6:7]])[:, None]
        tiles = _surface_distance(points[:, ::TILE, ::TILE], axis[..., None])[0] < 1.5 * TILE
        if not tiles.any():
            continue
        y, x = np.nonzero(tiles.repeat(TILE, 0).repeat(TILE, 1))
        inner = np.minimum(-_surface_distance(points[:, y, x], axis)[0], room[y, x])
        y, x, inner = y[inner > 0], x[inner > 0], inner[inner > 0]
        px, py = points[:2, y, x]
        phase = (px * math.cos(row[7]) + py * math.sin(row[7])) / 7 * math.tau + 1.5 * folds[y, x]
        cristae = np.clip(0.8 + 1.6 * np.sin(phase), 0, 1) * np.clip(inner / 3 - 1, 0, 1)
        rim = np.exp(-(((inner - 1.5) / 1.3) ** 2))
        body = np.clip(inner / 2, 0, 1) * (36 + 50 * cristae)
        dark[y, x] = np.maximum(dark[y, x], np.maximum(body, 90 * rim))
    return dark


def _draw_vesicles(rng: Rng, room: Array, crowd: Array) -> Array:
    """Scatter rings, and some full discs, where cells have room: how much darker they make it (H, W)."""
    side = room.shape[0]
    count = int(rng.uniform(0.5, 1.3) * side * side / 180)
    y, x = rng.uniform(0, side, (2, count))
    radius = rng.uniform(2.2, 4.6, count)
    at = y.astype(int), x.astype(int)
    kept = (room[at] > radius + 1) & (rng.random(count) < np.clip(0.4 + 0.7 * crowd[at], 0.02, 1))
    full = rng.random(count) < 0.06
    dark = np.zeros_like(room)
    for chosen, hollow in ((kept & ~full, True), (kept & full, False)):
        if chosen.any():
            table = np.column_stack([x, y, x, y, radius, np.ones(count)])[chosen]
            depth = rasterise_capsules(table, side)[2]
            dark += 70 * np.exp(-(((depth - 0.8) / 1.1) ** 2)) if hollow else 60 * np.clip(depth, 0, 1)
    return dark


def _draw_artefacts(rng: Rng, side: int) -> Array:
    """Now and then a fold across the section, stain or a bright spot: change of grey (H, W)."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    change = np.zeros((side, side), np.float32)
    if rng.random() < 0.12:
        angle, offset, bend = rng.uniform(-math.pi, math.pi), rng.uniform(-0.4, 0.4) * side, rng.normal(0, 0.1)
        u, v = x - side / 2, y - side / 2
        u, v = u * math.cos(angle) + v * math.sin(angle), v * math.cos(angle) - u * math.sin(angle)
        change -= rng.uniform(30, 80) * np.exp(-(((u - offset - bend * v**2 / side) / rng.uniform(3, 7)) ** 2))
    for _ in range(rng.poisson(0.4 + side / 400)):
        (cx, cy), wide = rng.uniform(0, side, 2), rng.uniform(3, 11)
        change += rng.choice([-70.0, 60.0], p=[0.7, 0.3]) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / wide**2)
    return change


def _remove_small_areas(inside: Array) -> Array:
    """Count inside areas too small for a cell to the membranes."""
    from scipy.ndimage import label

    areas = label(inside)[0]
    return np.asarray(inside & (np.bincount(areas.ravel())[areas] >= SPECK))


def _find_walls(owner: Array) -> Array:
    """Find the pixels beside another cell: two pixels thick, so that no 4-connected way crosses them."""
    edge = np.zeros(owner.shape, bool)
    for numbers, border in ((owner, edge), (owner.T, edge.T)):
        differ = numbers[1:] != numbers[:-1]
        border[1:] |= differ
        border[:-1] |= differ
    return edge


def draw_stack(seed: int, *, slices: int, size_px: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw consecutive sections of nerve tissue as an electron microscope shows them.

    A section projects its thickness, so a membrane that lies obliquely in it looks broad and pale; the truth is
    the membranes' cut at its middle. Borders of mitochondria and vesicles are no membranes of cells.

    Args:
        seed: Any whole number from 0; the same gives the same bytes.
        slices: Number of sections, about 9 pixels apart.
        size_px: Side of a section; a pixel is about 4 nm.

    Returns:
        The sections (S, H, W), and the truth of the same shape: 255 inside a cell, 0 on a membrane.

    >>> volume, labels = draw_stack(0, slices=2, size_px=64)
    >>> volume.shape, sorted(set(labels.ravel().tolist()))
    ((2, 64, 64), [0, 255])
    """
    from scipy.ndimage import gaussian_filter

    streams = iter(np.random.default_rng(seed).spawn(8))  # one each, so that no part disturbs another
    side = -(-size_px // TILE) * TILE
    cells = pack_neurites(next(streams), side, slices)
    mitochondria = place_mitochondria(next(streams), cells)
    tints = next(streams).normal(0, 7, len(cells)).astype(np.float32)
    broad, coarse, fine = side // 100 + 1, side // 64 + 2, side // 20 + 2  # blotches across the image
    bends = draw_noise_layers(next(streams), slices, [coarse] * 3 + [fine] * 3)
    weather = draw_noise_layers(next(streams), slices, [broad, coarse, coarse, fine, fine, 2 * fine])
    volume = np.zeros((slices, size_px, size_px), np.uint8)
    labels = np.zeros_like(volume)
    middles, halves = (cells[:, 2] + cells[:, 5]) / 2, np.abs(cells[:, 5] - cells[:, 2]) / 2 + cells[:, 6]
    half = next(streams).uniform(2.2, 3.0)  # of a membrane's thickness
    for number, rng in enumerate(next(streams).spawn(slices)):
        shift, vesicle, blemish, camera = rng.spawn(4)
        y, x = np.mgrid[:side, :side].astype(np.float32)
        points = np.stack([x, y, np.full_like(x, number * SECTION)])
        points[:2] += shift.normal(0, 0.7, (2, 1, 1)).astype(np.float32)
        for axis in range(3):
            coarse_bend = 7 * smooth_noise(bends[axis][number], side)
            points[axis] += coarse_bend + 1.7 * smooth_noise(bends[axis + 3][number], side)
        near = np.flatnonzero(np.abs(middles - number * SECTION) < halves + SIGHT)
        owner, wall, steep = cut_section(cells[near], points)
        shade, stain, crowd, folds, patch, grain = (smooth_noise(veil[number], side) for veil in weather)
        room = wall - half - 1
        reticulum = np.clip(1 - np.abs(folds + 0.4 * grain) / 0.22, 0, 1) * np.clip(2 * patch - 0.7, 0, 1)
        reach = np.maximum(0.5 * SECTION * steep, 0.5)
        share = np.clip(np.minimum(wall + reach, half) - np.maximum(wall - reach, -half), 0, None) / (2 * reach)
        dark = (
            np.clip(88 + 22 * stain, 35, 120) * share,
            95 * np.clip(2 * stain - 3.2, 0, 1) * np.exp(-((wall / 10) ** 2)),  # synapses
            60 * reticulum * np.clip(room / 2, 0, 1),
            _draw_vesicles(vesicle, room, crowd),
            _draw_mitochondria(points, mitochondria, room, grain),
        )
        canvas = 155 + 8 * shade + tints[near[owner]] + 5 * grain - np.maximum.reduce(dark)
        canvas = gaussian_filter(canvas + _draw_artefacts(blemish, side), camera.uniform(0.6, 1.0))
        noise = camera.standard_normal(canvas.shape, np.float32)
        canvas += camera.uniform(31, 46) * gaussian_filter(noise, 0.6)
        canvas = 128 + camera.normal(0, 9) + camera.uniform(0.9, 1.15) * (canvas - 128)
        inside = ((wall > half) & ~_find_walls(owner))[:size_px, :size_px]
        volume[number] = np.clip(np.round(canvas), 0, 255).astype(np.uint8)[:size_px, :size_px]
        labels[number] = _remove_small_areas(inside) * np.uint8(255)
    return volume, labels
