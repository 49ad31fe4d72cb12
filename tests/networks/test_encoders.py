"""Encoders: torchvision's names, five maps at five strides, and the bundled weights' own graph."""

from importlib import resources

import pytest
import reference_networks as reference
import torch
from safetensors.torch import load_file
from torch import Tensor

from cenet.networks.encoders import ENCODERS
from cenet.networks.pretrained import load_encoder

DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
PARAMETERS = {"resnet18": 11_176_512, "resnet34": 21_284_672}
BUNDLED = resources.files("cenet.networks") / "bundled" / "resnet34-preact-imagenet.safetensors"


def names_of_torchvision(depths: tuple[int, ...]) -> list[str]:
    """The rule by which torchvision names a ResNet of basic blocks, without its classifier."""

    def norm(name: str) -> list[str]:
        parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        return [f"{name}.{part}" for part in parts]

    names = ["conv1.weight", *norm("bn1")]
    for level, depth in enumerate(depths, 1):
        for i in range(depth):
            unit = f"layer{level}.{i}"
            names += [
                f"{unit}.conv1.weight",
                *norm(f"{unit}.bn1"),
                f"{unit}.conv2.weight",
                *norm(f"{unit}.bn2"),
            ]
            if level > 1 and i == 0:
                names += [f"{unit}.downsample.0.weight", *norm(f"{unit}.downsample.1")]
    return names


@pytest.mark.parametrize("name", sorted(DEPTHS))
def test_a_resnet_has_torchvisions_names_in_torchvisions_order(uninitialised: None, name: str) -> None:
    assert list(ENCODERS[name](3).state_dict()) == names_of_torchvision(DEPTHS[name])


@pytest.mark.parametrize("name", sorted(DEPTHS))
def test_a_resnet_has_torchvisions_parameter_count(uninitialised: None, name: str) -> None:
    assert sum(parameter.numel() for parameter in ENCODERS[name](3).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("in_channels", [1, 4])
@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_an_encoder_returns_five_maps_at_strides_2_to_32(name: str, in_channels: int) -> None:
    with torch.device("meta"):
        encoder = ENCODERS[name](in_channels)
        maps = encoder(torch.empty(2, in_channels, 192, 256))
    assert encoder.channels == ((16, 24, 40, 112, 320) if "lite" in name else (64, 64, 128, 256, 512))
    assert [tuple(features.shape) for features in maps] == [
        (2, channels, 192 // stride, 256 // stride)
        for channels, stride in zip(encoder.channels, (2, 4, 8, 16, 32), strict=True)
    ]


@pytest.mark.parametrize("name", sorted(DEPTHS))
def test_a_resnets_maps_equal_an_independent_forward_pass(name: str) -> None:
    encoder = ENCODERS[name](3).double().eval()
    reference.randomise(encoder.state_dict(), seed=3)
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    names = reference.OURS._replace(stem_conv="conv1", stem_norm="bn1", layer="layer")
    with torch.no_grad():
        assert_equal(encoder(image), reference.resnet(encoder.state_dict(), image, names, DEPTHS[name]))


def test_the_bundled_encoders_maps_equal_an_independent_forward_pass(uninitialised: None) -> None:
    encoder = ENCODERS["resnet34-preact"](3)
    load_encoder(encoder, name="resnet34-preact", source="bundled")
    encoder.double().eval()
    tensors = {name: tensor.double() for name, tensor in load_file(str(BUNDLED)).items()}
    image = 255 * torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    with torch.no_grad():
        assert_equal(encoder(image), reference.preact_resnet34(tensors, image))


def test_the_bundled_file_has_the_encoders_names(uninitialised: None) -> None:
    encoder = ENCODERS["resnet34-preact"](3)
    trained = {name for name in encoder.state_dict() if not name.endswith("num_batches_tracked")}
    assert set(load_file(str(BUNDLED))) == trained


def test_every_norm_of_the_bundled_encoder_has_the_epsilon_it_was_trained_with(uninitialised: None) -> None:
    norms = [module for module in ENCODERS["resnet34-preact"](3).modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert len(norms) == 1 + 1 + 2 * 16 + 1
    assert {norm.eps for norm in norms} == {2e-5}


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_gradients_reach_every_parameter_of_an_encoder(name: str) -> None:
    encoder = ENCODERS[name](2).eval()
    image = torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(6))
    torch.stack([features.square().mean() for features in encoder(image)]).sum().backward()
    without = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def assert_equal(maps: tuple[Tensor, ...], expected: list[Tensor]) -> None:
    assert len(maps) == len(expected) == 5
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
