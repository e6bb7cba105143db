from __future__ import annotations

import pytest
import torch
from nets import Tokens, hooks_on, seeded
from torch import Tensor, nn
from torch.nn import functional as F

from dreamscope.dissection.erasure import Eraser
from dreamscope.dissection.readout import Split, readout
from dreamscope.dissection.sites import Site
from dreamscope.dissection.statistics import shrunk_covariance
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.erase import Erase
from dreamscope.models.wrapping import wrap
from dreamscope.probes import means, probe

WIDTH = 8
SITES = [Site("conv", "conv"), Site("pool", "pool")]
FEATURES = SITES[-1:]


def orthonormal(rows: int, columns: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn((columns, rows), generator=generator)).Q.T.contiguous()


# The first row is what tells the class; the others lie across.
AXES = orthonormal(WIDTH, WIDTH, 1)
CLASS = AXES[0]

# Patches of 4 x 4 pixels, the same in the mirror: a mirrored photo has the same features, mirrored.
_HALF = orthonormal(WIDTH, 24, 2).view(WIDTH, 3, 4, 2) / 2**0.5
PATCHES = torch.cat([_HALF, _HALF.flip(-1)], -1)


class Read(nn.Module):
    """Linear all through. Class 0 is read along one direction, three pairs of others along three that lie across."""

    def __init__(self, own: Tensor = CLASS, pairs: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, WIDTH, 4, stride=4, bias=False)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(WIDTH, 1 + 2 * pairs, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(PATCHES)
            self.head.weight.copy_(4 * torch.cat([own[None], AXES[1 : 1 + pairs], -AXES[1 : 1 + pairs]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.conv(x)).flatten(1))


def net(**options: object) -> Classifier:
    return wrap(Read(**options), input_size=16)


def pictures(maps: Tensor) -> Tensor:
    """Return images (N, 3, 16, 16) whose features are these, (N, WIDTH, 4, 4)."""
    return F.conv_transpose2d(maps, PATCHES, stride=4)


def noise(count: int, shift: float, seed: int) -> Tensor:
    """Return images with any features, shifted so far along what tells the class."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn((count, WIDTH, 1, 1), generator=generator) + torch.randn(
        (count, WIDTH, 4, 4), generator=generator
    )
    return pictures(maps + shift * CLASS.view(-1, 1, 1))


def features(model: Classifier, images: Tensor, layer: str = "pool") -> Tensor:
    with torch.no_grad(), probe(model, [layer], keep=means) as seen:
        return seen(images)[layer].clone()


def erased(model: Classifier, sites: list[Site], targets: Tensor, controls: Tensor, **options: float) -> list[Erase]:
    rows = torch.arange(len(targets)), torch.arange(len(controls))
    found, _ = Eraser(model, 0, sites, targets, controls).run(*rows, **options)
    return found


def along(one: Tensor, other: Tensor) -> float:
    return abs(float(F.cosine_similarity(one.flatten().float(), other, 0)))


def test_the_direction_is_found_and_nothing_else_is_touched() -> None:
    model = net()
    # As much spread along each axis, and the class lies apart along one: nothing is left to chance.
    base = pictures(torch.cat([AXES, -AXES]).view(-1, WIDTH, 1, 1).expand(-1, -1, 4, 4).contiguous())
    of_class = base + pictures(3 * CLASS.view(1, -1, 1, 1).expand(1, -1, 4, 4).contiguous())
    (edit,) = erased(model, FEATURES, of_class, base)
    assert (str(edit.address), edit.count) == ("pool", 1)
    assert along(edit.remove, CLASS) > 1 - 1e-5
    assert along(edit.read, CLASS) > 1 - 1e-5
    assert float(edit.read @ edit.remove) == pytest.approx(1, abs=1e-4)
    # Also on photos that it was not found on: the class's score says nothing, the other scores are as they were.
    fresh = torch.cat([noise(20, 3.0, 5), noise(20, 0.0, 6)])
    before, after = model.logits(fresh), model.edited(edit).logits(fresh)
    assert float(before[:, 0].std()) > 5
    assert torch.allclose(after[:, 0], torch.zeros(40), atol=1e-3)
    assert torch.allclose(after[:, 1:], before[:, 1:], atol=1e-3)
    assert hooks_on(model.module) == 0
    assert not model.edits


@pytest.mark.parametrize("sites", [FEATURES, SITES])
def test_a_fresh_probe_on_other_photos_is_at_chance(sites: list[Site]) -> None:
    model = net()
    targets, controls = noise(100, 3.0, 1), noise(300, 0.0, 2)
    edited = model.edited(erased(model, sites, targets, controls))
    others, rest = noise(100, 3.0, 3), noise(200, 0.0, 4)
    area = {}
    for name, each in (("intact", model), ("erased", edited)):
        found = readout("pool", [Split(features(each, others), None, features(each, rest))])
        area[name] = found.auc
    assert area["intact"] > 0.95
    assert 0.4 < area["erased"] < 0.6


def test_what_its_own_output_reads_is_taken_away_too() -> None:
    # It reads the class half along another direction, by which the photos of the class don't differ.
    model = net(own=(CLASS + AXES[7]) / 2**0.5)
    edits = erased(model, FEATURES, noise(100, 3.0, 1), noise(300, 0.0, 2))
    assert edits[0].count == 2
    fresh = torch.cat([noise(50, 3.0, 3), noise(50, 0.0, 4)])
    own = model.logits(fresh) - model.logits(fresh).mean(1, keepdim=True)
    left = model.edited(edits).logits(fresh)
    left = left - left.mean(1, keepdim=True)
    assert float(own[:, 0].std()) > 3
    assert float(left[:, 0].std()) < 0.01


@pytest.mark.parametrize("left", [0.5, 1.0, 2.0])
def test_so_many_deviations_are_left_on_the_photos_it_was_fitted_on(left: float) -> None:
    model = net()
    targets, controls = noise(60, 3.0, 1), noise(120, 0.0, 2)

    def read(each: Classifier) -> tuple[Tensor, Tensor]:
        mine, others = features(each, targets, "conv").double(), features(each, controls, "conv").double()
        return mine, others

    before = read(model)
    inverse = torch.linalg.inv(shrunk_covariance(torch.cat([each - each.mean(0) for each in before])))

    def deviations(mine: Tensor, others: Tensor) -> float:
        difference = mine.mean(0) - others.mean(0)
        return float(difference @ inverse @ difference) ** 0.5

    assert deviations(*before) > 2.5
    first, *_ = erased(model, SITES, targets, controls, left=left)
    assert str(first.address) == "conv"
    assert deviations(*read(model.edited(first))) == pytest.approx(left, rel=0.05)
    # In part: what is taken away is along what tells the class.
    assert 0 < float(first.read @ first.remove) < 1
    assert along(first.remove, CLASS) > 0.95


def test_where_the_class_does_not_stand_out_nothing_is_erased() -> None:
    model = net()
    found = erased(model, SITES, noise(60, 3.0, 1), noise(120, 0.0, 2), left=5.0)
    assert [str(edit.address) for edit in found] == ["pool"]


def test_what_was_edited_before_counts() -> None:
    model = net()
    targets, controls = noise(60, 3.0, 1), noise(120, 0.0, 2)
    rows = torch.arange(60), torch.arange(120)
    eraser = Eraser(model, 0, SITES, targets, controls)
    gone = Erase("conv", CLASS, CLASS)
    assert len(eraser.run(*rows)[0]) == 2
    found, _ = eraser.run(*rows, before=[gone])
    assert [str(edit.address) for edit in found] == ["pool"]


def test_found_on_some_of_the_photos() -> None:
    model = net()
    targets, controls = noise(60, 3.0, 1), noise(120, 0.0, 2)
    mine, others = torch.arange(10, 40), torch.arange(0, 120, 2)
    some, _ = Eraser(model, 0, SITES, targets, controls, seed=4).run(mine, others)
    first, last = some
    edited = model.edited(first)
    for edit, each in ((first, model), (last, edited)):
        layer = edit.address.layer
        if edit is first:
            # At a whole map nothing is read at the center, so that none is needed.
            at_center = edit.read @ features(each, controls[others], layer).mean(0)
            assert edit.center is None
            assert float(at_center.abs()) < 1e-4
            continue
        assert torch.allclose(edit.center, features(each, controls[others], layer).mean(0), atol=1e-4)
    # Told apart by the means of just these.
    after = model.edited(some)
    gap = features(after, targets[mine]).mean(0) - features(after, controls[others]).mean(0)
    assert float(gap.abs().max()) < 1e-3
    rest = features(after, targets[:10]).mean(0) - features(after, controls[1::2]).mean(0)
    assert float(rest.abs().max()) > 0.05


def test_the_same_seed_gives_the_same_and_random_directions_are_as_many() -> None:
    model = net()
    targets, controls = noise(40, 3.0, 1), noise(80, 0.0, 2)
    rows = torch.arange(40), torch.arange(80)
    state = torch.get_rng_state()
    stages: list[tuple[str, int, int]] = []
    (found, random), (again, drawn_again), (_, others) = (
        Eraser(model, 0, SITES, targets, controls, seed=seed).run(
            *rows, draws=3, callback=lambda *now: stages.append(now)
        )
        for seed in (0, 0, 1)
    )
    assert stages[:2] == [("erasing directions", 1, 2), ("erasing directions", 2, 2)]
    assert torch.equal(torch.get_rng_state(), state)
    assert found == again
    assert random == drawn_again
    assert random != others
    assert len(random) == 3
    assert random[0] != random[1]
    for drawn in random:
        assert [(str(each.address), each.count) for each in drawn] == [(str(e.address), e.count) for e in found]
        for each in drawn:
            assert torch.allclose(each.read @ each.remove, torch.eye(each.count), atol=1e-4)


def test_random_directions_are_of_the_network_without_edits() -> None:
    model = net()
    targets, controls = noise(40, 3.0, 1), noise(80, 0.0, 2)
    rows = torch.arange(40), torch.arange(80)
    # Without this channel its variance is 0, and what divides by it would turn the intact network upside down.
    found, (random,) = Eraser(model, 0, SITES, targets, controls).run(*rows, before=[Ablation("conv:0")], draws=1)
    assert len(random) == len(found)
    moved = features(model.edited(random), controls) - features(model, controls)
    assert 0.1 < float(moved.std()) < float(features(model, controls).std())


def test_of_two_classes() -> None:
    model = wrap(nn.Sequential(*Read().children()).append(nn.Linear(7, 2)), input_size=16)
    model.module[1] = nn.Sequential(model.module[1], nn.Flatten())
    targets, controls = noise(40, 3.0, 1), noise(80, 0.0, 2)
    found = erased(model, [Site("0", "0"), Site("1", "1")], targets, controls)
    assert [str(edit.address) for edit in found] == ["0", "1"]
    assert all(bool(edit.remove.isfinite().all() and edit.read.isfinite().all()) for edit in found)


def test_of_tokens() -> None:
    model = wrap(seeded(Tokens()), input_size=32)
    generator = torch.Generator().manual_seed(0)
    controls = torch.rand((60, 3, 32, 32), generator=generator)
    targets = torch.rand((30, 3, 32, 32), generator=generator) * torch.tensor([1.0, 0.2, 1.0]).view(3, 1, 1)
    (edit,) = erased(model, [Site("mlp", "mlp")], targets, controls)
    assert edit.remove.shape[0] == 16
    edited = model.edited(edit)
    # Found on the mirrored photos of the class, too.
    both = torch.cat([targets, targets.flip(-1)])
    gaps = [features(each, both, "mlp").mean(0) - features(each, controls, "mlp").mean(0) for each in (model, edited)]
    assert float(gaps[0].norm()) > 0.1
    assert float(gaps[1].norm()) < 1e-3 * float(gaps[0].norm())


def test_what_only_the_class_excites_is_read_with_measure() -> None:
    # As behind a ReLU: one channel is silent in all photos of other things.
    model = wrap(
        nn.Sequential(nn.Conv2d(3, WIDTH, 4, stride=4, bias=False), nn.ReLU(), *list(Read().children())[1:]),
        input_size=16,
    )
    with torch.no_grad():
        model.module[0].weight.copy_(PATCHES)
    model.module[3] = nn.Sequential(nn.Flatten(), model.module[3])
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand((90, WIDTH, 4, 4), generator=generator)
    maps[:60, 0] = -1
    (edit,) = erased(model, [Site("1", "1")], pictures(maps[60:]), pictures(maps[:60]))
    # Its numbers are between 0 and 1, and so are their differences.
    assert float(edit.read.abs().max()) < 20


@pytest.mark.parametrize("seed", range(5))
def test_each_direction_is_read_high_for_the_class(seed: int) -> None:
    model = net(own=(CLASS + AXES[7]) / 2**0.5)
    targets, controls = noise(100, 3.0, seed), noise(300, 0.0, seed + 10)
    (edit,) = erased(model, FEATURES, targets, controls)
    assert edit.count == 2
    gap = features(model, targets).mean(0) - features(model, controls).mean(0)
    assert bool((edit.read @ gap > 0.1).all())
    assert torch.allclose(edit.read @ edit.remove, torch.eye(2), atol=1e-4)
