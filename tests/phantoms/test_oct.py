"""The drawn B-scans: ordered boundaries that fit the picture, and what makes them hard."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from cenet.errors import CenetError
from cenet.phantoms.oct import INL, LAYERS, ONL, OUTER, RPE, add_disease, draw_layer_thickness, draw_oct

Scan = tuple[NDArray[np.uint8], NDArray[np.float32]]
ACROSS = np.linspace(-3, 3, 300)  # mm
DARKER_BELOW = (1, 3, 5, 8, 10)  # boundaries 2, 4, 6, 9 and 11: of nerve fibres, IPL, OPL, IS/OS and RPE to the next


@pytest.fixture(scope="module")
def scans() -> list[Scan]:
    return [draw_oct(seed, height_px=256, width_px=256) for seed in range(24)]


def drawn(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    return ~np.isnan(rows).any(0)


def below(image: NDArray[np.uint8], row: NDArray[np.float32], offset: int) -> NDArray[np.uint8]:
    """The pixels that lie so far below a boundary."""
    known = np.flatnonzero(~np.isnan(row))
    return image[np.clip(row[known].astype(int) + offset, 0, len(image) - 1), known]


def classical(image: NDArray[np.uint8], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the retina from Otsu's threshold to the steepest fall, and in it the steepest edge near each usual place."""
    calm = ndimage.gaussian_filter(image.astype(float), (2, 4))
    edge = np.gradient(calm, axis=0)
    first = ndimage.median_filter((calm > threshold_otsu(calm)).argmax(0), 15)
    last = ndimage.median_filter(edge.argmin(0), 15)
    rows = np.empty((len(shares), image.shape[1]))
    for x in range(image.shape[1]):
        for k, share in enumerate(shares):
            usual = int(first[x] + share * (last[x] - first[x]))
            near = np.arange(max(usual - 4, 0), min(usual + 5, len(image)))
            rows[k, x] = near[np.argmax(edge[near, x] * (-1 if k in DARKER_BELOW else 1))] + 0.5
    return np.maximum.accumulate(rows, 0)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second, other = (draw_oct(seed, height_px=64, width_px=80) for seed in (7, 7, 8))
    for one, same, distinct in zip(first, second, other, strict=True):
        assert one.tobytes() == same.tobytes()
        assert one.tobytes() != distinct.tobytes()


@pytest.mark.parametrize(("height_px", "width_px"), [(64, 64), (65, 127), (256, 96)])
def test_shapes_and_types(height_px: int, width_px: int) -> None:
    image, rows = draw_oct(1, height_px=height_px, width_px=width_px)
    assert (image.shape, image.dtype) == ((height_px, width_px), np.uint8)
    assert (rows.shape, rows.dtype) == ((11, width_px), np.float32)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**63))
def test_any_seed_gives_boundaries_in_order_inside_the_image(seed: int) -> None:
    _, rows = draw_oct(seed, height_px=96, width_px=128)
    known = drawn(rows)
    assert known.mean() > 0.5
    assert np.isnan(rows[:, ~known]).all()  # a column is annotated whole or not at all
    rows = rows[:, known]
    assert (np.diff(rows, axis=0) >= 0).all()
    assert rows.min() > 0.05 * 96
    assert rows.max() < 0.85 * 96
    assert np.ptp(rows, axis=0).min() > 8


def test_boundaries_lie_between_pixels(scans: list[Scan]) -> None:
    parts = np.concatenate([rows[:, drawn(rows)].ravel() % 1 for _, rows in scans])
    np.testing.assert_allclose(np.histogram(parts, 4, (0, 1))[0] / len(parts), 0.25, atol=0.02)


def test_another_size_shows_the_same_eye() -> None:
    for seed in range(4):
        small, large = (draw_oct(seed, height_px=size, width_px=size)[1] for size in (128, 256))
        paired = (large[:, ::2] + large[:, 1::2]) / 4
        both = drawn(small) & drawn(paired)
        np.testing.assert_allclose(paired[:, both], small[:, both], atol=1)
        assert both.mean() > drawn(small).mean() - 0.05


