"""The networks by name, and `build_network`, which makes the one that a recipe asks for."""

import inspect
import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from cenet.config.recipe import Recipe
from cenet.errors import CenetError
from cenet.networks.cenet import CENet, CENetLite
from cenet.networks.contract import Network, NetworkFactory
from cenet.networks.encoders import ENCODERS
from cenet.networks.names import check_network_name
from cenet.networks.normalise import Normalise
from cenet.networks.unet import UNet

NETWORKS: dict[str, NetworkFactory] = {"cenet": CENet, "cenet-lite": CENetLite, "unet": UNet}
"""By the name in `Recipe.network`; `NETWORKS["mine"] = MyNet` adds one of your own."""

CENETS = ("cenet", "cenet-lite")
"""Those with an encoder that starts from pretrained weights."""

CENET_FIELDS = ("encoder", "dac", "rmp", "share_weights", "use_stem_skip", "use_image_skip")
"""The recipe's fields that only CE-Net and CE-Net lite understand."""


def find_network(name: str) -> NetworkFactory:
    """The network of a name.

    Raises:
        CenetError: There is none; the nearest name is offered.
    """
    check_network_name(name)
    return NETWORKS[name]


def name_network(network: NetworkFactory) -> str:
    """The name of a network, by which a recipe remembers it.

    Raises:
        CenetError: It is no class, but the name of one, or an object.

    >>> name_network(UNet)
    'unet'
    """
    if not hasattr(network, "__name__"):  # a text, or an object
        raise CenetError(f"network={network!r:.80}", "is no class of a network", "pass the class itself")
    return next((name for name, factory in NETWORKS.items() if factory is network), network.__name__)


def resolve_network(recipe: Recipe, network: NetworkFactory | None = None) -> Recipe:
    """The recipe with the name of the network that it is trained with; one outside `CENETS` starts at random.

    Args:
        recipe: The recipe.
        network: A network of your own, in place of the one that the recipe names.

    Raises:
        CenetError: There is no such network, another one has the name already, or the crops are too small for it.

    >>> class MyNet(nn.Module): ...
    >>> resolved = resolve_network(Recipe(name="eyes"), MyNet)
    >>> resolved.network, resolved.encoder_weights
    ('MyNet', 'none')
    """
    if network is None:
        name, network = recipe.network, find_network(recipe.network)
    else:
        name = name_network(network)
        if NETWORKS.get(name, network) is not network:
            raise CenetError(f"network {name}", "another network has this name already", "rename the class")
    check_crop(recipe, getattr(network, "min_size", 0), stride=1)  # that of an object is known once it is built
    if name in CENETS or (name == recipe.network and network is UNet):
        return recipe.replace(network=name)
    return recipe.replace(network=name, encoder_weights="none")


def check_crop(recipe: Recipe, min_size: int, stride: int) -> None:
    """Refuse a recipe whose crops its network does not take.

    Args:
        recipe: The recipe.
        min_size: The smallest side that the network takes, pixels.
        stride: Of which each side is a multiple, pixels.

    Raises:
        CenetError: They are too small, or no multiple of the stride.

    >>> check_crop(Recipe(name="eyes", crop_px=64), 192, 32)
    Traceback (most recent call last):
    cenet.errors.CenetError: recipe eyes: crop_px 64 is too small; use 192 or more
    """
    if recipe.crop_px is None:
        return
    if recipe.crop_px < min_size:
        raise CenetError(f"recipe {recipe.name}", f"crop_px {recipe.crop_px} is too small", f"use {min_size} or more")
    if recipe.crop_px % stride:
        cause = f"crop_px {recipe.crop_px} is no multiple of the network's stride, {stride}"
        step = math.lcm(stride, 32)  # 32 is that of every recipe
        raise CenetError(f"recipe {recipe.name}", cause, f"use {-(-recipe.crop_px // step) * step}")


