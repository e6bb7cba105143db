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
