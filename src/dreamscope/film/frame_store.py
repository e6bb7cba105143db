"""Frame store: the frames of a film that is being made, so that it can go on where it stopped.

Beside ``dive.mp4`` there is ``dive.mp4.frames/`` for as long as it takes: the recipe, and each frame as a PNG that is
written whole. The film itself is made from them in one pass, in that folder, and then moved to its place.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from dreamscope import images
from dreamscope.dreaming.frames import Frame
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.files import ensure_writable, written_whole
from dreamscope.film import writer
from dreamscope.film.editing import Frames, looped
from dreamscope.film.writer import Film
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe, ensure_recipe


class Plan(Protocol):
    """What makes a film's frames, each from the one before it."""

    @property
    def recipe(self) -> Recipe | None:
        """Enough to make it again; without one it can't go on where it stopped."""

    @property
    def fps(self) -> Fraction:
        """Frames a second."""

    @property
    def count(self) -> int:
        """Number of frames, as far as is known."""

    @property
    def overlap(self) -> int:
        """How many of them are there only to be faded into the end, so that the film can be repeated; 0 if it can't."""

    def frames(self, first: int, before: Tensor | None) -> Generator[Frame, None, None]:
        """Make the frames from number `first` on; `before` is the one before it, in 8 bits, if there is one."""


class FrameStore:
    """The frames kept for the film at `path`.

    Parameters
    ----------
    path
        Of the film.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.folder = self.path.with_name(f"{self.path.name}.frames")
        self._recipe = self.folder / "recipe.json"
        self.times: list[Fraction] = []

    @property
    def note(self) -> str | None:
        """The recipe's JSON, or ``None`` where nothing is kept."""
        try:
            return self._recipe.read_text("utf-8")
        except OSError:
            return None

    def open(self, note: str) -> None:
        """Go on with the frames there, or begin.

        Raises
        ------
        DreamscopeError
            If the frames there are those of another film.
        """
        ensure_writable(self.path)
        kept = self.note
        if kept is None:
            if self.folder.is_dir() and any(self.folder.glob("*.png")):
                raise DreamscopeError(f"'{self.folder}' is no folder of dreamscope's; choose another name for the film")
            self.folder.mkdir(exist_ok=True)
            with written_whole(self._recipe) as temporary:
                temporary.write_text(note, "utf-8")
        elif kept != note:
            raise DreamscopeError(
                f"'{self.folder}' keeps frames of another film ({_difference(kept, note)}); "
                "go on with that one, choose another name, or delete the folder"
            )
        self.times = []
        while (time := self._time(len(self.times))) is not None:
            self.times.append(time)

    def __len__(self) -> int:
        return len(self.times)

    def add(self, image: Tensor, time: Fraction) -> None:
        """Keep one more frame, in 8 bits."""
        images.write(image, self._frame(len(self)), note=str(time))
        self.times.append(time)

    def __getitem__(self, index: int) -> Tensor:
        return images.read(self._frame(index))

    def frames(self) -> Frames:
        """Return the frames, read when they are asked for."""
        return Frames(len(self), self.__getitem__)

    def assemble(
        self,
        frames: Sequence[Tensor],
        note: str,
        *,
        fps: Fraction,
        time_base: Fraction | None = None,
        sound: str | Path | None = None,
        until: Fraction | None = None,
        callback: Callback | None = None,
    ) -> Film:
        """Write `frames` as the film; with `time_base`, at the times at which they were kept."""
        # In the store's own folder first, so that nothing else is left of it if it is killed.
        temporary = self.folder / f"film{self.path.suffix}"
        made = writer.write(
            frames,
            temporary,
            fps=fps,
            note=note,
            times=None if time_base is None else self.times,
            time_base=time_base or writer.TICK,
            sound=sound,
            until=until,
            callback=callback,
        )
        temporary.replace(self.path)
        return replace(made, path=self.path)

    def discard(self) -> None:
        """Delete what is kept, the last frame first: what is left if that is interrupted is still a beginning."""
        for index in reversed(range(len(self))):
            self._frame(index).unlink(missing_ok=True)
        for rest in [*self.folder.glob(".dreamscope-*"), *self.folder.glob("film.*"), self._recipe]:
            rest.unlink(missing_ok=True)
        # Whatever else is in it is not ours.
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _frame(self, index: int) -> Path:
        return self.folder / f"{index:06d}.png"

    def _time(self, index: int) -> Fraction | None:
        path = self._frame(index)
        if not path.exists():
            return None
        try:
            return Fraction(images.read_note(path) or "")
        except ValueError as error:
            raise DreamscopeError(f"'{path}' is no frame of dreamscope's") from error


def make_film(
    path: str | Path,
    plan: Plan,
    *,
    sound: str | Path | None = None,
    time_base: Fraction | None = None,
    callback: Callback | None = None,
    progress: bool = False,
) -> Film:
    """Make a film, from where it was interrupted if it was.

    Parameters
    ----------
    path
        ``.mp4``, ``.webm`` or ``.gif``.
    plan
        What makes its frames.
    sound
        A film whose sound track comes along.
    time_base
        Seconds that the frames' times are whole numbers of; if not given, they come evenly.
    callback
        Called after each frame.
    progress
        Show a bar.

    Returns
    -------
    Film

    Raises
    ------
    DreamscopeError
        What `dreamscope.film.writer.write` refuses; frames of another film in the way; what `plan` raises, after
        which there is a film of the frames before it.
    Interrupted
        On Ctrl-C; its ``result`` is the `Film` so far, ``None`` if there was no frame yet. The next call goes on.
    """
    writer.ensure_format(path)
    writer.rate(plan.fps, path)
    with reported(callback, progress=progress) as report:
        return _continued(path, plan, {"sound": sound, "time_base": time_base}, report)


def _continued(path: str | Path, plan: Plan, of_film: dict[str, Any], callback: Callback | None) -> Film:
    """Make the frames that are not there yet, and the film of them all."""
    store = FrameStore(path)
    note = ensure_recipe(plan.recipe).to_json()
    store.open(note)
    options = {"fps": plan.fps, "callback": callback, **of_film}
    try:
        before = store[len(store) - 1] if len(store) else None
        with closing(plan.frames(len(store), before)) as frames:
            for frame in frames:
                store.add(frame.image, frame.time)
                if callback is not None:
                    callback("dreaming", len(store), max(len(store), plan.count))
    except (KeyboardInterrupt, DreamscopeError) as stop:
        so_far = None
        if len(store):
            so_far = store.assemble(store.frames(), note, until=store.times[-1] + 1 / plan.fps, **options)
        if isinstance(stop, DreamscopeError):
            kept = f"; kept the {len(store)} frames before it: {path}" if so_far is not None else ""
            raise DreamscopeError(f"{stop}{kept}") from stop
        raise Interrupted(f"stopped after frame {len(store)} of {plan.count}", result=so_far) from stop
    whole = store.frames()
    made = store.assemble(looped(whole, plan.overlap) if plan.overlap else whole, note, **options)
    store.discard()
    return made


def _difference(kept: str, note: str) -> str:
    """Say in which parameters two recipes differ."""
    try:
        old, new = (json.loads(text)["dreamscope"] for text in (kept, note))
    except (ValueError, KeyError, TypeError):
        return "not made by this command"
    changed = [key for key in ("command", "model", "inputs", "version") if old.get(key) != new.get(key)]
    before, after = old.get("parameters", {}), new.get("parameters", {})
    changed += sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    return f"another {', '.join(changed)}"
