from __future__ import annotations

from collections.abc import Callable

from command_lines import ensure_refused

import dreamscope


def test_version_and_help(run: Callable) -> None:
    assert run("--version").out == f"dreamscope {dreamscope.__version__}\n"
    for words in ([], ["--help"], ["-h"]):
        assert "Look into an image classifier" in run(*words).out
    for command in ("dream", "models", "layers", "classify", "recipe", "doctor"):
        assert "Usage: dreamscope" in run(command, "--help").out


def test_debug_shows_a_traceback(run: Callable) -> None:
    ran = run("dream", "nowhere.png", "--debug")
    assert ran.code == 2
    assert "Traceback" in ran.err
    assert "DreamscopeError" in ran.err


def test_an_unknown_command(run: Callable) -> None:
    ensure_refused(run("dreem"), "dream")
