from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from nets import Functional, Residual, Tokens, Vgg, hooks_on, seeded
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models as torchvision

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.tails import Tail, cut_before, part_behind
from dreamscope.models.wrapping import wrap
from dreamscope.optimize.precision import prepared
from dreamscope.probes import probe, tapped


def untrained(name: str, side: int) -> Classifier:
    torch.manual_seed(0)
    options = {"init_weights": False} if name == "inception_v3" else {}
    return wrap(getattr(torchvision, name)(weights=None, **options), input_size=side)


def pictures(model: Classifier, count: int = 3) -> Tensor:
    return torch.rand((count, 3, *model.input_size), generator=torch.Generator().manual_seed(2))


def kept(model: Classifier, cut: str, images: Tensor) -> Tensor:
    with torch.no_grad(), tapped(model, [cut]) as caught:
        model(images)
    return caught[cut]


def untouched(model: Classifier) -> bool:
    return (
        hooks_on(model.module) == 0
        and model._twins.current() is None
        and all("forward" not in vars(part) for part in model.module.modules())
    )


class SkipOverAll(nn.Module):
    """The last layer reads the picture itself, too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3, padding=2), nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x)) + x).mean((2, 3))


class SilentSkip(nn.Module):
    """A path around ``second`` that is dead on all pictures in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.last(self.second(y) + F.relu(y - 1000)).mean((2, 3))


class Picky(nn.Module):
    """Takes no picture but a finite one."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        if not x.isfinite().all():
            raise KeyError("what is this?")
        return self.b(self.a(x)).mean((2, 3))


class Shared(nn.Module):
    """One activation for all layers, at the root."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.a, self.b, self.c = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Conv2d(6, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.c(self.relu(self.b(self.relu(self.a(x)))))).mean((2, 3))


