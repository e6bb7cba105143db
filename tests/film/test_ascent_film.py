from __future__ import annotations

import os
from pathlib import Path

import filmed
import pytest
import torch
from torch import Tensor

from dreamscope import images
from dreamscope.dreaming.dream import dream
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.film import writer
from dreamscope.film.ascent_film import filming
from dreamscope.film.reader import Clip
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.ascent import Step
from dreamscope.visualization.visualize import visualize


def test_a_dream_is_filmed(vgg: Classifier, tmp_path: Path) -> None:
    image = filmed.photo(40, 48)
    seen: list[Tensor] = []
    with filming(tmp_path / "a.gif", fps=10, hold=0.3, callback=lambda step: seen.append(step.image)) as film:
        result = dream(vgg, image, "features.3", preset="classic", octaves=2, octave_scale=1.2, steps=3, callback=film)
        film.note = result.recipe.to_json()
    assert film.written is not None
    assert (film.written.count, str(film.written.size)) == (6 + 3, "48x40")
    frames = [frame.image for frame in Clip.open(tmp_path / "a.gif").frames()]
    assert len(frames) == 9
    # The octave before is smaller, and made larger.
    assert seen[0].shape[-1] == 40
    for frame, step in zip(frames, [*seen, *seen[-1:] * 3], strict=True):
        assert (frame - images.resize(step, images.Size(48, 40)).clamp(0, 1)).abs().mean() < 10 / 255
    assert writer.read_note(tmp_path / "a.gif") == result.recipe.to_json()
    assert os.listdir(tmp_path) == ["a.gif"]


def test_every_so_many_steps_and_the_last(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    with filming(tmp_path / "a.mp4", every=3, hold=0) as film:
        dream(vgg, image, "features.3", preset="plain", steps=8, callback=film)
    # 1, 4, 7 and 8.
    assert film.written is not None
    assert film.written.count == 4
    with filming(tmp_path / "a.mp4", every=3, hold=0, back=True) as film:
        dream(vgg, image, "features.3", preset="plain", steps=8, callback=film)
    assert film.written is not None
    assert film.written.count == 6


def test_pictures_climbed_together_stand_side_by_side(vgg: Classifier, tmp_path: Path) -> None:
    with filming(tmp_path / "a.mp4", hold=0) as film:
        visualize(vgg, ["features.3:0", "features.3:1"], size=32, steps=4, callback=film)
    assert film.written is not None
    assert film.written.size.height == 32
    assert film.written.size.width * film.written.count == 2 * 32 * 4


def test_interrupted_the_film_shows_what_there_was(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    def stop(step: Step) -> None:
        if step.number == 4:
            raise KeyboardInterrupt

    with (
        pytest.raises(Interrupted),
        filming(tmp_path / "a.mp4", hold=0, callback=stop) as film,
    ):
        dream(vgg, image, "features.3", preset="plain", steps=9, callback=film)
    assert len(list(Clip.open(tmp_path / "a.mp4").frames())) == 4
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_no_step_no_film(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match="no layer"), filming(tmp_path / "a.mp4"):
        raise DreamscopeError("no layer")
    assert os.listdir(tmp_path) == []


def test_what_a_killed_one_left_is_no_obstacle(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    left = tmp_path / "a.mp4.frames"
    left.mkdir()
    (left / "recipe.json").write_text('{"recording": true}')
    images.write(torch.rand(1, 3, 8, 8), left / "000000.png", note="0")
    with filming(tmp_path / "a.mp4", hold=0) as film:
        dream(vgg, image, "features.3", preset="plain", steps=2, callback=film)
    assert len(list(Clip.open(tmp_path / "a.mp4").frames())) == 2
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_refused(tmp_path: Path) -> None:
    for options, message in (
        ({"path": "a.png"}, "a film ends in"),
        ({"every": 0}, "every is 1 or more"),
        ({"hold": -1}, "hold between 0 and 3600"),
        ({"fps": 0}, "fps"),
    ):
        path = tmp_path / str(options.pop("path", "a.mp4"))
        with pytest.raises(DreamscopeError, match=message), filming(path, **options):
            pytest.fail("nothing is filmed")
    assert os.listdir(tmp_path) == []
