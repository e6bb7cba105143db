"""How little fools a network: dreamscope, read back from PNG, beside foolbox on the same photos and classes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.adversarial.fool import fool
from dreamscope.models.classifier import Classifier
from dreamscope.photos import find

PHOTOS = Path(__file__).parents[2] / "shared" / "photos" / "imagenet600"
EPSILONS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
STEPS = 200


def pairs(model: Classifier, count: int, seed: int = 0) -> list[tuple[Tensor, int]]:
    """Draw photos, prepared and on 8-bit levels, each with a random class that it is not taken for."""
    generator = torch.Generator().manual_seed(seed)
    files = find(PHOTOS)
    found = []
    for index in torch.randperm(len(files), generator=generator)[:count].tolist():
        picture = (model.prepared(images.read(files[index].path)) * 255).round() / 255
        with torch.no_grad():
            now = int(model.logits(picture).argmax(1))
        drawn = int(torch.randint(0, 999, (), generator=generator))
        found.append((picture, drawn + (drawn >= now)))
    return found


def ours(model: Classifier, wanted: Sequence[tuple[Tensor, int]]) -> list[tuple[bool, float]]:
    """Return, for each pair, whether the file still fools, and the length of its change."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for picture, target in wanted:
            made = fool(model, picture, target, steps=STEPS)
            read = made.reread(model, made.save(Path(folder) / "fooled.png"))
            found.append((read.success, read.l2))
    return found


def foolboxes(model: Classifier, wanted: Sequence[tuple[Tensor, int]]) -> dict[str, list[float]]:
    """Return, for each of foolbox's attacks, the shortest change of each pair; infinite where there was none."""
    import foolbox

    class Logits(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return model.logits(x)

    wrapped = foolbox.PyTorchModel(Logits().eval(), bounds=(0, 1), device="cpu")
    attacks = {
        "DDN": (foolbox.attacks.DDNAttack(steps=STEPS), None),
        "PGD": (foolbox.attacks.L2ProjectedGradientDescentAttack(steps=40), EPSILONS),
    }
    found: dict[str, list[float]] = {name: [] for name in attacks}
    for picture, target in wanted:
        criterion = foolbox.criteria.TargetedMisclassification(torch.tensor([target]))
        for name, (attack, epsilons) in attacks.items():
            _, clipped, success = attack(wrapped, picture, criterion, epsilons=epsilons)
            tried = zip(clipped, success, strict=True) if epsilons else [(clipped, success)]
            lengths = [float((each - picture).norm()) for each, did in tried if bool(did.reshape(-1)[0])]
            found[name].append(min(lengths, default=float("inf")))
    return found
