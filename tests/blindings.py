"""A blinding put together by hand."""

from __future__ import annotations

from pathlib import Path

import torch
from nets import Vgg, seeded

from dreamscope import images, photos
from dreamscope.dissection import intervals
from dreamscope.dissection.blinding import Blinding, Design, Removed
from dreamscope.dissection.dose_response import Course, Dose, Stage
from dreamscope.dissection.evaluation import Evaluation, evaluate
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.predictions import PhotoPrediction
from dreamscope.dissection.readout import Readout
from dreamscope.dissection.removals import Removals
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.trials import Trial
from dreamscope.models.edit_base import Edit
from dreamscope.models.erase import Erase
from dreamscope.models.wrapping import wrap
from dreamscope.recipes import Recipe

FOLDER = "somebodys-own-folder"
NASTY = '<b>&"$x$ crane'
LAYERS = {"features.1": 8, "features.4": 12}
READ = ("features.1", "features.4", "features.5")
"""Two blocks and the features."""


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


def readouts_of(*found: int, before: dict[str, Readout] | None = None) -> dict[str, Readout]:
    """Readouts at the last layers of `READ`, where so many of 20 photos are found; those before are given."""
    made = dict(before or {})
    for layer, count in zip(READ[-len(found) :], found, strict=True):
        negatives = tuple(float(number) for number in range(-50, 50))
        made[layer] = Readout(layer, (99.0,) * count + (-99.0,) * (20 - count), negatives, 2, {}, None)
    return made


def trials_of(result: Evaluation, channels: int, directions: int) -> tuple[Trial, ...]:
    """All trials that there are where so many channels and directions are removed."""
    robust, none = result.recall_before, intervals.share([0.0] * result.recall_before.count)
    intact = readouts_of(8, 16, 19)
    before = {READ[0]: intact[READ[0]]}

    def loss(value: float) -> Estimate:
        return Estimate(value, value - 1, value + 1, 6)

    random, costs = intervals.spread([1.0, 0.9]), intervals.spread([0.0, 1.0])
    found = [
        Trial("intact", 0, result.recall_before, robust, loss(0.0), intact),
        Trial("output deleted", 1, none, none, loss(0.5), intact),
        Trial("random channels", channels or 50, random, None, costs, readouts_of(15, 18, before=before)),
        Trial(
            "frequency", channels or 50, intervals.share([1, 0, 0]), None, loss(4), readouts_of(12, 10, before=before)
        ),
        Trial(
            "chosen", channels + directions, result.recall_after, none, result.loss, readouts_of(14, 1, before=before)
        ),
    ]
    if directions:
        read = readouts_of(16, 18, before=before)
        found.insert(3, Trial("random directions", directions, random, None, costs, read))
    return tuple(found)


def course_of(unit: str, amounts: tuple[int, ...], chosen: int, count: int) -> Course:
    """The larger the dose, the fewer of 10 photos are recognised; of the `count` that are shown, too."""

    def dose(amount: int) -> Dose:
        lost = [index < 10 * amount / amounts[-1] for index in range(10)]
        return Dose(amount, intervals.share([not each for each in lost]), intervals.mean(list(map(float, lost))))

    def stage(amount: int) -> Stage:
        last = count * amount / amounts[-1]
        seen = [
            PhotoPrediction((0 if place >= last else 1 + place % 4,), 0.9, 0.5, None, 0.5) for place in range(count)
        ]
        return Stage(amount, tuple(seen), amount == chosen)

    return Course(
        unit,
        tuple(map(dose, amounts)),
        tuple(map(dose, amounts[:-1])) if unit == "channels removed" else (),
        tuple(map(stage, (0, *amounts))),
    )


def made(tmp_path: Path, label: str = NASTY, count: int = 4, *, units: str = "both", curve: bool = True) -> Blinding:
    """Put a blinding together by hand; its photos lie in a folder of their own.

    Two channels, one direction or both are removed, by `units`: all trials that there are have readouts.
    """
    generator = torch.Generator().manual_seed(1)
    for kind, number in (("class", count), ("rest", 6)):
        folder = tmp_path / FOLDER / f"{FOLDER}-{kind}"
        folder.mkdir(parents=True)
        for index in range(number):
            images.write(torch.rand((1, 3, 40, 48), generator=generator), folder / f"{kind}&{index}.png")
    targets = photos.find(tmp_path / FOLDER / f"{FOLDER}-class")
    model = wrap(seeded(Vgg()), name="small", input_size=32, labels=[label, *"bcde"])
    scores = scores_of(label)
    edits: list[Edit] = []
    removed: list[Removed] = []
    nan, patch = float("nan"), torch.rand((1, 3, 20, 20), generator=generator)
    if units != "directions":
        places = scores.ranking()[:2].tolist()
        edits += Removals(model, list(LAYERS), "zero")(scores, places)
        shown = zip(places, (patch, None), strict=True)
        removed += [Removed(scores.address(place), None, 1.0, nan, 0.5, each) for place, each in shown]
    if units != "channels":
        direction = torch.randn(12, generator=generator)
        erase = Erase(READ[-1], direction, direction / direction.square().sum())
        edits.append(erase)
        removed.append(Removed(erase.address, 0, nan, nan, nan, None))
    blinded = model.edited(edits)
    result = evaluate(model, blinded, targets, photos.find(tmp_path / FOLDER / f"{FOLDER}-rest"), class_index=0)
    if units == "channels":
        course = course_of("channels removed", (1, 2, 4, 8), 2, count)
    else:
        course = course_of("% of the directions erased", (20, 40, 60, 80, 100), 100, count)
    counts = dict.fromkeys(("targets to find on", "targets to train probes on", "targets to measure on"), 4)
    return Blinding(
        model=blinded,
        result=result,
        trials=trials_of(result, 2 * (units != "directions"), int(units != "channels")),
        course=course if curve else None,
        removed=tuple(removed),
        scores=None if units == "directions" else scores,
        design=Design(
            units=units,
            aim="readout",
            method="erasure" if units == "directions" else "joint",
            read_at=READ[-1:],
            folds=1,
            counts=counts | {"controls to find on": 4, "others to measure on": 6},
            agreement=None,
        ),
        class_index=0,
        unreadable={"bad.png": "picture 'bad.png' is empty (0 bytes)"},
        recipe=Recipe("blind", {"name": "small"}, {"targets": photos.reference(targets), "rest": None}, {}, "0"),
    )
