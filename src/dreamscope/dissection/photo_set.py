"""Photo set: photos as a network sees them, each of them read once and run through it once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from dreamscope import photos
from dreamscope.engines.base import Engine
from dreamscope.engines.photo_parts import Streamed, in_parts, placed
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.responses import Responses, mean_and_norm
from dreamscope.models.classifier import Classifier
from dreamscope.photos import Photo, Stream, ensure_readable
from dreamscope.probes import LOGITS, probe
from dreamscope.progress import Callback

_BATCH = 32


class PhotoSet:
    """The responses of channels to photos, and some of the photos with what the network says of them.

    Parameters
    ----------
    model
        The classifier, unedited.
    layers
        Whose channels.
    what
        What the photos are, for messages and progress: ``targets``, ``controls``.
    given
        The photos; those that can't be read are skipped and reported.
    most
        The most images that are kept in memory, 0.6 MB each at 224 x 224 pixels; of more photos, so many are drawn.
    seed
        Of the draw.
    loudest
        The number of channels of a layer that count as loud on a photo.
    engine
        Where the photos are gone through, see `dreamscope.engines.photo_parts`; in this process if not given.
    callback
        ``callback(stage, done, total)``, after each batch.

    Attributes
    ----------
    responses : Responses
        Of all photos.
    images : Tensor
        (up to `most`, 3, H, W), prepared.
    logits : Tensor
        (up to `most`, classes) to these.
    unreadable : dict
        Path -> the reason.

    Raises
    ------
    DreamscopeError
        If fewer than two photos can be read: nothing could be compared.
    """

    def __init__(
        self,
        model: Classifier,
        layers: Sequence[str],
        what: str,
        given: Sequence[Photo],
        *,
        most: int = 0,
        seed: int = 0,
        loudest: int = 5,
        engine: Engine | None = None,
        callback: Callback | None = None,
    ) -> None:
        self._model = model
        self._photos = given
        self._seed = seed
        self.responses = Responses([model.layers[name].channels for name in layers], loudest=loudest)
        self.unreadable: dict[Path, str] = {}
        wanted = {photo: place for place, photo in enumerate(drawn(given, most, seed))}
        kept: dict[int, tuple[Tensor, Tensor]] = {}
        look = _Look(model, tuple(layers), loudest, wanted)
        for part in in_parts(look, given, engine, what=what, callback=callback):
            self.responses.merge(part.responses)
            self.unreadable |= part.unreadable
            kept |= part.kept
        ensure_readable(len(given), self.unreadable)
        if self.responses.count < 2 or len(kept) < min(most, 1):
            raise DreamscopeError(
                f"{self.responses.count} readable photo of the {what}; at least 2 are needed to compare"
            )
        if most:
            order = sorted(kept)
            images_, logits = zip(*(kept[place] for place in order), strict=True)
            self.images, self.logits = torch.cat(images_), torch.cat(logits)
            self._rows = {photo: order.index(place) for photo, place in wanted.items() if place in kept}

    def some(self, most: int) -> Tensor:
        """Return so many of the images that were kept at most, drawn from the seed."""
        return self.images[
            [self._rows[photo] for photo in drawn(self._photos, most, self._seed) if photo in self._rows]
        ]

    def batches(self, what: str, callback: Callback | None = None) -> Iterator[Tensor]:
        """Yield the images of all photos in batches: from memory if all were kept, else read again."""
        if len(self.images) == self.responses.count:
            yield from self.images.split(_BATCH)
            return
        gone = None if callback is None else lambda count: callback(what, count, len(self._photos))
        for _, images in Stream(self._photos, self._model, batch=_BATCH, gone=gone):
            yield images


@dataclass(frozen=True)
class _Part:
    """What some photos say: the responses to them, and images with the answers to them, by their places."""

    responses: Responses
    kept: dict[int, tuple[Tensor, Tensor]]
    unreadable: Mapping[Path, str]


@dataclass(frozen=True)
class _Look:
    """Looks at photos, and keeps those that are wanted."""

    model: Classifier
    layers: tuple[str, ...]
    loudest: int
    wanted: Mapping[Photo, int]

    def __call__(self) -> Callable[[Streamed], _Part]:
        """Begin to work."""
        return replace(self, model=placed(self.model))._go

    @torch.no_grad()
    def _go(self, streamed: Streamed) -> _Part:
        stream = streamed(self.model)
        widths = [self.model.layers[name].channels for name in self.layers]
        part = _Part(Responses(widths, loudest=self.loudest), {}, stream.unreadable)
        seen_at = [*self.layers, *([LOGITS] if self.wanted else [])]
        with probe(self.model, seen_at, keep=mean_and_norm) as seen:
            for named, images in stream:
                part.responses.add_seen(seen(images), self.layers)
                for row, photo in enumerate(named):
                    if photo in self.wanted:
                        # Clones, or each would hold its whole batch in memory.
                        both = images[row : row + 1].clone(), seen[LOGITS][row : row + 1].clone()
                        part.kept[self.wanted[photo]] = both
        return part


def drawn(given: Sequence[Photo], most: int, seed: int) -> Sequence[Photo]:
    """Return the photos, or so many drawn from `seed` if there are more."""
    return given if len(given) <= most else photos.shuffled(given, seed)[:most]
