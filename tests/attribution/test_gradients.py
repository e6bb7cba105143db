from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from nets import Functional, Residual, hooks_on, seeded
from torch import Tensor, nn
from torch.nn import functional as F

from dreamscope import images
from dreamscope.attribution.base import Case
from dreamscope.attribution.gradients import Deconv, Guided, Integrated, Saliency, SmoothGrad
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.objectives.targets import targets

RULES = {Guided: lambda g, a: g.clamp_min(0) * (a > 0), Deconv: lambda g, _: g.clamp_min(0)}


class Weights(nn.Module):
    """A linear network: class 1 weighs each colour of each pixel by a number of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 8 * 8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.flatten(1))


class Three(nn.Module):
    """Three convolutions, each followed by whatever stands for a ReLU."""

    def __init__(self, *acts: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 6, 3, padding=1), nn.Conv2d(6, 4, 3)])
        # One for all where one is given: reused.
        self.acts = [*acts] if len(acts) == 3 else [acts[0]] * 3
        self.parts = nn.ModuleList([act for act in self.acts if isinstance(act, nn.Module)])
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        for conv, act in zip(self.convs, self.acts, strict=True):
            x = act(conv(x))
        return self.head(x.mean((2, 3)))


def case_of(module: nn.Module, of: str = "class:1", side: int = 8, seed: int = 0) -> Case:
    model = wrap(module, input_size=side)
    picture = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(seed))
    return Case(model, picture, tuple(targets(model, [of])))


def unrolled(net: Three, picture: Tensor, rule: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The backward pass of class 1, by hand: transposed convolutions, and the rule at each ReLU."""
    before = []
    x = picture
    for conv in net.convs:
        before.append(F.conv2d(x, conv.weight, conv.bias, padding=conv.padding))
        x = before[-1].clamp_min(0)
    gradient = (net.head.weight[1] / x[0, 0].numel()).view(1, -1, 1, 1).expand_as(x)
    for conv, a in zip(reversed(net.convs), reversed(before), strict=True):
        gradient = F.conv_transpose2d(rule(gradient, a), conv.weight, padding=conv.padding)
    return gradient.detach()


def test_the_gradient_of_a_linear_network_is_its_weight() -> None:
    net = seeded(Weights())
    case = case_of(net)
    weight = net.fc.weight[1].detach().view(3, 8, 8)
    assert torch.allclose(Saliency()(case).values[0], weight, atol=1e-6)
    # Noise does not change it, and the way from black to the picture neither.
    assert torch.allclose(SmoothGrad(samples=7)(case).values[0], weight, atol=1e-6)
    assert torch.allclose(Integrated(steps=3)(case).values[0], weight * case.images[0], atol=1e-5)


def test_saliency_is_the_gradient_that_pytorch_computes(vgg: Classifier) -> None:
    case = case_of(vgg.module, side=32)
    leaf = case.images.clone().requires_grad_()
    vgg.logits(leaf)[0, 1].backward()
    assert torch.allclose(Saliency()(case).values, leaf.grad, atol=1e-7)


def test_smoothgrad_is_the_mean_over_noisy_pictures() -> None:
    net = seeded(Three(nn.ReLU()), 3)
    case = case_of(net)
    found = SmoothGrad(samples=300, noise=0.3)(case).values[0]
    span = float(case.images.max() - case.images.min())
    generator = torch.Generator().manual_seed(7)
    noisy = case.images + 0.3 * span * torch.randn((3000, 3, 8, 8), generator=generator)
    noisy.requires_grad_()
    net(noisy)[:, 1].sum().backward()
    mean = noisy.grad.mean(0)
    spread = noisy.grad.std(0) / 300**0.5
    # Two samples of the same: nine in ten lie within two deviations of a mean of 300.
    assert ((found - mean).abs() <= 2.2 * spread).float().mean() > 0.9
    # And not merely the gradient at the picture itself.
    assert not torch.allclose(mean, Saliency()(case).values[0], atol=float(spread.mean()))


