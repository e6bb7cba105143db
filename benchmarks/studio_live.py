"""The studio's page Live: frames a second and latency, over a real WebSocket, from another process than the server's.

``python -m benchmarks.studio_live [--seconds S] [--layer LAYER] [--off LAYER:CHANNELS] [--json FILE]``. Frames are sent
one after another, as the page does it: a part of a photo that moves, as JPEG of the network's size; the next when all
channels and the answers of the last are there. What a browser adds (camera, JPEG, drawing the grid) is not in it.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import statistics
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

from benchmarks.clock import Times
from dreamscope import images

MODEL, LAYER, SIDE = "efficientnet_lite0", "blocks.4.2", 224
GOAL = 12.0
"""Frames a second."""


@contextmanager
def studio(model: str) -> Iterator[str]:
    """Run a studio in a process of its own; yield its address."""
    command = [sys.executable, "-m", "dreamscope", "studio", "--no-open", "--port", "0", "--model", model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"http://\S+", line):
                    yield found[0].rstrip("/")
                    return
            raise RuntimeError("the studio did not start")
        finally:
            process.terminate()


def frames(side: int, count: int = 40) -> list[bytes]:
    """Return the frames of a camera that moves over a photo, as JPEG."""
    photo = images.to_pil(images.read("sample:china"))
    found = []
    for number in range(count):
        # There and back.
        share = 1 - abs(2 * number / count - 1)
        left, top = round(share * (photo.width - 400)), round(share * (photo.height - 400))
        memory = io.BytesIO()
        photo.crop((left, top, left + 400, top + 400)).resize((side, side)).save(memory, "JPEG", quality=85)
        found.append(memory.getvalue())
    return found


def measure(address: str, seconds: float, **values: object) -> Times:
    """Return how long each frame took, in seconds, after the first ten."""
    with urllib.request.urlopen(f"{address}/live") as page:
        cookie = page.headers["set-cookie"].split(";")[0]
    host = urlsplit(address).netloc
    taken = []
    with connect(f"ws://{host}/socket", additional_headers={"Cookie": cookie}, origin=address) as socket:  # type: ignore[arg-type]
        socket.send(json.dumps({"job": 1, "do": "live", **values}))
        end = None
        for number, frame in enumerate(cycle(frames(SIDE))):
            started = time.perf_counter()
            socket.send(struct.pack(">I", 1) + frame)
            _answered(socket)
            if number < 10:
                end = time.perf_counter() + seconds
                continue
            taken.append(time.perf_counter() - started)
            if end is not None and time.perf_counter() > end:
                return Times(tuple(taken))
    raise RuntimeError("the connection was closed")


def _answered(socket: ClientConnection) -> None:
    maps = False
    while True:
        message = socket.recv(timeout=60)
        if isinstance(message, bytes):
            maps = True
            continue
        event = json.loads(message)
        if event["event"] == "failed":
            raise RuntimeError(event["message"])
        if event["event"] == "done":
            assert maps, "answers without a grid"
            return


def main() -> None:
    """Print frames a second and latency, median and 95th percentile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--layer", nargs="*", default=[LAYER])
    parser.add_argument("--off", nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    with studio(given.model) as address:
        for layer in given.layer:
            taken = sorted(measure(address, given.seconds, layer=layer, off=given.off, channel=0).rounds)
            slow = taken[int(0.95 * (len(taken) - 1))]
            row = {
                "layer": layer,
                "off": given.off,
                "frames": len(taken),
                "frames a second (median)": 1 / statistics.median(taken),
                "frames a second (slowest 5 %)": 1 / slow,
                "latency ms (median)": 1000 * statistics.median(taken),
                "latency ms (95 %)": 1000 * slow,
            }
            rows.append(row)
            print(
                "  ".join(
                    f"{key} {value:.1f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
                )
            )
            met = "met" if 1 / statistics.median(taken) >= GOAL else "not met"
            print(f"goal: at least {GOAL:g} frames a second: {met}")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
