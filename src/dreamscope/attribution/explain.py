"""Explain: which pixels decided? Many methods, one convention, and how far each can be believed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from dreamscope import images
from dreamscope.attribution.base import BATCH, Case, Method, evaluated, is_class, method_named
from dreamscope.attribution.cam import GradCam, LayerCam
from dreamscope.attribution.gradients import Deconv, Guided, Integrated, Saliency, SmoothGrad
from dreamscope.attribution.metrics import faithfulness as faithfulness_of
from dreamscope.attribution.metrics import sanity as sanity_of
from dreamscope.attribution.perturbations import Lime, Occlusion, Rise
from dreamscope.attribution.result import Explanation, TargetValue, heat, heat_of
from dreamscope.errors import DreamscopeError, ensure_seed
from dreamscope.models import labels
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import targets as target_texts
from dreamscope.objectives.targets import Class, Target
from dreamscope.optimize.precision import prepared
from dreamscope.probes import LOGITS, probe
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe, reference

METHODS: Mapping[str, type[Method]] = {
    kind.name: kind
    for kind in (Saliency, SmoothGrad, Guided, Deconv, Integrated, GradCam, LayerCam, Occlusion, Rise, Lime)
}
"""The methods by name; each is a dataclass of its options."""

DEFAULT_METHOD: str = GradCam.name

Picture = str | Path | Image | np.ndarray[Any, Any] | Tensor
"""Whatever `dreamscope.images.read` takes."""


def explain(
    model: Classifier,
    image: Picture | Sequence[Picture],
    *,
    class_name: str | int | Sequence[str | int] | None = None,
    at: str | Address | None = None,
    method: str | Method | Sequence[str | Method] = DEFAULT_METHOD,
    faithfulness: bool = False,
    sanity: bool = False,
    seed: int = 0,
    callback: Callback | None = None,
    progress: bool = False,
    recipe: bool = True,
) -> list[Explanation]:
    """Measure how much each pixel of some images counts for what a network predicts.

    Parameters
    ----------
    model
        The classifier.
    image
        One or several: a file, ``sample:NAME``, a PIL image, an array, a tensor (N, 3, H, W), or a list of them. Each
        is resized and cropped to the middle as the network was tested. Gradient and CAM methods run them together,
        the others one by one; the numbers of an image do not depend on the others.
    class_name
        The name or index of the class to explain; for several images one for all or one for each. The class that is
        predicted for an image if neither this nor `at` is given.
    at
        A channel or neuron to explain instead (``features.28:40@7,7``), or a weighted sum of addresses and classes
        (``class:bee - class:fly``: why the one and not the other). Of a channel, ``guided`` and ``deconv`` explain
        its strongest neuron in each image, the other methods the mean over its positions.
    method
        One or several: names in `METHODS`, with options if wanted (``occlusion:32,8``, ``occlusion:fill=blur``), or
        a `Method`, which may be your own.
    faithfulness
        Measure insertion and deletion, too.
    sanity
        Compare with the maps of networks with random weights, too; takes 8 times as long.
    seed
        Seed of all random numbers.
    callback
        Called with what is being done, how much of it is done, and of how much.
    progress
        Show a bar.
    recipe
        Keep a recipe; without one a method of your own can be used.

    Returns
    -------
    list of Explanation
        One for each method, in order; its arrays have a dimension for the images in front, also of one.

    Raises
    ------
    DreamscopeError
        If an argument is invalid: no such class, address, method or option; a network without classes; a method that
        does not fit the network (``guided`` on one without ReLUs) or the image (a window larger than it); a method of
        your own and a recipe.
    """
    arguments = locals()
    chosen = [method_named(each, METHODS) for each in ([method] if isinstance(method, str | Method) else method)]
    if not chosen:
        raise DreamscopeError(f"no method given; there are {', '.join(METHODS)}")
    ensure_seed(seed)
    alone = isinstance(image, str | Path | Image | np.ndarray | Tensor)
    given: list[Any] = [image] if alone else list(image)  # type: ignore[arg-type]
    pictures = [images.read(each) for each in given]
    if not pictures:
        raise DreamscopeError("no image given")
    each_ready = [model.prepared(each.to(model.device)) for each in pictures]
    ready = torch.cat(each_ready) if len(each_ready) > 1 else each_ready[0]
    targets, values = _evaluated(model, ready, _targets(model, class_name, at, len(ready)))
    case = Case(model, ready, targets, seed)
    chosen = [each.resolved(case) for each in chosen]
    made = None
    if recipe:
        inputs = [
            reference(each if isinstance(each, str | Path) else read)
            for each, read in zip(given, pictures, strict=True)
        ]
        made = Recipe.of_call(
            explain,
            arguments,
            inputs={"image": inputs[0] if alone else inputs},
            resolved={
                **_resolved(targets),
                "method": [str(each) if METHODS.get(each.name) is type(each) else each for each in chosen],
            },
        )
    layers = {*case.objective.layers, *(name for each in chosen for name in each.layers)}
    fast, _ = prepared(model, layers, max(ready.shape[-2:]), "float32")
    found = []
    with reported(callback, progress=progress) as report:
        for each in chosen:
            mine = each.aimed(case)
            own_values = values if mine is case else _evaluated(model, ready, mine.targets)[1]
            started = time.perf_counter()
            attribution = each(_running(mine, fast, report, each.name))
            seconds = time.perf_counter() - started
            if not torch.isfinite(attribution.values).all():
                raise DreamscopeError(f"{each.name} of '{mine.target.name}' gives numbers that are not finite")
            maps = heat(each, attribution.values)
            explanation = Explanation(
                method=each,
                images=ready.cpu(),
                values=attribution.values,
                targets=own_values,
                windows=attribution.windows,
                seconds=seconds,
                recipe=made,
            )
            if faithfulness:
                parts = _running(mine, fast, report, "insertion, deletion").split(1)
                curves = tuple(faithfulness_of(part, map_[0]) for part, map_ in zip(parts, maps, strict=True))
                explanation = replace(explanation, faithfulness=curves)
            if sanity:
                # Folded, measured forms hold for these weights alone: random ones run in the network as it is.
                checked = sanity_of(_running(mine, model, report, f"{each.name}, random weights"), each, maps, heat_of)
                explanation = replace(explanation, sanity=tuple(checked))
            found.append(explanation)
    return found


def _targets(
    model: Classifier,
    class_name: str | int | Sequence[str | int] | None,
    at: str | Address | None,
    count: int,
) -> list[Target] | None:
    """Return a target for each of `count` images, ``None`` where it is what the network predicts."""
    if class_name is not None and at is not None:
        raise DreamscopeError("give either class_name or at: one target is explained at a time")
    if at is not None:
        found = target_texts.targets(model, [str(at)])
        if len(found) != 1:
            raise DreamscopeError(f"one target is explained at a time, but '{at}' names {len(found)}")
        (target,) = found
        (first, *others) = target.terms
        # A class's name alone would hide its weight.
        return [target if others or first.weight == 1 else replace(target, name=str(target))] * count
    if class_name is None:
        return None
    names = [class_name] * count if isinstance(class_name, str | int) else list(class_name)
    if len(names) != count:
        raise DreamscopeError(f"class_name names {len(names)} classes for {count} images; give one, or one for each")
    return [_class(model, labels.index_of(name, model.labels, model=model.name)) for name in names]


def _class(model: Classifier, index: int) -> Target:
    return Target((Class(index),), model.label(index))


def _evaluated(
    model: Classifier, ready: Tensor, given: Sequence[Target] | None
) -> tuple[tuple[Target, ...], tuple[TargetValue, ...]]:
    """Return the targets, the predicted classes if none are `given`, and their values, all from one pass."""
    layers = {LOGITS} if given is None else {name for each in given for name in each.objective("mean").layers}
    targets: list[Target] = []
    values: list[TargetValue] = []
    for begin in range(0, len(ready), BATCH):
        with torch.no_grad(), probe(model, sorted(layers)) as seen:
            try:
                seen(ready[begin : begin + BATCH])
            except DreamscopeError as error:
                if "has no classes" not in str(error):
                    raise
                raise DreamscopeError(
                    f"{error}; explain a channel or neuron instead, such as '{model.default_address}:0'"
                ) from error
            if given is None:
                some = [_class(model, index) for index in seen[LOGITS].argmax(1).tolist()]
            else:
                some = list(given[begin : begin + BATCH])
            if LOGITS in seen:
                _ensure_in_range(model, some, seen[LOGITS].shape[1])
            numbers = [float(evaluated(target, seen)[0][place]) for place, target in enumerate(some)]
        targets += some
        values += [
            TargetValue(target.name, str(target), number, is_class(target))
            for target, number in zip(some, numbers, strict=True)
        ]
    return tuple(targets), tuple(values)


def _ensure_in_range(model: Classifier, targets: Sequence[Target], count: int) -> None:
    for term in (term for target in targets for term in target.terms):
        if isinstance(term, Class):
            labels.ensure_class(term.index, count, model=model.name)


def _resolved(targets: Sequence[Target]) -> dict[str, Any]:
    """Return the arguments that name these targets."""
    classes = [term.index for target in targets for term in target.terms if isinstance(term, Class)]
    if not all(is_class(target) for target in targets):
        return {"class_name": None, "at": str(targets[0])}
    return {"class_name": classes[0] if len(set(classes)) == 1 else classes, "at": None}


def _running(case: Case, model: Classifier, report: Callable[[str, int, int], None] | None, what: str) -> Case:
    """Return the same case for another form of the network, its progress reported under a name."""
    return replace(case, model=model) if report is None else replace(case, model=model, callback=partial(report, what))
