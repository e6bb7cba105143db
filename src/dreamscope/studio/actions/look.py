"""The page ``look``: what excites each channel, in real photos and from noise, and which classes it speaks for."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dreamscope import archives, images
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.exploration.blocks import blocks_of
from dreamscope.exploration.class_weights import of_channel
from dreamscope.exploration.exemplar_index import Exemplars
from dreamscope.exploration.exemplars import exemplars as find_exemplars
from dreamscope.images import SAMPLES
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.labels import truth_of
from dreamscope.photos import Photo
from dreamscope.studio import pictures
from dreamscope.studio.atlas import Picture
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.state import Studio
from dreamscope.studio.visits import Kept, Visit
from dreamscope.visualization.visualize import visualize

MOST_PHOTOS = 500
"""Photos of one visitor in which channels are looked for."""

MOST_TILES = 64
"""Channels in one question for tiles."""

# Nothing is measured first: a person waits for each of them.
_PLAIN: dict[str, Any] = {"precision": "float32/contiguous"}
_TILE: dict[str, Any] = {
    **_PLAIN,
    **{"size": 112, "steps": 24, "rate": 0.15, "crops": 1, "transform": ["shift:4", "noise:0.03"], "contrast": 0.25},
}
CARE: dict[str, dict[str, Any]] = {
    "quick": {**_PLAIN, "steps": 96, "rate": 0.1, "crops": 1, "contrast": 0.22},
    "fine": {**_PLAIN, "steps": 320, "rate": 0.1, "crops": 2, "contrast": 0.22},
}
"""How much care a picture from noise is made with."""
_SHARED = "quick"
"""The care in place of which pictures of an atlas are shown."""

_TILE_SIDE = 128
_KNOWN = 6
"""Layers of which a visit keeps in mind what excites them."""
_FOR, _AGAINST, _ANSWERS = 6, 4, 3


@dataclass
class Looking:
    """What a visitor looks for channels in: photos of their own, if there are any."""

    photos: list[Kept] = field(default_factory=list)
    known: dict[str, Exemplars] = field(default_factory=dict)

    @classmethod
    def of(cls, visit: Visit) -> Looking:
        """Return that of a visit."""
        found: Looking = visit.state.setdefault("look", cls())
        return found


def facts(model: Classifier, path: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page knows when it is opened; what is wrong with its address is for the page to say."""
    layers = [
        {"name": name, "type": layer.type, "channels": layer.channels, "grid": list(layer.grid)}
        for name, layer in model.layers.items()
    ]
    found: dict[str, Any] = {"layers": layers, "blocks": blocks_of(model), "default": model.default_address}
    try:
        return found | {"at": _address(model, path), "wrong": ""}
    except DreamscopeError as error:
        return found | {"at": {"layer": None, "channel": None}, "wrong": str(error)}


def _address(model: Classifier, path: Mapping[str, str]) -> dict[str, Any]:
    """Return the layer and the channel that a page's address names, as in ``/m/MODEL/LAYER/CHANNEL``."""
    if path.get("model", model.name) != model.name:
        raise DreamscopeError(f"this studio looks into {model.name}, not into '{path['model']}'")
    layer, slash, channel = path.get("address", "").partition("/")
    if not layer:
        return {"layer": None, "channel": None}
    if slash and not channel.isdecimal():
        raise DreamscopeError(f"'{channel}' is no channel's number; channels are counted from 0, as in {layer}/0")
    (address, *more) = resolve([Address(layer, (int(channel),) if slash else None)], model)
    if more:
        raise DreamscopeError(f"'{layer}' names {1 + len(more)} layers; here one is looked at at a time")
    return {"layer": address.layer, "channel": int(channel) if slash else None}


