"""An encoder's pretrained weights: bundled, downloaded to the cache, or in a file; never silently random.

Only `download_weights` uses the network, and only `cenet weights` calls it.
"""

import hashlib
import os
import re
import warnings
from http.client import HTTPException
from importlib import resources
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cenet.errors import CenetError
from cenet.networks.efficientnet_lite import rename_port_tensors

TORCHVISION_URLS = {
    "resnet18": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    "resnet34": "https://download.pytorch.org/models/resnet34-b627a593.pth",
}
"""torchvision's ImageNet files; the first eight digits of each SHA-256 are in its name."""

BUNDLED_SHA256 = {
    "resnet34-preact": "534d80907d2ce5ef",
    "efficientnet-lite0": "3ee19dbcde8e9208",
}
"""The first digits of the SHA-256 of each `bundled/ENCODER-imagenet.safetensors`."""


def cache_path(encoder: str) -> Path:
    """Where `cenet weights imagenet` keeps an encoder's file; `CENET_CACHE` overrides the folder.

    >>> cache_path("resnet34").name
    'resnet34-b627a593.pth'
    """
    folder = os.environ.get("CENET_CACHE") or Path.home() / ".cache" / "cenet"
    return Path(folder) / Path(TORCHVISION_URLS[encoder]).name


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors`, or of a PyTorch file, without running any code that it may hold.

    Raises:
        CenetError: The file is missing, corrupted, holds anything but tensors, or would run code.
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
            "is corrupted, or holds more than tensors, which could run code",
            "copy it again, or save the network's state_dict alone",
        ) from error
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in tensors.items()
    ):
        raise CenetError(path, "holds no state_dict of tensors", "save the network's state_dict alone")
    return tensors


def load_encoder(encoder: nn.Module, *, name: str, source: str) -> str:
    """Fill an encoder with its first weights, strictly.

    For C channels other than RGB, a kernel becomes its mean over RGB, times 3/C, for every channel, so that the first
    convolution gives for C equal channels what it gives for three. Values per channel (the batch norm of the
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
        path = _find_bundled(name)
    elif source == "imagenet":
        path = cache_path(name)
        if not path.exists():
            raise CenetError(
                path,
                f"torchvision's ImageNet weights of {name} are not here",
                (
                    f"download them once with `cenet weights imagenet --encoder {name}`, or use --encoder "
                    "resnet34-preact --encoder-weights bundled"
                ),
            )
        check_sha256(path)
    else:
        path = Path(source)
    tensors = {key: value for key, value in read_tensors(path).items() if not key.startswith("fc.")}
    if "_conv_stem.weight" in tensors:
        tensors = rename_port_tensors(tensors)
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
        tensor = _adapt_channels(tensors[key].to(value.dtype), value.shape)
        if tensor.shape != value.shape:
            raise CenetError(
                path,
                f"{key} has the shape {list(tensor.shape)} where the encoder {name} needs {list(value.shape)}",
                "choose the --encoder that the file was made for",
            )
        value.copy_(tensor)
    return f"{source if source in ('bundled', 'imagenet') else 'file'}: {path.name}, SHA-256 {sha256(path)[:16]}"


def _find_bundled(encoder: str) -> Path:
    """The encoder's file in the package, checked.

    Raises:
        CenetError: The installed file is corrupted.
    """
    path = Path(str(resources.files("cenet.networks") / "bundled" / f"{encoder}-imagenet.safetensors"))
    if not sha256(path).startswith(BUNDLED_SHA256[encoder]):
        raise CenetError(path, "the checksum is wrong, the file is corrupted or altered", "install cenet again")
    return path


def _adapt_channels(tensor: Tensor, shape: torch.Size) -> Tensor:
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
        raise CenetError(
            path, "the checksum is wrong, the file is corrupted or altered", "delete it and download it again"
        )


def download_weights(encoder: str, *, address: str | None = None) -> Path:
    """Download torchvision's ImageNet weights of an encoder into the cache, checked before they get their name.

    Args:
        encoder: `resnet18` or `resnet34`.
        address: A mirror, in place of the official address; the checksum stays the same.

    Raises:
        CenetError: The address cannot be reached, or the checksum is wrong; nothing is kept.

    Returns:
        The file in the cache.
    """
    import torch.hub

    address = address or TORCHVISION_URLS[encoder]
    if not re.match(r"https?://[\w.-]+(:\d+)?/", address):
        raise CenetError(f"--from {address}", "is no web address", "it begins with https://")
    target = cache_path(encoder)
    if target.exists():
        check_sha256(target)
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(target), hash_prefix=target.stem.rpartition("-")[2])
    except RuntimeError as error:
        raise CenetError(
            address, "the checksum is wrong and nothing was kept", "try again, or another --from"
        ) from error
    except (OSError, HTTPException, ValueError) as error:
        reason = " ".join(str(getattr(error, "reason", None) or error).split())
        raise CenetError(
            address, f"cannot be downloaded ({reason})", f"download it elsewhere, and copy it to {target}"
        ) from error
    finally:
        for partial in target.parent.glob(f"{target.name}.*.partial"):  # what torch leaves behind on some errors
            partial.unlink()
    return target
