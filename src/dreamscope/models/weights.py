"""Weight files: read without running code from them, fitted to a network, with what does not fit reported."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.files import existing_file

State = dict[str, Tensor]


def read(path: str | Path) -> State:
    """Read a ``.safetensors`` file or a PyTorch state dict (``weights_only``, so no code is run).

    A state dict under ``state_dict``, ``model`` or ``model_state_dict`` and the prefix ``module.`` of
    data-parallel training are unwrapped.
    """
    path = existing_file(path, "weights file")
    loaded: Any
    if path.suffix.lower() == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            loaded = load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise DreamscopeError(f"weights file '{path}' can't be read: {error}") from error
    else:
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise DreamscopeError(
                f"weights file '{path}' is damaged or holds more than tensors; save a state dict"
            ) from error
        except Exception as error:
            # torch.load raises nearly anything on a file that is not its own.
            raise DreamscopeError(f"weights file '{path}' can't be read: {type(error).__name__}") from error
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping):
        raise DreamscopeError(f"weights file '{path}' holds {type(loaded).__name__}, not a state dict")
    state = {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}
    if not state:
        raise DreamscopeError(f"weights file '{path}' holds no tensors")
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return state


def misfits(module: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Return, a phrase each, how `state` does not fit `module`: missing, unexpected, of another shape."""
    own = module.state_dict()
    # A counter that only training reads; old files lack it.
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in own and not key.endswith("num_batches_tracked")]
    reshaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    phrases = [
        f"{len(keys)} {what} (first: {keys[0]})"
        for keys, what in ((missing, "missing"), (unexpected, "unexpected"))
        if keys
    ]
    if reshaped:
        key = reshaped[0]
        phrases.append(
            f"{len(reshaped)} of another shape (first: {key}, {tuple(state[key].shape)} in the file, "
            f"{tuple(own[key].shape)} in the model)"
        )
    return phrases


def fit(module: nn.Module, state: Mapping[str, Tensor], *, name: str, source: str) -> None:
    """Load `state` into `module`, all of it; raise if it is another architecture's."""
    wrong = misfits(module, state)
    if wrong:
        raise DreamscopeError(f"weights '{source}' do not fit {name}: {'; '.join(wrong)}")
    module.load_state_dict(dict(state), strict=False)


def class_count(module: nn.Module, state: Mapping[str, Tensor]) -> int | None:
    """Return the number of classes that `state` was trained for, if one matrix differs from `module`'s in just that."""
    own = module.state_dict()
    differing = [key for key in own if key in state and own[key].shape != state[key].shape]
    matrices = [key for key in own if key in differing and own[key].dim() > 1]
    if len(matrices) != 1 or own[matrices[0]].shape[1:] != state[matrices[0]].shape[1:]:
        return None
    return int(state[matrices[0]].shape[0])
