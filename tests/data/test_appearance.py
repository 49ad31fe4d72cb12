"""How images look: what is called unfamiliar, what is not, and the file that says so."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cenet.data.appearance import (
    APPEARANCE,
    ImageAppearance,
    describe_appearance,
    list_features,
    summarise_appearance,
)
from cenet.errors import CenetError
from cenet.phantoms.nuclei import draw_nuclei

CHANGES = {
    "blurred": lambda image: gaussian_filter(image, (6, 6, 0)),
    "dark": lambda image: image * 0.4,
    "inverted": lambda image: 255 - image,
    "foreign": lambda image: draw_nuclei(5, stain="fluorescence", size_px=64)[0],
}


@pytest.fixture(scope="module")
def images():
    return [draw_nuclei(seed, stain="brown", size_px=64)[0] for seed in range(40)]


@pytest.fixture(scope="module")
def appearance(images):
    return summarise_appearance(describe_appearance(image) for image in images[:20])


def test_few_images_of_the_same_kind_are_called_unfamiliar(images, appearance):
    assert sum(appearance.describe_unfamiliar(image) is not None for image in images[20:]) <= 2


@pytest.mark.parametrize("change", CHANGES)
def test_other_images_are_called_unfamiliar(images, appearance, change):
    changed = [CHANGES[change](image.astype(float)).astype(np.uint8) for image in images[20:30]]
    assert sum(appearance.describe_unfamiliar(image) is not None for image in changed) >= 9


def test_there_is_a_feature_for_each_name():
    for channels in (1, 3, 5):
        image = np.random.default_rng(0).random((20, 30, channels))
        assert describe_appearance(image).shape == (len(list_features(channels)),)


LARGEST = float(np.finfo(np.float32).max)
EXTREME = {
    "one pixel": lambda image: np.where(np.arange(image.size).reshape(image.shape) == 7, 1e30, image),
    "fill value": lambda image: np.where(np.arange(image.shape[1])[None, :, None] < 20, -LARGEST, image),
    "everything": lambda image: np.where(image > image.mean(), LARGEST, -LARGEST),
    "wider than float32": lambda image: np.where(image > image.mean(), 1e300, image),
}


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1, 1)),
        np.full((5, 3, 3), np.nan),
        np.full((2, 9, 1), 65535, np.uint16),
        np.full((9, 9, 1), LARGEST, np.float32),
        np.full((2100, 9, 1), -LARGEST, np.float32),
        *(change(np.random.default_rng(0).random((40, 50, 1))) for change in EXTREME.values()),
    ],
)
def test_every_image_has_finite_features(image):
    assert np.isfinite(describe_appearance(image)).all()


@pytest.mark.parametrize("change", ["one pixel", "fill value", "everything"])
def test_extreme_values_are_said_to_lie_outside_those_of_the_training(change):
    random = np.random.default_rng(0)
    images = [random.normal(size=(40, 50, 1)).astype(np.float32) for _ in range(20)]
    appearance = summarise_appearance(describe_appearance(image) for image in images)
    said = appearance.describe_unfamiliar(EXTREME[change](images[0]).astype(np.float32))
    assert "its values lie far outside the range of theirs" in said
    assert len(said) < 200
    assert "nan" not in said


@pytest.mark.parametrize("change", EXTREME)
@pytest.mark.parametrize("count", [1, 5])
def test_extreme_training_images_give_an_appearance_that_is_read_back(change, count, tmp_path):
    random = np.random.default_rng(0)
    images = [random.normal(size=(40, 50, 1)) for _ in range(5)]
    images = [EXTREME[change](image) if number < count else image for number, image in enumerate(images)]
    appearance = summarise_appearance(describe_appearance(image) for image in images)
    (tmp_path / APPEARANCE).write_text(appearance.model_dump_json())
    assert ImageAppearance.load(tmp_path) == appearance


def test_two_grey_levels_in_a_black_frame_are_no_sign(images):
    framed = [np.pad(image, ((20, 20), (20, 20), (0, 0))) for image in images]
    appearance = summarise_appearance(describe_appearance(image) for image in framed[:20])
    lifted = [np.maximum(image, 2) for image in framed[20:]]
    assert sum(appearance.describe_unfamiliar(image) is not None for image in lifted) <= 2


def test_alike_images_and_few_images_give_a_limit():
    flat = describe_appearance(np.full((16, 16, 3), 7, np.uint8))
    assert summarise_appearance([flat] * 3).limit > 0
    assert summarise_appearance([flat] * 2) is None


def test_the_file_is_read_back_and_a_corrupted_one_is_refused(appearance, tmp_path):
    assert ImageAppearance.load(tmp_path) is None
    path = tmp_path / APPEARANCE
    path.write_text(appearance.model_dump_json())
    assert ImageAppearance.load(tmp_path) == appearance
    path.write_text(appearance.model_dump_json().replace('"limit":', '"limit":-'))
    with pytest.raises(CenetError) as error:
        ImageAppearance.load(tmp_path)
    assert error.value.subject == str(path)


def test_groups_that_differ_from_one_another_raise_the_limit():
    random = np.random.default_rng(0)
    features = np.repeat(random.normal(size=(8, 10)), 5, axis=0) + random.normal(scale=0.1, size=(40, 10))
    by_group = summarise_appearance(features, [str(index // 5) for index in range(40)])
    assert by_group.limit > 1.1 * summarise_appearance(features).limit
