from __future__ import annotations

import json
from collections.abc import Callable


def test_models(run: Callable) -> None:
    printed = run("models").out
    assert printed.startswith("efficientnet_lite0  (1000 ImageNet classes")
    assert "needs no network" in printed
    groups = json.loads(run("models", "--json").out)
    assert groups["embedded"] == ["efficientnet_lite0", "oxford_vgg19"]
    assert len(groups["torchvision"]) > 50
    assert len(groups["timm"]) > 500
    assert run("models", "resnet1*").out.split() == ["resnet101", "resnet152", "resnet18"]
    assert run("models", "nothing*").code == 2