def test_smoothgrad_draws_from_the_seed_and_from_nothing_else() -> None:
    net = seeded(Three(nn.ReLU()), 3)
    state = torch.random.get_rng_state()
    first, again = (SmoothGrad(samples=3)(case_of(net)).values for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("fill", ["zero", "mean", "blur"])
def test_integrated_gradients_are_complete(vgg: Classifier, fill: str) -> None:
    from dreamscope.attribution.base import FILLS

    case = case_of(vgg.module, side=32)
    found = Integrated(steps=200, fill=fill)(case).values
    with torch.no_grad():
        whole, empty = vgg.logits(torch.cat([case.images, FILLS[fill](case.images)]))[:, 1]
    assert float(found.sum()) == pytest.approx(float(whole - empty), abs=2e-3 * float((whole - empty).abs()) + 1e-5)


VARIANTS: dict[str, Callable[[], tuple[Callable[[Tensor], Tensor], ...]]] = {
    "modules": lambda: (nn.ReLU(), nn.ReLU(), nn.ReLU()),
    "one module, reused": lambda: (nn.ReLU(),),
    "in place": lambda: (nn.ReLU(inplace=True), nn.ReLU(inplace=True), nn.ReLU(inplace=True)),
    "one module, reused, in place": lambda: (nn.ReLU(inplace=True),),
    "functions": lambda: (F.relu,),
    "functions in place": lambda: (F.relu_, torch.relu_, lambda x: F.relu(x, inplace=True)),
    "methods": lambda: (lambda x: x.relu(), lambda x: x.relu_(), lambda x: x.clamp(min=0)),
    "ReLU6": lambda: (nn.ReLU6(), nn.ReLU6(inplace=True), F.relu6),
    "Hardtanh": lambda: (nn.Hardtanh(0, 6), lambda x: F.hardtanh(x, 0, 6), lambda x: F.hardtanh_(x, 0, 6)),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", RULES)
def test_guided_and_deconv_equal_a_backward_by_hand(kind: type, variant: str) -> None:
    net = seeded(Three(*VARIANTS[variant]()), 1)
    case = case_of(net)
    by_hand = unrolled(net, case.images, RULES[kind])
    found = kind()(case).values
    assert torch.allclose(found, by_hand, atol=1e-7)
    assert bool(by_hand.any())
    # The fault to avoid: the plain gradient under another name.
    plain = Saliency()(case).values
    assert torch.allclose(plain, unrolled(net, case.images, lambda g, a: g * (a > 0)), atol=1e-7)
    assert not torch.allclose(found, plain, atol=1e-4)
    assert hooks_on(case.model.module) == 0


@pytest.mark.parametrize("kind", RULES)
def test_other_shapes_of_network(kind: type) -> None:
    """Residual blocks that reuse one in-place ReLU, and functions alone: what differs is the rule, not the network."""
    torch.manual_seed(0)
    for net in (Residual(), seeded(Functional())):
        case = case_of(net.eval(), side=32)
        found = kind()(case).values
        assert not torch.allclose(found, Saliency()(case).values, rtol=0.1)
        assert bool(found.any())


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (nn.GELU(), "Gelu"),
        (nn.SiLU(inplace=True), "Silu"),
        (nn.Hardswish(), "Hardswish"),
        (F.gelu, "Gelu"),
        (nn.LeakyReLU(), "LeakyRelu"),
        (lambda x: x * x.sigmoid(), "Sigmoid"),
    ],
)
@pytest.mark.parametrize("kind", RULES)
def test_networks_without_relus_are_refused_with_the_reason(kind: type, act: Callable, name: str) -> None:
    for acts in ((act,), (nn.ReLU(), act, nn.ReLU())):
        with pytest.raises(DreamscopeError, match=rf"{kind.name} is a rule for ReLUs.*Three computes with {name}"):
            kind()(case_of(seeded(Three(*acts))))


@pytest.mark.parametrize("kind", RULES)
def test_what_lies_before_every_relu_is_refused(kind: type) -> None:
    with pytest.raises(DreamscopeError, match="none of Three lies between the picture and what is explained"):
        kind()(case_of(seeded(Three(nn.ReLU())), "convs.0:1"))
    # Behind the target another activation does not matter.
    assert kind()(case_of(seeded(Three(nn.ReLU(), nn.ReLU(), nn.GELU())), "convs.1:1")).values.any()


