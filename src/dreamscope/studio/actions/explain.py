"""The page ``explain``: what a photo is taken for, and which of its pixels decided, by each of the methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dreamscope import images
from dreamscope.attribution.explain import explain as technique
from dreamscope.attribution.result import Explanation
from dreamscope.errors import DreamscopeError
from dreamscope.figures import attribution_plots
from dreamscope.models.classifier import Classifier
from dreamscope.recipes import note_of
from dreamscope.studio import pictures
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.state import Studio

TOP = 5
"""Answers that are shown."""


@dataclass(frozen=True)
class Shown:
    """How the page speaks of a method.

    Attributes
    ----------
    title, about : str
        Its name, and what it asks, in a line.
    method : str
        With options that a person can wait for.
    quick : bool
        Its map is there before one has looked up.
    """

    title: str
    about: str
    method: str
    quick: bool = False


SHOWN: Mapping[str, Shown] = {
    "gradcam": Shown("Grad-CAM", "Which regions did the last features speak from?", "gradcam", quick=True),
    "layercam": Shown("LayerCAM", "The same, each position by its own gradient.", "layercam", quick=True),
    "guided": Shown("Guided backprop", "Which edges and textures led here?", "guided", quick=True),
    "saliency": Shown("Gradient", "Where would the smallest change of colour matter most?", "saliency", quick=True),
    "deconv": Shown("Deconvnet", "The features that fired, projected back to pixels.", "deconv", quick=True),
    "smoothgrad": Shown("SmoothGrad", "The gradient, averaged over noisy copies.", "smoothgrad"),
    "integrated": Shown("Integrated gradients", "What did each pixel add, on the way from black?", "integrated"),
    "occlusion": Shown("Occlusion", "What is lost when a square is covered?", "occlusion:32,16"),
    "lime": Shown("LIME", "Which patches does it need, in a simple model of it?", "lime:300"),
    "rise": Shown("RISE", "How sure is it when random parts are hidden?", "rise:500"),
}
"""By name, the quickest first."""


def facts(_: Classifier, __: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page knows when it is opened."""
    return {"methods": [{"name": name, "title": each.title, "about": each.about} for name, each in SHOWN.items()]}


def answers(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Say what a photo is taken for, and show it as the network sees it."""
    model = studio.model
    seen = model.prepared(images.read(given.picture("picture"), side=model.prepared_side))
    job.check()
    (found,) = model.classify(seen, top=TOP)
    return {
        "photo": pictures.uri(seen, quality=92),
        "answers": [{"index": each.index, "label": each.label, "probability": each.probability} for each in found],
    }


def maps(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Show what counts for a class, by one method after the other, and how far each can be believed."""
    picture, index = given.picture("picture"), given.whole("class", 0, least=0, most=10**6)
    wanted = given.texts("methods", most=len(SHOWN)) or list(SHOWN)
    names = [name for name in SHOWN if name in wanted]
    measured = given.flag("measure", default=True)
    # Only of what is on screen the page can ask for a file.
    made: dict[str, Explanation] = {}
    job.visit.state["explain"] = (given.stem("picture"), made)
    again = [name for name in names if SHOWN[name].quick] if measured else []
    tasks = [(name, False) for name in again] + [(name, measured) for name in names]
    refused = set()
    for number, (name, faithful) in enumerate(tasks):
        job.progress(SHOWN[name].title, number, len(tasks))
        if name in refused:
            continue
        try:
            (found,) = technique(
                studio.model,
                picture,
                class_name=index,
                method=SHOWN[name].method,
                faithfulness=faithful,
                callback=lambda *_: job.check(),
            )
        except DreamscopeError as error:
            # One that does not fit this network is no reason to miss the others.
            refused.add(name)
            job.event("refused", method=name, message=str(error))
            continue
        if name not in made:
            job.event("map", method=name, seconds=found.seconds, **_layer(found))
        made[name] = found
        if found.faithfulness:
            job.event("curves", method=name, **_curves(found))
    return {}


def file(_: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Draw a map, or all of them on a sheet, to take home."""
    stem, made = job.visit.state.get("explain", ("", {}))
    name = given.text("method")
    found = list(made.values()) if not name else [made[name]] if name in made else []
    if not found:
        raise DreamscopeError("that map is not there any more; make it again")
    job.check()
    drawn = attribution_plots.drawn(found)
    if len(found) > 1 and found[0].recipe is not None:
        methods = [str(each.method) for each in found]
        note = note_of(found[0].recipe.but(method=methods))
    else:
        note = note_of(found[0].recipe)
    title = f"{stem}-{name or 'explained'}.png"
    kept = job.visit.keep(title, lambda path: images.write(drawn, path, note=note), kind="explanation")
    return {"name": kept.name, "title": kept.title}


def _layer(found: Explanation) -> dict[str, Any]:
    """Return a map as a page lays it over the photo: a gradient as the picture that it is, others as colours."""
    if found.picture is not None:
        return {"image": pictures.uri(found.picture), "signed": False, "pictured": True}
    colours, cover = attribution_plots.layer(found)
    return {"image": pictures.uri(colours, cover), "signed": found.method.signed, "pictured": False}


def _curves(found: Explanation) -> dict[str, Any]:
    (curves,) = found.faithfulness
    return {
        "shares": curves.shares,
        "insertion": curves.insertion,
        "deletion": curves.deletion,
        "insertion_area": curves.insertion_area,
        "deletion_area": curves.deletion_area,
    }
