"""The drawn fundus photographs: repeatable, plausible, with a truth that fits the picture."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu

from cenet.errors import CenetError
from cenet.phantoms import Phantom, fundus, write_fundus_set

SEEDS = range(6)


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [fundus(seed) for seed in SEEDS]


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = fundus(11, size_px=128), fundus(11, size_px=128)
    for part in ("image", "label", "region"):
        assert getattr(first, part).tobytes() == getattr(second, part).tobytes()


def test_distinct_seeds_give_distinct_pictures_and_vessels(phantoms: list[Phantom]) -> None:
    assert len({p.image.tobytes() for p in phantoms}) == len(phantoms)
    assert len({p.label.tobytes() for p in phantoms}) == len(phantoms)


@pytest.mark.parametrize("size_px", [64, 129, 256, 512])
def test_shapes_and_types(size_px: int) -> None:
    phantom = fundus(1, size_px=size_px)
    assert phantom.image.shape == (size_px, size_px, 3)
    assert phantom.label.shape == phantom.region.shape == (size_px, size_px)
    assert (phantom.image.dtype, phantom.label.dtype, phantom.region.dtype) == (np.uint8, np.uint8, np.bool_)


@settings(max_examples=12)
@given(seed=st.integers(0, 2**63))
def test_any_seed_gives_a_lawful_phantom(seed: int) -> None:
    phantom = fundus(seed, size_px=128)
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
        found = green < threshold_otsu(green)
        scores.append(2 * (found & truth).sum() / (found.sum() + truth.sum()))
    assert max(scores) < 0.5
    assert np.mean(scores) < 0.4


def test_another_size_shows_the_same_eye(phantoms: list[Phantom]) -> None:
    large, small = phantoms[4], fundus(4, size_px=256)
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


def test_a_set_is_a_plain_folder(tmp_path: Path) -> None:
    write_fundus_set(tmp_path / "new" / "set", count=2, seed=5, size_px=64)
    names = [f"{part}/fundus-00{k}.png" for part in ("images", "masks", "regions") for k in (0, 1)]
    assert list(files(tmp_path / "new" / "set")) == names
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["set"]  # nothing temporary is left
    for part, mode in (("images", "RGB"), ("masks", "L"), ("regions", "L")):
        with Image.open(tmp_path / "new" / "set" / part / "fundus-001.png") as picture:
            assert (picture.size, picture.mode) == ((64, 64), mode)
            if mode == "L":
                assert set(np.unique(np.asarray(picture))) == {0, 255}


def test_a_longer_set_begins_with_the_shorter_one(tmp_path: Path) -> None:
    write_fundus_set(tmp_path / "short", count=2, seed=5, size_px=64)
    write_fundus_set(tmp_path / "long", count=4, seed=5, size_px=64)
    short, long = files(tmp_path / "short"), files(tmp_path / "long")
    assert len(long) == 12
    assert len(set(long.values())) == 12
    assert short.items() <= long.items()


def test_another_seed_gives_another_set(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_fundus_set(tmp_path / str(seed), count=2, seed=seed, size_px=64)
    assert not set(files(tmp_path / "0").values()) & set(files(tmp_path / "1").values())


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    write_fundus_set(tmp_path, count=1, seed=0, size_px=64)
    assert len(files(tmp_path)) == 3


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(CenetError, match="not empty"):
        write_fundus_set(tmp_path, count=1, seed=0, size_px=64)
    assert files(tmp_path) == {"mine.txt": b"keep"}


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_a_file_in_the_way_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "taken").write_text("keep")
    with pytest.raises(CenetError, match=r"taken.*it is a file; name a new folder"):
        write_fundus_set(tmp_path / "taken" / below, count=1, seed=0, size_px=64)
    assert files(tmp_path) == {"taken": b"keep"}


@pytest.mark.parametrize("numbers", [{"count": 0}, {"count": -3}, {"seed": -1}, {"size_px": 63}, {"size_px": 0}])
def test_a_set_with_bad_numbers_leaves_nothing(tmp_path: Path, numbers: dict[str, int]) -> None:
    wanted = {"count": 1, "seed": 0, "size_px": 64} | numbers
    with pytest.raises(CenetError):
        write_fundus_set(tmp_path / "set", **wanted)
    assert list(tmp_path.iterdir()) == []


def test_a_set_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(seed: int, *, size_px: int) -> Phantom:
        if list(tmp_path.rglob("*.png")):
            raise OSError("disk full")
        return fundus(seed, size_px=size_px)

    monkeypatch.setattr("cenet.phantoms.phantom.fundus", broken)
    with pytest.raises(OSError, match="disk full"):
        write_fundus_set(tmp_path / "set", count=3, seed=0, size_px=64)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", [-1, -(2**40)])
def test_a_negative_seed_is_refused(seed: int) -> None:
    with pytest.raises(CenetError, match="negative"):
        fundus(seed)


@pytest.mark.parametrize("size_px", [-512, 0, 1, 63])
def test_a_tiny_picture_is_refused(size_px: int) -> None:
    with pytest.raises(CenetError, match="too small"):
        fundus(0, size_px=size_px)
