"""The engine that predicts, around networks of one layer, against the same steps taken by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.special import expit, logit
from torch import nn

from cenet.config.presets import load_recipe
from cenet.errors import CenetError
from cenet.inference.ensemble import EnsemblePredictor
from cenet.inference.prediction import Prediction
from cenet.inference.predictor import Predictor, to_probabilities
from cenet.networks import build_network
from cenet.networks.normalise import Normalise


class OneLayer(nn.Module):
    """A convolution of the image's own values, that keeps a record of how it was called."""

    stride, min_size = 16, 32

    def __init__(self, num_classes=1, in_channels=3, *, kernel=1, seed=0):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, num_classes, kernel, padding=kernel // 2)
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator) / kernel)
        self.normalise = Normalise(in_channels, mean=100.0, std=100.0)
        self.calls = []

    def forward(self, image):
        logits = self.conv(self.normalise(image))
        self.calls.append((tuple(image.shape), self.training, torch.is_grad_enabled(), logits.dtype))
        return logits


def recipe(**changes):
    return load_recipe("folder").replace(**changes)


def drawn(shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


# --- masks -------------------------------------------------------------------------------------------------

a_map = arrays(np.float32, (1, 3, 5), elements=st.floats(0, 1, width=32))


@given(a_map, st.floats(0, 1))
def test_a_single_map_is_foreground_from_the_threshold_on(probabilities, threshold):
    mask = Prediction(probabilities, (threshold,)).mask
    assert (mask.shape, mask.dtype) == ((3, 5), np.uint8)
    assert mask.tolist() == [[int(p >= np.float32(threshold)) for p in row] for row in probabilities[0]]


def test_what_equals_the_threshold_is_foreground():
    below = np.nextafter(np.float32(0.25), 0)
    assert Prediction(np.array([[[0.25, below]]], np.float32), (0.25,)).mask.tolist() == [[1, 0]]


@given(arrays(np.float32, (4, 3, 5), elements=st.floats(0, 1, width=32)))
def test_without_thresholds_the_largest_of_several_maps_decides(probabilities):
    mask = Prediction(probabilities).mask
    assert (mask.shape, mask.dtype) == ((3, 5), np.uint8)
    for row, column in np.ndindex(3, 5):
        pixel = probabilities[:, row, column].tolist()
        assert mask[row, column] == pixel.index(max(pixel))


@given(
    arrays(np.float32, (3, 3, 5), elements=st.floats(0, 1, width=32)),
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
def test_a_nested_region_counts_only_inside_those_around_it(probabilities, thresholds):
    mask = Prediction(probabilities, thresholds).mask
    assert (mask.shape, mask.dtype) == ((3, 5), np.uint8)
    for row, column in np.ndindex(3, 5):
        depth = 0
        while depth < 3 and probabilities[depth, row, column] >= np.float32(thresholds[depth]):
            depth += 1
        assert mask[row, column] == depth


def test_every_nested_map_needs_its_threshold():
    with pytest.raises(ValueError, match="zip"):
        _ = Prediction(np.ones((2, 1, 1), np.float32), (0.5,)).mask


def test_maps_are_a_softmax_together_or_a_sigmoid_each():
    values = np.array([-1, 0.5, 2, 3])
    logits = torch.tensor(values, dtype=torch.bfloat16).reshape(1, 4, 1, 1)
    separate, together = (to_probabilities(logits, softmax=softmax) for softmax in (False, True))
    assert separate.flatten().tolist() == pytest.approx(list(1 / (1 + np.exp(-values))))
    assert together.flatten().tolist() == pytest.approx(list(np.exp(values) / np.exp(values).sum()))
    assert separate.dtype == together.dtype == torch.float32


# --- any image ---------------------------------------------------------------------------------------------

FITS = (
    {},
    {"scale": 1.7},
    {"scale": 0.4},
    {"resize_mode": "longest", "size_px": 80},
    {"resize_mode": "square", "size_px": 64},
)


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.sampled_from(FITS),
    st.sampled_from([1, 3]),
    st.sampled_from(["uint8", "uint16", "float32"]),
    st.booleans(),
)
def test_any_image_becomes_probabilities_in_its_own_geometry(shape, fit, num_classes, dtype, tta):
    predict = Predictor(OneLayer(num_classes, 2), recipe(num_classes=num_classes, **fit), tta=tta)
    prediction = predict(drawn((*shape, 2), dtype))
    probabilities = prediction.probabilities
    assert (probabilities.shape, probabilities.dtype) == ((num_classes, *shape), np.float32)
    assert 0 <= probabilities.min() <= probabilities.max() <= 1
    assert prediction.mask.shape == shape
    if num_classes > 1:
        np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-5)


