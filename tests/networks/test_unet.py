"""U-Net, against a second forward pass and the arithmetic of CE-Net."""

import pytest
import reference_networks as reference
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cenet.errors import CenetError
from cenet.networks.cenet import CENet
from cenet.networks.normalise import Normalise
from cenet.networks.unet import UNet


def on_meta(num_classes: int = 1, in_channels: int = 3) -> UNet:
    with torch.device("meta"):
        return UNet(num_classes, in_channels)


def test_unet_equals_an_independent_forward_pass() -> None:
    network = UNet(2).double().eval()
    state = network.state_dict()
    reference.randomise(state, seed=0)
    image = torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(image), reference.unet(state, image), rtol=1e-9, atol=1e-9)


def test_the_five_levels_have_64_128_256_512_and_512_channels() -> None:
    network = on_meta()
    maps: list[tuple[int, ...]] = []
    for level in (network.down1, network.down2, network.down3, network.down4, network.down5):
        level.register_forward_hook(lambda module, args, output: maps.append(tuple(output.shape[1:])))
    network(torch.empty(1, 3, 64, 96, device="meta"))
    assert maps == [(64, 64, 96), (128, 32, 48), (256, 16, 24), (512, 8, 12), (512, 4, 6)]


def test_unet_takes_4_3_times_the_arithmetic_of_the_drawn_cenet() -> None:
    def flops(network: nn.Module) -> int:
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, 448, 448, device="meta"))
        return counter.get_total_flops()

    with torch.device("meta"):
        cenet = CENet(share_weights=False)
    assert flops(on_meta()) / flops(cenet) == pytest.approx(4.3, abs=0.05)


@pytest.mark.parametrize(("in_channels", "num_classes"), [(1, 3), (4, 1)])
@pytest.mark.parametrize("size", [(32, 32), (48, 160), (448, 464)])
def test_the_logits_have_the_images_size(in_channels: int, num_classes: int, size: tuple[int, int]) -> None:
    logits = on_meta(num_classes, in_channels)(torch.empty(2, in_channels, *size, device="meta"))
    assert logits.shape == (2, num_classes, *size)


@pytest.mark.parametrize(
    ("size", "legal"),
    [
        ((584, 565), "576x560"),
        ((33, 32), "32x32"),
        ((64, 63), "64x64"),
        ((16, 64), "32x64"),
        ((64, 1), "64x32"),
        ((470, 448), "464x448"),
    ],
)
def test_an_illegal_size_names_the_nearest_legal_one(size: tuple[int, int], legal: str) -> None:
    with pytest.raises(CenetError, match=rf"{size[0]}x{size[1]}.*\b{legal}\b"):
        on_meta()(torch.empty(1, 3, *size, device="meta"))


def test_the_smallest_legal_size_follows_from_the_class() -> None:
    assert UNet.stride == 16
    assert UNet.min_size % UNet.stride == 0


def test_gradients_reach_every_parameter() -> None:
    network = UNet(2, 1).eval()  # batch statistics would cancel the biases before a norm
    image = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(2))
    network(image).square().mean().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_the_input_rule_comes_first() -> None:
    plain, ruled = UNet().eval(), UNet(normalise=Normalise(3, mean=(1.0, 2.0, 3.0), std=2.0, order=(2, 1, 0))).eval()
    rule = {name: tensor for name, tensor in ruled.state_dict().items() if name.startswith("normalise.")}
    ruled.load_state_dict(plain.state_dict() | rule)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 255
    by_hand = torch.stack([(image[:, 2] - 1) / 2, (image[:, 1] - 2) / 2, (image[:, 0] - 3) / 2], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(ruled(image), plain(by_hand))
