"""Answer sheets: photos with what a network takes them for, and what counted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dreamscope import images
from dreamscope.attribution.base import Method
from dreamscope.attribution.photo_explanations import ExplainedPhoto, PhotoExplanations
from dreamscope.dissection.classification import Answer, Classification
from dreamscope.errors import DreamscopeError
from dreamscope.figures.attribution_plots import SIGNS, blended, limits_of
from dreamscope.figures.contact_sheets import Cell, sheet
from dreamscope.models.classifier import Classifier

MOST = 24
"""Photos on a sheet of mistakes."""
SIDE = 224
"""Pixels of the longer side of a photo there."""


def of_mistakes(found: Classification, model: Classifier) -> Tensor:
    """Lay out the most confident mistakes, or where there are none the photos that the network is least sure of.

    Parameters
    ----------
    found
        What photos were taken for.
    model
        The classifier, which prepares the photos: they are shown as it saw them.

    Returns
    -------
    Tensor
        The sheet (1, 3, H, W) in [0, 1]. A photo that is no longer there leaves an empty place.
    """
    shown, title = _shown(found)
    cells = [
        Cell(_picture(each, model), f"{sure(each.predicted.probability)} {taken(each)}", truth(each)) for each in shown
    ]
    return sheet(cells, title=f"{model.name}: {title}", most=SIDE)


def of_explanations(found: PhotoExplanations) -> Tensor:
    """Lay out photos, each followed by its maps, with prediction, truth, and the share of the evidence outside.

    Returns
    -------
    Tensor
        The sheet (1, 3, H, W) in [0, 1], in the order of `found`; of very many photos the first.
    """
    shown = [each for each in found.photos if each.image is not None]
    each_has = 1 + len(found.methods)
    across = max(1, min(len(shown), round(math.sqrt(1.3 * len(shown) / each_has))))
    cells = [cell for each in shown for cell in _cells(each, found)]
    name = "a network" if found.recipe is None else found.recipe.model.get("name", "a network")
    parts = [", ".join(each.name for each in found.methods), _order(found)]
    if len(shown) < len(found.photos):
        parts[-1] += f", {len(shown)} of {len(found.photos)}"
    if any(each.outside for each in shown):
        parts.append("outside the object: of the evidence (of the area)")
    if any(each.signed for each in found.methods):
        parts.append(SIGNS)
    return sheet(cells, columns=each_has * across, title=f"{name}: what counts; {'; '.join(parts)}", most=SIDE)


def _order(found: PhotoExplanations) -> str:
    if found.sort == "outside":
        return f"most outside first by {found.methods[0].name}"
    if found.sort == "given":
        return "in the order given"
    if all(each.answer is None for each in found.photos):
        return "the highest value first"
    if found.sort == "confidence":
        return "the most confident first"
    return "mistakes first" if any(each.is_mistake for each in found.photos) else "the least sure first"


def _cells(each: ExplainedPhoto, found: PhotoExplanations) -> list[Cell]:
    assert each.image is not None
    photo = each.image[None].float() / 255
    answer = each.answer
    name = each.photo.path.name
    if answer is None or answer.truth is None:
        cells = [Cell(photo, name if answer is None else answer.predicted.label, "" if answer is None else name)]
    else:
        cells = [Cell(photo, f"{'✗' if answer.is_mistake else '✓'} {answer.truth.label}", name)]
    for number, (method, shown, target) in enumerate(zip(found.methods, each.maps, each.targets, strict=True)):
        value = sure(target.value) if target.is_class else f"{target.value:.{0 if abs(target.value) >= 100 else 2}f}"
        cells.append(Cell(_over(photo, shown, method), f"{value} {target.name}", _note(each, number, method, shown)))
    return cells


def _over(photo: Tensor, shown: Tensor, method: Method) -> Tensor:
    """Return a map over its photo; what is a picture already, as it is."""
    if method.pictured:
        return shown[None].clamp(0, 1)
    low, high, _ = limits_of(shown[0], signed=method.signed)
    mixed = blended(photo, shown[0], low, high, signed=method.signed)
    return torch.from_numpy(mixed.astype(np.float32)).permute(2, 0, 1)[None]


def _note(each: ExplainedPhoto, number: int, method: Method, shown: Tensor) -> str:
    if not bool((shown != (0.5 if method.pictured else 0)).any()):
        return f"{method.name}: empty"
    share = each.outside[number] if each.outside else None
    if share is None or each.area_outside is None:
        return method.name
    return f"{method.name}: {share:.0%} outside ({each.area_outside:.0%})"


def _shown(found: Classification) -> tuple[Sequence[Answer], str]:
    if found.mistakes:
        shown, count = found.mistakes[:MOST], len(found.mistakes)
        which = "its most confident mistakes" if count > MOST else "its mistakes, the most confident first"
        return shown, f"{which}, {len(shown)} of {count}" if count > MOST else f"{which}, {count}"
    least = sorted(found.answers, key=lambda each: each.predicted.probability)[:MOST]
    why = (
        f"{len(found.labelled)} photos, no mistakes"
        if found.labelled
        else f"{len(found.answers)} photos, truths unknown"
    )
    return least, f"{why}; the least sure answers"


def _picture(answer: Answer, model: Classifier) -> Tensor | None:
    try:
        return model.prepared(images.read(answer.photo.path))
    except DreamscopeError:
        return None


def taken(answer: Answer) -> str:
    """Return what a photo is taken for."""
    return answer.predicted.label


def truth(answer: Answer) -> str:
    """Return what a photo is, and how sure the network is of that; the file's name where it is unknown."""
    if answer.truth is None:
        return answer.photo.path.name
    return f"is {answer.truth.label}" + (f", {sure(answer.truth.probability)}" if answer.is_mistake else "")


def sure(probability: float) -> str:
    """Return a probability in percent."""
    return f"{probability:.1%}" if 0.0005 <= probability < 0.1 else f"{probability:.0%}"