def test_at_its_own_size_the_answer_is_the_networks():
    network, image = OneLayer(3, kernel=3), drawn((48, 64, 3))
    with torch.no_grad():
        expected = network(torch.from_numpy(image).permute(2, 0, 1)[None].float()).softmax(1)[0]
    probabilities = Predictor(network, recipe(num_classes=3))(image).probabilities
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5, atol=1e-6)


def test_the_network_meets_a_legal_size_without_gradients():
    network = OneLayer()
    Predictor(network, recipe())(drawn((70, 20, 3)))
    assert network.calls == [((1, 3, 80, 32), False, False, torch.float32)]


def test_the_geometry_is_that_of_the_recipe_and_the_network():
    geometry = Predictor(OneLayer(), recipe(resize_mode="longest", size_px=99, scale=1.5, tile_px=300)).geometry
    assert (geometry.resize_mode, geometry.size_px, geometry.scale, geometry.tile_px) == ("longest", 99, 1.5, 300)
    assert (geometry.stride, geometry.min_size) == (16, 32)


@pytest.mark.parametrize(("rule", "smooth"), [("encoder", True), ("authors", False)])
def test_an_image_shrinks_as_the_input_rule_says(rule, smooth):
    assert Predictor(OneLayer(), recipe(input_normalisation=rule)).geometry.smooth is smooth


def test_the_threshold_reaches_the_prediction():
    prediction = Predictor(OneLayer(), recipe(), thresholds=[0.31])(drawn((40, 40, 3)))
    assert prediction.thresholds == (0.31,)
    assert np.array_equal(prediction.mask, prediction.probabilities[0] >= np.float32(0.31))
    assert 0 < prediction.mask.mean() < 1


def test_sigmoid_maps_without_thresholds_are_cut_at_one_half_and_softmax_maps_never():
    nested = {"num_classes": 3, "nested": True}
    assert Predictor(OneLayer(), recipe()).thresholds == (0.5,)
    assert Predictor(OneLayer(2), recipe(**nested)).thresholds == (0.5, 0.5)
    assert Predictor(OneLayer(3), recipe(num_classes=3)).thresholds == ()
    assert Predictor(OneLayer(), recipe(), thresholds=(0.0,)).thresholds == (0.0,)


def test_nested_regions_are_a_sigmoid_each():
    network, image = OneLayer(2, kernel=3), drawn((48, 64, 3))
    with torch.no_grad():
        expected = network(torch.from_numpy(image).permute(2, 0, 1)[None].float()).sigmoid()[0].numpy()
    prediction = Predictor(network, recipe(num_classes=3, nested=True), thresholds=(0.4, 0.7))(image)
    np.testing.assert_allclose(prediction.probabilities, expected, rtol=1e-5, atol=1e-6)
    outer, inner = prediction.probabilities >= np.float32([[[0.4]], [[0.7]]])
    assert np.array_equal(prediction.mask, np.where(outer & inner, 2, outer))
    assert (inner & ~outer).any()  # the rule decides


# --- calibration -------------------------------------------------------------------------------------------


def test_probabilities_leave_calibrated_and_the_networks_own_may_be_asked_for():
    network, image = OneLayer(2, kernel=3), drawn((48, 64, 3))
    nested, calibration = recipe(num_classes=3, nested=True), [(0.5, 1.0), (2.0, -0.25)]
    plain = Predictor(network, nested)(image).probabilities
    predict = Predictor(network, nested, calibration=calibration, thresholds=(0.6, 0.2))
    for probability, raw, (scale, bias) in zip(predict(image).probabilities, plain, calibration, strict=True):
        np.testing.assert_allclose(probability, expit(scale * logit(raw.astype(float)) + bias), rtol=1e-5, atol=1e-7)
    assert np.array_equal(predict.predict_raw(image), plain)
    assert predict(image).probabilities.dtype == np.float32
    assert predict(image).thresholds == predict.calibrated(plain).thresholds == (0.6, 0.2)
    assert np.array_equal(predict.calibrated(plain).probabilities, predict(image).probabilities)


