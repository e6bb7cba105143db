from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from studios import quiet

from dreamscope.dissection import readout
from dreamscope.models.classifier import Classifier
from dreamscope.studio.actions import ACTIONS
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.state import Studio
from dreamscope.studio.visits import Visit


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is plain here, whatever the strength."""
    monkeypatch.setattr(readout, "_strength", lambda *_: 1.0)


@pytest.fixture
def studio(planted: Classifier) -> Iterator[Studio]:
    with quiet(planted) as opened:
        yield opened


@pytest.fixture
def visit(tmp_path: Path) -> Visit:
    (tmp_path / "visit").mkdir()
    return Visit(tmp_path / "visit")


class Heard:
    """Hears of one job, and stops it at an event."""

    def __init__(self, stop_at: str = "") -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.job: Job | None = None
        self._stop_at = stop_at

    def event(self, _: int, event: str, facts: dict[str, Any]) -> None:
        self.events[event] = facts
        if event == self._stop_at and self.job is not None:
            self.job.stop()

    def frame(self, *_: Any) -> None:
        pass


def done(studio: Studio, visit: Visit, action: str, *, stop_at: str = "", **values: Any) -> dict[str, dict[str, Any]]:
    heard = Heard(stop_at)
    heard.job = Job(1, visit, heard, partial(ACTIONS[action].run, studio, given=Given(values, visit)))
    heard.job.run()
    return heard.events


def brought(visit: Visit, folder: Path, count: int) -> list[str]:
    return [
        visit.keep(path.name, partial(shutil.copy, path), kind="brought").name
        for path in sorted(folder.iterdir())[:count]
    ]


def sets(visit: Visit, coloured: Path, count: int = 8) -> dict[str, list[str]]:
    return {
        "targets": brought(visit, coloured / "red", count),
        "controls": [name for each in ("green", "blue") for name in brought(visit, coloured / each, count)],
    }


def test_stopped_late_a_blinding_keeps_what_was_measured(studio: Studio, visit: Visit, coloured: Path) -> None:
    heard = done(
        studio, visit, "blind_for_good", stop_at="measured", units="channels", curve=False, **sets(visit, coloured)
    )
    assert heard["measured"]["label"] == "red"
    assert heard["measured"]["curve"] is None
    assert "imagined" not in heard
    assert heard["done"]["stopped"]
    assert set(heard["done"]["files"]) == {"weights", "scores", "report", "numbers"}
    for each in heard["done"]["files"].values():
        assert visit.find(each["name"]).path.stat().st_size


def test_stopped_early_nothing_is_kept(studio: Studio, visit: Visit, coloured: Path) -> None:
    given = sets(visit, coloured)
    before = len(visit.kept)
    assert "stopped" in done(studio, visit, "blind_for_good", stop_at="progress", **given)
    assert "stopped" in done(studio, visit, "blind_find", stop_at="progress", **given)
    assert len(visit.kept) == before
    assert "blind" not in visit.state


@pytest.mark.parametrize("count", [3, 4])
def test_a_handful_of_photos(studio: Studio, visit: Visit, coloured: Path, count: int) -> None:
    given = sets(visit, coloured, count)
    found = done(studio, visit, "blind_find", **given)["done"]
    assert found["channels"][0]["address"] == "act:8"
    assert found["recognised"]["counts"] == [count, count]
    measured = done(studio, visit, "blind_for_good", stop_at="measured", **given)
    assert "measured" in measured, measured
    assert measured["measured"]["few"]


def test_refusals(studio: Studio, visit: Visit, coloured: Path) -> None:
    given = sets(visit, coloured, 3)

    def refused(action: str, **values: Any) -> str:
        message: str = done(studio, visit, action, **{**given, **values})["failed"]["message"]
        return message

    assert refused("blind_find", targets=given["targets"][:1]) == (
        "at least 3 photos of the class are needed, better 20, not 1"
    )
    assert refused("blind_find", controls=[]).startswith("at least 3 photos of other things")
    assert "no such picture" in refused("blind_find", targets=["/etc/passwd", "../x"])
    assert "no class 'pink'" in refused("blind_find", class_name="pink")
    assert "method" in refused("blind_find", method="magic")
    assert "find them again" in refused("blind_what_if", tryout="none", off=[])
    tryout = done(studio, visit, "blind_find", **given)["done"]["tryout"]
    assert "'conv:0' is none of the channels" in refused("blind_what_if", tryout=tryout, off=["conv:0"])
    assert "is none of the channels" in refused("blind_imagine", tryout=tryout, channel="act:8@1,1")
    # Another search takes the place of what was found.
    done(studio, visit, "blind_find", **given)
    assert "find them again" in refused("blind_what_if", tryout=tryout, off=[])
