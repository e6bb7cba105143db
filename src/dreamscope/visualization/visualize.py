"""Visualize: from noise, the picture that a layer, a channel, a neuron, a direction or a class asks for.

After Erhan et al. (2009), Simonyan et al. (2013) and Olah, Mordvintsev and Schubert, "Feature Visualization"
(Distill 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DivergedError, DreamscopeError, Interrupted, ensure_one_of, ensure_seed
from dreamscope.images import Picture, Size
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.directions import Directions
from dreamscope.models.labels import ensure_class
from dreamscope.objectives import Objective, Similar, select_map
from dreamscope.objectives.targets import Class, Given, Target, along, targets, with_classes
from dreamscope.objectives.targets import between as on_the_way
from dreamscope.optimize.ascent import StepCallback, image_of, stepping
from dreamscope.optimize.ingredients import values_of
from dreamscope.optimize.initial_images import initial_picture, is_initial, referenced
from dreamscope.optimize.parameterizations import PARAMETERIZATIONS, is_made
from dreamscope.optimize.precision import prepared
from dreamscope.optimize.regularizers import REGULARIZERS
from dreamscope.optimize.transforms import TRANSFORMS
from dreamscope.probes import LOGITS, probe
from dreamscope.recipes import Recipe
from dreamscope.visualization import presets
from dreamscope.visualization.batches import Batches, Pair
from dreamscope.visualization.presets import Overrides, Settings
from dreamscope.visualization.result import Visualization

AT_A_PLACE = ("shift:4", "noise:0.05")
"""The transforms for neurons, if none are given: a crop would show another place."""

BATCH_PIXELS = 32 * 224**2
"""Pixels that run through the network together: more gain no time and need memory."""


def visualize(
    model: Classifier,
    of: Given | Sequence[Given] = (),
    *,
    class_name: str | int | Sequence[str | int] = (),
    directions: Directions = (),
    preset: str | Settings | None = None,
    loss: str = "mean",
    negative: bool = False,
    diversity: int = 1,
    between: int = 0,
    like: Picture | None = None,
    size: int | str | Size | None = None,
    precision: str = "auto",
    seed: int = 0,
    callback: StepCallback | None = None,
    progress: bool = False,
    recipe: bool = True,
    **settings: Unpack[Overrides],
) -> list[Visualization]:
    """Make pictures from noise that excite what is named.

    Parameters
    ----------
    model
        The classifier.
    of
        What to show, one picture each: addresses (each channel of ``features.28:0-63`` is one picture), classes
        (``class:bee``: the score before softmax), sums such as ``features.28:3 + 0.5*features.28:7``, or objectives of
        your own: an `Objective`, or a function with ``layers``; see `dreamscope.objectives.targets`.
    class_name
        Classes to show, too, by name or index: ``class_name="bee"`` is ``of="class:bee"``.
    directions
        Directions to show, too: `Erase` edits, a picture for each of their directions (``edit.along(0)`` is one of
        them alone), climbed by the mean over positions of what the edit reads.
    preset
        A name in `PRESETS`, or `Settings`; the one of the same name as the parameterization, or else the first, if not
        given (``detail`` for classes on a photo).
    loss
        How an address is excited, see `dreamscope.objectives.LOSSES`.
    negative
        Show what excites it least instead.
    diversity
        So many pictures of each target, pushed to differ from each other.
    between
        With two targets: so many pictures on the way from the one to the other.
    like
        A photo, or an initial image (see `dreamscope.optimize.initial_images`): exaggerate what the layers in `of` see
        in it (a caricature), instead of their own wish; or let classes grow on it.
    size
        The longer side in pixels, or ``WIDTHxHEIGHT``; the network's input size, or that of your own parameterization,
        if not given. On a photo, classes have its proportions, and the input size is that of the shorter side.
    precision
        See `dreamscope.optimize.precision.prepared`.
    seed
        Seed of all random numbers.
    callback
        Called after each step with a `Step`, numbered through all batches.
    progress
        Show a bar.
    recipe
        Make recipes; what can't be written in one (your own functions) is then refused.
    **settings
        Values in place of the preset's, see `Settings`: ``steps=64``, ``transform=["shift:8"]``,
        ``parameterization=CPPN(224)``.

    Returns
    -------
    list of Visualization
        In the order given.

    Raises
    ------
    DreamscopeError
        Nothing named, no such address, class or preset, a position outside the map, a network without classes; any
        other argument that is invalid.
    DivergedError
        If numbers became infinite; its ``result`` is the list so far.
    Interrupted
        On Ctrl-C; its ``result`` is the list so far, the batch under way as it was.
    """
    arguments = locals()
    ensure_one_of(loss, ("mean", "mean_square", "norm"), "loss")
    ensure_seed(seed)
    if diversity < 1 or between < 0:
        raise DreamscopeError("diversity is 1 or more pictures, and between 0 or more")
    shown = _shown(model, with_classes(of, class_name), directions, between)
    begun = None if like is None else _begun(model, shown, like, size, seed)
    if begun is not None and preset is None and settings.get("parameterization") is None:
        preset = presets.PHOTO_PRESET
    chosen = presets.settings(preset, **settings)
    if isinstance(chosen.parameterization, str):
        ensure_one_of(chosen.parameterization, PARAMETERIZATIONS, "parameterization")
    full = _size(size, chosen, model) if begun is None else images.size_of(begun)
    chosen = _fitting(chosen, shown, own_transform=settings.get("transform") is not None)
    wanted = [target.objective(loss) for target in shown]
    if like is not None and begun is None:
        wanted = [_caricature(model, target, like, full, seed) for target in shown]
    layers = {layer for objective in wanted for layer in objective.layers}
    compared = _compared(model, wanted[0]) if diversity > 1 else None
    batches = _batches(list(zip(shown, wanted, strict=True)), chosen, full, diversity)
    if is_made(chosen.parameterization) and len(batches) > 1:
        raise DreamscopeError(
            f"one parameterization is climbed once, not for {len(batches)} batches: give a function that makes it"
        )
    made = None
    if recipe:
        own = next((target.own for target in shown if target.own is not None), None)
        written = values_of(chosen, transform=TRANSFORMS, penalty=REGULARIZERS)
        named = {"of": own, "class_name": (), "directions": ()}
        resolved = {**written, **named, "preset": None, "between": 0, "size": str(full)}
        made = Recipe.of_call(visualize, arguments, inputs=referenced({"like": like}), resolved=resolved)
    keep = layers | ({compared} if compared else set())
    fast, choice = prepared(model, keep, max(full.width, full.height), precision)
    if made is not None:
        made = made.but(precision=str(choice.form))
    _check(fast, shown, wanted, full)
    done: list[Visualization] = []
    with stepping(callback, "visualizing", progress=progress) as note:
        run = Batches(fast, choice, chosen, full, seed, negative, compared, note, len(batches) * chosen.steps, begun)
        try:
            for batch in batches:
                try:
                    done += run(batch, made)
                except (DivergedError, Interrupted) as stop:
                    stop.result = done + run.made(batch, made)
                    raise
        except Interrupted:
            raise
        except KeyboardInterrupt as stop:
            raise Interrupted(f"stopped after {len(done)} pictures", result=done) from stop
    return done


def _shown(model: Classifier, named: Sequence[Given], directions: Directions, between: int) -> list[Target]:
    """Return what is named or, if `between` is above 0, that many targets on the way from one to the other."""
    shown = along(model, directions)
    if named or not shown:
        shown = [*targets(model, named), *shown]
    if not between:
        return shown
    if len(shown) != 2 or between < 2:
        raise DreamscopeError(f"between takes 2 targets and 2 pictures or more, not {len(shown)} and {between}")
    return on_the_way(shown[0], shown[1], between)


def _fitting(chosen: Settings, shown: Sequence[Target], *, own_transform: bool) -> Settings:
    """Return the settings as they fit what is shown."""
    if not own_transform and any(target.is_at_a_place for target in shown):
        chosen = replace(chosen, transform=AT_A_PLACE, crops=1)
    # What a channel itself wants, its whole gradient shows.
    return chosen if all(target.classes for target in shown) else replace(chosen, branch_gradient=1.0)


def _size(size: int | str | Size | None, chosen: Settings, model: Classifier) -> Size:
    own = Size(model.input_size[1], model.input_size[0])
    if is_made(chosen.parameterization):
        own = images.size_of(image_of(chosen.parameterization))
    return Size.parse(size, own)


def _begun(
    model: Classifier, shown: Sequence[Target], like: Picture, size: int | str | Size | None, seed: int
) -> Tensor | None:
    """Return the picture that classes grow on, (1, 3, H, W): they have no features of it to exaggerate."""
    if not all(target.classes for target in shown):
        return None
    height, width = model.input_size
    generator = torch.Generator().manual_seed(seed)
    if is_initial(like):
        return initial_picture(like, size, generator, own=Size(width, height))
    photo = images.read(like)
    if len(photo) != 1:
        raise DreamscopeError(f"classes grow on one photo at a time, not on {len(photo)}")
    own = images.size_of(photo)
    fitting = own.with_longer(round(max(own.width, own.height) * max(height / own.height, width / own.width)))
    return initial_picture(photo, Size.parse(size, fitting), generator)


def _caricature(model: Classifier, target: Target, like: Picture, size: Size, seed: int) -> Objective:
    addresses = [term for term in target.terms if isinstance(term, Address)]
    if len(addresses) < len(target.terms) or not addresses:
        raise DreamscopeError("a caricature is of layers; give addresses alone, or classes alone, and no directions")
    picture = initial_picture(like, None, torch.Generator().manual_seed(seed), own=size)
    picture = images.resize(picture, size).clamp(0, 1)
    with torch.no_grad(), probe(model, addresses) as seen:
        seen(picture)
        each = [address.weight * Similar(address, select_map(seen, address)) for address in addresses]
    return sum(each[1:], start=each[0])


def _compared(model: Classifier, objective: Objective) -> str:
    """Return where pictures of one target are to differ: at its own layer, or where a network dreams, for a class."""
    layer = objective.layers[0]
    return resolve([model.default_address], model)[0].layer if layer == LOGITS else layer


def _check(model: Classifier, shown: Sequence[Target], wanted: Sequence[Objective], size: Size) -> None:
    """Run each objective once, so that what is invalid is refused before anything long begins."""
    blank = torch.full((1, 3, size.height, size.width), 0.5, device=model.device)
    with torch.no_grad(), probe(model, {layer for each in wanted for layer in each.layers}) as seen:
        seen(blank)
        classes = seen[LOGITS].shape[1] if LOGITS in seen else 0
        for target, objective in zip(shown, wanted, strict=True):
            for term in target.terms:
                if isinstance(term, Class):
                    ensure_class(term.index, classes, model=model.name)
            objective(seen)


def _batches(pairs: Sequence[Pair], settings: Settings, size: Size, diversity: int) -> list[list[Pair]]:
    if diversity > 1:
        return [
            [(replace(target, name=f"{target.name} ({number})"), wanted) for number in range(1, diversity + 1)]
            for target, wanted in pairs
        ]
    each = size.width * size.height * settings.crops
    count = max(1, BATCH_PIXELS // each)
    return [list(pairs[start : start + count]) for start in range(0, len(pairs), count)]
