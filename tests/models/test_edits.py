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


def test_noise_keeps_mean_and_spread_and_is_the_same_each_time() -> None:
    generator = torch.Generator().manual_seed(3)
    before = torch.randn((2, 3, 60, 60), generator=generator) * torch.tensor([1.0, 5.0, 0.0]).view(3, 1, 1) + 7
    edit = Ablation("a:1,2", how="noise")
    after = edit(before)
    assert torch.equal(after, edit(before))
    assert torch.equal(after[1:], edit(before[1:]))
    assert torch.equal(after[:, 0], before[:, 0])
    assert torch.allclose(after[:, 1].mean((1, 2)), before[:, 1].mean((1, 2)), atol=0.3)
    assert torch.allclose(after[:, 1].std((1, 2)), before[:, 1].std((1, 2)), rtol=0.05)
    assert abs(torch.corrcoef(torch.stack([after[0, 1].flatten(), before[0, 1].flatten()]))[0, 1]) < 0.1
    # A constant channel has no spread.
    assert torch.allclose(after[:, 2], before[:, 2])


def test_noise_follows_the_precision_and_leaves_the_random_state() -> None:
    state = torch.get_rng_state()
    assert Ablation("a", how="noise")(torch.rand(1, 2, 4, dtype=torch.float64)).dtype == torch.float64
    torch.set_rng_state(state)
    Ablation("a", how="noise")(activation())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("how", ["mean", "noise"])
def test_without_positions_a_channel_is_its_own_mean(how: str) -> None:
    vector = torch.tensor([[1.0, 2.0, 3.0]])
    assert torch.equal(Ablation("a", how=how)(vector), vector)
    assert torch.equal(Ablation("a:1@0,1", how=how)(activation()), activation())
    assert torch.equal(Ablation("a", how=how)(vector[:, :, None, None]), vector[:, :, None, None])


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


@pytest.mark.parametrize("how", ["", "zeros", "scale", "scale:x", "zero:1", "mean:2", "noise:1"])
def test_unknown_ways(how: str) -> None:
    with pytest.raises(DreamscopeError, match="no way to ablate; there are zero, mean, noise and scale:X"):
        Ablation("a", how=how)


def test_values_compare_and_survive_as_text() -> None:
    edit = Ablation("a:1,2@3,4", how="scale:0.5")
    assert Ablation.from_dict(edit.to_dict()) == edit
    assert edit != Ablation("a:1,2@3,4")
    assert len({edit, Ablation("a:1,2@3,4", "scale:0.5")}) == 1
