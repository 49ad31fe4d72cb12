"""Nuclei in four stains: one seed one picture, and what makes a set of them mixed."""

import numpy as np
import pytest

from cenet.phantoms.nuclei import STAINS, draw_nuclei


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_nuclei():
    first, again, other = (draw_nuclei(seed, stain="brown", size_px=64) for seed in (3, 3, 4))
    assert first[0].tobytes() == again[0].tobytes()
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize("stain", STAINS)
def test_nuclei_differ_from_what_lies_between_them(stain):
    image, label = draw_nuclei(1, stain=stain, size_px=128)
    inside, outside = (image[label == value].mean() for value in (255, 0))
    assert (inside > outside) == (stain in ("fluorescence", "phase-contrast"))
    assert abs(inside - outside) > 15
    assert 0.05 < np.mean(label > 0) < 0.5


def test_a_stain_changes_colours_and_no_shapes():
    labels = [draw_nuclei(2, stain=stain, size_px=64)[1] for stain in STAINS]
    assert all(np.array_equal(labels[0], label) for label in labels)
