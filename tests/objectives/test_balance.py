from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address
from dreamscope.objectives import Each, Excite, Follow, Logit
from dreamscope.objectives.balance import balanced, parts_of

SUM = Excite((Address("a"), Address("b", weight=-0.5), Address("c")), "mean")


def of_ones() -> dict[str, Tensor]:
    return {name: torch.ones(2, 3, 4, 4) for name in "abc"}


def test_factors_bring_all_to_their_mean() -> None:
    sizes = torch.tensor([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]])
    # Image 0: all to 2, so 2/1, 2/2 and 2/3 of each; image 1: as it is.
    assert balanced(SUM, sizes)(of_ones()).tolist() == pytest.approx([2 - 0.5 + 2 / 3, 1 - 0.5 + 1])


def test_an_address_without_a_gradient_is_not_blown_up() -> None:
    value = balanced(SUM, torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]))(of_ones())
    assert value[0] == pytest.approx(1.5)
    assert torch.isfinite(value).all()


def test_an_objective_for_each_image() -> None:
    other = Excite(tuple(Address(name) for name in "abc"), "mean")
    sizes = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    expected = [balanced(SUM, sizes[:1])(of_ones())[0], balanced(other, sizes[1:])(of_ones())[0]]
    assert balanced(Each((SUM, other)), sizes)(of_ones()).tolist() == pytest.approx([float(each) for each in expected])


def test_parts_have_no_weights_and_one_layer() -> None:
    assert [part.layers for part in parts_of(SUM)] == [["a"], ["b"], ["c"]]
    assert [part(of_ones()).tolist() for part in parts_of(SUM)] == [[1, 1]] * 3
    assert [part(of_ones()).tolist() for part in parts_of(Each((SUM, SUM)))] == [[1, 1]] * 3
    guides = (torch.ones(1, 3, 1), 2 * torch.ones(1, 3, 1))
    follow = Follow((Address("a"), Address("b", weight=3.0)), guides)
    assert [part(of_ones())[0].item() for part in parts_of(follow)] == [48, 96]
    again = balanced(SUM, torch.ones(2, 3))
    assert [part(of_ones()).tolist() for part in parts_of(again)] == [[1, 1]] * 3


def test_other_objectives_are_refused() -> None:
    for other in (Logit(0), SUM + Logit(0), Each((SUM, Logit(0)))):
        with pytest.raises(DreamscopeError, match="balance weighs addresses against each other"):
            parts_of(other)
