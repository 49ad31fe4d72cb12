"""Networks: image in, logits out. `build` makes the one that a recipe asks for."""

from collections.abc import Sequence

from cenet.config.recipe import Recipe
from cenet.networks.cenet import CENet
from cenet.networks.encoders import ENCODERS
from cenet.networks.unet import UNet

Network = CENet | UNet
NETWORKS: dict[str, type[CENet] | type[UNet]] = {"cenet": CENet, "unet": UNet}


def build(recipe: Recipe, *, in_channels: int = 3, value_range: Sequence[float] = (0.0, 255.0)) -> Network:
    """The network of a recipe, with random weights and its input rule.

    Args:
        recipe: What to build.
        in_channels: Channels of the images.
        value_range: The image values that the input rule takes for black and white.

    >>> from cenet.config.presets import load_recipe
    >>> build(load_recipe("drive").replace(encoder="resnet18", encoder_weights="none")).use_stem_skip
    True
    """
    low, high = value_range
    unit = (high - low) / 255  # image values in one step of an 8-bit scale
    if recipe.input_normalisation == "authors":
        mean, std = [127.5], [255 / 3.2]
    elif recipe.network == "unet":
        mean, std = [127.5], [64.0]
    else:
        encoder = ENCODERS[recipe.encoder]
        mean, std = list(encoder.mean), list(encoder.std)
    if len(mean) not in (1, in_channels):  # as the first kernel: channels other than RGB get its mean
        mean, std = [sum(mean) / len(mean)], [sum(std) / len(std)]
    mean, std = [low + unit * value for value in mean], [unit * value for value in std]
    order = list(reversed(range(in_channels))) if recipe.input_normalisation == "authors" else None
    options = {}
    if recipe.network == "cenet":
        names = ("encoder", "dac", "rmp", "share_weights", "use_stem_skip")
        options = {name: getattr(recipe, name) for name in names}
    return NETWORKS[recipe.network](recipe.maps, in_channels, mean=mean, std=std, order=order, **options)
