"""Small films for tests: frames that can be told apart after encoding, and files as other programs write them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from dreamscope import images
from dreamscope.film.editing import Frames


def photo(height: int, width: int) -> Tensor:
    """A part of a real photo: noise is not what encoders are made for."""
    return images.resize(images.read("sample:china"), images.Size(width, height)).clamp(0, 1)


def panning(count: int, height: int = 48, width: int = 64, *, step: int = 2) -> Frames:
    """A view that moves `step` pixels to the right at each frame over a photo."""
    wide = photo(height, width + step * count)
    return Frames(count, lambda index: wide[..., index * step : index * step + width])


def counted(count: int, height: int = 32, width: int = 48) -> Frames:
    """Gray frames, each lighter than the one before by 8 levels."""
    return Frames(count, lambda index: torch.full((1, 3, height, width), (20 + 8 * index) / 255))


def number_of(image: Tensor) -> int:
    """Which frame of `counted` that was."""
    return round((image.mean().item() * 255 - 20) / 8)


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def with_sound(
    path: Path,
    count: int = 12,
    *,
    fps: int = 12,
    codec: str = "aac",
    seconds: float = 1.0,
    rotation: int = 0,
    shape: Fraction | None = None,
    height: int = 32,
    width: int = 48,
) -> Path:
    """A film of `counted` with a tone, perhaps to be shown turned or with wide pixels."""
    rate = 48_000
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9" if path.suffix == ".webm" else "libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if shape is not None:
            stream.codec_context.sample_aspect_ratio = shape
        if rotation:
            stream.set_display_rotation(rotation)
        track = container.add_stream(codec, rate=rate) if codec else None
        for index, image in enumerate(counted(count, height, width)):
            pixels = np.array(images.to_pil(image))
            # The left half is black: which side is up shows.
            pixels[:, : width // 2] = 0
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if track is not None:
            tone = np.sin(np.arange(int(seconds * rate)) * 2 * np.pi * 440 / rate).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
    return path


def heard(path: Path) -> tuple[str, float, float]:
    """The codec of a film's sound, how long it is, and how loud the tone of 440 Hz is in it."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        parts = [frame.to_ndarray().astype(np.float32) for frame in container.decode(stream)]
        samples = np.concatenate([part.reshape(-1, part.shape[-1])[0] for part in parts])
        spectrum = np.abs(np.fft.rfft(samples)) ** 2
        frequency = np.fft.rfftfreq(len(samples), 1 / stream.rate)
        near = (frequency > 430) & (frequency < 450)
        return stream.codec_context.name, len(samples) / stream.rate, float(spectrum[near].sum() / spectrum.sum())
