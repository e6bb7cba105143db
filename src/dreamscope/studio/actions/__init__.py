"""What pages can ask for, by name; each action is a technique's public function with a page's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dreamscope.studio.actions import blind, blind_for_good, dream, explain, film, fool, invert, live, look
from dreamscope.studio.actions import map as map_


@dataclass(frozen=True)
class Action:
    """Something that a page can ask for.

    Attributes
    ----------
    run : callable
        ``run(studio, job, given=...)`` returns what the page is told at the end. Where it `streams`, it also takes
        ``newest``, a dictionary that holds the newest picture of each stream, as bytes, until it is taken out.
    line : str
        The line in which it waits: ``long``, ``quick`` for what takes a second or two, or ``aside`` for what is
        filled in while one looks.
    streams : bool
        It is run once for each picture that the page sends, as fast as it can; what comes in between is left out.
    """

    run: Callable[..., dict[str, Any]]
    line: str = "long"
    streams: bool = False


ACTIONS: Mapping[str, Action] = {
    "dream": Action(dream.run),
    "previews": Action(dream.previews, line="aside"),
    "difference": Action(dream.difference, line="quick"),
    "dream_film": Action(dream.film),
    "look_photos": Action(look.photos, line="quick"),
    "look_tiles": Action(look.tiles),
    "look_known": Action(look.known, line="quick"),
    "look_exemplars": Action(look.exemplars),
    "look_picture": Action(look.picture),
    "explain_answers": Action(explain.answers, line="quick"),
    "explain_maps": Action(explain.maps),
    "explain_file": Action(explain.file, line="quick"),
    "answers": Action(fool.answers, line="quick"),
    "fool": Action(fool.run),
    "invert_small": Action(invert.small, line="aside"),
    "invert": Action(invert.run),
    "map": Action(map_.run),
    "map_download": Action(map_.download, line="quick"),
    "film": Action(film.run),
    "live": Action(live.run, line="quick", streams=True),
    "live_trace": Action(live.trace, line="quick"),
    "live_picture": Action(live.picture),
    "blind_guess": Action(blind.guess, line="quick"),
    "blind_find": Action(blind.find),
    "blind_what_if": Action(blind.what_if, line="quick"),
    "blind_imagine": Action(blind.imagine),
    "blind_weights": Action(blind.weights),
    "blind_for_good": Action(blind_for_good.run),
}
