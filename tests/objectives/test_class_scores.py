from __future__ import annotations

import pytest
import torch

from dreamscope.objectives import ClassifiedAs, Logit, LogProbability, Margin, Misclassified
from dreamscope.probes import LOGITS

LOGITS_ = {LOGITS: torch.tensor([[1.0, 3.0, 2.0], [0.0, -1.0, 5.0]])}


def test_by_hand() -> None:
    assert Logit(1)(LOGITS_).tolist() == [3, -1]
    assert Margin(1)(LOGITS_).tolist() == [1, -6]
    assert torch.allclose(LogProbability(2)(LOGITS_).exp(), LOGITS_[LOGITS].softmax(1)[:, 2])


def test_kinds_are_told_apart() -> None:
    assert Logit(1) == Logit(1)
    assert Logit(1) != Margin(1)
    assert len({Logit(1), Margin(1), LogProbability(1), Logit(1)}) == 3


@pytest.mark.parametrize("confidence", [0.5, 0.99, 0.999999])
def test_any_confidence_can_be_exceeded_clearly(confidence: float) -> None:
    logits = {LOGITS: torch.tensor([[30.0, 0.0, 0.0]])}
    just = torch.tensor([[0.0, 0.0, float("-inf")]])
    just[0, 0] = torch.logit(torch.tensor(confidence, dtype=torch.float64))
    for objective in (ClassifiedAs(0, confidence), Misclassified(1, confidence)):
        assert objective(logits).item() > 1
        assert objective({LOGITS: just}).item() == pytest.approx(0, abs=1e-4)
        assert objective({LOGITS: just - torch.tensor([0.1, 0, 0])}).item() < 0
