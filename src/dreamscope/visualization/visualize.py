"""Visualize: from nothing, the picture that a layer, a channel, a neuron, a direction or a class asks for.

After Erhan et al. (2009), Simonyan et al. (2013) and Olah, Mordvintsev and Schubert, "Feature Visualization"
(Distill 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamscope import __version__, images
from dreamscope.errors import DivergedError, DreamscopeError, Interrupted, ensure_one_of, ensure_seed
from dreamscope.images import Size
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Objective, Similar, select
from dreamscope.objectives.targets import Class, Subject
from dreamscope.objectives.targets import between as on_the_way
from dreamscope.objectives.targets import subjects as read_subjects
from dreamscope.optimize.ascent import Report
from dreamscope.optimize.ingredients import named
from dreamscope.optimize.parameterizations import PARAMETERIZATIONS
from dreamscope.optimize.precision import prepared
from dreamscope.optimize.regularizers import REGULARIZERS
from dreamscope.optimize.transforms import TRANSFORMS
from dreamscope.probes import LOGITS, probe
from dreamscope.recipes import Recipe, reference
from dreamscope.visualization.batch import Pair, Run, Visualization
from dreamscope.visualization.presets import LOOKS, Look

AT_A_PLACE = ("shift:4", "noise:0.05")
"""The transforms for neurons, if none are given: a crop would show another place."""

BATCH_PIXELS = 32 * 224**2
"""Pixels that run through the network together: more gain no time and need memory."""


def visualize(
    model: Classifier,
    of: str | Sequence[str],
    *,
    look: str | None = None,
    param: str | None = None,
    move: str | None = None,
    steps: int | None = None,
    rate: float | None = None,
    transforms: Sequence[str] | None = None,
    views: int | None = None,
    penalties: Sequence[str] | None = None,
    waking: int | None = None,
    contrast: float | None = None,
    loss: str = "mean",
    negative: bool = False,
    diversity: int = 1,
    between: int = 0,
    like: str | Path | Tensor | None = None,
    size: int | str | Size | None = None,
    precision: str = "auto",
    seed: int = 0,
    report: Report | None = None,
) -> list[Visualization]:
    """Make pictures from noise that excite what is named.

    Parameters
    ----------
    model
        The classifier.
    of
        What to show, one picture each: addresses (each channel of ``features.28:0-63`` is one picture), classes
        (``class:bee``: the score before softmax), or sums such as ``features.28:3 + 0.5*features.28:7``; see
        `dreamscope.objectives.targets`.
    look
        A name in `LOOKS`; the one of the same name as `param`, or else the first, if not given.
    param, move, steps, rate, transforms, views, penalties, waking, contrast
        Instead of the look's, see `Look`.
    loss
        How an address is excited, see `dreamscope.objectives.LOSSES`.
    negative
        What is least wanted instead.
    diversity
        So many pictures of each thing, pushed to differ from each other.
    between
        With two things: so many pictures on the way from the one to the other.
    like
        A photo: exaggerate what the layers in `of` see in it (a caricature), instead of their own wish.
    size
        The longer side in pixels, or ``WIDTHxHEIGHT``; the network's input size if not given.
    precision
        See `dreamscope.optimize.precision.prepared`.
    seed
        Of all randomness.
    report
        Called after each step with a `Step`, numbered through all batches.

    Returns
    -------
    list of Visualization
        In the order given.

    Raises
    ------
    DreamscopeError
        Nothing named, no such address, class or look, a position outside the map, a network without classes.
    DivergedError
        If numbers became infinite; its ``result`` is the list so far.
    Interrupted
        On Ctrl-C; its ``result`` is the list so far, the batch under way as it was.
    """
    ensure_one_of(loss, ("mean", "mean_square", "norm"), "loss")
    settings = settings_of(
        look,
        param=param,
        move=move,
        steps=steps,
        rate=rate,
        transforms=None if transforms is None else tuple(transforms),
        views=views,
        penalties=None if penalties is None else tuple(penalties),
        waking=waking,
        contrast=contrast,
    )
    costs = [named(text, REGULARIZERS, "regularizer") for text in settings.penalties]
    ensure_seed(seed)
    if diversity < 1 or between < 0:
        raise DreamscopeError("diversity is 1 or more pictures, and between 0 or more")
    full = _size(size, model)
    subjects = read_subjects(model, [of] if isinstance(of, str) else of)
    if between:
        if len(subjects) != 2 or between < 2:
            raise DreamscopeError(f"between takes 2 things and 2 pictures or more, not {len(subjects)} and {between}")
        subjects = on_the_way(subjects[0], subjects[1], between)
    if transforms is None and any(isinstance(term, Address) and term.position for s in subjects for term in s.terms):
        settings = replace(settings, transforms=AT_A_PLACE, views=1)
    drawn = [named(text, TRANSFORMS, "transform") for text in settings.transforms]
    wanted = [subject.objective(loss) for subject in subjects]
    if like is not None:
        wanted = [_caricature(model, subject, like, full) for subject in subjects]
    layers = {layer for objective in wanted for layer in objective.layers}
    compared = _compared(model, wanted[0]) if diversity > 1 else None
    keep = layers | ({compared} if compared else set())
    fast, choice = prepared(model, keep, max(full.width, full.height), precision)
    _check(fast, subjects, wanted, full)
    recipe = Recipe(
        version=__version__,
        command="visualize",
        model=model.source,
        inputs={} if like is None else {"like": reference(like)},
        parameters={
            **asdict(settings),
            "loss": loss,
            "negative": negative,
            "diversity": diversity,
            "size": str(full),
            "precision": str(choice.form),
            "seed": seed,
        },
    )
    run = Run(fast, choice, settings, drawn, costs, full, seed, negative, compared, report)
    batches = _batches(list(zip(subjects, wanted, strict=True)), settings, full, diversity)
    run.total = len(batches) * settings.steps
    done: list[Visualization] = []
    for batch in batches:
        try:
            done += run(batch, recipe)
        except (DivergedError, Interrupted) as stop:
            stop.result = done + run.made(stop.result, batch, recipe)
            raise
    return done


def settings_of(look: str | None, **given: Any) -> Look:
    """Return a look with the values that are given in place of its own."""
    changes = {key: value for key, value in given.items() if value is not None}
    param = changes.get("param")
    if param is not None:
        ensure_one_of(param, PARAMETERIZATIONS, "parameterization")
    name = look or param or next(iter(LOOKS))
    ensure_one_of(name, LOOKS, "look")
    return replace(LOOKS[name], **changes)


def _size(size: int | str | Size | None, model: Classifier) -> Size:
    if size is None:
        return Size(model.input_size[1], model.input_size[0])
    wanted = size if isinstance(size, Size) else Size.parse(size)
    return wanted if isinstance(wanted, Size) else Size(wanted, wanted)


def _caricature(model: Classifier, subject: Subject, like: str | Path | Tensor, size: Size) -> Objective:
    addresses = [term for term in subject.terms if isinstance(term, Address)]
    if len(addresses) < len(subject.terms):
        raise DreamscopeError("a caricature is of layers; give addresses, not classes")
    picture = images.resize(images.read(like), size).clamp(0, 1)
    with torch.no_grad(), probe(model, addresses) as seen:
        seen(picture)
        each = [address.weight * Similar(address, select(seen, address)) for address in addresses]
    return sum(each[1:], start=each[0])


def _compared(model: Classifier, objective: Objective) -> str:
    """Return where pictures of one thing are to differ: at its own layer, or where a network dreams, for a class."""
    layer = objective.layers[0]
    return resolve([model.default_address], model)[0].layer if layer == LOGITS else layer


def _check(model: Classifier, subjects: Sequence[Subject], wanted: Sequence[Objective], size: Size) -> None:
    """Run each objective once, so that what can't be is told before anything long begins."""
    blank = torch.full((1, 3, size.height, size.width), 0.5, device=model.device)
    with torch.no_grad(), probe(model, {layer for each in wanted for layer in each.layers}) as seen:
        seen(blank)
        classes = seen[LOGITS].shape[1] if LOGITS in seen else 0
        for subject, objective in zip(subjects, wanted, strict=True):
            for term in subject.terms:
                if isinstance(term, Class) and term.index >= classes:
                    raise DreamscopeError(
                        f"class {term.index} is out of range: {model.name} has {classes} classes, 0-{classes - 1}"
                    )
            objective(seen)


def _batches(pairs: Sequence[Pair], settings: Look, size: Size, diversity: int) -> list[list[Pair]]:
    if diversity > 1:
        return [
            [(replace(subject, name=f"{subject.name} ({number})"), wanted) for number in range(1, diversity + 1)]
            for subject, wanted in pairs
        ]
    each = size.width * size.height * settings.views
    count = max(1, BATCH_PIXELS // each)
    return [list(pairs[start : start + count]) for start in range(0, len(pairs), count)]
