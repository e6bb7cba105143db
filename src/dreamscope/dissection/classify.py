"""Classify: what is on these photos, how often is that right, and where does the network err?"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from dreamscope.dissection.classification import Answer, Classification, answers
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Source, Stream, find, reference
from dreamscope.probes import LOGITS
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe

BATCH = 32
TOP = 5

_MANY = 4 * BATCH
"""Photos from which on the network is worth folding."""


def classify(
    model: Classifier,
    photos: Source | Sequence[Source | Photo],
    *,
    top: int = TOP,
    callback: Callback | None = None,
    progress: bool = False,
    recipe: bool = True,
) -> Classification:
    """Predict the classes of photos, and count where that is wrong.

    Parameters
    ----------
    model
        The classifier.
    photos
        Folders, photos or labels files, see `dreamscope.photos.find`; those that can't be read are skipped and
        reported. A photo's truth is its label there, where that is the index or the whole name of a class.
    top
        Number of predictions to keep for each photo.
    callback
        Called with what is being done, how much of it is done, and of how much.
    progress
        Show a bar.
    recipe
        Keep a recipe.

    Returns
    -------
    Classification
        The answers, accuracy with intervals, confusions and mistakes.

    Raises
    ------
    DreamscopeError
        If no photo can be read, or the network has no classes.
    """
    arguments = locals()
    if top < 1:
        raise DreamscopeError(f"top is 1 or more, not {top}")
    given = find(photos)
    made = Recipe.of_call(classify, arguments, inputs={"photos": reference(given)}, resolved={}) if recipe else None
    running = prepared(model, [LOGITS], max(model.input_size), "float32")[0] if len(given) >= _MANY else model
    stream = Stream(given, model, batch=BATCH)
    found: list[Answer] = []
    classes = 0
    with reported(callback, progress=progress) as report, torch.no_grad():
        for named, pictures in stream:
            logits = running.logits(pictures)
            classes = logits.shape[1]
            found += answers(logits, named, model, top=top)
            if report is not None:
                report("photos", len(found) + len(stream.unreadable), len(given))
    return Classification(tuple(found), classes, stream.skipped, made)
