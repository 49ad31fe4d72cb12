"""The drawn chests: plausible Hounsfield units, exact lungs, and what makes them hard."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from cenet.phantoms.chest import HEIGHT, HILUM, choose_chest
from cenet.phantoms.lung import draw_patient, grow_trees

Slice = tuple[NDArray[np.int16], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def patients() -> list[list[Slice]]:
    return [draw_patient(seed, slices=6, size_px=192) for seed in range(12)]


def classical(image: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Find air within the body: threshold, drop what touches the frame, keep the two largest areas, fill holes."""
    areas = ndimage.label(image < -400)[0]
    frame = np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]])
    areas[np.isin(areas, frame)] = 0
    sizes = np.bincount(areas.ravel())
    sizes[0] = 0
    largest = [number for number in np.argsort(sizes)[-2:] if sizes[number]]
    return ndimage.binary_fill_holes(np.isin(areas, largest))


def dice(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second, other = (draw_patient(seed, slices=2, size_px=64) for seed in (7, 7, 8))
    for one, same, distinct in zip(first, second, other, strict=True):
        assert [part.tobytes() for part in one] == [part.tobytes() for part in same]
        assert one[0].tobytes() != distinct[0].tobytes()
        assert one[1].tobytes() != distinct[1].tobytes()


@pytest.mark.parametrize(("slices", "size_px"), [(1, 64), (3, 65), (2, 256)])
def test_shapes_and_types(slices: int, size_px: int) -> None:
    drawn = draw_patient(1, slices=slices, size_px=size_px)
    assert len(drawn) == slices
    for image, label in drawn:
        assert image.shape == label.shape == (size_px, size_px)
        assert (image.dtype, label.dtype) == (np.int16, np.uint8)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**63))
def test_any_seed_gives_a_lawful_patient(seed: int) -> None:
    for image, label in draw_patient(seed, slices=3, size_px=96):
        assert set(np.unique(label)) == {0, 1}
        assert 0.03 < label.mean() < 0.45
        assert -1024 <= image.min() < -950
        assert 250 < image.max() < 2500  # bone
        assert -950 < np.median(image[label == 1]) < -150
        assert (image[label == 0] > -200).mean() > 0.2


def test_another_size_shows_the_same_patient() -> None:
    for (_, small), (_, large) in zip(*(draw_patient(3, slices=3, size_px=size) for size in (128, 256)), strict=True):
        halved = large.reshape(128, 2, 128, 2).mean((1, 3)) >= 0.5
        assert dice(halved, small > 0) > 0.98


def test_tissues_have_their_hounsfield_units(patients: list[list[Slice]]) -> None:
    for drawn in patients:
        for image, label in drawn:
            clean = ndimage.median_filter(image, 3)
            assert -960 < np.percentile(clean[label == 1], 10) < -700
            assert (np.abs(clean - 55) < 40).mean() > 0.02  # muscle
            assert (np.abs(clean + 105) < 40).mean() > 0.01  # fat
            assert (clean > 250).mean() > 0.005  # bone
            assert (clean < -900)[label == 0].mean() > 0.1  # air around the patient


def test_the_lungs_touch_in_some_slices_and_are_apart_in_others(patients: list[list[Slice]]) -> None:
    areas = []
    for drawn in patients:
        for _, label in drawn[1:5]:
            sizes = np.sort(np.bincount(ndimage.label(label)[0].ravel())[1:])
            areas.append(len(sizes) == 1 or sizes[-2] < 0.1 * sizes[-1])
    assert 0.1 < np.mean(areas) < 0.7


def test_air_outside_the_lungs_is_no_lung_and_dense_lung_is(patients: list[list[Slice]]) -> None:
    windpipe = gas = dense = 0
    for drawn in patients:
        for number, (image, label) in enumerate(drawn):
            areas = ndimage.label((image < -700) & (label == 0))[0]
            frame = np.unique(np.concatenate([areas[0], areas[-1]]))
            enclosed = (areas > 0) & ~np.isin(areas, frame)
            middle = enclosed[60:140, 80:112].sum()
            windpipe += number == 0 and middle > 20
            gas += number == 5 and enclosed[40:110].sum() > 20
            dense += (image[label == 1] > -400).mean() > 0.15
    assert windpipe >= 8
    assert gas >= 4
    assert dense >= 12


def test_neighbouring_slices_are_alike() -> None:
    labels = [label > 0 for _, label in draw_patient(5, slices=24, size_px=96)]
    alike = [dice(one, other) for one, other in pairwise(labels)]
    assert min(alike) > 0.5  # the diaphragm rises fast
    assert np.median(alike) > 0.9
    assert dice(labels[0], labels[-1]) < 0.75


def test_branches_start_at_the_roots_and_thin_out() -> None:
    branches, tubes = grow_trees(np.random.default_rng(0), choose_chest(np.random.default_rng(1)))
    assert 1000 < len(branches) < 20000
    assert 0.45 < branches[26:, 6].min() < 0.6
    assert 3 < branches[:, 6].max() < 5
    ends = {tuple(end) for end in branches[:, 3:6]}
    roots = np.array([start for start in branches[:, :3] if tuple(start) not in ends])
    assert len(roots) == 26
    assert np.abs(roots[:, 2] - HILUM * HEIGHT).max() < 40
    assert tubes[0, 6] == tubes[:, 6].max()  # the windpipe


def test_a_threshold_with_the_usual_repairs_does_not_find_the_lungs(patients: list[list[Slice]]) -> None:
    scores = [np.mean([dice(classical(image), label > 0) for image, label in drawn]) for drawn in patients]
    assert np.mean(scores) < 0.93
    assert min(scores) < 0.85
