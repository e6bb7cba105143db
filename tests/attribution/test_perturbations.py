from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from nets import Planted, hooks_on
from torch import Tensor, nn

from dreamscope.attribution.base import FILLS, Case
from dreamscope.attribution.perturbations import Lime, Occlusion, Rise, superpixels
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.objectives.targets import targets

GREEN, BLUE, RED = 0, 1, 2


@pytest.fixture
def spotted() -> Tensor:
    """Gray, with a red square in one place and a green one in another."""
    picture = torch.full((1, 3, 32, 32), 0.2)
    picture[0, 0, 4:12, 4:12] = 1
    picture[0, 1, 20:26, 20:26] = 1
    return picture


@pytest.fixture
def red(spotted: Tensor) -> Case:
    model = wrap(Planted(), input_size=32, labels=["green", "blue", "red"])
    return Case(model, spotted, tuple(targets(model, ["class:red"])), 0)


def inside(values: Tensor) -> float:
    """By how much the red square stands out, in deviations of the rest."""
    heat = values[0, 0]
    square = torch.zeros(32, 32, dtype=torch.bool)
    square[4:12, 4:12] = True
    return float((heat[square].mean() - heat[~square].mean()) / heat[~square].std())


@pytest.mark.parametrize(
    "method", [Occlusion(8, 4), Occlusion(8, 4, "blur"), Occlusion(8, 3, "zero"), Rise(600), Lime(200, 30)], ids=str
)
def test_the_part_that_decides_stands_out(red: Case, method: Callable) -> None:
    found = method(red).values
    assert found.shape == (1, 1, 32, 32)
    assert inside(found) > 2
    # What speaks for green speaks against red.
    assert float(found[0, 0, 21:25, 21:25].mean()) < float(found[0, 0, 4:12, 20:28].mean())
    assert hooks_on(red.model.module) == 0


@pytest.mark.parametrize("method", [Occlusion(8, 4), Rise(600), Lime(200, 30)], ids=str)
def test_channels_too(red: Case, method: Callable) -> None:
    case = Case(red.model, red.images, tuple(targets(red.model, ["act:8"])), 0)
    assert inside(method(case).values) > 2


def test_occlusion_by_hand(red: Case) -> None:
    found = Occlusion(window=16, stride=16, fill="zero")(red)
    (windows,) = found.windows
    assert (windows.tops, windows.lefts, windows.size) == ((0, 16), (0, 16), 16)
    for row, top in enumerate(windows.tops):
        for column, left in enumerate(windows.lefts):
            covered = red.images.clone()
            covered[..., top : top + 16, left : left + 16] = 0
            with torch.no_grad():
                shares = red.model.logits(covered).softmax(1)[0]
            assert float(windows.values[row, column]) == pytest.approx(float(shares[RED]), abs=1e-6)
            assert int(windows.predictions[row, column]) == int(shares.argmax())
            loss = red.value - float(shares[RED])
            assert torch.allclose(found.values[0, 0, top : top + 16, left : left + 16], torch.tensor(loss), atol=1e-6)
    # Without the red square only the green one is left.
    assert windows.predictions.tolist() == [[GREEN, RED], [RED, RED]]


def test_occlusion_equals_captums(vgg: Classifier) -> None:
    from captum.attr import Occlusion as Theirs

    picture = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    case = Case(vgg, picture, tuple(targets(vgg, ["class:1"])))
    theirs = Theirs(lambda x: vgg.logits(x).softmax(1)[:, 1]).attribute(
        picture, sliding_window_shapes=(3, 8, 8), strides=(3, 4, 4), baselines=FILLS["mean"](picture)
    )
    assert torch.allclose(Occlusion(8, 4)(case).values[0, 0], theirs[0, 0].float(), atol=1e-6)


def test_the_last_window_ends_at_the_edge(red: Case) -> None:
    (windows,) = Occlusion(window=10, stride=7)(red).windows
    assert windows.tops == windows.lefts == (0, 7, 14, 21, 22)
    whole = Occlusion(window=32, stride=8)(red)
    assert whole.values.unique().numel() == 1


