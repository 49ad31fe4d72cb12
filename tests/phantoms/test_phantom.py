"""The drawn fundus photographs: repeatable, plausible, with a truth that fits the picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.filters import threshold_otsu

from cenet.errors import CenetError
from cenet.phantoms import Phantom, draw_fundus

SEEDS = range(6)


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [draw_fundus(seed) for seed in SEEDS]


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = draw_fundus(11, size_px=128), draw_fundus(11, size_px=128)
    for part in ("image", "label", "region", "disc"):
        assert getattr(first, part).tobytes() == getattr(second, part).tobytes()


def test_distinct_seeds_give_distinct_images_and_vessels(phantoms: list[Phantom]) -> None:
    assert len({p.image.tobytes() for p in phantoms}) == len(phantoms)
    assert len({p.label.tobytes() for p in phantoms}) == len(phantoms)


@pytest.mark.parametrize("size_px", [64, 129, 256, 512])
def test_shapes_and_types(size_px: int) -> None:
    phantom = draw_fundus(1, size_px=size_px)
    assert phantom.image.shape == (size_px, size_px, 3)
    assert phantom.label.shape == phantom.region.shape == (size_px, size_px)
    assert (phantom.image.dtype, phantom.label.dtype, phantom.region.dtype) == (np.uint8, np.uint8, np.bool_)


@settings(max_examples=12)
@given(seed=st.integers(0, 2**63))
def test_any_seed_gives_a_lawful_phantom(seed: int) -> None:
    phantom = draw_fundus(seed, size_px=128)
    assert set(np.unique(phantom.label)) == {0, 1}
    assert not phantom.label[~phantom.region].any()
    assert 0.5 < phantom.region.mean() < 0.8
    assert 0.05 < phantom.label[phantom.region].mean() < 0.30
    assert phantom.image[phantom.region].mean() > 3 * phantom.image[~phantom.region].mean()


def test_the_share_of_vessels_is_that_of_real_photographs(phantoms: list[Phantom]) -> None:
    shares = [p.label[p.region].mean() for p in phantoms]
    assert all(0.08 < share < 0.17 for share in shares)
    assert 0.10 < np.mean(shares) < 0.145


def test_vessels_are_thin_and_thick(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        depth = ndimage.distance_transform_edt(phantom.label)
        core = depth == ndimage.maximum_filter(depth, 3)  # ridge: half the width
        widths = 2 * depth[core & (phantom.label > 0)] - 1
        assert (widths <= 2).mean() > 0.1
        assert 5 <= widths.max() <= 20


def test_vessels_are_darker_than_what_lies_beside_them(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        vessel = phantom.label > 0
        green = phantom.image[..., 1].astype(float)
        beside = (phantom.region & ~ndimage.binary_dilation(vessel, iterations=2)).astype(float)
        around = ndimage.gaussian_filter(green * beside, 8) / (ndimage.gaussian_filter(beside, 8) + 1e-9)
        depth = ndimage.distance_transform_edt(vessel)
        thin, thick = vessel & (depth <= 1), depth > 2
        assert (green[thin] / around[thin]).mean() < 0.97
        assert (green[thick] / around[thick]).mean() < 0.90


def test_a_threshold_does_not_find_the_vessels(phantoms: list[Phantom]) -> None:
    scores = []
    for phantom in phantoms:
        green, truth = phantom.image[..., 1][phantom.region], phantom.label[phantom.region] > 0
        below = green < threshold_otsu(green)
        scores.append(2 * (below & truth).sum() / (below.sum() + truth.sum()))
    assert max(scores) < 0.5
    assert np.mean(scores) < 0.4


def test_another_size_shows_the_same_eye(phantoms: list[Phantom]) -> None:
    large, small = phantoms[4], draw_fundus(4, size_px=256)
    halved = large.label.reshape(256, 2, 256, 2).mean((1, 3)) >= 0.5
    near = ndimage.binary_dilation(small.label, iterations=2)
    assert near[halved].mean() > 0.97
    region = large.region.reshape(256, 2, 256, 2).mean((1, 3)) >= 0.5
    assert (region == small.region).mean() > 0.99


def test_colours_vary_from_eye_to_eye(phantoms: list[Phantom]) -> None:
    means = np.array([p.image[p.region].mean(0) for p in phantoms])
    assert (means[:, 0] > means[:, 1]).all()
    assert np.ptp(means[:, 0]) > 30
    assert np.ptp(means[:, 1] / means[:, 0]) > 0.1


def test_disc_and_cup_are_nested_and_within_the_field_of_view(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        assert (phantom.disc.shape, phantom.disc.dtype) == (phantom.label.shape, np.uint8)
        assert not phantom.disc[~phantom.region].any()
        disc, cup = phantom.disc > 0, phantom.disc == 2
        assert ndimage.label(disc)[1] == ndimage.label(cup)[1] == 1
        assert (ndimage.binary_fill_holes(disc) == disc).all()
        assert 0.005 < disc.mean() < 0.04
        assert 0.1 < cup.sum() / disc.sum() < 0.7


def test_vessels_come_out_of_the_disc(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        assert phantom.label[phantom.disc > 0].mean() > 1.5 * phantom.label[phantom.region].mean()


def test_the_brightest_place_is_often_not_the_disc() -> None:
    """The usual localiser, the maximum of the smoothed picture, misses it."""
    hits = []
    for seed in range(20):
        phantom = draw_fundus(seed, size_px=96)
        calm = ndimage.gaussian_filter(phantom.image.sum(-1).astype(float), 3)
        hits.append(phantom.disc[np.unravel_index(calm.argmax(), calm.shape)] > 0)
    assert 0.1 < np.mean(hits) < 0.75


@pytest.mark.parametrize("seed", [-1, -(2**40)])
def test_a_negative_seed_is_refused(seed: int) -> None:
    with pytest.raises(CenetError, match="negative"):
        draw_fundus(seed)


@pytest.mark.parametrize("size_px", [-512, 0, 1, 63])
def test_a_tiny_image_is_refused(size_px: int) -> None:
    with pytest.raises(CenetError, match="too small"):
        draw_fundus(0, size_px=size_px)
