"""Single ablation: the measured loss of a class when one channel alone is removed. The reference, and slow.

After Morcos et al. 2018, "On the importance of single directions for generalization".
"""

from __future__ import annotations

import hashlib
import json

import torch
from torch import Tensor

from dreamscope import files
from dreamscope.dissection.channel_masks import masked
from dreamscope.dissection.first_order import Channels, margin
from dreamscope.models.classifier import Classifier
from dreamscope.progress import Callback

BATCH = 64
SAVE_EVERY = 512
"""Channels between two saves."""


def single(
    model: Classifier,
    channels: Channels,
    targets: Tensor,
    class_index: int,
    *,
    callback: Callback | None = None,
) -> Tensor:
    """Return, for each channel, how much of its margin the class loses when the channel alone is removed.

    What is done is kept in the cache folder; an interrupted scan resumes where it stopped.

    Parameters
    ----------
    model
        The classifier.
    channels
        Which channels.
    targets
        (N, 3, H, W), prepared.
    class_index
        The class.
    callback
        ``callback(stage, done, total)``, after each pass.

    Returns
    -------
    Tensor
        (all channels,), logits, the mean over targets.
    """
    total = len(channels.removed)
    name = f"single/{_key(model, channels, targets, class_index)}.json"
    done = _recalled(name, total)
    classes = torch.full((len(targets),), class_index)
    with torch.no_grad():
        whole = margin(model.logits(targets).cpu(), classes)
    at_once = max(1, BATCH // len(targets))
    try:
        while len(done) < total:
            places = range(len(done), min(len(done) + at_once, total))
            repeated = targets.repeat(len(places), 1, 1, 1)
            keep = torch.ones(len(repeated), total)
            for row, place in enumerate(places):
                keep[row * len(targets) : (row + 1) * len(targets), place] = 0
            # Only where something is removed: the other layers are as they are.
            touched = {name: mask for name, mask in channels.split(keep).items() if not bool(mask.all())}
            with torch.no_grad(), masked(model, touched):
                left = margin(model.logits(repeated).cpu(), classes.repeat(len(places)))
            done += (whole - left.view(len(places), -1)).mean(1).tolist()
            if callback is not None:
                callback("removing channels one by one", len(done), total)
            if len(done) % SAVE_EVERY < at_once:
                files.remember(name, done)
    except KeyboardInterrupt:
        files.remember(name, done)
        raise
    files.forget(name)
    return torch.tensor(done)


def _key(model: Classifier, channels: Channels, targets: Tensor, class_index: int) -> str:
    digest = hashlib.sha256(targets.cpu().contiguous().numpy().tobytes())
    for parameter in model.module.parameters():
        digest.update(parameter.detach().float().sum().cpu().numpy().tobytes())
    digest.update(json.dumps([model.name, channels.layers, channels.widths, class_index]).encode())
    return digest.hexdigest()[:32]


def _recalled(name: str, total: int) -> list[float]:
    try:
        kept = [float(value) for value in files.recall(name) or []]
    except (ValueError, TypeError):
        return []
    return kept if len(kept) <= total else []
