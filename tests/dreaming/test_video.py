from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import filmed
import pytest
from torch import Generator, Tensor

from dreamscope import images
from dreamscope.dreaming.dream import dream
from dreamscope.dreaming.video import Video, video
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.film import frame_store, writer
from dreamscope.film.editing import Frames
from dreamscope.film.reader import Clip
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Objective


def quick(vgg: Classifier, clip: Path, **options: object) -> Video:
    given = {"at": "features.3", "octaves": 1, "steps": 8, **options}
    return video(vgg, clip if isinstance(clip, Clip) else Clip.open(clip), **given)  # type: ignore[arg-type]


def pictures(frames: Sequence[object] | object) -> list[Tensor]:
    return [frame.image for frame in frames]  # type: ignore[attr-defined, union-attr]


def test_frames(vgg: Classifier, tmp_path: Path) -> None:
    clip = writer.write(filmed.panning(5), tmp_path / "clip.mp4", fps=10).path
    plan = quick(vgg, clip)
    frames = list(plan.frames())
    assert (plan.count, plan.fps, str(plan.size)) == (5, 10, "64x48")
    assert [frame.time for frame in frames] == [Fraction(n, 10) for n in range(5)]
    # The first is what `dream` makes of it.
    first = next(Clip.open(clip).frames()).image
    whole = dream(vgg, first, "features.3", octaves=1, steps=8)
    assert (frames[0].image - whole.image).abs().mean() < 0.4 / 255
    for frame, source in zip(frames, Clip.open(clip).frames(), strict=True):
        assert 0.005 < (frame.image - source.image).abs().mean() < 0.2


def test_it_goes_on_from_any_frame(vgg: Classifier, tmp_path: Path) -> None:
    plan = quick(vgg, writer.write(filmed.panning(5), tmp_path / "clip.mp4").path)
    frames = pictures(plan.frames())
    for first in (1, 3):
        rest = pictures(plan.frames(first, frames[first - 1]))
        assert all(a.equal(b) for a, b in zip(rest, frames[first:], strict=True))


def test_what_is_dreamt_moves_along(vgg: Classifier, tmp_path: Path) -> None:
    """Where the true motion is known, dreams differ from those before, moved, half as much as independent ones."""
    count, step = 6, 3
    clip = writer.write(filmed.panning(count, 80, 112, step=step), tmp_path / "clip.mp4").path

    def warp_error(dreams: list[Tensor]) -> float:
        pairs = pairwise(dreams)
        return sum((b[..., 8 : -8 - step] - a[..., 8 + step : -8]).abs().mean().item() for a, b in pairs)

    errors = {keep: warp_error(pictures(quick(vgg, clip, keep=keep, steps=12).frames())) for keep in (0.85, 0.0)}
    still = warp_error(pictures(Clip.open(clip).frames()))
    assert errors[0.0] > 1.5 * still
    assert errors[0.85] <= 0.5 * errors[0.0]


def test_it_does_not_fade(vgg: Classifier, tmp_path: Path) -> None:
    clip = writer.write(Frames(12, lambda index: filmed.photo(64, 80)), tmp_path / "clip.mp4").path
    frames, sources = pictures(quick(vgg, clip).frames()), pictures(Clip.open(clip).frames())
    changes = [(a - b).abs().mean().item() for a, b in zip(frames, sources, strict=True)]
    assert 0.5 * changes[0] < changes[-1] < 2 * changes[0]


def test_a_new_scene_begins_anew(vgg: Classifier, tmp_path: Path) -> None:
    here = filmed.photo(64, 96)
    there = images.resize(images.read("sample:flower"), images.Size(96, 64)).clamp(0, 1)
    clip = writer.write(Frames(6, lambda index: here if index < 3 else there), tmp_path / "clip.mp4").path
    plan = quick(vgg, clip)
    asked: list[tuple[Tensor, int | None]] = []

    def dreamer(picture: Tensor, objective: Objective, *, generator: Generator, steps: int | None) -> Tensor:
        asked.append((picture, steps))
        return plan._dreamer(picture, objective, generator=generator, steps=steps)

    pictures(replace(plan, _dreamer=dreamer).frames())
    # All the steps, on the frame as it is; then a few, on what was kept.
    assert [steps for _, steps in asked] == [None, 1, 1, None, 1, 1]
    sources = pictures(Clip.open(clip).frames())
    by_itself = [picture.equal(source) for (picture, _), source in zip(asked, sources, strict=True)]
    assert by_itself == [True, False, False, True, False, False]


