"""GIFs: one palette for a whole film, pixels as its colours, and a comment inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from dreamscope.errors import DreamscopeError

TICK = Fraction(1, 100)
"""Seconds: a GIF's frames last whole hundredths."""


def palette(pictures: Iterable[Any]) -> Any:
    """Choose the 256 colours for a whole film from a sample of it, so that nothing flickers that does not move."""
    graph: Any = None
    for place, picture in enumerate(pictures):
        if graph is None:
            graph, (source,), sink = _graph(picture, "palettegen", "reserve_transparent=0")
        picture.pts, picture.time_base = place, TICK
        source.push(picture)
    source.push(None)
    return sink.pull()


def indexed(pictures: Iterable[Any], palette: Any) -> Iterator[Any]:
    """Give each picture's pixels the nearest colours of the palette; what lies between is dithered."""
    graph: Any = None
    for place, picture in enumerate(pictures):
        if graph is None:
            # In a fixed pattern: errors that spread crawl over pictures that move.
            graph, (source, colours), sink = _graph(picture, "paletteuse", "dither=bayer:bayer_scale=3", palette)
            palette.pts, palette.time_base = 0, TICK
            colours.push(palette)
            colours.push(None)
        picture.pts, picture.time_base = place, TICK
        source.push(picture)
        yield from _pulled(sink)
    source.push(None)
    yield from _pulled(sink)


def _graph(picture: Any, name: str, options: str, palette: Any = None) -> tuple[Any, list[Any], Any]:
    """Return FFmpeg's filter of that name with its sources and its sink; the graph must live as long as they do."""
    from av.filter import Graph

    graph = Graph()
    inputs = [picture] if palette is None else [picture, palette]
    sources = [
        graph.add_buffer(width=each.width, height=each.height, format=each.format.name, time_base=TICK)
        for each in inputs
    ]
    filter_, sink = graph.add(name, options), graph.add("buffersink")
    for place, source in enumerate(sources):
        source.link_to(filter_, 0, place)
    filter_.link_to(sink)
    graph.configure()
    return graph, sources, sink


def _pulled(sink: Any) -> Iterator[Any]:
    from av.error import BlockingIOError as Empty
    from av.error import EOFError as Over

    while True:
        try:
            yield sink.pull()
        except (Empty, Over):
            return


def comment(path: Path, text: str, target: Path) -> None:
    """Copy a GIF to `target` with a comment in it, which FFmpeg does not write."""
    content = text.encode()
    blocks = [content[start : start + 255] for start in range(0, len(content), 255)]
    with path.open("rb") as source, target.open("wb") as out:
        head = source.read(13)
        # The global palette, if there is one, comes first: 3 bytes for each of 2 ** (1 + n) colours.
        colours = 3 * 2 ** (1 + (head[10] & 7)) if head[10] & 0x80 else 0
        out.write(head + source.read(colours))
        out.write(b"\x21\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0")
        while chunk := source.read(1 << 20):
            out.write(chunk)


def read_comment(path: Path) -> str | None:
    """Return the comment inside a GIF, or ``None``."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            content = picture.info.get("comment")
    except OSError as error:
        raise DreamscopeError(f"'{path}' is not a GIF that can be read") from error
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else None
