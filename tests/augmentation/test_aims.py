from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dreamscope import photos
from dreamscope.augmentation.aims import AIMS, aim, default_layers, features, layers_at
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.probes import probe


def sets(model: Classifier, coloured: Path) -> tuple[dict, dict]:
    return tuple(dict(features(model, ["act"], photos.find(coloured / name))) for name in ("red", "green"))


@pytest.mark.parametrize("name", ["direction", "head"])
def test_the_channels_of_both_colours_are_found(planted: Classifier, coloured: Path, name: str) -> None:
    red, green = sets(planted, coloured)
    (vector,) = aim(name, layers_at(planted, "act"), red, green).vectors
    assert vector[8] > 0 > vector[6]
    if name == "direction":
        # Blue is in neither, and the loud channels say nothing.
        assert vector[[0, 1, 2, 3, 4, 5, 7]].abs().max() < 0.2 * vector[[6, 8]].abs().min()


def test_an_aim_is_1_higher_where_the_other_kind_is(planted: Classifier, coloured: Path) -> None:
    red, green = sets(planted, coloured)
    objective = aim("direction", layers_at(planted, "act"), red, green).objective(planted)
    values = {}
    with torch.no_grad(), probe(planted, ["act"]) as seen:
        for name in ("red", "green"):
            found = []
            for _, batch in photos.Stream(photos.find(coloured / name), planted):
                seen(batch)
                found.append(objective(seen))
            values[name] = torch.cat(found).mean().item()
    assert values["red"] - values["green"] == pytest.approx(1, abs=1e-4)


def test_a_guide_is_followed(planted: Classifier, coloured: Path) -> None:
    red, green = sets(planted, coloured)
    found = aim("guide", layers_at(planted, "act"), red, green)
    with pytest.raises(DreamscopeError, match="give one"):
        found.objective(planted)
    guide = torch.zeros(1, 3, 16, 16)
    guide[:, 0] = 1
    objective = found.objective(planted, guide)
    # A little red: on gray channel 8 is silent.
    picture = torch.full((1, 3, 16, 16), 0.5)
    picture[:, 0] = 0.6
    picture.requires_grad_()
    with probe(planted, ["act"]) as seen:
        (slope,) = torch.autograd.grad(objective(seen(picture)).sum(), picture)
    assert slope[:, 0].min() > slope[:, 1:].max()


def test_the_layers(planted: Classifier) -> None:
    assert default_layers(planted) == ["act"]
    with pytest.raises(DreamscopeError, match="whole layers, not by 'act:8': give act"):
        layers_at(planted, "act:8")


def test_what_can_not_be_aimed_at(planted: Classifier, coloured: Path) -> None:
    red, green = sets(planted, coloured)
    with pytest.raises(DreamscopeError, match="did you mean 'head'"):
        aim("haed", layers_at(planted, "act"), red, green)
    for name in set(AIMS) - {"guide"}:
        with pytest.raises(DreamscopeError, match="the same to act"):
            aim(name, layers_at(planted, "act"), red, red)
