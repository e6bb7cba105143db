"""An ensemble: several networks as one classifier, each under its own name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.images import resampled
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier, class_scores
from dreamscope.models.edit_base import Edit
from dreamscope.models.twins import twin_of


class Ensemble(nn.Module):
    """Networks that look at the same picture, (N, 3, H, W) in [0, 1].

    Puts out the mean of the class scores before softmax, whose softmax is the geometric mean of the probabilities. Of
    networks without classes only the layers count.

    Parameters
    ----------
    members
        Name -> classifier; the name is that of the child that holds its network.
    """

    def __init__(self, members: dict[str, Classifier]) -> None:
        super().__init__()
        for name, member in members.items():
            self.add_module(name, twin_of(member.module))
        first = next(iter(members.values())).input_size
        self._normalizations = [member.normalization for member in members.values()]
        # A network sees things at the size it knows them at.
        self._scales = [(m.input_size[0] / first[0], m.input_size[1] / first[1]) for m in members.values()]

    def forward(self, images: Tensor) -> Any:
        """Run all of them."""
        scores: list[Tensor] = []
        output: Any = None
        for network, normalization, scale in zip(self.children(), self._normalizations, self._scales, strict=True):
            output = network(normalization(_scaled(images, scale)))
            scored = class_scores(output)
            if scored is not None:
                scores.append(scored)
        return torch.stack(scores).mean(0) if scores else output


def ensemble(models: Sequence[Classifier]) -> Classifier:
    """Make one classifier of several: what is made with it is what they agree on.

    Its layers are theirs, behind the name of each (``squeezenet1_1.features.12``), and its class scores are the mean of
    theirs before softmax; so a picture of a class is climbed in all of them, and its answers are those they give
    together. A network that was made for another size than the first sees the picture resized to it.

    Parameters
    ----------
    models
        Two or more. Their edits stay. They share their weights with the ensemble.

    Raises
    ------
    DreamscopeError
        If there is only one, or networks know different numbers of classes.

    Examples
    --------
    ::

        both = ensemble([load(), load("squeezenet1_1", weights="squeezenet1_1.safetensors")])
        visualize(both, class_name="goldfish")
    """
    if len(models) < 2:
        raise DreamscopeError(f"an ensemble is of 2 networks or more, not of {len(models)}")
    members = _named(models)
    first = models[0]
    labels = next((model.labels for model in models if model.labels), ())
    whole = Classifier(
        Ensemble(members).eval(),
        name="+".join(members),
        labels=labels,
        input_size=first.input_size,
        crop=first.crop,
        default_address=f"{next(iter(members))}.{first.default_address}",
        source=_source(models, "+".join(members)),
    )
    _ensure_same_classes(models)
    edits = [_moved(edit, name) for name, member in members.items() for edit in member.edits]
    return whole.edited(edits) if edits else whole


def _named(models: Sequence[Classifier]) -> dict[str, Classifier]:
    """Return the networks by names that layers can have, no two alike."""
    found: dict[str, Classifier] = {}
    for model in models:
        name = base = re.sub(r"\W", "_", model.name.removeprefix("timm:"))
        number = 2
        while name in found:
            name, number = f"{base}_{number}", number + 1
        found[name] = model
    return found


def _source(models: Sequence[Classifier], name: str) -> dict[str, Any]:
    """Return how to load them again; nothing if one of them was made in Python."""
    sources = [model.plain_source for model in models]
    return {"name": name, "models": sources} if all(sources) else {}


def _moved(edit: Edit, name: str) -> Edit:
    address: Address = edit.address
    return replace(edit, address=replace(address, layer=f"{name}.{address.layer}"))


def _ensure_same_classes(models: Sequence[Classifier]) -> None:
    with torch.no_grad():
        scored = [(model.name, class_scores(model(torch.full((1, 3, *model.input_size), 0.5)))) for model in models]
    counts = {name: scores.shape[1] for name, scores in scored if scores is not None}
    if len(set(counts.values())) > 1:
        known = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise DreamscopeError(f"networks of an ensemble know the same classes; these differ in their number: {known}")


def _scaled(images: Tensor, scale: tuple[float, float]) -> Tensor:
    if scale == (1.0, 1.0):
        return images
    height, width = (max(1, round(side * by)) for side, by in zip(images.shape[-2:], scale, strict=True))
    return resampled(images, (height, width), mode="bilinear")
