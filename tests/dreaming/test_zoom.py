from __future__ import annotations

import math
import weakref
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import filmed
import pytest
import torch
from nets import hooks_on
from torch import Tensor

from dreamscope import images
from dreamscope.dreaming.zoom import CONTRAST, Zoom, calmed, moved, zoom
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.film import frame_store, writer
from dreamscope.film.reader import Clip
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Objective


def dive(vgg: Classifier, **options: Any) -> Zoom:
    given = {"at": "features.3", "seconds": 0.5, "octaves": 1, "steps": 1, "fps": 12, **options}
    return zoom(vgg, given.pop("image", filmed.photo(32, 48)), **given)


def test_frames(vgg: Classifier) -> None:
    plan = dive(vgg)
    frames = list(plan.frames())
    assert (plan.count, plan.overlap, plan.fps) == (6, 0, 12)
    assert [frame.time for frame in frames] == [Fraction(n, 12) for n in range(6)]
    assert {frame.image.shape for frame in frames} == {(1, 3, 32, 48)}
    # The first is the photo, in 8 bits.
    assert (frames[0].image - filmed.photo(32, 48)).abs().max() <= 0.51 / 255
    for one, next_ in pairwise(frames):
        assert (one.image - next_.image).abs().mean() > 1e-3
    assert hooks_on(vgg.module) == 0


def test_a_dive_goes_on_from_any_frame(vgg: Classifier) -> None:
    plan = dive(vgg, rotate=40, pan=(0.2, -0.1))
    frames = list(plan.frames())
    for first in (1, 4):
        rest = list(plan.frames(first, frames[first - 1].image))
        assert [frame.time for frame in rest] == [frame.time for frame in frames[first:]]
        assert all(a.image.equal(b.image) for a, b in zip(rest, frames[first:], strict=True))
    assert list(plan.frames(6, frames[5].image)) == []


def test_without_steps_it_is_a_zoom(vgg: Classifier) -> None:
    photo = filmed.photo(60, 80)
    *_, last = dive(vgg, image=photo, steps=0, seconds=2, zoom=1.5, fps=10).frames()
    # 19 frames on; calmed, each is the one before, nearer.
    wanted = moved(photo, zoom=1.5 ** (19 / 10))
    error = (calmed(last.image, photo) - calmed(wanted, photo))[..., 8:-8, 8:-8]
    assert error.abs().mean() < 0.03


def test_the_speed_may_change_along_the_way(vgg: Classifier) -> None:
    photo = filmed.photo(60, 80)
    given = {"image": photo, "steps": 0, "seconds": 1, "fps": 10}
    plan = dive(vgg, zoom="0s:1 0.5s:3", **given)
    still = list(dive(vgg, zoom=1.0, **given).frames())
    frames = list(plan.frames())
    assert plan.recipe is not None
    assert plan.recipe.parameters["zoom"] == "0s:1 0.5s:3"
    # Hardly nearer at first, then as fast as at three times a second.
    assert (frames[1].image - still[1].image).abs().mean() < (frames[9].image - still[9].image).abs().mean()
    fast = moved(frames[8].image, zoom=3 ** (1 / 10))
    assert (frames[9].image - calmed(fast, photo)).abs().max() <= 1.01 / 255
    with pytest.raises(DreamscopeError, match="zoom lies between"):
        dive(vgg, zoom="0s:1 1s:30")


def test_the_dream_rises(vgg: Classifier) -> None:
    from dreamscope.probes import probe

    def value(image: Tensor) -> float:
        with torch.no_grad(), probe(vgg, ["features.3"]) as seen:
            return float(seen(image)["features.3"].square().mean())

    *_, without = dive(vgg, steps=0).frames()
    *_, dreamt = dive(vgg, steps=2).frames()
    assert value(dreamt.image) > 1.05 * value(without.image)


