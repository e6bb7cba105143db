from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Generator, Tensor, nn

from dreamscope import images
from dreamscope.dreaming import octaves
from dreamscope.dreaming.octaves import Dreamer, octave_sizes
from dreamscope.dreaming.presets import Settings
from dreamscope.errors import DivergedError, DreamscopeError, Interrupted
from dreamscope.images import Size
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.objectives import Each, Excite, Objective
from dreamscope.objectives.balance import parts_of
from dreamscope.optimize.ascent import Step
from dreamscope.optimize.parameterizations import Fourier

PICTURE = torch.rand(1, 3, 80, 96, generator=torch.Generator().manual_seed(0))
EXCITE = Excite((Address("features.3"),), "mean_square")


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def dreamer(model: Classifier, **given: object) -> Dreamer:
    settings = Settings(**{"steps": 2, "octaves": 2, "jitter": 4, **given})  # type: ignore[arg-type]
    return Dreamer(model, EXCITE.layers, settings, images.size_of(PICTURE))


def test_octaves() -> None:
    settings = Settings(octaves=4, octave_scale=1.4)
    assert octave_sizes(Size(640, 427), settings) == [Size(233, 156), Size(327, 218), Size(457, 305), Size(640, 427)]
    # None of them too small to see anything in, but the picture itself always.
    assert octave_sizes(Size(60, 50), settings) == [Size(43, 36), Size(60, 50)]
    assert octave_sizes(Size(9, 9), settings) == [Size(9, 9)]


def test_octaves_that_a_network_cannot_run_on_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    model = wrap(nn.Sequential(nn.Conv2d(3, 4, 40), nn.ReLU()), input_size=64)
    picture, steps = torch.rand((1, 3, 64, 64), generator=seeded()), []
    settings = Settings(steps=2, octaves=3, octave_scale=1.4)
    dreams = Dreamer(model, ["0"], settings, images.size_of(picture))
    dreams(picture, Excite((Address("0"),), "mean_square"), generator=seeded(), callback=steps.append)
    assert steps[-1].total == 2 * 2
    assert caplog.messages == ["octaves of 33x33 pixels are left out: Sequential can't run on anything as small"]


def test_the_generator_is_handed_on(vgg: Classifier) -> None:
    dreams = dreamer(vgg)
    assert torch.equal(dreams(PICTURE, EXCITE, generator=seeded()), dreams(PICTURE, EXCITE, generator=seeded()))
    assert not torch.equal(dreams(PICTURE, EXCITE, generator=seeded()), dreams(PICTURE, EXCITE, generator=seeded(1)))
    # Octaves draw from it one after the other.
    one, two, three = seeded(), seeded(), seeded()
    dreams(PICTURE, EXCITE, generator=one)
    dreamer(vgg, octaves=1)(PICTURE, EXCITE, generator=two)
    assert not torch.equal(one.get_state(), two.get_state())
    dreamer(vgg, octaves=1)(PICTURE, EXCITE, generator=three, steps=4)
    assert torch.equal(one.get_state(), three.get_state())


def test_the_picture_is_left_as_it_is(vgg: Classifier) -> None:
    before = PICTURE.clone()
    assert not torch.equal(dreamer(vgg, octaves=1)(PICTURE, EXCITE, generator=seeded()), before)
    assert torch.equal(PICTURE, before)


def test_steps_instead_of_the_settings(vgg: Classifier) -> None:
    numbers: list[tuple[int, int]] = []

    def note(step: Step) -> None:
        numbers.append((step.number, step.total))

    few = dreamer(vgg, steps=9)(PICTURE, EXCITE, generator=seeded(), steps=2, callback=note)
    assert numbers == [(number, 4) for number in range(1, 5)]
    assert torch.equal(few, dreamer(vgg)(PICTURE, EXCITE, generator=seeded()))


def test_what_is_not_covered_stays(vgg: Classifier) -> None:
    coverage = torch.zeros(1, 1, 80, 96)
    coverage[..., 48:] = 1
    dreamt = dreamer(vgg)(PICTURE, EXCITE, generator=seeded(), coverage=coverage)
    # Bicubic octaves reach a few pixels beyond the edge.
    assert (dreamt - PICTURE)[..., :40].abs().max() < 1e-6
    assert (dreamt - PICTURE)[..., 56:].abs().mean() > 1e-3


def test_ctrl_c_keeps_what_all_octaves_made_so_far(vgg: Classifier) -> None:
    def stop(step: Step) -> None:
        if step.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="stopped at step 3 of 4") as caught:
        dreamer(vgg)(PICTURE, EXCITE, generator=seeded(), callback=stop)
    kept: Tensor = caught.value.result
    assert kept.shape == PICTURE.shape
    # The first octave is in it.
    assert (kept - PICTURE).abs().mean() > 1e-3


def test_divergence_keeps_a_whole_picture(vgg: Classifier) -> None:
    with pytest.raises(DivergedError, match="no longer finite at step 1 of 4") as caught:
        dreamer(vgg, rate=float("inf"))(PICTURE, EXCITE, generator=seeded())
    # On the small octave, where nothing had happened yet.
    assert (caught.value.result - PICTURE).abs().max() < 1e-5


