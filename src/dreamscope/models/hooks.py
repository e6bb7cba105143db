"""The one hook mechanism: forward hooks that are gone when the block ends, however it ends; and watched operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode


class Watching(TorchDispatchMode):
    """Sees every operation of a forward pass, whichever module or function runs it; see ``__torch_dispatch__``."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # PyTorch would import its compiler (2 s), only to be told not to compile this.
        return False


Hook = Callable[[nn.Module, tuple[Any, ...], Any], Any]


@contextmanager
def attached(module: nn.Module, hooks: Mapping[str, Hook]) -> Iterator[None]:
    """Attach forward hooks to submodules, by dotted name, for the length of the block.

    Every thread that runs `module` meanwhile runs the hooks too; a classifier's are attached by
    `Classifier.hooked`, to modules that no other thread runs.

    Parameters
    ----------
    module
        The network that owns the submodules.
    hooks
        Name -> ``hook(module, inputs, output)``; what it returns, unless ``None``, replaces the output.
    """
    with ExitStack() as stack:
        for name, hook in hooks.items():
            handle = module.get_submodule(name).register_forward_hook(hook)
            stack.callback(handle.remove)
        yield