def test_all_columns_of_most_scans_are_annotated_and_some_of_others_are_not(scans: list[Scan]) -> None:
    shares = np.array([drawn(rows).mean() for _, rows in scans])
    assert (shares == 1).sum() >= 6
    assert (shares < 1).sum() >= 4


@pytest.mark.parametrize(("boundary", "sign"), [(0, 1), (RPE, 1), (10, -1)])
def test_the_image_changes_at_its_boundaries(scans: list[Scan], boundary: int, sign: int) -> None:
    """It is brighter below the first and above the last, and in the RPE than above it."""
    thick = [np.where(rows[RPE + 1] - rows[RPE] > 4, rows[boundary], np.nan) for _, rows in scans]
    pairs = [(image, row) for (image, _), row in zip(scans, thick, strict=True) if not np.isnan(row).all()]
    steps = [sign * (below(image, row, 1).mean() - below(image, row, -3).mean()) for image, row in pairs]
    assert len(steps) > 12
    assert np.mean(np.array(steps) > 0) > 0.85
    assert np.mean(steps) > 20


def test_speckle_is_as_strong_as_the_differences_between_layers(scans: list[Scan]) -> None:
    for image, rows in scans:
        layer = np.concatenate([below(image, rows[0], offset) for offset in (2, 3)]).astype(float)
        assert 0.1 < layer.std() / layer.mean() < 1.2


def test_a_healthy_fovea_has_no_inner_layers_and_thickest_cones() -> None:
    for seed in range(10):
        thickness = draw_layer_thickness(np.random.default_rng(seed), ACROSS)
        assert (thickness >= 0).all()
        fovea, beside = (thickness[:, np.abs(np.abs(ACROSS) - at) < 0.05].mean(1) for at in (0, 1))
        assert fovea[: INL + 1].sum() < 0.2 * beside[: INL + 1].sum()
        assert fovea[ONL] > beside[ONL]
        assert 180 < beside.sum() < 480


def test_disease_loses_layers_lifts_the_retina_and_fills_it() -> None:
    kinds = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        before = draw_layer_thickness(rng, ACROSS)
        after = before.copy()
        pockets = add_disease(rng, ACROSS, after)
        assert (after >= 0).all()
        for layer, deep, hill, brightness in pockets:
            assert 0 <= deep <= 1
            assert (hill <= after[layer] + 1e-9).all()  # what fills a layer fits into it
            assert 0 < brightness < LAYERS[RPE][3]
            kinds.add("cyst" if layer in (INL, ONL) else layer)
        kinds.add("none" if np.array_equal(before, after) else "some")
        kinds |= {"lost"} if ((after == 0) & (before > 0)).any() else set()
    assert kinds == {"cyst", RPE, OUTER, "none", "some", "lost"}


def test_vessels_throw_shadows_to_the_bottom(scans: list[Scan]) -> None:
    """In some scans a few columns are much darker, in the layers and beneath them alike."""
    counts = []
    for image, _ in scans:
        columns = ndimage.gaussian_filter1d(image.astype(float), 1)[len(image) // 2 :].mean(0)
        counts.append((columns < 0.75 * ndimage.median_filter(columns, 41)).sum())
    assert sum(count > 2 for count in counts) >= 8
    assert min(counts) == 0


def test_a_threshold_and_the_steepest_edges_do_not_find_the_layers(scans: list[Scan]) -> None:
    """Even told where each boundary usually lies, most scans are off by more than a good network's 1 to 2 px."""
    shares = np.mean([np.nanmean((rows - rows[0]) / (rows[-1] - rows[0]), axis=1) for _, rows in scans], axis=0)
    errors = np.array([np.nanmean(np.abs(classical(image, shares) - rows), axis=1) for image, rows in scans])
    assert errors.mean() > 5
    assert np.median(errors.mean(1)) > 4


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(CenetError, match="negative"):
        draw_oct(-1, height_px=64, width_px=64)
    for height_px, width_px in ((63, 64), (64, 63), (0, 64)):
        with pytest.raises(CenetError, match="too small"):
            draw_oct(0, height_px=height_px, width_px=width_px)
