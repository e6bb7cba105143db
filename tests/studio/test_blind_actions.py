from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from studios import Heard, done, quiet

from dreamscope.dissection import readout
from dreamscope.models.classifier import Classifier
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
    heard = Heard(stop_at="measured")
    event, facts = done(studio, visit, "blind_for_good", heard, units="channels", curve=False, **sets(visit, coloured))
    events = dict(heard.events)
    assert events["measured"]["label"] == "red"
    assert events["measured"]["curve"] is None
    assert "imagined" not in events
    assert event == "done", facts
    assert facts["stopped"]
    assert set(facts["files"]) == {"weights", "scores", "report", "numbers"}
    for each in facts["files"].values():
        assert visit.find(each["name"]).path.stat().st_size


def test_stopped_early_nothing_is_kept(studio: Studio, visit: Visit, coloured: Path) -> None:
    given = sets(visit, coloured)
    before = len(visit.kept)
    for action in ("blind_for_good", "blind_find"):
        assert done(studio, visit, action, Heard(stop_at="progress"), **given) == ("stopped", {})
    assert len(visit.kept) == before
    assert "blind" not in visit.state


@pytest.mark.parametrize("count", [3, 4])
def test_a_handful_of_photos(studio: Studio, visit: Visit, coloured: Path, count: int) -> None:
    given = sets(visit, coloured, count)
    event, found = done(studio, visit, "blind_find", **given)
    assert event == "done", found
    assert found["channels"][0]["address"] == "act:8"
    assert found["recognised"]["counts"] == [count, count]
    heard = Heard(stop_at="measured")
    done(studio, visit, "blind_for_good", heard, **given)
    assert dict(heard.events)["measured"]["few"]


def test_refusals(studio: Studio, visit: Visit, coloured: Path) -> None:
    given = sets(visit, coloured, 3)

    def refused(action: str, **values: Any) -> str:
        event, facts = done(studio, visit, action, **{**given, **values})
        assert event == "failed"
        return str(facts["message"])

    assert refused("blind_find", targets=given["targets"][:1]) == (
        "at least 3 photos of the class are needed, better 20, not 1"
    )
    assert refused("blind_find", controls=[]).startswith("at least 3 photos of other things")
    assert "no such picture" in refused("blind_find", targets=["/etc/passwd", "../x"])
    assert "no class 'pink'" in refused("blind_find", class_name="pink")
    assert "method" in refused("blind_find", method="magic")
    assert "find them again" in refused("blind_what_if", tryout="none", off=[])
    _, facts = done(studio, visit, "blind_find", **given)
    tryout = facts["tryout"]
    assert "'conv:0' is none of the channels" in refused("blind_what_if", tryout=tryout, off=["conv:0"])
    assert "is none of the channels" in refused("blind_imagine", tryout=tryout, channel="act:8@1,1")
    # Another search takes the place of what was found.
    done(studio, visit, "blind_find", **given)
    assert "find them again" in refused("blind_what_if", tryout=tryout, off=[])
