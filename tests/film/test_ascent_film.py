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
from dreamscope.film.ascent_film import recording
from dreamscope.film.reader import Clip
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.ascent import Step
from dreamscope.visualization.visualize import visualize


def test_a_dream_is_filmed(vgg: Classifier, tmp_path: Path) -> None:
    image = filmed.photo(40, 48)
    seen: list[Tensor] = []
    with recording(tmp_path / "a.gif", fps=10, hold=0.3, report=lambda step: seen.append(step.image)) as record:
        result = dream(
            vgg, image, "features.3", preset="classic", octaves=2, octave_scale=1.2, steps=3, callback=record
        )
        record.note = result.recipe.to_json()
    assert record.film is not None
    assert (record.film.count, str(record.film.size)) == (6 + 3, "48x40")
    frames = [frame.image for frame in Clip.open(tmp_path / "a.gif").frames()]
    assert len(frames) == 9
    # The octave before is smaller, and made larger.
    assert seen[0].shape[-1] == 40
    for frame, step in zip(frames, [*seen, *seen[-1:] * 3], strict=True):
        assert (frame - images.resize(step, images.Size(48, 40)).clamp(0, 1)).abs().mean() < 10 / 255
    assert writer.read_note(tmp_path / "a.gif") == result.recipe.to_json()
    assert os.listdir(tmp_path) == ["a.gif"]


def test_every_so_many_steps_and_the_last(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    with recording(tmp_path / "a.mp4", every=3, hold=0) as record:
        dream(vgg, image, "features.3", preset="plain", steps=8, callback=record)
    # 1, 4, 7 and 8.
    assert record.film is not None
    assert record.film.count == 4
    with recording(tmp_path / "a.mp4", every=3, hold=0, back=True) as record:
        dream(vgg, image, "features.3", preset="plain", steps=8, callback=record)
    assert record.film is not None
    assert record.film.count == 6


def test_pictures_climbed_together_stand_side_by_side(vgg: Classifier, tmp_path: Path) -> None:
    with recording(tmp_path / "a.mp4", hold=0) as record:
        visualize(vgg, ["features.3:0", "features.3:1"], size=32, steps=4, callback=record)
    assert record.film is not None
    assert record.film.size.height == 32
    assert record.film.size.width * record.film.count == 2 * 32 * 4


def test_interrupted_the_film_shows_what_there_was(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    def stop(step: Step) -> None:
        if step.number == 4:
            raise KeyboardInterrupt

    with (
        pytest.raises(Interrupted),
        recording(tmp_path / "a.mp4", hold=0, report=stop) as record,
    ):
        dream(vgg, image, "features.3", preset="plain", steps=9, callback=record)
    assert len(list(Clip.open(tmp_path / "a.mp4").frames())) == 4
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_no_step_no_film(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match="no layer"), recording(tmp_path / "a.mp4"):
        raise DreamscopeError("no layer")
    assert os.listdir(tmp_path) == []


def test_what_a_killed_one_left_is_no_obstacle(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    left = tmp_path / "a.mp4.frames"
    left.mkdir()
    (left / "recipe.json").write_text('{"recording": true}')
    images.write(torch.rand(1, 3, 8, 8), left / "000000.png", note="0")
    with recording(tmp_path / "a.mp4", hold=0) as record:
        dream(vgg, image, "features.3", preset="plain", steps=2, callback=record)
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
        with pytest.raises(DreamscopeError, match=message), recording(path, **options):
            pytest.fail("nothing is recorded")
    assert os.listdir(tmp_path) == []
