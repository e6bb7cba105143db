"""What an atlas is of, as facts that its pages are made from without the network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from dreamscope import __version__
from dreamscope.exploration.patches import windows
from dreamscope.microscope.items.base import Made
from dreamscope.microscope.settings import Atlas
from dreamscope.microscope.store import Store

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
    text = json.dumps([__version__, atlas.network, atlas.layers, atlas.side, atlas.top, list(sets)])
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    if store.digest(KEY) != digest:
        store.add(KEY, digest, Made(facts=facts(atlas, sets)))


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
        "labels": list(model.labels),
        "input": picture,
        "parameters": sum(each.numel() for each in model.parameters()),
        "layers": layers,
        "side": atlas.side,
        "top": atlas.top,
        "sets": list(sets),
    }
