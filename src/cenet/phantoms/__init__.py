"""Drawn medical images with exact truth: the same seed draws the same image."""

from cenet.phantoms.cells import draw_stack
from cenet.phantoms.lung import draw_patient
from cenet.phantoms.nuclei import draw_nuclei
from cenet.phantoms.oct import draw_oct
from cenet.phantoms.phantom import Phantom, draw_fundus
from cenet.phantoms.sets import PHANTOMS, write_phantoms

__all__ = [
    "PHANTOMS",
    "Phantom",
    "draw_fundus",
    "draw_nuclei",
    "draw_oct",
    "draw_patient",
    "draw_stack",
    "write_phantoms",
]