def test_calibrated_classes_still_sum_to_one_and_the_largest_stays():
    network, image = OneLayer(3, kernel=3), drawn((48, 64, 3))
    plain = Predictor(network, recipe(num_classes=3))(image)
    prediction = Predictor(network, recipe(num_classes=3), calibration=[(0.4, 0.0)])(image)
    powers = plain.probabilities.astype(float) ** 0.4
    np.testing.assert_allclose(prediction.probabilities, powers / powers.sum(axis=0), rtol=1e-5)
    assert np.array_equal(prediction.mask, plain.mask)
    assert np.abs(prediction.probabilities - plain.probabilities).max() > 0.1


# --- ensembles ---------------------------------------------------------------------------------------------


def members(num_classes=1, **options):
    return [
        Predictor(OneLayer(num_classes, kernel=3, seed=seed), recipe(num_classes=num_classes), **options)
        for seed in range(3)
    ]


@pytest.mark.parametrize("num_classes", [1, 3])
def test_an_ensemble_answers_with_the_mean_of_its_members(num_classes):
    several, image = members(num_classes, calibration=[(0.5, 0.0)]), drawn((50, 70, 3))
    prediction = EnsemblePredictor(several)(image)
    answers = [member(image).probabilities for member in several]
    np.testing.assert_allclose(prediction.probabilities, np.mean(answers, axis=0), rtol=1e-6)
    assert prediction.probabilities.dtype == np.float32
    assert all(np.abs(answer - prediction.probabilities).max() > 0.05 for answer in answers)
    assert prediction.thresholds == ((0.5,) if num_classes == 1 else ())


def test_an_ensemble_cuts_at_the_mean_of_its_members_thresholds():
    nested = recipe(num_classes=3, nested=True)
    cuts = [(0.2, 0.5), (0.4, 0.9), (0.3, 0.7)]
    predict = EnsemblePredictor([Predictor(OneLayer(2, seed=n), nested, thresholds=c) for n, c in enumerate(cuts)])
    assert predict.thresholds == pytest.approx((0.3, 0.7))
    prediction = predict(drawn((40, 40, 3)))
    assert prediction.thresholds == predict.thresholds
    assert np.array_equal(prediction.mask, Prediction(prediction.probabilities, predict.thresholds).mask)


def test_an_ensembles_members_are_averaged_before_calibration_and_after():
    several, image = members(calibration=[(0.3, 1.0)]), drawn((40, 40, 3))
    raw, prediction = EnsemblePredictor(several).predict_raw_and_calibrated(image)
    np.testing.assert_allclose(raw, np.mean([predictor.predict_raw(image) for predictor in several], axis=0), rtol=1e-6)
    assert np.array_equal(prediction.probabilities, EnsemblePredictor(several)(image).probabilities)
    assert np.abs(raw - prediction.probabilities).max() > 0.05


def test_an_ensemble_takes_a_file_and_refuses_what_its_members_refuse(tmp_path):
    image, path = drawn((40, 50, 3)), tmp_path / "eye.png"
    Image.fromarray(image).save(path)
    predict = EnsemblePredictor(members(expects=(3, "uint8")))
    assert np.array_equal(predict(path).probabilities, predict(image).probabilities)
    with pytest.raises(CenetError, match=r"^eye 7: has 1 channel of uint8 where "):
        predict(image[..., :1], name="eye 7")


# --- cost --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "shape", "pixels"),
    [
        ({}, (64, 96), 64 * 96),
        ({}, (70, 20), 80 * 32),
        ({"scale": 2.0}, (64, 96), 128 * 192),
        ({"resize_mode": "square", "size_px": 64}, (300, 40), 64 * 64),
        ({"tile_px": 200}, (300, 192), 2 * 192 * 192),
    ],
)
@pytest.mark.parametrize("views", [1, 8])
def test_multiply_adds_are_those_of_the_convolution_over_all_pixels_that_enter(changes, shape, pixels, views):
    network = OneLayer(2, 4, kernel=3)
    predict = Predictor(network, recipe(num_classes=2, **changes), tta=views == 8)
    assert predict.multiply_adds(shape) == pixels * 3 * 3 * 4 * 2 * views
    predict(drawn((*shape, 4)))
    assert sum(size[2] * size[3] for size, *_ in network.calls) == pixels * views  # so it is as many


