"""Edits as changes of weights: of the part that makes the channels, or of one that takes them in."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.edit_base import Edit
from dreamscope.models.edits import Ablation, Add

_LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm1d, nn.BatchNorm2d)


class UnbakeableError(DreamscopeError):
    """No weights do what an edit does; the message is the reason."""


class WeightChange(Protocol):
    """What an edit of whole channels comes to in weights."""

    producers_first: bool
    """Whether the part that makes the channels is to be changed rather than those that take them in."""

    def rows(self, name: str, weights: dict[str, Tensor], channels: list[int] | slice) -> None:
        """Change, in place, the weights of a part (``weight``, ``bias``) as far as they make these channels."""

    def columns(self, name: str, part: Any, plain: Tensor, edited: Tensor) -> dict[str, Tensor]:
        """Return the weights with which a part makes of its plain input what it made of the edited one.

        Parameters
        ----------
        name, part
            The part.
        plain, edited
            (C, ...): what goes into it without the edit, and with it, channels first.

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
    else:
        raise UnbakeableError(
            "what replaces the channels depends on the picture or the position; only the edits zero, scale:X and Add "
            "do not"
        )
    if edit.address.position is not None:
        raise UnbakeableError("weights are the same at every position; leave out @ROW,COL")
    return change


class Scaling:
    """Channels times a number."""

    def __init__(self, how: str) -> None:
        name, _, number = how.partition(":")
        self._how = how
        self._factor = float(number or 0)
        # Channels that are never made cost nothing later; a scaled one may not survive its activation as it is.
        self.producers_first = name == "zero"

    def rows(self, _name: str, weights: dict[str, Tensor], channels: list[int] | slice) -> None:
        """See `WeightChange.rows`."""
        for value in weights.values():
            value[channels] *= self._factor

    def columns(self, name: str, part: Any, plain: Tensor, edited: Tensor) -> dict[str, Tensor]:
        """See `WeightChange.columns`."""
        if not _is_linear(part):
            raise UnbakeableError(
                f"they go into '{name}' ({type(part).__name__}), whose weights can't be scaled for single channels"
            )
        scale = torch.where((plain != edited).flatten(1).any(1), self._factor, 1.0).to(plain)
        error = (plain.flatten(1) * scale[:, None] - edited.flatten(1)).abs().amax(1)
        if not (error <= 1e-5 * edited.flatten(1).abs().amax(1)).all():
            raise UnbakeableError(_mixed(name, self._how))
        if _is_matrix(part):
            return {"weight": part.weight * scale}
        if hasattr(part, "running_mean"):
            shift = part.running_mean * (scale - 1) / (part.running_var + part.eps).sqrt()
            return {"weight": part.weight * scale, "bias": part.bias + part.weight * shift}
        by_group = scale.view(part.groups, -1).repeat_interleave(len(part.weight) // part.groups, 0)
        return {"weight": part.weight * by_group.view(*by_group.shape, *[1] * (part.weight.dim() - 2))}


class Shift:
    """A number added to each channel."""

    producers_first = True

    def __init__(self, edit: Add) -> None:
        self._direction = edit.strength * edit.direction

    def rows(self, name: str, weights: dict[str, Tensor], channels: list[int] | slice) -> None:
        """See `WeightChange.rows`."""
        if "bias" not in weights:
            raise UnbakeableError(f"'{name}', which makes the channels, has no bias")
        del weights["weight"]
        weights["bias"][channels] += self._direction.to(weights["bias"])

    def columns(self, name: str, part: Any, plain: Tensor, edited: Tensor) -> dict[str, Tensor]:
        """See `WeightChange.columns`."""
        if not _is_linear(part) or part.bias is None:
            raise UnbakeableError(
                f"they go into '{name}' ({type(part).__name__}), which has no bias to hold what is added"
            )
        difference = (edited - plain).flatten(1)
        shift = difference.mean(1)
        if not ((difference - shift[:, None]).abs().amax(1) <= 1e-5 * edited.flatten(1).abs().amax(1)).all():
            raise UnbakeableError(_mixed(name, "what is added"))
        if _is_matrix(part):
            return {"bias": part.bias + part.weight @ shift}
        if hasattr(part, "running_mean"):
            return {"bias": part.bias + part.weight * shift / (part.running_var + part.eps).sqrt()}
        padded = part.padding != "valid" and any(part._reversed_padding_repeated_twice)
        if padded and part.padding_mode == "zeros":
            raise UnbakeableError(f"'{name}' pads with zeros, to which nothing is added")
        groups = shift.view(part.groups, -1)
        sums = part.weight.flatten(2).sum(2).view(part.groups, -1, groups.shape[1])
        return {"bias": part.bias + (sums @ groups[..., None]).flatten()}


def _is_linear(part: Any) -> bool:
    return isinstance(part, _LINEAR)


def _is_matrix(part: Any) -> bool:
    return isinstance(part, nn.Linear)


def _mixed(name: str, what: str) -> str:
    return (
        f"on the way to '{name}' they are summed with others (a skip connection), or changed in a way "
        f"that does not keep {what}"
    )