class Listed(nn.Module):
    """Blocks in lists that don't run themselves, and whose attributes are read."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.ModuleList([nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3)])
        self.late = nn.ModuleList([nn.Conv2d(6, 6, 3), nn.Conv2d(6, 4, 3)])

    def forward(self, x: Tensor) -> Tensor:
        for part in [*self.early, *self.late]:
            assert part.kernel_size == (3, 3)
            x = F.relu_(part(x))
        return x.mean((2, 3))


@pytest.mark.parametrize(
    ("make", "layer", "cut"),
    [
        (Vgg, "features.3", "features.2"),
        (Vgg, "features", None),
        (Vgg, "classifier", "features"),
        (Residual, "layer1.1", "layer1.0"),
        # Inside a block: what goes around it is needed too.
        (Residual, "layer1.1.conv2", "layer1.0"),
        (Residual, "layer1.0.bn1", "relu"),
        (Residual, "fc", "layer1"),
        (Functional, "b", "a"),
        (Functional, "a", None),
        (Tokens, "mlp", "patch"),
        (Tokens, "head", "mlp"),
        (SkipOverAll, "last", None),
        (SilentSkip, "last", "first"),
        (SilentSkip, "second", "first"),
        (Picky, "b", None),
        (Shared, "c", "b"),
        (Listed, "late.0", "early.1"),
        (Listed, "late.1", "late.0"),
    ],
)
def test_the_cut_is_where_everything_passes_through(make: type[nn.Module], layer: str, cut: str | None) -> None:
    model = wrap(seeded(make()), input_size=32)
    assert cut_before(model, layer) == cut
    assert untouched(model)
    if cut is None:
        return
    images = pictures(model)
    activation = kept(model, cut, images)
    before = activation.clone()
    edited = model.edited(Ablation(f"{layer}:1"))
    tail = Tail(edited, cut)
    for _ in range(2):
        assert torch.allclose(tail.logits(activation), edited.logits(images), rtol=1e-6)
    assert torch.equal(activation, before)
    assert untouched(model)
    assert untouched(edited)


def test_of_several_layers_the_first_decides(vgg: Classifier) -> None:
    assert cut_before(vgg, ["classifier", "features.3", "features.5"]) == "features.2"
    assert cut_before(vgg, "features.[45]") == "features.3"
    with pytest.raises(DreamscopeError, match=r"no layer 'feature\.3'"):
        cut_before(vgg, ["feature.3"])


def test_it_is_found_once(vgg: Classifier) -> None:
    passes: list[int] = []

    def count(*_: object) -> None:
        passes.append(1)

    # A hook of the caller's own module: twins run it too.
    vgg.module.features[0].register_forward_hook(count)
    assert cut_before(vgg, ["features.3"]) == "features.2"
    tried = len(passes)
    assert cut_before(vgg, ["features.3"]) == "features.2"
    assert tried == len(passes) > 0


@pytest.mark.parametrize(
    ("name", "side", "layers", "cut"),
    [
        ("resnet18", 64, ["layer3.1.conv2", "layer4.0"], "layer3.0"),
        ("squeezenet1_1", 64, ["features.10.expand1x1"], "features.10.squeeze_activation"),
        ("inception_v3", 96, ["Mixed_6b.branch7x7_2"], "Mixed_6a"),
    ],
)
def test_of_torchvision(name: str, side: int, layers: list[str], cut: str) -> None:
    model = untrained(name, side)
    images = pictures(model, 2)
    assert cut_before(model, layers) == cut
    edited = model.edited([Ablation(f"{layer}:0-7", "mean") for layer in layers])
    found = Tail(edited, cut).logits(kept(model, cut, images))
    expected = edited.logits(images)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max()))
    assert untouched(model)


@pytest.mark.embedded
def test_of_the_embedded_model_as_it_is_and_prepared(lite0: Classifier) -> None:
    fast, _ = prepared(lite0, ["blocks.5.3.bn2.act"], 224, "float32")
    images = pictures(lite0, 2)
    for model in (lite0, fast):
        assert cut_before(model, ["blocks.5.3"]) == "blocks.5.2"
        assert cut_before(model, ["blocks.5.3.bn2.act"]) == "blocks.5.2"
        edited = model.edited(Ablation("blocks.5.3.bn2.act:0-99"))
        found = Tail(edited, "blocks.5.2").logits(kept(model, "blocks.5.2", images))
        expected = edited.logits(images)
        assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(found, model.logits(images), atol=1e-2)
        assert untouched(model)


def test_what_follows_can_be_looked_at_and_edited(residual: Classifier) -> None:
    images = pictures(residual)
    tail, activation = Tail(residual, "layer1.0"), kept(residual, "layer1.0", images)
    with torch.no_grad(), probe(residual, ["layer1.1.bn1", "fc"]) as seen:
        expected = dict(seen(images))
    with torch.no_grad(), tail.given(activation) as nothing, probe(tail.model, ["layer1.1.bn1", "fc"]) as seen:
        for name, values in seen(nothing).items():
            assert torch.allclose(values, expected[name], rtol=1e-5, atol=1e-6)
    edit = Ablation("layer1.1:2")
    with tail.given(activation) as nothing:
        assert nothing.isnan().all()
        found = tail.model.edited(edit).logits(nothing)
    assert torch.allclose(found, residual.edited(edit).logits(images), rtol=1e-5)


@pytest.mark.parametrize("layer", ["conv1", "layer1.0", "layer1.0.bn2"])
def test_what_is_not_behind_the_cut_is_refused(residual: Classifier, layer: str) -> None:
    with pytest.raises(DreamscopeError, match=f"the edit at '{layer}:2' is not behind the cut at 'layer1.0'"):
        Tail(residual.edited(Ablation(f"{layer}:2")), "layer1.0")
    with pytest.raises(DreamscopeError, match=f"layer '{layer}' .* does not run"):
        Tail(residual, "layer1.0").model.edited(Ablation(layer))


def test_refusals(residual: Classifier) -> None:
    tail = Tail(residual, "layer1.0")
    with pytest.raises(DreamscopeError, match=r"with tail\.given\(activation\)"):
        tail.model(pictures(residual))
    for shape in [(1, 8), (1, 9, 16, 16)]:
        with pytest.raises(DreamscopeError, match="puts out 4 axes with 8 channels"):
            tail.logits(torch.zeros(shape))
    with pytest.raises(DreamscopeError, match="is not one layer that runs once"):
        Tail(residual, "layer1.0.relu")
    with pytest.raises(DreamscopeError, match="is not one layer that runs once"):
        Tail(residual, "layer1.*")


@pytest.mark.parametrize("make", [SkipOverAll, SilentSkip])
def test_a_wrong_cut_gives_no_numbers(make: type[nn.Module]) -> None:
    model = wrap(seeded(make()), input_size=16)
    assert Tail(model, "second").logits(kept(model, "second", pictures(model))).isnan().all()


def test_without_a_cut_the_whole_network_runs_on_the_images(residual: Classifier) -> None:
    images = pictures(residual)
    part = part_behind(residual, None)
    with part.given(images) as given:
        assert given is images
        assert part.model is residual


def test_gradients_flow_to_the_activation(vgg: Classifier) -> None:
    images = pictures(vgg)
    activation = kept(vgg, "features.3", images).requires_grad_()
    (found,) = torch.autograd.grad(Tail(vgg, "features.3").logits(activation)[:, 1].sum(), activation)
    with tapped(vgg, ["features.3"]) as caught:
        logits = vgg.logits(images.requires_grad_())
    (expected,) = torch.autograd.grad(logits[:, 1].sum(), caught["features.3"])
    assert torch.allclose(found, expected)


def test_threads_have_activations_of_their_own(residual: Classifier) -> None:
    tail = Tail(residual.edited(Ablation("layer1.1:0")), "layer1.0")
    whole = residual.edited(Ablation("layer1.1:0"))
    sets = [torch.rand((count, 3, 32, 32)) for count in (1, 2, 3, 4)]
    activations = [kept(residual, "layer1.0", images) for images in sets]
    barrier = Barrier(len(sets))

    def run(activation: Tensor) -> Tensor:
        with tail.given(activation):
            barrier.wait(timeout=30)
            return tail.logits(activation)

    with ThreadPoolExecutor(len(sets)) as threads:
        for images, found in zip(sets, threads.map(run, activations), strict=True):
            assert torch.allclose(found, whole.logits(images), rtol=1e-5)
    with pytest.raises(DreamscopeError, match="runs from an activation"):
        tail.model(pictures(residual))
