"""Vessel trees: how they grow, and how they are drawn together with their truth."""

import heapq
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from cenet.phantoms.eye import Array, Eye, Rng

# Lengths are in frame pixels, as in eye.py.
STRAIGHT = 30.0  # a trunk leaves the disc straight for this way
STEP = 3.0  # distance between two points of a centre line
CELL = 8.0  # side of a cell in which no two vessels of one kind meet
THINNEST = 0.65  # radius of the thinnest vessel
FAINTEST_PX = 0.22  # radius in output pixels below which a vessel is neither drawn nor labelled
VEIN, ARTERY = 0, 1


@dataclass(frozen=True, order=True)
class Sprout:
    """A vessel about to grow from a point of the retinal frame; the thickest comes first."""

    thinness: float  # minus the radius
    x: float
    y: float
    heading: float
    length: float  # it ends after this way; a trunk of infinite length goes on to the edge
    strength: float  # contrast at its root, 0 to 1
    kind: int  # VEIN or ARTERY
    parent: int  # number of the vessel it leaves, -1 for a trunk


def _start_trunks(rng: Rng, eye: Eye) -> list[Sprout]:
    """Start the vessels at the disc: two arcades of each kind, trunks to the nose, twigs to the macula."""
    sprouts = []
    for kind, width in ((VEIN, eye.zoom), (ARTERY, eye.zoom * rng.uniform(0.7, 0.85))):
        x, y = rng.normal(0, [1.5, 3.5]) * eye.zoom
        for up in (-1, 1):
            rise = rng.uniform(0.5, 0.9) ** 2 * eye.reach / STRAIGHT  # how far the arcade clears the fovea
            arcade = math.acos((math.sqrt(rise * rise + 4) - rise) / 2)  # start angle of that parabola
            macular = rng.uniform(0.6, 1.5) * eye.reach
            plan = (  # chance, angle, radius, length
                (1.0, arcade, rng.uniform(3.1, 4.1), math.inf),
                (1.0, rng.uniform(1.6, 2.3), rng.uniform(1.9, 2.9), math.inf),
                (0.6, rng.uniform(2.2, 2.9), rng.uniform(1.4, 2.3), math.inf),
                (0.8, rng.uniform(0.4, 1.1), rng.uniform(0.9, 1.7), macular),
            )
            for chance, angle, radius, length in plan:
                heading, strength = up * angle + rng.normal(0, 0.04), rng.uniform(0.85, 1)
                if rng.random() < chance:
                    sprouts.append(Sprout(-radius * width, x, y, heading, length, strength, kind, -1))
    return sprouts


def _flow_direction(x: float, y: float, reach: float) -> float:
    """Direction in which large vessels run: rays to the nose, parabolas that avoid the fovea elsewhere."""
    across, down = (2 * x, y) if x > 0 else (x, y)
    size, away = math.hypot(across, down) + 1e-9, math.hypot(x - reach, y) + 1e-9
    shy = 1.2 * math.exp(-((away / (0.3 * reach)) ** 2))
    return math.atan2(down / size + shy * y / away, across / size + shy * (x - reach) / away)


