"""Ascent films: an ascent filmed while it climbs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import torch

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.film import writer
from dreamscope.film.editing import Frames, held, there_and_back
from dreamscope.film.frame_store import FrameStore
from dreamscope.film.writer import Film
from dreamscope.optimize.ascent import Step, StepCallback

_UNKNOWN = '{"recording": true}'
"""In the place of a recipe: frames of something that can't go on where it stopped."""


class AscentFilm:
    """A callback that keeps the picture of every so many steps, and passes the step on."""

    def __init__(self, store: FrameStore, every: int, fps: Fraction, callback: StepCallback | None) -> None:
        self._store, self._every, self._fps, self._callback = store, every, fps, callback
        self.note = ""
        self.written: Film | None = None

    def __call__(self, step: Step) -> None:
        """Take note of a step: of the first, each `every`-th after it, and the last."""
        if step.is_due(self._every):
            # Several pictures that are climbed together stand side by side.
            picture = torch.cat(list(step.image.detach().cpu().split(1)), 3)
            self._store.add(picture.float().clamp(0, 1), len(self._store) / self._fps)
        if self._callback is not None:
            self._callback(step)


@contextmanager
def filming(
    path: str | Path,
    *,
    every: int = 1,
    fps: str | float | Fraction = 24,
    hold: float = 1.0,
    back: bool = False,
    callback: StepCallback | None = None,
) -> Iterator[AscentFilm]:
    """Film an ascent: give it as ``callback`` to `dream`, `visualize`, `invert`; write the film at the end.

    Frames have the size of the last one; smaller octaves are made larger. What stops the block does not stop the film:
    it then shows what there was.

    Parameters
    ----------
    path
        ``.mp4``, ``.webm`` or ``.gif``.
    every
        Steps from one frame to the next; the last one is always shown.
    fps
        Frames a second.
    hold
        Seconds for which the last frame stays.
    back
        Go back to the beginning after that.
    callback
        Called after each step as well.

    Yields
    ------
    AscentFilm
        Set its ``note`` to a recipe's JSON to have it in the film; afterwards its ``written`` is the `Film`.

    Examples
    --------
    >>> with filming("dream.mp4", every=2) as film:  # doctest: +SKIP
    ...     result = dream(model, "sample:china", callback=film)
    ...     film.note = result.recipe.to_json()
    """
    fps = writer.rate(fps, path)
    if every < 1 or not 0 <= hold <= 3600:
        raise DreamscopeError(f"every is 1 or more and hold between 0 and 3600 seconds, not {every} and {hold}")
    store = FrameStore(path)
    if store.note == _UNKNOWN:
        # Left by one that was killed: it can't go on.
        store.open(_UNKNOWN)
        store.discard()
    store.open(_UNKNOWN)
    film = AscentFilm(store, every, fps, callback)
    try:
        yield film
    finally:
        if len(store):
            size = images.size_of(store[len(store) - 1])
            frames = Frames(len(store), lambda index: images.resize(store[index], size).clamp(0, 1))
            frames = held(frames, round(hold * fps))
            film.written = store.assemble(there_and_back(frames) if back else frames, film.note, fps=fps)
        store.discard()
