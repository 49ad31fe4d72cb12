"""Networks: the image's own values in, logits out. `build_network` makes the one that a recipe asks for.

Encoders and their pretrained weights live here. Sigmoid, softmax and threshold belong to `cenet.inference`.
"""

from typing import TYPE_CHECKING

from lazy_loader import attach

if TYPE_CHECKING:
    from cenet.networks.cenet import CENet
    from cenet.networks.contract import Network, NetworkFactory
    from cenet.networks.normalise import Normalise
    from cenet.networks.registry import NETWORKS, build_network
    from cenet.networks.unet import UNet


__all__ = [
    "NETWORKS",
    "CENet",
    "Network",
    "NetworkFactory",
    "Normalise",
    "UNet",
    "build_network",
]

# Imported when first used.
__getattr__, __dir__, _ = attach(
    __name__,
    submod_attrs={
        "cenet": ["CENet"],
        "contract": ["Network", "NetworkFactory"],
        "normalise": ["Normalise"],
        "registry": ["NETWORKS", "build_network"],
        "unet": ["UNet"],
    },
)
