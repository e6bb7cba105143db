"""Explanations: what `dreamscope.attribution.explain` hands back, and its numbers in a file."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from dreamscope import files
from dreamscope.attribution.base import Method, Question, Windows
from dreamscope.attribution.metrics import Faithfulness, Survival
from dreamscope.errors import DreamscopeError
from dreamscope.recipes import Recipe


@dataclass(frozen=True)
class Change:
    """What a picture is taken for while a part of it is covered.

    Attributes
    ----------
    index, label : int, str
        The class.
    share : float
        Of the windows.
    """

    index: int
    label: str
    share: float


@dataclass(frozen=True)
class Explanation:
    """Which pixels of a picture count for what a network says, by one method.

    Attributes
    ----------
    method : Method
        How, with its options.
    image : Tensor
        (1, 3, H, W) in [0, 1], as the network looked at it: resized and cropped as it was tested.
    subject : str
        What is explained: a class's label, or an address.
    of_class : bool
        Whether it is one class, so that the value is a probability.
    value : float
        What the network says of it: a class's probability, an activation.
    values : Tensor
        What came out: (3, H, W) where the method tells colours apart, else (1, H, W).
    windows : Windows or None
        Of occlusion: what was seen at each window.
    changes : tuple of Change
        Of occlusion: the other classes that the picture is taken for, the most frequent first.
    faithfulness : Faithfulness or None
        The insertion and deletion curves, if asked for.
    sanity : tuple of Survival
        The similarity to the map of ever more random networks, if asked for.
    seconds : float
        How long the map took.
    recipe : Recipe
        Enough to make it again.
    """

    method: Method
    image: Tensor
    subject: str
    of_class: bool
    value: float
    values: Tensor
    windows: Windows | None
    changes: tuple[Change, ...]
    faithfulness: Faithfulness | None
    sanity: tuple[Survival, ...]
    seconds: float
    recipe: Recipe

    @property
    def map(self) -> Tensor:
        """What each pixel counts for, (H, W): the sum of its colours where they have signs, else the largest."""
        return heat(self.method, self.values)

    @property
    def title(self) -> str:
        """What is explained, and what the network says of it."""
        return f"{self.subject}, {self.value:.1%}" if self.of_class else f"{self.subject}, {self.value:.3g}"


def heat(method: Method, values: Tensor) -> Tensor:
    """Return what each pixel counts for, (H, W), from what a method put out, (C, H, W)."""
    return values.sum(0) if method.signed else values.abs().amax(0)


def heat_of(method: Method, question: Question) -> Tensor:
    """Return what each pixel counts for, (H, W)."""
    return heat(method, method(question).values)


def save_arrays(explanations: Sequence[Explanation], path: str | Path) -> Path:
    """Write what came out of some methods as NumPy's ``.npz``, the recipe inside, whole or not at all.

    It holds ``image`` (H, W, 3); for each method ``NAME`` (H, W), as it is drawn, and ``NAME_values``, as it came
    out; of occlusion also ``occlusion_windows`` and ``occlusion_answers``; and ``recipe``, a text. A method that was
    used twice counts as ``NAME`` and ``NAME-2``.

    Raises
    ------
    DreamscopeError
        If `path` does not end in ``.npz`` or can't be written.
    """
    ensure_arrays(path)
    first = explanations[0]
    arrays = {"image": first.image[0].permute(1, 2, 0).numpy(), "recipe": np.array(first.recipe.to_json())}
    times: Counter[str] = Counter()
    for each in explanations:
        times[each.method.name] += 1
        number = times[each.method.name]
        name = each.method.name if number == 1 else f"{each.method.name}-{number}"
        arrays[name] = each.map.numpy()
        arrays[f"{name}_values"] = each.values.numpy()
        if each.windows is not None:
            arrays[f"{name}_windows"] = each.windows.values.numpy()
            if each.windows.answers is not None:
                arrays[f"{name}_answers"] = each.windows.answers.numpy()
    # NumPy appends .npz to names that lack it, as a temporary one does; to a file it does not.
    held = io.BytesIO()
    np.savez_compressed(held, **arrays)  # type: ignore[arg-type]
    with files.written_whole(path) as temporary:
        temporary.write_bytes(held.getvalue())
    return Path(path)


def ensure_arrays(path: str | Path) -> Path:
    """Return `path` if arrays can be written there, or raise."""
    if Path(path).suffix.lower() != ".npz":
        raise DreamscopeError(f"can't write '{path}': arrays go into a .npz")
    return files.ensure_writable(path)
