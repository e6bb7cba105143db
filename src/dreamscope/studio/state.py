"""What all pages of a studio share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cached_property

from starlette.requests import HTTPConnection

from dreamscope.models.classifier import Classifier
from dreamscope.photos import Photo
from dreamscope.studio.atlas import AtlasPictures
from dreamscope.studio.jobs import Line
from dreamscope.studio.security import Password
from dreamscope.studio.store import Store
from dreamscope.studio.visits import Visit, Visits

LINES = ("long", "quick", "aside")
"""For what takes its time, for what a person waits for, and for what is filled in while one looks."""


@dataclass
class Studio:
    """What all pages share.

    Attributes
    ----------
    model : Classifier
        What is looked into.
    password : Password
        Who may come in.
    visits : Visits
        Who is here.
    port : int
        Part of the cookie's name: two studios on one machine don't take each other's.
    lines : dict
        Of jobs, by the names in `LINES`.
    photos : tuple of Photo
        In which all visitors may look for what excites a channel; the owner named them. The sample photos, if empty.
    atlas : AtlasPictures or None
        Where pictures of channels are looked for, and added.
    """

    model: Classifier
    password: Password
    visits: Visits
    port: int
    lines: dict[str, Line] = field(default_factory=lambda: {name: Line(name) for name in LINES})
    photos: tuple[Photo, ...] = ()
    atlas: AtlasPictures | None = None

    @cached_property
    def store(self) -> Store:
        """What is known about the network by now."""
        return Store(self.model)

    @property
    def cookie(self) -> str:
        """The name of the cookie that holds a visit's secret."""
        return f"dreamscope_{self.port}"

    def visit(self, connection: HTTPConnection) -> Visit | None:
        """Return whose request it is, or ``None`` if nobody's who may come in."""
        visit = self.visits.find(connection.cookies.get(self.cookie))
        return visit if visit is not None and (visit.admitted or not self.password.needed) else None

    def left(self, visit: Visit) -> None:
        """Hear that a page was closed; if it was the visit's last, the visit ends in a while."""
        if not visit.connections:
            asyncio.get_running_loop().call_later(self.visits.grace + 0.1, self.visits.sweep)

    def close(self) -> None:
        """Stop all work and remove all files."""
        for line in self.lines.values():
            line.close()
        self.visits.close()
