"""A blinding put together by hand."""

from __future__ import annotations

from pathlib import Path

import torch
from nets import Vgg, seeded

from dreamscope import images, photos
from dreamscope.dissection import intervals
from dreamscope.dissection.blind import Blinding, Removed
from dreamscope.dissection.dose_response import Dose, Stage
from dreamscope.dissection.evaluation import PhotoPrediction, evaluate
from dreamscope.dissection.scores import ChannelScores
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap
from dreamscope.recipes import Recipe

FOLDER = "somebodys-own-folder"
NASTY = '<b>&"$x$ crane'
LAYERS = {"features.1": 8, "features.4": 12}


def scores_of(label: str = NASTY, methods: tuple[str, ...] = ("joint", "contrast", "frequency")) -> ChannelScores:
    generator = torch.Generator().manual_seed(0)
    names = ("target_mean", "control_mean", "difference", "auc")
    return ChannelScores(
        layers=LAYERS,
        class_index=0,
        label=label,
        scores={name: torch.randn(20, generator=generator) for name in methods},
        numbers={name: torch.rand(20, generator=generator) for name in names},
        counts={"targets": 4, "controls": 6},
        unreadable={},
        recipe=Recipe("dissect", {"name": "small"}, {}, {}, "0"),
    )


def made(tmp_path: Path, label: str = NASTY, count: int = 4) -> Blinding:
    """Put a blinding together by hand; its photos lie in a folder of their own."""
    generator = torch.Generator().manual_seed(1)
    for kind, number in (("class", count), ("rest", 6)):
        folder = tmp_path / FOLDER / f"{FOLDER}-{kind}"
        folder.mkdir(parents=True)
        for index in range(number):
            images.write(torch.rand((1, 3, 40, 48), generator=generator), folder / f"{kind}&{index}.png")
    targets = photos.find(tmp_path / FOLDER / f"{FOLDER}-class")
    model = wrap(seeded(Vgg()), name="small", input_size=32, labels=[label, *"bcde"])
    blinded = model.edited(Ablation("features.4:0-3", "zero"))
    scores = scores_of(label)

    def dose(channels: int) -> Dose:
        hits = [index >= channels for index in range(10)]
        return Dose(channels, intervals.share(hits), intervals.mean([float(index < channels) for index in range(10)]))

    def stage(channels: int) -> Stage:
        seen = [
            PhotoPrediction((0 if place >= channels else 1 + place % 4,), 0.9, 0.5, None, 0.5) for place in range(count)
        ]
        return Stage(channels, tuple(seen), channels == 4)

    patch = torch.rand((1, 3, 20, 20), generator=generator)
    places = scores.ranking()[:4].tolist()
    return Blinding(
        on_controls=None,
        model=blinded,
        result=evaluate(model, blinded, targets, photos.find(tmp_path / FOLDER / f"{FOLDER}-rest"), class_index=0),
        curve=tuple(dose(channels) for channels in (1, 2, 4, 8)),
        curve_frequency=tuple(dose(channels) for channels in (1, 2, 4)),
        course=tuple(stage(channels) for channels in (0, 1, 2, 4, 8)),
        frequency=dose(4),
        random=Dose(4, intervals.spread([1.0, 0.9]), intervals.spread([0.0, 1.0])),
        removed=tuple(Removed(scores.address(p), 1.0, float("nan"), 0.5, patch if p % 2 else None) for p in places),
        scores=scores,
        folds=1,
        counts=dict.fromkeys(("targets to find on", "targets to measure on", "controls to find on"), 4)
        | {"others to measure on": 6},
        unreadable={"bad.png": "picture 'bad.png' is empty (0 bytes)"},
        recipe=Recipe("blind", {"name": "small"}, {"targets": photos.reference(targets), "rest": None}, {}, "0"),
    )
