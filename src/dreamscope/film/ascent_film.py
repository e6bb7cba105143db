"""Recordings: an ascent filmed while it climbs."""

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
from dreamscope.film.frame_store import Reel
from dreamscope.film.writer import Film
from dreamscope.optimize.ascent import Step, StepCallback

_RECORDING = '{"recording": true}'
"""In the place of a recipe: frames of something that can't go on where it stopped."""


class Recorder:
    """A report that keeps the picture of every so many steps, and passes the step on."""

    def __init__(self, reel: Reel, every: int, fps: Fraction, report: StepCallback | None) -> None:
        self._reel, self._every, self._fps, self._report = reel, every, fps, report
        self.note = ""
        self.film: Film | None = None

    def __call__(self, step: Step) -> None:
        """Take note of a step: of the first, each `every`-th after it, and the last."""
        if step.is_due(self._every):
            # Several pictures that are climbed together stand side by side.
            picture = torch.cat(list(step.image.detach().cpu().split(1)), 3)
            self._reel.add(picture.float().clamp(0, 1), len(self._reel) / self._fps)
        if self._report is not None:
            self._report(step)


@contextmanager
def recording(
    path: str | Path,
    *,
    every: int = 1,
    fps: str | float | Fraction = 24,
    hold: float = 1.0,
    back: bool = False,
    report: StepCallback | None = None,
) -> Iterator[Recorder]:
    """Film an ascent: give what is passed as ``report`` to `dream`, `visualize`, `invert`; write the film at the end.

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
    report
        Called after each step as well.

    Yields
    ------
    Recorder
        Set its ``note`` to a recipe's JSON to have it in the film; afterwards its ``film`` is the `Film`.

    Examples
    --------
    >>> with recording("dream.mp4", every=2) as record:  # doctest: +SKIP
    ...     result = dream(model, "sample:china", report=record)
    ...     record.note = result.recipe.to_json()
    """
    fps = writer.rate(fps, path)
    if every < 1 or not 0 <= hold <= 3600:
        raise DreamscopeError(f"every is 1 or more and hold between 0 and 3600 seconds, not {every} and {hold}")
    reel = Reel(path)
    if reel.note == _RECORDING:
        # Left by one that was killed: it can't go on.
        reel.open(_RECORDING)
        reel.discard()
    reel.open(_RECORDING)
    recorder = Recorder(reel, every, fps, report)
    try:
        yield recorder
    finally:
        if len(reel):
            size = images.size_of(reel[len(reel) - 1])
            frames = Frames(len(reel), lambda index: images.resize(reel[index], size).clamp(0, 1))
            frames = held(frames, round(hold * fps))
            recorder.film = reel.assemble(there_and_back(frames) if back else frames, recorder.note, fps=fps)
        reel.discard()