class Tree:
    """Grows vessels, thickest first, until they cover a share of the field of view.

    `capsules` collects one row (x0, y0, x1, y1, radius, strength) per step, for veins and for arteries.
    """

    def __init__(self, rng: Rng, eye: Eye) -> None:
        self.rng, self.eye = rng, eye
        self.tortuosity = rng.choice([0.02, 0.035, 0.055], p=[0.4, 0.45, 0.15])
        self.capsules: tuple[list[tuple[float, ...]], list[tuple[float, ...]]] = ([], [])
        self.taken: dict[tuple[int, int, int], int] = {}  # (kind, cell) -> number of the vessel there
        self.crowd: Counter[tuple[int, int]] = Counter()  # nodes in each larger cell
        self.nodes: list[Sprout] = []  # places where one more twig may start
        self.queue: list[Sprout] = []
        self.area, self.count = 0.0, 0

    def grow(self, share: float) -> None:
        """Grow trunks, then branches by falling radius, then twigs where there is room."""
        wanted = share * math.pi * self.eye.radius**2
        for sprout in _start_trunks(self.rng, self.eye):
            self._trace(sprout)
        while self.queue and self.area < 0.85 * wanted:
            self._trace(heapq.heappop(self.queue))
        for _ in range(400):
            if self.area < wanted and self.nodes:
                tries = [self.nodes[i] for i in self.rng.integers(len(self.nodes), size=8)]
                lonely = min(tries, key=lambda node: self.crowd[_cell(node.x, node.y, 6 * CELL)])
                self._trace(self._child(lonely, self.rng.uniform(THINNEST, 1.2)))

    def _child(self, at: Sprout, radius: float) -> Sprout:
        """A side branch; thin branches leave at wider angles."""
        rng = self.rng
        turn = rng.uniform(0.5, 1.3) if radius < 0.7 * -at.thinness else rng.uniform(0.3, 0.7)
        heading = at.heading + turn * rng.choice([-1, 1])
        strength = max(at.strength * rng.uniform(0.75, 1), 0.65)
        length = 40 + radius * rng.uniform(40, 120)
        return Sprout(-radius, at.x, at.y, heading, length, strength, at.kind, at.parent)

    def _trace(self, sprout: Sprout) -> None:
        """Grow one vessel step by step; its branches wait in the queue."""
        rng, reach, kind, trunk = self.rng, self.eye.reach, sprout.kind, sprout.parent < 0
        x, y, heading, radius = sprout.x, sprout.y, sprout.heading, -sprout.thinness
        number, self.count = self.count, self.count + 1
        steer = 0.10 if trunk else 0.006  # share of the turn back into the flow at each step
        tortuosity = self.tortuosity * rng.uniform(0.6, 1.5) * (1 if trunk else 1.1)
        wobble, gone, together, next_branch = 0.0, 0.0, 0, rng.exponential(20) + 10
        rows = []
        while gone < sprout.length:
            wobble = 0.8 * wobble + tortuosity * rng.normal()
            if gone > STRAIGHT or not trunk:
                pull = _flow_direction(x, y, reach) - heading
                heading += steer * math.atan2(math.sin(pull), math.cos(pull)) + wobble
            old_x, old_y = x, y
            x, y, gone = x + STEP * math.cos(heading), y + STEP * math.sin(heading), gone + STEP
            out = math.hypot(x - self.eye.centre[0], y - self.eye.centre[1]) > self.eye.radius + 4
            if out or math.hypot(x - reach, y) < 0.11 * reach:  # the pit of the fovea has no vessels
                break
            cell = _cell(x, y, CELL)
            owner = self.taken.setdefault((kind, *cell), number)
            leaving = owner == sprout.parent and gone < 4 * CELL
            together = together + 1 if (1 - kind, *cell) in self.taken else 0
            if not trunk and ((owner != number and not leaving) or together > 5):
                break  # it may cross the other kind, but neither meet its own kind nor run along the other
            strength = sprout.strength * (1 - 0.35 * gone / sprout.length)
            rows.append((old_x, old_y, x, y, radius, strength))
            radius = max(radius * (0.9995 - 0.8 * STEP / sprout.length), THINNEST)
            if math.hypot(x, y) < 0.3 * reach:
                continue
            node = Sprout(-radius, x, y, heading, 0, strength, kind, number)
            self.nodes.append(node)
            self.crowd[_cell(x, y, 6 * CELL)] += 1
            if gone > next_branch:
                next_branch = gone + rng.exponential(22) + 8 + 2 * radius
                branch = radius * rng.uniform(0.35, 0.85)
                if branch >= THINNEST:
                    heapq.heappush(self.queue, self._child(node, branch))
                    radius = max((radius**3 - branch**3) ** (1 / 3), THINNEST)  # Murray's law
        if len(rows) > 4:  # shorter ones are stubs
            self.capsules[kind].extend(rows)
            self.area += sum(2 * row[4] * STEP for row in rows)


