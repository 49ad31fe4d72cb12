import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cenet.metrics.surface_distance import assd, hd95

SHAPE = (7, 9)
DIAGONAL = math.hypot(*SHAPE)
SPACING = st.tuples(*[st.floats(0.25, 4)] * 2)
EMPTY, FULL = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)


@st.composite
def pairs(draw, *, least=0):
    """Two masks of one shape, with so many foreground pixels at least."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=8))
    masks = hnp.arrays(bool, shape).filter(lambda mask: mask.sum() >= least)
    return draw(masks), draw(masks)


def border(mask):
    pixels = set(zip(*np.nonzero(mask), strict=True))
    return [(r, c) for r, c in pixels if not {(r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)} <= pixels]


def naive(mask, label, spacing, inside=None):
    """From each border pixel that counts to the nearest border pixel of the other, by all pairs."""
    counted = set(zip(*np.nonzero(np.ones_like(mask) if inside is None else inside), strict=True))
    ways = []
    for one, other in ((mask, label), (label, mask)):
        pairwise = [
            [math.hypot((a - c) * spacing[0], (b - d) * spacing[1]) for c, d in border(other)]
            for a, b in border(one)
            if (a, b) in counted
        ]
        ways.append([min(row) for row in pairwise])
    return ways


def at(*pixels):
    mask = EMPTY.copy()
    mask[tuple(np.transpose(pixels))] = True
    return mask


@given(pairs(least=1), SPACING)
def test_both_are_those_of_all_pairs_of_border_pixels(pair, spacing):
    there, back = naive(*pair, spacing)
    expected = max(np.percentile(there, 95), np.percentile(back, 95))
    assert hd95(*pair, spacing=spacing) == pytest.approx(expected)
    assert assd(*pair, spacing=spacing) == pytest.approx(sum(there + back) / len(there + back))


@given(pairs(), SPACING, st.data())
def test_only_border_pixels_that_count_have_a_distance(pair, spacing, data):
    inside = data.draw(hnp.arrays(bool, pair[0].shape))
    values = [metric(*pair, spacing=spacing, inside=inside) for metric in (hd95, assd)]
    held = [(mask & inside).any() for mask in pair]
    if not all(held):
        height, width = np.multiply(pair[0].shape, spacing)
        assert values == pytest.approx([math.hypot(height, width) * any(held)] * 2)
        return
    ways = naive(*pair, spacing, inside)
    together = [*ways[0], *ways[1]]
    expected = [max(np.percentile(way, 95) for way in ways if way), np.mean(together)] if together else [math.nan] * 2
    assert values == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("columns", [[38, 39, 40, 41], [25, 29, 33, 47, 51, 55], range(20, 40)])
def test_less_annotation_does_not_lower_the_distance(columns):
    label = np.zeros((80, 80), bool)
    label[20:60, 20:60] = True
    mask = label.copy()
    mask[20:26] = False  # the upper rows are missed
    inside = np.ones_like(label)
    inside[:, list(columns)] = False
    assert hd95(mask, label, inside=inside) == hd95(mask, label) == 6
    assert assd(mask, label, inside=inside) == pytest.approx(assd(mask, label), rel=0.15)


@given(pairs(least=1), SPACING)
def test_both_are_those_of_monai(pair, spacing):
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    arguments = {"include_background": True, "spacing": spacing, "symmetric": True}
    tensors = [torch.from_numpy(mask)[None, None] for mask in pair]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mean = compute_average_surface_distance(*tensors, **arguments)
        del arguments["symmetric"]
        farthest = compute_hausdorff_distance(*tensors, percentile=95, **arguments)
    assert hd95(*pair, spacing=spacing) == pytest.approx(farthest.item(), rel=1e-5, abs=1e-5)  # theirs is float32
    assert assd(*pair, spacing=spacing) == pytest.approx(mean.item(), rel=1e-5)


@given(pairs(), SPACING)
def test_it_does_not_matter_which_is_the_truth(pair, spacing):
    mask, label = pair
    for metric in (hd95, assd):
        swapped = metric(label, mask, spacing=spacing)
        assert metric(mask, label, spacing=spacing) == pytest.approx(swapped)


@given(pairs())
def test_only_equal_borders_have_no_distance(pair):
    mask, label = pair
    assert hd95(mask, mask) == assd(mask, mask) == 0
    assert (assd(mask, label) == 0) == np.array_equal(mask, label)


@pytest.mark.parametrize("metric", [hd95, assd])
@pytest.mark.parametrize("some", [FULL, at((0, 0)), at((3, 4), (6, 8))])
def test_a_miss_counts_as_the_diagonal_of_the_image(metric, some):
    assert metric(EMPTY, EMPTY) == 0
    assert metric(EMPTY, some) == metric(some, EMPTY) == pytest.approx(DIAGONAL)
    assert metric(EMPTY, some, spacing=(3, 0.5)) == pytest.approx(math.hypot(21, 4.5))


@pytest.mark.parametrize("metric", [hd95, assd])
@pytest.mark.parametrize(
    ("mask", "label", "expected"),
    [
        (at((0, 0)), at((6, 8)), 10),
        (at((2, 1)), at((2, 5)), 4),
        (FULL, FULL, 0),
        (at((3, 0)), at((3, 0)), 0),
    ],
)
def test_one_pixel_is_as_far_as_it_lies(metric, mask, label, expected):
    assert metric(mask, label) == pytest.approx(expected)


def test_the_edge_of_the_image_is_a_border():
    inner = np.zeros(SHAPE, bool)
    inner[1:-1, 1:-1] = True
    assert hd95(FULL, inner) == pytest.approx(math.sqrt(2))  # from the corners, 4 of 28
    assert assd(FULL, inner) == pytest.approx((24 + 4 * math.sqrt(2) + 20) / 48)


def test_a_hole_has_a_border():
    hole = FULL.copy()
    hole[3, 4] = False
    assert assd(FULL, hole) > 0


def test_a_speck_far_away_moves_the_mean_but_not_the_95th_percentile():
    label = np.zeros((100, 100), bool)
    label[5:35, 5:35] = True
    speck = label.copy()
    speck[99, 99] = True
    assert hd95(speck, label) == 0
    assert assd(speck, label) > 0


@pytest.mark.parametrize("name", ["mask", "label", "inside"])
@pytest.mark.parametrize("dtype", [np.uint8, float])
def test_an_array_that_is_not_boolean_is_refused_by_name(name, dtype):
    arrays = {"mask": FULL, "label": FULL, "inside": FULL} | {name: FULL.astype(dtype)}
    for metric in (hd95, assd):
        with pytest.raises(ValueError, match=f"^{name} is "):
            metric(**arrays)


@pytest.mark.parametrize(("mask", "label"), [(FULL, FULL.T), (FULL, FULL[:1]), (FULL[None], FULL[None])])
def test_shapes_that_differ_or_are_no_image_are_refused(mask, label):
    for metric in (hd95, assd):
        with pytest.raises(ValueError, match="has shape"):
            metric(mask, label)
        with pytest.raises(ValueError, match="has shape"):
            metric(FULL, FULL, inside=FULL[:1])


def test_the_arrays_are_left_alone():
    mask, label = at((0, 0), (3, 3)), at((6, 8))
    before = mask.copy(), label.copy()
    hd95(mask, label)
    np.testing.assert_array_equal((mask, label), before)
