"""What an atlas is of, as facts that its pages are made from without the network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from dreamscope import __version__
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.patches import windows
from dreamscope.microscope.items.base import Made
from dreamscope.microscope.settings import Atlas
from dreamscope.microscope.store import Store
from dreamscope.models.classifier import Classifier

KEY = "about"


def keep(atlas: Atlas, sets: Sequence[str], store: Store) -> None:
    """Write the facts of an atlas into its store, unless they stand there.

    Parameters
    ----------
    atlas
        What it is of.
    sets
        The names of its photo sets, without where they lie.
    store
        Where to.
    """
    found = facts(atlas, sets)
    digest = hashlib.sha256(json.dumps([__version__, found]).encode()).hexdigest()[:32]
    if store.digest(KEY) != digest:
        store.add(KEY, digest, Made(facts=found))


def kept(model: Classifier, store: Store) -> Atlas | None:
    """Return the atlas that a store is of; ``None`` if it does not say.

    Raises
    ------
    DreamscopeError
        If it is of another network.
    """
    if KEY not in store:
        return None
    found = store[KEY].facts
    atlas = Atlas(model, tuple(layer["name"] for layer in found["layers"]), found["side"], found["top"])
    if found.get("network") != atlas.network:
        name = found["model"]
        other = f"{name} with other weights or colours" if name == model.name else f"another network, {name}"
        raise DreamscopeError(
            f"'{store.folder.parent}' is an atlas of {other}; give one of this {model.name}, or none yet"
        )
    return atlas


def facts(atlas: Atlas, sets: Sequence[str]) -> dict[str, Any]:
    """Return the facts, as JSON can hold them."""
    model = atlas.model
    picture = (model.input_size[0], model.input_size[1])
    seen = windows(model, atlas.layers)
    layers = []
    for name in atlas.layers:
        layer = model.layers[name]
        # As exemplars are cut.
        window = seen[name].closer(picture)
        layers.append(
            {
                "name": name,
                "type": layer.type,
                "channels": layer.channels,
                "grid": layer.grid,
                "field": layer.receptive_field,
                "window": {"grid": window.grid, "size": window.size, "start": window.start, "stride": window.stride},
            }
        )
    return {
        "model": model.name,
        "network": atlas.network,
        "labels": list(model.labels),
        "input": picture,
        "parameters": sum(each.numel() for each in model.parameters()),
        "layers": layers,
        "side": atlas.side,
        "top": atlas.top,
        "sets": list(sets),
    }
