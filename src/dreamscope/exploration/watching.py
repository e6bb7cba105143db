"""Watching: what a network makes of one picture after another, fast enough for a camera.

After the Deep Visualization Toolbox of Yosinski et al., "Understanding Neural Networks Through Deep Visualization"
(2015).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope.errors import DreamscopeError
from dreamscope.exploration.activations import as_maps
from dreamscope.exploration.blocks import blocks_of
from dreamscope.models.classifier import Classifier, class_scores
from dreamscope.models.edits import EditLike
from dreamscope.optimize.precision import prepared
from dreamscope.probes import probe

MOST_VALUES = 2**18
"""Of all maps together; larger ones are made smaller, by means."""

SETTLING = 2.0
"""Seconds in which the levels of channels go most of the way (63 %) to what is seen now."""

# Exact, and not measured first: someone waits for the first picture. Backward passes, for which a form is chosen
# elsewhere, don't run here.
_FORM = "float32/channels_last"
_REACH = 3.0
_LEAST_REACH = 0.25


@dataclass(frozen=True)
class Glance:
    """What a network makes of one picture.

    Attributes
    ----------
    maps : Tensor
        float32 (channels, rows, columns): what all channels of the layer put out; of a vector one row and column.
    shares : Tensor or None
        float32 (classes,): the probabilities; ``None`` if the network has no classes.
    before : Tensor or None
        The same without the edits; ``None`` without edits.
    """

    maps: Tensor
    shares: Tensor | None
    before: Tensor | None


class Watch:
    """A layer and the answers of a network in one pass, picture after picture.

    Parameters
    ----------
    model
        The classifier, not changed.
    layer
        Its name.
    edits
        Changes inside the network; if there are any, each picture runs through the plain network, too.

    Raises
    ------
    DreamscopeError
        If there is no such layer, or an edit does not fit.

    Examples
    --------
    ::

        watch = Watch(model, "blocks.4.2", [Ablation("blocks.4.2:7")])
        glance = watch(images.read("photo.jpg"))
    """

    def __init__(self, model: Classifier, layer: str, edits: Sequence[EditLike] = ()) -> None:
        # One form for all blocks: whoever goes from one to the next does not wait for another.
        self._plain, _ = prepared(model, {*blocks_of(model), layer}, max(model.input_size), _FORM)
        self._model = self._plain.edited(edits) if edits else self._plain
        self._layer = layer
        self._classes = True

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Glance:
        """Look at an image (1, 3, H, W); it is resized and cropped as the network was tested."""
        ready = self._plain.prepared(image)
        with probe(self._model, [self._layer], to_the_end=self._classes) as seen:
            activation = seen(ready)[self._layer]
            # Of a network without classes only the first pass goes to its end.
            scores = class_scores(seen.output) if self._classes else None
        self._classes = scores is not None
        before = None
        if scores is not None and self._model is not self._plain:
            before = self._plain.logits(ready).softmax(1)[0].cpu()
        if len(activation) != 1:
            raise DreamscopeError(f"'{self._layer}' works on windows of a picture one by one, so it has no map of it")
        values = activation[0].float().cpu()
        maps = as_maps(values)
        found = values[:, None, None] if maps is None else maps
        return Glance(_few(found), None if scores is None else scores.softmax(1)[0].cpu(), before)


class Levels:
    """How strong each channel usually is, followed slowly: maps are shown against it, so that they don't flicker.

    What a channel puts out is shown by how far it is from the channel's mean of the last seconds, in units of its own
    spread; a layer that is never below zero (after a ReLU) from zero. Channels that hardly move beside the others of
    their layer stay faint.
    """

    def __init__(self) -> None:
        self._means: Tensor | None = None
        self._squares: Tensor | None = None

    def __call__(self, maps: Tensor, seconds: float, still: Collection[int] = ()) -> Tensor:
        """Return what is to be shown.

        Parameters
        ----------
        maps
            (channels, rows, columns).
        seconds
            Since the last call.
        still
            Channels whose usual level stays as it is: those switched off.

        Returns
        -------
        Tensor
            Of the same shape in [-1, 1]: 0 is usual, 1 as far above as is ever shown, -1 as far below.
        """
        flat = maps.flatten(1)
        means = flat.mean(1) if bool((maps < 0).any()) else torch.zeros(len(maps))
        squares = flat.square().mean(1)
        if self._means is None or self._squares is None:
            self._means, self._squares = means, squares
        pace = torch.full((len(maps),), 1 - math.exp(-max(0.0, seconds) / SETTLING))
        pace[list(still)] = 0
        self._means = self._means.lerp(means, pace)
        self._squares = self._squares.lerp(squares, pace)
        reach = _REACH * (self._squares - self._means.square()).clamp_min(0).sqrt()
        reach = reach.clamp_min(_LEAST_REACH * float(reach.median())).clamp_min(1e-12)
        return ((maps - self._means[:, None, None]) / reach[:, None, None]).clamp(-1, 1)


def strongest(maps: Tensor, channel: int) -> tuple[float, int, int]:
    """Return a channel's largest value in maps (channels, rows, columns), and its row and column."""
    place = int(maps[channel].argmax())
    row, column = divmod(place, maps.shape[2])
    return float(maps[channel, row, column]), row, column


def _few(maps: Tensor) -> Tensor:
    side = math.isqrt(MOST_VALUES // len(maps))
    longer = max(maps.shape[1:])
    if longer <= side:
        return maps
    rows, columns = (max(1, length * side // longer) for length in maps.shape[1:])
    return F.adaptive_avg_pool2d(maps, (rows, columns))
