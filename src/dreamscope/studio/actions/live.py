"""The page ``live``: a layer's channels and the answers frame by frame; a channel's picture, and what it saw."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.attribution.explain import explain
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.blocks import blocks_of
from dreamscope.exploration.watching import Glance, Levels, Watch, strongest
from dreamscope.figures import gradient_panels
from dreamscope.models.ablation import Ablation
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.recent import Recent
from dreamscope.studio import pictures
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.state import Studio
from dreamscope.visualization.visualize import visualize

METHODS = ("guided", "deconv")
"""How it is drawn what a channel saw in a frame."""

_TOP = 5
_MOST_CHANNELS = 100_000
_MOST_OFF, _MOST_LAYERS = 256, 64
"""Channels that may be off at a time, and layers of which they may be."""

_PANEL_SIDE = 320
# Small and soon: it grows while someone waits.
_PICTURE: dict[str, Any] = {"size": 160, "steps": 96}


@dataclass
class Watched:
    """What is kept of a visit from one frame to the next.

    Attributes
    ----------
    layers : list of str
        Those that can be watched.
    watches : Recent
        The network with its channels off, by layer and channels: made once for the same.
    levels : Recent
        What is usual, by layer.
    image : Tensor or None
        The last frame, (1, 3, H, W).
    at : float
        When it came.
    """

    layers: list[str]
    watches: Recent = field(default_factory=lambda: Recent(4))
    levels: Recent = field(default_factory=lambda: Recent(4))
    image: Tensor | None = None
    at: float = 0.0


def facts(model: Classifier, _: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page knows when it is opened."""
    names = layers(model)
    # What all begin with is said once, above them.
    steps = zip(*(name.split(".")[:-1] for name in names), strict=False)
    shared = len(list(takewhile(lambda each: len(set(each)) == 1, steps)))
    return {
        "layers": [
            {
                "name": name,
                "short": ".".join(name.split(".")[shared:]),
                "channels": model.layers[name].channels,
                "grid": f" of {' × '.join(map(str, reversed(model.layers[name].grid)))}"
                if model.layers[name].grid
                else "",
            }
            for name in names
        ],
        "first": first_layer(model),
        "size": {"width": model.input_size[1], "height": model.input_size[0]},
    }


def run(studio: Studio, job: Job, *, given: Given, newest: dict[int, bytes]) -> dict[str, Any]:
    """Look at the newest frame: send all channels of a layer, and tell the answers.

    The channels come as bytes, row by row, channel by channel: 128 where a channel is as usual, 255 far above,
    1 far below.
    """
    body = newest.pop(job.number, None)
    if body is None:
        # Taken by the job before, which began after it had come.
        return {}
    watched = _watched(studio, job)
    layer, off = _layer(watched, given), _off(given, studio.model)
    watch = watched.watches.get((layer, tuple(off)), lambda: _watch(studio.model, layer, off))
    watched.image = pictures.frame(body)
    glance: Glance = watch(watched.image)
    now = time.monotonic()
    silenced = [channel for each in off if each.layer == layer for channel in each.channels or ()]
    shown = watched.levels.get(layer, Levels)(glance.maps, now - watched.at, silenced)
    watched.at = now
    job.answer((shown * 127 + 128).to(torch.uint8).numpy().tobytes())
    channels, rows, columns = glance.maps.shape
    told: dict[str, Any] = {"layer": layer, "channels": channels, "rows": rows, "columns": columns}
    channel = given.whole("channel", -1, least=-1, most=_MOST_CHANNELS)
    if 0 <= channel < channels:
        value, row, column = strongest(glance.maps, channel)
        told["strongest"] = {"channel": channel, "value": value, "row": row, "column": column}
    return told | _answers(glance, studio.model)


def _watched(studio: Studio, job: Job) -> Watched:
    if "live" not in job.visit.state:
        job.visit.state["live"] = Watched(layers(studio.model))
    found: Watched = job.visit.state["live"]
    return found


def layers(model: Classifier) -> list[str]:
    """Return the layers that can be watched: the network's blocks."""
    return blocks_of(model) or list(model.layers)


def first_layer(model: Classifier) -> str:
    """Return the layer that is watched first: the deepest in which it can still be seen well where things are."""
    found = layers(model)
    fine = [name for name in found if min(model.layers[name].grid, default=0) * 8 >= min(model.input_size)]
    return fine[-1] if fine else found[0]


def _layer(watched: Watched, given: Given) -> str:
    return given.choice("layer", watched.layers, watched.layers[0])


def _off(given: Given, model: Classifier) -> list[Address]:
    """Return the channels that are off, those of one layer as one address."""
    found: dict[str, set[int]] = {}
    texts = given.texts("off", most=_MOST_LAYERS)
    for each in resolve(texts, model) if texts else []:
        if each.channels is None:
            raise DreamscopeError(f"'{each}' names no channels to switch off")
        found.setdefault(each.layer, set()).update(each.channels)
    if sum(map(len, found.values())) > _MOST_OFF:
        raise DreamscopeError(f"at most {_MOST_OFF} channels can be off at a time; switch some on again")
    return [Address(layer, tuple(sorted(channels))) for layer, channels in sorted(found.items())]


def _watch(model: Classifier, layer: str, off: list[Address]) -> Watch:
    return Watch(model, layer, [Ablation(each) for each in off])


def _answers(glance: Glance, model: Classifier) -> dict[str, Any]:
    """Return the most probable classes, and what each of them was with all channels on."""
    if glance.shares is None:
        return {"answers": []}
    best = glance.shares.topk(min(_TOP, len(glance.shares)))
    before = glance.shares if glance.before is None else glance.before
    rows = [
        {"label": model.label(index), "share": float(glance.shares[index]), "before": float(before[index])}
        for index in best.indices.tolist()
    ]
    return {"answers": rows, "before": model.label(int(before.argmax()))}


def trace(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Draw what a channel saw in the last frame, by guided backpropagation or a deconvnet."""
    watched = _watched(studio, job)
    if watched.image is None:
        raise DreamscopeError("no frame has come yet: start the camera, a video or a photo first")
    off = _off(given, studio.model)
    model = studio.model.edited([Ablation(each) for each in off]) if off else studio.model
    (found,) = explain(
        model,
        watched.image,
        at=_channel(given, studio.model),
        method=given.choice("method", METHODS, METHODS[0]),
        callback=job.progress,
        recipe=False,
    )
    panels = [
        {
            "image": pictures.uri(panel.at_width(_PANEL_SIDE)),
            "title": panel.title,
            "note": panel.note,
        }
        for panel in gradient_panels.of(found)
    ]
    return {"address": found.targets[0].address, "panels": panels, "silent": not bool(found.values.any())}


def picture(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Make a small picture from noise of what a channel looks for."""
    address = _channel(given, studio.model)
    shared = None if studio.atlas is None else studio.atlas.picture(Address.parse(address), job)
    if shared is None:
        (found,) = visualize(studio.model, address, callback=job.step, **_PICTURE)
        write, gray = found.save, found.gray
    else:
        write, gray = partial(images.write, shared.image), shared.gray
    kept = job.visit.keep(f"{pictures.safe_stem(address)}.png", write, kind="channel", address=address)
    return {"name": kept.name, "title": kept.title, "gray": gray, **kept.facts}


def _channel(given: Given, model: Classifier) -> str:
    found = given.addresses("at", model)
    if len(found) != 1:
        raise DreamscopeError("choose one channel first")
    return found[0]
