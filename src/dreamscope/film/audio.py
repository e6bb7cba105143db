"""Audio: sound tracks from one film into another, copied where its format takes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

from dreamscope.film.reader import beginning, opened

_OPUS_RATE = 48_000


class AudioTrack:
    """The sound of `source` on its way into an open container.

    Parameters
    ----------
    out
        Where it goes; made before the first picture, since all streams must be known then.
    source
        The film it comes from.
    codec
        What it is encoded with where the container does not take it as it is.
    until
        Seconds after which it is cut.
    """

    def __init__(self, out: Any, source: Path, codec: str, until: Fraction | None = None) -> None:
        self._out, self._until = out, until
        self._open = ExitStack()
        self._container = self._open.enter_context(opened(source))
        self._waiting: tuple[Fraction, Any] | None = None
        self._packets: Iterator[tuple[Fraction, Any]] = iter(())
        if not self._container.streams.audio:
            return
        stream = self._container.streams.audio[0]
        self._begin = round(beginning(self._container) / stream.time_base)
        self.copied = stream.codec_context.name in out.supported_codecs
        if self.copied:
            self._target = out.add_stream_from_template(stream)
            self._packets = self._as_they_are(stream)
        else:
            self._target = out.add_stream(codec, rate=_OPUS_RATE if codec == "libopus" else stream.rate)
            self._packets = self._encoded(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def up_to(self, time: Fraction | None) -> None:
        """Write what is heard up to `time`, or all that is left: beside the pictures, so that neither piles up."""
        while True:
            self._waiting = self._waiting or next(self._packets, None)
            if self._waiting is None:
                return
            begins, packet = self._waiting
            if self._until is not None and begins >= self._until:
                self._packets, self._waiting = iter(()), None
                return
            if time is not None and begins > time:
                return
            self._out.mux(packet)
            self._waiting = None

    def _as_they_are(self, stream: Any) -> Iterator[tuple[Fraction, Any]]:
        for packet in self._container.demux(stream):
            # The last one is empty: it only says that there are no more.
            if packet.dts is not None:
                packet.dts -= self._begin
                packet.pts = None if packet.pts is None else packet.pts - self._begin
                begins = packet.dts * Fraction(packet.time_base)
                packet.stream = self._target
                yield begins, packet

    def _encoded(self, stream: Any) -> Iterator[tuple[Fraction, Any]]:
        begins = Fraction(0)
        for frame in self._container.decode(stream):
            if frame.pts is not None:
                # Decoded frames count in the stream's own time base.
                frame.pts -= self._begin
                begins = frame.pts * Fraction(frame.time_base)
            for packet in self._target.encode(frame):
                yield begins, packet
        for packet in self._target.encode(None):
            yield begins, packet