@pytest.mark.parametrize(
    "changes", [{"network": "unet"}, {"encoder": "resnet18"}, {"encoder": "resnet34", "use_stem_skip": False}], ids=str
)
def test_multiply_adds_of_a_network_are_the_sum_over_its_convolutions(changes):
    network = build_network(recipe(encoder_weights="none", **changes)).eval()
    counts = []

    def count(layer, inputs, output):
        per_output = layer.weight[0].numel()  # of a convolution: inputs that each output sums over
        places = output.numel()
        if isinstance(layer, nn.ConvTranspose2d):
            places, per_output = inputs[0].numel(), layer.weight[0].numel()
        counts.append(places * per_output)

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, 3, 192, 224))
    expected = sum(counts)
    operations = Predictor(network, recipe(encoder_weights="none", **changes)).multiply_adds((192, 224))
    assert operations == expected
    assert operations > 10**9


def test_counting_leaves_the_network_where_it_is():
    network, image = OneLayer(), drawn((40, 40, 3))
    predict = Predictor(network, recipe())
    before = predict(image).probabilities
    network.train()
    predict.multiply_adds((40, 40))
    assert network.training
    assert network.conv.weight.device.type == "cpu"
    assert np.array_equal(predict(image).probabilities, before)


def test_before_they_leave_probabilities_have_the_networks_scale():
    predict, image = Predictor(OneLayer(), recipe(resize_mode="square", size_px=64)), drawn((30, 50, 3))
    small, placement = predict.predict_network_scale(image)
    assert small.shape == (1, 64, 64)
    assert np.array_equal(placement.inverse(small), predict(image).probabilities)


# --- windows and views -------------------------------------------------------------------------------------


@pytest.mark.parametrize("tta", [False, True])
def test_windows_answer_as_the_whole_image_where_no_pixel_looks_at_another(tta):
    network, image = OneLayer(2), drawn((300, 410, 3))
    in_windows = Predictor(network, recipe(num_classes=2, tile_px=200), tta=tta)(image).probabilities
    assert {shape[2:] for shape, *_ in network.calls} == {(192, 192)}
    network.calls.clear()
    whole = Predictor(network, recipe(num_classes=2))(image).probabilities
    assert [shape[2:] for shape, *_ in network.calls] == [(304, 416)]
    np.testing.assert_allclose(in_windows, whole, rtol=1e-5, atol=1e-6)


def test_windows_of_a_network_that_looks_around_differ_little():
    network, image = OneLayer(kernel=3), drawn((224, 320, 3))
    in_windows = Predictor(network, recipe(tile_px=192))(image).probabilities
    whole = Predictor(network, recipe())(image).probabilities
    far = np.abs(in_windows - whole)[:, 1:-1, 1:-1] > 1e-4
    assert 0 < far.mean() < 0.05  # the seams, where a window's edge sees zeros


@pytest.mark.parametrize("num_classes", [1, 3])
def test_eight_views_are_the_mean_of_eight_predictions(num_classes):
    network, image = OneLayer(num_classes, kernel=3), drawn((48, 64, 3))
    plain = Predictor(network, recipe(num_classes=num_classes))
    answers = []
    for turns in range(4):
        for mirrored in (False, True):
            seen = np.rot90(image[:, ::-1] if mirrored else image, turns)
            back = np.rot90(plain(seen).probabilities, -turns, axes=(1, 2))
            answers.append(back[:, :, ::-1] if mirrored else back)
    probabilities = Predictor(network, recipe(num_classes=num_classes), tta=True)(image).probabilities
    np.testing.assert_allclose(probabilities, np.mean(answers, axis=0), rtol=1e-5, atol=1e-6)
    assert np.abs(probabilities - plain(image).probabilities).max() > 0.01


def test_with_eight_views_a_turned_image_has_the_turned_answer():
    predict, image = Predictor(OneLayer(kernel=3), recipe(), tta=True), drawn((64, 48, 3))
    turned = predict(np.rot90(image)).probabilities
    np.testing.assert_allclose(turned, np.rot90(predict(image).probabilities, axes=(1, 2)), rtol=1e-5)


def test_views_are_refused_where_the_training_had_no_flips():
    one_view, image = recipe(flips=False), drawn((48, 64, 3))
    with pytest.raises(CenetError, match="trained without flips"):
        Predictor(OneLayer(), one_view, tta=True)
    single = Predictor(OneLayer(), one_view)
    with pytest.raises(CenetError, match="trained without flips"):
        single(image, uncertainty=True)
    assert single(image).uncertainty is None
    assert EnsemblePredictor([single, Predictor(OneLayer(), one_view)])(image, uncertainty=True).uncertainty is not None


