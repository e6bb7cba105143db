from __future__ import annotations

import pytest
import torch

from dreamscope.augmentation.keeping import Features, Pixels, ensure
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.probes import probe

PHOTO = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(0))


def test_texts() -> None:
    assert ensure("pixels:2") == Pixels(2)
    assert ensure("features:0.5") == Features(0.5)
    for bad in ("pixels", "pixel:1", 3):
        with pytest.raises(DreamscopeError, match="keep the photo"):
            ensure(bad)


def test_changed_pixels_cost_as_much_as_they_changed() -> None:
    cost = Pixels(3).penalty(PHOTO)
    assert cost(PHOTO).item() == 0
    gray = PHOTO.mean().expand_as(PHOTO)
    # All of its variance is lost.
    assert cost(gray).item() == pytest.approx(3)
    # A smaller octave is compared with the smaller photo.
    small = torch.nn.functional.interpolate(PHOTO, (8, 8), mode="bicubic", antialias=True)
    assert cost(small).item() < 0.02


def test_changed_features_cost_as_much_as_they_changed(planted: Classifier) -> None:
    objective = Features(2).objective(planted, PHOTO, "conv")
    with torch.no_grad(), probe(planted, ["conv"]) as seen:
        assert objective(seen(PHOTO)).item() == 0
        assert objective({"conv": 0 * seen(PHOTO)["conv"]}).item() == pytest.approx(-2)
