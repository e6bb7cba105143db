from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address
from dreamscope.objectives import Direction, Diversity, Follow, Match, Similar
from dreamscope.objectives.likeness import _resized

MAPS = {"a": torch.randn((2, 5, 3, 4), generator=torch.Generator().manual_seed(0))}
FIRST = MAPS["a"][:1].flatten(2)
WHOLE = Address("a")


def test_following_takes_the_best_match_at_each_position() -> None:
    guide = torch.randn((1, 5, 7), generator=torch.Generator().manual_seed(1))
    features = MAPS["a"].flatten(2).clone().requires_grad_()
    value = Follow((Address("a", weight=2),), (guide,))({"a": features})
    by_hand = 2 * torch.einsum("ncp,cq->npq", features, guide[0]).amax(2).sum(1)
    assert torch.allclose(value, by_hand, atol=1e-5)
    (gradient,) = torch.autograd.grad(value.sum(), features)
    best = torch.einsum("cp,cq->pq", features[0], guide[0]).argmax(1)
    assert torch.allclose(gradient[0], 2 * guide[0][:, best])


def test_a_direction_along_one_channel_is_that_channel() -> None:
    vector = torch.tensor([0.0, 0, 7, 0, 0])
    assert torch.allclose(Direction(WHOLE, vector)(MAPS), MAPS["a"][:, 2].mean((1, 2)))
    between = Direction(Address("a", (1, 3)), torch.tensor([1.0, -1.0]))(MAPS)
    by_hand = (MAPS["a"][:, 1] - MAPS["a"][:, 3]).mean((1, 2)) / 2**0.5
    assert torch.allclose(between, by_hand, atol=1e-6)


def test_the_best_match_is_the_picture_itself() -> None:
    values = Match(WHOLE, FIRST)(MAPS)
    assert values[0].item() == 0
    assert values[1].item() == pytest.approx(
        -float((MAPS["a"][1:].flatten(2) - FIRST).square().sum() / FIRST.square().sum())
    )
    twice = Match(WHOLE, FIRST)({"a": 2 * MAPS["a"]})
    assert twice[0].item() == pytest.approx(-1)


def test_a_caricature_grows_the_same_way() -> None:
    similar = Similar(WHOLE, MAPS["a"][:1])
    itself, twice, turned = (similar({"a": factor * MAPS["a"][:1]}).item() for factor in (1, 2, -1))
    assert itself == pytest.approx(float(FIRST.square().sum(1).mean()), rel=1e-5)
    assert twice == pytest.approx(2 * itself, rel=1e-5)
    assert turned < 0


@pytest.mark.parametrize("size", [(20, 20), (14, 28), (40, 31)])
def test_a_map_of_another_size_is_resized_in_two_dimensions(size: tuple[int, int]) -> None:
    rows, columns = torch.meshgrid(torch.linspace(0, 3, 28), torch.linspace(0, 5, 28), indexing="ij")
    waves = torch.stack([rows.sin(), columns.cos(), (rows + columns).sin()])[None]
    true = F.interpolate(waves, size, mode="bicubic", antialias=True)
    found = _resized(waves, torch.zeros(2, 3, *size))
    both = torch.stack([found.flatten(), true.flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.99
    # What a caricature climbs is at its best where the map looks the same at its size.
    similar = Similar(WHOLE, waves)
    assert similar({"a": true}).item() > 1.5 * similar({"a": true.flip(2)}).item()


def test_tokens_are_resized_as_the_square_that_they_form() -> None:
    grid = torch.arange(16.0).view(1, 1, 4, 4)
    tokens = torch.cat([torch.full((1, 1, 1), 99.0), grid.flatten(2)], 2)
    found = _resized(tokens, torch.zeros(3, 1, 1 + 64))
    assert found.shape == (1, 1, 65)
    assert found[0, 0, 0] == 99
    expected = F.interpolate(grid, (8, 8), mode="bilinear", align_corners=False)
    assert torch.allclose(found[..., 1:].view(1, 1, 8, 8), expected)
    with pytest.raises(DreamscopeError, match="8 tokens can't be resized to 3"):
        _resized(torch.zeros(1, 1, 8), torch.zeros(1, 1, 3))


def test_matching_several_pictures_each_by_itself() -> None:
    both = Match(WHOLE, MAPS["a"].flatten(2))({"a": 2 * MAPS["a"]})
    assert both.tolist() == pytest.approx([-1, -1])


def test_diversity_of_the_same_and_of_strangers() -> None:
    same = {"a": MAPS["a"][:1].repeat(3, 1, 1, 1)}
    assert torch.allclose(Diversity("a")(same), torch.tensor(-1.0).expand(3))
    apart = torch.zeros(2, 4, 2, 2)
    apart[0, :2], apart[1, 2:] = 1, 1
    assert torch.allclose(Diversity("a")({"a": apart}), torch.zeros(2))
    assert Diversity("a")({"a": MAPS["a"][:1]}).item() == pytest.approx(0, abs=1e-6)
