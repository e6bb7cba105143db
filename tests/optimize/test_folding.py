from __future__ import annotations

import copy

import pytest
import torch
from nets import Residual, hooks_on, seeded
from torch import Tensor, nn

from dreamscope.models.classifier import Classifier
from dreamscope.optimize.folding import _Clamp, _SamePadded, _Unshuffled, folded

PICTURE = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def trained(module: nn.Module) -> nn.Module:
    """Give batch norms statistics that matter, and more than float32 to compare in."""
    generator = torch.Generator().manual_seed(5)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values in (part.running_mean, part.running_var, part.weight.data, part.bias.data):
                assert values is not None
                values.copy_(torch.rand(values.shape, generator=generator) + 0.5)
    return module.double().eval().requires_grad_(False)


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


def gradient(module: nn.Module, layer: str, picture: Tensor = PICTURE) -> tuple[Tensor, Tensor]:
    seen: list[Tensor] = []
    handle = module.get_submodule(layer).register_forward_hook(lambda *args: seen.append(args[2].clone()))
    leaf = picture.clone().requires_grad_()
    module(leaf)
    handle.remove()
    return seen[-1].detach(), torch.autograd.grad(seen[-1].square().sum(), leaf)[0]


@pytest.mark.parametrize("layer", ["bn1", "layer1.0", "layer1.0.bn1", "layer1.1.bn2", "layer1.1.relu", "fc"])
def test_the_same_numbers_and_gradients(layer: str) -> None:
    module = trained(Residual())
    light = folded(module, [layer], PICTURE)
    assert norms(light) == 0
    for ours, theirs in zip(gradient(light, layer), gradient(module, layer), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_what_was_asked_for_stays_what_it_is() -> None:
    module = trained(Residual())
    light = folded(module, ["conv1", "layer1.1.conv2"], PICTURE)
    assert norms(light) == 2
    for layer in ("conv1", "layer1.1.conv2"):
        assert torch.allclose(gradient(light, layer)[0], gradient(module, layer)[0], rtol=1e-10)


def test_a_block_that_ends_with_the_convolution_counts_as_asked() -> None:
    class Outside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Conv2d(3, 4, 3))
            self.norm = nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.inner(x))

    module = trained(Outside())
    assert norms(folded(module, ["inner"], PICTURE)) == 1
    assert norms(folded(module, ["norm"], PICTURE)) == 0


def test_a_convolution_that_goes_elsewhere_too_is_left_alone() -> None:
    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.norm = nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return self.norm(x) + x

    module = trained(Forked())
    assert norms(folded(module, [], PICTURE)) == 1


def test_a_convolution_used_twice_is_left_alone() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.first, self.second = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
            self.twin = nn.Conv2d(3, 3, 3, padding=1)
            self.twin.weight = self.conv.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.twin(self.first(self.conv(x))))

    module = trained(Shared())
    light = folded(module, [], PICTURE)
    assert norms(light) == 2
    assert torch.equal(light(PICTURE), module(PICTURE))


def test_the_network_itself_is_not_touched() -> None:
    module = trained(Residual())
    before, parts = copy.deepcopy(module.state_dict()), [type(part) for part in module.modules()]
    folded(module, ["layer1"], PICTURE)
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    assert [type(part) for part in module.modules()] == parts
    assert hooks_on(module) == 0


@pytest.mark.parametrize("inplace", [True, False])
def test_clamping_beside_a_skip_connection(inplace: bool) -> None:
    """The gradient of a sum belongs to both its terms: the clamp must not write into it."""

    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
            self.clamped = nn.ReLU6(inplace)
            self.into = nn.ReLU6(inplace)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.into(self.clamped(self.a(x)) + self.b(x)))

    module = seeded(Skip()).double().requires_grad_(False)
    with torch.no_grad():
        for part in (module.a, module.b):
            part.weight.mul_(20)
    light = folded(module, ["c"], PICTURE)
    assert isinstance(light.clamped, _Clamp)
    assert (light.clamped.owns_gradient, light.into.owns_gradient) == (False, True)
    for ours, theirs in zip(gradient(light, "c"), gradient(module, "c"), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-10)


def test_a_clamp_that_is_recorded_shares_its_gradient() -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU6(), nn.Conv2d(3, 3, 3)).requires_grad_(False)
    assert folded(module, ["2"], PICTURE.float())[1].owns_gradient
    assert not folded(module, ["1"], PICTURE.float())[1].owns_gradient


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [(32, 32), (31, 33), (32, 31), (9, 8)])
def test_same_padding(kernel: int, size: tuple[int, int]) -> None:
    from timm.layers import Conv2dSame

    part = Conv2dSame(6, 6, kernel, stride=2, groups=2).double().requires_grad_(False)
    picture = torch.rand(2, 6, *size, dtype=torch.float64)
    assert _SamePadded.fits(part)
    assert torch.allclose(_SamePadded(part)(picture), part(picture), rtol=1e-12)
    assert not _SamePadded.fits(Conv2dSame(3, 8, kernel, stride=2))


@pytest.mark.parametrize("kernel", [5, 7, 9, 11])
@pytest.mark.parametrize("size", [(32, 32), (31, 33), (32, 31), (9, 8)])
def test_the_first_convolution_over_blocks(kernel: int, size: tuple[int, int]) -> None:
    part = nn.Conv2d(3, 8, kernel, stride=2, padding=kernel // 2)
    module = nn.Sequential(part, nn.BatchNorm2d(8), nn.ReLU(inplace=True))
    trained(module)
    picture = torch.rand(2, 3, *size, dtype=torch.float64)
    light = folded(module, ["2"], PICTURE)
    assert isinstance(light[0], _Unshuffled)
    for ours, theirs in zip(gradient(light, "2", picture), gradient(module, "2", picture), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "part",
    [
        nn.Conv2d(3, 8, 7, stride=2, padding=2),
        nn.Conv2d(3, 8, 7, stride=2, padding=3, padding_mode="reflect"),
        nn.Conv2d(3, 8, 7, stride=4, padding=3),
        nn.Conv2d(3, 8, 7, padding=3),
        nn.Conv2d(3, 8, (7, 5), stride=2, padding=(3, 2)),
        nn.Conv2d(3, 9, 7, stride=2, padding=3, groups=3),
        nn.Conv2d(3, 8, 7, stride=2, padding=3, dilation=2),
        nn.Conv2d(3, 8, 7, stride=2, padding="valid"),
    ],
)
def test_other_first_convolutions_stay(part: nn.Conv2d) -> None:
    assert type(folded(nn.Sequential(part), ["0"], PICTURE.float())[0]) is nn.Conv2d


@pytest.mark.embedded
@pytest.mark.parametrize("layer", ["blocks.4.2", "blocks.4.1.bn1", "blocks.2.0.bn1.act", "blocks.1.0.conv_dw", "bn2"])
def test_lite0_folded_is_lite0(lite0: Classifier, layer: str) -> None:
    module = copy.deepcopy(lite0.module).double()
    picture = torch.rand((1, 3, 96, 80), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    light = folded(module, [layer], picture)
    assert norms(light) == (1 if layer.endswith("conv_dw") else 0)
    for ours, theirs in zip(gradient(light, layer, picture), gradient(module, layer, picture), strict=True):
        assert (ours - theirs).abs().max() <= 1e-9 * theirs.abs().max()
