"""``--film``: films of an ascent, made while it climbs, and of a finished sheet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.film.ascent_film import AscentFilm
    from dreamscope.optimize.ascent import StepCallback
    from dreamscope.recipes import Recipe
    from dreamscope.sheets.gallery import Gallery

FORMATS = ".mp4, .webm or .gif"

FilmOut = Annotated[str | None, typer.Option("--film", metavar="OUT", help=f"Film the steps: {FORMATS}.")]
Every = Annotated[int, typer.Option(metavar="N", help="Film every Nth step.")]
Fps = Annotated[str, typer.Option(metavar="F", help="Frames per second: 24, 23.976, 30000/1001.")]

Hold = Annotated[float, typer.Option(metavar="S", help="Seconds for which the film holds its last frame.")]
PingPong = Annotated[bool, typer.Option("--ping-pong", help="Play the film forwards, then backwards.")]


class Filming:
    """The ``callback`` for a technique, and the film that its recipe goes into afterwards."""

    def __init__(self, callback: StepCallback | None, film: AscentFilm | None) -> None:
        self.callback, self._film = film or callback, film

    def of(self, recipe: Recipe | None) -> None:
        """Put the recipe into the film, if there is one."""
        if self._film is not None and recipe is not None:
            self._film.note = recipe.to_json()


@contextmanager
def filmed(
    out: str | None,
    *,
    every: int = 1,
    fps: str = "24",
    hold: float = 1.0,
    back: bool = False,
    callback: StepCallback | None = None,
) -> Iterator[Filming]:
    """Film an ascent if `out` (``--film``) is given; `callback` is called in any case.

    Examples
    --------
    >>> with output.progress("dreaming") as callback, filmed(out, callback=callback) as filming:  # doctest: +SKIP
    ...     result = dream(model, image, callback=filming.callback)
    ...     filming.of(result.recipe)
    """
    if out is None:
        yield Filming(callback, None)
        return
    from dreamscope.film.ascent_film import filming

    with filming(out, every=every, fps=fps, hold=hold, back=back, callback=callback) as film:
        yield Filming(callback, film)


def ensure_sheet_film(film: str | None, fps: str, crossfade: float | None, every: int) -> None:
    """Raise if the film can't be made as asked, before any long work."""
    from dreamscope.files import ensure_writable
    from dreamscope.film.sheet_film import ensure_fade
    from dreamscope.film.writer import rate

    if film is None and crossfade is not None:
        raise DreamscopeError("--crossfade needs a film; give --film OUT as well")
    if every < 1:
        raise DreamscopeError(f"every is 1 or more, not {every}")
    if crossfade is not None:
        ensure_fade(crossfade)
    if film is not None:
        rate(fps, film)
        ensure_writable(film)


def film_of_sheet(
    found: Gallery, film: str, *, fps: str, crossfade: float | None, every: int, columns: int | None
) -> Path:
    """Film a gallery; return the file."""
    from dreamscope.film import sheet_film

    if crossfade is not None:
        return sheet_film.fading(found, film, seconds=crossfade, fps=fps).path
    return sheet_film.growing(found, film, every=every, fps=fps, columns=columns).path
