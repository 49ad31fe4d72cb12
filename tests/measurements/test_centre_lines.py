"""Centre lines: their length does not depend on direction, and is that of an independent program and of exact truth."""

import numpy as np
import pytest

from cenet.measurements.centre_lines import trace_centre_lines
from cenet.phantoms import draw_fundus

ROWS, COLUMNS = np.mgrid[:160, :160] + 0.5


def draw_bar(angle, *, half_length=55.0, width=3.0):
    down, right = np.sin(angle), np.cos(angle)
    along = np.clip((ROWS - 80) * down + (COLUMNS - 80) * right, -half_length, half_length)
    return np.hypot(ROWS - 80 - along * down, COLUMNS - 80 - along * right) <= width / 2


@pytest.mark.parametrize("angle", np.linspace(0, np.pi, 7), ids=lambda angle: f"{np.degrees(angle):.0f}")
def test_the_length_of_a_line_does_not_depend_on_its_direction(angle):
    lines = trace_centre_lines(draw_bar(angle))
    assert lines.lengths.sum() == pytest.approx(110, rel=0.02)
    assert lines.chords.max() == pytest.approx(lines.lengths.max(), rel=0.01)


def test_a_closed_loop_has_its_circumference_and_no_chord():
    lines = trace_centre_lines(np.abs(np.hypot(ROWS - 80.2, COLUMNS - 79.7) - 60) <= 2)
    assert lines.lengths.sum() == pytest.approx(2 * np.pi * 60, rel=0.01)
    assert lines.chords.tolist() == [0]


def test_segments_meet_in_the_middle_of_their_junction():
    lines = trace_centre_lines(draw_bar(0) | (draw_bar(np.pi / 2) & (ROWS > 80)))
    assert sorted(lines.lengths) == pytest.approx([55, 55, 55], abs=1.5)


def test_the_sides_of_a_pixel_need_not_be_equal():
    assert trace_centre_lines(draw_bar(0), pixel=(9, 2)).lengths.sum() == pytest.approx(220, rel=0.05)
    assert trace_centre_lines(draw_bar(np.pi / 2), pixel=(9, 2)).lengths.sum() == pytest.approx(990, rel=0.05)


@pytest.mark.parametrize("pixels", [(), ((4, 4),), ((4, 4), (4, 5))], ids=len)
def test_a_mask_of_next_to_nothing_has_next_to_no_length(pixels):
    mask = np.zeros((9, 9), bool)
    for pixel in pixels:
        mask[pixel] = True
    assert trace_centre_lines(mask).lengths.sum() == max(len(pixels) - 1, 0)


def test_skan_finds_nearly_the_same_length_in_a_drawn_retina():
    """`skan.summarize(skan.Skeleton(skeletonize(mask)))` of skan 0.13.1, which follows the staircase of the pixels."""
    staircase = 6271.38
    length = trace_centre_lines(draw_fundus(3, size_px=256).label > 0).lengths.sum()
    assert 0.9 < length / staircase < 0.96  # of a line in any direction it is 1.055 times as long as the line