def test_contrast_stays_that_of_a_photo(vgg: Classifier) -> None:
    photo = filmed.photo(32, 48)
    *_, last = dive(vgg, steps=4, rate=0.05, seconds=3).frames()
    assert (last.image.mean((2, 3)) - photo.mean((2, 3))).abs().max() < 0.05
    assert (last.image.std((2, 3)) < photo.std((2, 3)).clamp_min(CONTRAST) + 0.02).all()
    # What is flat is not made steep.
    flat = 0.5 + 0.01 * (photo - 0.5)
    assert (calmed(flat, flat) - flat).abs().max() < 1e-6


def test_a_schedule(vgg: Classifier) -> None:
    plan = dive(vgg, at=None, schedule="0s:features.0 0.4s:features.4:1")
    assert plan.recipe.parameters["schedule"] == "0s:features.0 0.4s:features.4:1"
    assert plan._climbed.strengths[0] == 1
    assert plan._climbed.strengths[1] != 1
    frames = [frame.image for frame in plan.frames()]
    early = [frame.image for frame in dive(vgg, at="features.0").frames()]
    assert frames[0].equal(early[0])
    assert not frames[1].equal(early[1])
    # From 0.4 s on only the second entry counts.
    late = dive(vgg, at="features.4:1")
    [only] = islice(late.frames(5, frames[4]), 1)
    assert frames[5].equal(only.image)


def test_a_loop_closes(vgg: Classifier, tmp_path: Path) -> None:
    """From the last frame to the first it is no further than between frames along the way."""

    def steps(frames: list[Tensor]) -> list[float]:
        pairs = zip(frames, [*frames[1:], frames[0]], strict=True)
        return [(b - moved(a, zoom=1.3 ** (1 / 12))).abs()[..., 3:-3, 3:-3].mean().item() for a, b in pairs]

    photo = filmed.photo(64, 96)
    frames = {}
    for loop in (False, True):
        plan = dive(vgg, image=photo, seconds=2, loop=loop, rate=0.002)
        assert plan.overlap == (12 if loop else 0)
        path = frame_store.make_film(tmp_path / f"{loop}.mp4", plan).path
        frames[loop] = steps([frame.image for frame in Clip.open(path).frames()])
        assert len(frames[loop]) == 24
    assert frames[False][-1] > 4 * max(frames[False][:-1])
    assert frames[True][-1] < 1.5 * max(frames[True][:-1])


