from __future__ import annotations

from pathlib import Path

import pytest
import torch
from nets import hooks_on

from dreamscope import images
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.images import Size
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.ascent import Step
from dreamscope.recipes import Recipe
from dreamscope.visualization.invert import invert


@pytest.fixture
def photo() -> torch.Tensor:
    return images.resize(images.read("sample:flower"), Size(32, 32)).clamp(0, 1)


@pytest.mark.parametrize("start", ["noise", "gray"])
@pytest.mark.parametrize("param", ["fourier", "pixel"])
def test_an_early_layer_gives_the_picture_back(vgg: Classifier, photo: torch.Tensor, param: str, start: str) -> None:
    (found,) = invert(vgg, photo, "features.0", steps=200, param=param, start=start, smooth=0.0)
    assert found.error < 0.01
    assert (found.image - photo).abs().mean() < 0.05
    assert hooks_on(vgg.module) == 0


def test_the_error_is_that_of_the_picture(vgg: Classifier, photo: torch.Tensor) -> None:
    (found,) = invert(vgg, photo, "features.3", steps=20)
    with torch.no_grad():
        wanted, seen = (vgg.module.features[:4](each) for each in (photo, found.image))
    assert found.error == pytest.approx(float((seen - wanted).square().sum() / wanted.square().sum()), rel=1e-3)
    assert found.values[-1] > found.values[0]


def test_several_layers_in_the_order_given(vgg: Classifier, photo: torch.Tensor) -> None:
    steps: list[Step] = []
    found = invert(vgg, photo, ["features.3", "features.0"], steps=5, report=steps.append)
    assert [str(each.address) for each in found] == ["features.3", "features.0"]
    assert [(step.number, step.total) for step in steps] == [(n, 10) for n in range(1, 11)]
    assert torch.equal(found[0].original, photo)
    (alone,) = invert(vgg, photo, "features.0", steps=5)
    assert torch.equal(alone.image, found[1].image)


def test_where_the_network_dreams_if_nothing_is_said(vgg: Classifier, photo: torch.Tensor) -> None:
    (found,) = invert(vgg, photo, steps=1)
    assert str(found.address) == vgg.default_address


def test_the_recipe_makes_it_again(vgg: Classifier, tmp_path: Path) -> None:
    path = images.write(torch.rand((1, 3, 40, 48), generator=torch.Generator().manual_seed(0)), tmp_path / "p.png")
    (found,) = invert(vgg, path, "features.3", steps=4, seed=2, size="40x32")
    kept = Recipe.read(found.save(tmp_path / "a.png"))
    assert kept.command == "invert"
    (again,) = invert(vgg, path, **kept.parameters)
    assert torch.equal(found.image, again.image)
    assert found.image.shape == (1, 3, 32, 40)


def test_ctrl_c_keeps_what_there_is(vgg: Classifier, photo: torch.Tensor) -> None:
    def stop(step: Step) -> None:
        if step.number == 7:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        invert(vgg, photo, ["features.0", "features.3"], steps=5, report=stop)
    assert [len(each.values) for each in caught.value.result] == [5, 2]
    assert hooks_on(vgg.module) == 0


@pytest.mark.parametrize(
    ("at", "options", "message"),
    [
        ("features.9", {}, "no layer 'features.9'"),
        ("features.3@99,1", {}, "outside 'features.3'"),
        ("features.3", {"start": "grey"}, "no start 'grey'; there are noise, gray; did you mean 'gray'"),
        ("features.3", {"param": "pixels"}, "did you mean 'pixel'"),
        ("features.3", {"steps": 0}, "steps lies between"),
        ("features.3", {"rate": 0}, "rate more than 0"),
        ("features.3", {"smooth": -1}, "smooth is 0 or more"),
        ("features.3", {"seed": -1}, "seed lies between"),
    ],
)
def test_bad_input_is_refused(
    vgg: Classifier, photo: torch.Tensor, at: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(DreamscopeError, match=message):
        invert(vgg, photo, at, **options)  # type: ignore[arg-type]


def test_nothing_to_go_by(vgg: Classifier, photo: torch.Tensor) -> None:
    with torch.no_grad():
        vgg.module.features[3].bias[4] = -1e6
    with pytest.raises(DreamscopeError, match=r"'features.4:4' is silent for this picture"):
        invert(vgg, photo, "features.4:4")
    with pytest.raises(DreamscopeError, match="one picture is inverted at a time, not 2"):
        invert(vgg, torch.cat([photo, photo]), "features.3")
