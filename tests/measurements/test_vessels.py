"""Vessels: calibre, length, tortuosity and fractal dimension of shapes whose truth is known."""

import numpy as np
import pytest

from cenet.measurements.vessels import count_fractal_dimension, measure_vessels
from cenet.phantoms.eye import choose_eye
from cenet.phantoms.vessels import Tree, rasterise_capsules

EVERYWHERE = np.ones((200, 200), bool)


def draw_capsules(capsules, size_px=200):
    return rasterise_capsules(np.array([[*row, 1.0] for row in capsules]), size_px)[2] >= 0


@pytest.mark.parametrize("width", [2, 3, 4, 6, 9])
def test_the_calibre_of_a_vessel_in_any_direction(width):
    for x, y in ((180.1, 20.2), (180, 100), (150, 170), (30, 180)):
        values = measure_vessels(draw_capsules([(20.4, 20.2, x, y, width / 2)]), region=EVERYWHERE)
        assert values["calibre_mean_px"] == pytest.approx(width, rel=0.17)
        assert values["length_px"] == pytest.approx(np.hypot(x - 20.4, y - 20.2), rel=0.03)
        assert values["tortuosity_ratio"] == pytest.approx(1, abs=0.01)


def test_a_branch_is_not_widened_by_the_trunk_that_it_leaves():
    mask = draw_capsules([(20, 100, 180, 100, 4), (100, 100, 100, 180, 1.5)])
    values = measure_vessels(mask, region=EVERYWHERE)
    assert values["calibre_p95_px"] == pytest.approx(8, rel=0.08)
    assert values["calibre_p05_px"] < 4.5


def test_a_wave_has_the_tortuosity_of_its_formula():
    x = np.linspace(20, 180, 400)
    y = 100 + 20 * np.sin(2 * np.pi * (x - 20) / 80)
    mask = draw_capsules(np.column_stack([x[:-1], y[:-1], x[1:], y[1:], np.full(399, 1.5)]))
    truth = np.hypot(np.diff(x), np.diff(y)).sum() / 160
    assert measure_vessels(mask)["tortuosity_ratio"] == pytest.approx(truth, rel=0.03)


def test_a_grown_tree_has_the_calibres_and_nearly_the_length_that_it_was_drawn_with():
    rng, growing = np.random.default_rng(3).spawn(2)
    eye = choose_eye(rng, 512)
    tree = Tree(growing, eye)
    tree.grow(0.12)
    table = np.array(tree.capsules[0])
    ends = np.column_stack([eye.disc + table[:, i : i + 2] @ eye.axes for i in (0, 2)])
    inside = ((ends > 0) & (ends < 512)).all(axis=1)
    ends, radii = ends[inside], table[inside, 4]
    steps = np.hypot(*(ends[:, 2:] - ends[:, :2]).T)
    values = measure_vessels(draw_capsules(np.column_stack([ends, radii]), 512))
    assert values["calibre_mean_px"] == pytest.approx(np.average(2 * radii, weights=steps), rel=0.06)
    assert 0.9 < values["length_px"] / steps.sum() < 1  # a branch begins inside its trunk


def test_density_is_of_the_field_of_view_and_unknown_without_it():
    mask, region = draw_capsules([(10, 50, 190, 50, 2)]), np.zeros((200, 200), bool)
    region[:100, :100] = True
    values = measure_vessels(mask, region=region)
    assert values["density_ratio"] == (mask & region).sum() / 10_000
    assert values["length_px"] == pytest.approx(90, abs=3)
    assert values["length_density_per_px"] == pytest.approx(values["length_px"] / 10_000)
    without = measure_vessels(mask)
    assert np.isnan(without["density_ratio"])
    assert np.isnan(without["length_density_per_px"])


def test_physical_units_take_the_height_and_the_width_of_a_pixel():
    values = measure_vessels(draw_capsules([(20, 100, 180, 100, 3)]), region=EVERYWHERE, pixel_um=(4, 10))
    assert values["length_mm"] == pytest.approx(1.6, rel=0.02)
    assert values["calibre_mean_um"] == pytest.approx(24, rel=0.06)
    assert values["length_density_per_mm"] == pytest.approx(1.6 / (0.8 * 2.0), rel=0.02)


def draw_arc(height_um, width_um):
    """Half a circle of 400 um radius and 20 um width, in pixels of this size."""
    rows, columns = np.mgrid[: 1200 // height_um, : 1200 // width_um]
    y, x = rows * height_um - 700.0, columns * width_um - 600.0
    return (np.abs(np.hypot(x, y) - 400) < 10) & (y < 0)


@pytest.mark.parametrize("pixel_um", [(4, 4), (4, 12), (12, 4)])
def test_an_arc_is_as_tortuous_whatever_the_shape_of_a_pixel(pixel_um):
    values = measure_vessels(draw_arc(*pixel_um), pixel_um=pixel_um)
    assert values["tortuosity_ratio"] == pytest.approx(np.pi / 2, rel=0.03)
    assert np.isnan(values["fractal_dimension"]) == (pixel_um != (4, 4))


def test_a_segment_is_too_short_by_its_pixels_whatever_they_measure():
    short = draw_capsules([(50, 50, 58, 50, 1)])
    assert np.isnan(measure_vessels(short, pixel_um=(50, 50))["tortuosity_ratio"])
    assert measure_vessels(draw_capsules([(50, 50, 90, 50, 1)]), pixel_um=(0.1, 0.1))["tortuosity_ratio"] >= 1


def test_without_vessels_length_is_zero_and_the_rest_undefined():
    values = measure_vessels(np.zeros((64, 64), bool), region=np.ones((64, 64), bool), pixel_um=(5, 5))
    assert (values["length_px"], values["length_mm"], values["density_ratio"]) == (0, 0, 0)
    assert all(np.isnan(values[name]) for name in ("calibre_mean_um", "tortuosity_ratio", "fractal_dimension"))


def test_the_dimension_of_fractals():
    carpet, (rows, columns) = np.ones((243, 243), bool), np.mgrid[:243, :243]
    for level in range(5):
        carpet &= ~((rows // 3**level % 3 == 1) & (columns // 3**level % 3 == 1))
    assert count_fractal_dimension(carpet) == pytest.approx(np.log(8) / np.log(3), abs=0.05)
    curve = np.array([0, 1], complex)
    for _ in range(6):
        step, start = np.diff(curve) / 3, curve[:-1]
        bends = np.stack([start, start + step, start + step * (1 + np.exp(1j * np.pi / 3)), start + 2 * step], axis=1)
        curve = np.append(bends.ravel(), curve[-1])
    drawn = np.zeros((512, 512), bool)
    drawn[(curve.imag * 500 + 100).astype(int), (curve.real * 500 + 5).astype(int)] = True
    assert count_fractal_dimension(drawn) == pytest.approx(np.log(4) / np.log(3), abs=0.05)
