from __future__ import annotations

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
from dreamscope.optimize.ascent import Step, ascend
from dreamscope.optimize.gradient_filters import as_is, unit_mean
from dreamscope.optimize.parameterizations import PARAMETERIZATIONS
from dreamscope.optimize.regularizers import L2
from dreamscope.optimize.transforms import Shift
from dreamscope.optimize.update_rules import Adam, Climb
from dreamscope.probes import probe

OBJECTIVE = Excite((Address("features.3"),), "mean_square")


def climb(model: Classifier, image: Tensor, **changes: object) -> Tensor:
    rate, mask = changes.pop("rate", 0.01), changes.pop("mask", None)
    move = Climb(rate, unit_mean, mask)  # type: ignore[arg-type]
    options = {"steps": 5, "move": move, "generator": torch.Generator().manual_seed(0)}
    return ascend(model, image, OBJECTIVE, **{**options, **changes})  # type: ignore[arg-type]


def test_a_linear_nets_image_moves_along_its_weight() -> None:
    model = wrap(seeded(Linear()), input_size=8)
    image = torch.full((1, 3, 8, 8), 0.5)
    objective = Excite(tuple(resolve(["conv:2"], model)), "mean")
    end = ascend(model, image, objective, steps=3, move=Climb(10.0, as_is), generator=torch.Generator())
    expected = 0.5 + 3 * 10 * model.module.conv.weight[2].view(1, 3, 1, 1) / 64
    assert torch.allclose(end, expected.expand_as(end), atol=1e-6)


def test_it_climbs_and_reports(vgg: Classifier, image: Tensor) -> None:
    steps: list[Step] = []
    end = climb(vgg, image, report=steps.append, before=10, total=20)
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
        if step.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="stopped at step 3 of 5") as caught:
        climb(vgg, image, report=stop_at_three)
    assert torch.equal(caught.value.result, seen[-1].image)
    assert hooks_on(vgg.module) == 0


def test_after_a_fault_the_same_call_works(vgg: Classifier, image: Tensor) -> None:
    def fail(_: Step) -> None:
        raise ValueError("in the middle")

    expected = climb(vgg, image)
    with pytest.raises(ValueError, match="in the middle"):
        climb(vgg, image, report=fail)
    assert hooks_on(vgg.module) == 0
    assert torch.equal(climb(vgg, image), expected)


def test_a_position_outside_the_map(vgg: Classifier, image: Tensor) -> None:
    outside = Excite((Address("features.3", None, (99, 0)),))
    with pytest.raises(DreamscopeError, match="20 rows and 24 columns"):
        ascend(vgg, image, outside, steps=1, move=Climb(1, as_is), generator=torch.Generator())
    assert hooks_on(vgg.module) == 0


def test_a_batch_ends_where_its_items_do_alone(vgg: Classifier, image: Tensor) -> None:
    channels = [Excite((Address("features.3", (channel,)),), "mean_square") for channel in (0, 4, 9)]
    starts = torch.cat([image, 1 - image, image.flip(3)])
    options = {"steps": 4, "move": Climb(0.01, unit_mean), "transforms": [Shift(8)]}

    def run(start: Tensor, objective: Each | Excite) -> Tensor:
        return ascend(vgg, start, objective, generator=torch.Generator().manual_seed(3), **options)  # type: ignore[arg-type]

    together = run(starts, Each(tuple(channels)))
    for index, objective in enumerate(channels):
        assert torch.allclose(together[index : index + 1], run(starts[index : index + 1], objective), atol=1e-5)


def test_any_parameterization_is_climbed(vgg: Classifier) -> None:
    size = Size(32, 24)
    for name, make in PARAMETERIZATIONS.items():
        kind = make(size)
        start = kind.start(2, size, torch.Generator().manual_seed(0))
        steps: list[Step] = []
        climb(vgg, start, parameterization=kind, move=Adam(0.05), steps=8, report=steps.append)
        assert steps[-1].value > steps[0].value, name
        assert steps[-1].image.shape == (2, 3, 24, 32)
        assert torch.equal(steps[-1].image, kind.image(steps[-1].numbers))


def test_views_are_averaged(vgg: Classifier, image: Tensor) -> None:
    seen: list[Tensor] = []
    climb(vgg, image, steps=1, transforms=[Shift(8)], views=3, watch=seen.append)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        climb(vgg, image, steps=1, transforms=[Shift(8)], generator=generator, watch=seen.append)
    assert torch.allclose(seen[0], torch.stack(seen[1:]).mean(0), atol=1e-7)


def test_penalties_are_taken_off(vgg: Classifier, image: Tensor) -> None:
    plain: list[Step] = []
    costly: list[Step] = []
    gradients: list[Tensor] = []
    climb(vgg, image, steps=1, report=plain.append, watch=gradients.append)
    climb(vgg, image, steps=1, report=costly.append, watch=gradients.append, penalties=[L2(3.0)])
    assert costly[0].value == pytest.approx(plain[0].value - L2(3.0)(image).item(), rel=1e-5)
    by_hand = gradients[0] - 3 * 2 * (image - 0.5) / image[0].numel()
    assert torch.allclose(gradients[1], by_hand, atol=1e-7)


def test_a_silent_unit_wakes(vgg: Classifier, image: Tensor) -> None:
    vgg.module.features[3].bias.data[4] -= 100 * vgg.module.features[3].weight[4].abs().sum()
    with probe(vgg, "features.4") as seen:
        lowest = seen(image)["features.4"][:, 4].max()
    assert lowest == 0
    silent = Excite((Address("features.4", (4,)),), "mean")
    asleep = ascend(vgg, image, silent, steps=3, move=Climb(0.01, unit_mean), generator=torch.Generator())
    assert torch.equal(asleep, image)
    woken = ascend(vgg, image, silent, steps=3, move=Climb(0.01, unit_mean), generator=torch.Generator(), waking=3)
    assert not torch.equal(woken, image)
    assert hooks_on(vgg.module) == 0
