"""Statistics and fingerprints of a set: every image is read once, and of fingerprints no label is opened."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from cenet.data.io.read import fingerprint, read_image
from cenet.data.labels.drawn import DrawnLabel, DrawnObject
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.labels.shapes import Outlines, rectangle
from cenet.data.loading import SampleCache
from cenet.data.sample import Sample
from cenet.data.statistics import compute_fingerprints, compute_statistics, find_common_pixel_size
from cenet.errors import CenetError

BINARY = LabelEncoding(kind="values", names=("vessel",), values=((0,), (255,)), ignore=(7,))


def noise(shape, dtype=np.uint8, *, seed=0, high=256):
    return np.random.default_rng(seed).integers(0, high, shape).astype(dtype)


def draw(folder, name, image, label=None, **more):
    """Write a sample; its label is the brighter half of its first channel, unless there is another or False."""
    path = folder / f"{name}.png"
    if image.dtype == np.float32:
        path = path.with_suffix(".tif")
        tifffile.imwrite(path, image)
    else:
        Image.fromarray(image).save(path)
    if label is False:
        return Sample(name, path, **more)
    first = image if image.ndim == 2 else image[..., 0]
    drawn = (first > np.median(first)).astype(np.uint8) * np.uint8(255) if label is None else label
    Image.fromarray(drawn).save(folder / f"{name}_label.png")
    return Sample(name, path, (folder / f"{name}_label.png",), **more)


@pytest.fixture
def samples(tmp_path):
    return [draw(tmp_path, f"eye{number}", noise((40, 50 + number, 3), seed=number)) for number in range(3)]


# --- survey ------------------------------------------------------------------------------------------------


def test_the_value_range_of_8_bit_images_is_0_to_255(samples):
    statistics = compute_statistics(samples, BINARY)
    assert (statistics.in_channels, statistics.dtype) == (3, "uint8")
    assert statistics.value_range(["eye1"]) == statistics.value_range(statistics.fingerprints) == (0.0, 255.0)
    assert statistics.fingerprints == {sample.name: fingerprint(read_image(sample.image)) for sample in samples}
    assert len(set(statistics.fingerprints.values())) == 3


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_other_images_span_from_the_darkest_to_the_brightest_of_those_named(tmp_path, dtype):
    bounds = {"a": (0, 900), "b": (5000, 5400), "c": (200, 9000)}
    images = {name: noise((40, 40), dtype, high=high - low) + dtype(low) for name, (low, high) in bounds.items()}
    statistics = compute_statistics((draw(tmp_path, name, image) for name, image in images.items()), BINARY)
    assert (statistics.in_channels, statistics.dtype) == (1, np.dtype(dtype).name)
    spans = {name: np.percentile(image, (0.5, 99.5)) for name, image in images.items()}
    assert statistics.value_range("ab") == pytest.approx((spans["a"][0], spans["b"][1]))
    assert statistics.value_range("c") == pytest.approx(tuple(spans["c"]))
    low, high = spans["a"][0], spans["c"][1]
    assert statistics.value_range("abc", clip=(low - 1, high + 1)) == statistics.value_range("abc")
    middle = (low + high) / 2
    assert statistics.value_range("abc", clip=(middle, np.inf)) == pytest.approx((middle, high))
    assert statistics.value_range("abc") == pytest.approx((spans["a"][0], spans["c"][1]))
    assert spans["a"][0] > images["a"].min()


def test_a_few_hot_pixels_do_not_widen_the_range(tmp_path):
    image = noise((40, 40), np.uint16, high=1000)
    image[0, 0] = 65535
    assert compute_statistics([draw(tmp_path, "a", image)], BINARY).value_range("a")[1] < 1000


def test_an_image_of_nearly_one_value_still_has_a_range(tmp_path):
    image = np.full((20, 20), 40000, np.uint16)
    image[0, 0] = 50000
    low, high = compute_statistics([draw(tmp_path, "a", image)], BINARY).value_range("a")
    assert (low, high) == (40000, 50000)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_image_that_shows_nothing_is_reported(tmp_path, samples, dtype):
    blank = draw(tmp_path, "blank", np.full((9, 12), 200, dtype))
    with pytest.raises(CenetError, match=r"blank\.png: every one of its 12 x 9 pixels has the same value; "):
        compute_statistics([blank], BINARY)


def test_the_pixels_of_each_class_are_counted_without_ignored_ones(tmp_path):
    label = np.repeat(np.uint8([0, 0, 0, 0, 0, 0, 0, 255, 7]), 8).reshape(9, 8)
    empty = np.zeros((9, 8), np.uint8)
    drawn = [draw(tmp_path, name, noise((9, 8)), drawing) for name, drawing in {"some": label, "none": empty}.items()]
    assert compute_statistics(drawn, BINARY).pixels == {"some": {0: 56, 1: 8}, "none": {0: 72}}


def test_an_image_without_label_is_reported(tmp_path, samples):
    bare = draw(tmp_path, "bare", noise((9, 9, 3)), False)
    with pytest.raises(CenetError, match=r"bare\.png: the image has no label to train on; "):
        compute_statistics([*samples, bare], BINARY)


@pytest.mark.parametrize(
    ("other", "has"),
    [(noise((9, 9, 3)), "3 channels of uint8"), (noise((9, 9), np.uint16), "1 channels of uint16")],
    ids=["channels", "type"],
)
def test_images_of_two_kinds_are_reported_with_a_file_of_each(tmp_path, other, has):
    grey = [draw(tmp_path, name, noise((9, 9))) for name in "ab"]
    with pytest.raises(CenetError) as error:
        compute_statistics([*grey, draw(tmp_path, "other", other)], BINARY)
    assert error.value.subject == str(tmp_path / "other.png")
    assert error.value.cause == f"it has {has}, but {grey[0].image} has 1 of uint8"


def test_a_label_of_other_values_is_reported(tmp_path, samples):
    strange = draw(tmp_path, "strange", noise((9, 9, 3)), np.full((9, 9), 3, np.uint8))
    with pytest.raises(CenetError, match=r"strange_label\.png: "):
        compute_statistics([*samples, strange], BINARY)


def test_fingerprints_are_of_the_pixels_and_need_no_label_and_no_region(tmp_path, samples):
    for sample in samples:
        sample.label[0].write_bytes(b"not an image")
    again = draw(tmp_path, "again", read_image(samples[1].image), False)
    fingerprints = compute_fingerprints([*samples, again])
    assert list(fingerprints) == ["eye0", "eye1", "eye2", "again"]
    assert fingerprints["eye0"] == fingerprint(read_image(samples[0].image))
    assert fingerprints["again"] == fingerprints["eye1"] != fingerprints["eye2"]


def test_a_fingerprint_of_a_damaged_image_is_reported(samples):
    samples[1].image.write_bytes(b"\x89PNG")
    with pytest.raises(CenetError, match=r"eye1\.png: "):
        compute_fingerprints(samples)


def test_what_was_decoded_for_the_statistics_is_kept_as_far_as_the_memory_allows(samples):
    bytes_of_first = 40 * 50 * (3 + 1)
    cache = SampleCache(bytes_of_first)
    assert compute_statistics(samples, BINARY, cache=cache) == compute_statistics(samples, BINARY)
    for sample in samples:
        sample.image.unlink()
    image, label, region = cache.load(samples[0], BINARY)
    assert (image.shape, label.shape, region) == ((40, 50, 3), (40, 50), None)
    with pytest.raises(CenetError):
        cache.load(samples[1], BINARY)


def test_a_pixel_size_is_known_where_all_images_nearly_agree(tmp_path):
    def sample(number, *size):
        return Sample(str(number), tmp_path / f"{number}.png", pixel_um=size)

    assert find_common_pixel_size([sample(0, 10, 20), sample(1, 10.01, 20)]) == pytest.approx((10.005, 20))
    assert find_common_pixel_size([sample(0, 10, 20), sample(1, 20, 20)]) is None
    assert find_common_pixel_size([]) is None


def test_the_label_of_shapes_is_told_by_its_shapes_and_its_region(tmp_path):
    encoding = LabelEncoding(kind="values", names=("disc",), values=((0,), (1,)))
    draw(tmp_path, "a", noise((8, 8, 3)))
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(tmp_path / "region.png")
    (tmp_path / "shapes.json").touch()
    prints = []
    for side, region in ((3, None), (3, None), (5, None), (3, tmp_path / "region.png")):
        drawn = DrawnLabel((DrawnObject(1, Outlines((rectangle(0, 0, side, side),)), "disc"),), (8, 8))
        sample = Sample("a", tmp_path / "a.png", (tmp_path / "shapes.json",), region, drawn=drawn)
        prints.append(compute_statistics([sample], encoding).label_fingerprints["a"])
    assert prints[0] == prints[1]
    assert len({*prints}) == 3


def test_statistics_of_nothing_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="no image"):
        compute_statistics([], LabelEncoding(kind="values", names=("disc",), values=((0,), (1,))))
