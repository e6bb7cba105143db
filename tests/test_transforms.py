from __future__ import annotations

import torch

from dreamscope.transforms import Shift


def test_shift_moves_around_the_edges_and_back_in_the_gradient() -> None:
    picture = torch.rand((1, 3, 12, 16), requires_grad=True)
    shift = Shift(5)
    moved = shift(picture, torch.Generator().manual_seed(0))
    assert not torch.equal(moved, picture)
    assert torch.equal(moved.sort().values.sum(), picture.sort().values.sum()) or torch.isclose(
        moved.sum(), picture.sum()
    )
    weight = torch.rand(1, 3, 12, 16)
    (gradient,) = torch.autograd.grad((moved * weight).sum(), picture)
    down, right = torch.randint(-5, 6, (2,), generator=torch.Generator().manual_seed(0)).tolist()
    assert torch.equal(gradient, weight.roll((-down, -right), (2, 3)))


def test_shift_stays_within_its_pixels_and_is_drawn_anew() -> None:
    picture = torch.zeros(1, 3, 41, 41)
    picture[..., 20, 20] = 1
    generator = torch.Generator().manual_seed(0)
    places = {tuple(Shift(2)(picture, generator)[0, 0].nonzero()[0].tolist()) for _ in range(200)}
    assert places == {(20 + r, 20 + c) for r in range(-2, 3) for c in range(-2, 3)}
