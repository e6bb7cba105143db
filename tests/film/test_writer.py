from __future__ import annotations

import os
import weakref
from fractions import Fraction
from pathlib import Path

import av
import filmed
import pytest
import torch
from PIL import Image
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.film import writer
from dreamscope.film.editing import Frames
from dreamscope.film.reader import Clip

NOTE = '{"dreamscope": {"words": "' + "wörds " * 200 + '"}}'
SUFFIXES = [".mp4", ".webm", ".gif"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_goes_in_comes_out(tmp_path: Path, suffix: str) -> None:
    frames = filmed.panning(10)
    path = tmp_path / f"a{suffix}"
    seen: list[tuple[str, int, int]] = []
    made = writer.write(frames, path, fps=20, note=NOTE, callback=lambda *at: seen.append(at))
    assert (made.path, str(made.size), made.count, made.fps) == (path, "64x48", 10, 20)
    assert seen == [("writing", n, 10) for n in range(1, 11)]
    pictures = filmed.decoded(path)
    assert [(p.width, p.height) for p in pictures] == [(64, 48)] * 10
    if suffix != ".gif":
        assert {p.format.name for p in pictures} == {"yuv420p"}
    assert [p.time for p in pictures] == pytest.approx([n / 20 for n in range(10)], abs=1e-3)
    for image, frame in zip(frames, Clip.open(path).frames(), strict=True):
        assert (image - frame.image).abs().mean() < 5 / 255
        # Nothing gets darker or another colour on the way.
        assert (image - frame.image).mean((0, 2, 3)).abs().max() < 1 / 255
    assert writer.read_note(path) == NOTE
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("fps", ["24", "23.976", "30000/1001", "12.5", "1", "60"])
def test_the_rate_is_exact(tmp_path: Path, fps: str) -> None:
    path = writer.write(filmed.counted(5), tmp_path / "a.mp4", fps=fps).path
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(fps)
        assert stream.frames == 5
        assert stream.duration * stream.time_base == 5 / Fraction(fps)
        assert stream.codec_context.profile == "High"


def test_what_players_read(tmp_path: Path) -> None:
    path = writer.write(filmed.counted(3), tmp_path / "a.mp4").path
    frame = filmed.decoded(path)[0]
    # BT.709, 16 to 235.
    assert (int(frame.colorspace), int(frame.color_primaries), int(frame.color_range)) == (1, 1, 1)
    content = path.read_bytes()
    # The index comes first: a browser plays it while it loads.
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_gif_lasts_as_long_as_it_should(tmp_path: Path) -> None:
    path = writer.write(filmed.panning(25), tmp_path / "a.gif", fps=24).path
    with Image.open(path) as picture:
        durations = []
        for index in range(picture.n_frames):
            picture.seek(index)
            durations.append(picture.info["duration"])
        assert picture.info["loop"] == 0
    assert len(durations) == 25
    assert set(durations) <= {40, 50}
    assert sum(durations) == pytest.approx(1000 * 25 / 24, abs=20)


def test_a_gif_has_the_colours_of_the_whole_film(tmp_path: Path) -> None:
    """One half of the film is red, the other blue; a gray bar stays: its colours must too, exactly alike."""

    def at(index: int) -> Tensor:
        ramp = torch.linspace(0.2, 0.9, 64).expand(1, 1, 32, 64)
        image = torch.cat([ramp if index < 6 else ramp * 0, ramp * 0, ramp if index >= 6 else ramp * 0], 1)
        image[..., 24:, :] = ramp[..., 24:, :]
        return image

    path = writer.write(Frames(12, at), tmp_path / "a.gif", fps=10).path
    frames = [frame.image for frame in Clip.open(path).frames()]
    assert len(frames) == 12
    for index, frame in enumerate(frames):
        assert (frame - at(index)).abs().mean() < 4 / 255
        assert frame[..., 24:, :].equal(frames[0][..., 24:, :])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    # This size once gave others: x264's macroblock tree read what was never written.
    frames = filmed.panning(10, 96, 160)
    contents = {writer.write(frames, tmp_path / f"{n}{suffix}", note=NOTE).path.read_bytes() for n in range(5)}
    assert len(contents) == 1


def test_odd_sides_get_their_edge_once_more(tmp_path: Path) -> None:
    frames = filmed.panning(3, 47, 63)
    for suffix in (".mp4", ".webm"):
        made = writer.write(frames, tmp_path / f"a{suffix}")
        assert (str(made.size), str(made.added)) == ("64x48", "1x1")
        image = next(Clip.open(made.path).frames()).image
        assert image.shape == (1, 3, 48, 64)
        assert (image[..., :47, :63] - frames[0]).abs().mean() < 5 / 255
        assert (image[..., :47, 63] - frames[0][..., 62]).abs().mean() < 8 / 255
    made = writer.write(frames, tmp_path / "a.gif")
    assert (str(made.size), str(made.added)) == ("63x47", "0x0")
    assert next(Clip.open(made.path).frames()).image.shape == (1, 3, 47, 63)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_frame(tmp_path: Path, suffix: str) -> None:
    path = writer.write(filmed.counted(1), tmp_path / f"a{suffix}", note="x").path
    assert len(filmed.decoded(path)) == 1
    assert writer.read_note(path) == "x"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_frames_at_their_own_times(tmp_path: Path, suffix: str) -> None:
    times = [Fraction(0), Fraction(1, 30), Fraction(1, 10), Fraction(1, 2), Fraction(2, 3)]
    path = writer.write(filmed.counted(5), tmp_path / f"a{suffix}", times=times, fps=8).path
    frames = list(Clip.open(path).frames())
    assert [float(frame.time) for frame in frames] == pytest.approx(list(map(float, times)), abs=6e-3)
    if suffix == ".mp4":
        assert [frame.time for frame in frames] == times


def test_two_frames_at_nearly_the_same_time(tmp_path: Path) -> None:
    times = [Fraction(0), Fraction(1, 1000), Fraction(2, 1000), Fraction(1, 2)]
    path = writer.write(filmed.counted(4), tmp_path / "a.mp4", times=times, time_base=Fraction(1, 100)).path
    shown = [frame.time for frame in Clip.open(path).frames()]
    assert shown == [Fraction(0), Fraction(1, 100), Fraction(2, 100), Fraction(1, 2)]


@pytest.mark.parametrize(
    ("suffix", "codec", "result"),
    [(".mp4", "aac", "aac"), (".mp4", "mp3", "mp3float"), (".webm", "aac", "opus"), (".webm", "libopus", "opus")],
)
def test_the_sound_comes_along(tmp_path: Path, suffix: str, codec: str, result: str) -> None:
    source = filmed.with_sound(tmp_path / "source.mp4", codec=codec)
    path = writer.write(filmed.counted(12), tmp_path / f"a{suffix}", fps=12, sound=source).path
    name, seconds, loud = filmed.heard(path)
    assert name in (result, f"lib{result}")
    assert seconds == pytest.approx(1, abs=0.06)
    assert loud > 0.5
    assert len(filmed.decoded(path)) == 12


def test_sound_is_copied_bit_for_bit(tmp_path: Path) -> None:
    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]

    source = filmed.with_sound(tmp_path / "source.mp4")
    path = writer.write(filmed.counted(12), tmp_path / "a.mp4", fps=12, sound=source).path
    assert packets(path) == packets(source)


