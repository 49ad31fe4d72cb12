"""Where the weights of a training come from: chance, an encoder trained on other images, or an earlier run."""

from pathlib import Path
from typing import Any

import torch

from cenet.config.recipe import BUNDLED_ENCODERS, Recipe
from cenet.data.splits import Split
from cenet.errors import CenetError
from cenet.inference.run import Run
from cenet.inference.run_folder import SPLIT
from cenet.models.installed import show_run
from cenet.networks import Network, NetworkFactory, Normalise, build_network
from cenet.networks.cenet import CENet
from cenet.networks.pretrained import load_encoder
from cenet.networks.registry import CENET_FIELDS, CENETS, check_crop
from cenet.safe_text import print_line


def build_starting_network(
    recipe: Recipe,
    in_channels: int,
    value_range: tuple[float, float],
    *,
    earlier: Run | None,
    split: Split,
    data: Path,
    own_network: NetworkFactory | None,
) -> tuple[Network, str]:
    """The network of a new run with the weights that its training starts from, and what these are.

    Args:
        recipe: Names network, encoder and the encoder's weights.
        in_channels: Channels of the images.
        value_range: The image values that count as black and white.
        earlier: The run whose weights it starts from, if any.
        split: The split of the new run.
        data: The folder of its images, for an error.
        own_network: A network of the user's own, in place of the one that the recipe names.

    Raises:
        CenetError: The crops are too small for the network, the weights are missing or another network's, or the
            earlier run was trained on an image of the test part.
    """
    network, started_from = build_initialised_network(recipe, in_channels, value_range, own_network=own_network)
    check_crop(recipe, network.min_size, network.stride)  # that of a network of one's own may be known only now
    if earlier is not None:
        check_no_test_leakage(earlier, split, data)
        started_from = load_run_weights(network, earlier, recipe, in_channels=in_channels)
    return network, started_from


def build_initialised_network(
    recipe: Recipe,
    in_channels: int,
    value_range: tuple[float, float],
    *,
    own_network: NetworkFactory | None = None,
) -> tuple[Network, str]:
    """A network as training starts from it, and what its weights are.

    Args:
        recipe: Names network, encoder and the encoder's weights.
        in_channels: Channels of the images.
        value_range: The image values that count as black and white.
        own_network: A network of the user's own, in place of the one that the recipe names.

    Raises:
        CenetError: The encoder's weights are not there, or are another's.

    >>> from cenet.config.presets import load_recipe
    >>> recipe = load_recipe("folder").replace(network="unet", encoder_weights="none")
    >>> build_initialised_network(recipe, 3, (0.0, 255.0))[1]
    'random weights'
    """
    torch.manual_seed(recipe.seed)
    network = build_network(recipe, in_channels=in_channels, value_range=value_range, network=own_network)
    if not isinstance(network, CENet):
        return network, "random weights"
    return network, load_encoder(network.encoder, name=recipe.encoder, source=recipe.encoder_weights)


def check_no_test_leakage(earlier: Run, split: Split, data: Path) -> None:
    """Refuse to start from a run that has seen an image of the test part in training.

    Args:
        earlier: The run.
        split: The split of the new run.
        data: The folder of its images, for the error.

    Raises:
        CenetError: An image of the test part is among the images that the run was trained or validated on.
    """
    seen_in_training = earlier.seen_in_training
    leaked = [name for name in split.parts["test"] if split.fingerprints[name] in seen_in_training]
    if leaked:
        own_split = earlier.path / SPLIT  # a released model has none
        remedy = f"use the same split with --splits {own_split}"
        if not own_split.is_file():
            remedy = "keep such images for training with --test-fraction 0, and score on others"
        raise CenetError(
            data,
            f"{leaked[0]} of the test part is one that {show_run(earlier.path)} was trained on",
            f"start from another run, or {remedy}",
        )


