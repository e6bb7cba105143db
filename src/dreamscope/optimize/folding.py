"""The same network in fewer operations: for ascents, which need the activations of a few layers only.

Batch norms go into the convolutions before them, clamping activations keep no second copy of what they
clamp, and padding that was an operation of its own goes into the kernel. Which of it is allowed is found out
by a real forward pass: what a convolution puts out must go to that batch norm and nowhere else, and must not be
among the layers to be recorded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import has_torch_function
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from dreamscope.models.hooks import Hook, Watching, attached
from dreamscope.models.layers import tensor_of
from dreamscope.models.twins import twin_of


def folded(module: nn.Module, keep: Collection[str], images: Tensor, untouched: Collection[str] = ()) -> nn.Module:
    """Return a copy of `module` that computes the same in fewer operations.

    Parameters
    ----------
    module
        A frozen network in eval mode; it is not changed, and shares the weights that stay as they are.
    keep
        Names of the layers whose output must stay what it is; others may put out something else.
    images
        (1, 3, H, W) as the module takes it: for the pass that shows what goes where.
    untouched
        Names of those among them that must stay as they are, weights and all.

    Returns
    -------
    nn.Module
        With the same names; the outputs at `keep` are equal up to rounding.
    """
    twin = twin_of(module)
    flow = _Flow(twin, images)
    kept = {id(tensor) for name in keep for tensor in flow.outputs.get(name, ())}
    for convolution, norm in list(_foldable(twin, flow, kept)):
        _fold(twin, convolution, norm)
    for name, part in list(twin.named_modules()):
        if name in untouched:
            continue
        if isinstance(part, nn.Hardtanh) and len(flow.outputs.get(name, ())) == 1:
            # Only a convolution (or its padding) is sure to return a gradient that nothing else holds.
            alone = flow.uses_of(name) in (["convolution"], ["constant_pad_nd"])
            _replace(twin, name, _Clamp(part, owns_gradient=alone and id(flow.outputs[name][0]) not in kept))
        elif type(part).__name__ == "Conv2dSame" and _SamePadded.fits(part):
            _replace(twin, name, _SamePadded(part))
        elif type(part) is nn.Conv2d and _Unshuffled.fits(part):
            _replace(twin, name, _Unshuffled(part))
    return twin


class _Flow(Watching):
    """What went where in one forward pass: by module name, its inputs, outputs, and what took them."""

    def __init__(self, module: nn.Module, images: Tensor) -> None:
        super().__init__()
        self.outputs: dict[str, list[Tensor]] = {}
        self.inputs: dict[str, list[Tensor]] = {}
        self._uses: Any = WeakTensorKeyDictionary()
        self._uses_before: dict[str, int] = {}
        hooks = {name: self._hook(name) for name, _ in module.named_modules() if name}
        with torch.no_grad(), attached(module, hooks), self:
            module(images)

    def _hook(self, name: str) -> Hook:
        def hook(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            tensor = tensor_of(output)
            if tensor is not None:
                self.outputs.setdefault(name, []).append(tensor)
                self.inputs.setdefault(name, []).extend(each for each in inputs[:1] if isinstance(each, Tensor))
                self._uses_before[name] = len(self._uses.get(tensor, ()))

        return hook

    def uses_of(self, name: str) -> list[str]:
        """Return the operations that took a module's output after it was put out, by PyTorch's names."""
        uses: list[str] = self._uses.get(self.outputs[name][-1], [])
        return uses[self._uses_before[name] :]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor):
                self._uses.setdefault(leaf, []).append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def _foldable(module: nn.Module, flow: _Flow, kept: set[int]) -> Iterator[tuple[str, str]]:
    """Yield (convolution, batch norm) where the one feeds the other, once, and nothing else."""
    parts = dict(module.named_modules(remove_duplicate=False))
    owners = [id(part.weight) for part in parts.values() if isinstance(part, nn.Conv2d)]
    made_by = {
        id(tensors[0]): name
        for name, tensors in flow.outputs.items()
        if isinstance(parts[name], nn.Conv2d) and len(tensors) == 1 and owners.count(id(parts[name].weight)) == 1
    }
    for name, inputs in flow.inputs.items():
        if _is_norm(parts[name]) and len(inputs) == 1 and id(inputs[0]) in made_by and id(inputs[0]) not in kept:
            convolution = made_by[id(inputs[0])]
            if len(flow.uses_of(convolution)) == 1:
                yield convolution, name


def _is_norm(part: nn.Module) -> bool:
    # By name, so that neither timm nor torchvision need be imported; subclasses may do anything.
    named = type(part).__name__ in ("BatchNorm2d", "BatchNormAct2d", "FrozenBatchNorm2d")
    return named and getattr(part, "running_mean", None) is not None


def _fold(twin: nn.Module, convolution: str, norm: str) -> None:
    part: Any = twin.get_submodule(convolution)
    scale: Any = twin.get_submodule(norm)
    weight, bias = fuse_conv_bn_weights(
        part.weight, part.bias, scale.running_mean, scale.running_var, scale.eps, scale.weight, scale.bias
    )
    part.weight, part.bias = (nn.Parameter(value.detach(), requires_grad=False) for value in (weight, bias))
    # timm's norms hold what follows them; their parts keep their names.
    inside = OrderedDict((name, child) for name, child in scale.named_children())
    _replace(twin, norm, nn.Sequential(inside) if inside else nn.Identity())


def _replace(module: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(module.get_submodule(parent), own, part)


class _Clamp(nn.Module):
    """ReLU6 and its kind. PyTorch's in-place one copies its input first, to remember it; this remembers its output."""

    def __init__(self, part: nn.Hardtanh, *, owns_gradient: bool) -> None:
        super().__init__()
        self.limits = (float(part.min_val), float(part.max_val))
        self.inplace = part.inplace
        self.owns_gradient = owns_gradient

    def forward(self, x: Tensor) -> Tensor:
        if has_torch_function((x,)):
            # A mode intercepts PyTorch's own functions.
            return F.hardtanh(x, *self.limits)
        clamped: Tensor = _ClampFunction.apply(x, *self.limits, self.inplace, self.owns_gradient)
        return clamped


