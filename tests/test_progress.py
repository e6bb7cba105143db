from __future__ import annotations

import pytest

from dreamscope.progress import Lines, reported


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


def lines_of(*calls: tuple[float, str, int, int]) -> list[str]:
    """Return the lines that calls at these seconds write; the job begins at 0."""
    written: list[str] = []
    callback = Lines(written.append, clock=iter([0.0, *(call[0] for call in calls)]).__next__)
    for _, *call in calls:
        callback(*call)  # type: ignore[arg-type]
    return written


def test_a_quick_job_writes_no_line() -> None:
    assert lines_of((1, "dreaming", 1, 9), (9.9, "dreaming", 9, 9)) == []


def test_a_line_every_10_seconds() -> None:
    found = lines_of(*((second, "dreaming", second, 4000) for second in range(1, 35)))
    assert found == [
        "dreaming: 0% (10 of 4000), 1 h 6 min left",
        "dreaming: 0% (20 of 4000), 1 h 6 min left",
        "dreaming: 1% (30 of 4000), 1 h 6 min left",
    ]


def test_the_time_left_is_that_of_the_stage_at_its_own_pace() -> None:
    found = lines_of(
        (8, "reading", 8, 8), (12, "measuring", 100, 200), (22, "measuring", 110, 200), (39, "measuring", 200, 200)
    )
    assert found == [
        # From when reading was last heard of.
        "measuring: 50% (100 of 200), 4 s left",
        # From what was done at first: that may have been there already.
        "measuring: 55% (110 of 200), 1 min 30 s left",
        "measuring: 100% (200 of 200)",
    ]
    assert lines_of((11, "dreaming", 0, 200)) == ["dreaming: 0% (0 of 200)"]


def test_the_first_hundredth_tells_no_time() -> None:
    found = lines_of((80, "dreaming", 1, 120), (90, "dreaming", 2, 120))
    assert found == ["dreaming: 1% (1 of 120)", "dreaming: 2% (2 of 120), 19 min 40 s left"]
