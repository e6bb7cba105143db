from __future__ import annotations

import torch
from nets import hooks_on
from torch import Tensor

from dreamscope.exploration.responses import Responses, mean_and_norm
from dreamscope.models.classifier import Classifier
from dreamscope.probes import probe


def gathered(values: Tensor, batch: int = 7) -> Responses:
    responses = Responses([values.shape[1]])
    for part in values.split(batch):
        responses.add(part, part.abs())
    return responses


def drawn(count: int, shift: float, seed: int) -> Tensor:
    return torch.randn((count, 5), generator=torch.Generator().manual_seed(seed)) + shift * torch.arange(5)


def test_the_moments_do_not_depend_on_the_batches() -> None:
    values = drawn(50, 3.0, 0) + 1000
    for batch in (1, 7, 50):
        responses = gathered(values, batch)
        assert torch.allclose(responses.mean, values.mean(0), rtol=1e-6)
        assert torch.allclose(responses.deviation, values.std(0), rtol=1e-4)


def test_the_loudest_of_each_layer() -> None:
    responses = Responses([3, 4], loudest=1)
    norms = torch.tensor([[3.0, 1, 1, 0, 0, 9, 0], [1, 3, 1, 0, 0, 9, 0]])
    responses.add(norms, norms)
    assert responses.loud.tolist() == [0.5, 0.5, 0, 0, 0, 1, 0]


def test_responses_of_a_network(residual: Classifier) -> None:
    images = torch.rand((6, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    layers = ["bn1", "layer1.0", "fc"]
    found = Responses([residual.layers[name].channels for name in layers])
    with probe(residual, layers, keep=mean_and_norm) as seen, torch.no_grad():
        for batch in images.split(4):
            found.add_seen(seen(batch), layers)
    with probe(residual, layers) as seen, torch.no_grad():
        kept = seen(images)
        means = torch.cat([kept["bn1"].mean((2, 3)), kept["layer1.0"].mean((2, 3)), kept["fc"]], 1)
    assert torch.allclose(found.mean, means.mean(0), atol=1e-6)
    assert torch.allclose(found.deviation, means.std(0), atol=1e-5)
    assert hooks_on(residual.module) == 0


def test_parts_merged_are_the_whole() -> None:
    values = drawn(60, 2.0, 5)
    parts = [gathered(part) for part in values.split(20)]
    merged = Responses([5])
    for part in parts:
        merged.merge(part)
    merged.merge(Responses([5]))
    whole = gathered(values)
    assert merged.count == 60
    assert torch.allclose(merged.mean, whole.mean, rtol=1e-6)
    assert torch.allclose(merged.deviation, whole.deviation, rtol=1e-6)
    assert torch.equal(merged.histogram, whole.histogram)
    assert torch.equal(merged.times_loud, whole.times_loud)
    assert torch.allclose(merged.loudness, whole.loudness)
    # In the same order the numbers are the same to the last digit, however the parts came about.
    again = Responses([5])
    for part in [gathered(part) for part in values.split(20)]:
        again.merge(part)
    assert torch.equal(again.mean, merged.mean)
    assert torch.equal(again.deviation, merged.deviation)
