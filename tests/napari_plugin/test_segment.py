"""Layers of napari and their masks, without napari."""

import pkgutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from cenet import napari_plugin
from cenet.errors import CenetError
from cenet.inference.prediction import Prediction
from cenet.napari_plugin import list_models, segment


@pytest.fixture
def model(monkeypatch, request):
    """The name of a run whose mask is where the first channel is bright."""

    def predict(pixels, *, name):
        return Prediction(pixels[None, ..., 0].astype(np.float32) / 255, (0.5,))

    monkeypatch.setattr("cenet.inference.ensemble.load", lambda *_, **__: predict)
    return request.node.name


def layer(pixels, *, rgb):
    return SimpleNamespace(data=pixels, rgb=rgb, name="eye", scale=np.ones(pixels.ndim - rgb))


@pytest.mark.parametrize(
    ("shape", "rgb", "mask_shape"),
    [
        ((8, 9), False, (8, 9)),
        ((8, 9, 3), True, (8, 9)),
        ((5, 8, 9), False, (5, 8, 9)),
        ((2, 5, 8, 9, 3), True, (2, 5, 8, 9)),
    ],
)
def test_every_plane_is_segmented(model, shape, rgb, mask_shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    ((mask, properties, kind),) = segment(layer(pixels, rgb=rgb), run_folder=model)
    bright = (pixels[..., 0] if rgb else pixels) >= 127.5
    assert kind == "labels"
    assert mask.shape == mask_shape
    assert len(properties["scale"]) == len(mask_shape)
    assert (mask == bright).all()


def test_probabilities_become_layers(model):
    image = layer(np.full((3, 8, 9), 51, np.uint8), rgb=False)
    _, (probability, _, kind) = segment(image, run_folder=model, show_probabilities=True)
    assert kind == "image"
    assert probability.shape == (3, 8, 9)
    assert probability == pytest.approx(0.2)


@pytest.mark.parametrize("shape", [(7,), (0, 8, 9)])
def test_a_layer_that_is_no_image_is_refused(model, shape):
    with pytest.raises(CenetError):
        segment(layer(np.zeros(shape, np.uint8), rgb=False), run_folder=model)


@pytest.mark.parametrize("shear", [[0.0, 0.0], [0.5]])
def test_the_new_layers_lie_where_the_image_lies(model, shear):
    image = layer(np.full((8, 9), 51, np.uint8), rgb=False)
    place = {"scale": [2, 3], "translate": [10, 20], "rotate": [[0, -1], [1, 0]], "shear": shear}
    image.__dict__.update({name: np.array(value) for name, value in place.items()})
    image.affine = SimpleNamespace(affine_matrix=np.diag([4.0, 5.0, 1.0]))  # as an Affine of napari
    expected = {**place, "affine": np.diag([4.0, 5.0, 1.0])}
    if not any(shear):
        del expected["shear"]
    layers = segment(image, run_folder=model, show_probabilities=True)
    assert len(layers) == 2
    for _, properties, _ in layers:
        assert set(properties) - {"name", "visible", "colormap"} == set(expected)
        for name, value in expected.items():
            np.testing.assert_array_equal(properties[name], value)


def test_the_manifest_names_functions_that_there_are():
    manifest = yaml.safe_load(Path(napari_plugin.__file__).with_name("napari.yaml").read_text())
    contributions = manifest["contributions"]
    commands = {command["id"]: command["python_name"] for command in contributions["commands"]}
    used = {entry["command"] for kind in ("readers", "widgets") for entry in contributions[kind]}
    assert set(commands) == used
    assert all(callable(pkgutil.resolve_name(name)) for name in commands.values())


def test_the_released_models_can_be_chosen():
    assert "vessels-open" in list_models()


@pytest.mark.parametrize("is_multiscale", [False, True])
def test_the_finest_level_is_segmented_without_its_opacity(model, is_multiscale):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 4), np.uint8)
    image = layer(pixels, rgb=True)
    image.multiscale = is_multiscale
    image.data = [pixels, pixels[::2, ::2]] if is_multiscale else pixels
    ((mask, _, _),) = segment(image, run_folder=model)
    assert (mask == (pixels[..., 0] >= 127.5)).all()
