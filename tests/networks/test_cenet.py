"""CE-Net against loops written from its equations, a second forward pass, and the paper's counts."""

from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest
import reference_networks as reference
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from cenet.errors import CenetError
from cenet.networks.cenet import CENet, CENetLite
from cenet.networks.context import DenseAtrousConvolution, ResidualMultiKernelPooling
from cenet.networks.encoders import ENCODERS
from cenet.networks.normalise import Normalise

DACS = ("atrous", "regular", "inception-resnet", "inception", None)


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """In float64 and evaluation mode, with nothing left at a neutral start value."""
    reference.randomise(network.double().eval().state_dict(), seed)
    return network


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def on_meta(num_classes: int = 1, in_channels: int = 3, **options: Any) -> CENet:
    """A network of shapes alone: nothing is allocated, and a forward pass computes nothing."""
    with torch.device("meta"):
        return CENet(num_classes, in_channels, **options)


def parameters_in(network: nn.Module) -> int:
    return sum(map(Tensor.numel, network.parameters()))


class ConvolutionCounter(TorchDispatchMode):
    """Counts the convolutions that run, by kernel size."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution.default:
            self.kernels[args[1].shape[-1]] += 1
        return func(*args, **(kwargs or {}))


# The context extractor, against loops -----------------------------------------------------------------------


def dac_by_loops(dac: nn.Module, x: np.ndarray, rates: tuple[int, int, int], *, shared: bool) -> np.ndarray:
    state = {name: tensor.numpy() for name, tensor in dac.state_dict().items()}
    r1, r2, r3 = rates
    total = x.copy()
    for names, branch_rates in zip(
        reference.SHARED_DAC if shared else reference.DRAWN_DAC,
        ((r1,), (r2, 1), (r1, r2, 1), (r1, r2, r3, 1)),
        strict=True,
    ):
        y = x
        for name, rate in zip(names, branch_rates, strict=True):
            y = reference.conv(y, state[f"{name}.weight"], state[f"{name}.bias"], rate=rate)
        total += np.maximum(y, 0)
    return total


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "drawn"])
@pytest.mark.parametrize("rates", [(1, 3, 5), (1, 1, 1), (2, 3, 4)])
def test_dac_equals_loops_over_its_equations(shared: bool, rates: tuple[int, int, int]) -> None:
    dac = randomised(DenseAtrousConvolution(4, rates=rates, share_weights=shared))
    x = noise(1, 4, 12, 11)
    with torch.no_grad():
        output = dac(x)[0].numpy()
    np.testing.assert_allclose(output, dac_by_loops(dac, x[0].numpy(), rates, shared=shared), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "drawn"])
@pytest.mark.parametrize("size", [(12, 12), (13, 14), (6, 17)])
def test_rmp_equals_loops_over_its_equations(shared: bool, size: tuple[int, int]) -> None:
    rmp = randomised(ResidualMultiKernelPooling(4, share_weights=shared))
    state = {name: tensor.numpy() for name, tensor in rmp.state_dict().items()}
    names = ["conv"] * 4 if shared else ["conv.0", "conv.1", "conv.2", "conv.3"]
    x = noise(1, 4, *size)
    with torch.no_grad():
        output = rmp(x)[0].numpy()
    levels = [
        reference.bilinear(
            reference.conv(reference.max_pool(x[0].numpy(), kernel), state[f"{name}.weight"], state[f"{name}.bias"]),
            *size,
        )
        for kernel, name in zip((2, 3, 5, 6), names, strict=True)
    ]
    np.testing.assert_allclose(output, np.concatenate([*levels, x[0].numpy()]), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("branch", "field"), [(1, 3), (2, 7), (3, 9), (4, 19)])
def test_the_branches_of_dac_see_3_7_9_and_19_pixels(branch: int, field: int) -> None:
    dac = DenseAtrousConvolution(1, share_weights=False)
    with torch.no_grad():
        for name, parameter in dac.named_parameters():
            parameter.fill_(1.0 if name.startswith(f"branch{branch}") and name.endswith("weight") else 0.0)
        x = torch.zeros(1, 1, 31, 31)
        x[0, 0, 15, 15] = 1.0
        touched = (dac(x) - x)[0, 0].nonzero()
    assert (touched.max(0).values - touched.min(0).values + 1).tolist() == [field, field]


@pytest.mark.parametrize(("shared", "kernels"), [(True, {3: 4, 1: 3}), (False, {3: 7, 1: 3})], ids=["shared", "drawn"])
def test_a_shared_dac_runs_four_3x3_convolutions_and_a_drawn_one_seven(shared: bool, kernels: dict[int, int]) -> None:
    dac = DenseAtrousConvolution(4, share_weights=shared)
    with torch.no_grad(), ConvolutionCounter() as counter:
        dac(torch.zeros(1, 4, 12, 12))
    assert counter.kernels == kernels


@pytest.mark.parametrize("dac", [dac for dac in DACS if dac])
def test_the_biases_of_the_context_start_at_zero(dac: Any) -> None:
    context = CENet(encoder="resnet18", dac=dac).dac
    biases = [parameter for name, parameter in context.named_parameters() if name.endswith("bias")]
    assert biases
    assert not any(bias.any() for bias in biases)


def test_the_inception_context_adds_three_branches_and_a_pooled_one() -> None:
    context = randomised(CENet(encoder="resnet18", dac="inception").dac)
    state, x = context.state_dict(), noise(1, 512, 6, 7)
    point = reference.conv2d(state, "conv1x1", x)
    wide = reference.conv2d(state, "conv3x3", point, padding=1)
    wider = reference.conv2d(state, "conv5x5", point, padding=2)
    with torch.no_grad():
        expected = F.relu(point) + F.relu(wide) + F.relu(wider) + F.max_pool2d(x, 3, 1, 1)
        torch.testing.assert_close(context(x), expected)


def test_the_inception_resnet_context_joins_two_branches_and_adds_its_input() -> None:
    context = CENet(encoder="resnet18", dac="inception-resnet").dac.double()
    with torch.no_grad():
        for parameter in context.parameters():  # nothing negative: where a ReLU stands does not matter
            parameter.copy_(noise(*parameter.shape).abs() / 100)
    state, x = context.state_dict(), noise(1, 512, 6, 7).abs()
    point = reference.conv2d(state, "conv1x1", x)
    joined = torch.cat([point, reference.conv2d(state, "conv3x3", point, padding=1)], 1)
    added = reference.conv2d(state, "conv1x1", reference.conv2d(state, "join", joined))
    with torch.no_grad():
        torch.testing.assert_close(context(x), x + added)


# The whole network, against torch.nn.functional -------------------------------------------------------------


@pytest.fixture(scope="module")
def authors() -> nn.Module:
    return randomised(CENet(2))


def test_the_default_network_equals_the_authors_graph_and_an_evaluation_changes_nothing(authors: nn.Module) -> None:
    before = {name: tensor.clone() for name, tensor in authors.state_dict().items()}
    image = noise(1, 3, 192, 224)
    with torch.no_grad():
        logits = authors(image)
        torch.testing.assert_close(logits, reference.cenet(authors.state_dict(), image), rtol=1e-9, atol=1e-9)
        assert torch.equal(authors(image), logits)
    assert all(torch.equal(tensor, before[name]) for name, tensor in authors.state_dict().items())


def test_the_drawn_network_equals_the_papers_graph() -> None:
    network = randomised(CENet(share_weights=False, use_stem_skip=True))
    image = noise(1, 3, 192, 192)
    with torch.no_grad():
        expected = reference.cenet(network.state_dict(), image, reference.DRAWN, use_stem_skip=True)
        torch.testing.assert_close(network(image), expected, rtol=1e-9, atol=1e-9)


def test_without_a_context_the_decoder_takes_the_last_feature_map() -> None:
    network = randomised(CENet(encoder="resnet34-preact", dac=None, rmp=False))
    image = noise(1, 3, 192, 192)
    state = network.state_dict()
    with torch.no_grad():
        features = reference.preact_resnet34(state, image, "encoder.")
        expected = reference.decode(state, reference.OURS, features, features[-1])
        torch.testing.assert_close(network(image), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"share_weights": False, "use_stem_skip": True}], ids=["authors", "drawn"])
def test_gradients_reach_every_parameter(options: dict[str, bool]) -> None:
    network = CENet(
        3, 4, encoder="resnet18", **options
    ).eval()  # batch statistics would cancel the biases before a norm
    logits = network(noise(1, 4, 192, 192).float())
    logits.backward(noise(*logits.shape, seed=2).float())
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_the_names_in_the_state_dict_follow_the_authors() -> None:
    shapes = reference.authors_shapes(num_classes=3)
    expected = {reference.our_name(name): shape for name, shape in shapes.items()}
    for name, tensor in on_meta(3).state_dict().items():
        if not name.startswith("normalise.") and not name.endswith("num_batches_tracked"):
            assert expected.pop(name) == tensor.shape
    assert not expected


# Counts of the paper ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 29_003_093),
        ({"dac": None, "rmp": False}, 21_656_897),
        ({"rmp": False}, 28_998_977),
        ({"dac": None}, 21_661_013),
        ({"dac": "regular", "rmp": False}, 28_998_977),
        ({"dac": "inception-resnet", "rmp": False}, 24_804_161),
        ({"dac": "inception", "rmp": False}, 30_833_473),
        ({"share_weights": False, "use_stem_skip": True}, 38_969_176),
        ({"use_stem_skip": True}, 29_003_093),
    ],
    ids=str,
)
def test_every_variant_has_the_papers_parameter_count(options: dict[str, Any], count: int) -> None:
    assert parameters_in(on_meta(**options)) == count


def test_every_part_has_the_papers_parameter_count() -> None:
    network = on_meta()
    assert {name: parameters_in(part) for name, part in network.named_children()} == {
        "normalise": 0,
        "encoder": 21_284_672,
        "dac": 7_342_080,
        "rmp": 513,
        "decoder4": 250_899,
        "decoder3": 62_208,
        "decoder2": 15_744,
        "decoder1": 4_640,
        "head": 42_337,
        **dict.fromkeys(("skip3", "skip2", "skip1", "skip0"), 0),
    }
    drawn = on_meta(share_weights=False)
    assert (parameters_in(drawn.dac), parameters_in(drawn.rmp)) == (17_306_624, 2_052)


def test_the_arithmetic_is_that_of_the_paper_less_the_convolutions_that_sharing_spares() -> None:
    def macs(**options: Any) -> float:
        with FlopCounterMode(display=False) as counter:
            on_meta(**options)(torch.empty(1, 3, 448, 448, device="meta"))
        return counter.get_total_flops() / 2

    as_executed_by_the_authors = macs(share_weights=False)
    assert as_executed_by_the_authors / 1e9 == pytest.approx(21.9, abs=0.05)
    assert as_executed_by_the_authors - macs() == 3 * (512 * 512 * 9) * (14 * 14)


# Options, sizes, channels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", list(product(DACS, *[(True, False)] * 3))[::3], ids=str)  # with every pair of them
def test_any_combination_of_options_runs(options: tuple[Any, ...]) -> None:
    dac, rmp, shared, use_stem_skip = options
    network = on_meta(encoder="resnet18", dac=dac, rmp=rmp, share_weights=shared, use_stem_skip=use_stem_skip).eval()
    assert network.decoder4.conv1.in_channels == (516 if rmp else 512)
    assert network(torch.empty(1, 3, 192, 192, device="meta")).shape == (1, 1, 192, 192)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize(("in_channels", "num_classes", "use_stem_skip"), [(1, 3, True), (4, 1, False)])
def test_any_number_of_channels_and_classes_fits(
    encoder: str, in_channels: int, num_classes: int, use_stem_skip: bool
) -> None:
    network = on_meta(num_classes, in_channels, encoder=encoder, use_stem_skip=use_stem_skip)
    assert network.decoder4.conv1.in_channels == network.encoder.channels[-1] + 4
    assert network(torch.empty(2, in_channels, 192, 224, device="meta")).shape == (2, num_classes, 192, 224)


@pytest.mark.parametrize("size", [(192, 448), (224, 192), (1024, 32 * 37)])
def test_the_logits_have_the_images_size(size: tuple[int, int]) -> None:
    assert on_meta()(torch.empty(1, 3, *size, device="meta")).shape == (1, 1, *size)


@pytest.mark.parametrize(
    ("size", "legal"),
    [
        ((100, 224), "192x224"),
        ((192, 210), "192x224"),
        ((584, 565), "576x576"),
        ((160, 160), "192x192"),
    ],
)
def test_an_illegal_size_names_the_nearest_legal_one(size: tuple[int, int], legal: str) -> None:
    with pytest.raises(CenetError, match=rf"{size[0]}x{size[1]}.*\b{legal}\b"):
        on_meta()(torch.empty(1, 3, *size, device="meta"))


@pytest.mark.parametrize("order", [None, (2, 1, 0)])
def test_the_encoder_gets_the_image_by_the_input_rule_which_is_the_identity_unless_set(
    uninitialised: None, order: tuple[int, ...] | None
) -> None:
    image, seen = noise(1, 3, 192, 192).float() * 100, []
    rule = {"normalise": Normalise(3, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0), order=order)} if order else {}
    network = CENet(2, encoder="resnet18", **rule)
    network.encoder.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs))
    with torch.no_grad():
        network.eval()(image)
    red_first = torch.stack([(image[:, 2] - 1) / 4, (image[:, 1] - 2) / 5, (image[:, 0] - 3) / 6], dim=1)
    torch.testing.assert_close(seen, [red_first if order else image])


# The slim network -------------------------------------------------------------------------------------------


def test_the_slim_network_has_a_fifth_of_the_parameters() -> None:
    with torch.device("meta"):
        network = CENetLite()
    assert parameters_in(network) == parameters_in(on_meta(encoder="efficientnet-lite0")) == 6_039_746
    assert (network.stride, network.min_size) == (32, 192)


def test_the_slim_decoder_adds_projected_maps_and_doubles_bilinearly() -> None:
    network = randomised(CENetLite(2, dac=None, rmp=False, use_stem_skip=True))
    image, state = noise(1, 3, 192, 192), network.state_dict()

    def norm(name: str, x: Tensor) -> Tensor:
        values = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *values)

    with torch.no_grad():
        *skips, x = network.encoder(image)
        for level in (4, 3, 2, 1):
            block = f"decoder{level}"
            x = F.relu(norm(f"{block}.norm1", F.conv2d(x, state[f"{block}.conv1.weight"])))
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
            x = F.relu(norm(f"{block}.norm2", F.conv2d(x, state[f"{block}.conv2.weight"], padding=1)))
            skip = F.conv2d(skips[level - 1], state[f"skip{level - 1}.0.weight"])
            x = x + F.relu(norm(f"skip{level - 1}.1", skip))
        x = F.relu(reference.conv2d(state, "head.conv1", x, padding=1))
        x = F.interpolate(x, scale_factor=2, mode="bilinear")
        torch.testing.assert_close(network(image), reference.conv2d(state, "head.conv2", x, padding=1))


@pytest.mark.parametrize("encoder", ["resnet18", "efficientnet-lite0"])
def test_the_image_skip_changes_nothing_before_it_is_trained_and_then_sees_single_pixels(encoder: str) -> None:
    options: dict[str, Any] = {"encoder": encoder, "dac": None, "rmp": False}
    network, without = CENet(use_image_skip=True, **options).eval(), CENet(**options).eval()
    state = network.state_dict()
    without.load_state_dict({name: state[name] for name in without.state_dict()})
    image, maps = noise(1, 3, 192, 192).float(), []
    network.head.image_skip.register_forward_hook(lambda _, inputs, output: maps.append((*inputs, output)))
    with torch.no_grad():
        torch.testing.assert_close(network(image), without(image))
        nn.init.ones_(network.head.image_skip.norm2.weight)
        network(image)
        x, seen, y = maps[-1]
        seen[0, :, 100, 100] += 1
        changed = (network.head.image_skip(x, seen) != y).any(1).nonzero()
    assert (changed.min(0).values.tolist(), changed.max(0).values.tolist()) == ([0, 98, 98], [0, 102, 102])


@pytest.mark.parametrize("encoder", ["resnet34-preact", "efficientnet-lite0"])
def test_the_image_skip_sees_a_normalised_image_whatever_the_encoder_does_with_it(encoder: str) -> None:
    network, seen = CENet(encoder=encoder, dac=None, rmp=False, use_image_skip=True).train(), []
    network.head.image_skip.conv_image.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    with torch.no_grad():
        network(127 + 60 * noise(2, 3, 192, 192).float())
    assert seen[0].mean().item() == pytest.approx(0, abs=1e-3)
    assert seen[0].std().item() == pytest.approx(1, abs=1e-3)


def test_gradients_reach_every_parameter_of_the_slim_network() -> None:
    network = CENetLite(3, 4, use_stem_skip=True, use_image_skip=True).eval()
    nn.init.ones_(network.head.image_skip.norm2.weight)
    logits = network(noise(1, 4, 192, 192).float())
    logits.backward(noise(*logits.shape, seed=2).float())
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []
