from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from nets import hooks_on
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.erase import Erase
from dreamscope.probes import probe

# Read the sum of two channels, take it from the first of them.
ONE = Erase("a:0,2", [1.0, 0.0], [1.0, 1.0])


def test_by_hand() -> None:
    before = torch.tensor([[3.0, 5.0, 4.0]])
    assert ONE(before).tolist() == [[-4, 5, 4]]
    assert Erase("a:0,2", [1.0, 0.0], [1.0, 1.0], [0.5, 1.0])(before).tolist() == [[-2.5, 5, 4]]
    # Half of it is left where what is removed reads as one half.
    assert Erase("a:0,2", [0.5, 0.0], [1.0, 1.0])(before).tolist() == [[-0.5, 5, 4]]
    assert before.tolist() == [[3, 5, 4]]


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 5), (2, 6, 3, 4)])
def test_at_each_position_as_the_formula_says(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    remove, read = torch.randn((6, 2), generator=generator), torch.randn((2, 6), generator=generator)
    center, x = torch.randn(6, generator=generator), torch.randn(shape, generator=generator)
    edit = Erase("a", remove, read, center)
    assert edit.count == 2
    by_position = x.movedim(1, -1)
    expected = by_position - (by_position - center) @ read.T @ remove.T
    assert torch.allclose(edit(x), expected.movedim(-1, 1), atol=1e-5)


def test_a_projection_leaves_nothing_to_read_and_is_done_once() -> None:
    generator = torch.Generator().manual_seed(0)
    read = torch.randn((2, 6), generator=generator)
    x = torch.randn((3, 6, 4, 4), generator=generator)
    center = x.mean((0, 2, 3))
    edit = Erase("a", torch.linalg.pinv(read), read, center)
    after = edit(x)
    left = torch.einsum("kc,nchw->nkhw", read, after) - (read @ center).view(2, 1, 1)
    assert left.abs().max() < 1e-5
    assert torch.allclose(edit(after), after, atol=1e-5)
    assert torch.allclose(after.mean((0, 2, 3)), center, atol=1e-5)


def test_at_one_position() -> None:
    before = torch.ones(1, 3, 2, 2)
    after = Erase("a:0,2@1,0", [1.0, 0.0], [1.0, 1.0])(before)
    assert (after != before).nonzero().tolist() == [[0, 0, 1, 0]]
    assert after[0, 0, 1, 0] == -1


def test_in_a_network(vgg: Classifier, image: Tensor) -> None:
    direction = torch.zeros(12)
    direction[3] = 1
    with torch.no_grad():
        expected = vgg.edited(Ablation("features.4:3"))(image)
        edited = vgg.edited(Erase("features.4", direction, direction))
        assert torch.allclose(edited(image), expected, atol=1e-6)
        with probe(edited, "features.4") as seen:
            assert (seen(image)["features.4"][:, 3] == 0).all()
    assert hooks_on(vgg.module) == 0
    with pytest.raises(DreamscopeError, match=r"each direction has 12 channels, but 'features\.1' names 8$"):
        vgg.edited(Erase("features.1", direction, direction))


def test_a_recipe_holds_several_directions_of_a_wide_layer() -> None:
    edit = Erase("a", torch.zeros(2048, 8), torch.zeros(8, 2048), torch.zeros(2048))
    assert Erase.from_dict(edit.to_dict()) == edit
    assert Erase("a", [1.0], [1.0]).to_dict()["center"] is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Erase("a", torch.zeros(3, 2), torch.zeros(3, 2)),
            r"remove is \(c, k\) and read \(k, c\), not \(3, 2\)",
        ),
        (lambda: Erase("a", torch.zeros(3, 0), torch.zeros(0, 3)), r"remove is \(c, k\)"),
        (lambda: Erase("a", torch.zeros(3, 2, 1), torch.zeros(2, 3)), r"remove is \(c, k\)"),
        (lambda: Erase("a", [1.0, 2.0], [1.0, 2.0], [1.0]), r"the center is \(2,\)"),
        (lambda: Erase("a", "up", [1.0]), "what is removed is a tensor or numbers, not str"),
        (lambda: Erase("a", [1.0], [1.0])(torch.zeros(1, 2)), "'a' is 2 channels here, not 1"),
    ],
)
def test_invalid(make: Callable[[], object], message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        make()
