"""Networks: the image's own values in, logits out. `build_network` makes the one that a recipe asks for.

Encoders and their pretrained weights live here. Sigmoid, softmax and threshold belong to `cenet.inference`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cenet.networks.authors import load_official
    from cenet.networks.cenet import CENet
    from cenet.networks.contract import Network, NetworkFactory
    from cenet.networks.encoders import ENCODERS
    from cenet.networks.normalise import Normalise
    from cenet.networks.registry import NETWORKS, build_network
    from cenet.networks.unet import UNet

_MODULES = {
    "CENet": "cenet",
    "ENCODERS": "encoders",
    "NETWORKS": "registry",
    "Network": "contract",
    "NetworkFactory": "contract",
    "Normalise": "normalise",
    "UNet": "unet",
    "build_network": "registry",
    "load_official": "authors",
}

__all__ = [
    "ENCODERS",
    "NETWORKS",
    "CENet",
    "Network",
    "NetworkFactory",
    "Normalise",
    "UNet",
    "build_network",
    "load_official",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'cenet.networks' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"cenet.networks.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
