from __future__ import annotations

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from dreamscope.dissection.statistics import rank_auc, standardized_difference
from dreamscope.exploration.responses import Responses


def gathered(values: Tensor, batch: int = 7) -> Responses:
    responses = Responses([values.shape[1]])
    for part in values.split(batch):
        responses.add(part, part.abs())
    return responses


def drawn(count: int, shift: float, seed: int) -> Tensor:
    return torch.randn((count, 5), generator=torch.Generator().manual_seed(seed)) + shift * torch.arange(5)


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
