"""The names of the networks, known without torch, so that a mistyped one is refused before torch is loaded."""

import sys
from collections.abc import Iterable

from cenet.errors import CenetError, nearest

BUILT_IN_NETWORKS = ("cenet", "cenet-lite", "unet")


def check_network_name(name: str) -> None:
    """Refuse a network that is neither built in nor registered.

    Raises:
        CenetError: There is no such network; the nearest name is offered.

    >>> check_network_name("unte")
    Traceback (most recent call last):
    cenet.errors.CenetError: network unte: there is no such network; did you mean unet? Choose from cenet, \
cenet-lite, unet..., or load your own with --plugin, in Python with network=MyNet
    """
    registry = sys.modules.get("cenet.networks.registry")  # where it is not loaded, no other is registered
    known: Iterable[str] = BUILT_IN_NETWORKS if registry is None else registry.NETWORKS
    if name in known:
        return
    near = nearest(name, known)
    hint = f"did you mean {near}? Choose" if near else "choose"
    remedy = f"{hint} from {', '.join(known)}, or load your own with --plugin, in Python with network=MyNet"
    raise CenetError(f"network {name}", "there is no such network", remedy)
