"""Where an encoder's first weights come from. Nothing is fetched here, and nothing falls back to random."""

import hashlib
import os
import warnings
from importlib import resources
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cenet.errors import CenetError

OFFICIAL = {
    "resnet18": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    "resnet34": "https://download.pytorch.org/models/resnet34-b627a593.pth",
}
"""torchvision's ImageNet files; the first eight digits of each SHA-256 are in its name."""


def cache_path(encoder: str) -> Path:
    """Where `cenet weights imagenet` keeps an encoder's file; `CENET_CACHE` overrides the folder.

    >>> cache_path("resnet34").name
    'resnet34-b627a593.pth'
    """
    folder = os.environ.get("CENET_CACHE") or Path.home() / ".cache" / "cenet"
    return Path(folder) / Path(OFFICIAL[encoder]).name


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors`, or of a PyTorch file, without running any code that it may hold.

    Raises:
        CenetError: The file is missing, torn, holds anything but tensors, or would run code.
    """
    if not path.is_file():
        raise CenetError(path, "there is no such file", "check the path")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # the one sentence below says it all
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file fails in every way there is
        raise CenetError(
            path,
            "is torn, or holds more than tensors, which could run code",
            "copy it again, or save the network's state_dict alone",
        ) from error
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in tensors.items()
    ):
        raise CenetError(path, "holds no state_dict of tensors", "save the network's state_dict alone")
    return tensors


def load_encoder(encoder: nn.Module, *, name: str, source: str) -> str:
    """Fill an encoder with its first weights, strictly.

    A kernel for RGB meets another number of channels C as its mean over RGB, times 3/C, for every channel, so that
    the first convolution answers C equal channels as it answers three. Values per channel (the batch norm of the
    bundled encoder's input) become their mean.

    Args:
        encoder: The network's encoder, changed in place.
        name: Its name in `ENCODERS`.
        source: `bundled`, `imagenet`, `none`, or a file.

    Returns:
        What it started from, for the run's record.

    Raises:
        CenetError: A missing or corrupt file, or one that does not fit the encoder.
    """
    if source == "none":
        return "random weights"
    if source == "bundled":
        path = Path(str(resources.files("cenet.networks") / "bundled" / "resnet34-preact-imagenet.safetensors"))
    elif source == "imagenet":
        path = cache_path(name)
        if not path.exists():
            raise CenetError(
                path,
                f"torchvision's ImageNet weights of {name} are not here",
                (
                    f"fetch them once with `cenet weights imagenet --encoder {name}`, or use --encoder "
                    "resnet34-preact --encoder-weights bundled"
                ),
            )
        check_sha256(path)
    else:
        path = Path(source)
    tensors = {key: value for key, value in read_tensors(path).items() if not key.startswith("fc.")}
    wanted = encoder.state_dict()
    for key in [key for key in wanted if key.endswith("num_batches_tracked")]:
        tensors.setdefault(key, wanted[key])
    missing, extra = wanted.keys() - tensors.keys(), tensors.keys() - wanted.keys()
    if missing or extra:
        raise CenetError(
            path,
            (
                f"does not fit the encoder {name} ({len(missing)} tensors missing, {len(extra)} extra, such "
                f"as {sorted(missing or extra)[0]})"
            ),
            "choose the --encoder that the file was made for",
        )
    for key, value in wanted.items():
        given = _adapted(tensors[key].to(value.dtype), value.shape)
        if given.shape != value.shape:
            raise CenetError(
                path,
                f"{key} has the shape {list(given.shape)} where the encoder {name} needs {list(value.shape)}",
                "choose the --encoder that the file was made for",
            )
        value.copy_(given)
    return f"{source if source in ('bundled', 'imagenet') else 'file'}: {path.name}, SHA-256 {sha256(path)[:16]}"


def _adapted(tensor: Tensor, shape: torch.Size) -> Tensor:
    if tensor.ndim == 4 and tensor.shape[1] == 3 and shape[1] != 3:
        return tensor.mean(dim=1, keepdim=True).expand(-1, shape[1], -1, -1) * (3 / shape[1])
    if tensor.shape == (3,) and shape != (3,):
        return tensor.mean().expand(shape)
    return tensor


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path) -> None:
    """Refuse a file whose SHA-256 does not begin with the digits in its name, as torchvision names its files.

    Raises:
        CenetError: The digits differ.
    """
    if not sha256(path).startswith(path.stem.rpartition("-")[2]):
        raise CenetError(path, "the checksum is wrong, the file is torn or altered", "delete it and fetch it again")
