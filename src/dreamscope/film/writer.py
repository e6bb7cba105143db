"""Writer: frames to MP4, WebM or GIF, one after the other, whole or not at all."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from dreamscope import images
from dreamscope.dreaming.frames import frame_rate
from dreamscope.errors import DreamscopeError, did_you_mean
from dreamscope.files import ensure_writable, existing_file, written_whole
from dreamscope.film import gif
from dreamscope.film.audio import AudioTrack
from dreamscope.film.reader import exactly, opened
from dreamscope.images import Size
from dreamscope.progress import Callback

FORMATS = (".mp4", ".webm", ".gif")

TICK = Fraction(1, 90_000)
"""Seconds that times are whole numbers of where nothing else is said."""

EMBEDDED = 8_000_000
"""Bytes of the largest film that becomes part of a notebook."""

PALETTE_SAMPLES = 48
"""Frames, spread over the film, that a GIF's one palette is made from."""

_FASTEST = {".mp4": 240, ".webm": 240, ".gif": 50}
# The same frames are to give the same bytes: one thread, no random number, no version, and no macroblock tree, whose
# AVX-512 code in x264 reads memory that was never written.
_CODECS = {
    ".mp4": ("libx264", {"crf": "18", "preset": "medium", "x264-params": "mbtree=0"}),
    ".webm": ("libvpx-vp9", {"crf": "28", "b": "0", "deadline": "good", "cpu-used": "4"}),
    ".gif": ("gif", {}),
}
_SOUND = {".mp4": "aac", ".webm": "libopus"}
_BT709, _LIMITED = 1, 1


@dataclass(frozen=True)
class Film:
    """A film that was written.

    Attributes
    ----------
    path : Path
        Where.
    size : Size
        Of its frames, with what was added to make their sides even.
    added : Size
        Columns and rows that were added: 0x0, or 1 where a side was odd.
    count : int
        Frames.
    fps : Fraction
        Frames a second.
    """

    path: Path
    size: Size
    added: Size
    count: int
    fps: Fraction

    def _repr_html_(self) -> str:
        """Show it in a notebook: inside the page if it is small, else by its name."""
        if not self.path.is_file() or self.path.stat().st_size > EMBEDDED:
            return f"<p><code>{escape(str(self.path))}</code>: {self.count} frames, {self.size}</p>"
        kind = self.path.suffix.lower().removeprefix(".")
        data = b64encode(self.path.read_bytes()).decode()
        if kind == "gif":
            return f'<img alt="" src="data:image/gif;base64,{data}">'
        return f'<video controls loop muted src="data:video/{kind};base64,{data}"></video>'


