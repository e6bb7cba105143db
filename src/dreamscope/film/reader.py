"""Reader: any video file to frames (1, 3, H, W), upright, with square pixels and their own times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from dreamscope import images
from dreamscope.dreaming.frames import Frame
from dreamscope.errors import DreamscopeError
from dreamscope.files import existing_file
from dreamscope.images import Size

if TYPE_CHECKING:
    from av.error import FFmpegError

_UNSPECIFIED = 2
_HD = 720


@dataclass(frozen=True)
class Clip:
    """What a video file holds.

    Attributes
    ----------
    path : Path
        Where it is.
    size : Size
        Of its frames as they are shown: turned upright, pixels square.
    fps : Fraction
        Frames a second, on average.
    time_base : Fraction
        Seconds; every frame's time is a whole number of them.
    count : int
        Frames, as far as the file says.
    sound : bool
        Whether there is a sound track.
    """

    path: Path
    size: Size
    fps: Fraction
    time_base: Fraction
    count: int
    sound: bool

    @classmethod
    def open(cls, path: str | Path) -> Clip:
        """Look into a video file.

        Raises
        ------
        DreamscopeError
            If the file is missing, empty or no video, or if not one frame of it can be decoded.
        """
        path = existing_file(path, "video")
        if path.stat().st_size == 0:
            raise DreamscopeError(f"video '{path}' is empty (0 bytes)")
        with opened(path) as container:
            if not container.streams.video:
                raise DreamscopeError(f"'{path}' holds no moving picture")
            stream = container.streams.video[0]
            sound = bool(container.streams.audio)
            fps = stream.average_rate or stream.guessed_rate or Fraction(25)
            time_base = stream.time_base
            try:
                count = sum(packet.size > 0 for packet in container.demux(stream))
            except _fault():
                # How far it can be decoded shows itself later.
                count = stream.frames
        clip = cls(path, Size(0, 0), Fraction(fps), Fraction(time_base), count, sound)
        first = next(clip.frames(), None)
        if first is None:
            raise DreamscopeError(f"video '{path}' holds not one frame that can be decoded")
        return cls(path, images.size_of(first.image), clip.fps, clip.time_base, max(count, 1), sound)

    def frames(self, first: int = 0) -> Iterator[Frame]:
        """Give the frames one after the other, from number `first` (0 is the first) on.

        Raises
        ------
        DreamscopeError
            At the frame where the file is damaged.
        """
        last: Fraction | None = None
        number = -1
        with opened(self.path) as container:
            stream = container.streams.video[0]
            begin = beginning(container)
            decoded = container.decode(stream)
            while True:
                try:
                    frame = next(decoded, None)
                except _fault() as error:
                    raise DreamscopeError(
                        f"video '{self.path}' is damaged after frame {number + 1}: {error.strerror}"
                    ) from error
                if frame is None:
                    return
                number += 1
                time = number / self.fps if frame.pts is None else frame.pts * Fraction(frame.time_base) - begin
                # Two frames at one time, or going back, can't be encoded again.
                if last is not None and time <= last:
                    time = last + self.time_base
                last = time
                if number >= first:
                    yield Frame(_upright(frame, stream.sample_aspect_ratio or Fraction(1)), time)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file with FFmpeg's readers, closed at the end; what is none of theirs is a `DreamscopeError`."""
    import av

    try:
        container = av.open(str(path))
    except _fault() as error:
        raise DreamscopeError(f"'{path}' is not a video that can be read: {error.strerror}") from error
    with container:
        yield container


def beginning(container: Any) -> Fraction:
    """Return the seconds at which a file's picture and sound begin; some formats count on from anywhere."""
    streams = [*container.streams.video[:1], *container.streams.audio[:1]]
    starts = [stream.start_time * Fraction(stream.time_base) for stream in streams if stream.start_time is not None]
    # Below 0 is what decoders need before they begin.
    return max(Fraction(0), min(starts, default=Fraction(0)))


def exactly() -> int:
    """Return how FFmpeg converts colours without making them darker, which its usual, fastest way does by a level."""
    from av.video.reformatter import Interpolation as How

    return int(How.BICUBIC | How.ACCURATE_RND | How.FULL_CHR_H_INP | How.FULL_CHR_H_INT)


def _fault() -> type[FFmpegError]:
    from av.error import FFmpegError

    return FFmpegError


def _upright(frame: Any, shape: Fraction) -> Tensor:
    """Turn one decoded frame into an image: by its own colour matrix, its display matrix and its pixels' shape."""
    # Large pictures that don't say so are nearly always BT.709, and FFmpeg would take them for BT.601.
    unspecified = frame.colorspace == _UNSPECIFIED and frame.height >= _HD and frame.format.name.startswith("yuv")
    rgb = frame.reformat(format="rgb24", src_colorspace="ITU709" if unspecified else None, interpolation=exactly())
    pixels = np.ascontiguousarray(rgb.to_ndarray())
    image = torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).float().div(255)
    if shape != 1:
        size = images.size_of(image)
        image = images.resize(image, Size(max(1, round(size.width * shape)), size.height)).clamp(0, 1)
    turns = round(frame.rotation / 90)
    return torch.rot90(image, turns, (2, 3)).contiguous() if turns % 4 else image