def test_the_raw_rate_holds_for_all_octaves(vgg: Classifier) -> None:
    """Found at the first step of the first octave, not anew at each."""
    after: list[Tensor] = []
    flat = 0.5 + 0.1 * (PICTURE - 0.5)
    raw = dreamer(vgg, rate=None, filter="none", jitter=0, steps=1)
    raw(flat, EXCITE, generator=seeded(), callback=lambda step: after.append(step.image))
    small = images.resize(flat, images.size_of(after[0]))
    first = after[0] - small
    second = after[1] - (flat + images.resize(first, images.size_of(flat)))
    assert float(first.abs().mean()) == pytest.approx(1.5 / 255, rel=1e-3)
    assert float(second.abs().mean()) != pytest.approx(1.5 / 255, rel=1e-2)


def test_strength_is_the_mean_size_of_the_gradient(vgg: Classifier) -> None:
    leaf = PICTURE.clone().requires_grad_()
    vgg.module.features[:4](leaf).square().mean().backward()
    assert leaf.grad is not None
    assert dreamer(vgg).strength(PICTURE, EXCITE) == pytest.approx(float(leaf.grad.abs().mean()), rel=1e-4)


def test_refused(vgg: Classifier) -> None:
    with pytest.raises(DreamscopeError, match="did you mean 'laplacian'"):
        dreamer(vgg, filter="laplace")


def test_raw_steps_in_natural_colors_are_not_rescaled(vgg: Classifier) -> None:
    """With `natural` each step of the raw loop is in units of the first one, as without it."""
    flat = 0.5 + 0.1 * (PICTURE - 0.5)
    after = [flat]
    raw = dreamer(vgg, rate=None, filter="none", jitter=0, steps=4, octaves=1, natural=0.7)
    raw(flat, EXCITE, generator=seeded(), callback=lambda step: after.append(step.image))
    sizes = [float((b - a).abs().mean()) for a, b in pairwise(after)]
    assert sizes[0] == pytest.approx(1.5 / 255, rel=1e-3)
    # The gradient grows as the picture does.
    assert sizes[3] > 1.1 * sizes[0]


def test_ctrl_c_between_octaves_keeps_the_picture(vgg: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    real, done, stopped = images.resize, list[Step](), list[bool]()

    def resize(image: Tensor, size: Size) -> Tensor:
        # Once, as the second octave begins.
        if len(done) == 2 and not stopped:
            stopped.append(True)
            raise KeyboardInterrupt
        return real(image, size)

    monkeypatch.setattr(images, "resize", resize)

    with pytest.raises(Interrupted, match="stopped between two octaves") as caught:
        dreamer(vgg)(PICTURE, EXCITE, generator=seeded(), callback=done.append)
    kept: Tensor = caught.value.result
    assert kept.shape == PICTURE.shape
    assert (kept - PICTURE).abs().mean() > 1e-3


def test_other_parameterizations_and_optimizers(vgg: Classifier) -> None:
    for given in (
        {"parameterization": "fourier"},
        {"parameterization": Fourier.of},
        {"optimizer": "adam", "rate": 0.01},
        {"optimizer": torch.optim.AdamW},
        {"transform": ["rotate:5", lambda picture: picture.flip(3)], "penalty": ["tv:0.1"]},
    ):
        values: list[float] = []
        made = dreamer(vgg, steps=6, octaves=1, jitter=0, **given)
        end = made(PICTURE, EXCITE, generator=seeded(), callback=lambda step, values=values: values.append(step.value))
        assert values[-1] > values[0], given
        assert end.shape == PICTURE.shape
    for bad, message in (
        ({"parameterization": "furier"}, "no parameterization 'furier'"),
        ({"parameterization": Fourier.of(PICTURE)}, "give a function that makes a parameterization"),
        ({"optimizer": "sgd"}, "no optimizer 'sgd'"),
        ({"transform": ["shift"]}, "no transform such as shift:PIXELS"),
    ):
        with pytest.raises(DreamscopeError, match=message):
            dreamer(vgg, **bad)


BOTH = Excite((Address("features.0"), Address("features.3", weight=0.5)), "mean_square")


def test_a_balance_is_found_on_each_octave(vgg: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Tensor] = []
    true = octaves.balanced

    def noted(objective: Objective, sizes: Tensor) -> Objective:
        found.append(sizes)
        return true(objective, sizes)

    monkeypatch.setattr(octaves, "balanced", noted)
    settings = Settings(steps=2, octaves=2, jitter=0, balance=True)
    made = Dreamer(vgg, BOTH.layers, settings, images.size_of(PICTURE))
    pictures = torch.cat([PICTURE, PICTURE.flip(3) / 2])
    made(pictures, BOTH, generator=seeded())
    assert [sizes.shape for sizes in found] == [(2, 2), (2, 2)]
    small = images.resize(PICTURE, octave_sizes(images.size_of(PICTURE), settings)[0]).clamp(0, 1)
    expected = [made.strength(small, part) for part in parts_of(BOTH)]
    assert found[0][0].tolist() == pytest.approx(expected, rel=1e-4)
    # An objective for each image is weighed for each, too.
    made(pictures, Each((BOTH, BOTH)), generator=seeded())
    assert torch.allclose(found[2], found[0], rtol=1e-4)


def test_a_balance_in_tiles(vgg: Classifier) -> None:
    settings = Settings(steps=1, octaves=1, jitter=0, filter="none", rate=50, balance=True)
    whole, tiled = (
        Dreamer(vgg, BOTH.layers, settings, images.size_of(PICTURE), tile=tile)(PICTURE, BOTH, generator=seeded())
        for tile in (0, 32)
    )
    assert (whole - PICTURE).abs().mean() > 1e-3
    assert (whole - tiled).abs().max() < 1e-4
