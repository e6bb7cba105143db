"""Erased directions as changes of weights: a projection of the rows that make channels, or of the columns that take
them in.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dreamscope.models.erase import Erase
from dreamscope.models.weight_parts import (
    CONVOLUTIONS,
    Changes,
    Inflow,
    Part,
    UnbakeableError,
    bias_of,
    is_norm,
    mixed,
    norm_factor,
    pads_with_zeros,
)


class Projection:
    """Directions erased: an affine map of all channels at each position."""

    mixes = True
    # Directions that are never made can't be read at the layer itself either.
    producers_first = True

    def __init__(self, edit: Erase) -> None:
        self._channels = range(len(edit.remove)) if edit.address.channels is None else edit.address.channels
        # In double precision: a mistake here is one for every picture.
        self._remove, self._read = edit.remove.double(), edit.read.double()
        center = torch.zeros(len(edit.remove)) if edit.center is None else edit.center
        self._shift: Tensor = self._remove @ (self._read @ center.double())

    def rows(self, part: Part, before: Part | None, channels: list[int] | slice) -> Changes:
        """See `WeightChange.rows`."""
        if not is_norm(part.module):
            _ensure_mixing(part, "makes")
            return self._rows(part, channels, 1.0)
        # A norm scales each channel alone, so its factors go into the weights before it.
        norm = part.module
        if before is None or len(before.weights.get("weight", ())) != norm.num_features:
            raise UnbakeableError(f"{part} makes each channel alone, and nothing before it makes these")
        _ensure_mixing(before, "makes")
        factor = norm_factor(norm).double()
        weight, bias = (part.weights[key].double() for key in ("weight", "bias"))
        mean = norm.running_mean.double()
        rest = bias - factor * mean
        weight[channels] = (norm.running_var.double() + norm.eps).sqrt()[channels]
        bias[channels] = mean[channels] + self._projected(rest[channels]) + self._shift
        made = self._rows(before, channels, factor[channels], shifted=False)
        return made | part.changed(weight=weight, bias=bias)

    def _rows(
        self, part: Part, channels: list[int] | slice, factor: Tensor | float, *, shifted: bool = True
    ) -> Changes:
        weight, bias = part.weights["weight"].double(), bias_of(part).double()
        some = weight[channels].flatten(1)
        weight[channels] = self._projected((some.T * factor).T).view_as(weight[channels])
        bias[channels] = self._projected(bias[channels] * factor) + (self._shift if shifted else 0)
        return part.changed(weight=weight, bias=bias)

    def columns(self, inflow: Inflow) -> Changes:
        """See `WeightChange.columns`."""
        part, plain, edited = inflow.part, inflow.plain.double(), inflow.edited.double()
        _ensure_mixing(part, "takes")
        index = self._index(inflow)
        expected = plain.clone()
        expected[index] = self._projected(plain[index])
        off = edited - expected
        expected[index] += self._shift[:, None, None]
        tolerance = 1e-5 * edited.abs().max()
        if not (edited - expected).abs().max() <= tolerance:
            # Where a share of what is averaged is zeros, that share of the center is missing.
            share = (off[index] * self._shift[:, None, None]).sum(0) / self._shift.square().sum()
            off[index] -= self._shift[:, None, None] * share
            if off.abs().max() <= tolerance:
                raise UnbakeableError(
                    f"on the way to '{part.name}' they are averaged with zeros around the map, where nothing is "
                    "erased, and so no center is added; give a center of None"
                )
            raise UnbakeableError(mixed(part.name, "directions"))
        weight = part.weights["weight"].double()
        columns = weight[:, index]
        amounts = torch.einsum("oc...,ck->ok...", columns, self._remove)
        weight[:, index] = columns - torch.einsum("ok...,kc->oc...", amounts, self._read)
        if not self._shift.any():
            return part.changed(weight=weight)
        if isinstance(part.module, CONVOLUTIONS) and pads_with_zeros(part.module):
            raise UnbakeableError(
                f"'{part.name}' pads with zeros, where nothing is erased, and so no center is added; give a center of "
                "None"
            )
        added = torch.einsum("oc...,c->o...", columns, self._shift).flatten(1).sum(1)
        return part.changed(weight=weight, bias=bias_of(part) + added)

    def _projected(self, values: Tensor) -> Tensor:
        """Return x - remove @ read @ x of (c, ...)."""
        return values - (self._remove @ (self._read @ values.flatten(1 if values.dim() > 1 else 0))).view_as(values)

    def _index(self, inflow: Inflow) -> Tensor:
        """Return which inputs the channels are, (c, how often each is there), in their order."""
        assert inflow.sources is not None
        places = [(inflow.sources == channel).nonzero().flatten() for channel in self._channels]
        if len({len(each) for each in places}) != 1 or not len(places[0]):
            raise UnbakeableError(mixed(inflow.part.name, "directions"))
        return torch.stack(places)


def _ensure_mixing(part: Part, verb: str) -> None:
    module = part.module
    if not isinstance(module, (nn.Linear, *CONVOLUTIONS)) or getattr(module, "groups", 1) != 1:
        raise UnbakeableError(
            f"{part} {verb} its channels alone or in groups, and a direction goes through all of them"
        )