# --- the network's state -----------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_the_network_predicts_in_evaluation_mode_and_is_left_as_it_was(training):
    network = OneLayer().train(training)
    Predictor(network, recipe(), tta=True)(drawn((40, 40, 3)))
    assert [was_training for _, was_training, *_ in network.calls] == [False] * 8
    assert network.training is network.conv.training is training


def test_the_predictor_sees_what_its_network_learns():
    network, image = OneLayer(), drawn((40, 40, 3))
    predict = Predictor(network, recipe())
    before = predict(image).probabilities
    network.conv.bias.data += 1
    assert (predict(image).probabilities > before).all()


def test_bfloat16_is_used_where_it_was_asked_for_and_leaves_as_float32():
    network, image = OneLayer(kernel=3), drawn((64, 64, 3))
    exact = Predictor(network, recipe())(image).probabilities
    rounded = Predictor(network, recipe(), bf16=True)(image).probabilities
    assert [dtype for *_, dtype in network.calls] == [torch.float32, torch.bfloat16]
    assert rounded.dtype == np.float32
    assert 0 < np.abs(exact - rounded).max() < 0.05


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format], ids=str)
def test_network_and_image_lie_in_memory_as_was_asked_for(memory_format):
    network, seen = OneLayer(2, kernel=3), []
    network.register_forward_pre_hook(lambda _, images: seen.append(images[0]))
    Predictor(network, recipe(num_classes=2), memory_format=memory_format)(drawn((40, 60, 3)))
    for tensor in (*seen, network.conv.weight):
        assert tensor.is_contiguous(memory_format=memory_format)


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "has"),
    [
        (np.zeros((40, 40, 1), np.uint8), "1 channel of uint8"),
        (np.zeros((40, 40, 4), np.uint8), "4 channels of uint8"),
        (np.zeros((40, 40, 3), np.uint16), "3 channels of uint16"),
        (np.zeros((40, 40, 3), np.float32), "3 channels of float32"),
        (np.zeros((40, 40), np.uint8), "the shape (40, 40)"),
        (np.zeros((1, 40, 40, 3), np.uint8), "the shape (1, 40, 40, 3)"),
    ],
    ids=["grey", "alpha", "16 bit", "float", "no channels", "a batch"],
)  # fmt: skip
def test_an_image_of_another_kind_is_refused_by_name(image, has):
    predict = Predictor(OneLayer(), recipe(), expects=(3, "uint8"))
    with pytest.raises(CenetError) as error:
        predict(image, name="eye 7")
    message = str(error.value)
    assert message.startswith(f"eye 7: has {has} where the network was trained on images (H, W, 3) of uint8; ")
    assert "\n" not in message


def test_an_image_of_the_expected_kind_is_accepted():
    predict = Predictor(OneLayer(in_channels=2), recipe(), expects=(2, "uint16"))
    assert predict(drawn((40, 41, 2), np.uint16)).mask.shape == (40, 41)


def test_without_expectations_only_the_shape_is_checked():
    with pytest.raises(CenetError, match=r"^image: has the shape \(40, 40\) where .* images \(H, W, C\) of values; "):
        Predictor(OneLayer(), recipe())(np.zeros((40, 40), np.uint8))


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path"])
def test_a_file_may_be_named(tmp_path, kind):
    image, path = drawn((40, 50, 3)), tmp_path / "eye.png"
    Image.fromarray(image).save(path)
    predict = Predictor(OneLayer(), recipe(), expects=(3, "uint8"))
    assert np.array_equal(predict(kind(path)).probabilities, predict(image).probabilities)


