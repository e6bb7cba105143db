"""Overlap: how much the edits that were found on different photos have in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch

from dreamscope.models.edit_base import Edit
from dreamscope.models.erase import Erase


def agreement(edits: Sequence[Sequence[Edit]]) -> float | None:
    """Return how much edits have in common, in the mean of all pairs."""
    found = [_overlap(one, other) for one, other in combinations(edits, 2)]
    return sum(found) / len(found) if found else None


def _overlap(one: Sequence[Edit], other: Sequence[Edit]) -> float:
    of_one, of_other = ({edit.address.layer: edit for edit in edits} for edits in (one, other))
    shares = []
    for layer in {**of_one, **of_other}:
        first, second = of_one.get(layer), of_other.get(layer)
        if first is None or second is None:
            shares.append(0.0)
        elif isinstance(first, Erase) and isinstance(second, Erase):
            bases = [torch.linalg.qr(edit.remove.double()).Q for edit in (first, second)]
            shares.append(float((bases[0].T @ bases[1]).square().sum()) / min(first.count, second.count))
        else:
            these, those = (set(edit.address.channels or ()) for edit in (first, second))
            shares.append(len(these & those) / max(1, len(these | those)))
    return sum(shares) / len(shares) if shares else 1.0
