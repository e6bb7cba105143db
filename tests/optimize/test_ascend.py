from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from nets import Linear, hooks_on, seeded
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Objective
from dreamscope.optimize.ascend import ascend
from dreamscope.optimize.ascent import Step
from dreamscope.optimize.cppn import CPPN


def test_any_module_is_climbed_and_left_as_it_was() -> None:
    net, image = seeded(Linear()).train(), torch.full((1, 3, 8, 8), 0.5)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    brighter = Objective.of(lambda seen: seen["conv"][:, 2].mean((1, 2)), layers="conv")
    sgd = partial(torch.optim.SGD, lr=10.0)
    # The objective is linear in the picture: each step adds the same.
    end = ascend(net, image, brighter, steps=3, optimizer=sgd)
    expected = (0.5 + 3 * 10 * net.conv.weight[2].view(1, 3, 1, 1) / 64).clamp(0, 1)
    assert torch.allclose(end, expected.expand_as(end), atol=1e-6)
    assert torch.equal(image, torch.full((1, 3, 8, 8), 0.5))
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert net.training
    assert hooks_on(net) == 0


def test_an_address_a_function_and_a_cppn(vgg: Classifier) -> None:
    def centre(seen: Any) -> Tensor:
        return seen["features.3"][:, 4, 8:12, 8:12].mean((1, 2))

    centre.layers = ["features.3"]  # type: ignore[attr-defined]
    for objective in ("features.3:4", centre, 2 * Objective.of(centre, "features.3") - 1):
        steps: list[Step] = []
        cppn = CPPN(40, width=6, depth=3)
        end = ascend(vgg, cppn, objective, steps=8, callback=steps.append)
        assert steps[-1].value > steps[0].value
        assert end.shape == (1, 3, 40, 40)
        assert torch.equal(end, cppn.image())


def test_own_transforms_and_penalties(vgg: Classifier, image: Tensor) -> None:
    seen: list[Tensor] = []

    def darker(images: Tensor) -> Tensor:
        seen.append(images)
        return images / 2

    end = ascend(
        vgg,
        image,
        "features.3:4",
        steps=3,
        transform=["shift:4", darker],
        crops=2,
        penalty=[lambda x: x.mean((1, 2, 3))],
    )
    assert len(seen) == 6
    assert not torch.equal(end, image)


def test_several_photos_at_once(vgg: Classifier, image: Tensor) -> None:
    both = ascend(vgg, [image, 1 - image], "features.3:4", steps=3)
    assert torch.allclose(both[1:], ascend(vgg, 1 - image, "features.3:4", steps=3), atol=1e-5)


def test_ctrl_c_keeps_the_picture(vgg: Classifier, image: Tensor) -> None:
    def stop(step: Step) -> None:
        if step.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="step 2 of 64") as caught:
        ascend(vgg, image, "features.3", callback=stop)
    assert not torch.equal(caught.value.result, image)


def test_a_bar_is_drawn(vgg: Classifier, image: Tensor, capsys: pytest.CaptureFixture[str]) -> None:
    ascend(vgg, image, "features.3", steps=2, progress=True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "features.99"}, "no layer"),
        ({"objective": lambda seen: seen}, "a function with its layers"),
        ({"steps": 0}, "steps and crops are 1 or more"),
        ({"transform": ["shift:x"]}, "no transform such as shift"),
        ({"transform": [3]}, "a function of images, not 3"),
        ({"transform": [lambda images: images.mean()]}, r"returns images \(1, 3, H, W\)"),
        ({"penalty": ["l3"]}, "no regularizer 'l3'"),
        ({"penalty": [3]}, "a penalty is"),
        ({"optimizer": "sgd"}, "no optimizer 'sgd'"),
        ({"seed": -1}, "seed lies between"),
        ({"image": torch.zeros(1, 1, 9, 9)}, "an image is"),
    ],
)
def test_refused(vgg: Classifier, image: Tensor, options: dict[str, Any], message: str) -> None:
    given = {"image": image, "objective": "features.3", **options}
    with pytest.raises(DreamscopeError, match=message):
        ascend(vgg, **given)
    assert hooks_on(vgg.module) == 0


def test_a_cppn_is_smooth_at_any_size_and_the_same_for_one_seed() -> None:
    small, large = CPPN("24x16", seed=3), CPPN("240x160", seed=3)
    assert small.image().shape == (1, 3, 16, 24)
    for each in (small, large):
        nn.init.normal_(each.colors.weight, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        shrunk = nn.functional.avg_pool2d(large.image(), 10)
        assert (shrunk - small.image()).abs().mean() < 0.05
    assert torch.equal(CPPN(16, seed=1).hidden[2].weight, CPPN(32, seed=1).hidden[2].weight)
    with pytest.raises(DreamscopeError, match="1 hidden layer of 1 channel or more"):
        CPPN(16, width=0)
