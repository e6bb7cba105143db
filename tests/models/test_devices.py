from __future__ import annotations

import pytest
import torch

from dreamscope.errors import DreamscopeError
from dreamscope.models import devices


def test_the_processor_is_always_there() -> None:
    assert devices.available()[-1] == "cpu"
    assert devices.choose("cpu") == torch.device("cpu")
    assert str(devices.choose("auto")) == str(devices.choose()) == devices.available()[0]


def test_unknown_devices() -> None:
    with pytest.raises(DreamscopeError, match="no device 'abacus' here; there are"):
        devices.choose("abacus")


@pytest.mark.parametrize("kind", ["cpu", "cuda", "mps"])
def test_a_clock_waits_for_the_device(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: waited.append(device.type))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    devices.synchronize(torch.device(kind))
    assert waited == ([] if kind == "cpu" else [kind])
