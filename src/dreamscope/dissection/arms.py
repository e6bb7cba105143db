"""Arms of a trial: edits of a network beside each other, through which the same photos run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamscope.dissection.predictions import Measured, predictions
from dreamscope.dissection.views import views
from dreamscope.engines.photo_parts import Streamed, placed
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit
from dreamscope.models.tails import Tail, Whole, cut_before, part_behind
from dreamscope.photos import Photo
from dreamscope.probes import LOGITS, means, probe, tapped

Name = tuple[str, int]
"""Names an edit: what it is, and the number of a draw or the size of a dose."""

INTACT: Name = ("intact", 0)
CHOSEN: Name = ("chosen", 0)
FREQUENCY: Name = ("frequency", 0)
RANDOM_CHANNELS = "random channels"
RANDOM_DIRECTIONS = "random directions"
DELETED = "output deleted"


@dataclass(eq=False)
class Arm:
    """One edit in one fold.

    Attributes
    ----------
    name : (str, int)
        What it is called.
    base : Classifier
        The unedited network.
    edits : sequence of Edit
        What is changed in it.
    layers : sequence of str
        Where it is read.
    reads : bool
        Whether probes are trained there.
    features : dict
        What was kept for them: of which photos -> layer -> batches.
    """

    name: Name
    base: Classifier
    edits: Sequence[Edit]
    layers: Sequence[str]
    reads: bool
    features: dict[str, dict[str, list[Tensor]]] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        # Each worker makes a network of its own, and what was kept stays here.
        return {each.name: getattr(self, each.name) for each in fields(self)} | {"features": {}}

    @cached_property
    def model(self) -> Classifier:
        """The network with the edit."""
        return self.base.edited(self.edits) if self.edits else self.base

    @cached_property
    def cut(self) -> str | None:
        """The layer that a pass through it can start behind; ``None`` for the beginning."""
        if not self.edits:
            return None
        edited = self.model.edits[len(self.base.edits) :]
        return cut_before(self.base, [*(edit.address.layer for edit in edited), *self.layers])

    @cached_property
    def part(self) -> Tail | Whole:
        """What a pass runs through."""
        return part_behind(self.model, self.cut) if self.edits else Whole(self.base)


@dataclass(frozen=True)
class Part:
    """What was seen of some photos: by the arms' places, what each took them for, and what probes learn from; and by
    the arms' names, which mild changes of a photo were taken for the class.
    """

    measured: list[list[Measured]]
    features: list[dict[str, list[Tensor]]]
    views: dict[Name, dict[Photo, list[bool]]]
    unreadable: Mapping[Path, str]


@dataclass(frozen=True)
class Look:
    """Runs photos through the arms: what for (``measure``, ``probe``, ``controls``, ``rest``), and whether answers
    count.
    """

    model: Classifier
    arms: Sequence[Arm]
    before: Sequence[str]
    class_index: int
    what: str
    answers: bool

    def __call__(self) -> Callable[[Streamed], Part]:
        """Begin to work."""
        model = placed(self.model)
        arms = self.arms if model is self.model else [replace(arm, base=model) for arm in self.arms]
        return replace(self, model=model, arms=arms)._go

    @torch.no_grad()
    def _go(self, streamed: Streamed) -> Part:
        stream, count = streamed(self.model), len(self.arms)
        part = Part([[] for _ in range(count)], [{} for _ in range(count)], {}, stream.unreadable)
        for named, images in stream:
            for place, seen in self._seen(images, list(range(count)), self.before):
                if self.answers:
                    found = predictions(seen[LOGITS], named, self.class_index, self.model.labels)
                    part.measured[place].extend(zip(named, found, strict=True))
                if self.arms[place].reads and self.what != "rest":
                    for name, values in seen.items():
                        if name != LOGITS:
                            part.features[place].setdefault(name, []).append(values.float().cpu())
            if self.what == "measure":
                reading = [place for place, arm in enumerate(self.arms) if arm.name in (INTACT, CHOSEN)]
                for _, view in views(images):
                    for place, seen in self._seen(view, reading, layers=()):
                        hits = (seen[LOGITS].argmax(1) == self.class_index).tolist()
                        known = part.views.setdefault(self.arms[place].name, {})
                        for photo, hit in zip(named, hits, strict=True):
                            known.setdefault(photo, []).append(hit)
        return part

    def _seen(
        self,
        images: Tensor,
        places: Sequence[int],
        before: Sequence[str] = (),
        layers: Sequence[str] | None = None,
    ) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """Yield what some arms make of images; what comes before their cuts is computed once for all."""
        arms = [self.arms[place] for place in places]
        cuts = list(dict.fromkeys(arm.cut for arm in arms if arm.cut is not None))
        read = [arm.layers if layers is None else layers for arm in arms]
        with ExitStack() as stack:
            caught = stack.enter_context(tapped(self.model, cuts)) if cuts else {}
            everywhere = [*before, *(read[0] if read else ()), LOGITS]
            seen = stack.enter_context(probe(self.model, everywhere, keep=means))
            intact = dict(seen(images))
        for place, arm, mine in zip(places, arms, read, strict=True):
            if arm.name == INTACT:
                yield place, intact
            else:
                started = images if arm.cut is None else caught[arm.cut]
                with arm.part.given(started) as given, probe(arm.part.model, [*mine, LOGITS], keep=means) as seen:
                    yield place, dict(seen(given))
