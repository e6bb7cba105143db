"""Where other people's weights come from, and where they are kept here."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import torch


def folders() -> dict[str, Path]:
    """Return where torchvision's and timm's downloads are kept."""
    from huggingface_hub import constants

    return {
        "torchvision": Path(torch.hub.get_dir()) / "checkpoints",
        "timm": Path(constants.HF_HUB_CACHE),
    }


def reachable(address: str) -> bool:
    """Return whether a server responds, asked once: the libraries' own downloaders retry for a minute, and print."""
    try:
        request = urllib.request.Request(address, method="HEAD")
        with urllib.request.urlopen(request, timeout=10):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def timm_address() -> str:
    """Return where timm's weights are fetched from."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def cached_by_timm(repository: str | None) -> bool:
    """Return whether the weights of a timm repository are on this machine."""
    from huggingface_hub import try_to_load_from_cache

    files = ("model.safetensors", "pytorch_model.bin")
    return repository is not None and any(isinstance(try_to_load_from_cache(repository, f), str) for f in files)
