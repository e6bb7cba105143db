from __future__ import annotations

import copy

import pytest
import torch
from nets import Linear, Residual, hooks_on, seeded
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.registry import load
from dreamscope.models.wrapping import wrap


def test_the_callers_module_stays_as_it_was(image: Tensor) -> None:
    module = Residual().train()
    module.register_forward_hook(lambda *_: None)
    module.double()
    before = copy.deepcopy(module.state_dict())
    model = wrap(module)
    model(image)
    assert module.training
    assert all(part.training for part in module.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in module.parameters())
    assert hooks_on(module) == 1
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    assert next(module.parameters()).dtype == torch.float64


def test_a_later_change_of_the_module_does_not_reach_the_classifier(image: Tensor) -> None:
    module = seeded(Linear())
    model = wrap(module)
    before = model(image)
    with torch.no_grad():
        module.conv.weight.zero_()
    assert torch.equal(model(image), before)


def test_tensors_inside_a_graph_can_be_copied(image: Tensor) -> None:
    module = seeded(Linear())
    module.cached = module.conv.weight * 2  # what the old weight_norm leaves behind
    assert wrap(module)(image).shape == (1, 4, 40, 48)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": (0, 0)}, "three numbers"),
        ({"std": (1, 0, 1)}, "std above 0"),
        ({"input_size": 0}, "input size"),
        ({"input_size": (1, 2, 3)}, "input size"),
    ],
)
def test_wrap_refuses_senseless_numbers(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        wrap(Linear(), **arguments)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_wrap_refuses_what_it_cannot_look_into() -> None:
    with pytest.raises(DreamscopeError, match="not of str"):
        wrap("vgg19")  # type: ignore[arg-type]
    with pytest.raises(DreamscopeError, match="hides its layers"):
        wrap(torch.jit.trace(Linear(), torch.rand(1, 3, 8, 8)))


def test_wrapping_twice_is_once(vgg: Classifier) -> None:
    assert wrap(vgg) is vgg


def test_what_is_given_counts_for_a_classifier_too(vgg: Classifier, image: Tensor) -> None:
    other = wrap(vgg, name="mine", labels=list("vwxyz"), mean=(0.5,) * 3, input_size=(40, 48))
    assert (other.name, other.labels, other.input_size) == ("mine", tuple("vwxyz"), (40, 48))
    assert torch.equal(other(image), vgg(image - 0.5))
    assert other.layers["features.3"].grid == (20, 24)
    assert (vgg.name, vgg.labels, vgg.input_size) == ("Vgg", tuple("abcde"), (32, 32))
    assert next(other.module.parameters()) is next(vgg.module.parameters())
    edited = wrap(vgg.edited(Ablation("features.3")), labels=list("vwxyz"))
    assert torch.allclose(edited(image), vgg.module.classifier.bias.expand(1, -1))
    with pytest.raises(DreamscopeError, match="std above 0"):
        wrap(vgg, std=(0, 0, 0))


def test_a_recipe_says_what_was_given() -> None:
    model = load("squeezenet1_1", weights="none")
    again = wrap(model, labels=["a", "b"], input_size=64).source
    assert again == {"name": "squeezenet1_1", "weights": "none", "labels": ["a", "b"], "input_size": 64}
    assert wrap(model, crop=0.5).source == {}