def test_sound_times_and_upright_pictures_come_along(vgg: Classifier, tmp_path: Path) -> None:
    source = filmed.with_sound(tmp_path / "clip.mp4", 6, fps=12, rotation=90, seconds=0.5)
    plan = quick(vgg, source, steps=1)
    made = frame_store.make_film(tmp_path / "out.mp4", plan, sound=source, time_base=plan.clip.time_base)
    clip = Clip.open(made.path)
    assert (str(clip.size), clip.fps, clip.sound) == ("32x48", 12, True)
    frames = list(clip.frames())
    assert [frame.time for frame in frames] == [Fraction(n, 12) for n in range(6)]
    assert frames[0].image[..., -20:, :].mean() < frames[0].image[..., :20, :].mean()
    assert filmed.heard(made.path)[1] == pytest.approx(0.5, abs=0.05)
    # The matrix is applied, not carried over to be applied once more.
    assert {picture.rotation for picture in filmed.decoded(made.path)} == {0}


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_an_uneven_rate(vgg: Classifier, tmp_path: Path, suffix: str) -> None:
    times = [Fraction(n, 100) for n in (0, 4, 20, 24, 60)]
    source = writer.write(filmed.counted(5), tmp_path / "clip.mp4", times=times, fps=8).path
    plan = quick(vgg, source, steps=1)
    made = frame_store.make_film(tmp_path / f"out{suffix}", plan, time_base=plan.clip.time_base)
    assert [float(frame.time) for frame in Clip.open(made.path).frames()] == pytest.approx(
        [float(time) for time in times], abs=1e-3
    )


@pytest.mark.parametrize("count", [1, 2])
def test_the_shortest(vgg: Classifier, tmp_path: Path, count: int) -> None:
    source = writer.write(filmed.panning(count, 33, 47), tmp_path / "clip.gif", fps=10).path
    plan = quick(vgg, source, steps=1)
    assert str(plan.size) == "47x33"
    made = frame_store.make_film(tmp_path / "out.mp4", plan, sound=source, time_base=plan.clip.time_base)
    assert (str(made.size), str(made.added), made.count) == ("48x34", "1x1", count)


def test_sizes(vgg: Classifier, tmp_path: Path) -> None:
    source = writer.write(filmed.panning(2), tmp_path / "clip.mp4").path
    assert str(quick(vgg, source, size=32).size) == "32x24"
    plan = quick(vgg, source, size="40x40", steps=1)
    assert next(plan.frames()).image.shape == (1, 3, 40, 40)


def test_damaged_in_the_middle(vgg: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = writer.write(filmed.panning(6), tmp_path / "clip.mp4").path
    plan = quick(vgg, source, steps=1)
    real = Clip.frames

    def broken(self: Clip, first: int = 0) -> object:
        for number, frame in enumerate(real(self, first), first):
            if number == 4:
                raise DreamscopeError("video 'clip.mp4' is damaged after frame 4: Invalid data")
            yield frame

    monkeypatch.setattr(Clip, "frames", broken)
    with pytest.raises(DreamscopeError, match=r"damaged after frame 4: Invalid data; kept the 4 frames before it"):
        frame_store.make_film(tmp_path / "out.mp4", plan)
    assert len(filmed.decoded(tmp_path / "out.mp4")) == 4


def test_interrupted_and_gone_on_with(vgg: Classifier, tmp_path: Path) -> None:
    source = filmed.with_sound(tmp_path / "clip.mp4", 8)
    plan = quick(vgg, source, steps=1)
    options = {"sound": source, "time_base": plan.clip.time_base}
    whole = frame_store.make_film(tmp_path / "whole.mp4", plan, **options).path

    def stop(what: str, done: int, total: int) -> None:
        if (what, done) == ("dreaming", 5):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        frame_store.make_film(tmp_path / "a.mp4", plan, callback=stop, **options)
    assert len(filmed.decoded(tmp_path / "a.mp4")) == 5
    frame_store.make_film(tmp_path / "a.mp4", plan, **options)
    assert (tmp_path / "a.mp4").read_bytes() == whole.read_bytes()


def test_the_recipe(vgg: Classifier, tmp_path: Path) -> None:
    source = writer.write(filmed.panning(2), tmp_path / "clip.mp4").path
    plan = quick(vgg, source, steps=1, seed=4)
    assert plan.recipe.inputs["clip"]["name"] == "clip.mp4"
    assert {key: plan.recipe.parameters[key] for key in ("keep", "seed", "size", "steps")} == {
        "keep": 0.85, "seed": 4, "size": "64x48", "steps": 1,
    }  # fmt: skip
    assert str(tmp_path) not in plan.recipe.to_json()


def test_refused(vgg: Classifier, tmp_path: Path) -> None:
    source = writer.write(filmed.panning(2), tmp_path / "clip.mp4").path
    for options, message in (
        ({"keep": 1.0}, "keep lies between"),
        ({"seed": -1}, "seed lies between"),
        ({"preset": "x"}, "no preset 'x'"),
        ({"at": "features.9"}, "no layer"),
    ):
        with pytest.raises(DreamscopeError, match=message):
            quick(vgg, source, **options)
    with pytest.raises(DreamscopeError, match="no such video"):
        quick(vgg, tmp_path / "nowhere.mp4")
    assert os.listdir(tmp_path) == ["clip.mp4"]
