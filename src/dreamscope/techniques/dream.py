"""Dream: let a layer exaggerate what it sees in a picture.

After Mordvintsev, Olah and Tyka, "Inceptionism" and the DeepDream notebook (2015).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Generator, Tensor

from dreamscope import __version__, images, objectives
from dreamscope.ascent import Report, Step, ascend
from dreamscope.engine import Choice, prepared
from dreamscope.errors import DivergedError, DreamscopeError, Interrupted, ensure_one_of, ensure_seed
from dreamscope.gradients import FILTERS, first_at_unit_mean, natural_colors
from dreamscope.images import Size
from dreamscope.memory import kept as memory_kept
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.moves import Climb
from dreamscope.probes import probe
from dreamscope.recipes import Recipe, reference
from dreamscope.starts import STARTS
from dreamscope.techniques.presets import DEFAULT_PRESET, PRESETS, Settings
from dreamscope.tiles import bytes_of, side_for
from dreamscope.transforms import Shift

SMALLEST_OCTAVE = 32
"""Octaves whose shorter side would be smaller are left out: networks see nothing in them."""

FIRST_STEP = 1.5 / 255
"""Mean change of a colour in the first step where a raw gradient's rate is not given."""


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


@memory_kept()
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
    given = {
        "loss": loss,
        "steps": steps,
        "rate": rate,
        "octaves": octaves,
        "octave_scale": octave_scale,
        "jitter": jitter,
        "filter": filter,
        "natural": natural,
        "precision": precision,
    }
    ensure_one_of(preset, PRESETS, "preset")
    settings = replace(PRESETS[preset], **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    ensure_one_of(settings.filter, FILTERS, "filter")
    if at is None:
        at = model.default_address
    addresses = tuple(resolve([at] if isinstance(at, str | Address) else at, model))
    ensure_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    photo = starting_picture(image, size, generator)
    coverage = None if mask is None else _coverage(mask, photo)
    guide_picture = None if guide is None else images.read(guide)
    sizes = octave_sizes(images.size_of(photo), settings)
    longer = max(sizes[-1].width, sizes[-1].height)
    fast, choice = prepared(model, {address.layer for address in addresses}, longer, settings.precision)
    if tile is None:
        names = [address.layer for address in addresses]
        tile = side_for(fast, names, sizes[-1], None if memory is None else bytes_of(memory))
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
            "precision": str(choice.form),
            "tile": tile,
            "at": [str(address) for address in addresses],
            "size": str(images.size_of(photo)),
            "keep_color": keep_color,
            "seed": seed,
        },
    )
    values: list[float] = []

    def note(step: Step) -> None:
        values.append(step.value)
        if report is not None:
            report(step)

    def finished(detail: Tensor) -> Dream:
        picture = _finish(photo, detail, coverage, keep_color)
        return Dream(picture, tuple(values), time.perf_counter() - started, recipe, choice)

    objective = _objective(fast, addresses, settings, guide_picture, sizes[-1])
    # Made once, not for each octave: the one for no given rate remembers its first gradient.
    direction = first_at_unit_mean() if settings.rate is None else FILTERS[settings.filter]
    direction = natural_colors(direction, settings.natural)
    detail = torch.zeros(1, 3, 1, 1)
    for index, octave in enumerate(sizes):
        # The photo itself on the last octave: no copy, which for large pictures matters.
        base = photo if octave == images.size_of(photo) else images.resize(photo, octave).clamp(0, 1)
        start = (base + images.resize(detail, octave)).clamp_(0, 1) if index else base
        del detail
        try:
            picture = ascend(
                fast,
                start.to(model.device),
                objective,
                steps=settings.steps,
                move=Climb(
                    FIRST_STEP if settings.rate is None else settings.rate,
                    direction,
                    None if coverage is None else images.resize(coverage, octave).clamp(0, 1).to(model.device),
                ),
                transforms=[Shift(settings.jitter)] if settings.jitter else [],
                generator=generator,
                report=note,
                tile=tile if max(octave.width, octave.height) > tile else 0,
                before=index * settings.steps,
                total=len(sizes) * settings.steps,
            )
        except DivergedError as error:
            error.result = finished(error.result.cpu() - base)
            raise
        except Interrupted as stop:
            stop.result = finished(stop.result.cpu() - base)
            raise
        detail = picture.cpu() - base
        del picture, start
    return finished(detail)


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


def octave_sizes(full: Size, settings: Settings) -> list[Size]:
    """Return the sizes of a dream, from small to full."""
    sizes = []
    for power in reversed(range(settings.octaves)):
        scale = settings.octave_scale**power
        size = Size(round(full.width / scale), round(full.height / scale))
        if power == 0 or min(size.width, size.height) >= SMALLEST_OCTAVE:
            sizes.append(size)
    return sizes


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


def _finish(photo: Tensor, detail: Tensor, coverage: Tensor | None, keep_color: bool) -> Tensor:
    full = images.size_of(photo)
    picture = (photo + images.resize(detail, full)).clamp(0, 1)
    if keep_color:
        # Adding the same to R, G and B moves lightness alone.
        picture = (photo + images.gray(picture) - images.gray(photo)).clamp(0, 1)
    if coverage is not None:
        picture = photo + (picture - photo) * coverage
    return picture
