from __future__ import annotations

import pytest

from dreamscope import progress
from dreamscope.cli import output


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


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with output.stages() as callback:
        assert callback is not None
        callback("measuring", 2, 2)
    assert "(2 of 2)" not in capsys.readouterr().err
