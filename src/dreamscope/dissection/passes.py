"""Passes: images that run through many edits of a network, from activations kept before the first of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dreamscope.models.classifier import Classifier
from dreamscope.models.tails import cut_before, part_behind
from dreamscope.probes import probe, tapped

MOST = 2**30
"""Bytes of activations that are kept at most; where they are more, every pass begins with the images."""

_BATCH = 32


class Passes:
    """Images, and what a network makes of them before a layer.

    Parameters
    ----------
    model
        The classifier, without the edits to come.
    images
        (N, 3, H, W), prepared.
    layers
        The layers that are edited or looked at; all that comes before the first of them is computed once.
    """

    def __init__(self, model: Classifier, images: Tensor, layers: Sequence[str]) -> None:
        self._given = images
        self._cut = cut_before(model, layers)
        if self._cut is None:
            return
        found: list[Tensor] = []
        with torch.no_grad(), tapped(model, [self._cut]) as caught:
            for batch in images.split(_BATCH):
                model(batch)
                found.append(caught[self._cut])
                if found[0][:1].nbytes * len(images) > MOST:
                    self._cut = None
                    return
        self._given = torch.cat(found)

    def runs(self, model: Classifier, layers: Sequence[str], rows: Tensor | None = None) -> Iterator[dict[str, Tensor]]:
        """Yield what layers of the edited network put out, channels second, batch by batch; of some rows or of all."""
        given = self._given if rows is None else self._given[rows]
        part = part_behind(model, self._cut)
        for batch in given.split(_BATCH):
            with part.given(batch) as images, probe(part.model, layers) as seen:
                yield dict(seen(images))

    def with_gradients(self, model: Classifier, layers: Sequence[str]) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Yield class scores and what layers put out as the network goes on with it, so that there are gradients."""
        part = part_behind(model, self._cut)
        for batch in self._given.split(_BATCH):
            started = batch.clone().requires_grad_()
            with torch.enable_grad(), part.given(started) as images, tapped(part.model, layers) as caught:
                yield part.model.logits(images), dict(caught)
