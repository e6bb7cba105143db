"""Does the engine keep up with many workers, and what would large atlases take?

``python -m benchmarks.microscope_scale simulate [--items N --workers N --seconds S]``: actors of a local Ray cluster,
more of them than there are processors, sleep for what an item costs. What they take beyond items x seconds / workers
is what scheduling costs.

``python -m benchmarks.microscope_scale estimate``: measures the parts on this machine with one thread, and prints what
VGG-19 and ResNet-50 would take on GPUs, as a Markdown table, below the assumptions that it rests on.
"""

from __future__ import annotations

import argparse
import io
import itertools
import pickle
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.streams import PHOTOS
from dreamscope import images
from dreamscope.engines.ray import Ray
from dreamscope.microscope.items import channel_pictures, exemplars
from dreamscope.microscope.items.base import Item
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.photo_pass import LARGEST
from dreamscope.microscope.photo_statistics import Gatherer, PhotoStatistics
from dreamscope.microscope.settings import Atlas
from dreamscope.models.registry import load
from dreamscope.photos import Photo, find

# Images a second in inference: PyTorch Image Models, results/benchmark-infer-amp-nchw-pt240-cu124-rtx4090.csv (an RTX
# 4090, PyTorch 2.4, mixed precision, batches of 1024).
IMAGES_A_SECOND = {"vgg19": 1994.6, "resnet50": 4217.6}
SHARE = 0.5
"""Of that speed: numbers of an atlas are float32, not mixed."""
PRICE = 0.5
"""Dollars for an hour of such a GPU."""
CORES = 8
"""Processors beside each GPU, which decode photos."""
NETWORK = 1.25e9
"""Bytes a second that the photos' store gives to all together: 10 Gbit/s."""
GPUS = (1, 8, 64, 512)
COUNTS = {"1.28 M": 1_281_167, "1 billion": 1_000_000_000}
STEPS = 4
CLASSES = 1000


def simulate(items: int, workers: int, seconds: float) -> None:
    """Print what scheduling of sleeping actors takes."""

    def work() -> Callable[[int], int]:
        def sleep(number: int) -> int:
            time.sleep(seconds)
            return number

        return sleep

    began = time.perf_counter()
    # Of a processor of their own they need nothing.
    with Ray(workers=workers, cpus=0.001) as engine:
        # The last actors have begun when items are done as fast as all of them do them.
        done = engine.run(work, itertools.count())
        times: list[float] = []
        for _ in done:
            times.append(time.perf_counter())
            if len(times) > 4 * workers and times[-1] - times[-workers] < 1.2 * seconds:
                break
            if len(times) > 400 * workers:
                raise RuntimeError("the actors do not come up to their speed")
        print(f"{workers} actors began in {times[-1] - began:.0f} s", flush=True)
        started, seen = time.perf_counter(), set()
        for number, _ in itertools.islice(done, items):
            seen.add(number)
        took = time.perf_counter() - started
    ideal = items * seconds / workers
    print(f"{len(seen)} items of {seconds} s: {took:.1f} s, at best {ideal:.1f} s: {took / ideal - 1:+.1%}")


@dataclass(frozen=True)
class Costs:
    """What was measured of a network, with one thread of this machine's processor.

    Attributes
    ----------
    channels : int
        Of the atlas.
    decoding, photo : float
        Seconds to read and prepare a photo, and to run it and gather its statistics.
    picture : float
        Seconds for all pictures of a channel, coarse and fine, what excites it most and least.
    merging : float
        Seconds of the builder for a part of the photos: to receive, keep and merge it.
    part, shown, file : float
        Bytes of a part's statistics, of what is shown of a channel, and of a photo.
    """

    channels: int
    decoding: float
    photo: float
    picture: float
    merging: float
    part: float
    shown: float
    file: float


def measured(name: str) -> Costs:
    """Measure a network, with weights drawn at random: they change nothing of what it costs."""
    torch.set_num_threads(1)
    model = load(name, weights="none")
    atlas = Atlas.of(model)
    photos = find(PHOTOS / "imagenet600")[:48]
    read = _timed(lambda: [model.prepared(images.read(p.path, side=model.prepared_side)) for p in photos]) / len(photos)
    gatherer = Gatherer(model, atlas.layers, top=atlas.top)
    gatherer.part(photos[:2], 0)
    whole = _timed(lambda: gatherer.part(photos, 0)) / len(photos)
    merging, part = _merging(gatherer.part(photos[:1], 0), photos[0])
    picture, shown = _pictures(atlas, gatherer.part(photos[:16], 0))
    size = statistics.mean(photo.path.stat().st_size for photo in photos)
    return Costs(sum(atlas.widths.values()), read, whole - read, picture, merging, part, shown, size)


