"""Coherence: does what is dreamt on a clip move along with it? ``python -m benchmarks.coherence``.

The clip is made by panning and zooming over a sample photo, so that the true motion is known; a dream on each frame by
itself is what it is measured against.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.dreaming.video import KEEP, video
from dreamscope.dreaming.zoom import moved
from dreamscope.film import writer
from dreamscope.film.editing import Frames
from dreamscope.film.reader import Clip
from dreamscope.models.classifier import Classifier
from dreamscope.models.registry import load

COUNT, SIDE, MARGIN = 12, 256, 16
PAN, ZOOM = (0.008, 0.004), 1.006


def view(photo: Tensor, number: int) -> Tensor:
    """Return the frame of that number: `ZOOM` nearer and `PAN` further each time."""
    return moved(photo, zoom=ZOOM**number, pan=(PAN[0] * number, PAN[1] * number))


def step(image: Tensor, number: int) -> Tensor:
    """Move a picture that lies over frame `number` to where it lies over the next."""
    # A frame at z nearer and p further shows x / z + p; the next one x / (z * Z) + p + P.
    scale = ZOOM**number
    return moved(image, zoom=ZOOM, pan=(PAN[0] * scale, PAN[1] * scale))


def warp_error(dreams: Sequence[Tensor], margin: int = MARGIN) -> float:
    """Return the mean difference of successive dreams, the earlier one moved as the clip truly moved."""
    errors = []
    for number in range(len(dreams) - 1):
        difference = (dreams[number + 1] - step(dreams[number], number)).abs()
        # What comes in at the edges was not there before.
        errors.append(difference[..., margin:-margin, margin:-margin].mean().item())
    return sum(errors) / len(errors)


def measure(model: Classifier, *, count: int = COUNT, side: int = SIDE, **options: object) -> dict[str, float]:
    """Return the warp errors of the dream on the clip, of independent ones, and of the clip itself."""
    photo = images.read("sample:china")
    photo = images.resize(photo, images.fit_to(photo, side)).clamp(0, 1)
    # Even sides: nothing is added.
    photo = photo[..., : photo.shape[-2] // 2 * 2, : photo.shape[-1] // 2 * 2]
    with tempfile.TemporaryDirectory() as folder:
        clip = writer.write(Frames(count, lambda number: view(photo, number)), Path(folder) / "clip.mp4").path
        found = {"clip": warp_error([frame.image for frame in video(model, Clip.open(clip)).clip.frames()])}
        for name, keep in (("coherent", KEEP), ("independent", 0.0)):
            started = time.perf_counter()
            plan = video(model, Clip.open(clip), keep=keep, **options)  # type: ignore[arg-type]
            found[name] = warp_error([frame.image for frame in plan.frames()])
            found[f"{name} seconds a frame"] = (time.perf_counter() - started) / count
    return found | {"coherent / independent": found["coherent"] / found["independent"]}


def main() -> None:
    """Print what was measured as JSON."""
    torch.manual_seed(0)
    print(json.dumps(measure(load("efficientnet_lite0")), indent=1))


if __name__ == "__main__":
    main()
