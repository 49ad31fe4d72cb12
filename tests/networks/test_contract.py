"""What a network states of an image's size."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnxruntime import InferenceSession

from cenet.config.recipe import Recipe
from cenet.errors import CenetError
from cenet.networks import NETWORKS, build_network
from cenet.networks.contract import check_size


@given(st.integers(1, 1500), st.integers(1, 1500), st.sampled_from([(32, 192), (16, 32)]))
def test_a_size_is_valid_or_its_nearest_valid_one_is_named(height: int, width: int, rule: tuple[int, int]) -> None:
    stride, least = rule
    valid = range(least, 3000, stride)
    image = torch.empty(1, 3, height, width, device="meta")
    if height in valid and width in valid:
        check_size(image, stride=stride, min_size=least)
        return
    with pytest.raises(CenetError) as error:
        check_size(image, stride=stride, min_size=least)
    named = [int(side) for side in str(error.value).rpartition(" ")[2].split("x")]
    assert all(side in valid for side in named)
    for side, near in zip((height, width), named, strict=True):
        assert abs(near - side) == min(abs(other - side) for other in valid)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_can_be_trained_is_traced_and_exported(name: str, tmp_path: Path) -> None:
    network = build_network(Recipe(name="eyes", network=name, encoder_weights="none")).eval()
    image = 255 * torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = network(image)
    traced = torch.jit.trace(network, image)
    torch.testing.assert_close(traced(image), logits, rtol=1e-4, atol=1e-4)
    path = tmp_path / "network.onnx"
    torch.onnx.export(network, (image,), path, input_names=["image"], dynamo=False)
    (computed,) = InferenceSession(path).run(None, {"image": image.numpy()})
    torch.testing.assert_close(torch.from_numpy(computed), logits, rtol=1e-3, atol=1e-3)
