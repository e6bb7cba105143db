"""Memory of photo statistics: the same for a thousand photos as for a million?

``python -m benchmarks.microscope_memory photos [COUNT ...]``: those of imagenet600, again and again, as a network sees
them that looks at 64 pixels. ``python -m benchmarks.microscope_memory synthetic [COUNT]``: noise of 32 pixels out of
Parquet tables, seen by a small network.

Each count runs in a process of its own, the builder and its only worker together; what is printed is the most memory
that it ever took, above what it takes once the network has seen 256 photos.
"""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from benchmarks.streams import PHOTOS
from dreamscope.engines.base import Here
from dreamscope.microscope.items.kinds import Maker
from dreamscope.microscope.photo_pass import PhotoPass
from dreamscope.microscope.settings import Atlas
from dreamscope.microscope.store import Store
from dreamscope.models.classifier import Classifier
from dreamscope.models.registry import load
from dreamscope.models.wrapping import wrap
from dreamscope.photos import find, shards

COUNTS = {"photos": [1_000, 10_000, 100_000], "synthetic": [1_000_000]}
SIDE = 64
DISTINCT = 1_000
ROWS = 50_000
"""Photos of a table."""


def linked(folder: Path, count: int) -> None:
    """Fill a folder with links to photos."""
    known = find(PHOTOS / "imagenet600")
    for number in range(count):
        place = folder / f"{number // 1000:04}"
        place.mkdir(exist_ok=True)
        photo = known[number % len(known)].path
        (place / f"{number:07}{photo.suffix}").symlink_to(photo.absolute())


def drawn(folder: Path, count: int) -> None:
    """Fill a folder with tables of noise."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    files = []
    for _ in range(min(DISTINCT, count)):
        memory = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(memory, "JPEG")
        files.append(memory.getvalue())
    for start in range(0, count, ROWS):
        rows = [files[number % len(files)] for number in range(start, min(start + ROWS, count))]
        pq.write_table(pa.table({"image": rows}), folder / f"{start:08}.parquet", row_group_size=1000)


def small() -> Classifier:
    """Return a network of two layers: a million passes through a large one would say nothing more of memory."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    return wrap(nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 10)), name="small", input_size=32)


def measure(kind: str, count: int) -> None:
    """Go through so many photos, and print what it took."""
    torch.set_num_threads(1)
    model = small() if kind == "synthetic" else load("efficientnet_lite0", input_size=SIDE)
    atlas = Atlas.of(model)
    maker = Maker(model, atlas.layers, atlas.top)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "photos"
        folder.mkdir()
        {"photos": linked, "synthetic": drawn}[kind](folder, count)
        before = 0.0

        def gone(_: str, done: int, __: int) -> None:
            nonlocal before
            before = before or _most()

        started = time.perf_counter()
        with Store(Path(temporary) / "store") as store:
            run = PhotoPass(maker, atlas.network, atlas.widths, atlas.top, lambda: shards(folder), folder)
            found = run.run(store, Here(), gone)
        seconds = time.perf_counter() - started
        print(
            f"{found.count} photos ({kind}), {sum(atlas.widths.values())} channels: {_most() - before:.0f} MB above "
            f"{before:.0f} MB; {found.count / seconds:.0f} photos/s",
            flush=True,
        )


def _most() -> float:
    """Return the most memory that this process ever took, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure each count in a process of its own."""
    kind, *given = sys.argv[1:] or ["photos"]
    if given[:1] == ["one"]:
        measure(kind, int(given[1]))
        return
    for count in [int(each) for each in given] or COUNTS[kind]:
        subprocess.run([sys.executable, "-m", "benchmarks.microscope_memory", kind, "one", str(count)], check=True)


if __name__ == "__main__":
    main()
