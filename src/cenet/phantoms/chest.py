"""The chest of a patient and where its organs lie, level by level."""

import math
from dataclasses import dataclass

import numpy as np

from cenet.phantoms.eye import Array, Rng

# Lengths are in mm. x runs to the left of the patient, the right of the image, y to the back; both are 0 in the
# middle of the chest. The level runs from 0 above the lungs to 1 below them.
HEIGHT = 260.0  # from level 0 to level 1
CARINA, HILUM = 0.36, 0.44  # levels where the windpipe forks, and where vessels and bronchi enter the lungs


@dataclass(frozen=True)
class Chest:
    """One patient: shape and illness."""

    wide: float  # half axes of the rib cage
    deep: float
    fat: float  # thickness below the skin
    field: float  # side of the image
    heart: float  # relative size
    junction: float  # thickness of what parts the lungs in front of the heart; below 0 they touch
    contrast: float  # of blood, in Hounsfield units above plain blood
    tissue: float  # Hounsfield units of the healthy lung
    opacity: float  # share of the lung that is dense because it lies lowest
    mesh: float  # strength of thickened walls inside the lung
    gas: float  # size of bubbles in stomach and bowel
    round_field: bool  # nothing is known outside a circle


def choose_chest(rng: Rng) -> Chest:
    """Choose a patient; some have dense or scarred lungs."""
    wide, fat = rng.uniform(112, 140), 6 + 30 * rng.random() ** 1.5
    return Chest(
        wide=wide,
        deep=wide * rng.uniform(0.66, 0.8),
        fat=fat,
        field=2 * (wide + fat + rng.uniform(18, 45)),
        heart=rng.uniform(0.85, 1.15),
        junction=rng.uniform(-3, 5),
        contrast=float(rng.choice([0.0, rng.uniform(80, 250)])),
        tissue=rng.uniform(-890, -800),
        opacity=float(rng.choice([0.0, rng.uniform(0.12, 0.42)], p=[0.4, 0.6])),
        mesh=float(rng.choice([0.0, rng.uniform(0.4, 1)], p=[0.65, 0.35])),
        gas=rng.uniform(0.3, 1.2),
        round_field=bool(rng.random() < 0.4),
    )


def ellipse_depth(x: Array, y: Array, across: float, down: float, *, power: float = 2.0) -> Array:
    """Distance to the edge of an ellipse around 0, along the ray from its middle; positive inside."""
    radius = (np.abs(x / across) ** power + np.abs(y / down) ** power) ** (1 / power) + 1e-3
    return np.asarray(np.hypot(x, y) * (1 / radius - 1) + 1e-3 * min(across, down))


def smooth_step(level: float, start: float, end: float) -> float:
    """Rise smoothly from 0 to 1 between two levels."""
    share = min(max((level - start) / (end - start), 0.0), 1.0)
    return math.sin(share * math.pi / 2)


@dataclass(frozen=True)
class Anatomy:
    """Where the parts of one slice are: maps (H, W) of the depth in each of them, in mm, negative outside."""

    x: Array  # coordinates in mm
    y: Array
    deep: float  # half axis of the rib cage at this level
    cage: Array
    body: Array
    heart: Array
    vessels: Array
    spine: Array
    domes: Array
    lung: Array


def locate_organs(chest: Chest, level: float, x: Array, y: Array, loose: Array) -> Anatomy:
    """Place the organs of one level.

    Args:
        chest: The patient.
        level: 0 above the lungs, 1 below.
        x: (H, W) coordinates in mm.
        y: The same, towards the back.
        loose: Smooth noise (H, W) by which thin layers vary.
    """
    grown = smooth_step(level, -0.03, 0.5)
    wide, deep = chest.wide * (0.4 + 0.6 * grown), chest.deep * (0.5 + 0.5 * grown)
    cage = ellipse_depth(x, y, wide, deep, power=2.3)
    shoulder = 75 * (1 - smooth_step(level, 0.0, 0.3))
    wall = 20 + chest.fat
    body = ellipse_depth(x, y - 6, chest.wide * (0.55 + 0.45 * grown) + wall + shoulder, deep + wall, power=2.4)
    spine = np.maximum(
        ellipse_depth(x, y - deep + 12, 20, 17),
        np.minimum(15 - np.abs(x) - 0.5 * np.maximum(deep - 14 - y, 0), deep + 16 - y),
    )
    size = chest.heart * smooth_step(level, 0.36, 0.62)
    tilted = (0.87 * (x - 22) + 0.5 * (y + 20), 0.87 * (y + 20) - 0.5 * (x - 22))
    heart = ellipse_depth(*tilted, 66 * size + 1, 44 * size + 1, power=2.2)
    fresh, bent = smooth_step(level, 0.22, 0.28), smooth_step(level, 0.2, 0.24) * (1 - smooth_step(level, 0.28, 0.33))
    aorta = ellipse_depth(x - 24, y - 0.42 * deep, 13 * fresh + 1, 13 * fresh + 1)
    arch = ellipse_depth(x - 8 - 0.4 * y, y - 4, 15 * bent + 1, 40 * bent + 1)
    wider = 5 + 10 * smooth_step(level, 0.06, 0.25)
    great = np.maximum(ellipse_depth(x + 14, y + 22, wider, wider), ellipse_depth(x - 10, y + 26, wider - 2, wider - 2))
    hilum = smooth_step(level, HILUM - 0.1, HILUM) * (1 - smooth_step(level, HILUM + 0.03, HILUM + 0.12))
    roots = ellipse_depth(np.abs(x - 4) - 36, y - 2, 16 * hilum + 1, 19 * hilum + 1)
    vessels = np.maximum.reduce([aorta, arch, roots, great])
    thin = 0.5 * (chest.junction + 5 * abs(level - 0.42) + 1.5 * loose)  # in front of the heart and the great vessels
    strip = np.interp(y / deep, [-1.1, -0.9, -0.72, -0.5, -0.25, 0.25, 0.6, 1.0], [26, 14, 0, 0, 24, 22, 18, 16])
    strip = np.where(strip < 8, np.maximum(thin, strip - 4), strip).astype(np.float32)
    strip = strip + 18 * (1 - smooth_step(level, 0.0, 0.15))
    domes = np.maximum(
        *(
            ellipse_depth(x - side * 0.5 * wide, y - 0.04 * deep, 0.56 * wide * up + 1, 0.92 * deep * up + 1)
            for side, up in ((-1, smooth_step(level, 0.68, 1.0)), (1, smooth_step(level, 0.74, 1.08)))
        )
    )
    middle = strip - np.abs(x - 3 - 3 * loose)
    lung = np.minimum(cage - 2, -np.maximum.reduce([spine + 3, heart + 5 + 2 * loose, vessels + 2, middle, domes + 1]))
    return Anatomy(x, y, deep, cage, body, heart, vessels, spine, domes, lung)