def test_sound_is_cut_where_a_film_breaks_off(tmp_path: Path) -> None:
    source = filmed.with_sound(tmp_path / "source.mp4")
    path = writer.write(filmed.counted(6), tmp_path / "a.mp4", fps=12, sound=source, until=Fraction(1, 2)).path
    assert filmed.heard(path)[1] == pytest.approx(0.5, abs=0.05)


def test_no_sound_and_a_gif_without(tmp_path: Path) -> None:
    silent = filmed.with_sound(tmp_path / "silent.mp4", codec="")
    assert not Clip.open(writer.write(filmed.counted(3), tmp_path / "a.mp4", sound=silent).path).sound
    source = filmed.with_sound(tmp_path / "source.mp4")
    assert not Clip.open(writer.write(filmed.counted(3), tmp_path / "a.gif", sound=source).path).sound


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_few_frames_are_held_at_a_time(tmp_path: Path, suffix: str) -> None:
    alive: list[weakref.ref[Tensor]] = []
    most = 0

    def at(index: int) -> Tensor:
        nonlocal most
        image = torch.full((1, 3, 32, 48), index / 100)
        alive.append(weakref.ref(image))
        most = max(most, sum(each() is not None for each in alive))
        return image

    writer.write(Frames(100, at), tmp_path / f"a{suffix}")
    assert len(alive) >= 100
    assert most <= 3


def test_refused_and_nothing_written(tmp_path: Path) -> None:
    good = filmed.counted(3)
    mixed = [filmed.photo(32, 48), filmed.photo(32, 64)]
    cases = [
        ("a.avi", good, {}, "a film ends in .mp4, .webm, .gif"),
        ("a.mp3", good, {}, r"did you mean '\.mp4'"),
        ("a.mp4", [], {}, "a film of no frames"),
        ("a.mp4", mixed, {}, "one is 64x32, the first 48x32"),
        ("a.gif", mixed, {}, "one is 64x32, the first 48x32"),
        ("a.mp4", good, {"fps": 0}, "not '0'"),
        ("a.mp4", good, {"fps": "often"}, "not 'often'"),
        ("a.mp4", good, {"fps": "1/0"}, "not '1/0'"),
        ("a.gif", good, {"fps": 60}, "a .gif can't have that rate: fps is more than 0 and at most 50"),
        ("no/a.mp4", good, {}, "there is no folder"),
    ]
    for name, frames, options, message in cases:
        with pytest.raises(DreamscopeError, match=message):
            writer.write(frames, tmp_path / name, **options)
    assert os.listdir(tmp_path) == []


def test_an_error_on_the_way_leaves_what_was_there(tmp_path: Path) -> None:
    def at(index: int) -> Tensor:
        if index == 5:
            raise KeyboardInterrupt
        return filmed.photo(32, 48)

    for suffix in SUFFIXES:
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"before")
        with pytest.raises(KeyboardInterrupt):
            writer.write(Frames(9, at), path)
        assert path.read_bytes() == b"before"
    assert sorted(os.listdir(tmp_path)) == ["a.gif", "a.mp4", "a.webm"]


def test_no_note(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        assert writer.read_note(writer.write(filmed.counted(2), tmp_path / f"a{suffix}").path) is None
    (tmp_path / "b.gif").write_bytes(b"no gif")
    with pytest.raises(DreamscopeError, match="is not a GIF"):
        writer.read_note(tmp_path / "b.gif")


@pytest.mark.parametrize(("suffix", "element"), [(".mp4", "<video"), (".webm", "<video"), (".gif", "<img")])
def test_a_notebook_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, element: str) -> None:
    made = writer.write([torch.rand(1, 3, 16, 16)] * 2, tmp_path / f"a{suffix}")
    assert made._repr_html_().startswith(element)
    assert f"/{suffix[1:]};base64," in made._repr_html_()
    monkeypatch.setattr(writer, "EMBEDDED", 10)
    assert "base64" not in made._repr_html_()
    assert f"a{suffix}" in made._repr_html_()
