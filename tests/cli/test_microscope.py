from __future__ import annotations

import json
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import PLANTED, ensure_refused


@pytest.mark.usefixtures("photos")
def test_what_there_was_no_time_for_is_left(run: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    line = ("microscope", "build", *PLANTED, "--layers", "act", "--size", 32, "--budget", "0.001s", "-o", "atlas")
    found = json.loads(run(*line, "--json").out)
    assert found["page"] == str(Path("atlas") / "index.html")
    assert (found["made"], found["kept"], found["failed"]) == (0, 0, {})
    assert found["left"] > 2
    assert Path(found["page"]).is_file()
    ran = run(*line)
    assert ran.code == 0
    assert ran.out.splitlines()[0].endswith("are left: the same line goes on with them")
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert run("microscope", "open", "atlas", "--no-open").out.strip() == found["page"]
    assert opened == []
    assert run("microscope", "open", "atlas").code == 0
    assert opened == [Path(found["page"]).resolve().as_uri()]


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("open", "nowhere"), "no atlas in 'nowhere'; make one: dreamscope microscope build -o nowhere"),
        (("open", "labels.txt"), "no atlas in 'labels.txt'"),
        (("build", *PLANTED, "-o", "labels.txt"), "'labels.txt': it is a file; give a folder"),
        (("build", *PLANTED, "-o", "new", "--layers", "atc"), "no layer 'atc'"),
        (("build", *PLANTED, "-o", "new", "--budget", "soon"), "'soon' is no time"),
        (("build", *PLANTED, "-o", "new", "--photos", "nowhere"), "nowhere"),
        (("build", *PLANTED, "-o", "new", "--engine", "rai"), "no engine 'rai'"),
        (("build", *PLANTED, "-o", "new", "--address", "auto"), "engine 'local' takes none"),
        (("build", *PLANTED), "'--out'"),
    ],
)
def test_what_is_refused(run: Callable, words: tuple[str, ...], message: str) -> None:
    ensure_refused(run("microscope", *words), message)
    assert not (Path("new") / "index.html").exists()


@pytest.mark.usefixtures("photos")
def test_a_studio_takes_an_atlas_of_its_own_network_alone(run: Callable) -> None:
    assert run("microscope", "build", *PLANTED, "--budget", "0.001s", "-o", "atlas").code == 0
    line = ("studio", *PLANTED, "--no-open", "--port", 0, "--microscope")
    ensure_refused(run(*line, "atlas", "--mean", "0.4,0.4,0.4"), "with other weights or colours")
    ensure_refused(run(*line, "labels.txt"), "no atlas in 'labels.txt': it is a file; give a folder")


def test_alone_it_says_what_it_can_do(run: Callable) -> None:
    ran = run("microscope")
    assert ran.code == 0
    assert "build" in ran.out
    assert "open" in ran.out
