from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import filmed
import pytest
from command_lines import SHORT, TINY, contents, ensure_refused, names

from dreamscope.film import writer
from dreamscope.film.reader import Clip
from dreamscope.recipes import Recipe


def parameters(path: str) -> dict[str, object]:
    return dict(Recipe.from_json(writer.read_note(path) or "").parameters)


def test_a_video(run: Callable, folder: Path) -> None:
    filmed.with_sound(folder / "clip.mp4", 6, fps=12, seconds=0.5)
    ran = run("video", "clip.mp4", *SHORT, "--keep", 0.5, "--seed", 2)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("clip-dream.mp4  48x32  6 frames  12 fps  ")
    clip = Clip.open(folder / "clip-dream.mp4")
    assert (clip.count, clip.fps, clip.sound) == (6, 12, True)
    assert {key: parameters("clip-dream.mp4")[key] for key in ("keep", "seed", "at")} == {
        "keep": 0.5,
        "seed": 2,
        "at": ["2"],
    }
    ran = run("video", "clip.mp4", *SHORT, "--size", 32, "-o", "out.gif", "--json")
    assert json.loads(ran.out)["size"] == "32x21"
    assert names(folder) == {"clip.mp4", "clip-dream.mp4", "out.gif"}


BAD_LINES = {
    "loss of a video": (["video", "fast.mp4", *TINY, "--loss", "gran"], "did you mean 'gram'"),
    "no video": (["video", "nowhere.mp4"], "no such video"),
    "empty": (["video", "empty.mp4"], "is empty (0 bytes)"),
    "text": (["video", "text.mp4"], "is not a video that can be read"),
    "cut short": (["video", "cut.mp4"], "is not a video that can be read"),
    "output is input": (["video", "good.mp4", "-o", "good.mp4"], "is an input; write the result somewhere else"),
    "video format": (["video", "good.mp4", "-o", "a.mkv"], "a film ends in"),
    "fast gif": (
        ["video", "fast.mp4", "-o", "a.gif"],
        "a .gif can't have that rate: fps is more than 0 and at most 50",
    ),
    "keep": (["video", "good.mp4", *TINY, "--keep", "2"], "keep lies between"),
    "layer": (["video", "good.mp4", *TINY, "--at", "9"], "no layer '9'"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_input_is_one_line_exit_2_and_no_file(run: Callable, folder: Path, name: str) -> None:
    good = writer.write(filmed.counted(12), folder / "good.mp4").path.read_bytes()
    writer.write(filmed.counted(3), folder / "fast.mp4", fps=60)
    for file, content in {"empty.mp4": b"", "text.mp4": b"no film at all, just text", "cut.mp4": good[:700]}.items():
        (folder / file).write_bytes(content)
    before = contents(folder)
    words, message = BAD_LINES[name]
    ensure_refused(run(*words), message)
    assert contents(folder) == before
