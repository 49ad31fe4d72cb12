"""The memory that a prediction takes, estimated before it is computed: a system that runs out of it says nothing.

A window is never made smaller by itself: a mask depends on the window, and would then depend on what else runs on the
machine. What does not fit is refused, with the window that would.
"""

import weakref
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenet.errors import CenetError

if TYPE_CHECKING:
    import torch

MACHINE = Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup")
AMPLE_BYTES = 4096  # for each pixel of a window: twice what a U-Net takes; with so much free nothing is estimated
LEAST_WINDOW_PX = 192  # as for `tile_px` of a recipe


def free_memory() -> int | None:
    """The bytes that this process can still take, of the machine and of its container; None where Linux is not.

    >>> (free_memory() or 1) > 0
    True
    """
    free = []
    with suppress(OSError, KeyError):
        machine = dict(line.split()[:2] for line in MACHINE.read_text(encoding="ascii").splitlines())
        free.append((int(machine["MemAvailable:"]) + int(machine["SwapFree:"])) * 1024)
    with suppress(OSError, KeyError, ValueError):  # as where the container has no limit
        taken = dict(line.split() for line in (CONTAINER / "memory.stat").read_text(encoding="ascii").splitlines())
        cached = int(taken["inactive_file"])  # which the system gives up first
        limit, used = (int((CONTAINER / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
        free.append(limit - used + cached)
    return min(free) if free else None


def check_arrays(name: str, shape: tuple[int, int], network_shape: tuple[int, int], maps: int) -> None:
    """Refuse an image whose probabilities do not fit into the memory.

    Args:
        name: What errors call the image.
        shape: Height and width of the image.
        network_shape: The same for the network.
        maps: Of probabilities.

    Raises:
        CenetError: They do not fit.
    """
    height, width = shape
    # All windows joined; in the geometry of the image; the same after calibration.
    needed = 4 * maps * (network_shape[0] * network_shape[1] + 2 * height * width)
    free = free_memory()
    if free is not None and needed > free:
        cause = f"its probabilities need about {_format(needed)} of memory, of which {_format(free)} are free"
        remedy = f"save it as a tiled TIFF and add --max-pixels {height * width // 2}, which predicts it band by band"
        raise CenetError(name, cause, remedy)


def check_window(network: "torch.nn.Module", shape: tuple[int, int, int]) -> None:
    """Refuse a window for which a network needs more of the main memory than is free.

    Args:
        network: The network.
        shape: Of the window, `(C, H, W)`.

    Raises:
        CenetError: It does not fit.
    """
    free = free_memory()
    if free is None or free > AMPLE_BYTES * shape[1] * shape[2]:
        return
    needed = estimate_network_memory(network, shape)
    if needed > free:
        side = int(min(shape[1:]) * (0.8 * free / needed) ** 0.5)
        cause = f"the network needs about {_format(needed)} of memory for it, of which {_format(free)} are free"
        remedy = f"add --tile-px {side}, with which the mask can differ a little"
        if side < LEAST_WINDOW_PX:
            remedy = "close other programs, or use a machine with more memory"
        raise CenetError(f"a window of {shape[2]} x {shape[1]} px", cause, remedy)


def estimate_network_memory(network: "torch.nn.Module", shape: tuple[int, int, int]) -> int:
    """The most bytes that a network's tensors take together beside its weights and the image; nothing is computed.

    Args:
        network: The network.
        shape: Of one image, `(C, H, W)`.

    >>> from torch import nn
    >>> estimate_network_memory(nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU()), (1, 10, 10))
    1600
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class LiveTensors(TorchDispatchMode):
        """Adds up the tensors that exist at one time."""

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]  # torch has no type for it
            self.live: dict[int, int] = {}
            self.most: int = 0

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            results = function(*args, **(kwargs or {}))
            for tensor in (result for result in tree_leaves(results) if isinstance(result, torch.Tensor)):
                storage = tensor.untyped_storage()
                if storage._cdata not in self.live:
                    self.live[storage._cdata] = storage.nbytes()
                    weakref.finalize(storage, self.live.pop, storage._cdata, None)
            self.most = max(self.most, sum(self.live.values()))
            return results

    copy = deepcopy(network).to("meta").eval()
    image = torch.zeros(1, *shape, device="meta")
    tensors = LiveTensors()
    with torch.inference_mode(), tensors:
        copy(image)
    return tensors.most


def _format(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
