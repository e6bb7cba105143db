from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dreamscope.attribution.base import Change, Method, Windows
from dreamscope.attribution.metrics import Checkpoint, Faithfulness
from dreamscope.attribution.perturbations import Occlusion, Rise
from dreamscope.attribution.result import Explanation, TargetValue
from dreamscope.errors import DreamscopeError
from dreamscope.figures.attribution_plots import drawn, layer, limits, overlay
from dreamscope.recipes import Recipe

SHARES = (0.0, 0.5, 1.0)


def made(heat: Tensor, method: Method | None = None, windows: Windows | None = None, **other: object) -> Explanation:
    explanation = Explanation(
        method=method or Rise(),
        images=torch.full((1, 3, *heat.shape), 0.5),
        values=heat[None, None],
        targets=(TargetValue("a $x$ <b> crane", "class:1", 0.5, is_class=True),),
        windows=() if windows is None else (windows,),
        seconds=0.1,
        recipe=Recipe("explain", {"name": "small"}, {}, {"class_name": 1}, "0"),
    )
    return replace(explanation, **other)


def photo_of(picture: Tensor) -> Tensor:
    """The part of an overlay without a title where the photo is: 400 pixels wide, 10 from the corner."""
    return picture[0, :, 12:408, 12:408]


def test_what_counts_is_bright_and_in_its_place() -> None:
    heat = torch.zeros(40, 40)
    heat[:20, :20] = 1
    photo = photo_of(overlay(made(heat), title=False)).mean(0)
    assert photo[50:150, 50:150].mean() > photo[250:350, 250:350].mean() + 0.2
    assert torch.allclose(photo[50:150, 250:350].mean(), photo[250:350, 250:350].mean(), atol=0.01)


def test_by_itself_a_map_covers_nothing_where_nothing_counts() -> None:
    heat = torch.zeros(40, 40)
    heat[:20] = 1
    colours, cover = layer(made(heat))
    assert (colours.shape, cover.shape) == ((1, 3, 40, 40), (1, 1, 40, 40))
    assert cover[..., :20, :].min() == 1
    assert cover[..., 20:, :].max() == 0
    heat[20:] = -1
    colours, cover = layer(made(heat, Occlusion()))
    assert cover.min() > 0.8
    assert colours[0, 0, 0, 0] > colours[0, 2, 0, 0]
    assert colours[0, 2, 39, 0] > colours[0, 0, 39, 0]


def test_signs_are_red_and_blue() -> None:
    heat = torch.zeros(40, 40)
    heat[:20], heat[20:] = 1, -1
    heat[:, 20:] = 0
    photo = photo_of(overlay(made(heat, Occlusion()), title=False))
    speaks_for, against, neither = photo[:, 50:150, 50:150], photo[:, 250:350, 50:150], photo[:, 50:150, 250:350]
    assert speaks_for[0].mean() > speaks_for[2].mean() + 0.1
    assert against[2].mean() > against[0].mean() + 0.1
    assert torch.allclose(neither[0], neither[2], atol=0.02)


def test_a_signed_map_says_what_red_and_blue_mean() -> None:
    heat = torch.linspace(-1, 1, 1600).view(40, 40)

    def beside(method: Method) -> Tensor:
        """What stands right of the colour bar and its numbers."""
        return overlay(made(1e-4 * heat, method), title=False)[0, 0, :, 478:]

    signed, other = beside(Occlusion()), beside(Rise())
    ink = [(each < 0.5).any(0).nonzero().flatten() for each in (signed, other)]
    # A second line of text, whole: white on all sides of it.
    assert int(ink[0].max() - ink[0].min()) > int(ink[1].max() - ink[1].min()) + 8
    assert bool((signed[:, -1] > 0.99).all())
    assert bool((signed[:3] > 0.99).all())
    assert bool((signed[-3:] > 0.99).all())


def test_the_scale_leaves_out_a_few_and_says_so() -> None:
    heat = torch.linspace(0, 1, 10_000).view(100, 100)
    heat[0, 0] = 1000
    low, high, beyond = limits(made(heat))
    assert (low, beyond) == (pytest.approx(0, abs=1e-3), "max")
    assert high == pytest.approx(0.995, abs=0.01)
    low, high, beyond = limits(made(heat - 0.5, Occlusion()))
    # As far on both sides, so that nothing is white but what does not count.
    assert low == -high
    assert high == pytest.approx(0.4975, abs=1e-3)
    assert beyond == "both"


@pytest.mark.parametrize("method", [Rise(), Occlusion()], ids=str)
def test_a_map_that_is_the_same_everywhere_can_be_drawn(method: Method) -> None:
    for value in (0.0, 2.0):
        heat = torch.full((40, 40), value)
        low, high, _ = limits(made(heat, method))
        assert low < high
        assert torch.isfinite(overlay(made(heat, method))).all()
    spike = torch.zeros(40, 40)
    spike[3, 3] = 1
    assert limits(made(spike, method))[1] == 1


def test_places_that_change_the_answer_are_outlined() -> None:
    answers = torch.zeros(6, 6, dtype=torch.long)
    answers[2:4, 2:4] = 7
    windows = Windows((0, 5, 10, 15, 20, 25), (0, 5, 10, 15, 20, 25), 10, torch.zeros(6, 6), answers)
    heat = torch.zeros(35, 35)
    plain = overlay(made(heat, Occlusion(), windows), title=False)
    changed_windows = replace(windows, changes=(Change(7, "b_$1$", 4 / 36),))
    outlined = overlay(made(heat, Occlusion(), changed_windows), title=False)
    changed = (photo_of(plain) - photo_of(outlined)).abs().amax(0) > 0.1
    # Around windows whose middles lie from 15 to 20 pixels, half a stride beside them.
    assert changed[120:280, 120:280].any()
    assert not changed[:100, 200:].any()


def test_curves_stand_beside_it() -> None:
    heat = torch.rand((40, 40), generator=torch.Generator().manual_seed(0))
    curves = Faithfulness(SHARES, (0.0, 0.4, 0.5), (0.5, 0.1, 0.0))
    plain, beside = overlay(made(heat)), overlay(made(heat, faithfulness=(curves,)))
    assert beside.shape[3] > plain.shape[3] + 200
    assert torch.allclose(photo_of(plain), photo_of(beside), atol=0.02)


def test_several_are_a_sheet_of_one_size() -> None:
    heat = torch.rand((40, 60), generator=torch.Generator().manual_seed(0))
    one = drawn([made(heat)])
    sanity = ((Checkpoint("a", 0.5), Checkpoint("b", float("nan"))),)
    several = drawn([made(1000 * heat), made(-heat, Occlusion()), made(0 * heat, sanity=sanity)])
    assert several.shape[2] > one.shape[2]
    assert several.shape[3] > 3 * overlay(made(heat), title=False).shape[3]
    assert overlay(made(heat)).shape == overlay(made(1e-7 * heat)).shape
    with pytest.raises(DreamscopeError, match="no explanations to draw"):
        drawn([])
    two = replace(made(heat), images=torch.full((2, 3, 40, 60), 0.5))
    with pytest.raises(DreamscopeError, match="explanations of several images are drawn one by one"):
        drawn([two])


def test_the_same_explanation_gives_the_same_picture() -> None:
    heat = torch.rand((40, 40), generator=torch.Generator().manual_seed(0))
    assert torch.equal(overlay(made(heat)), overlay(made(heat)))


def test_no_matplotlib_until_something_is_drawn() -> None:
    check = "import dreamscope.figures.attribution_plots, sys; assert not {'matplotlib', 'captum'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
