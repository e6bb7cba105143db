"""Pictures larger than memory: the peak of a 16-megapixel step, and its time a megapixel.

In a process of its own (``python -m benchmarks.large``), so that what is idle is known.
"""

from __future__ import annotations

import gc
import json
import threading
import time
from pathlib import Path

import torch

from dreamscope.images import Size
from dreamscope.models.addresses import resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.registry import load
from dreamscope.objectives import Excite
from dreamscope.optimize.ascent import Ascent
from dreamscope.optimize.gradient_filters import FILTERS, natural_colors
from dreamscope.optimize.parameterizations import Pixel
from dreamscope.optimize.precision import prepared
from dreamscope.optimize.tiles import bytes_of, side_for
from dreamscope.optimize.transforms import Shift
from dreamscope.optimize.update_rules import GradientStep

LAYER = "features.28"
BUDGET = "2GB"


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class Peak:
    """The most memory that was used during a block, above what was used before it."""

    def __enter__(self) -> Peak:
        gc.collect()
        self.before, self.most, self._watching = resident(), 0, True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while self._watching:
            self.most = max(self.most, resident() - self.before)
            time.sleep(0.005)

    def __exit__(self, *_: object) -> None:
        self._watching = False
        self._thread.join()


def step(model: Classifier, side: int) -> tuple[float, int, int]:
    """Make one step of the default recipe; return seconds a megapixel, peak bytes, the tiles' side."""
    fast, _ = prepared(model, {LAYER}, side)
    tile = side_for(fast, [LAYER], Size(side, side), bytes_of(BUDGET))
    with Peak() as peak:
        picture = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0))
        started = time.perf_counter()
        rule = GradientStep(1.2 / 255, natural_colors(FILTERS["laplacian"], 0.7))
        Ascent(rule, transforms=[Shift(32)], tile=tile)(
            fast,
            Pixel.of(picture),
            Excite(tuple(resolve([LAYER], fast)), "mean_square"),
            steps=1,
            generator=torch.Generator().manual_seed(0),
        )
        seconds = time.perf_counter() - started
    return seconds / (side * side / 1e6), peak.most, tile


def main() -> None:
    """Print what was measured as JSON."""
    model = load("oxford_vgg19")
    _ = model.layers
    step(model, 1024)
    small = [step(model, 1024)[0]]
    large, peak, tile = step(model, 4096)
    small.append(step(model, 1024)[0])
    print(json.dumps({"small": small, "large": large, "peak_gb": peak / 1e9, "tile": tile}))


if __name__ == "__main__":
    main()
