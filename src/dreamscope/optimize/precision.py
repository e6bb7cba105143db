"""The execution context: the form of a network in which an ascent at some layers gets on fastest.

An ascent runs one part of a network hundreds of times. `prepared` folds what can be folded and takes the precision
and the memory format that climb most a second on this machine, if each step still climbs about as far as in float32.
The form is kept with the classifier, the choice on disk.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from dreamscope.errors import ensure_one_of
from dreamscope.models.classifier import Classifier
from dreamscope.models.randomize import Randomize
from dreamscope.optimize.calibration import Choice, choose
from dreamscope.optimize.folding import folded
from dreamscope.optimize.forms import DTYPES, Form

PRECISIONS = ("auto", *DTYPES)
"""What may be asked for: the fastest, or one by name."""


def prepared(
    model: Classifier, layers: Collection[str], longer: int, precision: str = "auto"
) -> tuple[Classifier, Choice]:
    """Return a classifier that gives the same at `layers`, faster, and what was chosen for it.

    It is made once for the same layers, class of size and precision, and kept with `model` until its weights change.

    Parameters
    ----------
    model
        Not changed. The result shares weights with it and with later calls: change neither's.
    layers
        Names of the layers that will be recorded; others may be folded away.
    longer
        The longer side of the largest picture.
    precision
        ``auto``; ``float32``, ``bfloat16``, ``float16`` or ``mixed`` for the faster format of that precision, see
        `dreamscope.optimize.forms.Form`; or a whole form (``bfloat16/channels_last``) as a recipe has it.

    Raises
    ------
    DreamscopeError
        If there is no such precision, or it does not run here.
    """
    if "/" in precision:
        Form.parse(precision)
    else:
        ensure_one_of(precision, PRECISIONS, "precision")
    if model.dtype != torch.float32:
        # Someone's own precision: folding in it would round once more.
        return model, Choice(Form.parse(precision) if "/" in precision else Form())
    # Two classes of size: what holds for a small map need not for a large one.
    side = 128 if longer <= 192 else 256
    names = tuple(sorted(layers))
    key = (names, side, precision, model.weights_version())
    return model.forms.get(key, lambda: _made(model, names, side, precision))


def _made(model: Classifier, layers: Sequence[str], side: int, precision: str) -> tuple[Classifier, Choice]:
    keep = {*layers, *(edit.address.layer for edit in model.edits)}
    random = {edit.address.layer for edit in model.edits if isinstance(edit, Randomize)}
    # What is kept must serve later calls, whatever mode this one runs in.
    with torch.inference_mode(False):
        light = model.with_module(folded(model.module, keep, model.example(), random))
        choice = (
            Choice(Form.parse(precision)) if "/" in precision else choose(model, light, list(layers), side, precision)
        )
        return choice.form.of(light), choice
