"""Residual branches: layers whose output is added to what went into the block around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from dreamscope.models.hooks import Hook, Watching, attached
from dreamscope.models.layers import tensor_of


def residual_branches(module: nn.Module, images: Tensor) -> list[str]:
    """Return the layers whose output is added to something that went into them before, in order.

    They are found out in a forward pass, whatever the blocks are called. Where the connection around a branch has
    weights of its own, as where a block makes maps smaller, neither counts as the branch.

    Parameters
    ----------
    module
        A network; for the length of the call it has hooks.
    images
        (1, 3, H, W) as the module takes it.
    """
    watching = _Sums(module)
    with torch.no_grad(), attached(module, watching.hooks), watching:
        module(images)
    return watching.branches


class _Sums(Watching):
    """Finds sums of a layer's output and of a tensor that other operations had taken before."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.branches: list[str] = []
        self.hooks: dict[str, Hook] = {name: self._hook(name) for name, _ in module.named_modules() if name}
        self._made_by: Any = WeakTensorKeyDictionary()
        self._taken: Any = WeakTensorKeyDictionary()

    def _hook(self, name: str) -> Hook:
        def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
            tensor = tensor_of(output)
            if tensor is not None:
                # The innermost: those around it put out the same tensor later.
                self._made_by.setdefault(tensor, name)

        return hook

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if func.overloadpacket.__name__ in ("add", "add_") and len(tensors) == 2:
            self._note(*tensors)
        for tensor in tensors:
            self._taken[tensor] = True
        return func(*args, **(kwargs or {}))

    def _note(self, first: Tensor, second: Tensor) -> None:
        if first.shape != second.shape or first.dim() < 3:
            return
        for branch, around in ((first, second), (second, first)):
            # What goes around has been taken by the branch; what the branch puts out is new.
            if branch in self._made_by and branch not in self._taken and around in self._taken:
                self.branches.append(self._made_by[branch])
