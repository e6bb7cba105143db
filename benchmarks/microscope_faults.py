"""Faults during a build of efficientnet_lite0's atlas: is the finished store the one of an undisturbed build?

``python -m benchmarks.microscope_faults [FAULT ...]`` (all of them if none is named); pictures take few steps, since
they are only compared. One of the photos can't be decoded, in all builds alike.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from benchmarks.streams import PHOTOS
from dreamscope import images
from dreamscope.engines.base import Engine
from dreamscope.engines.local import Local
from dreamscope.engines.ray import Ray
from dreamscope.errors import DreamscopeError
from dreamscope.microscope.build import DATA, build
from dreamscope.microscope.settings import Atlas
from dreamscope.microscope.store import Store
from dreamscope.models.registry import load

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from clusters import SETTINGS, Head
from stores import content, short

LAYERS = ["blocks.2.0", "blocks.4.0"]
COUNT = 20
KILLS = 10


def one(site: Path, photos: Path, engine: Engine, restart: Callable[[str], None] = lambda _: None) -> float:
    """Build, and return the seconds."""
    atlas = Atlas.of(load("efficientnet_lite0"), LAYERS, side=64, top=4)
    return build(atlas, site, photos, engine=engine, callback=lambda stage, *_: restart(stage)).seconds


def prepared(folder: Path) -> Path:
    """Return a folder of some photos, one of them broken."""
    photos = folder / "photos"
    photos.mkdir()
    chosen = sorted((PHOTOS / "imagenet600").glob("*.jpg"))[::30][:COUNT]
    for path in chosen:
        (photos / path.name).symlink_to(path.absolute())
    (photos / "zz_broken.jpg").write_bytes(chosen[0].read_bytes()[:500])
    return photos


def workers_killed(site: Path, photos: Path) -> str:
    """Kill workers at random moments."""
    engine, drawn, killed, over = Local(2), random.Random(0), [0], threading.Event()

    def kill() -> None:
        while killed[0] < KILLS and not over.wait(drawn.uniform(1, 6)):
            alive = [worker.process for worker in engine._workers if worker.process is not None]
            if alive:
                drawn.choice(alive)._process.send_signal(signal.SIGKILL)
                killed[0] += 1

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        seconds = one(site, photos, engine)
    finally:
        over.set()
        killer.join()
    return f"{killed[0]} workers killed, {seconds:.0f} s"


def builder_killed(site: Path, photos: Path) -> str:
    """Kill the builder at random moments, and start it again, until it comes to its end."""
    drawn, kills = random.Random(1), 0
    while True:
        running = subprocess.Popen([sys.executable, "-m", "benchmarks.microscope_faults", "--build", site, photos])
        try:
            if running.wait(drawn.uniform(8, 30)):
                raise RuntimeError("the build failed")
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            kills += 1
        else:
            return f"builder killed {kills} times"


def disk_full(site: Path, photos: Path) -> str:
    """Build on a small file system, then make it larger."""
    site.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", site], check=False).returncode:
        one(site, photos, Local(2))
        return "no file system can be mounted here: not tried"
    try:
        try:
            one(site, photos, Local(2))
        except DreamscopeError as error:
            said = str(error)
        left = [name for name in content(site) if "/.dreamscope" in name]
        assert not left, left
        subprocess.run(["mount", "-o", "remount,size=500m", site], check=True)
        one(site, photos, Local(2))
        with tempfile.TemporaryDirectory() as copy:
            subprocess.run(["cp", "-a", f"{site}/.", copy], check=True)
            subprocess.run(["umount", site], check=True)
            subprocess.run(["cp", "-a", f"{copy}/.", site], check=True)
    finally:
        with suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", "-q", site], check=True)
    return said.rpartition(":")[2].strip()


@contextmanager
def cluster() -> Iterator[Head]:
    """A head on this machine."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        head = Head(Path(folder), 2)
        try:
            yield head
        finally:
            head.kill()


def head_restarted(site: Path, photos: Path) -> str:
    """Kill a Ray cluster, and start it again, twice."""
    import os

    os.environ.update(SETTINGS)
    times: dict[str, threading.Timer] = {}
    with cluster() as head:

        def restart(stage: str) -> None:
            if stage in ("photos", "pictures of channels") and stage not in times:
                head.kill()
                times[stage] = threading.Timer(2, head.start)
                times[stage].start()

        seconds = one(site, photos, Ray(head.address, 2), restart)
        for each in times.values():
            each.join()
    return f"{len(times)} restarts, {seconds:.0f} s"


def compared(first: Path, second: Path) -> str:
    """Return how two sites differ."""
    one, two = content(first), content(second)
    if one == two:
        return "the same, byte for byte"
    if one.keys() != two.keys():
        return f"NOT THE SAME FILES: {sorted(one.keys() ^ two.keys())[:5]}"
    others = sorted(name for name in one if one[name] != two[name])
    stores = Store(first / DATA), Store(second / DATA)
    for key in stores[0]:
        numbers = [store.numbers(key) for store in stores]
        if any(not np.array_equal(numbers[0][name], numbers[1][name], equal_nan=True) for name in numbers[0]):
            return f"NOT THE SAME NUMBERS: {key}"
    apart = [
        float((images.read(first / name) - images.read(second / name)).abs().max())
        for name in others
        if name.endswith(".webp")
    ]
    return f"numbers the same; {len(apart)} pictures differ, by at most {max(apart, default=0):.3f}; files {others[:3]}"


FAULTS = {
    "workers killed": workers_killed,
    "builder killed": builder_killed,
    "disk full": disk_full,
    "Ray's head restarted": head_restarted,
}


def main() -> None:
    """Make all of it, or what is asked for by the process above."""
    short(setattr)
    if sys.argv[1:2] == ["--build"]:
        one(Path(sys.argv[2]), Path(sys.argv[3]), Local(2))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photos = prepared(folder)
        started = time.monotonic()
        one(folder / "undisturbed", photos, Local(2))
        files = content(folder / "undisturbed")
        size = sum(map(len, files.values())) / 1e6
        print(f"undisturbed: {time.monotonic() - started:.0f} s, {len(files)} files, {size:.1f} MB", flush=True)
        for name, fault in FAULTS.items():
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            seen = fault(folder / name.replace(" ", "-"), photos)
            same = compared(folder / "undisturbed", folder / name.replace(" ", "-"))
            print(f"{name} ({seen}): {same}", flush=True)


if __name__ == "__main__":
    main()
