from __future__ import annotations

import math

import pytest
import torch
from nets import Planted, Vgg, hooks_on, seeded
from torch import Tensor, nn

from dreamscope.attribution.base import Attribution, Case, Method
from dreamscope.attribution.gradients import Saliency
from dreamscope.attribution.metrics import faithfulness, rank_correlation, sanity
from dreamscope.attribution.result import heat_of
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.objectives.targets import targets


class Corner(nn.Module):
    """Class 1 is as likely as the upper left quarter is bright."""

    def forward(self, x: Tensor) -> Tensor:
        share = x[..., :8, :8].mean((1, 2, 3)).clamp(1e-6, 1 - 1e-6)
        return torch.stack([(1 - share).log(), share.log()], 1)


@pytest.fixture
def corner() -> Case:
    model = wrap(Corner(), input_size=16)
    picture = torch.full((1, 3, 16, 16), 0.0)
    picture[..., :8, :8] = 1
    return Case(model, picture, tuple(targets(model, ["class:1"])))


def test_areas_known_on_paper(corner: Case) -> None:
    right = torch.zeros(16, 16)
    right[:8, :8] = 1
    good, bad = faithfulness(corner, right, steps=16), faithfulness(corner, -right, steps=16)
    # Deletion in mean gray (a quarter of white): down from 1 to 0.25 over the first quarter, and there it stays.
    assert good.shares == tuple(step / 16 for step in range(17))
    assert good.deletion[0] == pytest.approx(1, abs=1e-4)
    assert good.deletion[4:] == pytest.approx([0.25] * 13)
    assert good.deletion_area == pytest.approx(0.25 * 0.625 + 0.75 * 0.25, abs=1e-3)
    assert bad.deletion_area == pytest.approx(0.75 + 0.25 * 0.625, abs=1e-3)
    assert good.insertion[4:] == pytest.approx([1.0] * 13, abs=1e-4)
    assert good.insertion_area > bad.insertion_area
    assert hooks_on(corner.model.module) == 0


def test_equal_values_go_in_no_order_of_their_own(corner: Case) -> None:
    flat = faithfulness(corner, torch.ones(16, 16), steps=8)
    # In reading order the white quarter would be gone after half of the pixels.
    assert flat.deletion[4] == pytest.approx(1 - 0.75 / 2, abs=0.1)


def test_a_channel_counts_by_its_share(corner: Case) -> None:
    model = wrap(Planted(), input_size=16)
    red = torch.zeros(1, 3, 16, 16)
    red[:, 0, :8] = 1
    found = faithfulness(Case(model, red, tuple(targets(model, ["act:8"]))), red[0, 0], steps=10)
    assert found.deletion[0] == found.insertion[-1] == pytest.approx(1)
    with pytest.raises(DreamscopeError, match="'act:6' is at 0 for this picture; insertion and deletion need one"):
        faithfulness(Case(model, red, tuple(targets(model, ["act:6"]))), red[0, 0])


class _Blind(Method):
    """Looks at the picture and not at the network."""

    name = "blind"
    unit = "light"

    def attribute(self, case: Case) -> Attribution:
        return Attribution(case.images)

    def __str__(self) -> str:
        return self.name


def test_sanity_distinguishes_methods_that_use_the_weights() -> None:
    model = wrap(seeded(Vgg()), input_size=32)
    picture = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    case = Case(model, picture, tuple(targets(model, ["class:1"])))
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    (blind,) = sanity(case, _Blind(), heat_of(_Blind(), case), heat_of, checkpoints=3)
    # From the top down, whatever the method.
    assert [each.layer for each in blind] == ["classifier", "features.3", "features.0"]
    assert [each.similarity for each in blind] == pytest.approx([1, 1, 1])
    (seeing,) = sanity(case, Saliency(), heat_of(Saliency(), case), heat_of, checkpoints=3)
    assert abs(seeing[-1].similarity) < 0.5
    assert all(torch.equal(value, before[name]) for name, value in model.module.state_dict().items())


def test_rank_correlation() -> None:
    first = torch.tensor([[1.0, 2.0, 3.0, 3.0]])
    assert rank_correlation(first, first.exp()) == pytest.approx(1)
    assert rank_correlation(first, -first) == pytest.approx(-1)
    assert math.isnan(rank_correlation(first, torch.ones(1, 4)))
    assert math.isnan(rank_correlation(first, torch.tensor([[1.0, float("nan"), 2.0, 3.0]])))
    # Ranks 1, 2, 3.5, 3.5 beside 3.5, 3.5, 1, 2: covariance -4 over a variance of 9/2.
    other = torch.tensor([[4.0, 4.0, 1.0, 2.0]])
    assert rank_correlation(first, other) == pytest.approx(-8 / 9)


class _Watched(Method):
    """Keeps the parameters of each network that it is case about."""

    name = "watched"
    unit = "nothing"

    def __init__(self) -> None:
        self.seen: list[dict[str, Tensor]] = []

    def attribute(self, case: Case) -> Attribution:
        self.seen.append({name: value.clone() for name, value in case.model.module.named_parameters()})
        return Attribution(case.images)


def test_sanity_leaves_no_parameter_as_it_was_and_goes_from_the_top_down(tokens: Classifier) -> None:
    """Attention's projections belong to no module that runs by itself, the class token to none but the whole."""
    with torch.no_grad():
        tokens.module.cls.copy_(torch.arange(16.0))
    picture = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    method = _Watched()
    case = Case(tokens, picture, tuple(targets(tokens, ["class:1"])))
    (found,) = sanity(case, method, picture[:, :1], heat_of, checkpoints=5)
    assert [each.layer for each in found] == ["head", "mlp", "attention", "norm", "patch"]
    trained = dict(tokens.module.named_parameters())
    same = [{name for name in trained if torch.equal(seen[name], trained[name])} for seen in method.seen]
    assert same[-1] == set()
    assert "attention.in_proj_weight" in same[1]
    assert not {name for name in same[2] if name.startswith("attention.")}
    # As far as what is explained, and no further.
    case = Case(tokens, picture, tuple(targets(tokens, ["norm:3"])))
    (found,) = sanity(case, method, picture[:, :1], heat_of, checkpoints=2)
    assert [each.layer for each in found] == ["norm", "patch"]
    assert not torch.equal(method.seen[-1]["cls"], trained["cls"])
