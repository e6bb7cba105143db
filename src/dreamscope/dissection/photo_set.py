"""Photo set: photos as a network sees them, each of them read once and run through it once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from dreamscope import photos
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.responses import Responses, mean_and_norm
from dreamscope.models.classifier import Classifier
from dreamscope.photos import Photo, Stream
from dreamscope.probes import LOGITS, probe
from dreamscope.progress import Callback

BATCH = 32


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
        callback: Callback | None = None,
    ) -> None:
        self._model = model
        self._photos = given
        self._seed = seed
        self.responses = Responses([model.layers[name].channels for name in layers], loudest=loudest)
        self.unreadable: dict[Path, str] = {}
        wanted = {photo: place for place, photo in enumerate(drawn(given, most, seed))}
        kept: dict[int, tuple[Tensor, Tensor]] = {}
        seen_at = [*layers, *([LOGITS] if most else [])]
        with torch.no_grad(), probe(model, seen_at, keep=mean_and_norm) as seen:
            for named, images in self._stream(what, callback):
                self.responses.add_seen(seen(images), layers)
                kept |= {
                    # Clones, or each would hold its whole batch in memory.
                    wanted[photo]: (images[row : row + 1].clone(), seen[LOGITS][row : row + 1])
                    for row, photo in enumerate(named)
                    if photo in wanted
                }
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
            yield from self.images.split(BATCH)
            return
        for _, images in self._stream(what, callback):
            yield images

    def _stream(self, what: str, callback: Callback | None) -> Iterator[tuple[list[Photo], Tensor]]:
        stream = Stream(self._photos, self._model, batch=BATCH)
        done = 0
        for named, images in stream:
            yield named, images
            done += len(named)
            if callback is not None:
                callback(what, done, len(self._photos))
        self.unreadable |= stream.unreadable


def drawn(given: Sequence[Photo], most: int, seed: int) -> Sequence[Photo]:
    """Return the photos, or so many drawn from `seed` if there are more."""
    return given if len(given) <= most else photos.shuffled(given, seed)[:most]
