from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from nets import hooks_on

from dreamscope import images
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.images import Size
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.ascent import Step
from dreamscope.optimize.cppn import CPPN
from dreamscope.optimize.parameterizations import Fourier, Pixel
from dreamscope.recipes import Recipe
from dreamscope.visualization import invert as inverting
from dreamscope.visualization.invert import invert


@pytest.fixture
def photo() -> torch.Tensor:
    return images.resize(images.read("sample:flower"), Size(32, 32)).clamp(0, 1)


@pytest.mark.parametrize("initial", ["noise", "gray"])
@pytest.mark.parametrize("kind", ["fourier", "pixel"])
def test_an_early_layer_gives_the_picture_back(vgg: Classifier, photo: torch.Tensor, kind: str, initial: str) -> None:
    (found,) = invert(vgg, photo, "features.0", steps=200, parameterization=kind, initial=initial, smooth=0.0)
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
    found = invert(vgg, photo, ["features.3", "features.0"], steps=5, callback=steps.append)
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
        invert(vgg, photo, ["features.0", "features.3"], steps=5, callback=stop)
    assert [len(each.values) for each in caught.value.result] == [5, 2]
    assert hooks_on(vgg.module) == 0


@pytest.mark.parametrize(
    ("at", "options", "message"),
    [
        ("features.9", {}, "no layer 'features.9'"),
        ("features.3@99,1", {}, "outside 'features.3'"),
        ("features.3", {"initial": "grey"}, "no initial image 'grey'; there are noise, gray; did you mean 'gray'"),
        ("features.3", {"parameterization": "pixels"}, "did you mean 'pixel'"),
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


def test_several_pictures_at_once(vgg: Classifier, photo: torch.Tensor, tmp_path: Path) -> None:
    (both,) = invert(vgg, [photo, photo.flip(3)], "features.0", steps=30)
    alone = [invert(vgg, each, "features.0", steps=30)[0] for each in (photo, photo.flip(3))]
    assert torch.allclose(both.image, torch.cat([each.image for each in alone]), atol=1e-3)
    assert both.error == pytest.approx(sum(each.error for each in alone) / 2, rel=1e-2)
    assert both._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(DreamscopeError, match="one file holds one picture, not 2"):
        both.save(tmp_path / "both.png")


def test_own_pieces(vgg: Classifier, photo: torch.Tensor) -> None:
    own = Pixel.of(torch.full_like(photo, 0.5))
    (found,) = invert(vgg, photo, "features.0", steps=60, parameterization=own, recipe=False)
    assert found.recipe is None
    assert torch.equal(found.image, own.image())
    (adamw,) = invert(
        vgg, photo, "features.0", steps=60, parameterization=Fourier.of, optimizer=partial(torch.optim.AdamW, lr=0.2),
        recipe=False,
    )  # fmt: skip
    assert max(found.error, adamw.error) < 0.2
    for options, message in (
        ({"parameterization": own}, "parameterization can't be written in a recipe"),
        ({"optimizer": torch.optim.AdamW}, "optimizer can't be written in a recipe"),
        ({"penalty": lambda x: x.mean((1, 2, 3))}, "penalty can't be written in a recipe"),
        ({"parameterization": own, "at": ["features.0", "features.3"]}, "climbed once, not at 2 addresses"),
        ({"parameterization": CPPN(16), "recipe": False}, r"of \(1, 3, 32, 32\) is needed"),
    ):
        with pytest.raises(DreamscopeError, match=message):
            invert(vgg, photo, **{"at": "features.0", "steps": 1, **options})


def test_ctrl_c_between_layers_keeps_what_is_done(
    vgg: Classifier, photo: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = inverting._begun, []

    def begun(*given: object) -> object:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(inverting, "_begun", begun)
    with pytest.raises(Interrupted, match="stopped after 1 of 2 addresses") as caught:
        invert(vgg, photo, ["features.0", "features.3"], steps=2)
    assert len(caught.value.result) == 1
