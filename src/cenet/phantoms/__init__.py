"""Drawn fundus photographs with exact vessel truth: one seed, one picture."""

from cenet.phantoms.phantom import Phantom, fundus, write_fundus_set

__all__ = ["Phantom", "fundus", "write_fundus_set"]
