from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import filmed
import pytest
import torch
from command_lines import TINY

from dreamscope import images
from dreamscope.cli import film as recorded
from dreamscope.dreaming.dream import dream
from dreamscope.film import writer
from dreamscope.film.reader import Clip
from dreamscope.models.classifier import Classifier


def test_a_command_is_filmed_if_asked(vgg: Classifier, tmp_path: Path) -> None:
    seen = []
    for out in (None, str(tmp_path / "a.mp4")):
        with recorded.filmed(out, every=2, fps="10", callback=seen.append) as made:
            result = dream(vgg, filmed.photo(32, 48), "features.3", octaves=1, steps=5, callback=made.callback)
            made.of(result.recipe)
    assert len(seen) == 10
    # Steps 1, 3 and 5, and a second of the last.
    assert len(filmed.decoded(tmp_path / "a.mp4")) == 13
    assert writer.read_note(tmp_path / "a.mp4") == result.recipe.to_json()
    assert (next(Clip.open(tmp_path / "a.mp4").frames()).image - filmed.photo(32, 48)).abs().mean() < 0.1
    assert torch.isfinite(result.image).all()


def test_help_needs_no_torch() -> None:
    check = "import dreamscope.cli.film; import sys; assert not {'torch', 'numpy', 'av', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.parametrize(
    "words",
    [
        ("dream", "sample:china", "--at", "2", "--size", "96", "--steps", 4, "--octaves", 2),
        ("visualize", "2:1", "--steps", 8),
        ("invert", "sample:china", "--at", "2", "--steps", 8),
    ],
    ids=lambda words: words[0],
)
def test_commands_that_climb_are_filmed(run: Callable, folder: Path, words: tuple[object, ...]) -> None:
    ran = run(*words, *TINY, "-o", "a.png", "--film", "a.mp4", "--every", 2, "--fps", 4)
    assert ran.code == 0, ran.err
    # Steps 1, 3, 5, 7 and 8, and a second of the last.
    assert len(filmed.decoded(folder / "a.mp4")) == 9
    assert writer.read_note(folder / "a.mp4") == images.read_note(folder / "a.png")
    swung = (*words, *TINY, "-o", "a.png", "--film", "c.mp4", "--every", 2, "--fps", 4, "--hold", 0.5, "--ping-pong")
    assert run(*swung).code == 0
    # Five and two more of the last; there, and back to the second.
    assert len(filmed.decoded(folder / "c.mp4")) == 12
    assert run(*words, *TINY, "-o", "b.png", "--film", "b.avi").code == 2
    assert not (folder / "b.png").exists()
