"""Several processes that train one network together, one for each device: who is who, and what they exchange.

The trainer starts them on one computer. On several, torchrun or SLURM does, and the trainer finds out by itself.
Each process computes a part of every batch. All see the outputs for the whole batch, so that the loss is that of one
process; the first alone writes the run folder.
"""

import atexit
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from numpy.typing import NDArray
from torch import Tensor, distributed

from cenet.config.recipe import Recipe
from cenet.errors import CenetError
from cenet.inference.device import DeviceConfig

if TYPE_CHECKING:
    from cenet.data.sample import Sample

ItemT = TypeVar("ItemT")


def find_rank(device: DeviceConfig) -> int:
    """The number of this process among those of a training; the first is 0.

    Args:
        device: How many there are.
    """
    if device.processes == 1:
        return 0
    environment = _find_environment()
    return environment.global_rank() if environment else int(os.environ.get("LOCAL_RANK", "0"))


def _find_environment() -> ClusterEnvironment | None:
    """What has started the processes; None where it is the trainer."""
    for environment in (TorchElasticEnvironment, SLURMEnvironment):
        if environment.detect():
            return environment()
    return None


def check_processes(device: DeviceConfig) -> None:
    """Refuse a number of devices that this computer does not have, or that was not started.

    Args:
        device: How many there are.

    Raises:
        CenetError: It cannot be used.
    """
    if device.processes == device.devices == 1:
        return
    options = f"--devices {device.devices} --nodes {device.nodes}"
    if min(device.devices, device.nodes) < 1:
        raise CenetError(options, "is nothing to train on", "give 1 or more of each")
    if device.device == "mps":
        raise CenetError(options, "mps is a single device", "leave them out")
    if device.device == "cuda" and torch.cuda.device_count() < device.devices:
        cause = f"this computer has {torch.cuda.device_count()} that PyTorch can use"
        raise CenetError(options, cause, f"use --devices {torch.cuda.device_count()}")
    environment = _find_environment()
    if environment is None and device.nodes > 1:
        cause = "processes on several computers are started by torchrun or SLURM"
        raise CenetError(options, cause, "start this command on each of them with torchrun or srun")
    if environment is not None and environment.world_size() != device.processes:
        cause = f"asks for {device.processes} processes, and {environment.world_size()} were started"
        raise CenetError(options, cause, "let the two agree")


def check_divisible(recipe: Recipe, samples: "dict[str, list[Sample]]", device: DeviceConfig) -> None:
    """Refuse a training that several processes cannot share.

    Args:
        recipe: What is trained.
        samples: The samples of the parts "train" and "validation".
        device: How many processes there are.

    Raises:
        CenetError: It cannot be shared.
    """
    count = device.processes
    if count == 1:
        return
    if recipe.roi_fraction is not None:
        cause = "its localiser is trained by one process"
        raise CenetError(f"recipe {recipe.name}", cause, "train it with one device")
    if recipe.batch_size % count:
        cause = f"a batch of {recipe.batch_size} images cannot be shared by {count} processes equally"
        raise CenetError("--batch-size", cause, f"use a multiple of {count}")
    if recipe.validation_fraction and len(samples["validation"]) < count:
        cause = f"the validation part has {len(samples['validation'])} images for {count} processes"
        raise CenetError("--devices", cause, "use fewer devices, or a larger --validation-fraction")


def wait_for_first(device: DeviceConfig) -> None:
    """Wait until all processes are here: the first calls this when it has made the run folder, the others before.

    Processes that the trainer starts are started later, and do not wait.

    Args:
        device: How many there are.

    Raises:
        CenetError: Another process has stopped.
    """
    environment = _find_environment()
    if device.processes == 1 or environment is None:
        return
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = environment.main_address, str(environment.main_port)
    if device.device == "cuda":
        torch.cuda.set_device(environment.local_rank())
    with translate_lost_process():
        if not distributed.is_initialized():
            distributed.init_process_group(
                "nccl" if device.device == "cuda" else "gloo", rank=find_rank(device), world_size=device.processes
            )
            atexit.register(_disconnect)  # the threads of gloo abort a process that ends before they do
        distributed.barrier()


def _disconnect() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def silence_output(device: DeviceConfig) -> None:
    """Let only the first process print; what went wrong is printed by each.

    Args:
        device: How many there are.
    """
    if find_rank(device) > 0:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # until the process ends
        os.environ["TQDM_DISABLE"] = "1"


def select_own(items: Sequence[ItemT], device: DeviceConfig) -> Sequence[ItemT]:
    """The items that this process works on: every `processes`-th."""
    return items[find_rank(device) :: device.processes] if device.processes > 1 else items


def count_processes() -> int:
    """How many processes train together at present; 1 before they are connected."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def current_rank() -> int:
    """Which of these this process is; the first is 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def gather_batch(logits: Tensor, *others: Tensor) -> list[Tensor]:
    """The batch of all processes, in order; gradients flow to the logits of this one.

    Args:
        logits: Of this process, `(n, K, H, W)`.
        others: What belongs to them, such as labels, `(n, ...)`.
    """
    gathered = [_gather(tensor.detach()) for tensor in (logits, *others)]
    gathered[0][distributed.get_rank()] = logits
    return [torch.cat(parts) for parts in gathered]


def _gather(tensor: Tensor) -> list[Tensor]:
    tensor = tensor.contiguous()
    parts = [torch.empty_like(tensor) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, tensor)
    return parts


def sum_over_processes(counts: NDArray[np.int64], device: torch.device) -> NDArray[np.int64]:
    """The sum of the counts of all processes.

    Args:
        counts: Of this process, in any shape.
        device: Where the processes exchange tensors.
    """
    total = torch.from_numpy(counts).to(device)
    distributed.all_reduce(total)
    return np.asarray(total.cpu().numpy())


@contextmanager
def translate_lost_process() -> Iterator[None]:
    """Say that another process has stopped where the exchange with it fails.

    Raises:
        CenetError: It does.
    """
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, distributed.DistError) or "gloo" in str(error).lower()):
            raise
        remedy = "see its message; then resume the training, if it had begun"
        raise CenetError("training", "another of its processes has stopped", remedy) from error


def describe_processes(device: DeviceConfig) -> dict[str, Any]:
    """The settings of the trainer for several processes.

    Args:
        device: How many there are.
    """
    if device.processes == 1:
        return {}
    from cenet.training.global_batch_norm import GlobalBatchNorms

    return {
        "strategy": "ddp",
        "num_nodes": device.nodes,
        "use_distributed_sampler": False,  # `EpochSampler` knows the part of each process
        "sync_batchnorm": device.device == "cuda",
        "plugins": [] if device.device == "cuda" else [GlobalBatchNorms()],  # PyTorch's own needs a GPU
    }
