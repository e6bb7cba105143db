"""Films: does a zoom's memory grow with its length, how long does a frame take, is the file what it should be?

``python -m benchmarks.films [SIDE]``; each length in a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from dreamscope.dreaming.zoom import zoom
from dreamscope.film import frame_store
from dreamscope.film.reader import Clip
from dreamscope.models.registry import load

SIDE, FPS, SHORT, LONG = 512, 24, 2, 10


def one(seconds: float, side: int) -> dict[str, float]:
    """Make a zoom here and decode it; return the peak of this process in MB, seconds a frame, frames."""
    with tempfile.TemporaryDirectory() as folder:
        plan = zoom(load("efficientnet_lite0"), "sample:china", seconds=seconds, fps=FPS, size=f"{side}x{side}")
        started = time.perf_counter()
        made = frame_store.make_film(Path(folder) / "zoom.mp4", plan)
        spent = time.perf_counter() - started
        # In kB on Linux.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        clip = Clip.open(made.path)
        times = [frame.time for frame in clip.frames()]
        size = made.path.stat().st_size
    right = times == [Fraction(n, FPS) for n in range(round(seconds * FPS))] and str(clip.size) == f"{side}x{side}"
    return {
        "peak MB": round(peak),
        "seconds a frame": round(spent / made.count, 3),
        "frames": len(times),
        "MB": round(size / 1e6, 2),
        "as it should be": right and clip.fps == FPS,
    }


def measure(side: int = SIDE, *, short: float = SHORT, long: float = LONG) -> dict[str, Any]:
    """Return what was seen of a short and a long zoom, and the ratio of their peaks."""
    found: dict[str, dict[str, float]] = {}
    for seconds in (short, long):
        command = [sys.executable, "-m", "benchmarks.films", str(side), str(seconds)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        found[f"{seconds:g} s"] = json.loads(ran.stdout)
    peaks = [each["peak MB"] for each in found.values()]
    return {**found, "peak, long / short": round(peaks[1] / peaks[0], 3)}


def main() -> None:
    """Print what was measured as JSON: of both lengths, or of the one that is given."""
    torch.manual_seed(0)
    side = int(sys.argv[1]) if len(sys.argv) > 1 else SIDE
    print(json.dumps(one(float(sys.argv[2]), side) if len(sys.argv) > 2 else measure(side), indent=1))


if __name__ == "__main__":
    main()
