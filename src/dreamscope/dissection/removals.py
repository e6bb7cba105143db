"""Removals: the edits that take channels away, layer by layer, in one way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dreamscope.dissection.scores import ChannelScores, addresses
from dreamscope.models.ablation import Ablation
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit


class Removals:
    """Makes the edits that remove channels.

    Random weights act where weights are, before the layer that was searched: where that is, and how widely its weights
    spread, is found once, in the network as it is.

    Parameters
    ----------
    model
        The classifier.
    layers
        Whose channels may be removed.
    how
        See `Ablation`.

    Attributes
    ----------
    layers : list of str
        The layers that will be edited.

    Raises
    ------
    DreamscopeError
        If there is no such way, or it can't be gone at one of the layers.
    """

    def __init__(self, model: Classifier, layers: Sequence[str], how: str) -> None:
        edits = model.edited([Ablation(name, how) for name in layers]).edits[len(model.edits) :]
        self._whole: dict[str, Edit] = dict(zip(layers, edits, strict=True))
        self.layers = [edit.address.layer for edit in edits]

    def __call__(self, scores: ChannelScores, places: Sequence[int]) -> list[Edit]:
        """Return the edits that remove some channels of these scores, one for each layer."""
        found = []
        for address in addresses(scores, places):
            whole = self._whole[address.layer]
            found.append(replace(whole, address=replace(address, layer=whole.address.layer)))
        return found
