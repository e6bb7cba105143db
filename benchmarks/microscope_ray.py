"""Two workers of a local Ray cluster beside one: photo statistics and pictures of channels, one thread a worker.

``python -m benchmarks.microscope_ray [ROUNDS]``. One and two take turns; what starts an actor is outside the time, what
the driver does to keep what was made is in it. What is made must be the same, byte for byte.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

from benchmarks.streams import PHOTOS
from dreamscope.engines.base import Engine
from dreamscope.engines.ray import Ray
from dreamscope.microscope.items import channel_pictures
from dreamscope.microscope.items.kinds import Maker, Order
from dreamscope.microscope.photo_pass import KEY, PhotoPass
from dreamscope.microscope.settings import Atlas
from dreamscope.microscope.store import Store
from dreamscope.models.registry import load
from dreamscope.photos import find, shards

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from clusters import SETTINGS, Head

COUNT = 2048
"""Photos: those of imagenet600, again and again, in 8 parts."""
LAYER = "blocks.4.2"
SIDE = 112

Job = Callable[[Engine, Store], dict[str, bytes]]


def photos(maker: Maker, atlas: Atlas, folder: Path) -> Job:
    """Return what gathers photo statistics of all layers."""

    def run(engine: Engine, store: Store) -> dict[str, bytes]:
        whole = PhotoPass(maker, atlas.network, atlas.widths, atlas.top, lambda: shards(folder), folder)
        whole.run(store, engine)
        return {name: value.tobytes() for name, value in store.numbers(KEY).items()}

    return run


def pictures(maker: Maker, atlas: Atlas) -> Job:
    """Return what makes the coarse pictures of a layer's channels."""
    items = [item for item in channel_pictures.items(atlas, "coarse") if item.settings["layer"] == LAYER]
    # Those of one cost, and an even number of them.
    items = [item for item in items if item.settings["sign"] == "most"][:6]

    def run(engine: Engine, store: Store) -> dict[str, bytes]:
        found = {}
        for order, made in engine.run(maker, [Order(item, {}) for item in items]):
            store.add(order.item.key, order.item.key, made)
            found |= made.pictures
            found |= {f"{order.item.key} {name}": value.tobytes() for name, value in made.numbers.items()}
        return found

    return run


def measure(rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return the seconds of one worker and of two, round by round."""
    model = load("efficientnet_lite0")
    atlas = Atlas.of(model, side=SIDE)
    maker = Maker(model, atlas.layers, atlas.top)
    os.environ.update(SETTINGS)
    times: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary) / "photos"
        folder.mkdir()
        for number, photo in enumerate(islice(cycle(find(PHOTOS / "imagenet600")), COUNT)):
            (folder / f"{number:05}{photo.path.suffix}").symlink_to(photo.path.absolute())
        head = Head(Path(temporary) / "ray", 3)
        try:
            with Ray(head.address, 1) as one, Ray(head.address, 2) as two:
                jobs = {"photo statistics": photos(maker, atlas, folder), "pictures": pictures(maker, atlas)}
                for name, job in jobs.items():
                    times[name] = _interleaved(name, job, (one, two), rounds, Path(temporary))
        finally:
            head.kill()
    return times


def _interleaved(
    name: str, job: Job, engines: tuple[Engine, Engine], rounds: int, folder: Path
) -> list[tuple[float, float]]:
    found = []
    for number in range(rounds + 1):
        pair, made = [], []
        for engine in engines:
            with tempfile.TemporaryDirectory(dir=folder) as site, Store(site) as store:
                started = time.perf_counter()
                made.append(job(engine, store))
                pair.append(time.perf_counter() - started)
        same = made[0] == made[1]
        # In the first round actors start, and workers measure what is fast.
        if number:
            found.append((pair[0], pair[1]))
        when = f"round {number}" if number else "warming up"
        load = os.getloadavg()[0]
        print(
            f"{name}, {when}: {pair[0]:.1f} s / {pair[1]:.1f} s = {pair[0] / pair[1]:.2f}, "
            f"{'the same' if same else 'NOT THE SAME'}, load {load:.1f}",
            flush=True,
        )
    return found


def main() -> None:
    """Print all ratios, and their medians."""
    for name, pairs in measure(int(sys.argv[1]) if sys.argv[1:] else 5).items():
        ratios = [one / two for one, two in pairs]
        listed = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        goal = 1.8 if name == "photo statistics" else 1.7
        print(f"{name}: two workers / one {statistics.median(ratios):.2f} ({listed}); goal {goal}")


if __name__ == "__main__":
    main()
