"""The encoder of the slim network, against features of the PyTorch port whose weights it starts from."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cenet.networks.efficientnet_lite import EfficientNetLite0, rename_port_tensors
from cenet.networks.pretrained import load_encoder

FEATURES = Path(__file__).with_name("efficientnet_lite0_features.safetensors")
"""Of two images of noise: the maps of `efficientnet_lite_pytorch` 0.1.0 in float64, built with `image_size=None` (so
that it pads by each image's size) and with the kernels rounded to float16 as the bundled file holds them."""


@pytest.fixture(scope="module")
def encoder():
    network = EfficientNetLite0(3)
    load_encoder(network, name="efficientnet-lite0", source="bundled")
    return network.double().eval()


@pytest.mark.parametrize("size", ["33x47", "32x48"], ids=["odd", "even"])
@torch.no_grad()
def test_the_maps_equal_those_of_the_port(encoder, size):
    stored = load_file(FEATURES)
    image = (stored[f"{size}.image"].double() - encoder.mean[0]) / encoder.std[0]
    for level, features in enumerate(encoder(image)):
        torch.testing.assert_close(features.float(), stored[f"{size}.e{level}"], rtol=0, atol=1e-4)


@torch.no_grad()
def test_single_precision_gives_the_same_maps(encoder):
    image = torch.randn(1, 3, 33, 47, generator=torch.Generator().manual_seed(0))
    expected = encoder(image.double())
    single = EfficientNetLite0(3).eval()
    single.load_state_dict(encoder.state_dict())
    for ours, theirs in zip(single(image), expected, strict=True):
        torch.testing.assert_close(ours, theirs.float(), rtol=1e-4, atol=1e-3)


def test_every_norm_has_the_epsilon_it_was_trained_with(encoder):
    norms = [module for module in encoder.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert len(norms) == 1 + 2 + 3 * 15
    assert {norm.eps for norm in norms} == {1e-3}


def test_the_names_of_the_port_become_ours(tmp_path, encoder):
    """The file of the PyPI package can be named as it is, read without running code."""
    blocks = iter(range(16))
    theirs = {"_conv_head.weight": torch.zeros(2, 2, 1, 1), "_bn1.bias": torch.zeros(2), "_fc.bias": torch.zeros(2)}
    parts = {
        "expand.conv": "_expand_conv",
        "expand.norm": "_bn0",
        "depthwise.conv": "_depthwise_conv",
        "depthwise.norm": "_bn1",
        "project.conv": "_project_conv",
        "project.norm": "_bn2",
    }
    number = -1
    previous = ""
    for name, tensor in encoder.state_dict().items():
        stage, block, *rest = name.split(".")
        if stage == "stem":
            theirs[f"{'_conv_stem' if block == 'conv' else '_bn0'}.{rest[0]}"] = tensor
            continue
        if f"{stage}.{block}" != previous:
            previous, number = f"{stage}.{block}", next(blocks)
        theirs[f"_blocks.{number}.{parts['.'.join(rest[:2])]}.{rest[2]}"] = tensor
    assert list(rename_port_tensors(theirs)) == list(encoder.state_dict())
    path = tmp_path / "port.pth"
    torch.save(theirs, path)
    loaded = EfficientNetLite0(3)
    assert load_encoder(loaded, name="efficientnet-lite0", source=str(path)).startswith("file: port.pth")
    assert torch.equal(loaded.stage7[0].project.conv.weight, encoder.stage7[0].project.conv.weight.float())


def test_batch_norm_is_part_of_the_convolution_in_prediction_and_gives_the_same_maps(encoder):
    image = torch.randn(1, 3, 33, 47, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with_gradients = encoder(image)
    with torch.no_grad():
        torch.testing.assert_close(encoder(image), tuple(maps.detach() for maps in with_gradients))
