"""Explanations: what `dreamscope.attribution.explain` returns, and its numbers in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dreamscope import files, images
from dreamscope.attribution.base import Case, Method, Windows
from dreamscope.attribution.metrics import Checkpoint, Faithfulness
from dreamscope.recipes import Recipe

_CLIP = 0.995


@dataclass(frozen=True)
class TargetValue:
    """What is explained of an image, and the network's value for it.

    Attributes
    ----------
    name : str
        A class's label, or an address.
    address : str
        ``class:309``, ``features.28:3``, or a sum.
    value : float
        A class's probability, else an activation (or a weighted sum of activations and class scores).
    is_class : bool
        Whether it is one class, so that the value is a probability.
    """

    name: str
    address: str
    value: float
    is_class: bool

    def __str__(self) -> str:
        return f"{self.name}, {self.value:.1%}" if self.is_class else f"{self.name}, {self.value:.3g}"


@dataclass(frozen=True)
class Explanation:
    """How much each pixel of some images counts, by one method.

    Its length is the number of images; ``explanation[i]`` is the explanation of image i alone.

    Attributes
    ----------
    method : Method
        The method with its options.
    images : Tensor
        (N, 3, H, W) in [0, 1], as the network saw them: resized and cropped as it was tested.
    values : Tensor
        The attribution: (N, 3, H, W) if the method distinguishes colours, else (N, 1, H, W).
    targets : tuple of TargetValue
        What is explained of each image.
    windows : tuple of Windows
        Of occlusion, for each image: what was predicted at each window.
    faithfulness : tuple of Faithfulness
        For each image the insertion and deletion curves, if asked for.
    sanity : tuple of tuple of Checkpoint
        For each image the similarity to the maps of ever more random networks, if asked for.
    seconds : float
        How long the attribution took.
    recipe : Recipe or None
        Enough to make it again; ``None`` if none was wanted.
    """

    method: Method
    images: Tensor
    values: Tensor
    targets: tuple[TargetValue, ...]
    windows: tuple[Windows, ...] = ()
    faithfulness: tuple[Faithfulness, ...] = ()
    sanity: tuple[tuple[Checkpoint, ...], ...] = ()
    seconds: float = 0.0
    recipe: Recipe | None = None

    @property
    def map(self) -> Tensor:
        """Heat maps, (N, 1, H, W): of three colours the sum if they have signs, else the largest absolute value."""
        return heat(self.method, self.values)

    @property
    def picture(self) -> Tensor | None:
        """Of ``guided`` and ``deconv`` the gradient as a picture, (N, 3, H, W) in [0, 1], else ``None``.

        Gray is 0; of the colours that have a gradient, all but 0.5 % lie within the scale, each image by itself.
        """
        return pictured(self.values) if self.method.pictured else None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Explanation:
        index = range(len(self))[index]
        some = slice(index, index + 1)
        return replace(
            self,
            images=self.images[some],
            values=self.values[some],
            targets=self.targets[some],
            windows=self.windows[some],
            faithfulness=self.faithfulness[some],
            sanity=self.sanity[some],
        )

    def _repr_png_(self) -> bytes:
        """Return the images, dark where little counts; where values have signs, red for and blue against."""
        shown = self.map if self.method.signed else self.map - self.map.amin((1, 2, 3), keepdim=True)
        strength = shown / shown.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-30)
        colour = torch.cat([strength.clamp_min(0), 0 * strength, (-strength).clamp_min(0)], 1)
        light = colour if self.method.signed else strength.expand(-1, 3, -1, -1)
        mixed = (0.3 * images.gray(self.images) + 0.7 * light).clamp(0, 1)
        rows = [self.images, mixed, *([] if self.picture is None else [self.picture])]
        return images.png(torch.cat([torch.cat([*row], 2) for row in rows], 1)[None])


def pictured(values: Tensor) -> Tensor:
    """Return gradients (N, 3, H, W) as pictures around gray, each scaled by a high percentile of its own."""
    found = []
    for each in values:
        strength = each.abs()[each != 0]
        # A neuron sees a few pixels of many: what it can't see must not count.
        far = float(strength.kthvalue(max(1, int(_CLIP * len(strength)))).values) if len(strength) else 1.0
        found.append((0.5 + 0.5 * each / far).clamp(0, 1))
    return torch.stack(found)


def heat(method: Method, values: Tensor) -> Tensor:
    """Return heat maps (N, 1, H, W) of the values (N, C, H, W) of a method."""
    if values.shape[1] == 1:
        return values
    return values.sum(1, keepdim=True) if method.signed else values.abs().amax(1, keepdim=True)


def heat_of(method: Method, case: Case) -> Tensor:
    """Return the heat maps (N, 1, H, W) of a case."""
    return heat(method, method(case).values)


def save_arrays(explanations: Sequence[Explanation], path: str | Path) -> Path:
    """Write explanations of the same images as NumPy's ``.npz``, the recipe inside, whole or not at all.

    It holds ``image`` (H, W, 3); for each method the heat map ``NAME`` (H, W) and the attribution ``NAME_values``
    (C, H, W); of guided and deconv also ``NAME_picture`` (H, W, 3), the gradient as a picture; of occlusion also
    ``occlusion_windows`` and ``occlusion_predictions``; and ``recipe``, a text. Of several images each array has one
    more dimension in front. A method that was used twice is ``NAME`` and ``NAME-2``.

    Raises
    ------
    DreamscopeError
        If `path` does not end in ``.npz`` or can't be written.
    """
    files.ensure_arrays(path)
    first = explanations[0]
    arrays = {"image": first.images.permute(0, 2, 3, 1)}
    times: Counter[str] = Counter()
    for each in explanations:
        times[each.method.name] += 1
        number = times[each.method.name]
        name = each.method.name if number == 1 else f"{each.method.name}-{number}"
        arrays[name] = each.map[:, 0]
        arrays[f"{name}_values"] = each.values
        if each.picture is not None:
            arrays[f"{name}_picture"] = each.picture.permute(0, 2, 3, 1)
        if each.windows:
            arrays[f"{name}_windows"] = torch.stack([windows.values for windows in each.windows])
            predictions = [windows.predictions for windows in each.windows if windows.predictions is not None]
            if predictions:
                arrays[f"{name}_predictions"] = torch.stack(predictions)
    plain = {name: (values[0] if len(first) == 1 else values).numpy() for name, values in arrays.items()}
    if first.recipe is not None:
        plain["recipe"] = np.array(first.recipe.to_json())
    return files.write_arrays(path, plain)