def _cell(x: float, y: float, side: float) -> tuple[int, int]:
    return int(x // side), int(y // side)


def rasterise_capsules(capsules: Array, size_px: int) -> Array:
    """Draw capsules by distance to their centre lines; where they overlap the larger value stays.

    Args:
        capsules: Rows (x0, y0, x1, y1, radius, strength), output pixels.
        size_px: Side of the maps.

    Returns:
        Three maps (3, H, W): darkness (strength times cover, fuller in the middle), reflex (the bright line
        along the middle of a wide vessel), and depth (radius minus distance; inside where >= 0).
    """
    dark, reflex, inside = maps = np.zeros((3, size_px * size_px), np.float32)
    inside[:] = -1
    reach = capsules[:, 4] + np.hypot(*(capsules[:, 2:4] - capsules[:, :2]).T) / 2
    half = np.ceil(reach + 1.5).astype(int)
    for h in np.unique(half):  # all capsules whose windows have the same side at once
        x0, y0, x1, y1, radius, strength = capsules[half == h].astype(np.float32).T[:, :, None, None]
        offset = np.arange(-h, h + 1)
        column = np.floor((x0 + x1) / 2).astype(int) + offset[None, None, :]
        row = np.floor((y0 + y1) / 2).astype(int) + offset[None, :, None]
        px, py, vx, vy = column + 0.5 - x0, row + 0.5 - y0, x1 - x0, y1 - y0
        along = np.clip((px * vx + py * vy) / np.maximum(vx * vx + vy * vy, 1e-6), 0, 1)
        distance = np.hypot(px - along * vx, py - along * vy)
        within = (column >= 0) & (column < size_px) & (row >= 0) & (row < size_px) & (distance < radius + 0.5)
        pixels, depth = (row * size_px + column)[within], (radius - distance)[within]
        middle = 1 - np.minimum((distance / radius)[within], 1) ** 2
        cover = np.clip(depth + 0.5, 0, 1) * (0.65 + 0.35 * middle)
        np.maximum.at(dark, pixels, cover * np.broadcast_to(strength, within.shape)[within])
        np.maximum.at(reflex, pixels, middle**6 * np.clip(depth - 1, 0, 1))
        np.maximum.at(inside, pixels, depth)
    return maps.reshape(3, size_px, size_px)


def draw_vessels(rng: Rng, eye: Eye) -> tuple[Array, Array]:
    """Draw both trees: the share of red, green and blue light they let through (H, W, 3), and the truth."""
    tree = Tree(rng, eye)
    tree.grow(rng.uniform(0.12, 0.17))
    veil = rng.uniform(0.8, 1.4)  # contrast of this image's vessels
    paints = (  # vein and artery: least and most optical density in red, green, blue; strongest reflex
        ((0.08, 0.34, 0.15), (0.26, 0.52, 0.40), 0.25),
        ((0.00, 0.24, 0.12), (0.12, 0.38, 0.30), 0.70),
    )
    density = np.zeros((eye.size_px, eye.size_px, 3), np.float32)
    truth = np.zeros((eye.size_px, eye.size_px), bool)
    for rows, (least, most, shine) in zip(tree.capsules, paints, strict=True):
        table = np.array(rows).reshape(-1, 6)
        ends = [(eye.disc + table[:, i : i + 2] @ eye.axes) * eye.scale for i in (0, 2)]
        radius = table[:, 4] * eye.scale
        drawn = np.maximum(radius, 0.5)  # never thinner than a pixel, but fainter
        strength = table[:, 5] * np.minimum(0.35 + 0.22 * table[:, 4], 1) * radius / drawn
        capsules = np.column_stack([*ends, drawn, strength])[radius >= FAINTEST_PX]
        dark, reflex, inside = rasterise_capsules(capsules, eye.size_px)
        layer = dark * (1 - rng.uniform(0, shine) * reflex)
        density = np.maximum(density, layer[..., None] * (veil * rng.uniform(least, most)).astype(np.float32))
        truth |= inside >= 0
    return np.exp(-density), truth