def network_fields(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe, with their values, that a network must have to start from its weights.

    >>> network_fields(Recipe(name="x", network="unet", encoder_weights="none"))
    {'network': 'unet', 'input_normalisation': 'encoder'}
    """
    fields = ["network", "input_normalisation"]
    if recipe.network in CENETS:
        fields += [name for name in CENET_FIELDS if name != "use_image_skip" or recipe.use_image_skip]
    return {name: getattr(recipe, name) for name in fields}


def starting_fields(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe that a new one needs to start from its weights; no others are loaded before these.

    >>> starting_fields(Recipe(name="x", encoder="resnet34", encoder_weights="imagenet"))["encoder_weights"]
    'none'
    """
    fields = network_fields(recipe)
    if recipe.network == "unet" or recipe.encoder not in BUNDLED_ENCODERS:
        fields["encoder_weights"] = "none"  # the bundled ones, which a recipe has by default, are not for it
    return fields


def load_run_weights(network: Network, earlier: Run, recipe: Recipe, *, in_channels: int) -> str:
    """Take over a run's weights, all but a head of another class count and the input rule, which fits these images.

    A run without `use_image_skip` starts a network that has it: what is added changes nothing at first.

    Args:
        network: What takes them.
        earlier: The run.
        recipe: Of the network.
        in_channels: Channels of the images.

    Returns:
        What the weights are, for `RunMetadata.started_from`.

    Raises:
        CenetError: The run's network is another, or its images have other channels.
    """
    for field, value in network_fields(earlier.recipe).items():
        wanted_value = getattr(recipe, field)
        if value != wanted_value:
            raise CenetError(
                earlier.path,
                f"its {field} is {value}, and this recipe's is {wanted_value}",
                f"add --{field.replace('_', '-')} {value}",
            )
    given, wanted = earlier.network().state_dict(), network.state_dict()
    if earlier.facts.in_channels != in_channels:
        raise CenetError(
            earlier.path,
            f"was trained on {earlier.facts.in_channels} channels, and these images have {in_channels}",
            "start from a run on such images",
        )
    kept = {
        f"{name}.{buffer}"
        for name, module in network.named_modules()
        if isinstance(module, Normalise)
        for buffer in module.state_dict()
    }
    if recipe.use_image_skip and not earlier.recipe.use_image_skip:
        kept |= {name for name in wanted if name.startswith("head.image_skip.")}
    if (earlier.recipe.num_classes, earlier.recipe.nested) != (recipe.num_classes, recipe.nested):
        head = {name for name in wanted if name in given and given[name].shape != wanted[name].shape}
        classes, wanted_classes = _describe_classes(earlier.recipe), _describe_classes(recipe)
        if not head:
            cause = f"its head has {classes} classes where this recipe has {wanted_classes}, in as many maps"
            raise CenetError(earlier.path, cause, "start from a run with the same classes")
        print_line(
            f"starting from {earlier.path}: its head has {classes} classes where this recipe has {wanted_classes}; "
            f"{', '.join(sorted(head))} start at random"
        )
        kept |= head
    network.load_state_dict({**given, **{name: wanted[name] for name in kept}})
    version = f" (released model, version {earlier.model.version})" if earlier.model else ""
    return f"run {earlier.path.name}{version}, weights SHA-256 {(earlier.facts.weights_sha256 or '')[:16]}"


def _describe_classes(recipe: Recipe) -> str:
    return f"{recipe.num_classes}{' nested' if recipe.nested else ''}"


def rebuild_initialised_network(run: Run) -> Network:
    """Build the network as the training of a run started from it, which was stopped before its first checkpoint.

    Args:
        run: The run.

    Raises:
        CenetError: The earlier run that it starts from is missing, or its weights are not those of then.
    """
    facts, recipe = run.facts, run.recipe
    network, _ = build_initialised_network(recipe, facts.in_channels, facts.value_range, own_network=run.own_network)
    if facts.init_from is not None:
        earlier = Run(facts.init_from, network=run.own_network)
        if load_run_weights(network, earlier, recipe, in_channels=facts.in_channels) != facts.started_from:
            cause = f"its weights are not those that the training of {run.path} was started from"
            raise CenetError(earlier.path, cause, "put the former ones back, or train again with another --output")
    return network
