from __future__ import annotations

import pytest
import torch
from nets import hooks_on
from sklearn.metrics import roc_auc_score
from torch import Tensor

from dreamscope.dissection.statistics import Responses, mean_and_norm, rank_auc, standardized_difference
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


def test_rank_auc_is_that_of_the_ranks() -> None:
    targets, controls = drawn(120, 0.5, 1).relu(), drawn(300, 0, 2).relu()
    found = rank_auc(gathered(targets), gathered(controls))
    labels = [1] * 120 + [0] * 300
    for channel in range(5):
        exact = roc_auc_score(labels, torch.cat([targets, controls])[:, channel].numpy())
        assert float(found[channel]) == pytest.approx(exact, abs=0.02)


def test_rank_auc_of_what_is_the_same_or_apart() -> None:
    zeros, ones = torch.zeros(4, 2), torch.ones(4, 2)
    assert rank_auc(gathered(zeros), gathered(zeros)).tolist() == [0.5, 0.5]
    assert rank_auc(gathered(ones), gathered(zeros)).tolist() == [1, 1]
    assert rank_auc(gathered(-ones), gathered(zeros)).tolist() == [0, 0]
    assert rank_auc(gathered(-ones), gathered(-2 * ones)).tolist() == [1, 1]
    assert rank_auc(gathered(1e6 * ones), gathered(1e-6 * ones)).tolist() == [1, 1]


def test_standardized_difference() -> None:
    targets, controls = drawn(400, 1.0, 3), drawn(400, 0.0, 4)
    assert torch.allclose(
        standardized_difference(gathered(targets), gathered(controls)), torch.arange(5).float(), atol=0.25
    )


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
