"""Dream: let a layer exaggerate what it sees in a picture.

After Mordvintsev, Olah and Tyka, "Inceptionism" and the DeepDream notebook (2015).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import torch
from torch import Tensor

from dreamscope import images, objectives
from dreamscope.dreaming import presets
from dreamscope.dreaming.octaves import Dreamer
from dreamscope.dreaming.presets import CLASS_PRESET, DEFAULT_PRESET, Overrides, Settings
from dreamscope.errors import DivergedError, DreamscopeError, Interrupted, ensure_seed
from dreamscope.images import Picture, Pictures, Size
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Excite, Objective
from dreamscope.objectives.targets import Given, at_places, towards
from dreamscope.optimize.ascent import Step, StepCallback, stepping
from dreamscope.optimize.calibration import Choice
from dreamscope.optimize.ingredients import values_of
from dreamscope.optimize.initial_images import initial_picture, referenced
from dreamscope.optimize.parameterizations import held_by
from dreamscope.optimize.regularizers import REGULARIZERS
from dreamscope.optimize.transforms import TRANSFORMS
from dreamscope.probes import probe
from dreamscope.recipes import Recipe, note_of, reference


@dataclass(frozen=True)
class Dream:
    """A dream, or several of one size that were dreamt together.

    Attributes
    ----------
    image : Tensor
        (N, 3, H, W) in [0, 1]; N is the number of photos, usually 1.
    values : tuple of float
        The objective before each step, all octaves in a row; the sum of that of all images.
    seconds : float
        How long it took.
    recipe : Recipe or None
        Enough to make it again; ``None`` with ``recipe=False``.
    choice : Choice
        In which precision and memory format the network ran, and why.
    original : Tensor
        What was dreamt on, (N, 3, H, W) in [0, 1]: at the size of the dream.
    rates : tuple of float or None
        The rate that was found for each image, if none was given for raw gradients; see `Dreamer`.
    """

    image: Tensor
    values: tuple[float, ...]
    seconds: float
    recipe: Recipe | None
    choice: Choice
    original: Tensor
    rates: tuple[float | None, ...] = ()

    def __len__(self) -> int:
        return len(self.image)

    def __iter__(self) -> Iterator[Dream]:
        """Yield each image as a dream of its own, with the recipe of that one."""
        for index, (image, original) in enumerate(zip(self.image.split(1), self.original.split(1), strict=True)):
            recipe = self.recipe
            if recipe is not None and len(self) > 1:
                source = recipe.inputs["image"]
                own = source[index] if isinstance(source, list) else reference(original)
                recipe = replace(recipe, inputs={**recipe.inputs, "image": own})
            rates = self.rates[index : index + 1]
            kept = recipe if recipe is None else with_rate(recipe, rates)
            yield replace(self, image=image, original=original, recipe=kept, rates=rates)

    def save(self, path: str | Path) -> Path:
        """Write the picture (PNG, JPEG or WebP) with the recipe inside.

        Raises
        ------
        DreamscopeError
            If there are several; save each of them: ``for one in dream: one.save(...)``.
        """
        if len(self) != 1:
            raise DreamscopeError(f"one file holds one picture, not {len(self)}: for one in dream: one.save(...)")
        return images.write(self.image, path, note=note_of(self.recipe))

    def _repr_png_(self) -> bytes:
        return images.png(self.image)


def dream(
    model: Classifier,
    image: Pictures,
    at: Given | Sequence[str | Address] | None = None,
    *,
    class_name: str | int | Sequence[str | int] = (),
    preset: str | Settings | None = None,
    size: int | str | Size | None = None,
    guide: Picture | None = None,
    mask: Picture | None = None,
    keep_color: bool = False,
    seed: int = 0,
    memory: str | int | None = None,
    tile: int | None = None,
    callback: StepCallback | None = None,
    progress: bool = False,
    recipe: bool = True,
    **settings: Unpack[Overrides],
) -> Dream:
    """Dream on a picture.

    Parameters
    ----------
    model
        The classifier.
    image
        A file, ``sample:NAME``, a PIL image, an array, an image (N, 3, H, W), a list of such of one size (all are
        dreamt on at once, none influences another), or an initial image: ``noise``, ``clouds``, ``black``, ``gray``,
        ``white``, or a colour (``#336699``, ``navy``).
    at
        Addresses, weighted (``["features.28", "0.5*features.19:7"]``); the model's default if not given. Or an
        objective of your own: an `Objective`, or a function with ``layers``, see `Objective.of`. It can't be run in
        tiles.
    class_name
        A class, by name or index, that is to grow on the picture, instead of `at`; or several, which share it. Their
        scores before softmax are climbed.
    preset
        A name in `PRESETS`, or `Settings`; ``class`` towards a class, else ``rich``, if not given.
    size
        The longer side in pixels, or ``WIDTHxHEIGHT``; the photo's own size (512x512 for an initial image) if not
        given.
    guide
        A picture whose features are followed instead of a loss: each position climbs towards the guide's
        best match there.
    mask
        A picture of the photo's proportions: white dreams, black stays exactly as it is.
    keep_color
        Only lightness changes; the photo's colours stay.
    seed
        Seed of all random numbers.
    memory
        What the dream may hold (``2GB``); a larger picture is run in tiles. Half of what is free if not given.
    tile
        The side of the tiles, 0 for none, instead of the one that fits into `memory`.
    callback
        Called after each step with a `Step`, numbered through all octaves.
    progress
        Show a bar.
    recipe
        Make a recipe; what can't be written in one (your own functions) is then refused.
    **settings
        Values in place of the preset's, see `Settings`: ``steps=5``, ``octaves=2``, ``transform=["rotate:5"]``. With
        ``parameterization="gray"`` a photo in colours becomes gray first, and the dream has three equal channels.

    Returns
    -------
    Dream

    Raises
    ------
    DreamscopeError
        If an argument is invalid; see the modules that read what was given.
    DivergedError
        If numbers became infinite, at which step; its ``result`` is the `Dream` so far.
    Interrupted
        On Ctrl-C; its ``result`` is the `Dream` so far.
    """
    arguments = locals()
    started = time.perf_counter()
    to_a_class = class_name not in ((), [])
    if to_a_class and at is not None:
        raise DreamscopeError("an address and a class exclude each other: what is dreamt is one of them")
    preset = preset or (CLASS_PRESET if to_a_class else DEFAULT_PRESET)
    chosen = presets.settings(preset, **settings)
    target = towards(model, class_name) if to_a_class else None
    objective = at_places(model, at, chosen.loss) if target is None else target.objective(chosen.loss)
    ensure_seed(seed)
    if guide is not None and not isinstance(objective, Excite):
        what = "a class" if to_a_class else "an objective of your own"
        raise DreamscopeError(f"a guide and {what} exclude each other")
    if keep_color and chosen.parameterization == "gray":
        raise DreamscopeError("keep_color and parameterization 'gray' exclude each other: in gray no colours are kept")
    generator = torch.Generator().manual_seed(seed)
    photo = held_by(initial_picture(image, size, generator), chosen.parameterization)
    coverage = None if mask is None else _coverage(mask, photo)
    guide_picture = None if guide is None else images.read(guide)
    full = images.size_of(photo)
    resolved = {**recorded(chosen, preset, objective, at), "size": str(full), "seed": seed}
    resolved["class_name"] = [] if target is None else target.classes
    made = None
    if recipe:
        inputs = referenced({"image": image, "guide": guide, "mask": mask})
        made = Recipe.of_call(dream, arguments, inputs=inputs, resolved=resolved)
    dreamer = Dreamer.climbing(model, objective, chosen, full, tile=tile, memory=memory, count=len(photo))
    if made is not None:
        made = made.but(precision=str(dreamer.choice.form), tile=dreamer.tile)
    values: list[float] = []

    def finished(picture: Tensor) -> Dream:
        if keep_color:
            # Adding the same to R, G and B moves lightness alone.
            picture = (photo + images.gray(picture) - images.gray(photo)).clamp(0, 1)
        if coverage is not None:
            picture = photo + (picture - photo) * coverage
        seconds = time.perf_counter() - started
        kept = made if made is None else with_rate(made, dreamer.rates)
        return Dream(picture, tuple(values), seconds, kept, dreamer.choice, photo, dreamer.rates)

    if guide_picture is not None and isinstance(objective, Excite):
        objective = _following(dreamer.model, objective.addresses, guide_picture, full)
    try:
        with stepping(callback, "dreaming", progress=progress) as note:

            def noted(step: Step) -> None:
                values.append(step.value)
                note(replace(step, rates=dreamer.rates))

            return finished(dreamer(photo, objective, generator=generator, coverage=coverage, callback=noted))
    except (DivergedError, Interrupted) as stop:
        stop.result = finished(stop.result)
        raise


def recorded(chosen: Settings, preset: str | Settings, objective: Objective, at: Any) -> dict[str, Any]:
    """Return what a recipe keeps of settings and of what is climbed."""
    # Only `plain` takes no rate; a preset's name beside all of its values says what None means.
    own = "plain" if chosen.rate is None else DEFAULT_PRESET
    kept = values_of(chosen, transform=TRANSFORMS, penalty=REGULARIZERS)
    kept |= {"preset": preset if isinstance(preset, str) else own, "at": at}
    if isinstance(objective, Excite):
        kept |= {"at": [str(address) for address in objective.addresses], "loss": objective.loss}
    return kept


def with_rate(recipe: Recipe, rates: Sequence[float | None]) -> Recipe:
    """Return a recipe with the rate that was found for its one image, if it was found.

    It is marked as chosen: where the dream is made again with another address, another rate is.
    """
    if len(rates) != 1 or rates[0] is None:
        return recipe
    return replace(recipe.but(rate=rates[0]), chosen=["rate"])


def _coverage(mask: Picture, photo: Tensor) -> Tensor:
    cover = images.gray(images.read(mask).cpu())
    given, wanted = images.size_of(cover), images.size_of(photo)
    if abs(given.width * wanted.height / (given.height * wanted.width) - 1) > 0.02:
        raise DreamscopeError(f"the mask is {given}, the picture {wanted}: their proportions differ")
    return images.resize(cover, wanted).clamp(0, 1)


def _following(model: Classifier, addresses: tuple[Address, ...], guide: Tensor, full: Size) -> Objective:
    # As large as the dream, so that its things have the size at which the network knows them.
    picture = images.resize(guide, images.fit_to(guide, max(full.width, full.height))).clamp(0, 1)
    with torch.no_grad(), probe(model, addresses) as seen:
        seen(picture)
        return objectives.Follow(addresses, tuple(objectives.select(seen, address) for address in addresses))
