from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from nets import Residual, Tokens, Vgg, hooks_on, seeded
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.twins import Twins, twin_of
from dreamscope.models.wrapping import wrap
from dreamscope.probes import LOGITS, probe

THREADS = 8


class Peculiar(nn.Module):
    """Tied weights, a buffer that is not saved, a computed weight, a part held twice, and a state of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.utils.weight_norm(nn.Conv2d(3, 4, 1))
        self.tied = nn.Conv2d(3, 4, 1)
        self.tied.weight = self.conv.weight_v
        self.register_buffer("shift", torch.ones(1), persistent=False)
        self.parts = [self.conv]
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.parts[0](x) + self.tied(x) + self.shift


@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_a_twin_has_the_same_weights_and_other_modules() -> None:
    module = Peculiar()
    twin: Any = twin_of(module)
    assert all(one is other for one, other in zip(module.parameters(), twin.parameters(), strict=True))
    assert all(one is other for one, other in zip(module.buffers(), twin.buffers(), strict=True))
    assert not set(module.modules()) & set(twin.modules())
    assert twin.parts[0] is twin.conv
    image = torch.rand(1, 3, 5, 5)
    assert torch.equal(twin(image), module(image))
    assert (twin.calls, module.calls) == (1, 1)
    with torch.no_grad():
        module.conv.weight_g.mul_(2)
    assert torch.equal(twin(image), module(image))


@pytest.mark.parametrize("make", [Vgg, Residual, Tokens])
def test_parameters_of_its_own_share_their_memory_until_they_are_converted(make: type[nn.Module]) -> None:
    module = make().eval()
    twin = twin_of(module, own_parameters=True)
    pairs = list(zip(module.parameters(), twin.parameters(), strict=True))
    assert all(one is not other and one.data_ptr() == other.data_ptr() for one, other in pairs)
    twin.double()
    assert {each.dtype for each in module.parameters()} == {torch.float32}
    assert {each.dtype for each in twin.parameters()} == {torch.float64}


def test_hooks_are_the_same_objects() -> None:
    class Recorder:
        seen = 0

        def hook(self, *_: Any) -> None:
            self.seen += 1

    module, recorder = seeded(Vgg()), Recorder()
    module.features[0].register_forward_hook(recorder.hook)
    twin_of(module)(torch.rand(1, 3, 8, 8))
    assert recorder.seen == 1


def test_what_cannot_be_copied_is_refused() -> None:
    module = Vgg()
    module.lock = threading.Lock()
    with pytest.raises(DreamscopeError, match="Vgg can't be copied"):
        twin_of(module)


def test_a_twin_is_used_again_but_not_of_a_network_that_has_changed() -> None:
    module: Any = Vgg()
    twins = Twins()

    def lent() -> nn.Module:
        with twins.lent(module, lambda: twin_of(module)) as twin:
            assert twins.current() is twin
            with twins.lent(module, lambda: twin_of(module)) as inner:
                assert inner is twin
        assert twins.current() is None
        return twin

    first = lent()
    assert lent() is first
    module.classifier = nn.Linear(12, 7)
    second: Any = lent()
    assert second.classifier.weight is module.classifier.weight
    module.features[0].register_forward_hook(lambda *_: None)
    assert hooks_on(lent()) == 1
    with twins.lent(module, lambda: twin_of(module)) as mine, ThreadPoolExecutor(1) as pool:
        assert pool.submit(lent).result() is not mine


def test_a_classifier_can_be_copied_and_pickled_while_it_is_in_use(vgg: Classifier, image: Tensor) -> None:
    with probe(vgg, "features.3") as seen:
        seen(image)
        for other in (copy.deepcopy(vgg), pickle.loads(pickle.dumps(vgg))):
            assert torch.equal(other(image), vgg(image))


def in_threads(work: Any) -> list[Any]:
    """Return what `work` makes of the number of each of the threads, which all begin at the same time."""
    together = threading.Barrier(THREADS)

    def run(number: int) -> Any:
        together.wait()
        with torch.no_grad():
            return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def different(found: list[Any], expected: list[Any]) -> int:
    return sum(
        not torch.equal(one, other)
        for ours, theirs in zip(found, expected, strict=True)
        for one, other in zip(ours, theirs, strict=True)
    )


def test_edited_classifiers_in_threads(vgg: Classifier) -> None:
    images = torch.rand((4, 1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    # The last one is the original.
    models = [*(vgg.edited(Ablation(f"features.3:{number}")) for number in range(THREADS - 1)), vgg]
    with torch.no_grad():
        expected = [[model.logits(images[call % 4]) for call in range(100)] for model in models]
    found = in_threads(lambda number: [models[number].logits(images[call % 4]) for call in range(100)])
    assert different(found, expected) == 0


def test_one_edited_classifier_in_threads(vgg: Classifier, image: Tensor) -> None:
    edited = vgg.edited([Ablation("features.0:1", "noise"), Ablation("features.3:2")])
    with torch.no_grad():
        expected = [[edited.logits(image)] * 50] * THREADS
    assert different(in_threads(lambda _: [edited.logits(image) for _ in range(50)]), expected) == 0


def test_probes_of_one_classifier_in_threads_beside_edited_ones(residual: Classifier) -> None:
    pictures = torch.rand((THREADS, 1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    edited = residual.edited(Ablation("bn1:3"))
    layers = ["bn1", "layer1.0.relu", "layer1.1", LOGITS]

    def work(number: int) -> list[Tensor]:
        found = []
        for call in range(100):
            with probe(edited if number % 4 == 3 else residual, layers[number % 3 :: 2]) as seen:
                found += list(seen(pictures[number]).values())
            if call % 5 == 0:
                found.append(residual.logits(pictures[number]))
        return found

    with torch.no_grad():
        expected = [work(number) for number in range(THREADS)]
    assert different(in_threads(work), expected) == 0
    for model in (residual, edited):
        assert hooks_on(model.module) == 0


@pytest.mark.embedded
def test_the_default_network_in_threads(lite0: Classifier) -> None:
    image = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    models = [lite0.edited(Ablation(f"blocks.{number % 4}.0:{number}")) for number in range(THREADS)]

    def work(number: int) -> list[Tensor]:
        found = [models[number].logits(image) for _ in range(3)]
        with probe(lite0, f"blocks.{number % 4}.0") as seen:
            return [*found, *seen(image).values()]

    with torch.no_grad():
        expected = [work(number) for number in range(THREADS)]
    assert different(in_threads(work), expected) == 0


def test_another_device_or_precision_is_this_ones_alone(vgg: Classifier, image: Tensor) -> None:
    edited = vgg.edited(Ablation("features.3:1"))
    before = edited(image)
    with probe(vgg, "features.3") as seen:
        seen(image)
    vgg.double()
    assert vgg(image).dtype == torch.float64
    with probe(vgg, "features.3") as seen:
        assert seen(image)["features.3"].dtype == torch.float64
    assert torch.equal(edited(image), before)


def test_a_twin_made_without_gradients_serves_with_them(vgg: Classifier, image: Tensor) -> None:
    with torch.inference_mode(), probe(vgg, "features.3") as seen:
        seen(image)
    picture = image.clone().requires_grad_()
    with probe(vgg, "features.3") as seen:
        assert torch.autograd.grad(seen(picture)["features.3"].sum(), picture)[0].isfinite().all()


def test_weights_changed_in_place_count_everywhere(image: Tensor) -> None:
    model = wrap(seeded(Vgg()), input_size=32)
    edited = model.edited(Ablation("features.3:1"))
    with probe(model, "classifier") as seen:
        seen(image)
    with torch.no_grad():
        model.module.classifier.weight.zero_()
        with probe(model, "classifier") as seen:
            assert torch.equal(seen(image)["classifier"], model.module.classifier.bias[None])
        assert torch.equal(edited(image), model.module.classifier.bias[None])
