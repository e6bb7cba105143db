from __future__ import annotations

from typing import Any

import pytest
import torch
from nets import Linear, hooks_on, seeded
from torch import Tensor

from dreamscope.errors import DivergedError, DreamscopeError, Interrupted
from dreamscope.images import Size
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.objectives import Each, Excite
from dreamscope.optimize.ascent import Ascent, Step
from dreamscope.optimize.gradient_filters import as_is, unit_mean
from dreamscope.optimize.parameterizations import PARAMETERIZATIONS, Parameterization, Pixel
from dreamscope.optimize.regularizers import L2
from dreamscope.optimize.transforms import Shift
from dreamscope.optimize.update_rules import Adam, FromTorch, GradientStep
from dreamscope.probes import probe

CALLS = {"steps", "generator", "callback", "before", "total", "objective"}
OBJECTIVE = Excite((Address("features.3"),), "mean_square")


def climb(model: Classifier, image: Tensor | Parameterization, **changes: Any) -> Tensor:
    rule = changes.pop("optimizer", None) or GradientStep(
        changes.pop("rate", 0.01), unit_mean, changes.pop("mask", None)
    )
    calls = {"steps": 5, "generator": torch.Generator().manual_seed(0)}
    calls |= {name: changes.pop(name) for name in list(changes) if name in CALLS}
    objective = calls.pop("objective", OBJECTIVE)
    start = Pixel.of(image) if isinstance(image, Tensor) else image
    return Ascent(rule, **changes)(model, start, objective, **calls)


def test_a_linear_nets_image_moves_along_its_weight() -> None:
    model = wrap(seeded(Linear()), input_size=8)
    image = torch.full((1, 3, 8, 8), 0.5)
    objective = Excite(tuple(resolve(["conv:2"], model)), "mean")
    end = climb(model, image, objective=objective, steps=3, optimizer=GradientStep(10.0, as_is))
    expected = 0.5 + 3 * 10 * model.module.conv.weight[2].view(1, 3, 1, 1) / 64
    assert torch.allclose(end, expected.expand_as(end), atol=1e-6)


def test_it_climbs_and_reports(vgg: Classifier, image: Tensor) -> None:
    steps: list[Step] = []

    def note(step: Step) -> None:
        assert step.image.requires_grad is False
        steps.append(step)

    end = climb(vgg, image, callback=note, before=10, total=20)
    assert [(step.number, step.total) for step in steps] == [(n, 20) for n in range(11, 16)]
    values = [step.value for step in steps]
    assert values == sorted(values)
    assert torch.equal(steps[-1].image, end)
    assert not torch.equal(steps[0].image, end)
    assert end.min() >= 0
    assert end.max() <= 1


def test_the_start_is_not_changed(vgg: Classifier, image: Tensor) -> None:
    before = image.clone()
    climb(vgg, image)
    assert torch.equal(image, before)
    assert image.grad is None


def test_one_seed_one_picture(vgg: Classifier, image: Tensor) -> None:
    shifted = {"transforms": [Shift(8)]}
    first = climb(vgg, image, **shifted)
    assert torch.equal(first, climb(vgg, image, **shifted))
    assert not torch.equal(first, climb(vgg, image, **shifted, generator=torch.Generator().manual_seed(1)))


def test_the_mask_says_where(vgg: Classifier, image: Tensor) -> None:
    mask = torch.zeros(1, 1, 40, 48)
    mask[..., :24] = 1
    end = climb(vgg, image, mask=mask)
    assert torch.equal(end[..., 24:], image[..., 24:])
    assert not torch.equal(end[..., :24], image[..., :24])


@pytest.mark.parametrize("rate", [float("inf"), 1e39, float("nan")])
def test_numbers_that_are_no_longer_finite(vgg: Classifier, image: Tensor, rate: float) -> None:
    with pytest.raises(DivergedError, match="at step 1 of 5; try a smaller rate") as caught:
        climb(vgg, image, rate=rate)
    assert caught.value.step == 1
    assert torch.equal(caught.value.result, image)
    assert hooks_on(vgg.module) == 0


def test_ctrl_c_keeps_the_last_good_picture(vgg: Classifier, image: Tensor) -> None:
    seen: list[Step] = []

    def stop_at_three(step: Step) -> None:
        seen.append(step)
        assert step.image.shape == image.shape
        if step.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="stopped at step 3 of 5") as caught:
        climb(vgg, image, callback=stop_at_three)
    assert torch.equal(caught.value.result, seen[-1].image)
    assert hooks_on(vgg.module) == 0


def test_after_a_fault_the_same_call_works(vgg: Classifier, image: Tensor) -> None:
    def fail(_: Step) -> None:
        raise ValueError("in the middle")

    expected = climb(vgg, image)
    with pytest.raises(ValueError, match="in the middle"):
        climb(vgg, image, callback=fail)
    assert hooks_on(vgg.module) == 0
    assert torch.equal(climb(vgg, image), expected)


def test_a_position_outside_the_map(vgg: Classifier, image: Tensor) -> None:
    outside = Excite((Address("features.3", None, (99, 0)),))
    with pytest.raises(DreamscopeError, match="20 rows and 24 columns"):
        climb(vgg, image, objective=outside, steps=1)
    assert hooks_on(vgg.module) == 0


