"""The one hook mechanism: forward hooks that are gone when the block ends, whatever ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

Hook = Callable[[nn.Module, tuple[Any, ...], Any], Any]


@contextmanager
def attached(module: nn.Module, hooks: Mapping[str, Hook], *, first: bool = False) -> Iterator[None]:
    """Attach forward hooks to submodules, by dotted name, for the length of the block.

    Parameters
    ----------
    module
        The network that owns the submodules.
    hooks
        Name -> ``hook(module, inputs, output)``; what it returns, unless ``None``, replaces the output.
    first
        Run before the hooks that are already there: edits must come before whoever records.
    """
    with ExitStack() as stack:
        for name, hook in hooks.items():
            handle = module.get_submodule(name).register_forward_hook(hook, prepend=first)
            stack.callback(handle.remove)
        yield
