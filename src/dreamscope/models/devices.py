"""Devices: which there are, and which to use."""

from __future__ import annotations

import torch

from dreamscope.errors import DreamscopeError


def available() -> list[str]:
    """Return the devices that this machine and this PyTorch have, the fastest first."""
    found = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose(name: str | None = None) -> torch.device:
    """Return the device of that name, or the fastest one for ``None`` and ``auto``.

    Raises
    ------
    DreamscopeError
        If there is no such device here.
    """
    here = available()
    if name is None or name == "auto":
        return torch.device(here[0])
    if name not in here and f"{name}:0" not in here:
        raise DreamscopeError(f"no device '{name}' here; there are {', '.join(here)}")
    return torch.device(name)


def synchronize(device: torch.device) -> None:
    """Wait until a device has done all that it was given: before a clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
