"""Answer sheets: photos with what a network takes them for."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dreamscope import images
from dreamscope.dissection.classification import Answer, Classification
from dreamscope.errors import DreamscopeError
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
