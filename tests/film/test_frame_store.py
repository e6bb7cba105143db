from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import filmed
import pytest
from torch import Tensor

from dreamscope import images
from dreamscope.dreaming.frames import Frame
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.film import frame_store, writer
from dreamscope.film.reader import Clip
from dreamscope.recipes import Recipe


@dataclass
class Counting:
    """A plan whose frames tell their number: each is 8 levels lighter than the one before it."""

    count: int = 10
    overlap: int = 0
    seed: int = 0
    stop: dict[int, BaseException] = field(default_factory=dict)
    made: list[int] = field(default_factory=list)
    fps: Fraction = Fraction(20)

    @property
    def recipe(self) -> Recipe:
        return Recipe("counting", {"name": "none"}, {}, {"count": self.count, "seed": self.seed}, "0")

    def frames(self, first: int, before: Tensor | None) -> Generator[Frame, None, None]:
        for number in range(first, self.count):
            if number in self.stop:
                raise self.stop.pop(number)
            image = filmed.counted(1)[0] if before is None else before + 8 / 255
            before = images.read(images.to_pil(image))
            self.made.append(number)
            yield Frame(before, number / self.fps)


def shown(path: Path) -> list[int]:
    return [filmed.number_of(frame.image) for frame in Clip.open(path).frames()]


@pytest.mark.parametrize("suffix", writer.FORMATS)
def test_a_film_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    plan, seen = Counting(), []
    made = frame_store.make_film(tmp_path / f"a{suffix}", plan, callback=lambda *at: seen.append(at))
    assert shown(made.path) == list(range(10))
    assert (made.count, made.fps) == (10, 20)
    assert writer.read_note(made.path) == plan.recipe.to_json()
    assert seen == [("dreaming", n, 10) for n in range(1, 11)] + [("writing", n, 10) for n in range(1, 11)]
    assert os.listdir(tmp_path) == [made.path.name]


