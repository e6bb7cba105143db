from __future__ import annotations

import pytest
import torch

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Each, Excite, Logit, Objective, Sum, ensure
from dreamscope.probes import LOGITS, probe

MAPS = {
    "a": torch.randn((2, 5, 3, 4), generator=torch.Generator().manual_seed(0)),
    "b": torch.ones(2, 5),
    LOGITS: torch.randn(2, 7),
}


def channel(number: int) -> Objective:
    return Excite((Address("a", (number,)),), "mean")


A, B = channel(1), Logit(3)


def test_algebra() -> None:
    assert A + B - B == A
    assert 2 * A - A == A
    assert (A + B) * 0.5 == A / 2 + 0.5 * B
    assert Sum(((1.0, A), (1.0, B))) == A + B
    assert -(A - B) == -1 * A + B
    assert hash(A + B) == hash(A + B)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (2.0, -0.5), (-3.0, 0.25)])
def test_values_follow_the_algebra(weights: tuple[float, float]) -> None:
    first, second = weights
    mixed = first * A + second * B
    assert torch.allclose(mixed(MAPS), first * A(MAPS) + second * B(MAPS))
    assert set(mixed.layers) == {"a", LOGITS}


def test_sums_and_constants() -> None:
    assert sum([A, B]) == A + B
    assert 0 * A + B == B
    assert A - A + B == B
    assert A + 1 - 1 == A
    assert 1 - A == -A + 1
    assert 2 * (A + 1) == 2 * A + 2
    assert hash(A + 1) == hash(1 + A)
    assert torch.allclose((1 - 2 * A)(MAPS), 1 - 2 * A(MAPS))
    assert torch.equal((A + 3)(MAPS), A(MAPS) + 3)
    with pytest.raises(TypeError):
        A + "b"  # type: ignore[operator]


def test_nothing_left() -> None:
    nothing = A - A
    assert nothing.layers == []
    with pytest.raises(DreamscopeError, match="cancel out"):
        nothing(MAPS)


def test_any_function_is_one() -> None:
    own = Objective.of(lambda seen: seen["a"].amax((1, 2, 3)), layers=["a"])
    assert list((own + B).layers) == ["a", LOGITS]
    assert torch.allclose((2 * own - 1)(MAPS), 2 * MAPS["a"].flatten(1).amax(1) - 1)
    assert own - own + B == B
    assert ensure(own) is own


def test_what_is_no_objective() -> None:
    for bad in (lambda seen: seen["a"], "features.28", 3):
        with pytest.raises(DreamscopeError, match="a function with its layers"):
            ensure(bad)
    for wrong, message in (
        (lambda seen: seen["a"].mean(), r"shape \(2,\), not shape \(\)"),
        (lambda _seen: 3.0, "not float"),
    ):
        with pytest.raises(DreamscopeError, match=message):
            Objective.of(wrong, layers="a")(MAPS)


def test_two_of_one_class_are_the_same_and_two_kinds_are_not() -> None:
    assert channel(1) == channel(1)
    assert Logit(3) != Logit(2)
    assert 1 * channel(1) + channel(1) == 2 * channel(1)


def test_logits_are_recorded_beside_layers(vgg: Classifier, image: torch.Tensor) -> None:
    with probe(vgg, [LOGITS, "features.3"]) as seen:
        seen(image)
        assert torch.allclose(seen[LOGITS], vgg.logits(image))
        assert seen["features.3"].shape[1] == 12
        assert Logit(2)(seen).shape == (1,)


def test_each_image_has_its_own() -> None:
    objectives_ = (Excite((Address("a", (1,)),), "mean"), Excite((Address("a", (2,)), Address("b")), "norm"))
    both = Each(objectives_)
    assert both.layers == ["a", "a", "b"]
    for index, objective in enumerate(objectives_):
        assert both(MAPS)[index] == objective({name: value[index : index + 1] for name, value in MAPS.items()})
    with pytest.raises(DreamscopeError, match="2 objectives need as many images, not 1"):
        both({name: value[:1] for name, value in MAPS.items()})
