"""Dream: let a layer exaggerate what it sees in a picture.

After Mordvintsev, Olah and Tyka, "Inceptionism" and the DeepDream notebook (2015).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor

from dreamscope import __version__, images, objectives
from dreamscope.dreaming import presets
from dreamscope.dreaming.octaves import Dreamer
from dreamscope.dreaming.presets import DEFAULT_PRESET, Settings
from dreamscope.errors import DivergedError, DreamscopeError, Interrupted, ensure_seed
from dreamscope.images import Size
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.ascent import Report, Step
from dreamscope.optimize.initial_images import STARTS
from dreamscope.optimize.precision import Choice
from dreamscope.probes import probe
from dreamscope.recipes import Recipe, reference


@dataclass(frozen=True)
class Dream:
    """A dream.

    Attributes
    ----------
    image : Tensor
        (1, 3, H, W) in [0, 1].
    values : tuple of float
        The objective before each step, all octaves in a row.
    seconds : float
        How long it took.
    recipe : Recipe
        Enough to make it again.
    choice : Choice
        In which precision and memory format the network ran, and why.
    """

    image: Tensor
    values: tuple[float, ...]
    seconds: float
    recipe: Recipe
    choice: Choice

    def save(self, path: str | Path) -> Path:
        """Write the picture (PNG, JPEG or WebP) with the recipe inside."""
        return images.write(self.image, path, note=self.recipe.to_json())


def dream(
    model: Classifier,
    image: str | Path | Tensor,
    at: str | Address | Sequence[str | Address] | None = None,
    *,
    preset: str = DEFAULT_PRESET,
    loss: str | None = None,
    steps: int | None = None,
    rate: float | None = None,
    octaves: int | None = None,
    octave_scale: float | None = None,
    jitter: int | None = None,
    filter: str | None = None,
    natural: float | None = None,
    precision: str | None = None,
    size: int | str | Size | None = None,
    guide: str | Path | Tensor | None = None,
    mask: str | Path | Tensor | None = None,
    keep_color: bool = False,
    seed: int = 0,
    memory: str | int | None = None,
    tile: int | None = None,
    report: Report | None = None,
) -> Dream:
    """Dream on a picture.

    Parameters
    ----------
    model
        Whose dream it is.
    image
        A file, ``sample:NAME``, an image (1, 3, H, W), or a starting point: ``noise``, ``gray``, ``clouds``.
    at
        Addresses, weighted (``["features.28", "0.5*features.19:7"]``); the model's default if not given.
    preset
        A name in `PRESETS`.
    loss, steps, rate, octaves, octave_scale, jitter, filter, natural, precision
        Instead of the preset's, see `Settings`.
    size
        The longer side in pixels, or ``WIDTHxHEIGHT``; the photo's own size (512x512 for a starting
        point) if not given.
    guide
        A picture whose features are followed instead of a loss: each position climbs towards the guide's
        best match there.
    mask
        A picture of the photo's proportions: white dreams, black stays exactly as it is.
    keep_color
        Only lightness changes; the photo's colours stay.
    seed
        Of all randomness.
    memory
        What the dream may hold (``2GB``); a larger picture is run in tiles. Half of what is free if not given.
    tile
        The side of the tiles, 0 for none, instead of the one that fits into `memory`.
    report
        Called after each step with a `Step`, numbered through all octaves.

    Returns
    -------
    Dream

    Raises
    ------
    DreamscopeError
        Anything that can't be meant; see the modules that read what was given.
    DivergedError
        If numbers became infinite, at which step; its ``result`` is the `Dream` so far.
    Interrupted
        On Ctrl-C; its ``result`` is the `Dream` so far.
    """
    started = time.perf_counter()
    settings = presets.settings(
        preset,
        loss=loss,
        steps=steps,
        rate=rate,
        octaves=octaves,
        octave_scale=octave_scale,
        jitter=jitter,
        filter=filter,
        natural=natural,
        precision=precision,
    )
    addresses = tuple(resolve(at, model))
    ensure_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    photo = starting_picture(image, size, generator)
    coverage = None if mask is None else _coverage(mask, photo)
    guide_picture = None if guide is None else images.read(guide)
    full = images.size_of(photo)
    dreamer = Dreamer(model, addresses, settings, full, tile=tile, memory=memory)
    recipe = Recipe(
        version=__version__,
        command="dream",
        model=model.source,
        inputs={
            role: value if isinstance(value, str) and value in STARTS else reference(value)
            for role, value in (("image", image), ("guide", guide), ("mask", mask))
            if value is not None
        },
        parameters={
            **asdict(settings),
            "preset": preset,
            "precision": str(dreamer.choice.form),
            "tile": dreamer.tile,
            "at": [str(address) for address in addresses],
            "size": str(full),
            "keep_color": keep_color,
            "seed": seed,
        },
    )
    values: list[float] = []

    def note(step: Step) -> None:
        values.append(step.value)
        if report is not None:
            report(step)

    def finished(picture: Tensor) -> Dream:
        if keep_color:
            # Adding the same to R, G and B moves lightness alone.
            picture = (photo + images.gray(picture) - images.gray(photo)).clamp(0, 1)
        if coverage is not None:
            picture = photo + (picture - photo) * coverage
        return Dream(picture, tuple(values), time.perf_counter() - started, recipe, dreamer.choice)

    objective = _objective(dreamer.model, addresses, settings, guide_picture, full)
    try:
        return finished(dreamer(photo, objective, generator=generator, coverage=coverage, report=note))
    except (DivergedError, Interrupted) as stop:
        stop.result = finished(stop.result)
        raise


def starting_picture(image: str | Path | Tensor, size: int | str | Size | None, generator: Generator) -> Tensor:
    """Return the photo, or what a starting point's name means, at the size asked for."""
    wanted = size if isinstance(size, Size) or size is None else Size.parse(size)
    if isinstance(image, str) and image in STARTS:
        if wanted is None:
            wanted = Size(512, 512)
        return STARTS[image](wanted if isinstance(wanted, Size) else Size(wanted, wanted), generator)
    photo = images.read(image)
    if len(photo) != 1:
        raise DreamscopeError(f"a dream takes one picture at a time, not {len(photo)}")
    photo = photo.cpu()
    if wanted is None:
        return photo
    return images.resize(photo, wanted if isinstance(wanted, Size) else images.fit_to(photo, wanted)).clamp(0, 1)


def _coverage(mask: str | Path | Tensor, photo: Tensor) -> Tensor:
    cover = images.gray(images.read(mask).cpu())
    given, wanted = images.size_of(cover), images.size_of(photo)
    if abs(given.width * wanted.height / (given.height * wanted.width) - 1) > 0.02:
        raise DreamscopeError(f"the mask is {given}, the picture {wanted}: their proportions differ")
    return images.resize(cover, wanted).clamp(0, 1)


def _objective(
    model: Classifier,
    addresses: tuple[Address, ...],
    settings: Settings,
    guide: Tensor | None,
    full: Size,
) -> objectives.Objective:
    if guide is None:
        return objectives.Excite(addresses, settings.loss)
    # As large as the dream, so that its things have the size at which the network knows them.
    picture = images.resize(guide, images.fit_to(guide, max(full.width, full.height))).clamp(0, 1)
    with torch.no_grad(), probe(model, addresses) as seen:
        seen(picture)
        return objectives.Follow(addresses, tuple(objectives.select(seen, address) for address in addresses))
