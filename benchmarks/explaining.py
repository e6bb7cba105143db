"""How faithful each explanation is, beside chance and an edge detector, and what occlusion costs.

``python -m benchmarks.explaining areas [PHOTOS]`` and ``python -m benchmarks.explaining occlusion``.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.clock import Times, interleaved
from dreamscope import images
from dreamscope.attribution.base import BATCH, Attribution, Case, Method
from dreamscope.attribution.explain import METHODS, explain
from dreamscope.attribution.perturbations import Occlusion
from dreamscope.cli.allocator import keep_freed_memory
from dreamscope.models.classifier import Classifier
from dreamscope.models.registry import load
from dreamscope.objectives.targets import Class, Target
from dreamscope.optimize.precision import prepared
from dreamscope.photos import find
from dreamscope.probes import LOGITS

PHOTOS = Path(__file__).parents[2] / "shared" / "photos" / "imagenet600"


@dataclass(frozen=True)
class Chance(Method):
    """Noise: what a map is worth that knows nothing."""

    name: ClassVar[str] = "random"
    unit: ClassVar[str] = "noise"

    batch: ClassVar[int] = 1

    def attribute(self, case: Case) -> Attribution:
        """Return noise, (1, 1, H, W)."""
        return Attribution(torch.rand((1, 1, *case.images.shape[-2:]), generator=case.generator()))


@dataclass(frozen=True)
class Edges(Method):
    """Sobel: what a map is worth that knows the picture but not the network."""

    name: ClassVar[str] = "edges"
    unit: ClassVar[str] = "slope"

    def attribute(self, case: Case) -> Attribution:
        """Return the length of the luma's slope, (N, 1, H, W)."""
        across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], device=case.images.device).view(1, 1, 3, 3)
        luma = F.pad(images.gray(case.images), (1, 1, 1, 1), mode="replicate")
        slopes = F.conv2d(luma, torch.cat([across, across.transpose(2, 3)]))
        return Attribution(slopes.square().sum(1, keepdim=True).sqrt().cpu())


BASELINES = (Chance(), Edges())


@dataclass(frozen=True)
class Area:
    """Of one method: the mean insertion and deletion areas, and the share of photos better than both baselines.

    `wins` counts photos on which insertion minus deletion is above that of the better baseline.
    """

    insertion: float
    deletion: float
    wins: float
    seconds: float


def drawn(count: int, seed: int = 0) -> list[Tensor]:
    """Draw photos."""
    files = find(PHOTOS)
    order = torch.randperm(len(files), generator=torch.Generator().manual_seed(seed))
    return [images.read(files[index].path) for index in order[:count].tolist()]


def areas(
    model: Classifier,
    photos: Sequence[Tensor],
    methods: Sequence[str | Method] = tuple(METHODS),
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Area]:
    """Return the mean areas of methods and baselines, each explaining what a photo is taken for."""
    seen: dict[str, list[tuple[float, float, float]]] = {}
    for done, photo in enumerate(photos, 1):
        for each in explain(model, photo, method=[*methods, *BASELINES], faithfulness=True, recipe=False):
            (curves,) = each.faithfulness
            row = (curves.insertion_area, curves.deletion_area, each.seconds)
            seen.setdefault(each.method.name, []).append(row)
        if report is not None:
            report(done, len(photos))
    names = [each.name for each in BASELINES]
    best = [max(seen[name][place][0] - seen[name][place][1] for name in names) for place in range(len(photos))]
    return {
        name: Area(
            statistics.mean(row[0] for row in rows),
            statistics.mean(row[1] for row in rows),
            statistics.mean(row[0] - row[1] > bar for row, bar in zip(rows, best, strict=True)),
            statistics.mean(row[2] for row in rows),
        )
        for name, rows in seen.items()
    }


def occlusion(model: Classifier, *, stride: int = 8, rounds: int = 3) -> dict[str, Times]:
    """Time occlusion (224 pixels, window 32) beside plain inference of as many pictures in batches.

    ``plain`` is the network as it is loaded; ``same form`` the form that occlusion runs it in, so that what is
    left is the cost of covering and adding up.
    """
    picture = model.prepared(images.read("sample:flower"))
    method = Occlusion(window=32, stride=stride)
    count = ((picture.shape[-1] - method.window) // method.stride + 1) ** 2
    fast, _ = prepared(model, [LOGITS], 224, "float32")
    with torch.no_grad():
        index = int(model.logits(picture).argmax())
    case = Case(fast, picture, (Target((Class(index),), "it"),))

    def inference(network: Classifier) -> Callable[[int], None]:
        batch = picture.repeat(BATCH, 1, 1, 1)

        def run(steps: int) -> None:
            with torch.no_grad():
                for _ in range(steps):
                    for begin in range(0, count, BATCH):
                        network.logits(batch[: min(BATCH, count - begin)])

        return run

    def ours(steps: int) -> None:
        for _ in range(steps):
            method(case)

    runs = {"occlusion": ours, "plain": inference(model), "same form": inference(fast)}
    return interleaved(runs, steps=1, rounds=rounds)


def warm(model: Classifier, *, rounds: int = 25) -> dict[str, Times]:
    """Time `explain` (Grad-CAM, 224 pixels) once its model is prepared, beside one plain pass forward and backward."""
    picture = model.prepared(images.read("sample:flower"))

    def passes(steps: int) -> None:
        for _ in range(steps):
            model.logits(picture.clone().requires_grad_())[0].max().backward()

    def ours(steps: int) -> None:
        for _ in range(steps):
            explain(model, picture)

    return interleaved({"gradcam": ours, "forward and backward": passes}, steps=1, rounds=rounds)


def main() -> None:
    """Print one of the tables."""
    keep_freed_memory()
    model = load("efficientnet_lite0")
    case = sys.argv[1] if len(sys.argv) > 1 else "areas"
    if case == "occlusion":
        times = occlusion(model)
        for other in ("plain", "same form"):
            print(f"occlusion / {other}: {times['occlusion'].ratio(times[other])}")
        return
    if case == "warm":
        times = warm(model)
        print(f"gradcam / forward and backward: {times['gradcam'].ratio(times['forward and backward'])}")
        return
    photos = drawn(int(sys.argv[2]) if len(sys.argv) > 2 else 100)
    methods = sys.argv[3:] or tuple(METHODS)
    found = areas(model, photos, methods, lambda done, total: print(f"{done}/{total}", file=sys.stderr))
    print("| method | insertion | deletion | better than both baselines | seconds |\n|---|---|---|---|---|")
    for name, each in sorted(found.items(), key=lambda item: item[1].deletion - item[1].insertion):
        print(f"| {name} | {each.insertion:.3f} | {each.deletion:.3f} | {each.wins:.0%} | {each.seconds:.2f} |")


if __name__ == "__main__":
    main()
