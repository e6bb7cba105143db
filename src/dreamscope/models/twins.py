"""Twins: module objects of their own around the same weights.

PyTorch's hooks belong to module objects, so two threads that hook one network see each other's hooks. Whoever needs
hooks gets a twin: the network's structure again, with the very same parameters and buffers.
"""

from __future__ import annotations

import copy
import operator
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from dreamscope.errors import DreamscopeError

_IDLE = 4
"""Twins that wait for another thread; one more is dropped."""

_HOOKS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
)


def twin_of(module: nn.Module, *, own_parameters: bool = False) -> nn.Module:
    """Return a copy of a network's modules around the same weights.

    Parameters
    ----------
    module
        It stays as it is; its hooks are the twin's hooks, too.
    own_parameters
        Make parameters and buffers objects of their own around the same memory, so that the twin can be converted
        (``.to(...)``) without a change to `module`.

    Returns
    -------
    nn.Module
        Every parameter and buffer is the same object as in `module` (with `own_parameters`: shares its memory). All
        else that modules hold is copied.

    Raises
    ------
    DreamscopeError
        If something that a module holds can't be copied.
    """
    shared = [*module.parameters(), *module.buffers()]
    memo: dict[int, Any] = {id(tensor): tensor for tensor in shared}
    if own_parameters:
        memo = {id(tensor): _own(tensor) for tensor in shared}
    for part in module.modules():
        for value in vars(part).values():
            # copy.deepcopy refuses tensors inside a graph (what the old weight_norm leaves): hand it plain ones.
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
        for kind in _HOOKS:
            # A hook's owner would be copied with it, and never hear of what the copy sees.
            memo.update((id(hook), hook) for hook in vars(part)[kind].values())
        # Most of what a module holds are empty dictionaries: copying them one by one takes most of the time.
        memo.update((id(value), type(value)()) for value in vars(part).values() if _is_empty(value))
    return _copied(module, memo)


def private_copy(module: nn.Module) -> nn.Module:
    """Return a copy of a network with weights of its own; raise a `DreamscopeError` if it can't be copied."""
    memo = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    return _copied(module, memo)


def _copied(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:
        raise DreamscopeError(
            f"{type(module).__name__} can't be copied ({type(error).__name__}: {error}); "
            "dreamscope never works on the module it is given"
        ) from error


def _is_empty(value: Any) -> bool:
    return type(value) in (dict, OrderedDict) and not value


def _own(tensor: Tensor) -> Tensor:
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(tensor.detach(), requires_grad=tensor.requires_grad)
    return tensor.detach()


@dataclass
class _Loan:
    """A twin, what it was made of, and how many open blocks of its thread use it."""

    twin: nn.Module
    parts: list[Any]
    blocks: int = 0


class Twins:
    """Twins of one network, each lent to one thread at a time and used again when it is back.

    A copied or pickled pool is an empty one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Loan] = []
        self._mine = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), ())

    def current(self) -> nn.Module | None:
        """Return the twin that this thread has now, or ``None``."""
        loan: _Loan | None = getattr(self._mine, "loan", None)
        return None if loan is None or not loan.blocks else loan.twin

    @contextmanager
    def lent(self, module: nn.Module, make: Callable[[], nn.Module]) -> Iterator[nn.Module]:
        """Lend this thread a twin of `module` for the length of the block.

        Blocks of a thread that lie inside each other share one twin, so that the hooks of all of them run.

        Parameters
        ----------
        module
            The network; where it is no longer made of the same parts, weights and hooks, no older twin is lent.
        make
            Makes a twin of it.
        """
        mine: _Loan | None = getattr(self._mine, "loan", None)
        loan = mine if mine is not None and mine.blocks else self._taken(_parts(module), make)
        self._mine.loan = loan
        loan.blocks += 1
        try:
            yield loan.twin
        finally:
            loan.blocks -= 1
            if not loan.blocks:
                if getattr(self._mine, "loan", None) is loan:
                    self._mine.loan = None
                with self._lock:
                    if len(self._idle) < _IDLE:
                        self._idle.append(loan)

    def _taken(self, parts: list[Any], make: Callable[[], nn.Module]) -> _Loan:
        with self._lock:
            # Of a network that has changed, by whoever owns it, all twins are out of date.
            self._idle = [each for each in self._idle if _same(each.parts, parts)]
            if self._idle:
                return self._idle.pop()
        return _Loan(make(), parts)


def _parts(module: nn.Module) -> list[Any]:
    found: list[Any] = []
    for part in module.modules():
        own = vars(part)
        found.append(part)
        for kind in ("_parameters", "_buffers", *_HOOKS):
            found += own[kind].values()
    return found


def _same(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) and all(map(operator.is_, first, second))
