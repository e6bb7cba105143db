"""Edits as plain weights: a changed network that PyTorch loads without dreamscope, with the same outputs.

Whole channels times a number, plus a number, made at random or with directions erased, are the same as other numbers
in the weights that make these channels (their producer), or in those that take them in (their consumers), see `Trial`.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamscope.errors import DreamscopeError
from dreamscope.files import ensure_writable, written_whole
from dreamscope.models.ablation import Ablation
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit
from dreamscope.models.weight_bench import Bench, Trial, alike, tensors
from dreamscope.models.weight_changes import WeightChange, weight_change_of
from dreamscope.models.weight_parts import UnbakeableError


@torch.no_grad()
def bake(model: Classifier) -> dict[str, Tensor]:
    """Return a network's weights with its edits in them.

    Parameters
    ----------
    model
        With edits ``zero``, ``scale:X``, ``randomize``, `Add` and `Erase` of whole channels; it stays as it is.

    Returns
    -------
    dict of str to Tensor
        The state dict of ``model.module``, on the CPU: the same keys, shapes and precision. A network with it
        puts out what `model` puts out, within 1e-4 (of the largest logit, if that is over 1).

    Raises
    ------
    DreamscopeError
        If no weights do what an edit does: it needs the picture (``mean``, ``noise``, ``gaussian``, `Patch`), stands at
        one position, its channels are summed with others (a skip connection) before weights take them in, or no bias
        and no norm is there to hold what is added.
    """
    # A GPU's short-cuts in multiplication, and half precision, would hide small mistakes and feign others.
    exact = torch.promote_types(model.dtype, torch.float32)
    twin, original = (copy.deepcopy(model.module).to("cpu", exact) for _ in range(2))
    images = _pictures(model.input_size)
    inputs = model.normalization(images).to(exact)
    _bake_all(twin, model, inputs)
    wanted = tensors(model.with_module(original)(images))
    for ours, theirs in zip(tensors(twin(inputs)), wanted, strict=True):
        if not alike(ours, theirs, 1e-4 * max(1.0, float(theirs.abs().max()))):
            raise DreamscopeError(f"{model.name} can't be baked: with the edits in its weights its outputs differ")
    kept = model.module.state_dict()
    return {key: value.to(kept[key].dtype).contiguous().clone() for key, value in twin.state_dict().items()}


def export(model: Classifier, path: str | Path) -> Path:
    """Write a network's weights with its edits in them; see `bake`.

    Parameters
    ----------
    model
        With edits that can be baked.
    path
        A ``.safetensors`` file; its metadata name the edits, under ``dreamscope``.

    Returns
    -------
    Path
        The file. ``load(NAME, weights=path)`` reads it, and so do torchvision and timm.
    """
    from safetensors.torch import save_file

    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise DreamscopeError(f"weights are written as .safetensors; '{path}' ends otherwise")
    ensure_writable(path)
    state = bake(model)
    with written_whole(path) as temporary:
        save_file(state, temporary, {"dreamscope": json.dumps([edit.to_dict() for edit in model.edits])})
    return path


def _bake_all(twin: nn.Module, model: Classifier, inputs: Tensor) -> None:
    """Put the edits into the weights, in the order in which they are applied as a picture runs through.

    Of several edits with no weights between them, a producer takes the first ones, the first of them first, and a
    consumer the others, the last of them first: (b after a) then stays (b after a).
    """
    order = list(model.layers)
    edits = sorted(model.edits, key=lambda edit: order.index(edit.address.layer))
    count = Counter(edit.address.layer for edit in edits)
    changes = [_change_of(edit) for edit in edits]
    bench = Bench(twin, model.layers, inputs, count)
    waiting: list[tuple[Edit, WeightChange, str]] = []
    for edit, change in zip(edits, changes, strict=True):
        reason = ""
        is_next = all(other.address.layer != edit.address.layer for other, _, _ in waiting)
        if is_next and (change.producers_first or count[edit.address.layer] > 1):
            trial = Trial(bench, edit, change)
            if trial.bake_into_producers():
                continue
            reason = trial.reason
        waiting.append((edit, change, reason))
    for edit, change, reason in reversed(waiting):
        trial = Trial(bench, edit, change)
        trial.reason = reason or trial.reason
        if trial.bake_into_consumers():
            continue
        is_last_resort = not change.producers_first and count[edit.address.layer] == 1
        if not (is_last_resort and trial.bake_into_producers()):
            raise _unbakeable(edit, trial.reason)


def _change_of(edit: Edit) -> WeightChange:
    try:
        return weight_change_of(edit)
    except UnbakeableError as error:
        raise _unbakeable(edit, str(error)) from error


def _unbakeable(edit: Edit, reason: str) -> DreamscopeError:
    how = edit.how if isinstance(edit, Ablation) else edit.kind
    return DreamscopeError(f"'{edit.address}' ({how}) can't be baked into weights: {reason}")


def _pictures(size: tuple[int, int]) -> Tensor:
    """Return four images, fine noise and coarse: a network's channels seldom respond to one kind alone."""
    generator = torch.Generator().manual_seed(0)
    fine = torch.rand((2, 3, *size), generator=generator)
    coarse = F.interpolate(torch.rand((2, 3, 8, 8), generator=generator), size, mode="bicubic").clamp(0, 1)
    return torch.cat([fine, coarse])