def _timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _merging(found: PhotoStatistics, photo: Photo) -> tuple[float, float]:
    """Return the seconds for, and the bytes of, a part that has photos of all classes."""
    (_, total), *_ = found.classes.values()
    # Sums of their own, or they would be sent as one.
    found.classes = {index: (LARGEST // CLASSES, total.clone()) for index in range(CLASSES)}
    found.kept = {number: (photo, number) for number in range(LARGEST)}
    sent = pickle.dumps(found)
    whole = PhotoStatistics(found.widths, found.top)

    def merge() -> None:
        memory = io.BytesIO()
        np.savez(memory, **pickle.loads(sent).numbers(photo.path.parent))
        memory.seek(0)
        with np.load(memory) as numbers:
            whole.merge(PhotoStatistics.of_numbers(dict(numbers)))

    merge()
    return min(_timed(merge) for _ in range(3)), len(sent)


def _pictures(atlas: Atlas, photos: PhotoStatistics) -> tuple[float, float]:
    """Return the seconds and the bytes of a channel, from few steps at the first, middle and last layer."""
    bench = Bench(atlas.model, atlas.layers)
    layers = [atlas.layers[0], atlas.layers[len(atlas.layers) // 2], atlas.layers[-1]]
    seconds = sizes = 0.0
    for layer in layers:
        for item in [*_first(atlas, layer, "coarse"), *_first(atlas, layer, "fine")]:
            steps = item.settings["picture"]["steps"]
            several, single = (_with(item, channels=4, steps=each) for each in (STEPS, 1))
            channel_pictures.make(bench, single, {})
            started = time.perf_counter()
            channel_pictures.make(bench, single, {})
            between = time.perf_counter()
            made = channel_pictures.make(bench, several, {})
            once, more = between - started, time.perf_counter() - between
            # What is done once for a picture counts once.
            seconds += (once + max(0.0, more - once) / (STEPS - 1) * (steps - 1)) / 4
            # The coarse form is gone by then.
            sizes += sum(map(len, made.pictures.values())) / 4 / 2
        strips = next(item for item in exemplars.items(atlas, photos) if item.settings["layer"] == layer)
        shown = exemplars.make(bench, strips, {}).pictures
        sizes += statistics.mean(map(len, shown.values())) if shown else 0.0
    return seconds / len(layers), sizes / len(layers)


def _with(item: Item, *, channels: int, steps: int) -> Item:
    picture = {**item.settings["picture"], "steps": steps}
    return Item(item.kind, item.name, {**item.settings, "channels": [0, channels], "picture": picture})


def _first(atlas: Atlas, layer: str, care: str) -> Iterator[Item]:
    """Yield the first items of a layer: for the most, and for the least."""
    of_layer = (item for item in channel_pictures.items(atlas, care) if item.settings["layer"] == layer)
    yield from itertools.islice(of_layer, 2)


def estimate(price: float, share: float) -> None:
    """Print the table."""
    rows, notes = [], []
    for name, published in IMAGES_A_SECOND.items():
        cost = measured(name)
        a_second = published * share
        # A picture takes as many forward passes on a GPU as it does here.
        picture = cost.picture / cost.photo / a_second
        notes.append(
            f"{name}: {cost.channels} channels; decoding {1e3 * cost.decoding:.1f} ms a photo, network and statistics "
            f"{1e3 * cost.photo:.0f} ms; {cost.picture:.0f} s for a channel's pictures, as much as "
            f"{cost.picture / cost.photo:.0f} photos; {1e3 * cost.merging:.0f} ms of the builder and "
            f"{cost.part / 1e6:.1f} MB for a part of {LARGEST} photos; {cost.shown / 1e3:.0f} kB shown of a channel"
        )
        for (count, number), gpus in itertools.product(COUNTS.items(), GPUS):
            rates = {
                "GPUs": gpus * a_second,
                "decoding": gpus * CORES / cost.decoding,
                "the photos' store": NETWORK / cost.file,
                "the builder": LARGEST / cost.merging,
            }
            first = min(rates, key=lambda each: rates[each])
            hours = (number / rates[first] + cost.channels * picture / gpus) / 3600
            store = cost.channels * cost.shown + 4 * cost.part
            moved = number * cost.file + number / LARGEST * cost.part
            rows.append(
                f"| {name} | {count} | {gpus} | {_time(hours)} | {_time(cost.channels * picture / gpus / 3600)} | "
                f"{_money(hours * gpus * price)} | {store / 1e9:.2f} GB | {moved / 1e12:.2f} TB | "
                f"{first} ({rates[first]:,.0f} photos/s) |"
            )
    print("Measured here, one thread:\n")
    print("\n".join(f"- {note}" for note in notes))
    print("\nAssumed: " + ", ".join(f"{name} {speed:g} images/s" for name, speed in IMAGES_A_SECOND.items()), end=" ")
    print(
        f"in inference on an RTX 4090 in mixed precision (published by timm), {share:g} of that in float32; {price} "
        f"dollars a GPU-hour; {CORES} processors a GPU; photos from a store of {NETWORK / 1.25e8:.0f} Gbit/s; GPUs do "
        "photos first, then pictures; what doesn't grow with photos or channels (classes, wiring) is left out.\n"
    )
    print("| network | photos | GPUs | time | of it pictures | dollars | store | bytes moved | saturates first |")
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))


def _money(dollars: float) -> str:
    return f"{dollars:.2f}" if dollars < 10 else f"{dollars:,.0f}"


def _time(hours: float) -> str:
    return f"{hours * 60:.1f} min" if hours < 1 else f"{hours:.1f} h" if hours < 72 else f"{hours / 24:.1f} days"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.microscope_scale", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("simulate")
    first.add_argument("--items", type=int, default=100_000)
    first.add_argument("--workers", type=int, default=48)
    first.add_argument("--seconds", type=float, default=0.25, help="what an item costs")
    second = commands.add_parser("estimate")
    second.add_argument("--price", type=float, default=PRICE, help="dollars for a GPU-hour")
    second.add_argument("--share", type=float, default=SHARE, help="of the published speed")
    given = parser.parse_args()
    if given.command == "simulate":
        simulate(given.items, given.workers, given.seconds)
    else:
        estimate(given.price, given.share)


if __name__ == "__main__":
    main()
