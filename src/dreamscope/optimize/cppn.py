"""CPPN: a small network that paints, from where a pixel is to its colour."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError, ensure_seed
from dreamscope.images import Size
from dreamscope.optimize.color_correlation import correlated


class CPPN(nn.Module):
    """An image made by a compositional pattern-producing network: its weights are what is climbed.

    Each pixel's colour is a smooth function of its two coordinates, so that images have no pixels of their own: the
    same weights give them at any size. After Stanley (2007), as climbed by Mordvintsev, Pezzotti, Schubert and Olah,
    "Differentiable Image Parameterizations" (Distill 2018).

    Parameters
    ----------
    size
        Of the image, ``Size``, ``WIDTHxHEIGHT`` or one number for a square.
    width
        Channels of each hidden layer; fewer make simpler images.
    depth
        Hidden layers.
    seed
        Seed of the random weights to begin with.

    Examples
    --------
    >>> CPPN(32).image().shape
    torch.Size([1, 3, 32, 32])
    """

    rate = 0.01
    """How far a step of Adam goes in the weights, if nothing else is said."""

    def __init__(self, size: int | str | Size = 224, *, width: int = 16, depth: int = 6, seed: int = 0) -> None:
        super().__init__()
        if width < 1 or depth < 1:
            raise DreamscopeError(f"a CPPN has 1 hidden layer of 1 channel or more, not {depth} of {width}")
        ensure_seed(seed)
        self.size = Size.parse(size, Size(224, 224))
        generator = torch.Generator().manual_seed(seed)
        layers = [nn.Conv2d(count, width, 1) for count in (2, *[2 * width] * (depth - 1))]
        self.hidden = nn.ModuleList(layers)
        # Without a bias: all would first become one colour, which is the quickest way up.
        self.colors = nn.Conv2d(2 * width, 3, 1, bias=False)
        with torch.no_grad():
            for layer in (*layers, self.colors):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) / layer.in_channels**0.5)
            for layer in layers:
                # Or everything that there is to see would be in the middle.
                layer.get_parameter("bias").copy_(0.5 * torch.randn(width, generator=generator))

    def image(self) -> Tensor:
        """Return the image, (1, 3, H, W) in [0, 1]."""
        features = _coordinates(self.size).to(self.colors.weight)
        for layer in self.hidden:
            bent = torch.atan(layer(features))
            # Of unit variance each, for inputs of unit variance.
            features = torch.cat([bent / 0.67, bent.square() / 0.6], 1)
        waves = self.colors(features)
        return torch.sigmoid(correlated(waves - waves.mean((2, 3), keepdim=True)))

    forward = image


def _coordinates(size: Size) -> Tensor:
    """Return where each pixel is, right and down from the middle, (1, 2, H, W), of unit variance on a square."""
    longer = max(size.width, size.height)
    across, down = (3**0.5 * torch.linspace(-side / longer, side / longer, side) for side in (size.width, size.height))
    rows, columns = torch.meshgrid(down, across, indexing="ij")
    return torch.stack([columns, rows])[None]
