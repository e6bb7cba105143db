"""Channel masks: a factor for each channel of each photo, whose gradient is the channel's first-order effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from dreamscope.models.classifier import Classifier
from dreamscope.models.hooks import Hook
from dreamscope.models.layers import tensor_of, with_tensor


@contextmanager
def masked(
    model: Classifier, masks: Mapping[str, Tensor], shifts: Mapping[str, Tensor] | None = None
) -> Iterator[None]:
    """Multiply layers' outputs by masks, and add shifts, for the length of the block.

    A factor of 0 removes a channel. The gradient of a score with respect to factors of 1 is the sum over positions of
    activation times gradient; with respect to shifts of 0 it is the sum of the gradient alone.

    Parameters
    ----------
    model
        The classifier; afterwards as it was.
    masks
        Layer name -> (C,) for all photos or (N, C) for each.
    shifts
        Layer name -> (N, C), for some or all of the same layers.
    """

    def hook_for(name: str) -> Hook:
        axis = model.layers[name].channel_axis

        def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
            tensor = tensor_of(output)
            if tensor is None:
                return None
            changed = tensor * _along(masks[name], tensor, axis)
            if shifts is not None and name in shifts:
                changed = changed + _along(shifts[name], tensor, axis)
            return with_tensor(output, changed)

        return hook

    with model.hooked({name: hook_for(name) for name in masks}):
        yield


def _along(values: Tensor, tensor: Tensor, axis: int) -> Tensor:
    shape = [1] * tensor.dim()
    shape[axis] = values.shape[-1]
    if values.dim() == 2:
        shape[0] = len(values)
    return values.to(tensor).view(shape)