def build_network(
    recipe: Recipe,
    *,
    in_channels: int = 3,
    value_range: Sequence[float] = (0.0, 255.0),
    network: NetworkFactory | None = None,
) -> Network:
    """The network of a recipe, with random weights, which normalises the images' own values.

    Args:
        recipe: What to build.
        in_channels: Channels of the images.
        value_range: The image values that count as black and white.
        network: A network of your own, in place of the one that the recipe names.

    Raises:
        CenetError: There is no such network, or it breaks the contract of `NetworkFactory` and `Network`.

    >>> from cenet.config.presets import load_recipe
    >>> build_network(load_recipe("drive").replace(encoder="resnet18", encoder_weights="none")).use_stem_skip
    True
    """
    factory = network or find_network(recipe.network)
    is_cenet = any(factory is NETWORKS[name] for name in CENETS)
    arguments = {
        "num_classes": recipe.maps,
        "in_channels": in_channels,
        "normalise": _build_normalise(recipe, in_channels, value_range, is_cenet=is_cenet),
        **({name: getattr(recipe, name) for name in CENET_FIELDS} if is_cenet else {}),
    }
    if factory in (CENet, CENetLite, UNet):
        return cast(Network, factory(**arguments))
    return _build_own_network(factory, arguments)


def _build_normalise(recipe: Recipe, in_channels: int, value_range: Sequence[float], *, is_cenet: bool) -> Normalise:
    low, high = value_range
    unit = (high - low) / 255  # image values in one step of an 8-bit scale
    if recipe.input_normalisation == "authors":
        mean, std = [127.5], [255 / 3.2]
    elif is_cenet:
        encoder = ENCODERS[recipe.encoder]
        mean, std = list(encoder.mean), list(encoder.std)
    else:
        mean, std = [127.5], [64.0]
    if len(mean) not in (1, in_channels):  # as the first kernel: channels other than RGB get its mean
        mean, std = [sum(mean) / len(mean)], [sum(std) / len(std)]
    mean, std = [low + unit * value for value in mean], [unit * value for value in std]
    order = list(reversed(range(in_channels))) if recipe.input_normalisation == "authors" else None
    return Normalise(in_channels, mean=mean, std=std, order=order)


def _build_own_network(factory: NetworkFactory, arguments: dict[str, object]) -> Network:
    """Build a network that is not ours, and refuse one that breaks the contract before anything is trained."""
    subject = f"network {factory.__name__}"
    try:
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        names = ", ".join(arguments)
        raise CenetError(subject, f"cannot be built ({error})", f"let it take the arguments {names}") from error
    network = factory(**arguments)  # type: ignore[arg-type]  # bound above
    if not isinstance(network, nn.Module):
        raise CenetError(subject, "is not a torch.nn.Module", "derive the class from torch.nn.Module")
    for name in ("stride", "min_size"):
        value = getattr(network, name, None)
        if not isinstance(value, int) or value < 1:
            raise CenetError(subject, f"its {name} is {value!r}", f"give the class a {name} in whole pixels")
    _check_shape(cast(Network, network), arguments, subject)
    return cast(Network, network)


def _check_shape(network: Network, arguments: dict[str, object], subject: str) -> None:
    """Compute one small image of zeros, without changing the network or any source of chance."""
    side = -(-network.min_size // network.stride) * network.stride
    device = next((parameter.device for parameter in network.parameters()), None)
    image = torch.zeros(1, cast(int, arguments["in_channels"]), side, side, device=device)
    was_training = network.training
    with torch.random.fork_rng(devices=()), torch.inference_mode():
        logits = network.eval()(image)
    network.train(was_training)
    expected = (1, arguments["num_classes"], side, side)
    if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != expected:
        got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        cause = f"gives {got} for an image of {side}x{side} px, not logits of the shape {expected}"
        raise CenetError(subject, cause, "return one map for each of num_classes, in the image's own size")