def test_a_file_of_another_kind_is_refused_by_its_path(tmp_path):
    path = tmp_path / "eye.png"
    Image.fromarray(drawn((40, 50, 4))).save(path)
    with pytest.raises(CenetError) as error:
        Predictor(OneLayer(), recipe(), expects=(3, "uint16"))(path, name="another name")
    assert error.value.subject == str(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_has_diverged_is_reported(value):
    network = OneLayer(2)
    nn.init.constant_(network.conv.bias, value)
    with pytest.raises(CenetError, match=r"^eye 7: the network answers with NaN; "):
        Predictor(network, recipe(num_classes=2))(drawn((40, 40, 3)), name="eye 7")


# --- where to look, layers, and eyes of all sizes ----------------------------------------------------------


def eye(size=128, *, bright=(70, 90)):
    """A drawn photograph: a field of view on dark ground, with a light disc in it."""
    rows, columns = np.mgrid[:size, :size] / size
    image = np.where(np.hypot(rows - 0.5, columns - 0.5) < 0.46, 110, 2)
    row, column = (position / 128 for position in bright)
    image[np.hypot(rows - row, columns - column) < 0.07] = 250
    return np.repeat(image[..., None], 3, axis=2).astype(np.uint8)


class Bright(nn.Module):
    """Finds what is brighter than a value."""

    stride, min_size = 16, 32

    def __init__(self, above=180.0, maps=1):
        super().__init__()
        self.above, self.maps = above, maps
        self.normalise = Normalise(3, mean=0.0, std=1.0)

    def forward(self, image):
        return ((image.mean(dim=1, keepdim=True) - self.above) / 10).expand(-1, self.maps, -1, -1)


AROUND = {"resize_mode": "square", "size_px": 64, "crop_px": None, "roi_fraction": 0.4}


def looking(localiser_above=180.0):
    localiser = Predictor(Bright(localiser_above), recipe(**{**AROUND, "roi_fraction": None}))
    return Predictor(Bright(), recipe(**AROUND), localiser=localiser)


def test_one_looks_where_the_localiser_says():
    image = eye()
    prediction = looking()(image)
    top, left, side = prediction.box
    assert side == pytest.approx(0.4 * 0.92 * 128, abs=2)
    assert (top + side / 2, left + side / 2) == pytest.approx((70, 90), abs=2)
    assert prediction.mask[70, 90] == 1
    whole = np.zeros((128, 128), bool)
    whole[top : top + side, left : left + side] = True
    assert not prediction.probabilities[:, ~whole].any()


def test_of_several_pieces_the_localiser_takes_the_largest():
    image = eye()
    image[30:34, 50:54] = 250  # smaller, and above and left of the disc
    image[95:99, 60:64] = 250
    top, left, side = looking()(image).box
    assert (top + side / 2, left + side / 2) == pytest.approx((70, 90), abs=2)


def test_what_the_localiser_sees_outside_the_eye_does_not_count():
    image = eye()
    image[:14, :14] = 255  # a label in the corner
    image[110:, 112:] = 255
    top, left, side = looking()(image).box
    assert (top + side / 2, left + side / 2) == pytest.approx((70, 90), abs=2)


def test_what_is_not_found_is_nowhere():
    prediction = looking(localiser_above=300)(eye())
    assert prediction.box is None
    assert not prediction.mask.any()
    assert prediction.probabilities.shape == (1, 128, 128)


def test_finding_costs_too():
    predictor = looking()
    predictor.network = predictor.localiser.network = OneLayer()
    assert predictor.multiply_adds((128, 128)) > Predictor(OneLayer(), recipe(**AROUND)).multiply_adds((128, 128))


def test_an_ensemble_reports_the_region_of_interest_of_its_members():
    members = [looking(), looking()]
    ensemble = EnsemblePredictor(members)
    assert ensemble(eye()).box == members[0](eye()).box
    lost = EnsemblePredictor([looking(localiser_above=300), looking()])
    assert lost(eye()).box == members[0](eye()).box
    assert EnsemblePredictor([looking(localiser_above=300)])(eye()).box is None


@pytest.mark.parametrize("factor", [0.5, 1, 2, 4])
def test_a_photograph_of_any_resolution_has_the_same_answer(factor):
    predictor = Predictor(Bright(), recipe(resize_mode="field-of-view", size_px=118))
    reference = predictor(eye(128)).mask.mean()
    prediction = predictor(eye(round(128 * factor)))
    assert prediction.mask.shape == (round(128 * factor),) * 2
    assert prediction.mask.mean() == pytest.approx(reference, rel=0.12)


def test_layers_are_the_most_probable_order():
    maps = np.zeros((3, 6, 2), np.float32)
    maps[0, :2] = maps[1, 2:4] = maps[2, 4:] = 1
    maps[:, 5, 0] = (1, 0, 0)  # an island of the first class below the last
    prediction = Prediction(maps * 0.8 + 0.2 / 3, ordered=True)
    assert prediction.mask[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert prediction.layers[1].shape == (2, 2)
    assert Prediction(maps * 0.8 + 0.2 / 3).mask[5, 0] == 0