class Left(nn.Module):
    """Class 1 is as likely as the left half is bright."""

    def forward(self, x: Tensor) -> Tensor:
        share = x[..., : x.shape[-1] // 2].mean((1, 2, 3)).clamp(0.001, 0.999)
        return torch.stack([(1 - share).log(), share.log()], 1)


@pytest.fixture
def left() -> Case:
    model = wrap(Left(), input_size=32)
    return Case(model, torch.full((1, 3, 32, 32), 0.9), tuple(targets(model, ["class:1"])))


def test_rise_of_what_is_known_on_paper(left: Case) -> None:
    found = Rise(masks=3000, cells=4)(left).values[0, 0]
    # Half of the picture is seen: 0.45 on average, whatever the right half is; a pixel that is seen adds to its half.
    assert float(found.mean()) == pytest.approx(0.45, abs=0.03)
    assert float(found[:, 20:].mean()) == pytest.approx(0.45, abs=0.01)
    assert float(found[:, :12].mean()) > 0.46


def test_rise_draws_masks_of_the_share_asked_for() -> None:
    masks = Rise(cells=5, keep=0.3)._draw(400, 33, 47, torch.Generator().manual_seed(0))
    assert masks.shape == (400, 1, 33, 47)
    assert 0 <= masks.min() <= masks.max() <= 1 + 1e-6
    assert float(masks.mean()) == pytest.approx(0.3, abs=0.01)


def test_lime_finds_the_weights_of_a_linear_network(left: Case) -> None:
    """A superpixel that turns black takes its share of the left half's brightness away, one on the right nothing."""
    parts = superpixels(left.images, 16)
    found = Lime(samples=600, segments=16, fill="zero")(left).values[0, 0]
    half = torch.zeros(32, 32, dtype=torch.bool)
    half[:, :16] = True
    assert int(parts.max()) > 8
    for number in range(int(parts.max()) + 1):
        there = parts == number
        weight = found[there].unique()
        assert weight.numel() == 1
        # Ridge pulls weights towards zero a little.
        assert float(weight) == pytest.approx(0.9 * float((there & half).sum()) / 512, rel=0.1, abs=0.01)


def test_superpixels_are_numbered_without_a_gap(spotted: Tensor) -> None:
    parts = superpixels(spotted, 20)
    assert parts.shape == (32, 32)
    assert sorted(parts.unique().tolist()) == list(range(int(parts.max()) + 1))
    # They follow what is there: the red square shares none with its surroundings, up to its rim.
    assert not set(parts[6:10, 6:10].flatten().tolist()) & set(parts[14:, :].flatten().tolist())


@pytest.mark.parametrize("method", [Rise(40), Lime(40, 10)], ids=str)
def test_one_seed_one_map(red: Case, method: Callable) -> None:
    maps = []
    for seed in (3, 3, 4):
        case = Case(red.model, red.images, red.targets, seed)
        maps.append(method(case).values)
    assert torch.equal(maps[0], maps[1])
    assert not torch.equal(maps[0], maps[2])


def test_progress_is_reported(red: Case) -> None:
    for method in (Occlusion(8, 8), Rise(70), Lime(70, 10)):
        seen: list[tuple[int, int]] = []
        method(Case(red.model, red.images, red.targets, callback=lambda *now, seen=seen: seen.append(now)))
        done, totals = zip(*seen, strict=True)
        assert list(done) == sorted(done)
        assert done[-1] == totals[-1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Occlusion(window=0), "window of occlusion lies between 1 and 10000, not at 0"),
        (lambda: Occlusion(window=8, stride=9), "stride of occlusion lies between 1 and 8, not at 9"),
        (lambda: Occlusion(fill="gray"), "no fill 'gray'; there are mean, blur, zero"),
        (lambda: Rise(masks=0), "masks of rise lies between"),
        (lambda: Rise(keep=1.0), "keep of rise lies between 0.01 and 0.99"),
        (lambda: Lime(samples=1), "samples of lime lies between"),
        (lambda: Lime(segments=1), "segments of lime lies between"),
    ],
)
def test_bad_options(make: Callable, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        make()


def test_a_window_larger_than_the_picture(red: Case) -> None:
    with pytest.raises(DreamscopeError, match=r"a window of 33 pixels is larger than the picture.*as 32x32"):
        Occlusion(window=33, stride=8)(red)
