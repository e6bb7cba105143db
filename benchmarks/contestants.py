"""Who runs: each function returns a callable that makes so many steps."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Each, Excite, Objective
from dreamscope.optimize.ascent import Ascent
from dreamscope.optimize.gradient_filters import unit_mean
from dreamscope.optimize.parameterizations import Pixel
from dreamscope.optimize.precision import prepared
from dreamscope.optimize.transforms import Shift
from dreamscope.optimize.update_rules import GradientStep

Steps = Callable[[int], None]


class _Stop(Exception):  # noqa: N818
    pass


def floor(model: Classifier, layer: str, picture: Tensor, dtype: torch.dtype, memory: torch.memory_format) -> Steps:
    """Plain PyTorch: frozen weights, stopped at the layer by an exception in a hook, gradient of the picture only."""
    module = copy.deepcopy(model.module).to(dtype).to(memory_format=memory)
    inputs = model.normalization(picture).to(dtype).contiguous(memory_format=memory)
    seen: list[Tensor] = []

    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        seen.append(output)
        raise _Stop

    def steps(count: int) -> None:
        handle = module.get_submodule(layer).register_forward_hook(hook)
        x = inputs
        for _ in range(count):
            seen.clear()
            leaf = x.detach().requires_grad_()
            try:
                module(leaf)
            except _Stop:
                pass
            seen[0].float().square().mean().backward()
            gradient = leaf.grad
            x = leaf.detach() + 0.01 * gradient / gradient.abs().mean()
        handle.remove()

    return steps


def dreamscope(model: Classifier, at: str, picture: Tensor, *, loss: str = "mean_square") -> Steps:
    """The engine and the ascent as `dream` uses them, with shift and gradient normalisation."""
    addresses = tuple(resolve([at], model))
    fast, choice = prepared(model, {each.layer for each in addresses}, max(picture.shape[-2:]))
    print(f"  dreamscope runs {model.name} in {choice}")

    def steps(count: int) -> None:
        _climb(fast, picture, Excite(addresses, loss), count)

    return steps


def batch(model: Classifier, layer: str, channels: list[int], side: int) -> Steps:
    """All channels in one batch, a step counting for all of them."""
    fast, _ = prepared(model, {layer}, side)
    each = Each(tuple(Excite((Address(layer, (channel,)),), "mean") for channel in channels))
    pictures = torch.rand((len(channels), 3, side, side), generator=torch.Generator().manual_seed(0))

    def steps(count: int) -> None:
        _climb(fast, pictures, each, count)

    return steps


def singly(model: Classifier, layer: str, channels: list[int], side: int) -> Steps:
    """The same channels, one after the other."""
    fast, _ = prepared(model, {layer}, side)
    picture = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0))

    def steps(count: int) -> None:
        for channel in channels:
            _climb(fast, picture, Excite((Address(layer, (channel,)),), "mean"), count)

    return steps


def _climb(model: Classifier, pictures: Tensor, objective: Objective, steps: int) -> None:
    Ascent(GradientStep(1.5 / 255, unit_mean), transforms=[Shift(8)])(
        model, Pixel.of(pictures), objective, steps=steps, generator=torch.Generator().manual_seed(0)
    )


def write_ups(layer: str, picture: Tensor, features: nn.Module) -> Steps:
    """The VGG19 write-ups' loop: the whole network, a hook on every layer, weight gradients on.

    Torchvision's `vgg19` with its classifier, the convolutions from `features`.
    """
    from torchvision.models import vgg19

    module = vgg19(weights=None)
    module.features.load_state_dict(features.state_dict())
    module.eval()
    seen: dict[str, Tensor] = {}
    for name, part in module.named_modules():
        part.register_forward_hook(lambda _m, _i, output, name=name: seen.update({name: output}))

    def steps(count: int) -> None:
        x = picture
        for _ in range(count):
            leaf = x.detach().requires_grad_()
            module(leaf)
            seen[layer].norm().backward()
            x = (leaf.detach() + 1e-4 * leaf.grad).clip(0, 1)
            module.zero_grad()

    return steps


def lucent(model: Classifier, layer: str, channel: int, side: int) -> Steps:
    """torch-lucent's render loop with its own defaults."""
    from lucent.optvis import objectives, param, render

    module = copy.deepcopy(model.module)
    objective = objectives.channel(layer.replace(".", "_"), channel)

    def steps(count: int) -> None:
        render.render_vis(
            module, objective, lambda: param.image(side), thresholds=(count,), progress=False, show_image=False
        )

    return steps


def torch_dreams(model: Classifier, layer: str, channel: int, side: int) -> Steps:
    """torch-dreams' render loop with its own defaults."""
    from torch_dreams import Dreamer

    module = copy.deepcopy(model.module).requires_grad_(True)
    dreamer = Dreamer(module, quiet=True, device="cpu")
    target = module.get_submodule(layer)

    def steps(count: int) -> None:
        dreamer.render(
            layers=[target],
            width=side,
            height=side,
            iters=count,
            custom_func=lambda outputs: -outputs[0][:, channel].mean(),
        )

    return steps
