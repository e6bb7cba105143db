from __future__ import annotations

import pytest
import torch

from dreamscope.errors import DreamscopeError
from dreamscope.models.edits import Ablation


def activation() -> torch.Tensor:
    return torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).reshape(2, 3, 2, 2)


def test_zero_only_what_is_named() -> None:
    before = activation()
    after = Ablation("a:1")(before)
    assert (after[:, 1] == 0).all()
    assert torch.equal(after[:, [0, 2]], before[:, [0, 2]])
    assert torch.equal(before, activation())


def test_all_channels() -> None:
    assert (Ablation("a")(activation()) == 0).all()


def test_mean_keeps_the_mean_and_loses_the_place() -> None:
    after = Ablation("a:0", how="mean")(activation())
    assert torch.equal(after[0, 0], torch.full((2, 2), 1.5))


def test_scale() -> None:
    assert torch.equal(Ablation("a:2", how="scale:2.5")(activation())[:, 2], activation()[:, 2] * 2.5)


def test_one_position() -> None:
    after = Ablation("a:1@0,1")(activation())
    assert (after != activation()).nonzero().tolist() == [[0, 1, 0, 1], [1, 1, 0, 1]]


def test_a_position_among_tokens_counts_behind_the_class_token() -> None:
    tokens = torch.ones(1, 2, 5)
    assert (Ablation("a:0@1,0")(tokens) == 0).nonzero().tolist() == [[0, 0, 3]]


@pytest.mark.parametrize("text", ["a@2,0", "a@0,2"])
def test_a_position_outside(text: str) -> None:
    with pytest.raises(DreamscopeError, match="its map here has 2 rows and 2 columns"):
        Ablation(text)(activation())
    with pytest.raises(DreamscopeError, match="a vector without any"):
        Ablation(text)(torch.zeros(1, 3))


@pytest.mark.parametrize("how", ["", "zeros", "scale", "scale:x", "zero:1", "mean:2"])
def test_unknown_ways(how: str) -> None:
    with pytest.raises(DreamscopeError, match="no way to ablate"):
        Ablation("a", how=how)


def test_values_compare_and_survive_as_text() -> None:
    edit = Ablation("a:1,2@3,4", how="scale:0.5")
    assert Ablation.from_dict(edit.to_dict()) == edit
    assert edit != Ablation("a:1,2@3,4")
    assert len({edit, Ablation("a:1,2@3,4", "scale:0.5")}) == 1