def photos(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Take pictures that were brought among the photos that are looked in, or leave all of them; say how many."""
    mine = Looking.of(job.visit)
    added = [job.visit.find(name) for name in given.texts("add", most=MOST_PHOTOS)]
    if given.flag("forget"):
        mine.photos, mine.known = [], {}
    if added:
        mine.photos, mine.known = [*mine.photos, *added], {}
        if len(mine.photos) > MOST_PHOTOS:
            mine.photos = mine.photos[:MOST_PHOTOS]
    return {"own": len(mine.photos), "shared": len(studio.photos), "samples": len(SAMPLES), "most": MOST_PHOTOS}


def tiles(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Show some channels of a layer in small: what excites each most in the photos, or what it asks for from noise."""
    address = given.channels("at", studio.model, most=MOST_TILES)
    if given.choice("show", ("photos", "noise"), "noise") == "photos":
        _patch_tiles(studio, job, address)
    else:
        _noise_tiles(studio, job, address)
    return {}


def _patch_tiles(studio: Studio, job: Job, address: Address) -> None:
    found = _exemplars(studio, job, address.layer).closer()
    each = [Address(address.layer, (channel,)) for channel in address.channels or ()]
    told: dict[str, str | None] = {}
    for one, patches in zip(each, found.patches(studio.model, each, most=1), strict=True):
        job.check()
        first = next((patch for patch in patches if patch is not None), None)
        told[_number(one)] = None if first is None else pictures.uri(first, side=_TILE_SIDE)
    job.event("tiles", tiles=told)


def _noise_tiles(studio: Studio, job: Job, address: Address) -> None:
    each = [Address(address.layer, (channel,)) for channel in address.channels or ()]
    shared = {} if studio.atlas is None else studio.atlas.find(each)
    job.event("tiles", tiles={_number(one): pictures.uri(found.image) for one, found in shared.items()})
    each = [one for one in each if one not in shared]
    there = {one: studio.store.find("picture", ".png", of=str(one), settings=_TILE) for one in each}
    job.event("tiles", tiles={_number(one): pictures.uri(images.read(path)) for one, path in there.items() if path})
    missing = [one for one, path in there.items() if path is None]
    while missing and studio.atlas is not None and studio.atlas.takes(address.layer):
        shared = studio.atlas.make(missing[0], job)
        told = {_number(one): pictures.uri(shared[one].image) for one in missing if one in shared}
        job.event("tiles", tiles=told)
        missing = [one for one in missing if one not in shared]
    if not missing:
        return
    made = visualize(studio.model, missing, callback=lambda _: job.check(), **_TILE)
    for one, found in zip(missing, made, strict=True):
        studio.store.keep("picture", ".png", found.save, of=str(one), settings=_TILE)
    told = {_number(one): pictures.uri(found.image) for one, found in zip(missing, made, strict=True)}
    job.event("tiles", tiles=told)


def known(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Tell what is known of a channel without any work: which classes it speaks for, and what was made before."""
    address = given.channels("at", studio.model, most=1)
    care = given.choice("care", CARE, "quick")
    shared = studio.atlas.find([address]) if studio.atlas is not None and care == _SHARED else {}
    path = studio.store.find("picture", ".png", of=str(address), settings=CARE[care])
    if address in shared:
        told: dict[str, Any] | None = _of_atlas(studio, job.visit, address, shared[address])
    else:
        told = None if path is None else _told(studio, job.visit, address, path)
    there = _known_exemplars(studio, job.visit, address.layer)
    return {
        "weights": _weights(studio.model, address),
        "exemplars": None if there is None else _shown(studio.model, there, address),
        "picture": told,
        "count": None if there is None else there.count,
    }


def exemplars(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Show the parts of photos that excite a channel most."""
    address = given.channels("at", studio.model, most=1)
    found = _exemplars(studio, job, address.layer)
    return {"exemplars": _shown(studio.model, found, address), "count": found.count}


def picture(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Make a picture of a channel from noise, seen as it grows; stopped, show what there is."""
    address = given.channels("at", studio.model, most=1)
    care = given.choice("care", CARE, "quick")
    settings = CARE[care]
    try:
        shared = studio.atlas.picture(address, job) if studio.atlas is not None and care == _SHARED else None
        if shared is not None:
            return _of_atlas(studio, job.visit, address, shared)
        (found,) = visualize(studio.model, [address], callback=job.step, **settings)
    except Interrupted as stop:
        # Of an atlas, neighbours are made with it.
        mine = [each for each in stop.result or () if each.name == str(address)]
        if not mine:
            raise
        (found,) = mine
        return _kept(studio, job.visit, address, found.save) | {"stopped": True}
    path = studio.store.keep("picture", ".png", found.save, of=str(address), settings=settings)
    told = _kept(studio, job.visit, address, found.save) if path is None else _told(studio, job.visit, address, path)
    return {**told, "gray": found.gray}


def _known_exemplars(studio: Studio, visit: Visit, layer: str) -> Exemplars | None:
    mine = Looking.of(visit)
    if mine.photos:
        return mine.known.get(layer)
    path = studio.store.find("exemplars", ".json", layer=layer, photos=_digest(_shared(studio)))
    try:
        return None if path is None else Exemplars.load(path, studio.model)
    except DreamscopeError:
        # Whatever is wrong with a file: it can be made again.
        return None


def _exemplars(studio: Studio, job: Job, layer: str) -> Exemplars:
    there = _known_exemplars(studio, job.visit, layer)
    if there is not None:
        return there
    mine = Looking.of(job.visit)
    own = [Photo(each.path) for each in mine.photos if each.path.exists()]
    looked_in = own or _shared(studio)
    found = find_exemplars(studio.model, looked_in, layer, callback=job.progress)
    if own:
        # A visitor's photos are nobody else's: they go with the visit.
        mine.known[layer] = found
        while len(mine.known) > _KNOWN:
            del mine.known[next(iter(mine.known))]
    else:
        studio.store.keep("exemplars", ".json", found.save, layer=layer, photos=_digest(looked_in))
    return found


def _shared(studio: Studio) -> list[Photo]:
    return [*studio.photos] or [Photo(images.sample_file(name)) for name in SAMPLES]


def _digest(looked_in: list[Photo]) -> str:
    """Return what is another when one of the files has changed, without reading them."""
    found = hashlib.sha256()
    for photo in looked_in:
        file = archives.holder(photo.path)
        facts = file.stat() if file.exists() else None
        found.update(repr((photo.path, photo.label, facts and (facts.st_size, facts.st_mtime_ns))).encode())
    return found.hexdigest()


def _shown(model: Classifier, found: Exemplars, address: Address) -> list[dict[str, Any]]:
    """Return the parts of photos that excite a channel, each beside its photo and where it lies in it."""
    shown = []
    found = found.closer()
    window = found.windows[address.layer]
    (patches,) = found.patches(model, [address])
    for each, patch in zip(found.of(address), patches, strict=True):
        if patch is None:
            continue
        rows, columns = found.picture
        top, left, bottom, right = each.box
        photo = model.prepared(images.read(each.photo.path, side=model.prepared_side))
        shown.append(
            {
                # Without positions there are no parts.
                "patch": None if window.share(each.place) is None else pictures.uri(patch, quality=94),
                "photo": pictures.uri(photo),
                "box": (top / rows, left / columns, bottom / rows, right / columns),
                "value": each.value,
                "name": _named(each.photo, model),
            }
        )
    return shown


def _named(photo: Photo, model: Classifier) -> str:
    truth = truth_of(photo, model.labels)
    return photo.label or photo.path.stem if truth is None else model.label(truth)


def _weights(model: Classifier, address: Address) -> dict[str, Any] | None:
    found = of_channel(model, address)
    if found is None:
        return None
    highest, lowest = found.topk(min(_FOR, len(found))), (-found).topk(min(_AGAINST, len(found)))
    return {
        "for": [[model.label(index), float(found[index])] for index in highest.indices.tolist()],
        "against": [[model.label(index), float(found[index])] for index in lowest.indices.tolist()],
    }


def _told(studio: Studio, visit: Visit, address: Address, path: Path) -> dict[str, Any]:
    return _kept(studio, visit, address, lambda target: shutil.copyfile(path, target))


def _kept(studio: Studio, visit: Visit, address: Address, write: Any) -> dict[str, Any]:
    """Return a picture from noise as a page shows it, with a file of the visit to take home."""
    model = studio.model
    title = f"{pictures.safe_stem(f'{model.name}-{address}')}.png"
    kept = visit.keep(title, write, kind="visualization")
    image = images.read(kept.path)
    try:
        (answers,) = model.classify(image, top=_ANSWERS)
    except DreamscopeError:
        answers = []
    return {
        "name": kept.name,
        "title": kept.title,
        "image": pictures.uri(image, quality=92),
        "answers": [[each.label, each.probability] for each in answers],
    }


def _of_atlas(studio: Studio, visit: Visit, address: Address, found: Picture) -> dict[str, Any]:
    return _kept(studio, visit, address, partial(images.write, found.image)) | {"gray": found.gray}


def _number(address: Address) -> str:
    return str((address.channels or (0,))[0])