def test_interrupted_in_a_frame(vgg: Classifier, tmp_path: Path) -> None:
    plan = dive(vgg)
    whole = frame_store.make_film(tmp_path / "whole.mp4", plan).path
    calls = 0

    def stopping(module: object, inputs: object, output: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt

    net = plan._dreamer.model.module
    handle = net.features[0].register_forward_hook(stopping)
    with pytest.raises(Interrupted, match="stopped after frame 4 of 6"):
        frame_store.make_film(tmp_path / "a.mp4", plan)
    handle.remove()
    assert len(filmed.decoded(tmp_path / "a.mp4")) == 4
    frame_store.make_film(tmp_path / "a.mp4", plan)
    assert (tmp_path / "a.mp4").read_bytes() == whole.read_bytes()


def test_the_recipe(vgg: Classifier, tmp_path: Path) -> None:
    from dreamscope.recipes import Recipe

    image = images.write(filmed.photo(31, 48), tmp_path / "photo.png")
    plan = dive(vgg, image=image, seed=3, seconds=0.2)
    made = frame_store.make_film(tmp_path / "a.webm", plan)
    kept = Recipe.from_json(writer.read_note(made.path) or "")
    assert kept == plan.recipe
    assert str(tmp_path) not in kept.to_json()
    assert kept.inputs["image"]["name"] == "photo.png"
    given = {key: kept.parameters[key] for key in ("at", "seconds", "fps", "size", "seed", "steps", "pan")}
    assert given == {
        "at": ["features.3"], "seconds": 0.2, "fps": "12", "size": "48x31", "seed": 3, "steps": 1, "pan": [0.0, 0.0],
    }  # fmt: skip


def marked(row: int, column: int) -> Tensor:
    image = torch.zeros(1, 3, 41, 61)
    image[..., row - 1 : row + 2, column - 1 : column + 2] = 1
    return image


def middle(image: Tensor) -> tuple[float, float]:
    weights = image[0, 0] / image[0, 0].sum()
    rows = (weights.sum(1) * torch.arange(41)).sum().item()
    return rows, (weights.sum(0) * torch.arange(61)).sum().item()


@pytest.mark.parametrize(
    ("given", "row", "column"),
    [
        ({"zoom": 1.5}, 20 - 1.5 * 8, 30 + 1.5 * 10),
        # Counter-clockwise by a right angle: what was right is above, what was above is left.
        ({"angle": math.pi / 2}, 20 - 10, 30 - 8),
        # The view goes on to the right and down: things go left and up.
        ({"pan": (0.1, 0.05)}, 12 - 0.05 * 41, 40 - 0.1 * 61),
    ],
)
def test_where_things_go(given: dict[str, Any], row: float, column: float) -> None:
    assert middle(moved(marked(12, 40), **given)) == pytest.approx((row, column), abs=0.15)


def test_nothing_turns_to_mush() -> None:
    """There and back fifty times by fractions of a pixel, most of what is fine is still there."""
    photo = filmed.photo(96, 128)

    def detail(image: Tensor) -> float:
        return float((image - images.blur(image, 1.0))[..., 10:-10, 10:-10].std())

    image = photo
    for _ in range(50):
        image = moved(moved(image, pan=(0.4 / 128, 0.3 / 96)), pan=(-0.4 / 128, -0.3 / 96))
    assert detail(image) > 0.5 * detail(photo)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seconds": 0}, "seconds are more than 0"),
        ({"fps": "often"}, "fps is more than 0 and at most 240"),
        ({"zoom": 0}, "zoom lies between 0.1 and 10"),
        ({"zoom": 11}, "zoom lies between"),
        ({"rotate": float("nan")}, "rotate and pan are finite"),
        ({"schedule": "0s:features.0"}, "an address and a schedule exclude each other"),
        ({"seed": -1}, "seed lies between"),
        ({"preset": "rick"}, "did you mean 'rich'"),
        ({"at": "features.9"}, "no layer 'features.9'"),
        ({"octaves": 0}, "octaves lies between"),
    ],
)
def test_refused(vgg: Classifier, given: dict[str, Any], message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        dive(vgg, **given)


def test_few_frames_are_held_at_a_time(vgg: Classifier) -> None:
    alive: list[weakref.ref[Tensor]] = []
    for frame in dive(vgg, seconds=3).frames():
        alive.append(weakref.ref(frame.image))
        assert sum(each() is not None for each in alive) <= 3
    assert len(alive) == 36


def test_an_objective_of_ones_own(vgg: Classifier) -> None:
    own = Objective.of(lambda seen: seen["features.3"].square().mean((1, 2, 3)), layers="features.3")
    with pytest.raises(DreamscopeError, match=r"at can't be written in a recipe: .* give recipe=False"):
        dive(vgg, at=own)
    plan = dive(vgg, at=own, recipe=False, seconds=0.2)
    assert plan.recipe is None
    usual = dive(vgg, loss="mean_square", seconds=0.2)
    for ours, theirs in zip(plan.frames(), usual.frames(), strict=True):
        assert (ours.image - theirs.image).abs().mean() < 1e-3
    with pytest.raises(DreamscopeError, match="can't be run in tiles"):
        dive(vgg, at=own, recipe=False, tile=32)
    with pytest.raises(DreamscopeError, match="a zoom takes one picture, not 2"):
        dive(vgg, image=torch.rand(2, 3, 32, 48))


def test_a_balance_takes_the_place_of_the_strengths_of_entries(vgg: Classifier) -> None:
    """Each address is weighed as it is climbed; doing it for entries, too, would count twice."""
    changes = {"at": None, "schedule": "0s:features.0 0.4s:features.4:1"}
    assert dive(vgg, **changes)._climbed.strengths[1] != 1
    assert dive(vgg, balance=True, **changes)._climbed.strengths == (1.0, 1.0)
