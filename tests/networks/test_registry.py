"""The network that a recipe asks for, with its input rule."""

import pytest
import torch
from torch import nn

from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.errors import CenetError
from cenet.networks import NETWORKS, Normalise, build_network
from cenet.networks.cenet import CENet, CENetLite
from cenet.networks.context import ResidualMultiKernelPooling
from cenet.networks.encoders import ENCODERS
from cenet.networks.registry import check_crop, resolve_network
from cenet.networks.unet import UNet
from cenet.training.train import train


@pytest.fixture
def recipe():
    return load_recipe("folder").replace(encoder="resnet18", encoder_weights="none")


def built(recipe, **more):
    with torch.device("meta"):
        return build_network(recipe, **more)


def normalised(network, *values):
    """What the input rule makes of one pixel."""
    return network.normalise(torch.tensor(values).reshape(1, -1, 1, 1).float()).flatten().tolist()


def test_the_networks_have_the_names_of_the_recipes(recipe):
    assert NETWORKS.items() >= {"cenet": CENet, "cenet-lite": CENetLite, "unet": UNet}.items()
    assert isinstance(built(recipe), CENet)
    assert isinstance(built(recipe.replace(network="unet")), UNet)


@pytest.mark.parametrize("name", sorted(set(ENCODERS) - {"efficientnet-lite0"}))
def test_the_encoder_is_the_recipes(recipe, name):
    assert isinstance(built(recipe.replace(encoder=name)).encoder, ENCODERS[name])


def test_the_slim_network_is_named_by_the_recipe_and_has_its_own_encoder_and_options():
    lite = load_recipe("drive").replace(network="cenet-lite")
    network = build_network(lite)
    assert isinstance(network, CENetLite)
    assert isinstance(network.encoder, ENCODERS["efficientnet-lite0"])
    assert normalised(network, 127, 255, -1) == [0, 1, -1]
    assert network.use_stem_skip
    assert isinstance(built(lite.replace(dac="none", rmp=False)).dac, nn.Identity)
    assert resolve_network(lite) == lite


@pytest.mark.parametrize(
    ("changes", "parameters"),  # research facts: the authors' wiring and the ablations
    [
        ({}, 29_003_093),
        ({"dac": "none", "rmp": False}, 21_656_897),
        ({"dac": "inception", "rmp": False}, 30_833_473),
        ({"share_weights": False, "use_stem_skip": True}, 38_969_176),
        ({"use_image_skip": True}, 29_003_093 + 9 * 32 * (32 + 3 + 32) + 4 * 32),
    ],
    ids=str,
)
def test_the_options_of_a_recipe_reach_the_network(recipe, changes, parameters):
    network = built(recipe.replace(encoder="resnet34", use_stem_skip=False).replace(**changes))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert network.use_stem_skip == changes.get("use_stem_skip", False)
    assert isinstance(network.rmp, ResidualMultiKernelPooling) == changes.get("rmp", True)


@pytest.mark.parametrize("network", ["cenet", "unet"])
def test_classes_and_channels_reach_the_network(recipe, network):
    made = built(recipe.replace(network=network, num_classes=4), in_channels=5)
    assert made(torch.empty(1, 5, 192, 192, device="meta")).shape == (1, 4, 192, 192)


# Input rules ------------------------------------------------------------------------------------------------


