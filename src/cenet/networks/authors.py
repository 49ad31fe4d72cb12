"""Checkpoints of the CE-Net authors' code, read strictly and without running code."""

import re
from pathlib import Path

from cenet.errors import CenetError
from cenet.networks.cenet import CENet
from cenet.networks.pretrained import read_tensors

_RENAMES = (
    (r"^encoder\.(conv1|bn1)\.", {"conv1": "firstconv.", "bn1": "firstbn."}),
    (r"^encoder\.layer([1-4])\.", r"encoder\1."),
    (r"^dac\.", "dblock."),
    (r"^rmp\.", "spp."),
    (r"^head\.(deconv|conv1|conv2)\.", {"deconv": "finaldeconv1.", "conv1": "finalconv2.", "conv2": "finalconv3."}),
)


def authors_name(name: str) -> str:
    """What the authors' code calls a tensor of ours.

    >>> authors_name("encoder.layer2.0.conv1.weight")
    'encoder2.0.conv1.weight'
    >>> authors_name("head.conv2.bias")
    'finalconv3.bias'
    """
    for pattern, new in _RENAMES:
        if match := re.match(pattern, name):
            start = new[match[1]] if isinstance(new, dict) else match.expand(new)
            return start + name[match.end() :]
    return name


def load_official(path: str | Path) -> CENet:
    """Read a checkpoint of the authors' code into a `CENet`, in evaluation mode.

    The values are not normalised: for the same input tensor the logits equal the original's (which applies a sigmoid
    to them). `cenet import-official` makes a run that also normalises images as the authors' code does.

    Args:
        path: A state_dict saved by the authors' code, with or without the prefix `module.`.

    Raises:
        CenetError: A tensor is missing, extra or misshapen (named as in the file), or the file would run code.
    """
    path = Path(path)
    tensors = read_tensors(path)
    prefix = "module." if all(name.startswith("module.") for name in tensors) else ""
    last = f"{prefix}finalconv3.weight"
    if last not in tensors or tensors[last].ndim != 4 or not len(tensors[last]):
        raise CenetError(
            path, f"{last} is missing or not a convolution", "this is not a checkpoint of the authors' CE-Net"
        )
    network = CENet(num_classes=len(tensors[last]), encoder="resnet34")
    for name, value in network.state_dict().items():
        theirs = prefix + authors_name(name)
        if name.startswith("normalise.") or (name.endswith("num_batches_tracked") and theirs not in tensors):
            continue
        if theirs not in tensors:
            raise CenetError(path, f"{theirs} is missing", "this is not a complete checkpoint of the authors' CE-Net")
        tensor = tensors.pop(theirs)
        if tensor.shape != value.shape:
            raise CenetError(
                path,
                f"{theirs} has the shape {list(tensor.shape)} where CE-Net has {list(value.shape)}",
                "this checkpoint belongs to another network",
            )
        value.copy_(tensor)
    if tensors:
        raise CenetError(
            path, f"{min(tensors)} is not a tensor of CE-Net", "this checkpoint belongs to another network"
        )
    return network.eval()
