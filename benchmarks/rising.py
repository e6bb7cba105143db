"""Precision by progress: how far a dream gets a second, in the precision that was chosen and in float32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from dreamscope import images
from dreamscope.dreaming.dream import dream
from dreamscope.models.addresses import resolve
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Excite
from dreamscope.optimize.precision import prepared
from dreamscope.probes import probe

PHOTOS = Path(__file__).parents[2] / "shared" / "photos"
NAMES = ("sky.jpg", *(f"kelpie/{path.name}" for path in sorted((PHOTOS / "kelpie").glob("*.jpg"))[:4]))
SETTINGS = {"octaves": 2, "steps": 10, "size": 512, "recipe": False}


@dataclass(frozen=True)
class Risen:
    """How far the objective rose on one photo, and in what time, by precision."""

    photo: str
    rise: dict[str, float]
    seconds: dict[str, float]

    @property
    def a_step(self) -> float:
        """The rise in the chosen precision over that in float32, of as many steps."""
        return self.rise["auto"] / self.rise["float32"]

    @property
    def a_second(self) -> float:
        """The same, of as much time."""
        return self.a_step * self.seconds["float32"] / self.seconds["auto"]


def measure(model: Classifier, layer: str) -> list[Risen]:
    """Dream in both precisions on each photo; the objective is measured in float32, on the finished picture."""
    wanted = Excite(tuple(resolve([layer], model)), "mean_square")
    for precision in ("auto", "float32"):
        # The forms are made, and chosen, before the clock starts.
        print(f"  {precision}: {prepared(model, wanted.layers, 512, precision)[1]}")
    found = []
    for name in NAMES:
        photo = images.read(PHOTOS / name)
        rise, seconds = {}, {}
        for precision in ("float32", "auto"):
            made = dream(model, photo, layer, loss="mean_square", precision=precision, **SETTINGS)  # type: ignore[arg-type]
            before = _value(model, wanted, images.resize(photo, images.size_of(made.image)).clamp(0, 1))
            rise[precision] = _value(model, wanted, made.image) - before
            seconds[precision] = made.seconds
        found.append(Risen(Path(name).name, rise, seconds))
        print(f"  {found[-1].photo}: a step {found[-1].a_step:.3f}, a second {found[-1].a_second:.3f}")
    return found


def _value(model: Classifier, wanted: Excite, image: torch.Tensor) -> float:
    with torch.no_grad(), probe(model, wanted.layers) as seen:
        return float(wanted(seen(image)).sum())
