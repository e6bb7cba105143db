from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
from command_lines import ensure_refused
from typer.main import get_command

import dreamscope
from dreamscope.cli.app import about, application


def test_version_and_help(run: Callable) -> None:
    assert run("--version").out == f"dreamscope {dreamscope.__version__}\n"
    for words in ([], ["--help"], ["-h"]):
        assert "Look into an image classifier" in run(*words).out
    for command in ("dream", "models", "layers", "classify", "recipe", "doctor"):
        assert "Usage: dreamscope" in run(command, "--help").out


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ex", ["explain", "exemplars"]),
        ("classify --to", ["--top"]),
        ("dream --octave", ["--octaves", "--octave-scale"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion(run: Callable, monkeypatch: pytest.MonkeyPatch, line: str, found: list[str], shell: str) -> None:
    monkeypatch.setenv("_DREAMSCOPE_COMPLETE", f"complete_{shell}")
    if shell == "bash":
        monkeypatch.setenv("COMP_WORDS", f"dreamscope {line}")
        monkeypatch.setenv("COMP_CWORD", str(len(line.split())))
    else:
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", f"dreamscope {line}")
    printed = run().out
    assert all(each in printed for each in found)
    # zsh shows what each command is about.
    assert ("Show which pixels count" in printed) == (shell == "zsh" and line == "ex")
    assert "visualize" not in printed


def test_what_a_command_is_for_is_known_without_its_module() -> None:
    for name, command in get_command(application()).commands.items():
        assert about(name) == command.help.splitlines()[0], name


def test_debug_shows_a_traceback(run: Callable) -> None:
    ran = run("dream", "nowhere.png", "--debug")
    assert ran.code == 2
    assert "Traceback" in ran.err
    assert "DreamscopeError" in ran.err


def test_an_unknown_command(run: Callable) -> None:
    ensure_refused(run("dreem"), "dream")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("dream x.png --epochs 3", "no option '--epochs'; it is called --steps here"),
        ("visualize 2:1 --iterations=3", "no option '--iterations'; it is called --steps here"),
        ("dream x.png --lr 0.1", "no option '--lr'; it is called --rate here"),
        ("invert x.png --learning-rate 0.1", "no option '--learning-rate'; it is called --rate here"),
        ("sheet x.png --over steps --layer 2", "no option '--layer'; it is called --at here"),
        ("dream x.png --channel 2", "no option '--channel'; it is called --at here, as LAYER:CHANNEL"),
    ],
)
def test_names_that_others_have_for_options(run: Callable, words: str, message: str) -> None:
    ran = run(*words.split())
    assert (ran.code, ran.out, ran.err) == (2, "", f"dreamscope: {message}\n")


def test_an_option_that_the_command_does_not_have(run: Callable) -> None:
    ensure_refused(run("classify", "x.png", "--lr", 1), "No such option: --lr")


def test_known_names_are_explained_once_and_recipes_hold_the_real_ones(run: Callable, photo: object) -> None:
    smallest = ("--size", 32, "--octaves", 1, "--steps", 1, "-o", "out.png")
    ran = run("dream", photo, "-m", "oxford_vgg19", "--at", "block3_conv1", "--at", "0.5*Pool2", *smallest)
    assert ran.err == "block3_conv1 is features.11 here (with its ReLU, as in Keras)\nPool2 is features.9 here\n"
    assert json.loads(run("recipe", "out.png").out)["dreamscope"]["parameters"]["at"] == [
        "features.11",
        "0.5*features.9",
    ]
    assert run("dream", "--recipe", "out.png", *smallest).err == ""
    ensure_refused(run("dream", photo, "-m", "oxford_vgg19", "--at", "mixed4a"), "lucid's GoogLeNet: --model googlenet")
    # In Python nothing is printed, and the command line leaves no trace.
    assert logging.getLogger("dreamscope").handlers == []
    assert not logging.getLogger("dreamscope").isEnabledFor(logging.INFO)
