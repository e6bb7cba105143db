"""Filters: what do the weights of a convolution look like?

The first convolution is shown as it acts on red, green and blue of the image, whatever the network does to
the image before it (Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional
Neural Networks", 2012, figure 3); deeper ones have no colours and are shown by their norms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dreamscope import images
from dreamscope.errors import DreamscopeError, did_you_mean, ensure_one_of
from dreamscope.exploration.patches import channels_of, windows
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.probes import probe
from dreamscope.recipes import Recipe

SCALINGS = ("each", "shared")
"""Each filter by its own largest weight, or all by the largest of all: then faint ones look faint."""

KINDS = {
    "colour": "as they act on red, green and blue; gray is zero",
    "signed": "of their one input channel; gray is zero",
    "norm": "the norm over their input channels; black is zero",
}


@dataclass(frozen=True)
class Filters:
    """The filters of one convolution.

    Attributes
    ----------
    layer : str
        The convolution.
    channels : tuple of int
        Its filters shown.
    weights : Tensor
        float32 (filters, 3 or 1, h, w), see `kind`. Those of kind ``colour`` act on images in [0, 1]: they include the
        network's normalization and order of colours.
    kind : str
        One of `KINDS`.
    recipe : Recipe or None
        Enough to make it again; ``None`` if none was wanted.
    """

    layer: str
    channels: tuple[int, ...]
    weights: Tensor
    kind: str
    recipe: Recipe | None

    @property
    def norms(self) -> list[float]:
        """The L2 norm of each filter."""
        return [float(norm) for norm in self.weights.flatten(1).norm(dim=1)]

    def pictures(self, scaling: str = "each") -> Tensor:
        """Return the filters as pictures (filters, 3, h, w) in [0, 1], scaled as one of `SCALINGS` says."""
        ensure_one_of(scaling, SCALINGS, "scaling")
        largest = self.weights.abs().flatten(1).amax(1)
        scale = largest if scaling == "each" else largest.max().expand_as(largest)
        # A filter of zeros stays gray.
        relative = self.weights / scale.clamp_min(1e-30).view(-1, 1, 1, 1)
        return (relative if self.kind == "norm" else 0.5 + relative / 2).clamp(0, 1).expand(-1, 3, -1, -1)

    def _repr_png_(self) -> bytes:
        """Return the filters in rows, enlarged."""
        from torchvision.utils import make_grid

        scale = max(1, 48 // max(self.weights.shape[-2:]))
        shown = self.pictures().repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        return images.png(make_grid(shown, nrow=max(8, math.ceil(math.sqrt(len(shown)))), pad_value=1.0)[None])


def filters(model: Classifier, at: str | Address | None = None, *, recipe: bool = True) -> Filters:
    """Return the filters of a convolution.

    Parameters
    ----------
    model
        The classifier.
    at
        A convolution, or some of its channels; the first one of the forward pass if not given.
    recipe
        Keep a recipe.

    Returns
    -------
    Filters
        Of the first convolution the weights on red, green and blue: the gradient of its output with respect to the
        pixels in its receptive field, at mid-gray, which is the weight itself if all that comes before it is linear.
        Of others with one input channel a filter (depthwise ones) the weights; of all else their L2 norm over the
        input channels.

    Raises
    ------
    DreamscopeError
        If there is no such layer or channel, the layer is no convolution over two dimensions, several layers are
        named, or the network has no convolution.
    """
    arguments = locals()
    # In the order in which they ran, not in the one in which they were written down.
    convolutions = [name for name in model.layers if isinstance(model.module.get_submodule(name), nn.Conv2d)]
    if not convolutions:
        raise DreamscopeError(f"{model.name} has no convolutions, so no filters to look at")
    address = Address(convolutions[0]) if at is None else _one(model, at, convolutions)
    part = model.module.get_submodule(address.layer)
    assert isinstance(part, nn.Conv2d)
    channels = address.channels or tuple(range(part.out_channels))
    if address.layer == convolutions[0]:
        weights, kind = _on_colours(model, address.layer, channels), "colour"
    else:
        raw = part.weight.detach()[list(channels)].float().cpu()
        one = raw.shape[1] == 1
        weights, kind = (raw, "signed") if one else (raw.norm(dim=1, keepdim=True), "norm")
    made = Recipe.of_call(filters, arguments, inputs={}, resolved={"at": str(address)}) if recipe else None
    return Filters(address.layer, channels, weights, kind, made)


def _one(model: Classifier, at: str | Address, convolutions: list[str]) -> Address:
    found = channels_of(model, [at])
    if len(found) > 1:
        raise DreamscopeError(f"'{at}' is {len(found)} layers; give one convolution, such as {convolutions[0]}")
    (address,) = found
    if address.layer not in convolutions:
        near = did_you_mean(address.layer, convolutions) or f"; the first is '{convolutions[0]}'"
        raise DreamscopeError(
            f"'{address.layer}' of {model.name} is no convolution but {model.layers[address.layer].type}{near}"
        )
    return address


def _on_colours(model: Classifier, layer: str, channels: tuple[int, ...]) -> Tensor:
    """Return the gradients of a layer's channels at one position with respect to the image, (channels, 3, h, w)."""
    window = windows(model, [layer])[layer]
    height, width = model.input_size
    middle = (window.grid[0] // 2) * window.grid[1] + window.grid[1] // 2
    picture = torch.full((1, 3, height, width), 0.5, requires_grad=True)
    gradients = []
    with torch.enable_grad(), probe(model, layer) as seen:
        at_middle = seen(picture)[layer].flatten(2)[0, :, middle]
        for channel in channels:
            (gradient,) = torch.autograd.grad(at_middle[channel], picture, retain_graph=True)
            gradients.append(gradient[0].float())
    found = torch.stack(gradients)
    if window.size is not None:
        return window.cut(found, middle, smallest=1)
    # The receptive field is unknown: cut to the pixels that any filter reacts to.
    rows, columns = (found.abs().amax((0, 1, axis)).nonzero().flatten().tolist() or [0] for axis in (3, 2))
    return found[..., rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
