"""`cenet weights`: the one command that fetches anything."""

import re
from http.client import HTTPException
from pathlib import Path

from cenet.errors import CenetError
from cenet.networks.pretrained import OFFICIAL, cache_path, check_sha256


def download(encoder: str, *, address: str | None = None) -> Path:
    """Fetch torchvision's ImageNet weights of an encoder into the cache, checked before they get their name.

    Args:
        encoder: `resnet18` or `resnet34`.
        address: Elsewhere than the official address, such as a mirror; the checksum stays the same.

    Raises:
        CenetError: There is no way there, or the checksum is wrong; nothing is kept.
    """
    import torch.hub

    address = address or OFFICIAL[encoder]
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
            address, f"cannot be fetched ({reason})", f"fetch it elsewhere, and copy it to {target}"
        ) from error
    finally:
        for partial in target.parent.glob(f"{target.name}.*.partial"):  # what torch leaves behind on some errors
            partial.unlink()
    return target
