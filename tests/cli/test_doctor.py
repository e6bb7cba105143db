from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch


@pytest.mark.embedded
def test_doctor(run: Callable) -> None:
    printed = json.loads(run("doctor", "--json").out)
    assert printed["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert "cpu" in printed["devices"]
    assert printed["models that need no network"] == {"efficientnet_lite0": "ok", "oxford_vgg19": "ok"}
    assert set(printed["caches"]) == {"dreamscope", "torchvision", "timm"}
    assert "efficientnet_lite0 ok" in run("doctor").out
