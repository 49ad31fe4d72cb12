"""What this computer is good for: device, precision, workers; each may be overridden."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from cenet.errors import CenetError

if TYPE_CHECKING:  # imported when it is used, so that mistyped options are refused before
    import torch

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
MemoryFormat = Literal["auto", "channels-last", "contiguous"]


@dataclass(frozen=True)
class DeviceConfig:
    """How a run computes.

    Args:
        device: `cpu`, `cuda` or `mps`.
        precision: As Lightning names it.
        workers: Processes that load and augment images; 0 does it in the main process.
        memory_format: How tensors of images lie in memory.
        precision_reason: Why this precision, as the end of a sentence.
        devices: Of each computer, of which each gets a process that trains.
        nodes: Computers that train together.
    """

    device: str
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    workers: int
    memory_format: Literal["channels-last", "contiguous"] = "channels-last"
    precision_reason: str = field(default="as requested", compare=False)
    devices: int = 1
    nodes: int = 1

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return self.devices * self.nodes

    def describe_precision(self) -> str:
        """The precision and why it was chosen.

        >>> DeviceConfig("cpu", "bf16-mixed", 0, precision_reason="as this CPU has AMX").describe_precision()
        'precision: bf16-mixed, as this CPU has AMX'
        """
        return f"precision: {self.precision}, {self.precision_reason}"

    @property
    def torch_memory_format(self) -> "torch.memory_format":
        """The same, as torch names it."""
        import torch

        return torch.channels_last if self.memory_format == "channels-last" else torch.contiguous_format


@dataclass(frozen=True)
class DeviceRequest:
    """What a user asks for; `to_device_config` chooses what is left to `auto`, as `resolve_device` does.

    Args:
        device: As for `resolve_device`, and so are all that follow.
        precision: Likewise.
        workers: Likewise.
        memory_format: Likewise.
        devices: As for `DeviceConfig`, and so are all that follow.
        nodes: Likewise.
    """

    device: Device = "auto"
    precision: Precision = "auto"
    workers: int | None = None
    memory_format: MemoryFormat = "auto"
    devices: int = 1
    nodes: int = 1


AnyDevice: TypeAlias = DeviceConfig | DeviceRequest | Device


def resolve_device(
    *,
    device: Device = "auto",
    precision: Precision = "auto",
    workers: int | None = None,
    memory_format: MemoryFormat = "auto",
    devices: int = 1,
    nodes: int = 1,
) -> DeviceConfig:
    """Choose what was left to `auto`: the fastest device, and bfloat16 only where it is faster than float32.

    Nothing is timed, so that the same machine always computes alike.

    Raises:
        CenetError: A device was asked for that is not here, or something that it cannot do.

    >>> resolve_device(device="cpu", precision="32-true", workers=0).memory_format
    'channels-last'
    """
    import torch

    for option, value, known in (
        ("device", device, Device),
        ("precision", precision, Precision),
        ("memory-format", memory_format, MemoryFormat),
    ):
        if value not in get_args(known):
            choices = ", ".join(get_args(known))
            raise CenetError(f"--{option} {value}", f"there is no such {option}", f"choose from {choices}")
    if min(devices, nodes) < 1:
        raise CenetError(f"--devices {devices} --nodes {nodes}", "both are at least 1", "leave them out for 1")
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = "cuda" if usable["cuda"] else "mps" if usable["mps"] else "cpu"
    elif not usable[device]:
        raise CenetError(f"--device {device}", "this machine has none that PyTorch can use", "use --device cpu or auto")
    reason = "as requested"
    if precision == "auto":
        precision, reason = _choose_precision(device)
    elif precision == "16-mixed" and device != "cuda":
        raise CenetError(
            "--precision 16-mixed", f"only cuda computes so, and this is {device}", "use bf16-mixed or 32-true"
        )
    if workers is not None and workers < 0:
        raise CenetError(f"--workers {workers}", "cannot be negative", "use 0 to load in the main process")
    if memory_format == "auto":
        memory_format = "contiguous" if device == "mps" else "channels-last"
    if workers is None:
        cores = os.cpu_count() or 1
        # On a small CPU the network needs every core; a loader beside it would take them away.
        workers = min(cores - 1, 8) if device != "cpu" else min(cores // 4, 4)
    return DeviceConfig(device, precision, workers, memory_format, reason, devices, nodes)


def to_device_config(device: AnyDevice) -> DeviceConfig:
    """Return how to compute, from a whole configuration, a request, or the name of a device.

    Args:
        device: A configuration, which is returned as it is; a request; or `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        CenetError: There is no such device, or this computer has none.

    >>> to_device_config("cpu").device
    'cpu'
    """
    if isinstance(device, DeviceConfig):
        return device
    if isinstance(device, DeviceRequest):
        return resolve_device(**vars(device))
    return resolve_device(device=device)


@contextmanager
def translate_out_of_memory(what: str, device: object, remedy: str) -> Iterator[None]:
    """Tell in one sentence what did not fit into memory, and nothing of any other error.

    Args:
        what: What is computed, with its size.
        device: Where.
        remedy: What makes it smaller.

    Raises:
        CenetError: It does not fit.

    >>> import torch
    >>> with translate_out_of_memory("a batch of 64 images", "cuda", "lower --batch-size"):
    ...     raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    Traceback (most recent call last):
    cenet.errors.CenetError: a batch of 64 images: does not fit into the memory of cuda; lower --batch-size
    """
    import torch

    try:
        yield
    except (RuntimeError, MemoryError) as error:
        phrases = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or any(words in str(error) for words in phrases):
            raise CenetError(what, f"does not fit into the memory of {device}", remedy) from error
        raise


def _choose_precision(device: str) -> tuple[Literal["32-true", "bf16-mixed", "16-mixed"], str]:
    """The fastest precision of a device, by what it can do and never by a measurement, and why."""
    import torch

    if device == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16-mixed", "as this GPU computes in bfloat16"
        return "16-mixed", "as this GPU does not compute in bfloat16"
    if device == "mps":
        return "32-true", "as mps computes in it"
    if torch.cpu._is_amx_tile_supported():
        return "bf16-mixed", "as this CPU has AMX"
    if torch.cpu._is_avx512_bf16_supported() and is_amd_cpu():
        return "bf16-mixed", "as this CPU of AMD has AVX512-BF16"
    # Intel's AVX512-BF16 alone does not count: a training step in bfloat16 is slower with it than one in float32.
    return "32-true", "as bfloat16 is slower on this CPU"


def is_amd_cpu() -> bool:
    """Whether the processor is one of AMD."""
    if sys.platform == "linux":
        with suppress(OSError):
            return "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    return "AuthenticAMD" in platform.processor()


def reset_peak_memory(device: str) -> None:
    """Let `peak_memory_mib` count from now on, where the system can.

    >>> reset_peak_memory("cpu")
    """
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
    elif sys.platform == "linux":
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_mib(device: str) -> float | None:
    """The most memory that this process has held: the accelerator's, or the main memory on a CPU.

    None where the system does not say.

    >>> (peak_memory_mib("cpu") or 1) > 0
    True
    """
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    if device == "mps" or sys.platform == "win32":
        return None
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        words = status.partition("VmHWM:")[2].split()
        return int(words[0]) / 1024 if words else None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # of its whole life, in bytes


def describe_environment(**details: Any) -> dict[str, Any]:
    """The versions and the machine that a run was made with; nothing that identifies a person.

    Args:
        details: Further entries.
    """
    import torch

    packages = ("cenet", "torch", "monai", "pytorch-lightning", "numpy", "scikit-image")
    return {
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in packages},
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        **details,
    }
