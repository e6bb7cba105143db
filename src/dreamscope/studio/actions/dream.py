"""The page ``dream``: previews of what each block would do, the dream itself, what it changed, and a film of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamscope import images
from dreamscope.dreaming import dream as technique
from dreamscope.dreaming.presets import CLASS_PRESET, PRESETS
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.exploration.blocks import blocks_of
from dreamscope.figures import difference_maps
from dreamscope.film.ascent_film import filming
from dreamscope.models.addresses import resolve
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.precision import prepared
from dreamscope.sheets.differences import change
from dreamscope.studio import pictures
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.state import Studio
from dreamscope.studio.visits import Kept

SIZES = (256, 384, 512, 768, 1024)
"""Longer sides of a dream in pixels."""

OFFERED = [name for name in PRESETS if name != CLASS_PRESET]
"""Presets to choose from; a class has its own."""

MOST_PREVIEWS = 16

_PREVIEW_SIDE = 176
# Neither measured nor tiled: sixteen of them are to be there soon.
_PREVIEW: dict[str, Any] = {"octaves": 3, "steps": 7, "rate": 4 / 255, "jitter": 16, "precision": "float32/contiguous"}


def facts(model: Classifier, _: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page knows when it is opened."""
    return {
        "layers": preview_layers(model),
        "default": model.default_address,
        "presets": OFFERED,
        "sizes": list(SIZES),
    }


def prepare(model: Classifier) -> None:
    """Have the network ready for a first visitor's dream: what is fast on this machine takes a while to find."""
    try:
        layers = [address.layer for address in resolve([model.default_address], model)]
        prepared(model, layers, SIZES[2])
    except DreamscopeError:
        # Whoever dreams will be told.
        return


def run(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Dream on a picture; stopped, keep what there is."""
    picture, options = given.picture("picture"), _options(studio.model, given)
    try:
        found = technique.dream(studio.model, picture, callback=job.step, **options)
    except Interrupted as stop:
        if stop.result is None:
            raise
        found = stop.result
    original = job.visit.keep("original.png", lambda path: images.write(found.original, path), kind="original")
    kept = job.visit.keep(
        f"{given.stem('picture')}-dream.png",
        found.save,
        kind="dream",
        **_size(found.image),
        settings={name: given.value(name) for name in _SETTINGS},
        picture=given.value("picture"),
        original=original.name,
    )
    return {**_told(kept), "seconds": found.seconds, "stopped": job.stopped}


_SETTINGS = ("at", "class_name", "preset", "size", "steps", "octaves", "seed", "mask", "keep_color")


def _options(model: Classifier, given: Given) -> dict[str, Any]:
    classes = given.texts("class_name", most=4)
    preset = given.choice("preset", PRESETS, next(iter(PRESETS))) if "preset" in given else None
    options: dict[str, Any] = {
        "class_name": classes,
        "at": None if classes else given.addresses("at", model) or None,
        "preset": preset,
        "size": given.whole("size", 512, least=64, most=SIZES[-1]),
        "seed": given.whole("seed", 0, least=0, most=2**31),
        "mask": given.maybe_picture("mask"),
        "keep_color": given.flag("keep_color"),
        # Several layers by the numbers that the sliders show, whatever the scale of each.
        "balance": len(given.texts("at", most=16)) > 1,
    }
    if "steps" in given:
        options["steps"] = given.whole("steps", 1, least=1, most=400)
    if "octaves" in given:
        options["octaves"] = given.whole("octaves", 1, least=1, most=12)
    return options


def previews(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Show in small what each block would do with this very picture, one after another."""
    photo = images.at_most(images.read(given.picture("picture")), _PREVIEW_SIDE)
    layers = preview_layers(studio.model)
    for number, layer in enumerate(layers):
        job.progress("previews", number, len(layers))
        found = technique.dream(
            studio.model, photo, layer, preset="classic", recipe=False, callback=lambda _: job.check(), **_PREVIEW
        )
        job.event("preview", layer=layer, image=pictures.uri(found.image))
    return {"layers": layers}


def preview_layers(model: Classifier) -> list[str]:
    """Return the blocks that previews are made of, evenly picked if there are many."""
    found = blocks_of(model)
    if len(found) <= MOST_PREVIEWS:
        return found
    return [found[round(place * (len(found) - 1) / (MOST_PREVIEWS - 1))] for place in range(MOST_PREVIEWS)]


def difference(_: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Draw where a dream changed the picture, and how much."""
    kept = given.visit.find(given.text("dream"))
    before = images.read(given.visit.find(kept.facts.get("original")).path)
    drawn = difference_maps.maps({kept.path.stem: change(before, images.read(kept.path))}, most=768)
    made = job.visit.keep(
        f"{kept.path.stem}-difference.png", lambda path: images.write(drawn, path), kind="difference", **_size(drawn)
    )
    return _told(made)


def film(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Dream once more the same, and film it."""
    kept = given.visit.find(given.text("dream"))
    if kept.facts.get("kind") != "dream":
        raise DreamscopeError("only of a dream a film can be made")
    again = Given({**kept.facts["settings"], "picture": kept.facts["picture"]}, given.visit)
    options = _options(studio.model, again)

    def write(path: Path) -> None:
        with filming(path, every=2, fps=20, back=True, callback=job.step) as recorded:
            found = technique.dream(studio.model, again.picture("picture"), callback=recorded, **options)
            recorded.note = "" if found.recipe is None else found.recipe.to_json()

    return _told(job.visit.keep(f"{kept.path.stem}.mp4", write, kind="film"))


def _size(image: Any) -> dict[str, int]:
    size = images.size_of(image)
    return {"width": size.width, "height": size.height}


def _told(kept: Kept) -> dict[str, Any]:
    return {"name": kept.name, "title": kept.title, **kept.facts}
