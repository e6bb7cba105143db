"""What the search of an atlas looks through: a script with arrays, one value for each channel."""

from __future__ import annotations

import json
from typing import Any

from dreamscope.microscope.catalog import Catalog

LABELS = 5
"""Classes by which a channel is found, of those it serves and of those that it is excited by."""


def search_index(catalog: Catalog) -> str:
    """Return the script."""
    columns: dict[str, list[Any]] = {name: [] for name in ("mean", "deviation", "positive", "best", "trust")}
    pictured: list[int] = []
    labels: list[list[int]] = []
    for layer, channel in catalog.every():
        spread, trust = catalog.spread(layer, channel), catalog.trust(layer, channel)
        best = catalog.best(layer, channel)
        columns["mean"].append(_brief(spread.mean if spread else None))
        columns["deviation"].append(_brief(spread.deviation if spread else None))
        columns["positive"].append(_brief(spread.positive if spread else None))
        columns["best"].append(_brief(best[0][2] if best else None))
        columns["trust"].append(_brief(trust.picture if trust else None))
        patch = catalog.patch(layer, channel)
        # The patches of its strip, and whether there is a picture.
        pictured.append(2 * (patch.of if patch else 0) + (catalog.most(layer, channel) is not None))
        served = [index for index, weight in catalog.serves(layer, channel) if weight > 0]
        seen = catalog.seen(best).most_common(LABELS)
        # What several of its photos show says most of it, and what one shows least.
        often = [index for index, count in seen if count > 1]
        labels.append(list(dict.fromkeys([*often, *served[:LABELS], *(index for index, _ in seen)])))
    known = sorted(catalog.classes)
    found = {
        "layers": [[layer.name, layer.place, layer.channels] for layer in catalog.layers.values()],
        "names": {index: catalog.label(index) for index in sorted({*known, *(i for each in labels for i in each)})},
        "classes": [[index, 1 if catalog.picture(f"classes/{index}") else 0] for index in known],
        "pictured": pictured,
        "labels": labels,
        **columns,
    }
    return f"var dreamscopeSearch={json.dumps(found, separators=(',', ':'), allow_nan=False)};\n"


def _brief(value: float | None) -> Any:
    return None if value is None else float(f"{value:.3g}")