@pytest.mark.parametrize("suffix", writer.FORMATS)
def test_interrupted_it_plays_and_goes_on(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    plan = Counting(stop={6: KeyboardInterrupt()})
    with pytest.raises(Interrupted, match="stopped after frame 6 of 10") as stopped:
        frame_store.make_film(path, plan)
    assert stopped.value.result.count == 6
    assert shown(path) == list(range(6))
    frame_store.make_film(path, plan)
    assert plan.made == list(range(10))
    assert shown(path) == list(range(10))
    assert path.read_bytes() == frame_store.make_film(tmp_path / f"b{suffix}", Counting()).path.read_bytes()
    assert sorted(os.listdir(tmp_path)) == [f"a{suffix}", f"b{suffix}"]


def test_interrupted_by_what_watches(tmp_path: Path) -> None:
    def report(what: str, done: int, total: int) -> None:
        if (what, done) == ("dreaming", 3):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        frame_store.make_film(tmp_path / "a.mp4", Counting(), callback=report)
    plan = Counting()
    frame_store.make_film(tmp_path / "a.mp4", plan)
    assert plan.made == list(range(3, 10))


def test_interrupted_before_the_first_frame(tmp_path: Path) -> None:
    with pytest.raises(Interrupted) as stopped:
        frame_store.make_film(tmp_path / "a.mp4", Counting(stop={0: KeyboardInterrupt()}))
    assert stopped.value.result is None
    assert not (tmp_path / "a.mp4").exists()


def test_an_error_keeps_what_there_is_and_the_next_call_goes_on(tmp_path: Path) -> None:
    plan = Counting(stop={4: DreamscopeError("video 'x' is damaged after frame 4")})
    with pytest.raises(DreamscopeError, match=r"damaged after frame 4; kept the 4 frames before it: .*a\.mp4"):
        frame_store.make_film(tmp_path / "a.mp4", plan)
    assert shown(tmp_path / "a.mp4") == [0, 1, 2, 3]
    frame_store.make_film(tmp_path / "a.mp4", plan)
    assert shown(tmp_path / "a.mp4") == list(range(10))


def test_a_loop(tmp_path: Path) -> None:
    made = frame_store.make_film(tmp_path / "a.mp4", Counting(count=14, overlap=4))
    frames = [frame.image.mean().item() * 255 for frame in Clip.open(made.path).frames()]
    assert len(frames) == 10
    # 4 to 9, and from there back to the frame before 4.
    assert frames[:6] == pytest.approx([20 + 8 * n for n in range(4, 10)], abs=1.5)
    back = [(10 + i) * (1 - (i + 1) / 5) + i * (i + 1) / 5 for i in range(4)]
    assert frames[6:] == pytest.approx([20 + 8 * n for n in back], abs=1.5)


def test_frames_at_their_own_times(tmp_path: Path) -> None:
    class Uneven(Counting):
        def frames(self, first: int, before: Tensor | None) -> Generator[Frame, None, None]:
            for number, frame in enumerate(super().frames(first, before), first):
                yield Frame(frame.image, Fraction(number * number, 100))

    plan = Uneven(stop={5: KeyboardInterrupt()})
    with pytest.raises(Interrupted):
        frame_store.make_film(tmp_path / "a.mp4", plan, time_base=Fraction(1, 100))
    frame_store.make_film(tmp_path / "a.mp4", plan, time_base=Fraction(1, 100))
    assert [frame.time for frame in Clip.open(tmp_path / "a.mp4").frames()] == [Fraction(n * n, 100) for n in range(10)]


def test_the_sound_of_a_part_ends_with_it(tmp_path: Path) -> None:
    sound = filmed.with_sound(tmp_path / "source.mp4", seconds=0.5)
    plan = Counting(stop={5: KeyboardInterrupt()})
    with pytest.raises(Interrupted):
        frame_store.make_film(tmp_path / "a.mp4", plan, sound=sound)
    assert filmed.heard(tmp_path / "a.mp4")[1] == pytest.approx(0.25, abs=0.05)
    frame_store.make_film(tmp_path / "a.mp4", plan, sound=sound)
    assert filmed.heard(tmp_path / "a.mp4")[1] == pytest.approx(0.5, abs=0.05)


def test_frames_of_another_film_are_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with pytest.raises(Interrupted):
        frame_store.make_film(path, Counting(stop={3: KeyboardInterrupt()}))
    with pytest.raises(DreamscopeError, match=r"keeps frames of another film \(another seed\); go on with that one"):
        frame_store.make_film(path, Counting(seed=1))
    assert len(list((tmp_path / "a.mp4.frames").glob("*.png"))) == 3
    other = tmp_path / "b.mp4.frames"
    other.mkdir()
    (other / "mine.png").write_bytes(b"mine")
    with pytest.raises(DreamscopeError, match="is no folder of dreamscope's"):
        frame_store.make_film(tmp_path / "b.mp4", Counting())
    assert (other / "mine.png").read_bytes() == b"mine"
    damaged = tmp_path / "a.mp4.frames" / "000001.png"
    damaged.write_bytes(images.write(filmed.photo(32, 48), tmp_path / "x.png").read_bytes())
    with pytest.raises(DreamscopeError, match=r"000001\.png' is no frame of dreamscope's"):
        frame_store.make_film(path, Counting())


def test_what_else_is_in_the_folder_stays(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        frame_store.make_film(tmp_path / "a.mp4", Counting(stop={3: KeyboardInterrupt()}))
    (tmp_path / "a.mp4.frames" / "notes.txt").write_text("mine")
    frame_store.make_film(tmp_path / "a.mp4", Counting())
    assert os.listdir(tmp_path / "a.mp4.frames") == ["notes.txt"]


def test_refused_before_any_frame(tmp_path: Path) -> None:
    for name, fps, message in (("a.avi", 20, "a film ends in"), ("a.gif", 60, "at most 50")):
        plan = Counting(fps=Fraction(fps))
        with pytest.raises(DreamscopeError, match=message):
            frame_store.make_film(tmp_path / name, plan)
        assert plan.made == []
    assert os.listdir(tmp_path) == []


KILLING = """
import os, random, signal, time
import av
from pathlib import Path
import torch
from torch import nn
from dreamscope.film import frame_store
from dreamscope.models.wrapping import wrap
from dreamscope.dreaming.zoom import zoom

torch.set_num_threads(1)
torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, stride=2))
plan = zoom(wrap(net, input_size=32), "clouds", "2", seconds=1, size="96x64", steps=1, octaves=2, rotate=10)

def child(name):
    pid = os.fork()
    if pid == 0:
        frame_store.make_film(name, plan)
        os._exit(0)
    return pid

started = time.monotonic()
assert os.waitpid(child("whole.mp4"), 0)[1] == 0
seconds = time.monotonic() - started
whole = Path("whole.mp4").read_bytes()
moments = random.Random(0)
film, kept, killed = Path("killed.mp4"), Path("killed.mp4.frames"), []
while len(killed) < 20:
    pid = child(film)
    time.sleep(moments.uniform(0, 0.5) * seconds)
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    assert not film.exists() or film.read_bytes() == whole
    if status != 0:
        killed.append(len(list(kept.glob("0*.png"))))
    elif film.exists():
        # It was faster this time: from the beginning.
        film.unlink()
assert os.waitpid(child(film), 0)[1] == 0
assert film.read_bytes() == whole
print(killed)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_killed_at_any_moment_it_goes_on_to_the_same_film(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", KILLING], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=120
    )
    killed = json.loads(ran.stdout)
    assert len(killed) == 20
    # Not only before the first frame or after the last one.
    assert any(0 < count < 24 for count in killed)
    assert {path.name for path in tmp_path.iterdir()} <= {"whole.mp4", "killed.mp4", "cache"}
    assert len(filmed.decoded(tmp_path / "killed.mp4")) == 24
    assert json.loads(writer.read_note(tmp_path / "killed.mp4") or "")["dreamscope"]["command"] == "zoom"
