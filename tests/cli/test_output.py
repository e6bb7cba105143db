from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import TINY, Ran

from dreamscope import progress
from dreamscope.cli import output
from dreamscope.cli.options import Loader


def test_a_log_gets_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with output.stages() as callback:
        assert callback is not None
        callback("measuring", 1, 2)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(progress, "EVERY", 0.0)
    with output.stages() as callback:
        assert callback is not None
        callback("measuring", 2, 2)
    assert capsys.readouterr() == ("", "measuring: 100% (2 of 2)\n")


def test_a_terminal_is_told_at_once_what_it_waits_for(
    run: Callable[..., Ran], photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    load = Loader.__call__
    monkeypatch.setattr(Loader, "__call__", lambda self: (shown.append(capsys.readouterr().err), load(self))[1])
    assert run("layers", *TINY[1:]).code == 0
    assert shown == [""]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown.clear()
    ran = run("layers", *TINY[1:])
    assert shown == ["\r\x1b[Kloading net.py:tiny ..."]
    assert ran.err.startswith("\r\x1b[K")
    ran = run("dream", "nowhere.png")
    assert ran.err == "\r\x1b[Kloading the network ...\r\x1b[Kdreamscope: no such picture: 'nowhere.png'\n"


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with output.stages() as callback:
        assert callback is not None
        callback("measuring", 2, 2)
    assert "(2 of 2)" not in capsys.readouterr().err