def ensure_format(path: str | Path) -> str:
    """Return the suffix of a film (.mp4, .webm, .gif), or raise."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise DreamscopeError(
            f"can't write '{path}': a film ends in {', '.join(FORMATS)}{did_you_mean(suffix, FORMATS)}"
        )
    return suffix


def rate(text: str | float | Fraction, path: str | Path = "a.mp4") -> Fraction:
    """Read frames a second: ``24``, ``23.976``, ``30000/1001``; raise if that is too many for a film like `path`."""
    suffix = ensure_format(path)
    try:
        return frame_rate(text, _FASTEST[suffix])
    except DreamscopeError as error:
        raise DreamscopeError(f"a {suffix} can't have that rate: {error}") from error


def write(
    frames: Sequence[Tensor],
    path: str | Path,
    *,
    fps: str | float | Fraction = 24,
    note: str = "",
    times: Sequence[Fraction] | None = None,
    time_base: Fraction = TICK,
    sound: str | Path | None = None,
    until: Fraction | None = None,
    callback: Callback | None = None,
) -> Film:
    """Write a film, whole or not at all; no more than a few frames are held at a time.

    Parameters
    ----------
    frames
        Images (1, 3, H, W), all of one size, asked for in order; a GIF asks for some of them before that. H.264 and
        VP9 halve their colours, so that sides are even in MP4 and WebM: an odd one gets its edge once more.
    path
        ``.mp4`` (H.264, yuv420p), ``.webm`` (VP9, yuv420p) or ``.gif`` (one palette for the whole film, repeated).
    fps
        Frames a second, exact; the frames of a GIF last whole hundredths of a second, right on average.
    note
        A recipe's JSON, kept in the file, see `read_note`.
    times
        When each frame is shown, in seconds, instead of evenly; `fps` is then what it comes to on average.
    time_base
        Seconds that `times` are whole numbers of.
    sound
        A film whose sound track comes along, if it has one: copied where the format takes it, else encoded again.
        A GIF has none.
    until
        Seconds after which the sound is cut.
    callback
        Called after each frame with ``"writing"``, its number, from 1, and the number of frames.

    Returns
    -------
    Film

    Raises
    ------
    DreamscopeError
        No frames, frames of different sizes, an unknown suffix, too many frames a second.
    """
    suffix = ensure_format(path)
    fps = rate(fps, path)
    ensure_writable(path)
    if not frames:
        raise DreamscopeError(f"can't write '{path}': a film of no frames")
    size = images.size_of(frames[0])
    added = Size(0, 0) if suffix == ".gif" else Size(size.width % 2, size.height % 2)
    size = Size(size.width + added.width, size.height + added.height)
    starts = times if times is not None else _Even(len(frames), fps)
    tick = gif.TICK if suffix == ".gif" else 1 / fps if times is None else time_base
    # The last one is shown as long as those before it on average.
    ends = [*starts[1:], starts[-1] + 1 / fps] if times is not None else _Even(len(frames), fps, first=1)
    with written_whole(path) as temporary, ExitStack() as stack:
        container, stream = _opened_for(temporary, suffix, size, fps=fps, tick=tick, note=note)
        stack.enter_context(container)
        # Before the first frame: then all streams must be known.
        track = None
        if sound is not None and suffix in _SOUND:
            track = stack.enter_context(AudioTrack(container, Path(sound), _SOUND[suffix], until))
        before = None
        for index, picture in enumerate(_encodable(frames, added, suffix)):
            # Two frames in one tick would be refused.
            begin = round(starts[index] / tick)
            begin = begin if before is None else max(begin, before + 1)
            before = begin
            picture.pts, picture.time_base = begin, tick
            picture.duration = max(1, round(ends[index] / tick) - begin)
            container.mux(stream.encode(picture))
            if track is not None:
                track.up_to(starts[index])
            if callback is not None:
                callback("writing", index + 1, len(frames))
        container.mux(stream.encode(None))
        if track is not None:
            track.up_to(None)
        stack.close()
        if suffix == ".gif" and note:
            with written_whole(temporary) as with_note:
                gif.comment(temporary, note, with_note)
    return Film(Path(path), size, added, len(frames), fps)


def read_note(path: str | Path) -> str | None:
    """Return the note that `write` put into a film, or ``None``."""
    path = existing_file(path, "film")
    if path.suffix.lower() == ".gif":
        return gif.read_comment(path)
    with opened(path) as container:
        # Matroska writes its keys in capitals.
        note = {key.lower(): value for key, value in container.metadata.items()}.get("comment")
    return str(note) if note else None


class _Even(Sequence[Fraction]):
    """The times of frames that come evenly, from the frame `first` on, without a list of them."""

    def __init__(self, count: int, fps: Fraction, first: int = 0) -> None:
        self._count, self._fps, self._first = count, fps, first

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return (self._first + index) / self._fps


def _opened_for(path: Path, suffix: str, size: Size, *, fps: Fraction, tick: Fraction, note: str) -> tuple[Any, Any]:
    """Open a container to write to, with its stream of pictures."""
    import av

    options = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if suffix == ".mp4" else {})
    container: Any = av.open(str(path), "w", options=options)
    codec, settings = _CODECS[suffix]
    stream = container.add_stream(codec, rate=fps, options=settings)
    stream.width, stream.height = size.width, size.height
    stream.pix_fmt = "pal8" if suffix == ".gif" else "yuv420p"
    stream.time_base = tick
    context = stream.codec_context
    context.time_base = tick
    context.thread_count = 1
    if suffix != ".gif":
        # Said, since players guess by size, each its own way.
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        if note:
            container.metadata["comment"] = note
    return container, stream


def _encodable(frames: Sequence[Tensor], added: Size, suffix: str) -> Iterator[Any]:
    """Give what the encoder takes."""
    size = images.size_of(frames[0])
    pictures = _pictures(frames, size, added)
    if suffix == ".gif":
        places = np.unique(np.linspace(0, len(frames) - 1, PALETTE_SAMPLES).round().astype(int)).tolist()
        sample = _pictures((frames[place] for place in places), size, added)
        yield from gif.indexed(pictures, gif.palette(sample))
    else:
        for picture in pictures:
            yield picture.reformat(format="yuv420p", dst_colorspace=_BT709, interpolation=exactly())


def _pictures(frames: Iterable[Tensor], size: Size, added: Size) -> Iterator[Any]:
    """Round images to 8 bits, in FFmpeg's form."""
    from av import VideoFrame

    for image in frames:
        if images.size_of(image) != size:
            raise DreamscopeError(f"a film's frames are of one size: one is {images.size_of(image)}, the first {size}")
        padded = F.pad(image, (0, added.width, 0, added.height), mode="replicate") if added != Size(0, 0) else image
        yield VideoFrame.from_ndarray(np.array(images.to_pil(padded)), format="rgb24")