class _ClampFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        x, low, high, inplace, owns_gradient = arguments
        ctx.limits, ctx.owns_gradient = (low, high), owns_gradient
        if inplace:
            ctx.mark_dirty(x)
        output: Tensor = x.clamp_(low, high) if inplace else x.clamp(low, high)
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient, (output,) = gradients[0], ctx.saved_tensors
        # At a limit the output equals it, and the gradient is zero as it is outside.
        if ctx.owns_gradient:
            moved = torch.ops.aten.hardtanh_backward.grad_input(gradient, output, *ctx.limits, grad_input=gradient)
        else:
            moved = torch.ops.aten.hardtanh_backward(gradient, output, *ctx.limits)
        return moved, None, None, None, None


class _SamePadded(nn.Module):
    """TensorFlow's "same" convolution of stride 2 without an operation for its padding.

    On an even side it pads one more behind than before: the same as a kernel larger by one, with zeros in
    front, padded evenly. On an odd side it pads evenly.
    """

    def __init__(self, part: Any) -> None:
        super().__init__()
        self.weight = part.weight
        self.bias = part.bias
        self.groups = part.groups
        self.padding = (part.kernel_size[0] - 1) // 2
        self.widened = nn.Parameter(F.pad(part.weight, (1, 0, 1, 0)), requires_grad=False)
        self.same = part

    @staticmethod
    def fits(part: Any) -> bool:
        """Return whether a convolution is of the kind; on a picture itself padding costs less than a wider kernel."""
        return _halves(part) and part.in_channels > _COLOURS

    def forward(self, x: Tensor) -> Tensor:
        parities = {side % 2 for side in x.shape[-2:]}
        if len(parities) == 2:
            padded: Tensor = self.same(x)
            return padded
        weight = self.weight if parities == {1} else self.widened
        return F.conv2d(x, weight, self.bias, stride=2, padding=self.padding, groups=self.groups)


class _Unshuffled(nn.Module):
    """A network's first convolution, of stride 2 over three colours, as one of stride 1 over 2x2 blocks of pixels.

    Twelve channels fill the processor's vectors, three don't: the gradient to the picture takes half the time.
    """

    def __init__(self, part: nn.Conv2d) -> None:
        super().__init__()
        kernel = part.kernel_size[0]
        reach = (kernel - 1) // 2
        # With zeros around it the kernel starts and ends with a block.
        lead = reach % 2
        weight = F.pad(part.weight, (lead, (lead + kernel) % 2) * 2)
        self.weight = nn.Parameter(F.pixel_unshuffle(weight, 2), requires_grad=False)
        self.bias = part.bias
        front = (reach + lead) // 2
        self.padding = (front, self.weight.shape[-1] - 1 - front) * 2

    @staticmethod
    def fits(part: nn.Conv2d) -> bool:
        """Return whether a convolution is of the kind; a small kernel would gain nothing."""
        reach = (part.kernel_size[0] - 1) // 2
        evenly = part.padding == (reach, reach) and part.padding_mode == "zeros"
        return _halves(part) and evenly and part.groups == 1 and part.in_channels <= _COLOURS and reach > 1

    def forward(self, x: Tensor) -> Tensor:
        odd = (0, x.shape[-1] % 2, 0, x.shape[-2] % 2)
        blocks = F.pixel_unshuffle(F.pad(x, odd) if any(odd) else x, 2)
        return F.conv2d(F.pad(blocks, self.padding), self.weight, self.bias)


_COLOURS = 4


def _halves(part: Any) -> bool:
    """Return whether a convolution halves the map: square odd kernel, stride 2, not dilated."""
    rows, columns = part.kernel_size
    return rows == columns and rows % 2 == 1 and tuple(part.stride) == (2, 2) and tuple(part.dilation) == (1, 1)
