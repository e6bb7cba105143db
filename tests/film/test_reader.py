from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import filmed
import pytest
import torch

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.film import writer
from dreamscope.film.reader import Clip, opened


def test_what_a_clip_says(tmp_path: Path) -> None:
    clip = Clip.open(filmed.with_sound(tmp_path / "a.mp4", 7, fps=12))
    assert (str(clip.size), clip.fps, clip.count, clip.sound) == ("48x32", 12, 7, True)
    frames = list(clip.frames())
    assert [frame.time for frame in frames] == [Fraction(n, 12) for n in range(7)]
    assert [filmed.number_of(frame.image[..., 32:]) for frame in frames] == list(range(7))


def test_from_a_frame_on(tmp_path: Path) -> None:
    clip = Clip.open(writer.write(filmed.counted(9), tmp_path / "a.mp4").path)
    frames = list(clip.frames(5))
    assert [filmed.number_of(frame.image) for frame in frames] == [5, 6, 7, 8]
    assert frames[0].time == Fraction(5, 24)
    assert list(clip.frames(9)) == []


@pytest.mark.parametrize(("rotation", "dark"), [(0, "left"), (90, "below"), (180, "right"), (-90, "above")])
def test_what_was_filmed_upright_is_shown_upright(tmp_path: Path, rotation: int, dark: str) -> None:
    clip = Clip.open(filmed.with_sound(tmp_path / "a.mp4", 2, rotation=rotation))
    image = next(clip.frames()).image
    turned = rotation % 180 != 0
    assert str(clip.size) == ("32x48" if turned else "48x32")
    assert image.shape == ((1, 3, 48, 32) if turned else (1, 3, 32, 48))
    half = {
        "left": image[..., :20],
        "right": image[..., -20:],
        "above": image[..., :20, :],
        "below": image[..., -20:, :],
    }
    assert half[dark].mean() < 0.02
    assert image.mean() > 0.03


def test_wide_pixels_become_square(tmp_path: Path) -> None:
    clip = Clip.open(filmed.with_sound(tmp_path / "a.mp4", 2, shape=Fraction(2, 1)))
    assert str(clip.size) == "96x32"
    assert next(clip.frames()).image.shape == (1, 3, 32, 96)


def test_unspecified_colours_of_large_pictures(tmp_path: Path) -> None:
    """Where a file does not say by which matrix, large pictures are read by BT.709, small ones by BT.601."""
    import av

    for height, matrix in ((720, (0.2126, 0.7152, 0.0722)), (96, (0.299, 0.587, 0.114))):
        red, green, blue = 0.8, 0.3, 0.2
        luma = matrix[0] * red + matrix[1] * green + matrix[2] * blue
        planes = (
            16 + 219 * luma,
            128 + 112 * (blue - luma) / (1 - matrix[2]),
            128 + 112 * (red - luma) / (1 - matrix[0]),
        )
        frame = av.VideoFrame(96, height, "yuv420p")
        for plane, level in zip(frame.planes, planes, strict=True):
            plane.update(bytes([round(level)]) * plane.buffer_size)
        path = tmp_path / f"{height}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=5)
            stream.width, stream.height, stream.pix_fmt = 96, height, "yuv420p"
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        colours = next(Clip.open(path).frames()).image.mean((0, 2, 3))
        assert (colours - torch.tensor([red, green, blue])).abs().max() < 2 / 255


def test_one_frame(tmp_path: Path) -> None:
    clip = Clip.open(writer.write(filmed.counted(1), tmp_path / "one.mp4", fps=30).path)
    assert (clip.count, clip.fps, len(list(clip.frames()))) == (1, 30, 1)


def test_a_picture_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    clip = Clip.open(images.write(filmed.photo(32, 40), tmp_path / "photo.png"))
    assert len(list(clip.frames())) == 1
    assert clip.count == 1


def test_refused(tmp_path: Path) -> None:
    good = filmed.with_sound(tmp_path / "good.mp4", 12)
    content = good.read_bytes()
    cases = {
        "empty.mp4": (b"", "is empty"),
        "text.mp4": (b"hello, I am no film, not in the least", "is not a video that can be read"),
        "cut.mp4": (content[: len(content) // 2], "is not a video that can be read"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DreamscopeError, match=message):
            Clip.open(tmp_path / name)
    with pytest.raises(DreamscopeError, match="no such video"):
        Clip.open(tmp_path / "nowhere.mp4")
    with pytest.raises(DreamscopeError, match="is a folder"):
        Clip.open(tmp_path)


def test_sound_alone_is_no_clip(tmp_path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as container:
        track = container.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    with pytest.raises(DreamscopeError, match="holds no moving picture"):
        Clip.open(tmp_path / "a.m4a")


def test_damaged_in_the_middle(tmp_path: Path) -> None:
    """A WebM that breaks off, or is overwritten for a while, gives the frames that can be read, or says where."""
    good = writer.write(filmed.panning(40), tmp_path / "a.webm").path
    content = good.read_bytes()
    (tmp_path / "cut.webm").write_bytes(content[: len(content) // 2])
    frames = list(Clip.open(tmp_path / "cut.webm").frames())
    assert 1 <= len(frames) < 40
    middle = len(content) // 2
    (tmp_path / "torn.webm").write_bytes(content[:middle] + bytes(400) + content[middle + 400 :])
    try:
        frames = list(Clip.open(tmp_path / "torn.webm").frames())
    except DreamscopeError as error:
        assert "is damaged after frame" in str(error)  # noqa: PT017
    else:
        assert 1 <= len(frames) <= 40


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mov"])
def test_other_formats_and_where_they_begin(tmp_path: Path, suffix: str) -> None:
    # A transport stream begins at 1.4 s; what is made of it does not.
    source = filmed.with_sound(tmp_path / f"a{suffix}", 12, codec="aac")
    clip = Clip.open(source)
    times = [frame.time for frame in clip.frames()]
    assert 0 <= times[0] < 0.2
    assert [float(time - times[0]) for time in times] == pytest.approx([n / 12 for n in range(12)], abs=2e-3)
    for target in (".mp4", ".webm"):
        made = writer.write(
            filmed.counted(12), tmp_path / f"b{target}", fps=12, times=times, time_base=clip.time_base, sound=source
        )
        with opened(made.path) as container:
            starts = [float(stream.start_time * stream.time_base) for stream in container.streams]
        assert starts == pytest.approx([float(times[0]), 0], abs=0.15)
        assert filmed.heard(made.path)[1] == pytest.approx(1, abs=0.1)
