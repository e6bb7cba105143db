"""Edits as changes of weights: of the part that makes the channels, or of one that takes them in."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn

from dreamscope.models.ablation import Ablation
from dreamscope.models.edit_base import Edit
from dreamscope.models.edits import Add
from dreamscope.models.erase import Erase
from dreamscope.models.projection import Projection
from dreamscope.models.randomize import Randomize
from dreamscope.models.weight_parts import (
    Changes,
    Inflow,
    Part,
    UnbakeableError,
    bias_of,
    is_linear,
    is_norm,
    mixed,
    norm_factor,
    norm_shifted,
    pads_with_zeros,
)


class WeightChange(Protocol):
    """What an edit of whole channels comes to in weights."""

    producers_first: bool
    """Whether the part that makes the channels is to be changed rather than those that take them in."""

    mixes: bool
    """Whether a channel's new value depends on other channels."""

    def rows(self, part: Part, before: Part | None, channels: list[int] | slice) -> Changes:
        """Return the weights with which a part makes these channels as the edit would have them.

        Parameters
        ----------
        part
            The part; the copies of its weights may be changed in place.
        before
            The part that ran just before it, if any, which may be changed with it.
        channels
            Their numbers.

        Raises
        ------
        UnbakeableError
            If there are none.
        """

    def columns(self, inflow: Inflow) -> Changes:
        """Return the weights with which a part makes of its plain input what it made of the edited one.

        Raises
        ------
        UnbakeableError
            If there are none.
        """


def weight_change_of(edit: Edit) -> WeightChange:
    """Return what an edit comes to in weights.

    Raises
    ------
    UnbakeableError
        If it depends on the picture, on the position, or holds code.
    """
    change: WeightChange
    if isinstance(edit, Ablation) and edit.how.partition(":")[0] in ("zero", "scale"):
        change = Scaling(edit.how)
    elif isinstance(edit, Add):
        change = Shift(edit)
    elif isinstance(edit, Erase):
        change = Projection(edit)
    elif isinstance(edit, Randomize):
        change = RandomRows(edit)
    else:
        raise UnbakeableError(
            "what replaces the channels depends on the picture or the position; only the edits zero, scale:X, "
            "randomize, Add and Erase do not"
        )
    if edit.address.position is not None:
        raise UnbakeableError("weights are the same at every position; leave out @ROW,COL")
    return change


class Scaling:
    """Channels times a number."""

    mixes = False

    def __init__(self, how: str) -> None:
        name, _, number = how.partition(":")
        self._how = how
        self._factor = float(number or 0)
        # Channels that are never made cost nothing later; a scaled one may not survive its activation as it is.
        self.producers_first = name == "zero"

    def rows(self, part: Part, _before: Part | None, channels: list[int] | slice) -> Changes:
        """See `WeightChange.rows`."""
        for value in part.weights.values():
            value[channels] *= self._factor
        return part.changed(**part.weights)

    def columns(self, inflow: Inflow) -> Changes:
        """See `WeightChange.columns`."""
        part, module, plain, edited = inflow.part, inflow.part.module, inflow.plain, inflow.edited
        if not is_linear(module):
            raise UnbakeableError(f"they go into {part}, whose weights can't be scaled for single channels")
        scale = torch.where((plain != edited).any(1), self._factor, 1.0).to(plain)
        error = (plain * scale[:, None] - edited).abs().amax(1)
        if not (error <= 1e-5 * edited.abs().amax(1)).all():
            raise UnbakeableError(mixed(part.name, self._how))
        if isinstance(module, nn.Linear):
            return part.changed(weight=module.weight * scale)
        if is_norm(module):
            bias = module.bias + norm_factor(module) * module.running_mean * (scale - 1)
            return part.changed(weight=module.weight * scale, bias=bias)
        by_group = scale.view(module.groups, -1).repeat_interleave(len(module.weight) // module.groups, 0)
        return part.changed(weight=module.weight * by_group.view(*by_group.shape, *[1] * (module.weight.dim() - 2)))


class Shift:
    """A number added to each channel."""

    mixes = False
    producers_first = True

    def __init__(self, edit: Add) -> None:
        self._direction = edit.strength * edit.direction

    def rows(self, part: Part, _before: Part | None, channels: list[int] | slice) -> Changes:
        """See `WeightChange.rows`."""
        bias = bias_of(part)
        bias[channels] += self._direction.to(bias)
        return part.changed(bias=bias)

    def columns(self, inflow: Inflow) -> Changes:
        """See `WeightChange.columns`."""
        part, module = inflow.part, inflow.part.module
        if not is_linear(module):
            raise UnbakeableError(f"they go into {part}, which has no bias to hold what is added")
        difference = inflow.edited - inflow.plain
        shift = difference.mean(1)
        if not ((difference - shift[:, None]).abs().amax(1) <= 1e-5 * inflow.edited.abs().amax(1)).all():
            raise UnbakeableError(mixed(part.name, "what is added"))
        bias = bias_of(part)
        if isinstance(module, nn.Linear):
            return part.changed(bias=bias + module.weight @ shift)
        if is_norm(module):
            return norm_shifted(part, shift) or {}
        if pads_with_zeros(module):
            raise UnbakeableError(f"'{part.name}' pads with zeros, to which nothing is added")
        groups = shift.view(module.groups, -1)
        sums = module.weight.flatten(2).sum(2).view(module.groups, -1, groups.shape[1])
        return part.changed(bias=bias + (sums @ groups[..., None]).flatten())


class RandomRows:
    """Random weights in the layer that makes the channels."""

    mixes = False
    producers_first = True

    def __init__(self, edit: Randomize) -> None:
        self._edit = edit

    def rows(self, part: Part, _before: Part | None, channels: list[int] | slice) -> Changes:
        """See `WeightChange.rows`."""
        if part.name != self._edit.address.layer:
            raise UnbakeableError("other parts share these weights, or no one layer makes these channels alone")
        weight, bias = self._edit.rows(part.module)
        part.weights["weight"][channels] = weight
        if bias is not None:
            part.weights["bias"][channels] = bias
        return part.changed(**part.weights)

    def columns(self, _inflow: Inflow) -> Changes:
        """Raise an `UnbakeableError`: what the channels are made of is not to be seen where they go."""
        raise UnbakeableError("other parts share these weights, or no one layer makes these channels alone")