def test_an_encoder_of_torchvision_gets_imagenets_mean_and_spread(uninitialised, recipe):
    values = normalised(build_network(recipe), 255, 127.5, 0)
    expected = [(1 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    assert values == pytest.approx(expected, abs=1e-4)


def test_the_bundled_encoder_gets_the_images_own_values(uninitialised, recipe):
    assert normalised(build_network(recipe.replace(encoder="resnet34-preact")), 255, 100, 0) == [255, 100, 0]


def test_the_authors_rule_turns_rgb_to_bgr(uninitialised, recipe):
    values = normalised(build_network(recipe.replace(input_normalisation="authors")), 255, 51, 0)
    assert values == pytest.approx([-1.6, 51 / 255 * 3.2 - 1.6, 1.6], abs=1e-5)


def test_the_u_net_gets_values_around_zero(uninitialised, recipe):
    assert normalised(build_network(recipe.replace(network="unet")), 127.5, 191.5, 63.5) == [0, 1, -1]


@pytest.mark.parametrize("in_channels", [1, 2, 4])
def test_channels_other_than_rgb_get_the_mean_rule(uninitialised, recipe, in_channels):
    values = normalised(build_network(recipe, in_channels=in_channels), *[100.0] * in_channels)
    mean, spread = (123.675 + 116.28 + 103.53) / 3, (58.395 + 57.12 + 57.375) / 3
    assert values == pytest.approx([(100 - mean) / spread] * in_channels, abs=1e-5)
    authors = build_network(recipe.replace(input_normalisation="authors"), in_channels=in_channels)
    assert normalised(authors, *range(in_channels)) == pytest.approx(
        [value / 255 * 3.2 - 1.6 for value in reversed(range(in_channels))], abs=1e-5
    )


@pytest.mark.parametrize(
    "options", [{}, {"network": "unet"}, {"encoder": "resnet34-preact"}, {"input_normalisation": "authors"}]
)
def test_images_of_another_range_are_seen_as_8_bit_images_are(uninitialised, recipe, options):
    """Black, white and what lies between mean the same whatever numbers stand for them."""
    recipe = recipe.replace(**options)
    plain, wide = build_network(recipe), build_network(recipe, value_range=(200.0, 200.0 + 16 * 255))
    for values in ((0, 0, 0), (255, 255, 255), (10, 100, 200)):
        expected = normalised(plain, *values)
        assert normalised(wide, *[200 + 16 * value for value in values]) == pytest.approx(expected, abs=1e-3)


# A network of one's own -------------------------------------------------------------------------------------


class Own(nn.Module):
    """As short as a network may be."""

    stride, min_size = 4, 8

    def __init__(self, num_classes, in_channels, normalise):
        super().__init__()
        self.layers = nn.Sequential(normalise, nn.BatchNorm2d(in_channels), nn.Conv2d(in_channels, num_classes, 1))

    def forward(self, image):
        return self.layers(image)


def own(**members):
    """A network that breaks the contract by these members."""
    return type("Broken", (Own,), members)


def test_a_network_of_ones_own_is_built_for_the_images(recipe):
    network = build_network(recipe.replace(num_classes=3), in_channels=2, value_range=(0.0, 65535.0), network=Own)
    assert network(torch.zeros(2, 2, 12, 8)).shape == (2, 3, 12, 8)
    normalise = network.layers[0]
    assert isinstance(normalise, Normalise)
    white = normalise(torch.full((1, 2, 1, 1), 65535.0)).flatten().tolist()
    assert white == pytest.approx([127.5 / 64] * 2)


def test_building_leaves_a_network_and_chance_as_they_were(recipe):
    torch.manual_seed(5)
    reference = Own(1, 3, Normalise(3))
    after = torch.rand(1)
    torch.manual_seed(5)
    network = build_network(recipe, network=Own)
    assert network.training
    assert torch.equal(torch.rand(1), after)
    assert network.layers[1].num_batches_tracked == 0
    assert torch.equal(network.layers[2].weight, reference.layers[2].weight)


def test_a_registered_network_has_the_name_of_a_recipe(recipe, monkeypatch):
    monkeypatch.setitem(NETWORKS, "mine", Own)
    assert isinstance(build_network(recipe.replace(network="mine")), Own)
    named = resolve_network(recipe.replace(network="mine", encoder="resnet34-preact", encoder_weights="bundled"))
    assert (named.network, named.encoder_weights) == ("mine", "none")
    assert resolve_network(recipe, Own).network == "mine"


def test_the_recipes_network_is_kept_where_it_is_ours(recipe):
    assert resolve_network(recipe) == recipe
    unet = recipe.replace(network="unet")
    assert resolve_network(unet) == unet
    assert resolve_network(recipe, UNet).network == "unet"
    assert resolve_network(recipe.replace(encoder="resnet34-preact", encoder_weights="bundled"), CENet) == (
        recipe.replace(encoder="resnet34-preact", encoder_weights="bundled")
    )


def test_a_network_that_does_not_exist_is_refused_with_the_nearest(recipe):
    with pytest.raises(CenetError) as error:
        resolve_network(recipe.replace(network="unte"))
    assert error.value.subject == "network unte"
    assert "did you mean unet?" in error.value.remedy


def test_a_network_with_the_name_of_another_is_refused(recipe):
    with pytest.raises(CenetError) as error:
        resolve_network(recipe, type("unet", (Own,), {}))
    assert error.value.remedy == "rename the class"


@pytest.mark.parametrize(
    ("network", "word"),
    [
        (type("Broken", (nn.Module,), {"__init__": lambda self, classes: None}), "num_classes"),
        (own(stride=None), "stride"),
        (own(min_size=0), "min_size"),
        (own(forward=lambda self, image: image[:, :1, ::2]), "shape"),
        (own(forward=lambda self, image: {"out": image}), "dict"),
    ],
    ids=["arguments", "stride", "min_size", "size", "type"],
)
def test_a_network_that_breaks_the_contract_is_refused_before_training(recipe, network, word):
    with pytest.raises(CenetError) as error:
        build_network(recipe, network=network)
    assert error.value.subject == "network Broken"
    assert word in error.value.cause + error.value.remedy


def test_crops_that_are_too_small_are_refused_before_any_image_is_read(recipe, tmp_path):
    with pytest.raises(CenetError) as refusal:
        train(recipe.replace(crop_px=64), tmp_path / "not-there", output=tmp_path / "run")
    assert (refusal.value.subject, refusal.value.cause) == ("recipe folder", "crop_px 64 is too small")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("crop_px", "stride", "remedy"), [(96, 64, "use 128"), (448, 48, "use 480"), (448, 64, None)])
def test_a_crop_is_a_multiple_of_the_stride(crop_px, stride, remedy):
    recipe = Recipe(name="eyes", crop_px=crop_px)
    if remedy is None:
        check_crop(recipe, 32, stride)
        return
    with pytest.raises(CenetError) as refusal:
        check_crop(recipe, 32, stride)
    assert refusal.value.remedy == remedy