class Guide(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, guided):
        ctx.save_for_backward(x)
        ctx.guided = guided
        return x.clamp(0, 6)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        passed = gradient.clamp_min(0)
        return (passed * ((x > 0) & (x < 6)) if ctx.guided else passed), None


class Ruled(nn.Module):
    def __init__(self, guided: bool) -> None:
        super().__init__()
        self.guided = guided

    def forward(self, x: Tensor) -> Tensor:
        return Guide.apply(x, self.guided)


@pytest.mark.embedded
@pytest.mark.parametrize("kind", RULES)
def test_on_efficientnet_they_are_right_and_not_the_plain_gradient(lite0: Classifier, kind: type) -> None:
    picture = lite0.prepared(images.read("sample:flower"))
    case = Case(lite0, picture, tuple(targets(lite0, ["class:daisy"])))
    found, plain = kind()(case).values, Saliency()(case).values
    cosine = F.cosine_similarity(found.flatten(), plain.flatten(), dim=0)
    assert cosine.abs() < 0.3
    # The same with every ReLU6 of a copy replaced by one that has the rule.
    twin = copy.deepcopy(lite0.module)
    for name, part in list(twin.named_modules()):
        if isinstance(part, nn.ReLU6):
            parent, _, own = name.rpartition(".")
            setattr(twin.get_submodule(parent), own, Ruled(kind is Guided))
    leaf = picture.clone().requires_grad_()
    twin(lite0.normalization(leaf))[0, 985].backward()
    assert torch.allclose(found, leaf.grad, rtol=1e-3, atol=1e-5 * float(leaf.grad.abs().max()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SmoothGrad(samples=0), "samples of smoothgrad lies between 1 and 10000, not at 0"),
        (lambda: SmoothGrad(noise=-1.0), "noise of smoothgrad lies between 0 and 1"),
        (lambda: Integrated(steps=0), "steps of integrated lies between"),
        (lambda: Integrated(fill="black"), "no fill 'black'; there are mean, blur, zero"),
    ],
)
def test_bad_options(make: Callable, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        make()


@pytest.mark.parametrize("method", [Guided, Deconv])
def test_of_a_channel_the_strongest_neuron_is_shown(vgg: Classifier, method: type[Guided | Deconv]) -> None:
    photos = torch.rand((3, 3, 32, 32), generator=torch.Generator().manual_seed(4))
    (target,) = targets(vgg, ["features.3:5"])
    case = Case(vgg, photos, (target,) * 3)
    aimed = method().aimed(case)
    maps = vgg.module.features[:4](vgg.normalization(photos))[:, 5]
    for each, map_ in zip(aimed.targets, maps, strict=True):
        row, column = each.terms[0].position
        assert map_[row, column] == map_.max()
        assert each.name == f"features.3:5@{row},{column}"
    neuron = replace(case, targets=aimed.targets)
    assert torch.equal(method()(aimed).values, method()(neuron).values)
    # Its receptive field is 8 pixels of 32; the mean of all positions sees everything.
    seen = (method()(aimed).values != 0).any(1)
    assert 0 < int(seen.any(2).sum(1).max()) <= 8
    assert method("all").aimed(case) is case
    assert int((method("all")(case).values != 0).any(1).any(2).sum(1).min()) > 8
    assert hooks_on(vgg.module) == 0


@pytest.mark.parametrize("of", ["class:1", "features.3:5@2,2", "features.3", "features.3:5 - features.3:6"])
def test_classes_neurons_layers_and_sums_are_what_they_are(vgg: Classifier, image: Tensor, of: str) -> None:
    case = Case(vgg, vgg.prepared(image), tuple(targets(vgg, [of])))
    assert Guided().aimed(case) is case


def test_a_weight_below_zero_asks_for_the_weakest_neuron(vgg: Classifier, image: Tensor) -> None:
    case = Case(vgg, vgg.prepared(image), tuple(targets(vgg, ["-1*features.3:5"])))
    (term,) = Guided().aimed(case).targets[0].terms
    map_ = vgg.module.features[:4](vgg.normalization(case.images))[0, 5]
    assert map_[term.position] == map_.min()
    assert term.weight == -1


def test_no_other_position() -> None:
    with pytest.raises(DreamscopeError, match="no position 'loudest'; there are strongest, all"):
        Guided("loudest")
