"""Dreamers: a dream on picture after picture, with all that holds for the whole film made ready once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.ascent import ascend
from dreamscope.engine import prepared
from dreamscope.gradients import FILTERS, first_at_unit_mean, natural_colors
from dreamscope.images import Size
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.moves import Climb
from dreamscope.objectives import Excite
from dreamscope.techniques.dream import FIRST_STEP, octave_sizes
from dreamscope.techniques.presets import Settings
from dreamscope.tiles import side_for
from dreamscope.transforms import Shift


class Dreamer:
    """Dreams on pictures of one size.

    Parameters
    ----------
    model
        Whose dreams they are.
    addresses
        All that will be asked for.
    settings
        Every number of a dream.
    size
        Of the pictures.
    tile
        The side of the tiles, 0 for none; one that fits into memory if not given.

    Attributes
    ----------
    choice : Choice
        In which precision and memory format the network runs, and why.
    tile : int
        The side of the tiles.
    """

    def __init__(
        self,
        model: Classifier,
        addresses: Sequence[Address],
        settings: Settings,
        size: Size,
        *,
        tile: int | None = None,
    ) -> None:
        layers = sorted({address.layer for address in addresses})
        longer = max(size.width, size.height)
        self._model, self.choice = prepared(model, layers, longer, settings.precision)
        self._settings, self._sizes = settings, octave_sizes(size, settings)
        self.tile = side_for(self._model, layers, size, None) if tile is None else tile

    def __call__(self, picture: Tensor, addresses: Sequence[Address], *, seed: int, steps: int | None = None) -> Tensor:
        """Dream on (1, 3, H, W), with so many steps on each octave instead of the settings'."""
        settings = self._settings
        steps = settings.steps if steps is None else steps
        generator = torch.Generator().manual_seed(seed)
        objective = Excite(tuple(addresses), settings.loss)
        direction = first_at_unit_mean() if settings.rate is None else FILTERS[settings.filter]
        move = Climb(
            FIRST_STEP if settings.rate is None else settings.rate, natural_colors(direction, settings.natural)
        )
        detail: Tensor | None = None
        for size in self._sizes:
            base = images.resize(picture, size).clamp(0, 1)
            start = base if detail is None else (base + images.resize(detail, size)).clamp_(0, 1)
            dreamt = ascend(
                self._model,
                start.to(self._model.device),
                objective,
                steps=steps,
                move=move,
                transforms=[Shift(settings.jitter)] if settings.jitter else [],
                generator=generator,
                tile=self.tile if max(size.width, size.height) > self.tile else 0,
            )
            detail = dreamt.cpu() - base
        return picture if detail is None else (picture + detail).clamp(0, 1)

    def strength(self, picture: Tensor, addresses: Sequence[Address]) -> float:
        """Return the mean size of the gradient that addresses have on a picture, to weigh them against others."""
        seen: list[float] = []
        ascend(
            self._model,
            picture.to(self._model.device),
            Excite(tuple(addresses), self._settings.loss),
            steps=1,
            move=lambda numbers, gradient, values, progress: numbers,  # noqa: ARG005
            generator=torch.Generator().manual_seed(0),
            watch=lambda gradient: seen.append(gradient.float().abs().mean().item()),
            tile=self.tile if max(picture.shape[-2:]) > self.tile else 0,
        )
        return seen[0]
