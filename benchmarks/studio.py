"""The studio, through real sockets: how soon pictures come, and whether ten visitors at once get each their own."""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from websockets.sync.client import ClientConnection, connect

from dreamscope import images

GRACE = 2.0
_SERVER = (
    "from dreamscope.cli.threads import wait_briefly; wait_briefly(); import dreamscope as ds; "
    f"ds.studio(port=0, grace={GRACE}, ready=lambda text: print(text, flush=True))"
)
_COLOURS = [
    "#e02020",
    "#20b020",
    "#2040e0",
    "#e0c020",
    "#c020c0",
    "#20c0c0",
    "#f0f0f0",
    "#303030",
    "#e08020",
    "#805030",
]


@dataclass
class Server:
    """A studio in a process of its own."""

    address: str
    process: subprocess.Popen[str]
    folder: Path

    def memory(self) -> float:
        """Return what it holds in memory, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    def seconds(self) -> float:
        """Return the processor time that it has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def files(self) -> int:
        """Return how many files of visits there are."""
        return sum(path.is_file() for path in self.folder.rglob("*"))


@contextmanager
def server() -> Iterator[Server]:
    """Run a studio of the embedded network."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TMPDIR": folder}
        process = subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert process.stdout is not None
            yield Server(process.stdout.readline().strip().rstrip("/"), process, Path(folder))
        finally:
            process.terminate()
            process.wait(timeout=30)


class Visitor:
    """Somebody with a browser's cookie and a socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = httpx.Client(base_url=address, headers={"origin": address}, timeout=60)
        self.client.get("/dream").raise_for_status()
        self.jobs = 0

    def bring(self, image: Image.Image) -> str:
        """Upload a picture; return its name."""
        memory = io.BytesIO()
        image.save(memory, "JPEG", quality=95)
        answer = self.client.post("/pictures", content=memory.getvalue(), headers={"x-name": "photo.jpg"})
        return str(answer.raise_for_status().json()["name"])

    def socket(self) -> ClientConnection:
        """Open a connection."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        address = self.address.replace("http", "ws")
        return connect(f"{address}/socket", origin=self.address, additional_headers={"cookie": cookie}, max_size=None)

    def run(self, socket: ClientConnection, do: str, **values: Any) -> tuple[dict[str, Any], list[float]]:
        """Run a job; return what it told at the end, and when pictures or previews came, in seconds."""
        self.jobs += 1
        started = time.perf_counter()
        socket.send(json.dumps({"job": self.jobs, "do": do, **values}))
        came = []
        while True:
            message = socket.recv(timeout=300)
            if isinstance(message, bytes):
                came.append(time.perf_counter() - started)
                continue
            told = json.loads(message)
            if told["event"] == "preview":
                came.append(time.perf_counter() - started)
            if told["event"] in ("done", "failed", "stopped"):
                return told, came


def dreaming(studio: Server, rounds: int = 5) -> dict[str, Any]:
    """Return seconds from the upload to the first picture, pictures a second from there on, and those of previews."""
    firsts, rates, strips = [], [], []
    photo = images.to_pil(images.read("sample:china"))
    for _ in range(rounds):
        visitor = Visitor(studio.address)
        with visitor.socket() as socket:
            started = time.perf_counter()
            name = visitor.bring(photo)
            sent = time.perf_counter() - started
            _, came = visitor.run(socket, "dream", picture=name, size=512)
            firsts.append(sent + came[0])
            rates.append((len(came) - 1) / (came[-1] - came[0]))
            strips.append(visitor.run(socket, "previews", picture=name)[1][-1])
    return {
        "first picture after the upload, s": statistics.median(firsts),
        "pictures a second, 512 px": statistics.median(rates),
        "16 previews, s": statistics.median(strips),
    }


def ticking(studio: Server, folder: Path, each: int = 40) -> dict[str, Any]:
    """Return seconds from a tick on the page "Blind" to its answer, with as many photos of bees as of other things."""
    visitor = Visitor(studio.address)
    sets = {
        name: [visitor.bring(images.to_pil(images.read(path))) for path in sorted((folder / where).iterdir())[:each]]
        for name, where in (("targets", "bee/train"), ("controls", "imagenet600"))
    }
    with visitor.socket() as socket:
        started = time.perf_counter()
        found, _ = visitor.run(socket, "blind_find", **sets, class_name="bee")
        took = time.perf_counter() - started
        addresses = [channel["address"] for channel in found["channels"]]
        ticks = []
        # One more at a time, the strongest first, as the slider goes; then each alone.
        for off in [addresses[: number + 1] for number in range(len(addresses))] + [[address] for address in addresses]:
            started = time.perf_counter()
            visitor.run(socket, "blind_what_if", tryout=found["tryout"], off=off)
            ticks.append(time.perf_counter() - started)
    return {
        "photos": sum(map(len, sets.values())),
        "channels found, s": took,
        "a tick answered, s": statistics.median(ticks),
        "19 of 20 ticks within, s": statistics.quantiles(ticks, n=20)[-1],
    }


def idling(studio: Server, seconds: float = 20.0) -> dict[str, Any]:
    """Return the share of a processor that a studio takes while a page is open and nothing is done."""
    with Visitor(studio.address).socket():
        before = studio.seconds()
        time.sleep(seconds)
        return {"processor time when idle, %": 100 * (studio.seconds() - before) / seconds}


def ten_at_once(studio: Server, seconds: float = 60.0) -> dict[str, Any]:
    """Return what came of ten visitors that dream without a pause, each on a colour of its own."""
    _minute(studio, 5.0)
    before = studio.memory()
    counts, wrong = _minute(studio, seconds)
    time.sleep(GRACE + 2)
    # A visit ends when its time is over and somebody comes or goes.
    Visitor(studio.address)
    return {
        "dreams of ten visitors": sum(counts),
        "of the one with the fewest, the most": (min(counts), max(counts)),
        "lost or mixed": wrong,
        "memory after / before": studio.memory() / before,
        "files left": studio.files(),
    }


def _minute(studio: Server, seconds: float) -> tuple[list[int], int]:
    counts, wrong = [0] * len(_COLOURS), [0] * len(_COLOURS)

    def visit(number: int) -> None:
        visitor = Visitor(studio.address)
        plain = Image.new("RGB", (96, 96), _COLOURS[number])
        until = time.monotonic() + seconds
        with visitor.socket() as socket:
            while time.monotonic() < until:
                name = visitor.bring(plain)
                told, _ = visitor.run(socket, "dream", picture=name, size=96, steps=1, octaves=1, preset="classic")
                counts[number] += 1
                if told["event"] != "done":
                    wrong[number] += 1
                    continue
                made = Image.open(io.BytesIO(visitor.client.get(f"/files/{told['name']}").content)).convert("RGB")
                middle = made.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
                wanted = plain.getpixel((0, 0))
                wrong[number] += max(abs(a - b) for a, b in zip(middle, wanted, strict=True)) > 24

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(len(_COLOURS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts, sum(wrong)


def main(photos: str | None = None) -> None:
    """Measure all of it and print it; ticks only with a folder that holds ``bee/train`` and ``imagenet600``."""
    with server() as studio:
        Visitor(studio.address)
        parts = [dreaming, *([partial(ticking, folder=Path(photos))] if photos else []), idling, ten_at_once]
        for part in parts:
            for name, value in part(studio).items():
                print(f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
