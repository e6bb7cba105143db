"""A gallery put together by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from dreamscope import images
from dreamscope.models.classifier import Classifier
from dreamscope.sheets.gallery import Gallery, gallery
from dreamscope.sheets.plan import plan

NASTY = "</figure></pre><script>alert(1)</script><b>&\"$x$' ]]>"
COLORS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def gallery_of_colors(model: Classifier, tmp_path: Path) -> Gallery:
    """Three cells, red, green and blue, one of them with a label that is markup, and one without a picture."""
    folder = tmp_path / "cells"
    settings = {"preset": "plain", "steps": 0, "size": 40}
    found = gallery(plan("layers", [model], ["gray"], at=["0", "1", "2", "3"], **settings), folder=folder)
    shown = list(found.cells)
    for number, color in enumerate(COLORS):
        images.write(torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, 30, 40), folder / f"{number}.png")
        shown[number] = replace(shown[number], path=folder / f"{number}.png")
    shown[1] = replace(shown[1], label=NASTY, note=NASTY)
    shown[3] = replace(shown[3], path=None, note="not finite")
    return replace(found, cells=tuple(shown), recipe=replace(found.recipe, inputs={"image": NASTY}))
