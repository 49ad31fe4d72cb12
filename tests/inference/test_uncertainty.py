"""How unsure a prediction is of each pixel: the measure, and where it comes from."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_network import TINY

from cenet.config.presets import load_recipe
from cenet.errors import CenetError
from cenet.inference.ensemble import EnsemblePredictor, load
from cenet.inference.pipeline import Pipeline
from cenet.inference.predict import write_predictions
from cenet.inference.uncertainty import estimate_uncertainty

RECIPE = load_recipe("folder").replace(network=TINY, encoder_weights="none")


class BrightRows(Pipeline):
    """Says that what is bright is foreground, and likelier so the further down it is."""

    def __init__(self, recipe=RECIPE, *, slope=0.02, **options):
        super().__init__(recipe, stride=1, min_size=1, **options)
        self.slope = slope

    def forward(self, image):
        rows = np.arange(image.shape[1], dtype=np.float32)[:, None]
        own = np.clip(image[0] / 255 * (0.3 + self.slope * rows), 0, 1).astype(np.float32)
        return own[None] if self.maps == 1 else np.stack([1 - own, own / 2, own / 2])


def draw_samples(seed, maps, softmax, count=4):
    values = np.random.default_rng(seed).random((count, maps, 5, 6)).astype(np.float32)
    return list(values / values.sum(axis=1, keepdims=True) if softmax else values)


some_maps = st.sampled_from([(1, False), (2, False), (3, True)])


@given(st.integers(0, 2**32), some_maps)
def test_disagreement_is_a_part_of_a_total_from_0_to_1(seed, maps):
    uncertainty = estimate_uncertainty(draw_samples(seed, *maps), softmax=maps[1])
    assert uncertainty.total.shape == uncertainty.disagreement.shape == (5, 6)
    assert (uncertainty.disagreement >= 0).all()
    assert (uncertainty.disagreement <= uncertainty.total + 1e-6).all()
    assert uncertainty.total.max() <= 1


@given(st.integers(0, 2**32), some_maps)
def test_predictions_that_are_the_same_do_not_disagree(seed, maps):
    one = draw_samples(seed, *maps)[0]
    uncertainty = estimate_uncertainty([one] * 3, softmax=maps[1])
    assert uncertainty.disagreement.max() < 1e-5
    assert np.array_equal(uncertainty.total > 0.5, estimate_uncertainty([one], softmax=maps[1]).total > 0.5)


@given(st.integers(0, 2**32), some_maps)
def test_the_order_of_predictions_and_of_classes_does_not_matter(seed, maps):
    samples = draw_samples(seed, *maps)
    one = estimate_uncertainty(samples, softmax=maps[1])
    other = estimate_uncertainty([sample[::-1] for sample in reversed(samples)], softmax=maps[1])
    np.testing.assert_allclose(one.total, other.total, atol=1e-6)
    np.testing.assert_allclose(one.disagreement, other.disagreement, atol=1e-5)


@pytest.mark.parametrize("tta", [False, True])
@pytest.mark.parametrize("changes", [{}, {"num_classes": 3}, {"tile_px": 192}])
def test_mask_and_probabilities_are_those_without_it(tta, changes):
    predictor = BrightRows(RECIPE.replace(**changes), tta=tta, calibration=[(0.7, 0.0)])
    image = np.random.default_rng(0).integers(0, 256, (200, 230, 3)).astype(np.uint8)
    plain, unsure = predictor(image), predictor(image, uncertainty=True)
    assert np.array_equal(plain.probabilities, unsure.probabilities)
    assert np.array_equal(plain.mask, unsure.mask)
    assert plain.uncertainty is None
    assert unsure.uncertainty.total.shape == (200, 230)


def test_a_view_that_says_something_else_is_disagreement():
    image = np.full((24, 24, 3), 255, np.uint8)
    flat, steep = (BrightRows(slope=slope)(image, uncertainty=True).uncertainty for slope in (0, 0.02))
    assert flat.disagreement.max() < 1e-6
    assert flat.total.min() == pytest.approx(0.881, abs=1e-3)  # of 0.3
    assert steep.disagreement[0].mean() > steep.disagreement[12].mean()  # the middle is the same upside down


def test_an_ensemble_disagrees_between_its_members_and_a_single_one_between_its_views():
    image = np.full((20, 24, 3), 255, np.uint8)
    members = [BrightRows(slope=slope) for slope in (0.0, 0.01, 0.03)]
    pair = EnsemblePredictor(members)(image, uncertainty=True)
    by_hand = estimate_uncertainty([member(image).probabilities for member in members], softmax=False)
    assert np.array_equal(pair.uncertainty.total, by_hand.total)
    alone = EnsemblePredictor(members[2:])(image, uncertainty=True).uncertainty
    assert np.array_equal(alone.disagreement, members[2](image, uncertainty=True).uncertainty.disagreement)


def test_predict_writes_numbers_and_an_image(run, images, tmp_path):
    photo = images / "images" / "eye-0.png"
    write_predictions(run, photo, output=tmp_path / "plain", device="cpu")
    write_predictions(run, photo, output=tmp_path / "out", device="cpu", uncertainty=True)
    total, disagreement = tifffile.imread(tmp_path / "out" / "eye-0_uncertainty.tif")
    expected = load(run, device="cpu")(photo, uncertainty=True).uncertainty
    assert np.array_equal(total, expected.total)
    assert np.array_equal(disagreement, expected.disagreement)
    with Image.open(tmp_path / "out" / "eye-0_uncertainty.png") as picture:
        assert picture.size == (64, 48 + 20)
    masks = [(tmp_path / folder / "eye-0_mask.png").read_bytes() for folder in ("plain", "out")]
    assert masks[0] == masks[1]
    with pytest.raises(CenetError):  # predictions with other options
        write_predictions(run, photo, output=tmp_path / "plain", device="cpu", uncertainty=True)
    with pytest.raises(CenetError):
        write_predictions(run, photo, output=tmp_path / "mask.png", device="cpu", uncertainty=True)
