"""The eye and where the camera looks: the coordinates of everything drawn."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rng = np.random.Generator

# Lengths are in pixels of a 512 pixel image, called the frame; `Eye.scale` turns them into output pixels.
FRAME = 512


@dataclass(frozen=True)
class Eye:
    """Where things are. The retinal frame has its origin at the disc and its x axis towards the fovea."""

    size_px: int
    scale: float  # output pixels per frame pixel
    zoom: float  # magnification: 1 is a field of view of 45 degrees
    reach: float  # distance from disc to fovea
    radius: float  # of the field of view
    centre: Array  # of the field of view, retinal frame
    disc: Array  # frame
    axes: Array  # rows: the retinal x and y axis in the frame; a mirror image for the other eye
    across: Array  # (H, W) place of each pixel in the field of view: -1 left, 0 centre, 1 right
    down: Array  # (H, W) the same from top to bottom
    x: Array  # (H, W) retinal coordinates of each pixel
    y: Array


def choose_eye(rng: Rng, size_px: int) -> Eye:
    """Choose camera and eye: most views are centred on the fovea, some on the disc."""
    radius, tilt, side = rng.uniform(232, 252), rng.normal(0, 0.1), rng.choice([-1.0, 1.0])
    axes = np.array([[side * math.cos(tilt), math.sin(tilt)], [-side * math.sin(tilt), math.cos(tilt)]])
    on_disc = rng.random() < 0.3
    zoom = rng.uniform(1.0, 1.5) if on_disc else rng.uniform(0.85, 1.15)
    reach = 172 * zoom
    view = FRAME / 2 + rng.uniform(-6, 6, 2)
    disc = view + rng.uniform(-0.12, 0.12, 2) * radius - (0 if on_disc else reach) * axes[0]
    line = (np.arange(size_px, dtype=np.float32) + 0.5) * (FRAME / size_px)
    column, row = np.meshgrid(line, line)
    x, y = ((column - disc[0]) * axis[0] + (row - disc[1]) * axis[1] for axis in axes.astype(np.float32))
    across, down = (column - view[0]) / radius, (row - view[1]) / radius
    centre = axes @ (view - disc)
    return Eye(size_px, size_px / FRAME, zoom, reach, radius, centre, disc, axes, across, down, x, y)
