"""What pages can ask for, by name; each action is a technique's public function with a page's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dreamscope.studio.actions import blind, blind_for_good, dream


@dataclass(frozen=True)
class Action:
    """Something that a page can ask for.

    Attributes
    ----------
    run : callable
        ``run(studio, job, given=...)`` returns what the page is told at the end. Where it `streams`, it also takes
        ``newest``, a dictionary that holds the newest picture of each stream, as bytes, until it is taken out.
    line : str
        The line in which it waits: ``long``, or ``quick`` for what takes a second or two.
    streams : bool
        It is run once for each picture that the page sends, as fast as it can; what comes in between is left out.
    """

    run: Callable[..., dict[str, Any]]
    line: str = "long"
    streams: bool = False


ACTIONS: Mapping[str, Action] = {
    "dream": Action(dream.run),
    "previews": Action(dream.previews, line="quick"),
    "difference": Action(dream.difference, line="quick"),
    "dream_film": Action(dream.film),
    "blind_guess": Action(blind.guess, line="quick"),
    "blind_find": Action(blind.find),
    "blind_what_if": Action(blind.what_if, line="quick"),
    "blind_imagine": Action(blind.imagine),
    "blind_weights": Action(blind.weights),
    "blind_for_good": Action(blind_for_good.run),
}