def test_a_batch_ends_where_its_items_do_alone(vgg: Classifier, image: Tensor) -> None:
    channels = [Excite((Address("features.3", (channel,)),), "mean_square") for channel in (0, 4, 9)]
    starts = torch.cat([image, 1 - image, image.flip(3)])

    def run(start: Tensor, objective: Each | Excite) -> Tensor:
        generator = torch.Generator().manual_seed(3)
        return climb(vgg, start, objective=objective, steps=4, transforms=[Shift(8)], generator=generator)

    together = run(starts, Each(tuple(channels)))
    for index, objective in enumerate(channels):
        assert torch.allclose(together[index : index + 1], run(starts[index : index + 1], objective), atol=1e-5)


def test_any_parameterization_is_climbed(vgg: Classifier) -> None:
    size = Size(32, 24)
    for name, kind in PARAMETERIZATIONS.items():
        start = kind.noise(2, size, torch.Generator().manual_seed(0))
        steps: list[Step] = []
        end = climb(vgg, start, optimizer=Adam(0.05), steps=8, callback=steps.append)
        assert steps[-1].value > steps[0].value, name
        assert end.shape == (2, 3, 24, 32)
        assert torch.equal(end, steps[-1].image)
        assert torch.equal(end, start.image())
        assert not start.numbers.requires_grad


def test_crops_are_averaged(vgg: Classifier, image: Tensor) -> None:
    seen: list[Tensor] = []
    climb(vgg, image, steps=1, transforms=[Shift(8)], crops=3, watch=seen.append)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        climb(vgg, image, steps=1, transforms=[Shift(8)], generator=generator, watch=seen.append)
    assert torch.allclose(seen[0], torch.stack(seen[1:]).mean(0), atol=1e-7)


def test_penalties_are_taken_off(vgg: Classifier, image: Tensor) -> None:
    plain: list[Step] = []
    costly: list[Step] = []
    gradients: list[Tensor] = []
    climb(vgg, image, steps=1, callback=plain.append, watch=gradients.append)
    climb(vgg, image, steps=1, callback=costly.append, watch=gradients.append, penalties=[L2(3.0)])
    assert costly[0].value == pytest.approx(plain[0].value - L2(3.0)(image).item(), rel=1e-5)
    by_hand = gradients[0] - 3 * 2 * (image - 0.5) / image[0].numel()
    assert torch.allclose(gradients[1], by_hand, atol=1e-7)


def test_a_silent_unit_gets_a_gradient(vgg: Classifier, image: Tensor) -> None:
    vgg.module.features[3].bias.data[4] -= 100 * vgg.module.features[3].weight[4].abs().sum()
    with probe(vgg, "features.4") as seen:
        lowest = seen(image)["features.4"][:, 4].max()
    assert lowest == 0
    silent = Excite((Address("features.4", (4,)),), "mean")
    asleep = climb(vgg, image, objective=silent, steps=3)
    assert torch.equal(asleep, image)
    redirected = climb(vgg, image, objective=silent, steps=3, redirect_steps=3)
    assert not torch.equal(redirected, image)
    assert hooks_on(vgg.module) == 0


class SharedAndOwn:
    """Two images: what they share, and what each adds."""

    def __init__(self) -> None:
        self.shared, self.own = torch.zeros(1, 3, 24, 32), torch.zeros(2, 3, 24, 32)

    def parameters(self) -> list[Tensor]:
        return [self.shared, self.own]

    def image(self) -> Tensor:
        return torch.sigmoid(self.shared + 0.5 * self.own)


def test_ones_own_object_of_several_tensors_is_climbed(vgg: Classifier) -> None:
    channels = Each(tuple(Excite((Address("features.3", (channel,)),), "mean") for channel in (2, 4)))
    for rule in (Adam(0.05), FromTorch(torch.optim.AdamW)):
        own, steps = SharedAndOwn(), list[Step]()
        end = climb(vgg, own, objective=channels, steps=6, optimizer=rule, callback=steps.append)
        assert steps[-1].value > steps[0].value
        assert torch.equal(end, own.image())
        assert not torch.equal(end[0], end[1])
        assert own.shared.abs().sum() > 0
        assert not own.shared.requires_grad
        assert own.shared.grad is None


def test_of_a_step_that_is_not_finite_nothing_is_left(vgg: Classifier) -> None:
    own, seen = SharedAndOwn(), list[Tensor]()

    class Explodes(Adam):
        def __call__(self, parameters: Any, gradients: Any, values: Tensor, progress: float) -> list[Tensor]:
            moved = super().__call__(parameters, gradients, values, progress)
            return moved if progress < 0.5 else [moved[0], moved[1] / 0]

    objective = Excite((Address("features.3", (2,)),), "mean")
    with pytest.raises(DivergedError, match="at step 3 of 4") as caught:
        climb(
            vgg,
            own,
            objective=objective,
            steps=4,
            optimizer=Explodes(0.1),
            callback=lambda step: seen.append(step.image),
        )
    assert len(seen) == 2
    assert torch.equal(caught.value.result, seen[-1])
    assert torch.equal(own.image(), seen[-1])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (lambda own: own.shared[0], r"returns \(N, 3, H, W\), not shape \(3, 24, 32\)"),
        (lambda own: own.shared.detach().sigmoid(), "does not depend on its parameters"),
        (lambda _own: 3, "not int"),
    ],
)
def test_what_makes_no_image(vgg: Classifier, image: Any, message: str) -> None:
    own = SharedAndOwn()
    own.image = lambda: image(own)  # type: ignore[method-assign]
    with pytest.raises(DreamscopeError, match=message):
        climb(vgg, own, optimizer=Adam(0.1))
    assert hooks_on(vgg.module) == 0


def test_objectives_that_cancel_out(vgg: Classifier, image: Tensor) -> None:
    with pytest.raises(DreamscopeError, match="nothing is left to climb"):
        climb(vgg, image, objective=OBJECTIVE - OBJECTIVE)
