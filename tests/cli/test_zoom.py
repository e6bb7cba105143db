from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import filmed
import pytest
from command_lines import SHORT, TINY, ensure_refused, names

from dreamscope import images
from dreamscope.film import writer
from dreamscope.film.frame_store import FrameStore
from dreamscope.recipes import Recipe


def parameters(path: str) -> dict[str, object]:
    return dict(Recipe.from_json(writer.read_note(path) or "").parameters)


def test_a_zoom_in_one_line(run: Callable, folder: Path) -> None:
    ran = run("zoom", "sample:china", *SHORT, "--seconds", 0.5, "--size", "64x48")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("china-zoom.mp4  64x48  12 frames  24 fps  ")
    assert len(filmed.decoded(folder / "china-zoom.mp4")) == 12
    assert names(folder) == {"china-zoom.mp4"}
    assert json.loads(run("recipe", "china-zoom.mp4").out)["dreamscope"]["command"] == "zoom"
    # Nothing is overwritten unasked.
    assert run("zoom", "sample:china", *SHORT, "--seconds", 0.1, "--size", "64x48").code == 0
    assert names(folder) == {"china-zoom.mp4", "china-zoom-2.mp4"}


def test_every_option_of_zoom(run: Callable, folder: Path) -> None:
    ran = run(
        "zoom", "clouds", "-o", "out.webm", *TINY, "--seconds", 1, "--zoom", 1.1, "--rotate", -20, "--pan", "0.1,-0.05",
        "--fps", "10", "--schedule", "0s:0:1 1s:2", "--loop", "--preset", "classic", "--loss", "norm", "--steps", 1,
        "--rate", 0.01, "--octaves", 2, "--precision", "float32", "--size", "64x40", "--seed", 5, "--json",
    )  # fmt: skip
    assert (ran.code, ran.err) == (0, "")
    printed = json.loads(ran.out)
    assert (printed["file"], printed["size"], printed["frames"], printed["fps"]) == ("out.webm", "64x40", 10, "10")
    assert printed["recipe"]["parameters"] == parameters("out.webm") == {
        "at": None, "schedule": "0s:0:1 1s:2", "seconds": 1.0, "zoom": 1.1, "rotate": -20.0, "pan": [0.1, -0.05],
        "fps": "10", "loop": True, "preset": "classic", "loss": "norm", "steps": 1, "rate": 0.01, "octaves": 2,
        "octave_scale": 1.4, "jitter": 32, "filter": "mean", "natural": 0.0, "precision": "float32/contiguous",
        "tile": 0, "size": "64x40", "seed": 5,
        "transform": [], "crops": 1, "penalty": [], "optimizer": None, "parameterization": "pixel",
        "gradient": "input", "balance": False, "branch_gradient": 1.0,
    }  # fmt: skip


def test_large_photos_are_made_smaller_and_odd_sides_told(run: Callable, folder: Path) -> None:
    images.write(filmed.photo(299, 600), folder / "large.png")
    ran = run("zoom", "large.png", *SHORT, "--seconds", 0.1, "-o", "a.mp4")
    assert ran.err.splitlines() == [
        "The photo's longer side is 600 pixels; zooming at 512 (--size changes that).",
        "The frames' height is odd, and .mp4 needs even sides: the last row is shown twice.",
    ]
    assert "512x256" in ran.out


def test_interrupted_it_plays_and_the_same_command_goes_on(
    run: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("zoom", "sample:china", *SHORT, "--seconds", 0.5, "--size", "64x48")
    assert run(*line, "-o", "whole.mp4").code == 0
    real = FrameStore.add

    def stopping(self: FrameStore, *given: object) -> None:
        real(self, *given)  # type: ignore[arg-type]
        if len(self) == 5:
            raise KeyboardInterrupt

    for name, words in (("china-zoom.mp4", ()), ("given.gif", ("-o", "given.gif"))):
        with monkeypatch.context() as patched:
            patched.setattr(FrameStore, "add", stopping)
            ran = run(*line, *words)
        assert ran.code == 130
        assert ran.err == (
            f"dreamscope: stopped after frame 5 of 12; kept the film so far: {name}; "
            "the same command continues from there\n"
        )
        assert len(filmed.decoded(folder / name)) == 5
        assert (folder / f"{name}.frames").is_dir()
        # Another film does not get in its way, nor the other way round.
        assert run("zoom", "sample:china", *SHORT, "--seconds", 0.1, "--size", "64x48", "-o", name).code == 2
        ran = run(*line, *words)
        assert (ran.code, ran.out.split()[0]) == (0, name)
        assert len(filmed.decoded(folder / name)) == 12
    assert (folder / "china-zoom.mp4").read_bytes() == (folder / "whole.mp4").read_bytes()
    assert names(folder) == {"china-zoom.mp4", "given.gif", "whole.mp4"}


BAD_LINES = {
    "output format": (["zoom", "clouds", "-o", "a.avi"], "a film ends in .mp4, .webm, .gif"),
    "near format": (["zoom", "clouds", "-o", "a.mp3"], "did you mean '.mp4'"),
    "output folder": (["zoom", "clouds", "-o", "no/a.mp4"], "there is no folder 'no'"),
    "no picture": (["zoom", "nowhere.png"], "no such picture"),
    "fps": (["zoom", "clouds", "--fps", "often"], "a .mp4 can't have that rate: fps is more than 0"),
    "fps of a gif": (["zoom", "clouds", "--fps", "60", "-o", "a.gif"], "at most 50"),
    "pan": (["zoom", "clouds", *TINY, "--pan", "1"], "--pan takes two numbers separated by a comma, not '1'"),
    "seconds": (["zoom", "clouds", *TINY, "--seconds", "0"], "seconds are more than 0"),
    "schedule": (["zoom", "clouds", *TINY, "--schedule", "8s"], "'8s' is no entry of a schedule"),
    "schedule and address": (["zoom", "clouds", *TINY, "--at", "2", "--schedule", "0s:2"], "exclude each other"),
    "loss": (["zoom", "clouds", *TINY, "--loss", "gran"], "did you mean 'gram'"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_input_is_one_line_exit_2_and_no_file(run: Callable, folder: Path, name: str) -> None:
    words, message = BAD_LINES[name]
    ensure_refused(run(*words), message)
    assert names(folder) == set()
