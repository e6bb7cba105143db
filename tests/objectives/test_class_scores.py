from __future__ import annotations

import torch

from dreamscope.objectives import Logit, LogProbability, Margin
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
