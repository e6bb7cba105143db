from __future__ import annotations

import pytest

from dreamscope.progress import reported


def test_the_callback_is_called() -> None:
    calls: list[tuple[str, int, int]] = []
    with reported(lambda *call: calls.append(call)) as callback:
        assert callback is not None
        callback("measuring", 1, 2)
    assert calls == [("measuring", 1, 2)]


def test_silent_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with reported() as callback:
        assert callback is None
    assert capsys.readouterr() == ("", "")


def test_a_bar_names_each_stage_and_still_calls(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    calls: list[tuple[str, int, int]] = []
    with reported(lambda *call: calls.append(call), progress=True) as callback:
        assert callback is not None
        callback("reading", 3, 3)
        callback("measuring", 1, 7)
    assert calls == [("reading", 3, 3), ("measuring", 1, 7)]
    out, err = capsys.readouterr()
    assert out == ""
    assert "measuring" in err
    assert "1/7" in err
